#include "pki/keystore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "pki/key_op.h"
#include "pki/key_pem.h"
#include "pki/ossl.h"

#define SUFFIX ".key"
#define FILE_MAX 16384 /* octets of the largest key file that is read */

/* An operation that is not in use at the moment; several threads may have taken out others of the same kind. */
struct idle_op {
	struct key_op *op;
	struct idle_op *next;
};

struct loaded_key {
	char name[KEY_NAME_MAX];
	EVP_PKEY *key;
	struct idle_op *idle;
	struct loaded_key *next;
};

struct keystore_file {
	struct keystore base;
	char *dir;              /* as it was named, for texts */
	int fd;
	pthread_mutex_t lock;   /* of what follows */
	struct loaded_key *keys;
};

static struct keystore_file *self(struct keystore *ks)
{
	return (struct keystore_file *)ks;
}

static void file_name(char out[KEY_NAME_MAX + sizeof(SUFFIX)], const char *name)
{
	snprintf(out, KEY_NAME_MAX + sizeof(SUFFIX), "%s" SUFFIX, name);
}

static int no_such_key(const struct keystore_file *f, const char *name, struct err *e)
{
	return err_set(e, ERR_AUTH, "%s: there is no such key in %s", name, f->dir);
}

/* --- reading --- */

static int open_key(struct keystore_file *f, const char *name, int *fd, struct err *e)
{
	char file[KEY_NAME_MAX + sizeof(SUFFIX)];
	struct stat st;

	if (!key_name_ok(name))
		return no_such_key(f, "(malformed name)", e);
	file_name(file, name);
	AUTO(auto_close) int got = openat(f->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (got < 0 && errno == ENOENT)
		return no_such_key(f, name, e);
	if (got < 0 || fstat(got, &st) < 0)
		return err_sys(e, ERR_IO, "%s/%s", f->dir, file);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_AUTH, "%s/%s: not a regular file", f->dir, file);
	if (st.st_mode & 077)
		return err_set(e, ERR_AUTH, "%s/%s: others may read this private key (mode %04o): chmod 600 %s/%s, and "
			       "consider who has seen it", f->dir, file, (unsigned)(st.st_mode & 07777), f->dir, file);
	*fd = got;
	got = -1;
	return 0;
}

/* A file that holds another key than its name says would sign for the wrong certificate. */
static int check_name(const char *name, EVP_PKEY *key, struct err *e)
{
	char unit[KEY_NAME_MAX] = "";
	char expected[KEY_NAME_MAX];

	memcpy(unit, name, strcspn(name, ".")); /* key_name_ok has seen the name */
	int r = key_name_of(unit, key, expected, e);
	if (r)
		return r;
	if (strcmp(name, expected) != 0)
		return err_rule(e, "key-name", -1, "the file holds another key than its name says, it would be %s",
				expected);
	return 0;
}

static int read_key(struct keystore_file *f, const char *name, EVP_PKEY **key, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	AUTO(auto_pkey) EVP_PKEY *k = NULL;
	uint8_t *pem = NULL;
	size_t len = 0;
	int r = open_key(f, name, &fd, e);

	if (r)
		return r;
	r = file_read_fd(fd, name, FILE_MAX, &pem, &len, e);
	if (r)
		return r;
	r = key_from_pem((struct view){pem, len}, &k, e);
	secret_free(pem, len);
	if (!r)
		r = check_name(name, k, e);
	if (r) {
		err_prefix(e, "%s/%s" SUFFIX, f->dir, name);
		return r;
	}
	*key = k;
	k = NULL;
	return 0;
}

/* --- what is loaded; f->lock is held --- */

static struct loaded_key *find_loaded(struct keystore_file *f, const char *name)
{
	for (struct loaded_key *k = f->keys; k; k = k->next) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

static void free_loaded(struct loaded_key *k)
{
	while (k->idle) {
		struct idle_op *o = k->idle;
		k->idle = o->next;
		key_op_free(o->op);
		free(o);
	}
	EVP_PKEY_free(k->key);
	free(k);
}

static void forget(struct keystore_file *f, const char *name)
{
	for (struct loaded_key **p = &f->keys; *p; p = &(*p)->next) {
		struct loaded_key *k = *p;
		if (strcmp(k->name, name) == 0) {
			*p = k->next;
			free_loaded(k);
			return;
		}
	}
}

static int get_loaded(struct keystore_file *f, const char *name, struct loaded_key **out, struct err *e)
{
	struct loaded_key *k = find_loaded(f, name);

	if (k) {
		*out = k;
		return 0;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ERR_NOMEM, "key: out of memory");
	int r = read_key(f, name, &k->key, e);
	if (r) {
		free_loaded(k);
		return r;
	}
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->next = f->keys;
	f->keys = k;
	*out = k;
	return 0;
}

static int get_key(struct keystore_file *f, const char *name, EVP_PKEY **key, struct err *e)
{
	struct loaded_key *k;

	pthread_mutex_lock(&f->lock);
	int r = get_loaded(f, name, &k, e);
	if (!r) {
		EVP_PKEY_up_ref(k->key);
		*key = k->key;
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

static struct idle_op *find_idle(struct loaded_key *k, const struct key_sign *req)
{
	for (struct idle_op **p = &k->idle; *p; p = &(*p)->next) {
		struct idle_op *o = *p;
		if (key_op_is(o->op, req->scheme, req->md_nid)) {
			*p = o->next;
			return o;
		}
	}
	return NULL;
}

static int new_op(struct loaded_key *k, const struct key_sign *req, struct idle_op **out, struct err *e)
{
	struct idle_op *o = calloc(1, sizeof(*o));

	if (!o)
		return err_set(e, ERR_NOMEM, "key: out of memory");
	int r = key_op_new(k->key, req->scheme, req->md_nid, &o->op, e);
	if (r) {
		free(o);
		return r;
	}
	*out = o;
	return 0;
}

/* --- operations --- */

static int take_op(struct keystore_file *f, const char *name, const struct key_sign *req, struct idle_op **op,
		   struct err *e)
{
	struct loaded_key *k;

	pthread_mutex_lock(&f->lock);
	int r = get_loaded(f, name, &k, e);
	if (!r) {
		*op = find_idle(k, req);
		if (!*op)
			r = new_op(k, req, op, e);
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

static void give_back(struct keystore_file *f, const char *name, struct idle_op *op)
{
	pthread_mutex_lock(&f->lock);
	struct loaded_key *k = find_loaded(f, name);
	if (k) {
		op->next = k->idle;
		k->idle = op;
	}
	pthread_mutex_unlock(&f->lock);
	if (!k) { /* removed meanwhile */
		key_op_free(op->op);
		free(op);
	}
}

static int file_sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		     struct err *e)
{
	struct idle_op *op = NULL;
	int r = take_op(self(ks), name, req, &op, e);

	if (r)
		return r;
	r = key_op_run(op->op, req, sig, len, e);
	give_back(self(ks), name, op);
	return r;
}

static int file_public_key(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int r = get_key(self(ks), name, &key, e);

	return r ? r : key_public_half(key, pub, e);
}

static int file_export(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int r = get_key(self(ks), name, &key, e);

	return r ? r : key_to_pkcs8(key, pkcs8, len, e);
}

/* --- writing --- */

/* A temporary name that a crash left behind is ours alone: keys have one writer. */
static int open_temp(struct keystore_file *f, const char *temp)
{
	unlinkat(f->fd, temp, 0);
	return openat(f->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Under its name the file is whole and durable, or it is not there. One that is there already is left as it is. */
static int store_pem(struct keystore_file *f, const char *name, struct view pem, struct err *e)
{
	char file[KEY_NAME_MAX + sizeof(SUFFIX)];
	char temp[KEY_NAME_MAX + sizeof(SUFFIX) + 8];
	int code = 0;

	file_name(file, name);
	snprintf(temp, sizeof(temp), ".%s.new", file);
	AUTO(auto_close) int fd = open_temp(f, temp);
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s/%s", f->dir, temp);
	if (file_write_synced(fd, pem) < 0 || (linkat(f->fd, temp, f->fd, file, 0) < 0 && errno != EEXIST))
		code = err_sys(e, ERR_IO, "%s/%s", f->dir, file);
	unlinkat(f->fd, temp, 0);
	return code ? code : file_sync_dir(f->fd, ".", e);
}

static int store_key(struct keystore_file *f, const char *unit, EVP_PKEY *key, char name[KEY_NAME_MAX], struct err *e)
{
	char n[KEY_NAME_MAX];
	AUTO(auto_pkey) EVP_PKEY *check = NULL;
	uint8_t *pem = NULL;
	size_t len = 0;
	int r = key_name_of(unit, key, n, e);

	if (!r)
		r = key_to_pem(key, &pem, &len, e);
	if (!r)
		r = store_pem(f, n, (struct view){pem, len}, e);
	secret_free(pem, len);
	if (!r)
		r = get_key(f, n, &check, e); /* as it will be found again */
	if (r)
		return r;
	memcpy(name, n, KEY_NAME_MAX);
	return 0;
}

static int file_generate(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			 EVP_PKEY **pub, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_pkey) EVP_PKEY *half = NULL;
	int r = key_generate(spec, &key, e);

	if (!r)
		r = key_public_half(key, &half, e);
	if (!r)
		r = store_key(self(ks), unit, key, name, e);
	if (r)
		return r;
	*pub = half;
	half = NULL;
	return 0;
}

static int file_import(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX], struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int r = key_from_pkcs8(pkcs8, &key, e);

	return r ? r : store_key(self(ks), unit, key, name, e);
}

static int file_remove(struct keystore *ks, const char *name, struct err *e)
{
	struct keystore_file *f = self(ks);
	char file[KEY_NAME_MAX + sizeof(SUFFIX)];

	if (!key_name_ok(name))
		return no_such_key(f, "(malformed name)", e);
	file_name(file, name);
	pthread_mutex_lock(&f->lock);
	forget(f, name);
	pthread_mutex_unlock(&f->lock);
	if (unlinkat(f->fd, file, 0) < 0)
		return errno == ENOENT ? no_such_key(f, name, e) : err_sys(e, ERR_IO, "%s/%s", f->dir, file);
	return file_sync_dir(f->fd, ".", e);
}

/* --- listing --- */

/* "<name>.key" to "<name>"; false for every other file. */
static bool key_of_file(const char *file, char name[KEY_NAME_MAX])
{
	size_t len = strlen(file);
	size_t suffix = strlen(SUFFIX);

	if (len <= suffix || len - suffix >= KEY_NAME_MAX || strcmp(file + len - suffix, SUFFIX) != 0)
		return false;
	memcpy(name, file, len - suffix);
	name[len - suffix] = '\0';
	return key_name_ok(name);
}

static int only_keys(const struct dirent *entry)
{
	char name[KEY_NAME_MAX];

	return key_of_file(entry->d_name, name);
}

static int by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int file_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	struct keystore_file *f = self(ks);
	struct dirent **entries;
	char name[KEY_NAME_MAX];
	int r = 0;
	int n = scandirat(f->fd, ".", &entries, only_keys, by_octets);

	if (n < 0)
		return err_sys(e, ERR_IO, "%s", f->dir);
	for (int i = 0; i < n; i++) {
		if (!r && key_of_file(entries[i]->d_name, name))
			r = cb(ctx, name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static void file_free(struct keystore *ks)
{
	struct keystore_file *f = self(ks);

	while (f->keys)
		forget(f, f->keys->name);
	if (f->fd >= 0)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f->dir);
	free(f);
}

static const struct keystore_ops file_ops = {
	.generate = file_generate,
	.public_key = file_public_key,
	.sign = file_sign,
	.import = file_import,
	.export = file_export,
	.remove = file_remove,
	.list = file_list,
	.free = file_free,
};

static int open_folder(struct keystore_file *f, struct err *e)
{
	struct stat st;
	int r = file_open_dir(AT_FDCWD, f->dir, &f->fd, e);

	if (r)
		return r;
	if (fstat(f->fd, &st) < 0)
		return err_sys(e, ERR_IO, "%s", f->dir);
	if (st.st_mode & 077)
		return err_set(e, ERR_AUTH, "%s: others may enter the folder of private keys (mode %04o): chmod 700 %s",
			       f->dir, (unsigned)(st.st_mode & 07777), f->dir);
	return 0;
}

int keystore_file_open(const char *dir, struct keystore **ks, struct err *e)
{
	struct keystore_file *f = calloc(1, sizeof(*f));

	if (!f || !(f->dir = strdup(dir))) {
		free(f);
		return err_set(e, ERR_NOMEM, "%s: out of memory", dir);
	}
	f->base.ops = &file_ops;
	f->fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	int r = open_folder(f, e);
	if (r) {
		file_free(&f->base);
		return r;
	}
	*ks = &f->base;
	return 0;
}
