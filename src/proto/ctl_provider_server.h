#pragma once

#include "proto/ctl_provider.h"

/*
 * The provider's side of one connection, without descriptor, clock or policy. The machine knows what may follow what: a
 * LOGIN first, then any number of questions; each is decided elsewhere (the director has the store) and answered before
 * the next one is looked at. Source: docs/ctl-provider.md.
 */
#define CTLP_IDLE_MS 30000     /* for each whole message of the client */
#define CTLP_WRONG_MS 2000     /* a refused login is answered so late, and then the connection ends */

enum ctlp_want {
	CTLP_WANT_READ,     /* more octets, or the passing of the deadline */
	CTLP_WANT_DECISION, /* ask about the message (the first *used octets of in), then ctlp_conn_decide */
	CTLP_WANT_CLOSE,    /* over */
};

enum ctlp_state { CTLP_STATE_LOGIN, CTLP_STATE_OPEN, CTLP_STATE_DECIDING, CTLP_STATE_OVER };

struct ctlp_conn {
	enum ctlp_state state;
	uint8_t asked;             /* type of the message that is being decided */
	uint64_t deadline_ms;
};

void ctlp_conn_init(struct ctlp_conn *c, uint64_t now_ms);

/*
 * ctlp_conn_step: use at most one message of the client.
 * In:     in, everything that has arrived and was not used yet.
 * Out:    *used octets of in that are done with. With CTLP_WANT_CLOSE e says why: ERR_PROTO malformed, or it does not
 *         belong here; ERR_AGAIN deadline.
 */
enum ctlp_want ctlp_conn_step(struct ctlp_conn *c, struct view in, uint64_t now_ms, size_t *used, struct err *e) MUST_CHECK;

/*
 * ctlp_conn_decide: reply is the message to send. Out: CTLP_WANT_READ, or CTLP_WANT_CLOSE when it is the last one: it is to
 * go out *delay_ms from now. Errors: ERR_BUG in e, and CTLP_WANT_CLOSE, when reply does not answer what was asked.
 */
enum ctlp_want ctlp_conn_decide(struct ctlp_conn *c, struct view reply, uint64_t now_ms, unsigned *delay_ms,
				struct err *e) MUST_CHECK;

uint64_t ctlp_conn_deadline(const struct ctlp_conn *c); /* monotonic milliseconds */
