#pragma once

#include "store/store.h"

/*
 * Phones: table device. Later releases use more of its columns (security profile, CAPF block, what it was seen to
 * hold).
 */
struct store_device {
	char name[STORE_NAME_SIZE];        /* SEP001122334455: unique; text_is_device_name */
	char description[STORE_NAME_SIZE];
	char model[STORE_NAME_SIZE];       /* "8861", "" unknown */
	char pool[STORE_NAME_SIZE];        /* device pool; "" none */
	char group[STORE_NAME_SIZE];       /* CallManager group; "" none */
};

/* store_device_add: Errors: ERR_USAGE malformed name, name taken, unknown group. */
int store_device_add(struct store *s, const struct store_device *d, struct err *e) MUST_CHECK;
int store_device_get(struct store *s, const char *name, struct store_device *d, bool *found, struct err *e) MUST_CHECK;
int store_device_delete(struct store *s, const char *name, struct err *e) MUST_CHECK; /* ERR_USAGE: unknown */
int store_device_count(struct store *s, uint64_t *n, struct err *e) MUST_CHECK;

/*
 * store_device_list: by name, those after `after` ("" or NULL: from the first), at most limit (0: all), so that a page
 * starts where the last one ended. A non-zero return of cb ends the list and is returned. cb may read the store.
 */
int store_device_list(struct store *s, const char *after, size_t limit,
		      int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e) MUST_CHECK;
