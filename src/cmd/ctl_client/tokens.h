#pragma once

#include "cmd/ctl_client/place.h"
#include "format/list.h"
#include "pki/token.h"

/* Tokens that may stand in a CTL: which are there, and signing with one of them. */
#define CTL_TOKENS_MAX 32

struct ctl_token {
	struct token_options options; /* that it was found with; borrowed. Its module and its PIN are theirs */
	char label[33];              /* of the token */
	char uri[1024];              /* that matches this token and no other */
	struct cert *cert;
	char object[PKCS11_LABEL_MAX]; /* label of the certificate */
	uint8_t id[PKCS11_ID_MAX];   /* of the certificate and its key */
	size_t id_len;
};
void ctl_token_clear(struct ctl_token *t);

/*
 * ctl_tokens_scan: the RSA certificates on the tokens that are there now and want a login. Passed over are those of CAs, and
 * those whose key is not beside them; a token that shows no key before the login is believed. No PIN is needed. Looks anew
 * each time, so that tokens may come and go.
 * In:     o->uri, when it is given: only what it matches. Out: list of *n, each cleared by the caller, before o's texts go.
 */
int ctl_tokens_scan(const struct token_options *o, struct ctl_token list[CTL_TOKENS_MAX], size_t *n,
		    struct err *e) MUST_CHECK;

/* One that signs: open while a CTL is made. */
struct ctl_signing {
	struct token_place place;
	struct token_identity identity;
};

/*
 * ctl_signing_open: log in to it and find the key.
 * Errors: as pkcs11.h and pin_get; ERR_CRYPTO the token holds another certificate than it did.
 */
int ctl_signing_open(const struct ctl_token *t, struct ctl_signing *s, struct err *e) MUST_CHECK;
void ctl_signing_close(struct ctl_signing *s);
