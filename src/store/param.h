#pragma once

#include "store/store.h"

/*
 * Enterprise and service parameters as raw text: table processconfig. What they mean and their defaults is cluster's.
 */
#define STORE_PARAM_MAX 8192 /* octets of the longest value */

struct store_param_key {
	const char *name;    /* "ClusterSecurityMode" */
	const char *service; /* "Cisco Tftp"; NULL or "": an enterprise parameter */
	const char *node;    /* this node's own value; NULL or "": the cluster's */
};

struct store_param {
	char name[STORE_NAME_SIZE];
	char service[STORE_NAME_SIZE]; /* "" for enterprise parameters */
	char node[STORE_NAME_SIZE];    /* "" for the cluster's */
	char *value;
};

/* store_param_get: exactly this key. Out: *value, which the caller frees; NULL when it is not set. */
int store_param_get(struct store *s, struct store_param_key key, char **value, struct err *e) MUST_CHECK;

/* store_param_set: value NULL takes it away. Errors: ERR_USAGE unknown service or node, no name; ERR_LIMIT too long. */
int store_param_set(struct store *s, struct store_param_key key, const char *value, struct err *e) MUST_CHECK;

/* store_param_list: by service, name, node. Out: *list of *n, freed with store_params_free. */
int store_param_list(struct store *s, struct store_param **list, size_t *n, struct err *e) MUST_CHECK;
void store_params_free(struct store_param *list, size_t n); /* accepts NULL */
