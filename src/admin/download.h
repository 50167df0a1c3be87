#pragma once

#include "base/bytes.h"
#include "base/err.h"

/* A file that `file get` brings: written beside its name and renamed when it is whole. */
struct download {
	int dir;            /* folder it goes to; -1: none was named yet */
	int fd;             /* -1: no file on its way */
	char name[256];
	char part[300];
	uint64_t left;
};

#define DOWNLOAD_INIT ((struct download){.dir = -1, .fd = -1})

int download_begin(struct download *d, const char *folder, struct view name, uint64_t size, struct err *e) MUST_CHECK;
int download_data(struct download *d, struct view data, struct err *e) MUST_CHECK; /* ERR_PROTO more than was announced */
int download_end(struct download *d, struct err *e) MUST_CHECK; /* ERR_PROTO less than was announced */
void download_clear(struct download *d); /* what is not whole is removed */
