#pragma once

#include "proto/capf_client.h"

/*
 * What the phone of `ringfence capf` does when the server wants something, and what came of it; without the connection.
 * The server decides what it wants: a phone that came for something else declines, and nothing is changed.
 * Source: formats-and-protocols.md 7.4 to 7.11.
 */
enum capf_op { CAPF_OP_ENROLL, CAPF_OP_FETCH, CAPF_OP_DELETE };

struct capf_session {
	/* set by the caller; borrowed */
	enum capf_op op;
	const char *device;
	const struct cert *cert;    /* fetch: what the phone answers with */
	uint8_t cert_type;          /* of it */
	EVP_PKEY *given_key;        /* enroll: with this key; NULL: the kind that the server asks for is made */
	const char *key_out;        /* enroll without given_key: PKCS#8 PEM, 0600 */
	const char *cert_out;       /* enroll: PEM */
	/* what came of it; owned */
	EVP_PKEY *made_key;
	struct cert *lsc;           /* stored in cert_out, with its key in key_out */
	bool obeyed;                /* the phone did, and told the server, what it had come for */
	bool key_waits;             /* the server takes its time: key_out holds the key that was sent */
	char declined[480];         /* why the phone declined what the server wanted; "" */
};

void capf_session_clear(struct capf_session *s); /* what is owned */

/* capf_session_obey: for struct capf_dialog_handler; ctx is the session. */
int capf_session_obey(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out,
		      struct err *e) MUST_CHECK;

/*
 * capf_session_end: the server ended the session. When it said to come back later for the certificate of a new key, that
 * key is written. Errors: as file_replace.
 */
int capf_session_end(struct capf_session *s, const struct capf_client *c, struct err *e) MUST_CHECK;

/* Is what the phone came for done, as both sides see it? */
bool capf_session_done(const struct capf_session *s, const struct capf_client *c);
