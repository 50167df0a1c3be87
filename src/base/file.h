#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"

/*
 * Files as Ringfence needs them: read whole with a bound, replaced whole or
 * not at all. dir_fd may be AT_FDCWD. Nothing here leaves a half-written file
 * under its final name, also when the machine loses power.
 */

/*
 * file_read: the whole file.
 * Out:    *data heap buffer of *len octets with one NUL behind it; the caller frees.
 * Errors: ERR_IO (sys_errno ENOENT when there is none), ERR_LIMIT larger than max octets.
 */
int file_read(int dir_fd, const char *name, size_t max, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* file_read_fd: the same from an open descriptor, from its current position; name only serves the error text. */
int file_read_fd(int fd, const char *name, size_t max, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* file_write_synced: all of it, and to the disk. Returns 0, or -1 with errno, as write(2) and fsync(2) do. */
int file_write_synced(int fd, struct view data) MUST_CHECK;

/*
 * file_replace: write data under name: temporary file in the same folder, fsync, rename, fsync of the folder.
 * On failure (disk full) the old file is as it was and the temporary file is gone. A device or a pipe, as /dev/stdout, is
 * not replaced but written to.
 */
int file_replace(int dir_fd, const char *name, struct view data, mode_t mode, struct err *e) MUST_CHECK;

/* file_check_replace: could file_replace write it now? Nothing stays behind. Errors: ERR_IO. */
int file_check_replace(int dir_fd, const char *name, struct err *e) MUST_CHECK;

/* file_replace_unsynced: the same without fsync: whole for everybody who reads it, but not after a power failure. */
int file_replace_unsynced(int dir_fd, const char *name, struct view data, mode_t mode, struct err *e) MUST_CHECK;

/* file_mkdir: one folder; that it exists already is no error. */
int file_mkdir(int dir_fd, const char *name, mode_t mode, struct err *e) MUST_CHECK;

/* file_sync_dir: make renames in the folder durable. */
int file_sync_dir(int dir_fd, const char *name, struct err *e) MUST_CHECK;

/* file_open_dir: O_DIRECTORY | O_CLOEXEC; *fd is the caller's to close. */
int file_open_dir(int dir_fd, const char *name, int *fd, struct err *e) MUST_CHECK;

/*
 * file_open_beneath: open a regular file for reading, never outside dir_fd: openat2(2) with RESOLVE_BENEATH, so that
 * "..", absolute names and symbolic links out of the folder fail. Links inside the folder are followed.
 * Out: *fd. Errors: ERR_IO with sys_errno (ENOENT: no such file; EXDEV, ELOOP: refused; EISDIR: not a regular file).
 */
int file_open_beneath(int dir_fd, const char *name, int *fd, struct err *e) MUST_CHECK;

/* file_open_dir_beneath: a folder at or below dir_fd, with the same care; name "." is dir_fd itself. */
int file_open_dir_beneath(int dir_fd, const char *name, int *fd, struct err *e) MUST_CHECK;
