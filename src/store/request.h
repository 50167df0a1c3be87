#pragma once

#include "store/certificate.h"

/* Requests for certificates that wait for an authority: at most one for each unit of a node. Source: behaviour.md 2.6. */
struct store_request {
	enum store_unit unit;
	enum store_distribution distribution; /* STORE_DIST_MULTI_SERVER: for all nodes */
	int64_t created;                      /* Unix seconds */
};

/* store_request_put: it replaces the one before. Errors: ERR_USAGE no such node, or a trust store; ERR_STORE. */
int store_request_put(struct store *s, const char *node, const struct store_request *r, const char *pem,
		      struct err *e) MUST_CHECK;

/* store_request_get: *pem, when there is one, is heap text that the caller frees; NULL: there is none. */
int store_request_get(struct store *s, const char *node, enum store_unit unit, struct store_request *r, char **pem,
		      struct err *e) MUST_CHECK;

/* store_request_drop: that there is none is no error. */
int store_request_drop(struct store *s, const char *node, enum store_unit unit, struct err *e) MUST_CHECK;
