#pragma once

#include <event2/event.h>

#include "base/random.h"
#include "net/udp.h"
#include "proto/sip.h"

/*
 * Telling one phone something by SIP NOTIFY, on the loop: over UDP repeated until it answers (RFC 3261 17.1.2.2), over
 * TCP once. A socket for each, connected, so that only the phone is heard and a refused port is known at once. The answer
 * must carry the branch that was sent, 64 random bits.
 */
struct sip_request {
	enum sip_action action;
	const char *device;         /* copied */
	union udp_addr phone;       /* with its port */
	bool tcp;
	unsigned timeout_ms;
};

/*
 * Called once, from the loop; the call is gone when it returns.
 * status: 200 to 699 as the phone answered, with its reason, escaped; 0: it did not, and text says how.
 */
typedef void sip_done(void *ctx, unsigned status, const char *text);

int sip_call_start(struct event_base *base, const struct random_source *random, const struct sip_request *r, sip_done *done,
		   void *ctx, struct err *e) MUST_CHECK;
