#pragma once

#include "proto/tvs.h"

/*
 * The server's side of one TVS connection, without descriptor and clock. Source: formats-and-protocols.md 6.6.
 * Several requests may follow each other on one connection; anything malformed ends it without an answer.
 */
#define TVS_IDLE_MS 10000 /* for a complete request to arrive, from the connection's start or the last answer */

/* What the store says of a certificate. */
struct tvs_answer {
	struct view der;          /* lives as long as the store behind the lookup */
	uint32_t roles;
	uint32_t ttl_s;
};

/* Where the answers come from: the index (proto/tvs_index.h), or a test. */
struct tvs_lookup {
	/* Exactly this certificate, octet for octet? */
	bool (*verify)(void *ctx, struct view der, struct tvs_answer *a);
	/* The certificate with this issuer and serial; the subject only chooses between several. */
	bool (*query)(void *ctx, struct view subject, struct view issuer, struct view serial, struct tvs_answer *a);
	void *ctx;
};

struct tvs_counters {
	uint64_t connections;
	uint64_t verify_valid, verify_invalid;
	uint64_t query_found, query_not_found;
	uint64_t malformed, timed_out;
};

enum tvs_want {
	TVS_WANT_READ,  /* more octets, or the passing of the deadline */
	TVS_WANT_WRITE, /* out holds an answer: write it, then step again with what is left of the input */
	TVS_WANT_CLOSE, /* over: close without writing */
};

/* What the last step did, for the caller's log. */
struct tvs_event {
	uint8_t type;             /* of the answered request, 0 for none */
	bool known;               /* was the answer yes? */
	char device[TVS_DEVICE_MAX * 4 + 1]; /* escaped, "" when the phone gave no name */
};

struct tvs_conn {
	const struct tvs_lookup *lookup;
	struct tvs_counters *counters;
	uint64_t deadline_ms;
};

void tvs_conn_init(struct tvs_conn *c, const struct tvs_lookup *lookup, struct tvs_counters *counters, uint64_t now_ms);

/*
 * tvs_conn_step: answer at most one request.
 * In:     in, everything that has arrived and was not used yet: a part of a frame, several frames, or nothing.
 * Out:    *used octets of in that are done with (0 until a frame is whole); with TVS_WANT_WRITE one answer appended to
 *         out and *ev filled; with TVS_WANT_CLOSE e says why (ERR_PROTO, ERR_AGAIN for the timeout, ERR_NOMEM).
 */
enum tvs_want tvs_conn_step(struct tvs_conn *c, struct view in, uint64_t now_ms, size_t *used, struct wr *out,
			    struct tvs_event *ev, struct err *e) MUST_CHECK;

/* Monotonic milliseconds at which the connection must be stepped again even if nothing arrives. */
uint64_t tvs_conn_deadline(const struct tvs_conn *c);
