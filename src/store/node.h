#pragma once

#include "store/store.h"

/* Nodes of the cluster: table processnode. */
enum store_node_role { STORE_NODE_PUBLISHER = 0, STORE_NODE_SUBSCRIBER = 1 }; /* CUCM's tknodeusage */

#define STORE_MAX_NODES 64 /* more than a CUCM cluster can have (behaviour.md 3.2) */

struct store_node {
	char name[STORE_NAME_SIZE];        /* host name or address: unique, case does not matter */
	char address[STORE_ADDRESS_SIZE];  /* IPv4, or "" */
	char address6[STORE_ADDRESS_SIZE]; /* IPv6, or "" */
	char description[STORE_NAME_SIZE];
	enum store_node_role role;
	unsigned id;                       /* given by the store in order of adding; never used again */
};

/*
 * store_node_add: n->id is ignored.
 * Errors: ERR_USAGE name missing or taken, malformed address, a second publisher; ERR_LIMIT; ERR_STORE.
 */
int store_node_add(struct store *s, const struct store_node *n, struct err *e) MUST_CHECK;
int store_node_get(struct store *s, const char *name, struct store_node *n, bool *found, struct err *e) MUST_CHECK;

/* store_node_list: by id. Out: *list of *n, freed with free(). */
int store_node_list(struct store *s, struct store_node **list, size_t *n, struct err *e) MUST_CHECK;

/* store_node_set: replace all but the id of the node called name; n->name may be a new name. The role cannot change. */
int store_node_set(struct store *s, const char *name, const struct store_node *n, struct err *e) MUST_CHECK;

/*
 * store_node_delete: with its services, own certificates and places in groups. Errors: ERR_USAGE unknown; the
 * publisher.
 */
int store_node_delete(struct store *s, const char *name, struct err *e) MUST_CHECK;
