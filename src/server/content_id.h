#pragma once

#include <stdbool.h>
#include <sys/stat.h>

/* What tells one state of a file or folder from another, without reading it. */
struct content_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct content_id content_id_of(const struct stat *st);
bool content_id_same(const struct content_id *a, const struct content_id *b);

/*
 * content_id_settled: another change would show in the id. The kernel stamps changes with the tick of its clock, so that
 * two of them within a tick look like one; what was read so soon after a change must be read again next time.
 */
bool content_id_settled(const struct content_id *id);
