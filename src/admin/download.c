#include "admin/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

int download_begin(struct download *d, const char *folder, struct view name, uint64_t size, struct err *e)
{
	if (d->fd >= 0 || name.len >= sizeof(d->name))
		return err_rule(e, "control-order", -1, "the node sent a file within a file");
	if (d->dir < 0) {
		int rc = file_open_dir(AT_FDCWD, folder, &d->dir, e);
		if (rc < 0)
			return rc;
	}
	memcpy(d->name, name.p, name.len);
	d->name[name.len] = '\0';
	d->left = size;
	snprintf(d->part, sizeof(d->part), ".%.200s.%ld.part", d->name, (long)getpid());
	d->fd = openat(d->dir, d->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	return d->fd < 0 ? err_sys(e, ERR_IO, "%s/%s", folder, d->part) : 0;
}

int download_data(struct download *d, struct view data, struct err *e)
{
	if (d->fd < 0 || data.len > d->left)
		return err_rule(e, "control-order", -1, "the node sent more of a file than it announced");
	d->left -= data.len;
	while (data.len) {
		ssize_t n = write(d->fd, data.p, data.len);
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "%s", d->name);
		if (n > 0)
			data = (struct view){data.p + n, data.len - (size_t)n};
	}
	return 0;
}

int download_end(struct download *d, struct err *e)
{
	if (d->fd < 0 || d->left)
		return err_rule(e, "control-order", -1, "the node sent less of a file than it announced");
	int fd = d->fd;
	d->fd = -1;
	if (close(fd) < 0 || renameat(d->dir, d->part, d->dir, d->name) < 0) {
		int rc = err_sys(e, ERR_IO, "%s", d->name);
		unlinkat(d->dir, d->part, 0);
		return rc;
	}
	return 0;
}

void download_clear(struct download *d)
{
	if (d->fd >= 0) {
		close(d->fd);
		unlinkat(d->dir, d->part, 0);
	}
	if (d->dir >= 0)
		close(d->dir);
	*d = DOWNLOAD_INIT;
}
