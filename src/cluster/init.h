#pragma once

#include "cluster/cluster.h"
#include "pki/template.h"

/*
 * Making a node. In this order: init_check; init_folders; the caller writes ringfence.conf; init_node. Until the end a file
 * says that the node is unfinished, so that an interrupted init can be run again, and keys are never removed that may
 * belong to a finished node.
 */
struct init_request {
	const char *data_dir;
	const char *node;          /* host name */
	const char *ip;            /* dotted IPv4 or IPv6, or NULL */
	struct subject subject;    /* cn is not looked at; country two letters */
	const char *generation;    /* NULL: the default */
	const char *store_url;     /* NULL: sqlite:store.sqlite3 */
	unsigned key_bits;         /* RSA: 1024, 2048, 4096; 0: the generation's */
	const struct adopt *adopt; /* cluster/adopt.h: a site that is taken over; NULL: everything is made anew */
	struct keystore *token;    /* where the keys of token_units are made; NULL: all are in files; init_node takes it */
	const char *token_units;   /* "CallManager, CAPF" */
};

/* What init_node needs from outside; store and keys it opens itself. */
struct init_env {
	const struct clock *clock;
	const struct random_source *random;
	void (*progress)(void *ctx, const char *text); /* may be NULL */
	cluster_step_fn *step;                         /* may be NULL: see cluster_step_hook */
	void *ctx;
};

/* init_check: is the request sound? Looks at nothing but the request. Errors: ERR_USAGE with the remedy. */
int init_check(const struct init_request *req, struct err *e) MUST_CHECK;

/*
 * init_try: could init_folders make the folder? Writes nothing. adopted: the folder of a site that is taken over, which must
 * not hold it; NULL: none.
 * Errors: as init_folders.
 */
int init_try(const struct init_request *req, const char *adopted, struct err *e) MUST_CHECK;

/*
 * init_folders: the data folder (parents too) and what belongs in it, with their modes.
 * Errors: ERR_USAGE there is a node in it already, or something that is no node's, or keys without their store.
 */
int init_folders(const struct init_request *req, struct err *e) MUST_CHECK;

/*
 * init_node: nodes, parameters, certificates and the first ITL, in one transaction. When it fails, its keys are
 * taken off the token again. Keys that an init left in files when it was killed the next one removes;
 * those on a token it leaves, because the token may be another node's too.
 */
int init_node(const struct init_request *req, const struct init_env *env, struct err *e) MUST_CHECK;

/* init_is_node: does the folder hold a finished node? A folder that is not there holds none. */
int init_is_node(const char *data_dir, const char *store_url, bool *yes, struct err *e) MUST_CHECK;

/*
 * init_undo: an init that failed leaves nothing: what it made in the folder goes, and with folder set the folder too. What
 * is not init's stays, and a finished node is not touched.
 */
void init_undo(const char *data_dir, bool folder);
