#include "cluster/init.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "cluster/node.h"
#include "cluster/param.h"
#include "store/param.h"
#include "store/service.h"

#define STORE_FILE "store.sqlite3"
#define DEFAULT_URL "sqlite:" STORE_FILE
#define UNITS_MAX 16

/* --- the request --- */

static int check_part(const char *option, const char *value, size_t max, struct err *e)
{
	size_t len = value ? strlen(value) : 0;

	if (!value)
		return 0;
	/* Upper bounds of X.520; phones show these texts. */
	if (len == 0 || len > max)
		return err_set(e, ERR_USAGE, "%s: 1 to %zu characters are possible, '%s' has %zu", option, max, value, len);
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)value[i]))
			return err_set(e, ERR_USAGE, "%s: no control characters", option);
	return 0;
}

static int check_country(const char *c, struct err *e)
{
	if (c && (strlen(c) != 2 || !isupper((unsigned char)c[0]) || !isupper((unsigned char)c[1])))
		return err_set(e, ERR_USAGE, "--country: '%s' is no country code; two capital letters, as in PL or US", c);
	return 0;
}

static int check_subject(const struct subject *s, struct err *e)
{
	int rc = check_part("--org", s->o, 64, e);

	if (!rc)
		rc = check_part("--unit", s->ou, 64, e);
	if (!rc)
		rc = check_part("--locality", s->l, 128, e);
	if (!rc)
		rc = check_part("--state", s->st, 128, e);
	if (!rc)
		rc = check_country(s->c, e);
	/* Phones accept certificates whose CN, O and OU are all there (formats-and-protocols.md 2.6). */
	if (!rc && (!s->o || !s->ou))
		rc = err_set(e, ERR_USAGE, "phones want an organisation and a unit in every certificate: give --org and --unit");
	return rc;
}

static int check_keys(const struct init_request *req, struct err *e)
{
	struct cert_template t;
	enum compose_generation g = COMPOSE_DEFAULT;

	if (req->generation && !compose_generation_find(req->generation, &g))
		return err_set(e, ERR_USAGE, "--generation: '%s' is none; there are 8.0, 10.0, 10.5(2), 11.5 and 12.0",
			       req->generation);
	if (req->key_bits == 3072)
		return err_set(e, ERR_USAGE,
			       "--key-bits: trust lists have no code for signatures of 3072 bits; use 2048 (phones may refuse 4096)");
	return template_get("CallManager", compose_generation_name(g), req->key_bits, &t, e);
}

int init_check(const struct init_request *req, struct err *e)
{
	struct in6_addr addr;
	int rc = node_name_check(req->node, e);

	if (rc) {
		err_prefix(e, "--node");
		return rc;
	}
	if (req->ip && inet_pton(AF_INET, req->ip, &addr) != 1 && inet_pton(AF_INET6, req->ip, &addr) != 1)
		return err_set(e, ERR_USAGE, "--ip: '%s' is no IP address", req->ip);
	rc = check_subject(&req->subject, e);
	return rc ? rc : check_keys(req, e);
}

/* --- folders --- */

static const struct {
	const char *name;
	mode_t mode;
} folders[] = {
	{ "certs", 0755 }, { "keys", 0700 }, { "provisioning", 0755 }, { "published", 0755 },
	{ "published/signed", 0755 }, { "backup", 0700 }, { "run", 0755 },
};

static bool is_ours(const char *entry)
{
	static const char *const files[] = { "ringfence.conf", INIT_UNFINISHED };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (strcmp(entry, folders[i].name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(entry, files[i]) == 0)
			return true;
	/* with its -wal and -shm; and what an interrupted file_replace leaves */
	return text_starts(entry, STORE_FILE) || text_starts(entry, ".ringfence.conf.");
}

struct look {
	const char *dir;
	bool empty;
	struct err *e;
};

static int look_at(void *ctx, const char *entry)
{
	struct look *l = ctx;

	l->empty = false;
	if (is_ours(entry))
		return 0;
	return err_set(l->e, ERR_USAGE, "%s holds '%s', which is no part of a node: give an empty folder, or one that does not "
		       "exist yet", l->dir, entry);
}

static int count_key(void *ctx, const char *entry)
{
	unsigned *n = ctx;

	*n += text_ends(entry, ".key");
	return 0;
}

/* Keys that no unfinished init can have made are somebody's only way to reach phones. */
static int check_keys_folder(int fd, const char *dir, struct err *e)
{
	unsigned n = 0;

	if (faccessat(fd, INIT_UNFINISHED, F_OK, 0) == 0 || faccessat(fd, "keys", F_OK, 0) < 0)
		return 0;
	int rc = folder_each(fd, "keys", count_key, &n, e);
	if (!rc && n)
		rc = err_set(e, ERR_USAGE,
			     "%s/keys holds %u keys, but there is no store with their certificates: restore %s from a backup, or move "
			     "the keys to a safe place", dir, n, STORE_FILE);
	return rc;
}

static int node_is_there(const struct init_request *req, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s holds a node already: 'ringfence serve --data %s' serves it", req->data_dir, req->data_dir);
}

static int make_path(const char *dir, struct err *e)
{
	AUTO(auto_free) char *path = strdup(dir);

	if (!path)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_sys(e, ERR_IO, "%s", path);
		*p = '/';
	}
	return 0;
}

/* The last part of the path that is there, the way it is without symbolic links; *rest points at what is not there. */
static int resolve(const char *dir, char real[PATH_MAX], const char **rest, struct err *e)
{
	AUTO(auto_free) char *path = strdup(dir[0] ? dir : ".");
	size_t len = strlen(dir);

	if (!path)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (!realpath(path, real)) {
		if (errno != ENOENT)
			return err_sys(e, ERR_USAGE, "%s", path);
		char *slash = strrchr(path, '/');
		strcpy(slash == path ? path + 1 : slash ? slash : path, slash ? "" : ".");
		len = slash ? (size_t)(slash - path) : 0;
	}
	*rest = dir + len;
	return 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0' || strcmp(dir, "/") == 0);
}

static int look_into(const char *dir, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct look look = { .dir = dir, .empty = true, .e = e };
	int rc = file_open_dir(AT_FDCWD, dir, &fd, e);

	if (!rc)
		rc = folder_each(fd, ".", look_at, &look, e);
	return rc ? rc : check_keys_folder(fd, dir, e);
}

int init_try(const struct init_request *req, const char *adopted, struct err *e)
{
	char real[PATH_MAX], site[PATH_MAX];
	const char *rest = "";
	bool is_node;
	int rc = resolve(req->data_dir, real, &rest, e);

	/* Keys would stand among what is read the next time, and perhaps served. */
	if (!rc && adopted && realpath(adopted, site) && is_below(real, site))
		return err_set(e, ERR_USAGE, "%s is in %s, the folder that is adopted: give the node a folder elsewhere", req->data_dir,
			       adopted);
	if (!rc)
		rc = init_is_node(req->data_dir, req->store_url, &is_node, e);
	if (!rc && is_node)
		return node_is_there(req, e);
	if (!rc && access(real, W_OK | X_OK) < 0)
		rc = err_sys(e, ERR_USAGE, "nothing can be written in %s", real);
	return rc || *rest ? rc : look_into(req->data_dir, e);
}

int init_folders(const struct init_request *req, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct look look = { .dir = req->data_dir, .empty = true, .e = e };
	bool is_node;
	int rc = init_is_node(req->data_dir, req->store_url, &is_node, e);

	if (!rc && is_node)
		return node_is_there(req, e);
	if (!rc)
		rc = make_path(req->data_dir, e);
	if (!rc)
		rc = folder_make(AT_FDCWD, req->data_dir, 0755, &fd, e);
	if (!rc)
		rc = folder_each(fd, ".", look_at, &look, e);
	if (!rc)
		rc = check_keys_folder(fd, req->data_dir, e);
	if (!rc)
		rc = file_replace(fd, INIT_UNFINISHED, view_str("ringfence init has not ended; run it again\n"), 0644, e);
	for (size_t i = 0; !rc && i < sizeof(folders) / sizeof(folders[0]); i++)
		rc = folder_make(fd, folders[i].name, folders[i].mode, NULL, e);
	return rc ? rc : file_sync_dir(fd, ".", e);
}

int init_is_node(const char *data_dir, const char *store_url, bool *yes, struct err *e)
{
	struct err why = ERR_INIT;
	struct store_generation g;
	struct store *s;
	char path[4096];

	*yes = false;
	snprintf(path, sizeof(path), "%s/" STORE_FILE, data_dir);
	if (!store_url && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	int rc = store_open(store_url ? store_url : DEFAULT_URL, data_dir, 0, &s, &why);
	if (rc && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (rc)
		return err_set(e, rc, "%s", why.text);
	rc = store_generation_latest(s, &g, yes, e);
	store_close(s);
	return rc;
}

/* --- the node --- */

struct made {
	const struct init_request *req;
	const struct init_env *env;
	struct cert *certs[UNITS_MAX];
	size_t n;
};

static void made_clear(struct made *m)
{
	for (size_t i = 0; i < m->n; i++)
		cert_unref(m->certs[i]);
}

static void say(const struct init_env *env, const char *what, const char *unit)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s", what, unit);
	if (env->progress)
		env->progress(env->ctx, text);
}

static int issue_cert(struct cluster *c, struct made *m, const char *unit, struct cert **cert, struct err *e)
{
	const struct init_request *req = m->req;
	const char *const ip[] = { req->ip, NULL };
	struct template_node node = { .name = req->node, .ip = ip, .subject = req->subject };
	char key[KEY_NAME_MAX];
	struct cert_template t;
	int rc = template_get(unit, req->generation ? req->generation : compose_generation_name(COMPOSE_DEFAULT),
			      req->key_bits, &t, e);

	if (rc)
		return rc;
	say(m->env, "Making the key and certificate of ", unit);
	return template_issue(c->keys, &t, &node, c->clock, c->random, key, cert, e);
}

static int make_cert(struct cluster *c, struct made *m, const char *unit, struct err *e)
{
	struct cert **cert = &m->certs[m->n];

	cluster_step(c, "key");
	int rc = m->req->adopt ? adopt_hand_over(m->req->adopt, unit, c->keys, cert, e) : issue_cert(c, m, unit, cert, e);
	if (!rc)
		m->n++;
	return rc;
}

static int make_certs(struct cluster *c, struct made *m, struct err *e)
{
	int rc = 0;

	for (const char *const *unit = template_units; *unit && m->n < UNITS_MAX && !rc; unit++)
		rc = make_cert(c, m, *unit, e);
	return rc;
}

static int activate(struct cluster *c, struct err *e)
{
	static const char *const services[] = { "Cisco CallManager", "Cisco Tftp",
						"Cisco Certificate Authority Proxy Function", NULL };
	int rc = 0;

	for (const char *const *s = services; *s && !rc; s++)
		rc = store_service_activate(c->store, c->node, *s, true, e);
	return rc;
}

/* Every parameter gets its row, so that the queries of administrators find what they find on CUCM. */
static int store_params(struct cluster *c, const struct init_request *req, struct err *e)
{
	int rc = 0;

	for (const struct param_def *d = param_table; d->name && !rc; d++) {
		bool asked = req->generation && strcmp(d->name, PARAM_GENERATION) == 0;

		rc = store_param_set(c->store, param_key(d), asked ? req->generation : d->initial, e);
	}
	return rc;
}

static int record(struct cluster *c, void *ctx, struct err *e)
{
	const struct made *m = ctx;
	struct store_node row = { .role = STORE_NODE_PUBLISHER };
	bool v6 = m->req->ip && strchr(m->req->ip, ':');

	snprintf(row.name, sizeof(row.name), "%s", m->req->node);
	snprintf(v6 ? row.address6 : row.address, sizeof(row.address), "%s", m->req->ip ? m->req->ip : "");
	int rc = store_node_add(c->store, &row, e);
	if (!rc)
		rc = store_params(c, m->req, e);
	for (size_t i = 0; i < m->n && !rc; i++)
		rc = unit_record(c, unit_rule(template_units[i]), c->node, m->certs[i], STORE_DIST_THIS_SERVER, e);
	if (!rc && m->req->adopt)
		rc = adopt_record(c, m->req->adopt, e);
	return rc ? rc : activate(c, e);
}

/* What an interrupted init left: keys of certificates that were never recorded. */
static int forget_key(void *ctx, const char *name)
{
	struct keystore *files = ctx;

	return files->ops->remove(files, name, NULL);
}

/* Of a node that is not made after all: its folder is undone, and on a token nobody else would remove them. */
static void take_back(struct cluster *c, const struct made *m)
{
	for (size_t i = 0; i < m->n && m->req->token; i++) {
		char name[KEY_NAME_MAX];
		if (key_name(template_units[i], cert_spki(m->certs[i]), name, NULL) == 0 &&
		    c->keys->ops->remove(c->keys, name, NULL) == 0)
			continue;
		say(m->env, "There may be a key left on the token, of ", template_units[i]);
	}
}

static int build_node(struct cluster *c, const struct init_request *req, const struct init_env *env, struct err *e)
{
	AUTO(made_clear) struct made m = { .req = req, .env = env };
	int rc = make_certs(c, &m, e);

	if (rc) {
		take_back(c, &m);
		return rc;
	}
	struct change ch = { .who = "ringfence init", .command = "ringfence init", .object = req->node, .after = req->node,
			     .apply = record, .ctx = &m };
	say(env, "Composing and signing the ITL", "");
	rc = change_run(c, &ch, NULL, e);
	if (rc)
		take_back(c, &m);
	if (!rc && unlinkat(c->data_fd, INIT_UNFINISHED, 0) < 0 && errno != ENOENT)
		rc = err_sys(e, ERR_IO, INIT_UNFINISHED);
	return rc;
}

static int open_keys(const struct init_request *req, struct keystore **keys, struct err *e)
{
	struct keystore *files = NULL;
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/keys", req->data_dir);
	int rc = keystore_file_open(dir, &files, e);
	if (!rc)
		rc = files->ops->list(files, forget_key, files, e);
	if (rc) {
		keystore_free(files);
		keystore_free(req->token);
		return rc;
	}
	if (req->token)
		return keystore_split_take(files, req->token, req->token_units, keys, e);
	*keys = files;
	return 0;
}

int init_node(const struct init_request *req, const struct init_env *env, struct err *e)
{
	struct store *store = NULL;
	struct keystore *keys = NULL;
	struct cluster *c = NULL;
	int rc = open_keys(req, &keys, e);

	if (!rc)
		rc = store_open(req->store_url ? req->store_url : DEFAULT_URL, req->data_dir, STORE_CREATE, &store, e);
	if (!rc) {
		struct cluster_config cfg = { .data_dir = req->data_dir, .store = store, .keys = keys, .clock = env->clock,
					      .random = env->random, .node = req->node };
		rc = cluster_open_bare(&cfg, &c, e);
	}
	if (!rc) {
		cluster_step_hook(c, env->step, env->ctx);
		rc = build_node(c, req, env, e);
	}
	cluster_free(c);
	keystore_free(keys);
	store_close(store);
	return rc;
}

static int undo_entry(void *ctx, const char *entry)
{
	const int *fd = ctx;

	/* The operator's files may be there already. */
	if (strcmp(entry, "provisioning") == 0)
		unlinkat(*fd, entry, AT_REMOVEDIR);
	else if (is_ours(entry) && strcmp(entry, INIT_UNFINISHED) != 0 && unlinkat(*fd, entry, 0) < 0 &&
		 folder_remove(*fd, entry, NULL))
		return ERR_IO;
	return 0;
}

void init_undo(const char *data_dir, bool folder)
{
	AUTO(auto_close) int fd = -1;

	if (file_open_dir(AT_FDCWD, data_dir, &fd, NULL) || faccessat(fd, INIT_UNFINISHED, F_OK, 0) < 0)
		return;
	/* The mark goes last: what cannot be removed now is still seen to be of an unfinished init. */
	if (folder_each(fd, ".", undo_entry, &fd, NULL))
		return;
	unlinkat(fd, INIT_UNFINISHED, 0);
	if (folder)
		rmdir(data_dir);
}
