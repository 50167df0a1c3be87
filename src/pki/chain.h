#pragma once

#include "pki/cert.h"

/* What chain_build found out. */
enum chain_state {
	CHAIN_WHOLE,      /* up to a self-signed certificate among the trusted */
	CHAIN_NO_ISSUER,  /* an issuer is not among them */
	CHAIN_BROKEN,     /* they are there, but the path does not hold: why says what is wrong */
};

struct chain {
	enum chain_state state;
	struct cert *issuer;    /* who signed the certificate itself, a reference; NULL when that one is not there */
	char missing[300];      /* CHAIN_NO_ISSUER: subject of the first one that is not there, form A */
	char why[200];          /* CHAIN_BROKEN: OpenSSL's words, and whose certificate it is about */
};

/*
 * chain_build: the path from a certificate to its root, all of whose certificates must be trusted ones and valid at `now`
 * (Unix seconds). A self-signed certificate is its own path. Source: behaviour.md 2.6, RFC 5280 6.
 * Out: *chain, cleared with chain_clear. Errors: ERR_NOMEM.
 */
int chain_build(const struct cert *cert, struct cert *const *trusted, size_t n, int64_t now, struct chain *chain,
		struct err *e) MUST_CHECK;
void chain_clear(struct chain *chain);
