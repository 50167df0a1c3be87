#pragma once

#include "store/store.h"

/*
 * Administrators who log in over the network (`ringfence ctl-client`): table administrator. Who uses the `admin:` shell on
 * the node itself is known by the operating system and stands nowhere here.
 */
#define STORE_ADMINISTRATOR_NAME_SIZE 65
#define STORE_DERIVED_SIZE 256   /* of a password: what scrypt made of it, in text */

struct store_administrator {
	char name[STORE_ADMINISTRATOR_NAME_SIZE];
	char derived[STORE_DERIVED_SIZE];
	unsigned failures;       /* wrong passwords since the last right one */
	int64_t locked_until;    /* Unix seconds; 0: not locked */
	int64_t changed;         /* when the password was set */
	int64_t last_login;      /* 0: never */
};

/* store_administrator_put: make it or give it another password; it is not locked any longer. Errors: ERR_USAGE the name. */
int store_administrator_put(struct store *s, const char *name, const char *derived, int64_t now, struct err *e) MUST_CHECK;

/* store_administrator_tried: what a login has left behind. */
int store_administrator_tried(struct store *s, const struct store_administrator *a, struct err *e) MUST_CHECK;

int store_administrator_get(struct store *s, const char *name, struct store_administrator *a, bool *found,
			    struct err *e) MUST_CHECK;
int store_administrator_delete(struct store *s, const char *name, bool *found, struct err *e) MUST_CHECK;

/* store_administrator_list: by name. Out: *list of *n, freed with free(). */
int store_administrator_list(struct store *s, struct store_administrator **list, size_t *n, struct err *e) MUST_CHECK;
