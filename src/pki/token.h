#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "pki/cert.h"
#include "pki/pkcs11.h"

/*
 * Security tokens of administrators: a key with its certificate on a hardware token, that signs a cluster's CTL in place of
 * the cluster itself. Source: behaviour.md 3.2, 8.8; formats-and-protocols.md 1.12 form B, 2.3.
 */

/* --- the CA of the tokens: the operator's own, in two PEM files --- */

struct token_ca {
	struct cert *cert;
	EVP_PKEY *key;
};

/* token_ca_make: RSA-2048, 20 years. cn NULL: "Ringfence Token CA". Out: *ca, cleared with token_ca_clear. */
int token_ca_make(const char *cn, const struct clock *clock, const struct random_source *rnd, struct token_ca *ca,
		  struct err *e) MUST_CHECK;

/*
 * token_ca_load: Errors: ERR_IO (ENOENT: there is none), ERR_AUTH others may read the key, ERR_PROTO not PEM,
 *         ERR_USAGE the key is not the certificate's, or the certificate is no CA's.
 */
int token_ca_load(const char *cert_file, const char *key_file, struct token_ca *ca, struct err *e) MUST_CHECK;

/* token_ca_save: key 0600. Nothing is overwritten. Errors: ERR_IO (EEXIST too); no file stays behind then. */
int token_ca_save(const struct token_ca *ca, const char *cert_file, const char *key_file, struct err *e) MUST_CHECK;
void token_ca_clear(struct token_ca *ca);

/* --- tokens --- */

struct token_request {
	unsigned key_bits; /* 1024, 2048 or 4096; 0: 2048 */
	/* The subject; NULL as the tokens of the CTL client have it: CN "SAST-ADN<8 hex digits>" and eight blanks,
	 * OU IPCBU, O "Cisco Systems, Inc.", so that names in a CTL look as every phone has seen them. */
	const char *cn, *ou, *o;
};

/* What a token signs with. */
struct token_identity {
	struct pkcs11_session *s; /* borrowed */
	struct pkcs11_object key;
	struct cert *cert;
	char label[PKCS11_LABEL_MAX]; /* of both objects */
};
void token_identity_clear(struct token_identity *t);

/*
 * token_make: a key on the token, its certificate from the CA, both on the token; then read again and tried.
 * In:     s writes and is logged in.
 * Out:    *t. On failure nothing that was made stays on the token.
 * Errors: ERR_USAGE the token has such a key already, or the request cannot be; as pkcs11.h.
 */
int token_make(struct pkcs11_session *s, const struct token_ca *ca, const struct token_request *req,
	       const struct clock *clock, const struct random_source *rnd, struct token_identity *t,
	       struct err *e) MUST_CHECK;

/* token_check_empty: may token_make put a key on it? Errors: ERR_USAGE it has one with a certificate already. */
int token_check_empty(struct pkcs11_session *s, struct err *e) MUST_CHECK;

/* token_take_back: what token_make has put on the token goes again, as well as that can be done; clears *t. */
void token_take_back(struct token_identity *t);

/*
 * token_find: the RSA key on the token that has its certificate beside it, in a session that is logged in.
 * In:     w says which one when the token has several; NULL: there is to be one.
 * Errors: ERR_USAGE there is none, or more than one: the text says what to do.
 */
int token_find(struct pkcs11_session *s, const struct pkcs11_want *w, struct token_identity *t, struct err *e) MUST_CHECK;

/* token_sign: sign of struct list_signer (format/list.h), ctx is the struct token_identity: PKCS#1 v1.5. */
int token_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e) MUST_CHECK;
