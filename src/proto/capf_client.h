#pragma once

#include <openssl/evp.h>

#include "pki/cert.h"
#include "proto/capf.h"

/*
 * A phone's side of one CAPF connection, without descriptor or clock: the server speaks first, the phone does what it
 * is told. Source: formats-and-protocols.md 7.5, 7.8, 7.10.
 */
struct capf_identity {
	const char *device;          /* SEP001122334455 */
	const char *password;        /* NULL or "": null string */
	uint8_t version;             /* 2 or 3: what the phone knows at most */
	const struct cert *cert;     /* LSC or MIC to authenticate with, or NULL */
	uint8_t cert_type;           /* enum capf_cert_type of it */
	EVP_PKEY *key;               /* its key */
	const struct cert *sudi;     /* SUDI certificate, or NULL */
	EVP_PKEY *sudi_key;
};

/* What the server wants done; answered with capf_client_*. */
enum capf_client_want {
	CAPF_CLIENT_READ,     /* more octets */
	CAPF_CLIENT_WRITE,    /* out holds a message; write it, then step again */
	CAPF_CLIENT_GENERATE, /* make a key as c->key_type, key_bits, curve say, then capf_client_key */
	CAPF_CLIENT_STORE,    /* c->certificate is the new LSC: keep it, then capf_client_done */
	CAPF_CLIENT_FETCH,    /* capf_client_certificate with what the phone has, or NULL */
	CAPF_CLIENT_DELETE,   /* delete the LSC, then capf_client_done */
	CAPF_CLIENT_END,      /* over: c->reason says how */
	CAPF_CLIENT_FAIL,     /* over: e says why */
};

#define CAPF_CLIENT_KEYS 2 /* at most in one connection */

struct capf_client {
	const struct capf_identity *me;
	enum capf_client_want asked; /* what the phone is at */
	bool greeted;                /* AUTH_REQUEST has come */
	uint32_t session;
	uint8_t version;             /* the lower of ours and the server's */
	uint8_t n_keys;              /* how many were asked for */
	uint8_t key_type;            /* enum capf_key_type */
	uint16_t key_bits;
	uint8_t curve;               /* enum capf_curve */
	struct view certificate;     /* borrowed from the input of the step that returned CAPF_CLIENT_STORE */
	uint8_t reason;              /* enum capf_reason, of END_SESSION */
	bool retry;                  /* the server asked to come back after retry_s seconds */
	uint32_t retry_s;
	enum capf_client_want last;  /* what was done last: GENERATE, STORE, FETCH or DELETE; READ for nothing */
};

void capf_client_init(struct capf_client *c, const struct capf_identity *me);

/*
 * capf_client_step: use at most one message of the server.
 * Out: *used octets of in that are done with once what is wanted was answered; out, message appended with
 *      CAPF_CLIENT_WRITE. Errors (CAPF_CLIENT_FAIL): ERR_PROTO malformed, unexpected, another session, a
 *      second operation; ERR_CRYPTO the proof
 *      could not be made; ERR_NOMEM.
 */
enum capf_client_want capf_client_step(struct capf_client *c, struct view in, size_t *used, struct wr *out,
				       struct err *e) MUST_CHECK;

/* The answers. Each appends its message to out. */
int capf_client_progress(struct capf_client *c, struct wr *out, struct err *e) MUST_CHECK; /* still at work on the key */
int capf_client_key(struct capf_client *c, struct view spki, struct wr *out, struct err *e) MUST_CHECK; /* empty: failed */
int capf_client_certificate(struct capf_client *c, const struct cert *cert, uint8_t type, struct wr *out,
			    struct err *e) MUST_CHECK;
int capf_client_done(struct capf_client *c, bool ok, struct wr *out, struct err *e) MUST_CHECK;
