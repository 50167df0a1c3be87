#pragma once

#include "cluster/capf.h"
#include "net/capf_service.h"
#include "server/asker.h"

/*
 * CAPF between the processes of a node: workers speak with phones (net/capf_service.h), the director decides
 * (cluster/capf.h) and has the keeper sign. What a worker says about a message is not believed: it comes along raw, and the
 * director puts the worker's own number into the connection's.
 */

/* --- in the director --- */

struct capf_director;

struct capf_director_stats {
	uint64_t succeeded, nothing, refused, failed; /* sessions by their end: enum capf_verdict */
};

/* What the director wants to hear. */
struct capf_director_handler {
	/* Before the phone is told so: the certificate that its configuration is encrypted for is another one. */
	void (*changed)(void *ctx);
	/* A device has shown that it is there; old_tls: over TLS below 1.2. */
	void (*seen)(void *ctx, const char *device, const char *peer, bool old_tls);
	void *ctx;
};

/*
 * capf_director_new: c and its store outlive it. Questions that arrive together are decided in one group of transactions,
 * and answered when it is on the disk. Looks once a minute at what has become due. Errors: ERR_NOMEM.
 */
int capf_director_new(struct event_base *base, struct store *store, struct cluster *c,
		      const struct capf_director_handler *h, struct capf_director **d, struct err *e) MUST_CHECK;
void capf_director_free(struct capf_director *d); /* accepts NULL */

/* Messages of worker number `worker`: IPC_CAPF_ASK, which is answered on ch; IPC_CAPF_GONE; IPC_CAPF_REFUSED. */
void capf_director_ask(struct capf_director *d, unsigned worker, struct ipc_channel *ch, const struct ipc_msg *m);
void capf_director_gone(struct capf_director *d, unsigned worker, const struct ipc_msg *m);
void capf_director_refused(struct capf_director *d, unsigned worker, const struct ipc_msg *m);
void capf_director_worker_lost(struct capf_director *d, unsigned worker); /* with all its connections */

const struct capf_director_stats *capf_director_stats(const struct capf_director *d);
size_t capf_director_sessions(const struct capf_director *d); /* running now */
struct capf *capf_director_capf(const struct capf_director *d); /* for commands; lives as long as d */

/* --- in a worker --- */

/* For the connections of a listener; a lives as long as its service. */
struct capf_decider capf_decider_by_director(struct asker *a);
