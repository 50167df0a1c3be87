#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "cluster/notes.h"
#include "pki/cert.h"
#include "pki/keystore.h"
#include "store/store.h"

/*
 * A node's trust plane: its store, its keys and what it publishes. All changes go through the operations of this library
 * (mode.h, certs.h, param.h, node.h); each is atomic: after it, after a failure of it and after a crash in it, the store
 * and published/ hold the old generation whole or the new one whole (docs/architecture.md, Publication).
 *
 * One process at a time may publish (it holds a lock on <data>/published): the director, or a command on a node that is
 * not running. Others open it as observers.
 */
struct cluster;

/* The call control beside this node, for what is said of it; the server does what is to be done. Texts live on. */
struct cluster_call_control {
	const char *folder;                 /* where its key and certificates are placed; NULL: there is none */
	bool reload;                        /* a command makes it read them */
};

struct cluster_config {
	const char *data_dir;               /* <data>; not kept */
	struct store *store;                /* these live as long as the cluster */
	struct keystore *keys;
	const struct clock *clock;
	const struct random_source *random;
	const char *node;                   /* this node's name, as in ringfence.conf; copied */
	bool token;                         /* some of the keys may be on a hardware token: for hints only */
	struct cluster_call_control call_control;
	bool observer;                      /* beside a running node: reads, and publishes nothing */
};

/*
 * cluster_open: finish or forget what a crash interrupted, and bring certs/ in step with the store.
 * Out:    *c. Errors: ERR_IO; ERR_STORE; ERR_AGAIN another process has it open; ERR_USAGE the store does not know this
 *         node: run `ringfence init`.
 */
int cluster_open(const struct cluster_config *cfg, struct cluster **c, struct err *e) MUST_CHECK;
void cluster_free(struct cluster *c); /* accepts NULL; closes neither store nor keys */

/* cluster_is_open: does a process that publishes have this node open, as `ringfence serve` has? */
int cluster_is_open(const char *data_dir, bool *open, struct err *e) MUST_CHECK;

struct keystore *cluster_keys(struct cluster *c);
const char *cluster_node(const struct cluster *c);
int cluster_data_dir(const struct cluster *c); /* borrowed descriptor of <data> */

/*
 * Durable steps, for tests: fn is called with a short name before each step after which the disk differs ("key", "folder",
 * "CTLFile.tlv", "ITLFile.tlv", "manifest", "commit", "link", "certs"), so that a test can end the process there.
 */
typedef void cluster_step_fn(void *ctx, const char *step);
void cluster_step_hook(struct cluster *c, cluster_step_fn *fn, void *ctx);

/* cluster_own_cert: the current certificate of a unit on a node (NULL: this node), a reference that the caller gives back;
 * *cert is NULL when there is none. */
int cluster_own_cert(struct cluster *c, const char *node, const char *unit, struct cert **cert, struct err *e) MUST_CHECK;

/*
 * cluster_signer: who signs configuration files: this node's CallManager certificate and the name of its key.
 * Out: *cert a reference, key. Source: behaviour.md 2.1.
 */
int cluster_signer(struct cluster *c, struct cert **cert, char key[KEY_NAME_MAX], struct err *e) MUST_CHECK;
