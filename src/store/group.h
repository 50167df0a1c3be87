#pragma once

#include "store/store.h"

/* CallManager groups: an ordered list of nodes; phones try them, and their TVS, in this order. Tables callmanagergroup,
 * callmanagergroupmember. */
#define STORE_GROUP_MAX 3

struct store_group {
	char name[STORE_NAME_SIZE];
	size_t n;
	char members[STORE_GROUP_MAX][STORE_NAME_SIZE]; /* node names, first choice first */
};

/* store_group_put: make or replace it. Errors: ERR_USAGE no name, a node that is unknown or there twice; ERR_LIMIT. */
int store_group_put(struct store *s, const struct store_group *g, struct err *e) MUST_CHECK;
int store_group_get(struct store *s, const char *name, struct store_group *g, bool *found, struct err *e) MUST_CHECK;

/* store_group_list: by name. Out: *list of *n, freed with free(). */
int store_group_list(struct store *s, struct store_group **list, size_t *n, struct err *e) MUST_CHECK;
int store_group_delete(struct store *s, const char *name, struct err *e) MUST_CHECK; /* ERR_USAGE: unknown */

/* store_group_devices: who is in it. Out: *n how many; names: the first max of them, by name. */
int store_group_devices(struct store *s, const char *name, char (*names)[STORE_NAME_SIZE], size_t max, size_t *n,
			struct err *e) MUST_CHECK;
