#include "server/place.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"

enum part { KEY = 1, CHAIN = 2, AUTHORITIES = 4 };

struct kind {
	const char *name;
	unsigned parts;
};

#define FILES_MAX 5
static const struct kind files_of[CALLCONTROL_N][FILES_MAX] = {
	[CALLCONTROL_ASTERISK] = {{"ccm.crt", CHAIN}, {"ccm.key", KEY}, {"lsc-ca.pem", AUTHORITIES}},
	[CALLCONTROL_FREESWITCH] = {{"agent.pem", KEY | CHAIN}, {"cafile.pem", AUTHORITIES}},
	[CALLCONTROL_KAMAILIO] = {{"ccm.crt", CHAIN}, {"ccm.key", KEY}, {"lsc-ca.pem", AUTHORITIES}},
	[CALLCONTROL_FILES] = {{"ccm.crt", CHAIN}, {"ccm.key", KEY}, {"ccm.pem", KEY | CHAIN}, {"lsc-ca.pem", AUTHORITIES}},
};

bool place_put(struct wr *w, struct view text)
{
	return text.len <= UINT32_MAX && wr_u32(w, (uint32_t)text.len) && wr_view(w, text);
}

bool place_get(struct rd *r, struct view *text)
{
	uint32_t len;

	return rd_u32(r, &len) && rd_view(r, len, text);
}

#define NO_GROUP ((gid_t)-1)

static int find_group(const char *name, gid_t *gid, struct err *e)
{
	const struct group *g = *name ? getgrnam(name) : NULL;

	if (*name && !g)
		return err_set(e, ERR_USAGE, "[callcontrol] group: there is no group %s", name);
	*gid = g ? g->gr_gid : NO_GROUP;
	return 0;
}

static int open_folder(const char *path, int *fd, struct err *e)
{
	struct stat st;
	int rc = file_open_dir(AT_FDCWD, path, fd, e);

	if (rc == 0 && fstat(*fd, &st) < 0)
		rc = err_sys(e, ERR_IO, "%s", path);
	/* Somebody else could put other files there in our place. */
	if (rc == 0 && (st.st_mode & S_IWOTH))
		rc = err_set(e, ERR_USAGE, "%s can be written to by everybody; no key is placed there", path);
	if (rc < 0)
		err_prefix(e, "the folder of [callcontrol]");
	return rc;
}

int place_folder_check(const struct config_callcontrol *cfg, struct err *e)
{
	AUTO(auto_close) int dir = -1;

	return open_folder(cfg->folder, &dir, e);
}

/* Is it there as it should be: these octets, this mode, this group? */
static bool is_so(int dir, const char *name, struct view content, mode_t mode, gid_t gid)
{
	uint8_t *data = NULL;
	struct stat st;
	size_t len = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 07777) != mode ||
	    (gid != NO_GROUP && st.st_gid != gid) || (size_t)st.st_size != content.len ||
	    file_read(dir, name, content.len, &data, &len, NULL) < 0)
		return false;
	bool same = view_eq((struct view){data, len}, content);
	secret_wipe(data, len);
	free(data);
	return same;
}

/* As file_replace, with a group, which it has before there is anything in it. */
static int replace(int dir, const char *name, struct view content, mode_t mode, gid_t gid, struct err *e)
{
	char temporary[64];
	int rc = 0;

	snprintf(temporary, sizeof(temporary), ".%s.ringfence", name);
	unlinkat(dir, temporary, 0); /* what a runner left that was killed */
	int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", name);
	if ((gid != NO_GROUP && fchown(fd, (uid_t)-1, gid) < 0) || fchmod(fd, mode) < 0 ||
	    file_write_synced(fd, content) < 0 || renameat(dir, temporary, dir, name) < 0)
		rc = err_sys(e, ERR_IO, "%s", name);
	close(fd);
	if (rc < 0)
		unlinkat(dir, temporary, 0);
	return rc < 0 ? rc : file_sync_dir(dir, ".", e);
}

static int place_one(int dir, const struct kind *k, const struct place *p, gid_t gid, bool *changed, struct err *e)
{
	struct view key = k->parts & KEY ? p->key : (struct view){0};
	struct view certs = k->parts & CHAIN ? p->chain : k->parts & AUTHORITIES ? p->authorities : (struct view){0};
	struct view content = {NULL, key.len + certs.len};
	mode_t mode = !(k->parts & KEY) ? 0644 : gid == NO_GROUP ? 0600 : 0640;
	uint8_t *octets = secret_new(content.len + 1);
	int rc = 0;

	if (!octets)
		return err_set(e, ERR_NOMEM, "no memory for %s", k->name);
	if (key.len)
		memcpy(octets, key.p, key.len);
	if (certs.len)
		memcpy(octets + key.len, certs.p, certs.len);
	content.p = octets;
	if (!is_so(dir, k->name, content, mode, gid)) {
		rc = replace(dir, k->name, content, mode, gid, e);
		*changed |= rc == 0;
	}
	secret_free(octets, content.len + 1);
	return rc;
}

int place_files(const struct config_callcontrol *cfg, const struct place *p, bool *changed, struct err *e)
{
	AUTO(auto_close) int dir = -1;
	bool any = false;
	gid_t gid = NO_GROUP;
	int rc = find_group(cfg->group, &gid, e);

	if (rc == 0)
		rc = open_folder(cfg->folder, &dir, e);
	for (const struct kind *k = files_of[cfg->adapter]; rc == 0 && k->name; k++)
		rc = place_one(dir, k, p, gid, &any, e);
	if (rc == 0)
		*changed = any;
	return rc;
}
