#pragma once

/* A folder of a test's own, 0700, gone with everything in it afterwards. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "testing.h"

struct tempdir {
	char path[64];
};

static inline void tempdir_make(struct tempdir *t)
{
	snprintf(t->path, sizeof(t->path), "/tmp/ringfence-test-XXXXXX");
	assert_non_null(mkdtemp(t->path));
}

static inline int tempdir_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tempdir_remove(struct tempdir *t)
{
	assert_int_equal(nftw(t->path, tempdir_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
