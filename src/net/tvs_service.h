#pragma once

#include "net/tls_service.h"
#include "proto/tvs_index.h"

/*
 * TVS on the loop: TLS from the first octet, then the conversation of proto/tvs_server.h. The handshake has
 * TLS_HANDSHAKE_MS, every request TVS_IDLE_MS; a client that sends faster than it reads waits.
 * Source: formats-and-protocols.md 6.6, 6.7.
 */
#define TVS_OUT_MAX 65536 /* octets of answers that wait for one client before its next request is looked at */

struct tvs_service;

/* Told of each answered request and each connection that ended otherwise than by its client: for logs. why is NULL for an
 * answer; old_tls: it went out over TLS below 1.2. */
typedef void tvs_service_log(void *ctx, const struct sockaddr *peer, bool old_tls, const struct tvs_event *ev,
			     const char *why);

/* tvs_service_new: pool is shared with other servers of the process and outlives it. log may be NULL. */
int tvs_service_new(struct event_base *base, struct net_pool *pool, tvs_service_log *log, void *ctx,
		    struct tvs_service **s, struct err *e) MUST_CHECK;
void tvs_service_free(struct tvs_service *s); /* closes every connection; accepts NULL */

/* What its connections come in by. Drained, it closes those that wait for their client; answers on their way get there. */
struct tls_service *tvs_service_tls(struct tvs_service *s);

/* tvs_service_set_index: requests answered from now on, also on old connections, look here. ix must outlive its use;
 * NULL: connections are closed instead of answering that nothing is known. */
void tvs_service_set_index(struct tvs_service *s, const struct tvs_index *ix);

struct tvs_service_stats {
	struct tvs_counters requests;
	uint64_t handshakes_failed;
	unsigned current;
};
const struct tvs_service_stats *tvs_service_stats(struct tvs_service *s);
