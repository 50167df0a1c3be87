#pragma once

#include "cluster/cluster.h"
#include "pki/template.h"

/*
 * init_node: make a node in an empty or half-made data folder: folders, store contents, certificates, trust store copies
 * and the first ITL. What ringfence.conf says is the caller's. Everything is recorded at the end in one transaction and
 * published; interrupted, it is run again and keeps no half-made node.
 */
struct init_request {
	const char *data_dir;
	const char *node;          /* host name */
	const char *ip;            /* dotted IPv4, or NULL */
	struct subject subject;    /* cn is not looked at; country two letters */
	const char *generation;    /* NULL: the default */
	unsigned key_bits;         /* RSA: 1024, 2048, 3072, 4096; 0: the generation's */
};

/* What init_node needs from outside; store and keys it opens itself. */
struct init_env {
	const struct clock *clock;
	const struct random_source *random;
	void (*progress)(void *ctx, const char *text); /* may be NULL */
	cluster_step_fn *step;                         /* may be NULL: see cluster_step_hook */
	void *ctx;
};

/* init_check: is the request sound? Before anything is written. Errors: ERR_USAGE with the remedy. */
int init_check(const struct init_request *req, struct err *e) MUST_CHECK;

/* init_folders: the data folder and what belongs in it, with their modes. Errors: ERR_USAGE there is a node already. */
int init_folders(const struct init_request *req, struct err *e) MUST_CHECK;

/* init_node: after init_folders and with ringfence.conf in place. */
int init_node(const struct init_request *req, const struct init_env *env, struct err *e) MUST_CHECK;

/* init_is_node: does the folder hold a finished node? */
int init_is_node(const char *data_dir, bool *yes, struct err *e) MUST_CHECK;
