#include "server/content_guard.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "proto/phone_index.h"
#include "proto/provision.h"
#include "server/content_id.h"

#define CONFIG ".cnf.xml"
#define MAC_DIGITS 12
#define MAX_LINKS 8 /* one leading to the next; the kernel follows 40, nobody has more than one */

struct content_guard {
	int published, provisioning;
	bool known;            /* what follows holds */
	bool settled;
	struct content_id id;  /* of the file */
	struct phone_index ix;

	/* The files of provisioning/ itself with names that are secret, as long as folder and index are these. */
	struct file_at *files;
	size_t n_files;
	bool listed;
	struct content_id listed_folder, listed_index;
};

struct file_at {
	dev_t dev;
	ino_t ino;
};

int content_guard_new(int published_dir, int provisioning_dir, struct content_guard **g, struct err *e)
{
	struct content_guard *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	got->published = published_dir;
	got->provisioning = provisioning_dir;
	*g = got;
	return 0;
}

static void forget(struct content_guard *g)
{
	phone_index_clear(&g->ix);
	g->known = false;
}

void content_guard_free(struct content_guard *g)
{
	if (!g)
		return;
	forget(g);
	free(g->files);
	free(g);
}

static bool load(struct content_guard *g)
{
	AUTO(auto_free) uint8_t *data = NULL;
	AUTO(auto_close) int fd = -1;
	struct stat st;
	size_t len;

	forget(g);
	if (file_open_beneath(g->published, PHONE_INDEX_FILE, &fd, NULL) || fstat(fd, &st) < 0 ||
	    file_read_fd(fd, PHONE_INDEX_FILE, PHONE_INDEX_MAX, &data, &len, NULL) ||
	    phone_index_read((struct view){data, len}, &g->ix, NULL))
		return false;
	g->id = content_id_of(&st);
	g->settled = content_id_settled(&g->id);
	g->known = true;
	return true;
}

/* The index as the disk has it now. False: there is none that could be believed. */
static bool refresh(struct content_guard *g)
{
	struct content_id id;
	struct stat st;

	if (fstatat(g->published, PHONE_INDEX_FILE, &st, 0) < 0) {
		forget(g);
		return false;
	}
	id = content_id_of(&st);
	return (g->known && g->settled && content_id_same(&id, &g->id)) || load(g);
}

/* --- names --- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool looks_like_config(const char *name)
{
	return strcasestr(name, "cnf") != NULL;
}

static bool ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcasecmp(s + n - k, suffix) == 0;
}

static bool is_mac(const char *s)
{
	for (int i = 0; i < MAC_DIGITS; i++)
		if (!isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* Is what stands before the i-th octet three letters and a MAC address, and does it end there? */
static bool ends_mac(const char *name, size_t i)
{
	return i == 3 + MAC_DIGITS && is_mac(name + 3) && !isalnum((unsigned char)name[i]);
}

static bool has_mac(const char *name)
{
	for (const char *at = strcasestr(name, "SEP"); at; at = strcasestr(at + 1, "SEP"))
		if (strlen(at) >= 3 + MAC_DIGITS && is_mac(at + 3))
			return true;
	return false;
}

static const struct phone_index_item *encrypted(const struct phone_index *ix, const char *name, size_t n)
{
	const struct phone_index_item *item = phone_index_find(ix, (struct view){(const uint8_t *)name, n});

	return item && item->flags & PHONE_INDEX_ENCRYPTED ? item : NULL;
}

/* Does the last part of a path speak of an encrypted phone in a way that its secrets may be in there? */
static bool is_secret(const struct phone_index *ix, const char *path)
{
	const char *name = last_part(path);
	size_t n = strlen(name);

	if (ends_in(name, CONFIG ".enc.sgn"))
		return false; /* made by the operator, and encrypted as its name says */
	/* Other names than those with a MAC address may go on with - and _, and are another phone's then. */
	for (size_t i = 1; i <= n; i++)
		if ((name[i] == '.' || name[i] == '\0' || ends_mac(name, i)) && encrypted(ix, name, i))
			return true;
	for (const char *at = looks_like_config(name) ? strcasestr(name, "SEP") : NULL; at; at = strcasestr(at + 1, "SEP"))
		if (strlen(at) >= 3 + MAC_DIGITS && is_mac(at + 3) && encrypted(ix, at, 3 + MAC_DIGITS))
			return true;
	return false;
}

/* A symbolic link: *path becomes where it leads. False: it is none. */
static bool follow(int dir, char path[PROVISION_NAME_MAX + 1])
{
	char target[PROVISION_NAME_MAX + 1], joined[2 * PROVISION_NAME_MAX + 2];
	ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	/* Absolute ones lead out of the folder, and are refused when they are opened. */
	int folder = target[0] == '/' ? 0 : (int)(last_part(path) - path);
	snprintf(joined, sizeof(joined), "%.*s%s", folder, path, target);
	memcpy(path, joined, PROVISION_NAME_MAX);
	path[PROVISION_NAME_MAX] = '\0';
	return true;
}

static bool leads_to_secret(const struct content_guard *g, const char *path)
{
	char at[PROVISION_NAME_MAX + 1];

	snprintf(at, sizeof(at), "%s", path);
	for (int i = 0; i < MAX_LINKS; i++) {
		if (is_secret(&g->ix, at))
			return true;
		if (!follow(g->provisioning, at))
			return false;
	}
	return true; /* no honest link is so long */
}

/* --- hard links --- */

static int by_place(const void *a, const void *b)
{
	const struct file_at *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

static bool add_file(struct content_guard *g, size_t *room, const char *name)
{
	struct stat st;

	if (fstatat(g->provisioning, name, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return true;
	if (g->n_files == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct file_at *grown = reallocarray(g->files, more, sizeof(*grown));
		if (!grown)
			return false;
		g->files = grown;
		*room = more;
	}
	g->files[g->n_files++] = (struct file_at){st.st_dev, st.st_ino};
	return true;
}

/* Find out which files are secret by one of their names. It takes a stat for each, so only when that may have changed. */
static bool list_files(struct content_guard *g, const struct content_id *folder)
{
	int fd = openat(g->provisioning, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t room = 0;
	bool good = dir;

	if (fd >= 0 && !dir)
		close(fd);
	free(g->files);
	g->files = NULL;
	g->n_files = 0;
	while (good && (entry = readdir(dir)))
		if (is_secret(&g->ix, entry->d_name))
			good = add_file(g, &room, entry->d_name);
	if (dir)
		closedir(dir);
	if (g->n_files)
		qsort(g->files, g->n_files, sizeof(*g->files), by_place);
	g->listed = good && g->settled && content_id_settled(folder);
	g->listed_folder = *folder;
	g->listed_index = g->id;
	return good;
}

/* Has this file another name, which is secret? When nobody can know, it has. */
static bool shares_secret(struct content_guard *g, const char *path)
{
	struct content_id folder;
	struct stat st, at;

	if (fstatat(g->provisioning, path, &st, 0) < 0 || !S_ISREG(st.st_mode) || st.st_nlink < 2)
		return false;
	if (fstat(g->provisioning, &at) < 0)
		return true;
	folder = content_id_of(&at);
	if (!(g->listed && content_id_same(&folder, &g->listed_folder) && content_id_same(&g->id, &g->listed_index)) &&
	    !list_files(g, &folder))
		return true;
	struct file_at is = {st.st_dev, st.st_ino};
	return g->n_files && bsearch(&is, g->files, g->n_files, sizeof(*g->files), by_place);
}

/* <device>.cnf.xml itself: the item of the device, or NULL; *device false when it is another file. */
static const struct phone_index_item *device_of(const struct phone_index *ix, const char *path, bool *device)
{
	char name[PROVISION_NAME_MAX + 1];
	size_t n = strlen(path) - (sizeof(CONFIG) - 1);

	*device = !strchr(path, '/') && ends_in(path, CONFIG);
	if (!*device)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)n, path);
	for (int i = 0; i < 3 && name[i]; i++)
		name[i] = (char)toupper((unsigned char)name[i]);
	*device = text_is_device_name(name);
	return *device ? phone_index_find(ix, view_str(name)) : NULL;
}

struct content_guarded content_guard_look(struct content_guard *g, const char *path)
{
	const struct phone_index_item *item;
	bool device;

	if (!refresh(g)) {
		bool suspect = looks_like_config(last_part(path)) || has_mac(last_part(path));
		return (struct content_guarded){.says = suspect ? CONTENT_GUARD_DOUBT : CONTENT_GUARD_FREE};
	}
	item = device_of(&g->ix, path, &device);
	struct content_guarded is = {
		.encrypted = item && item->flags & PHONE_INDEX_ENCRYPTED,
		.tag = !device ? g->ix.tag : g->ix.tag * 31 + (item ? item->tag ^ item->flags : 0),
	};
	if (is.encrypted)
		is.says = CONTENT_GUARD_MADE;
	else if (g->ix.n && (leads_to_secret(g, path) || shares_secret(g, path)))
		is.says = CONTENT_GUARD_SECRET;
	else if (device && g->ix.complete)
		is.says = CONTENT_GUARD_MADE;
	return is;
}

bool content_guard_sha1(struct content_guard *g, const char *device)
{
	if (!refresh(g))
		return false;
	const struct phone_index_item *item = phone_index_find(&g->ix, view_str(device));
	return item && item->flags & PHONE_INDEX_SHA1;
}
