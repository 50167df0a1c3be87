#pragma once

#include "pki/keystore.h"

/* Making, reading and writing private keys: what a keystore of files does besides its files. */

/* key_generate: Errors: ERR_USAGE a size that is not offered; ERR_CRYPTO. */
int key_generate(struct key_spec spec, EVP_PKEY **key, struct err *e) MUST_CHECK;

/* key_from_pem: PKCS#8 or the older forms. Errors: ERR_PROTO not a private key, or one behind a passphrase. */
int key_from_pem(struct view pem, EVP_PKEY **key, struct err *e) MUST_CHECK;

/* key_to_pem: PKCS#8. Out: *pem in secret memory (secret_free with its len). */
int key_to_pem(EVP_PKEY *key, uint8_t **pem, size_t *len, struct err *e) MUST_CHECK;

/*
 * key_from_pkcs8: from elsewhere, so its halves are checked against each other.
 * Errors: ERR_PROTO not exactly one PKCS#8 key; ERR_USAGE a kind or size of key that is not offered;
 *         ERR_CRYPTO the halves do not belong together.
 */
int key_from_pkcs8(struct view der, EVP_PKEY **key, struct err *e) MUST_CHECK;

/* key_from_own_pkcs8: out of a keystore of ours, so that check, which takes RSA a tenth of a second, is left out. */
int key_from_own_pkcs8(struct view der, EVP_PKEY **key, struct err *e) MUST_CHECK;

/* key_to_pkcs8: Out: *der in secret memory (secret_free with its len). */
int key_to_pkcs8(EVP_PKEY *key, uint8_t **der, size_t *len, struct err *e) MUST_CHECK;

/* key_public_half: a key of its own without the private part. */
int key_public_half(EVP_PKEY *key, EVP_PKEY **pub, struct err *e) MUST_CHECK;
