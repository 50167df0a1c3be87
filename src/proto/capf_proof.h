#pragma once

#include <openssl/evp.h>

#include "pki/cert.h"

/*
 * What a phone signs to show that it holds the key of its LSC or MIC, and of its SUDI certificate.
 * Source: formats-and-protocols.md 7.5 to 7.7; pitfalls C-1, C-2, C-5; vectors tests/golden/capf.
 *
 * Nothing here says whether a certificate is trusted: its chain, dates and name are the caller's to check.
 */

/*
 * capf_proof_verify: do SIGNED_DATA and SHA2_SIGNED_DATA hold for this device name under the certificate's key?
 * Both are required, every octet of the encoded message is compared, and RSA exponents below 65537 are refused: a
 * cube root is no signature.
 * Errors: ERR_PROTO (rules "signed-data", "sha2-signed-data") an element is missing or misshapen; ERR_CRYPTO the proof
 *         does not hold; ERR_AUTH a key that proves nothing (exponent, type, size).
 */
int capf_proof_verify(struct view device, const struct cert *c, struct view signed_data, struct view sha2_signed_data,
		      struct err *e) MUST_CHECK;

/*
 * capf_sudi_verify: take SUDI_DATA apart and verify it for this session.
 * Out:    *c the SUDI certificate, a reference. Errors: as capf_proof_verify, rule "sudi-data".
 */
int capf_sudi_verify(uint32_t session, struct view sudi_data, struct cert **c, struct err *e) MUST_CHECK;

/*
 * capf_cert_is_device: does the certificate's common name belong to the device? `SEP<MAC>` and `CP-<model>-SEP<MAC>`
 * both do.
 * Source: 7.5.
 */
bool capf_cert_is_device(const struct cert *c, struct view device);

/*
 * capf_proof_make: the two proofs, as a phone makes them. Appended to sig and sha2.
 * Errors: ERR_CRYPTO; ERR_USAGE key is neither RSA nor EC.
 */
int capf_proof_make(struct view device, const struct cert *c, EVP_PKEY *key, struct wr *sig, struct wr *sha2,
		    struct err *e) MUST_CHECK;
/* capf_sudi_make: SUDI_DATA for this session; RSA only. */
int capf_sudi_make(uint32_t session, const struct cert *c, EVP_PKEY *key, struct wr *out, struct err *e) MUST_CHECK;
