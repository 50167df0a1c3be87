#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

int file_read_fd(int fd, const char *name, size_t max, uint8_t **data, size_t *len, struct err *e)
{
	AUTO(auto_free) uint8_t *buf = NULL;
	struct stat st;
	size_t size = 4096;
	size_t used = 0;

	if (fstat(fd, &st) == 0 && st.st_size > 0)
		size = (size_t)st.st_size + 1;
	if (size > max + 1)
		size = max + 1;
	for (;;) {
		uint8_t *p = realloc(buf, size + 1);
		if (!p)
			return err_set(e, ERR_NOMEM, "%s: out of memory", name);
		buf = p;
		ssize_t n = read(fd, buf + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO, "%s", name);
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max)
			return err_set(e, ERR_LIMIT, "%s: larger than %zu octets", name, max);
		if (used == size)
			size = size * 2 < max + 1 ? size * 2 : max + 1;
	}
	buf[used] = '\0';
	*data = buf;
	*len = used;
	buf = NULL;
	return 0;
}

int file_read(int dir_fd, const char *name, size_t max, uint8_t **data, size_t *len, struct err *e)
{
	AUTO(auto_close) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", name);
	return file_read_fd(fd, name, max, data, len, e);
}

static int write_all(int fd, struct view data)
{
	while (data.len) {
		ssize_t n = write(fd, data.p, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data.p += n;
		data.len -= (size_t)n;
	}
	return 0;
}

int file_write_synced(int fd, struct view data)
{
	return write_all(fd, data) < 0 ? -1 : fsync(fd);
}

/* Beside the file, so that it can be renamed. Out: *dir_len, how much of it is the folder. */
static int temp_name(const char *name, char *temp, size_t size, int *dir_len, struct err *e)
{
	const char *slash = strrchr(name, '/');

	*dir_len = slash ? (int)(slash - name) + 1 : 0;
	int n = snprintf(temp, size, "%.*s.%s.%d.new", *dir_len, name, name + *dir_len, (int)getpid());
	return n < 0 || (size_t)n >= size ? err_set(e, ERR_USAGE, "%s: the name is too long", name) : 0;
}

static int replace(int dir_fd, const char *name, struct view data, mode_t mode, bool durable, struct err *e)
{
	char temp[512];
	int dir_len;
	int code = temp_name(name, temp, sizeof(temp), &dir_len, e);

	if (code)
		return code;
	int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", temp);
	if (fchmod(fd, mode) < 0 || write_all(fd, data) < 0 || (durable && fsync(fd) < 0))
		code = err_sys(e, ERR_IO, "%s", name);
	if (close(fd) < 0 && !code)
		code = err_sys(e, ERR_IO, "%s", name);
	if (!code && renameat(dir_fd, temp, dir_fd, name) < 0)
		code = err_sys(e, ERR_IO, "%s", name);
	if (code) {
		unlinkat(dir_fd, temp, 0);
		return code;
	}
	temp[dir_len] = '\0';
	return durable ? file_sync_dir(dir_fd, dir_len ? temp : ".", e) : 0;
}

/* A device, a pipe, or a link to such, as /dev/stdout: replaced, it would be gone. */
static bool takes_writing(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, 0) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

static int write_to(int dir_fd, const char *name, struct view data, struct err *e)
{
	AUTO(auto_close) int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 || write_all(fd, data) < 0 ? err_sys(e, ERR_IO, "%s", name) : 0;
}

int file_replace(int dir_fd, const char *name, struct view data, mode_t mode, struct err *e)
{
	if (takes_writing(dir_fd, name))
		return write_to(dir_fd, name, data, e);
	return replace(dir_fd, name, data, mode, true, e);
}

int file_check_replace(int dir_fd, const char *name, struct err *e)
{
	char temp[512];
	struct stat st;
	int dir_len, code = temp_name(name, temp, sizeof(temp), &dir_len, e);

	if (code)
		return code;
	if (takes_writing(dir_fd, name))
		return faccessat(dir_fd, name, W_OK, AT_EACCESS) < 0 ? err_sys(e, ERR_IO, "%s", name) : 0;
	if (fstatat(dir_fd, name, &st, 0) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return err_sys(e, ERR_IO, "%s", name);
	}
	AUTO(auto_close) int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", name);
	unlinkat(dir_fd, temp, 0);
	return 0;
}

int file_replace_unsynced(int dir_fd, const char *name, struct view data, mode_t mode, struct err *e)
{
	return replace(dir_fd, name, data, mode, false, e);
}

int file_mkdir(int dir_fd, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
		return err_sys(e, ERR_IO, "%s", name);
	return 0;
}

int file_open_dir(int dir_fd, const char *name, int *fd, struct err *e)
{
	int got = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (got < 0)
		return err_sys(e, ERR_IO, "%s", name);
	*fd = got;
	return 0;
}

int file_sync_dir(int dir_fd, const char *name, struct err *e)
{
	AUTO(auto_close) int fd = -1;
	int code = file_open_dir(dir_fd, name, &fd, e);

	if (code)
		return code;
	if (fsync(fd) < 0)
		return err_sys(e, ERR_IO, "%s", name);
	return 0;
}

static int open_beneath(int dir_fd, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_RDONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

int file_open_beneath(int dir_fd, const char *name, int *fd, struct err *e)
{
	struct stat st;

	AUTO(auto_close) int got = open_beneath(dir_fd, name, O_NONBLOCK | O_NOCTTY);
	if (got < 0)
		return err_sys(e, ERR_IO, "%s", name);
	if (fstat(got, &st) < 0)
		return err_sys(e, ERR_IO, "%s", name);
	if (!S_ISREG(st.st_mode)) {
		errno = EISDIR;
		return err_sys(e, ERR_IO, "%s: not a regular file", name);
	}
	*fd = got;
	got = -1;
	return 0;
}

int file_open_dir_beneath(int dir_fd, const char *name, int *fd, struct err *e)
{
	int got = open_beneath(dir_fd, name, O_DIRECTORY);

	if (got < 0)
		return err_sys(e, ERR_IO, "%s", name);
	*fd = got;
	return 0;
}
