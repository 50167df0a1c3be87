#pragma once

#include "net/tls_service.h"
#include "proto/ctl_provider_server.h"

/*
 * The CTL Provider on the loop: TLS from the first octet, then the conversation of proto/ctl_provider_server.h. Who may log
 * in and what is answered is decided by somebody else, who may take his time. Source: docs/ctl-provider.md.
 */
#define CTLP_SESSION_LEN 16

struct ctl_provider_ask {
	const struct sockaddr *peer;
	const uint8_t *session;      /* of CTLP_SESSION_LEN octets: what the decider gave with WELCOME; zeros before */
	struct view frame;           /* one whole message of the client */
};

/* reply.p NULL: nobody can decide. session is what the connection's next questions come with. */
typedef void ctl_provider_decided(void *ctx, struct view reply, const uint8_t session[CTLP_SESSION_LEN]);

struct ctl_provider_decider {
	/*
	 * Begin to decide; ask's views end with the call. decided is called once, after this has returned and before cancel.
	 * Errors: nobody can be asked; decided is not called then.
	 */
	int (*ask)(void *ctx, const struct ctl_provider_ask *ask, ctl_provider_decided *decided, void *decided_ctx,
		   void **wait, struct err *e);
	void (*cancel)(void *ctx, void *wait);
	/* A connection ended otherwise than by its client; for logs. */
	void (*ended)(void *ctx, const struct sockaddr *peer, const char *why);
	void *ctx;
};

struct ctl_provider_service;

/* ctl_provider_service_new: pool is shared with other servers of the process and outlives it. Errors: ERR_NOMEM. */
int ctl_provider_service_new(struct event_base *base, struct net_pool *pool, const struct ctl_provider_decider *decider,
			     struct ctl_provider_service **s, struct err *e) MUST_CHECK;
void ctl_provider_service_free(struct ctl_provider_service *s); /* closes every connection; accepts NULL */

/* What its connections come in by. Drained, it lets what is being decided get its answer. */
struct tls_service *ctl_provider_service_tls(struct ctl_provider_service *s);

struct ctl_provider_service_stats {
	uint64_t connections, handshakes_failed, malformed, timed_out;
	unsigned current;
};
const struct ctl_provider_service_stats *ctl_provider_service_stats(struct ctl_provider_service *s);
