#pragma once

#include "proto/capf.h"

/*
 * The server's side of one CAPF connection, without descriptor, clock or policy. Source: formats-and-protocols.md 7.8.
 * The machine knows what may follow what; what a device may have done to it is decided elsewhere (the director holds the
 * devices and asks the keeper to issue), so after each answer of the phone the machine asks and waits for a decision.
 */
#define CAPF_IDLE_MS 10000          /* for each answer of the phone, except: */
#define CAPF_PHONE_FRAME_MAX 32768  /* octets of a phone's message; certificates and proofs take less than 8 KiB */
#define CAPF_KEY_MS (45 * 60000)    /* key generation: old phones take half an hour (behaviour.md 5.4) */

/* What has to be decided. */
enum capf_question {
	CAPF_ASK_AUTH,       /* an AUTH_RESPONSE: who it is and what is scheduled */
	CAPF_ASK_KEY,        /* a KEY_GENERATE_RESPONSE; without a public key the phone has failed */
	CAPF_ASK_STORED,     /* STORE_CERTIFICATE_RESPONSE: only now is an installation done (C-7) */
	CAPF_ASK_FETCHED,    /* FETCH_CERTIFICATE_RESPONSE */
	CAPF_ASK_DELETED,    /* DELETE_CERTIFICATE_RESPONSE */
};

enum capf_action {
	CAPF_DO_END,         /* END_SESSION with reason, then close */
	CAPF_DO_GENERATE,    /* ask for a key of this type */
	CAPF_DO_STORE,       /* give the certificate */
	CAPF_DO_FETCH,
	CAPF_DO_DELETE,
	CAPF_DO_RETRY,       /* RETRY_LATER, then close */
};

struct capf_decision {
	enum capf_action action;
	uint8_t reason;          /* CAPF_DO_END */
	uint8_t key_type;        /* CAPF_DO_GENERATE: enum capf_key_type */
	uint16_t key_bits;       /*   RSA */
	uint8_t curve;           /*   EC */
	struct view certificate; /* CAPF_DO_STORE: DER */
	uint16_t retry_s;        /* CAPF_DO_RETRY */
};

enum capf_want {
	CAPF_WANT_READ,     /* more octets, or the passing of the deadline */
	CAPF_WANT_WRITE,    /* out holds a message: write it, then step again with what is left of the input */
	CAPF_WANT_DECISION, /* ask about *question and the frame (the first *used octets of in), then capf_conn_decide */
	CAPF_WANT_CLOSE,    /* over: write what out holds, then close */
};

enum capf_state {
	CAPF_STATE_START, CAPF_STATE_AUTH, CAPF_STATE_KEY, CAPF_STATE_STORE, CAPF_STATE_FETCH, CAPF_STATE_DELETE,
	CAPF_STATE_DECIDING, CAPF_STATE_OVER,
};

struct capf_conn {
	enum capf_state state;
	enum capf_question question; /* in CAPF_STATE_DECIDING */
	uint32_t session;
	uint8_t version;             /* what both sides speak, 1 to 3; known after AUTH */
	uint64_t deadline_ms;
};

/* capf_conn_init: session must not be guessable: part of the SUDI proof (C-18). The first step writes AUTH_REQUEST. */
void capf_conn_init(struct capf_conn *c, uint32_t session, uint64_t now_ms);

/*
 * capf_conn_step: use at most one message of the phone.
 * In:     in, everything that has arrived and was not used yet.
 * Out:    *used octets of in that are done with; out, message appended with CAPF_WANT_WRITE and perhaps CLOSE;
 *         *question with CAPF_WANT_DECISION. With CAPF_WANT_CLOSE e says why: ERR_PROTO malformed, unexpected or of another
 *         session; ERR_AGAIN deadline; ERR_NOMEM.
 * A well-formed message that does not belong here is answered END_SESSION 7; a malformed one ends it without an answer.
 */
enum capf_want capf_conn_step(struct capf_conn *c, struct view in, uint64_t now_ms, size_t *used,
			      enum capf_question *question, struct wr *out, struct err *e) MUST_CHECK;

/*
 * capf_conn_decide: the answer to what was asked; its message is appended to out.
 * Out: CAPF_WANT_WRITE, or CAPF_WANT_CLOSE after the last one. A decision that the state does not allow (a certificate for
 * a deletion), or EC for a version below 3, ends the session with reason 7 and ERR_BUG or ERR_USAGE in e.
 */
enum capf_want capf_conn_decide(struct capf_conn *c, const struct capf_decision *d, uint64_t now_ms, struct wr *out,
				struct err *e) MUST_CHECK;

/* Monotonic milliseconds at which the connection must be stepped again even if nothing arrives. */
uint64_t capf_conn_deadline(const struct capf_conn *c);
