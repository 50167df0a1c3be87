#pragma once

#include "cluster/capf.h"
#include "net/capf_service.h"

/*
 * Bodies of the messages about CAPF between a worker and the director. What does not fit makes the writer fail. The readers
 * take what a worker may send that somebody else has taken over: false is a malformed one. Views borrow the body.
 */
#define CAPF_CONN_BITS 56         /* of a connection's number in a worker; the worker's own stands above it */
#define CAPF_CONN_MAX ((UINT64_C(1) << CAPF_CONN_BITS) - 1)

/* IPC_CAPF_ASK: u64 conn, u32 session, u8 question, str peer, u8 old TLS: 0 or 1, octets frame. */
void capf_wire_put_ask(struct wr *w, const struct capf_service_ask *ask, const char *peer);
bool capf_wire_get_ask(struct view body, struct capf_ask *ask, char peer[STORE_ADDRESS_SIZE], bool *old_tls);

/* Its answer: u8 action, u8 reason, u8 key type, u16 bits, u8 curve, u16 retry, u16 keep-alive, octets certificate. */
bool capf_wire_put_decision(struct wr *w, const struct capf_decision *d, unsigned keep_alive_s);
bool capf_wire_get_decision(struct view body, struct capf_decision *d, unsigned *keep_alive_s);

/* IPC_CAPF_GONE: u64 conn, u8 0 or 1. */
bool capf_wire_put_gone(struct wr *w, uint64_t conn, bool timed_out);
bool capf_wire_get_gone(struct view body, uint64_t *conn, bool *timed_out);

/* IPC_CAPF_REFUSED: u64 conn, str peer, str why (cut to fit). */
#define CAPF_WIRE_WHY_MAX 160
bool capf_wire_put_refused(struct wr *w, uint64_t conn, const char *peer, const char *why);
bool capf_wire_get_refused(struct view body, uint64_t *conn, char peer[STORE_ADDRESS_SIZE], char why[CAPF_WIRE_WHY_MAX]);
