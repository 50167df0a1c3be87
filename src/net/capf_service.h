#pragma once

#include "net/tls_service.h"
#include "proto/capf_server.h"

/*
 * CAPF on the loop: TLS from the first octet, then the conversation of proto/capf_server.h. What is to be done with a
 * device is decided by somebody else, who may take his time. The handshake has TLS_HANDSHAKE_MS, every answer of the phone
 * CAPF_IDLE_MS, its key CAPF_KEY_MS. A message goes out in one TLS record, because phones stall otherwise.
 * Source: formats-and-protocols.md 7.1, 7.8, 7.12.
 */
struct capf_service_ask {
	uint64_t conn;               /* below 2^56; never the same for two connections of this and other processes */
	const struct sockaddr *peer;
	uint32_t session;
	enum capf_question question;
	struct view frame;           /* one whole message of the phone */
	bool old_tls;                /* that came over TLS below 1.2 */
};

/* d NULL: nobody can decide. keep_alive_s: probe the phone after so many silent seconds; 0: leave that as it is. */
typedef void capf_service_decided(void *ctx, const struct capf_decision *d, unsigned keep_alive_s);

struct capf_decider {
	/*
	 * Begin to decide; ask's views end with the call. decided is called once, after this has returned and before cancel.
	 * Errors: nobody can be asked; decided is not called then.
	 */
	int (*ask)(void *ctx, const struct capf_service_ask *ask, capf_service_decided *decided, void *decided_ctx,
		   void **wait, struct err *e);
	void (*cancel)(void *ctx, void *wait);
	/* A connection that was asked about is over, and the decider may not know yet. */
	void (*gone)(void *ctx, uint64_t conn, bool timed_out);
	/* A message was refused, and the connection is about to end. conn: as it may have been asked about. */
	void (*refused)(void *ctx, uint64_t conn, const struct sockaddr *peer, const char *why);
	/* A connection ended otherwise than by its phone; for logs. */
	void (*ended)(void *ctx, const struct sockaddr *peer, const char *why);
	void *ctx;
};

struct capf_service;

/* capf_service_new: pool is shared with other servers of the process and outlives it. Errors: ERR_NOMEM, ERR_IO. */
int capf_service_new(struct event_base *base, struct net_pool *pool, const struct capf_decider *decider,
		     struct capf_service **s, struct err *e) MUST_CHECK;
void capf_service_free(struct capf_service *s); /* closes every connection; accepts NULL */

/* What its connections come in by. Drained, it ends those that have no session; the rest ends with tls_service_close_all. */
struct tls_service *capf_service_tls(struct capf_service *s);

struct capf_service_stats {
	uint64_t connections, handshakes_failed, malformed, timed_out;
	unsigned current;
};
const struct capf_service_stats *capf_service_stats(struct capf_service *s);
