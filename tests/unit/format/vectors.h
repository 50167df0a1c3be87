#pragma once

/* Certificates and keys of the vectors, and a signer over them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/list.h"
#include "golden.h"
#include "testing.h"

/* A certificate of golden/certs and, when it signs, its key of golden/keys. */
static inline struct cert *golden_cert(const char *name)
{
	char file[128];

	snprintf(file, sizeof(file), "certs/%s.der", name);
	return golden_cert_file(file);
}

static inline EVP_PKEY *golden_key(const char *name)
{
	char file[128];

	snprintf(file, sizeof(file), "keys/%s.key", name);
	return golden_key_file(file);
}

/* RSA PKCS#1 v1.5 is deterministic, so the vectors' keys make the vectors' signatures again. */
static inline int evp_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ctx, NULL);
	size_t n = KEY_SIG_MAX;

	bool ok = c && EVP_PKEY_sign_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
		  EVP_PKEY_CTX_set_signature_md(c, d == DIGEST_SHA1 ? EVP_sha1() : EVP_sha512()) > 0 &&
		  EVP_PKEY_sign(c, sig, &n, hash, digest_len(d)) > 0;
	EVP_PKEY_CTX_free(c);
	if (!ok)
		return err_set(e, ERR_CRYPTO, "test signer");
	*len = n;
	return 0;
}

static inline struct list_signer evp_signer(EVP_PKEY *key)
{
	return (struct list_signer){evp_sign, key};
}
