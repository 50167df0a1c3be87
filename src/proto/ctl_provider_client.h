#pragma once

#include "proto/ctl_provider.h"

/* The client's side: one question at a time, and only what answers it is taken. Source: docs/ctl-provider.md. */
struct ctlp_client {
	uint8_t asked;  /* 0: nothing is under way */
};

/* ctlp_client_ask: the question, appended to out. Errors: as ctlp_msg_write; ERR_BUG one is under way. */
int ctlp_client_ask(struct ctlp_client *c, const struct ctlp_msg *m, struct wr *out, struct err *e) MUST_CHECK;

/*
 * ctlp_client_take: the answer.
 * In:     in, everything that has arrived. Out: *used octets; *m borrows them.
 * Errors: ERR_AGAIN more octets are needed; ERR_PROTO malformed, or no answer to what was asked. REFUSED is an answer.
 */
int ctlp_client_take(struct ctlp_client *c, struct view in, size_t *used, struct ctlp_msg *m, struct err *e) MUST_CHECK;
