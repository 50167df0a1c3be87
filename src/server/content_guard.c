#include "server/content_guard.h"

#include <ctype.h>
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

/* Is this whole name, or all of it before .xml, that of a phone? */
static bool is_bare(const char *name, struct view device)
{
	return strlen(name) == device.len || (strlen(name) == device.len + 4 && strcasecmp(name + device.len, ".xml") == 0);
}

static bool is_mac(const char *s)
{
	for (int i = 0; i < MAC_DIGITS; i++)
		if (!isxdigit((unsigned char)s[i]))
			return false;
	return true;
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
	bool config = looks_like_config(name);
	size_t n = strlen(name);

	if (ends_in(name, CONFIG ".enc.sgn"))
		return false; /* made by the operator, and encrypted as its name says */
	for (size_t i = 1; i <= n; i++)
		if ((name[i] == '.' || name[i] == '\0') && encrypted(ix, name, i) &&
		    (config || is_bare(name, (struct view){(const uint8_t *)name, i})))
			return true;
	for (const char *at = config ? strcasestr(name, "SEP") : NULL; at; at = strcasestr(at + 1, "SEP"))
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

	if (!g->ix.n)
		return false;
	snprintf(at, sizeof(at), "%s", path);
	for (int i = 0; i < MAX_LINKS; i++) {
		if (is_secret(&g->ix, at))
			return true;
		if (!follow(g->provisioning, at))
			return false;
	}
	return true; /* no honest link is so long */
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
	if (is.encrypted || (device && g->ix.complete))
		is.says = CONTENT_GUARD_MADE;
	else if (leads_to_secret(g, path))
		is.says = CONTENT_GUARD_SECRET;
	return is;
}

bool content_guard_sha1(struct content_guard *g, const char *device)
{
	if (!refresh(g))
		return false;
	const struct phone_index_item *item = phone_index_find(&g->ix, view_str(device));
	return item && item->flags & PHONE_INDEX_SHA1;
}
