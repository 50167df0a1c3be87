#pragma once

#include "server/content.h"
#include "server/content_id.h"

/*
 * The files that a content keeps: small ones in memory, others open, for whoever asks next and for as long as the disk
 * has them unchanged. A file in use is never taken away; when memory is used up by files in use, small ones are served
 * from their descriptors, too.
 */
struct content_files;

enum content_root { CONTENT_PUBLISHED, CONTENT_PROVISIONING, CONTENT_ROOTS };

int content_files_new(const int dirs[CONTENT_ROOTS], struct content_files **x, struct err *e) MUST_CHECK;
void content_files_free(struct content_files *x); /* nobody uses a file of it any more; accepts NULL */

/* content_files_stat: what is there now. False: nothing, or no regular file. */
bool content_files_stat(const struct content_files *x, enum content_root root, const char *path, struct content_id *id);

/*
 * content_files_get: the file, which the disk has as *id; NULL: whatever is there under this name never changes.
 * Out:    *file, the caller's to unref; *from_memory: nothing was read.
 * Errors: as file_open_beneath; ERR_IO with ESTALE: it is being written to, again and again; ERR_NOMEM.
 */
int content_files_get(struct content_files *x, enum content_root root, const char *path, const struct content_id *id,
		      struct content_file **file, bool *from_memory, struct err *e) MUST_CHECK;

/* content_files_private: the file, opened for one user. Errors: as file_open_beneath. */
int content_files_private(const struct content_files *x, enum content_root root, const char *path,
			  struct content_file **file, struct err *e) MUST_CHECK;

size_t content_files_memory(const struct content_files *x);
unsigned content_files_count(const struct content_files *x);
