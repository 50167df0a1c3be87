/* Adoption: the walk through the folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "store/foreign.h"

#define FILE_MAX (1 << 20)   /* octets of what is no database: lists, certificates, keys */

int adopt_grow(void *array, size_t n, size_t *cap, size_t size, struct err *e)
{
	void **p = array;
	size_t more = *cap ? *cap * 2 : 16;

	if (n < *cap)
		return 0;
	void *got = reallocarray(*p, more, size);
	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	memset((char *)got + *cap * size, 0, (more - *cap) * size);
	*p = got;
	*cap = more;
	return 0;
}

int adopt_leave(struct adopt_scan *s, const char *file, struct err *e, const char *fmt, ...)
{
	struct adopt *a = s->a;
	va_list args;
	int rc = adopt_grow(&a->left, a->n_left, &s->cap_left, sizeof(*a->left), e);

	if (rc)
		return rc;
	struct adopt_left *l = &a->left[a->n_left];
	l->file = strdup(file);
	va_start(args, fmt);
	int n = l->file ? vasprintf(&l->why, fmt, args) : -1;
	va_end(args);
	if (n < 0) {
		free(l->file);
		*l = (struct adopt_left){ 0 };
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	a->n_left++;
	return 0;
}

void adopt_scan_clear(struct adopt_scan *s)
{
	for (size_t i = 0; i < s->n_lscs; i++) {
		free(s->lscs[i].file);
		cert_unref(s->lscs[i].cert);
	}
	free(s->lscs);
	free(s->told);
	free(s->as_used);
}

/* --- one file --- */

/* A write-ahead log or a journal beside a database: what stands in it would be missing. */
static bool is_busy(int root, const char *path)
{
	static const char *const suffixes[] = { "-wal", "-journal" };
	char name[ADOPT_PATH_MAX + 16];
	struct stat st;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		if (fstatat(root, name, &st, 0) == 0 && st.st_size > 0)
			return true;
	}
	return false;
}

static int read_database(struct adopt_scan *s, int root, int fd, const char *path, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct err why = ERR_INIT;
	size_t len;

	if (is_busy(root, path))
		return notes_add(&s->a->problems, e,
				 "%s: changes to this database are still in the file beside it; stop the programs that use it "
				 "(and run 'sqlite3 %s .schema' once if the file stays)", path, path);
	int rc = file_read_fd(fd, path, FOREIGN_MAX, &data, &len, &why);
	if (!rc)
		rc = adopt_database(s, path, (struct view){ data, len }, &why);
	if (rc && rc != ERR_NOMEM)
		return notes_add(&s->a->problems, e, "%s; leave it out with --adopt-as none=%s", why.text, path);
	return rc ? err_set(e, rc, "%s", why.text) : 0;
}

static int read_other(struct adopt_scan *s, int fd, const char *path, struct err *e)
{
	size_t n_keys = s->a->n_keys;
	struct err why = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;
	struct stat st;
	int rc = fstat(fd, &st) < 0 ? err_sys(e, ERR_IO, "%s", path) : 0;

	if (rc)
		return rc;
	rc = file_read_fd(fd, path, FILE_MAX, &data, &len, &why);
	if (rc == ERR_LIMIT)
		return adopt_leave(s, path, e, "larger than a certificate, key or trust list can be");
	if (rc)
		return err_set(e, rc, "%s", why.text);
	rc = adopt_file(s, path, (struct view){ data, len }, e);
	secret_wipe(data, len); /* it may be a private key */
	free(data);
	if (!rc && s->a->n_keys > n_keys && (st.st_mode & 044))
		rc = notes_add(&s->a->notes, e,
			       "%s: others may read this private key (mode %04o). Whoever has it can do with phones what this node can: "
			       "consider who has seen it.", path, (unsigned)(st.st_mode & 07777));
	return rc;
}

static bool is_left_out(struct adopt_scan *s, const char *path)
{
	size_t n = strlen("none=");

	for (size_t i = 0; i < s->req->n_as; i++) {
		if (strncmp(s->req->as[i], "none=", n) == 0 && strcmp(s->req->as[i] + n, path) == 0) {
			s->as_used[i] = true;
			return true;
		}
	}
	return false;
}

static int take_file(struct adopt_scan *s, int root, const char *path, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	struct err why = ERR_INIT;
	uint8_t head[FOREIGN_HEAD];

	if (is_left_out(s, path))
		return adopt_leave(s, path, e, "left out by request");
	if (text_ends(path, "-wal") || text_ends(path, "-shm") || text_ends(path, "-journal"))
		return adopt_leave(s, path, e, "belongs to a database");
	if (file_open_beneath(root, path, &fd, &why)) {
		if (why.sys_errno == EXDEV || why.sys_errno == ELOOP)
			return adopt_leave(s, path, e, "a symbolic link out of the folder: copy the file itself");
		if (why.sys_errno == EISDIR)
			return adopt_leave(s, path, e, "not a regular file");
		return err_set(e, ERR_IO, "%s", why.text);
	}
	ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got < 0)
		return err_sys(e, ERR_IO, "%s", path);
	return foreign_is((struct view){ head, (size_t)got }) ? read_database(s, root, fd, path, e) :
								 read_other(s, fd, path, e);
}

/* --- the walk --- */

struct walk {
	struct adopt_scan *s;
	int root;
	const char *folder;   /* below root; "" itself */
	unsigned depth;
	struct err *e;
};

static int walk_folder(struct adopt_scan *s, int root, const char *folder, unsigned depth, struct err *e);

static int visit(void *ctx, const char *entry)
{
	struct walk *w = ctx;
	char path[ADOPT_PATH_MAX];
	struct stat st;

	if (++w->s->n_entries > ADOPT_ENTRIES_MAX)
		return err_set(w->e, ERR_LIMIT, "%s holds more than %d files: name the folder of the site's certificates, lists "
			       "and databases", w->s->req->dir, ADOPT_ENTRIES_MAX);
	int n = snprintf(path, sizeof(path), "%s%s%s", w->folder, *w->folder ? "/" : "", entry);
	if (n < 0 || (size_t)n >= sizeof(path))
		return adopt_leave(w->s, entry, w->e, "its path is too long");
	if (fstatat(w->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(w->e, ERR_IO, "%s", path);
	if (S_ISDIR(st.st_mode))
		return is_left_out(w->s, path) ? adopt_leave(w->s, path, w->e, "left out by request") :
						 walk_folder(w->s, w->root, path, w->depth + 1, w->e);
	/* No link to a folder is followed: it could lead in a circle. */
	if (S_ISLNK(st.st_mode) && fstatat(w->root, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return adopt_leave(w->s, path, w->e, "a symbolic link to a folder, which is not followed");
	if (S_ISLNK(st.st_mode) && faccessat(w->root, path, F_OK, 0) < 0)
		return adopt_leave(w->s, path, w->e, "a symbolic link to nothing");
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return adopt_leave(w->s, path, w->e, "not a regular file");
	return take_file(w->s, w->root, path, w->e);
}

static int walk_folder(struct adopt_scan *s, int root, const char *folder, unsigned depth, struct err *e)
{
	struct walk w = { s, root, folder, depth, e };

	if (depth > ADOPT_DEPTH_MAX)
		return adopt_leave(s, folder, e, "more than %d folders deep", ADOPT_DEPTH_MAX);
	return folder_each(root, *folder ? folder : ".", visit, &w, e);
}

int adopt_scan_folder(struct adopt_scan *s, struct err *e)
{
	AUTO(auto_close) int root = -1;
	int rc = file_open_dir(AT_FDCWD, s->req->dir, &root, e);

	if (!rc)
		rc = walk_folder(s, root, "", 0, e);
	for (size_t i = 0; i < s->req->n_as && !rc; i++)
		if (!s->as_used[i])
			rc = err_set(e, ERR_USAGE,
				     "--adopt-as %s: there is no certificate in a file of that name below %s (files in subfolders are "
				     "named with them: sub/file.pem)", s->req->as[i], s->req->dir);
	return rc;
}
