#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cluster/cluster_internal.h"

int folder_make(int dir_fd, const char *name, mode_t mode, int *fd, struct err *e)
{
	AUTO(auto_close) int got = -1;
	bool made = mkdirat(dir_fd, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return err_sys(e, ERR_IO, "%s", name);
	int rc = file_open_dir(dir_fd, name, &got, e);

	if (rc)
		return rc;
	if (made && fchmod(got, mode) < 0)
		return err_sys(e, ERR_IO, "%s", name);
	if (fd) {
		*fd = got;
		got = -1;
	}
	return 0;
}

struct names {
	char **name;
	size_t n;
};

static void names_clear(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
}

static int names_add(struct names *l, const char *name, struct err *e)
{
	char **grown = realloc(l->name, (l->n + 1) * sizeof(*grown));

	if (!grown)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->name = grown;
	l->name[l->n] = strdup(name);
	if (!l->name[l->n])
		return err_set(e, ERR_NOMEM, "out of memory");
	l->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(int dir_fd, const char *name, struct names *l, struct err *e)
{
	int fd, rc = file_open_dir(dir_fd, name, &fd, e);

	if (rc)
		return rc;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(e, ERR_IO, "%s", name);
	}
	for (;;) {
		errno = 0;
		struct dirent *d = readdir(dir);

		if (!d) {
			rc = errno ? err_sys(e, ERR_IO, "%s", name) : 0;
			break;
		}
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		rc = names_add(l, d->d_name, e);
		if (rc)
			break;
	}
	closedir(dir);
	if (l->n)
		qsort(l->name, l->n, sizeof(*l->name), compare_names);
	return rc;
}

int folder_each(int dir_fd, const char *name, int (*cb)(void *ctx, const char *entry), void *ctx, struct err *e)
{
	AUTO(names_clear) struct names l = { 0 };
	int rc = names_read(dir_fd, name, &l, e);

	for (size_t i = 0; i < l.n && !rc; i++)
		rc = cb(ctx, l.name[i]);
	return rc;
}

struct removal {
	int fd;
	struct err *e;
};

static int remove_entry(void *ctx, const char *entry)
{
	struct removal *r = ctx;

	if (unlinkat(r->fd, entry, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(r->e, ERR_IO, "%s", entry);
	return folder_remove(r->fd, entry, r->e);
}

int folder_remove(int dir_fd, const char *name, struct err *e)
{
	AUTO(auto_close) int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal r = { .fd = fd, .e = e };

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", name);
	int rc = folder_each(fd, ".", remove_entry, &r, e);

	if (rc)
		return rc;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, ERR_IO, "%s", name);
	return 0;
}
