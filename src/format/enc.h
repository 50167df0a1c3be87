#pragma once

#include <openssl/evp.h>

#include "base/random.h"
#include "format/sgn.h"

/*
 * Encrypted configurations: header 2.0 and AES-128-CBC ciphertext, the key wrapped for the phone's RSA certificate.
 * Source: formats-and-protocols.md 5; vectors tests/golden/enc.
 */
#define ENC_KEY_LEN 16      /* octets of the AES key that is written; 24 and 32 are read too */
#define ENC_IV_LEN 16
#define ENC_PLAIN_MAX 550001 /* octets of the largest configuration that phones take (behaviour.md 4.1) */

struct enc_spec {
	struct sgn_spec sgn;         /* its file_name ends in .enc.sgn; its digest is also that of the plain text */
	const struct cert *device;   /* LSC or MIC: RSA */
};

/*
 * enc_build: encrypt for the device, then sign.
 * Out:    *data heap buffer.
 * Errors: ERR_USAGE the device's certificate has no RSA key (EC cannot unwrap keys), plain text too large; ERR_CRYPTO;
 *         ERR_IO no random octets.
 */
int enc_build(const struct enc_spec *spec, const struct list_signer *signer, const struct random_source *random,
	      struct view plain, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* What the random parts of an encrypted file are; for those who must make the same file again. */
struct enc_secret {
	uint8_t key[ENC_KEY_LEN];
	uint8_t iv[ENC_IV_LEN];
	struct view wrapped;         /* the key under the device's key, as long as the modulus */
};
int enc_build_with(const struct enc_spec *spec, const struct list_signer *signer, const struct enc_secret *secret,
		   struct view plain, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/*
 * enc_decrypt: the plain file, with the device's private key. Verify the signature first (sgn_verify_list): this does not.
 * Out:    *plain heap buffer with a NUL behind it.
 * Errors: ERR_PROTO with rule: those of tlv_header_read, "missing-encryption", "iv-size", "ciphertext-size",
 *         "padding-length"; ERR_AUTH the file is not for this key or was damaged: a wrong key, a wrong padding and a wrong
 *         hash are not told apart, so that nobody learns from the difference (5.3).
 */
int enc_decrypt(struct view file, EVP_PKEY *device_key, uint8_t **plain, size_t *len, struct err *e) MUST_CHECK;
