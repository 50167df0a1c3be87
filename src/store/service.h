#pragma once

#include "store/store.h"

/* Services on nodes: table processnodeservice; their names: typeservice. Source: behaviour.md 1.9, design.md 8. */
struct store_service_row {
	unsigned number; /* enum in typeservice; in databases, never changes */
	const char *name;
	bool feature;    /* must be activated before it runs; the others are always active */
};
extern const struct store_service_row store_services[]; /* ends with a NULL name */

/* store_service_find: case does not matter; NULL when there is none of that name. */
const struct store_service_row *store_service_find(const char *name);

struct store_service {
	char node[STORE_NAME_SIZE];
	char name[STORE_NAME_SIZE];
	bool feature;
	bool activated;
	bool started;    /* the administrator wants it to run (utils service start|stop) */
};

/* What a node that never changed it has: feature services deactivated, the others active; both started. */
int store_service_get(struct store *s, const char *node, const char *name, struct store_service *svc,
		      struct err *e) MUST_CHECK;

/* Errors: ERR_USAGE unknown node or service; a network service cannot be deactivated. */
int store_service_activate(struct store *s, const char *node, const char *name, bool on, struct err *e) MUST_CHECK;
int store_service_start(struct store *s, const char *node, const char *name, bool on, struct err *e) MUST_CHECK;

/*
 * store_service_list: every known service of the node, in the order of store_services. Out: *list, freed with free().
 */
int store_service_list(struct store *s, const char *node, struct store_service **list, size_t *n,
		       struct err *e) MUST_CHECK;
