#pragma once

#include <openssl/x509.h>

#include "pki/digest.h"
#include "pki/name.h"
#include "pki/ossl.h"

/*
 * An X.509 certificate, taken apart once. Reference-counted, immutable; all views live as long as it does.
 */
struct cert;

/* CERT_KEY_OTHER: also an EC key whose point is compressed, which no phone and no trust list knows. */
enum cert_key_type { CERT_KEY_RSA, CERT_KEY_EC, CERT_KEY_OTHER };

#define CERT_MAX_DER 16384 /* octets of the largest certificate that is read */

/*
 * cert_from_der: der must be exactly one certificate.
 * Errors: ERR_PROTO: "certificate-der" undecodable or trailing octets, "name-nul" a NUL inside a name;
 *         ERR_LIMIT: too large.
 */
int cert_from_der(struct view der, struct cert **c, struct err *e) MUST_CHECK;
/* cert_from_x509: of its encoding; x stays the caller's. */
int cert_from_x509(X509 *x, struct cert **c, struct err *e) MUST_CHECK;
/* cert_from_pem: the first certificate in a PEM text (keys and comments around it are skipped), or one in DER. */
int cert_from_pem(struct view pem, struct cert **c, struct err *e) MUST_CHECK;
/*
 * cert_from_known_pem: one that was read before, and whose SHA-256 was kept beside it. It is decoded as a whole only when
 * somebody needs that (cert_x509): OpenSSL takes five times as long for it as for all the rest.
 * Errors: as cert_from_pem; ERR_PROTO also when it is another one.
 */
int cert_from_known_pem(struct view pem, const uint8_t sha256[32], struct cert **c, struct err *e) MUST_CHECK;
/* cert_from_own_der: one that was written here a moment ago; decoded as a whole only when somebody needs that, too.
 * Errors: ERR_PROTO what was written is no certificate. */
int cert_from_own_der(struct view der, struct cert **c, struct err *e) MUST_CHECK;
/* cert_load: PEM or DER file. */
int cert_load(int dir_fd, const char *path, struct cert **c, struct err *e) MUST_CHECK;
struct cert *cert_ref(struct cert *c);
void cert_unref(struct cert *c); /* accepts NULL */

X509 *cert_x509(const struct cert *c);             /* borrowed */
struct view cert_der(const struct cert *c);
struct view cert_serial(const struct cert *c);     /* minimal magnitude, big-endian: record tag 6 */
struct view cert_subject_der(const struct cert *c);
struct view cert_issuer_der(const struct cert *c);
const char *cert_subject(const struct cert *c);    /* form A */
const char *cert_issuer(const struct cert *c);     /* form A */
const char *cert_cn(const struct cert *c);         /* "" when there is none */
struct view cert_public_key(const struct cert *c); /* PKCS#1 RSAPublicKey or X9.62 point: record tag 7; else empty */
struct view cert_spki(const struct cert *c);       /* SubjectPublicKeyInfo DER */
struct view cert_signature(const struct cert *c);  /* by its issuer: record tag 8 */
enum cert_key_type cert_key_type(const struct cert *c);
unsigned cert_key_bits(const struct cert *c);
int64_t cert_not_before(const struct cert *c);     /* Unix seconds */
int64_t cert_not_after(const struct cert *c);
const uint8_t *cert_sha256(const struct cert *c);  /* 32 octets over the DER */
bool cert_same(const struct cert *a, const struct cert *b); /* octet for octet */
bool cert_is_self_issued(const struct cert *c);    /* subject equals issuer */
/* cert_to_pem: heap text that the caller frees. */
int cert_to_pem(const struct cert *c, char **pem, struct err *e) MUST_CHECK;
