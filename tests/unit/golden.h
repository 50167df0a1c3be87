#pragma once

/* Golden files, found through the environment variable GOLDEN (tests/golden). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "testing.h"

#define GOLDEN_MAX (1024 * 1024)

/* The whole file; the caller frees v.p. */
static inline struct view golden(const char *name)
{
	const char *folder = getenv("GOLDEN");
	char path[512];
	uint8_t *data = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "tests/golden", name);
	assert_ok(file_read(AT_FDCWD, path, GOLDEN_MAX, &data, &len, &e), &e);
	return (struct view){data, len};
}

static inline void golden_free(struct view v)
{
	free((void *)(uintptr_t)v.p);
}
