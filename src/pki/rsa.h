#pragma once

#include "pki/digest.h"

/*
 * RSA signatures of files and CAPF data, verified by the RSA operation itself and a comparison of the whole encoded
 * message, so that the security level of the system neither forbids SHA-1 and RSA-1024 (phones use them) nor has to
 * be lowered for anything else. Source: formats-and-protocols.md 1.9, 1.10, 7.6.
 */
#define RSA_MIN_BITS 512
#define RSA_MAX_BITS 4096

/* struct rsa_pub: a public key ready for many verifications, with scratch space: it belongs to one thread. */
struct rsa_pub;

/*
 * rsa_pub_new: from a PKCS#1 RSAPublicKey DER (record tag 7).
 * Errors: ERR_PROTO not such a structure, trailing octets, even modulus, exponent even or below 3;
 *         ERR_LIMIT modulus outside 512 to 4096 bits.
 */
int rsa_pub_new(struct view pkcs1, struct rsa_pub **key, struct err *e) MUST_CHECK;
void rsa_pub_free(struct rsa_pub *key);

/*
 * rsa_pub_get: as rsa_pub_new, out of the few keys that this thread used last. Making a key ready costs a third of a
 * verification, and a node, like a fleet of phones, checks the same few signers again and again.
 * Out:    *key belongs to the thread and is valid until its next call.
 */
int rsa_pub_get(struct view pkcs1, const struct rsa_pub **key, struct err *e) MUST_CHECK;
size_t rsa_pub_len(const struct rsa_pub *key); /* octets of the modulus */

enum rsa_padding {
	RSA_PAD_DIGESTINFO, /* PKCS#1 v1.5 with DigestInfo: signed files */
	RSA_PAD_BARE,       /* PKCS#1 v1.5 block type 1 around the bare digest: CAPF, SUDI */
};

/*
 * rsa_verify: does sig hold for hash (digest_len(d) octets) under key?
 * Out:    0 it does. Errors: ERR_CRYPTO it does not (also when sig is not as long as the modulus).
 */
int rsa_verify(const struct rsa_pub *key, enum rsa_padding pad, enum digest d, const uint8_t *hash, struct view sig,
	       struct err *e) MUST_CHECK;
