#pragma once

#include <stddef.h>

#include "proto/provision.h"

/*
 * The look without regard to case: an index of each folder that was asked about, made again when the folder changed.
 * Names of folders themselves are taken as they are.
 */
struct content_index;

int content_index_new(int root_dir, size_t max_names, unsigned max_folders, struct content_index **x,
		      struct err *e) MUST_CHECK;
void content_index_free(struct content_index *x); /* accepts NULL */

/*
 * content_index_find: a name in the folder of `name` that is the same, or the same but for case.
 * Out:    actual when it is CONTENT_INDEX_FOUND.
 */
enum content_index_answer {
	CONTENT_INDEX_FOUND,
	CONTENT_INDEX_NONE,    /* there is none */
	CONTENT_INDEX_UNKNOWN, /* the folder has more than max_names, or changes faster than it can be read */
};
enum content_index_answer content_index_find(struct content_index *x, const char *name,
					     char actual[PROVISION_NAME_MAX + 1]);
