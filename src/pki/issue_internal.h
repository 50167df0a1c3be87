#pragma once

#include <openssl/x509v3.h>

#include "pki/issue.h"

/* What certificates of units, of phones and of tokens, and requests have in common. */
#define ISSUE_DAY_S 86400
#define ISSUE_SERIAL_OCTETS 16

/* issue_serial: a positive random number of that many octets. Errors: ERR_IO. */
int issue_serial(uint8_t serial[ISSUE_SERIAL_OCTETS], const struct random_source *rnd, struct err *e) MUST_CHECK;

/* issue_set_names: subject and issuer. issue_add_profile: key_id: with a subjectKeyIdentifier. */
int issue_set_names(X509 *x, const struct subject *s, struct err *e) MUST_CHECK;
int issue_add_profile(X509 *x, const struct cert_profile *p, bool key_id, struct err *e) MUST_CHECK;

int issue_no_memory(struct err *e); /* ERR_NOMEM, with OpenSSL's queue drained */
int issue_set_validity(X509 *x, const struct clock *clock, unsigned days, struct err *e) MUST_CHECK;
int issue_add_ca(X509 *x, struct err *e) MUST_CHECK; /* basicConstraints CA:TRUE pathlen:0 */
int issue_set_serial(X509 *x, const struct random_source *rnd, struct err *e) MUST_CHECK;
int issue_add_extension(X509 *x, int nid, void *value, bool critical, struct err *e) MUST_CHECK;
int issue_add_key_usage(X509 *x, unsigned usage, bool critical, struct err *e) MUST_CHECK;
int issue_add_ext_key_usage(X509 *x, unsigned usage, struct err *e) MUST_CHECK; /* enum cert_eku bits */

/* RFC 5280 4.2.1.2 (1): SHA-1 over the octets of the public key. */
int issue_add_subject_key_id(X509 *x, struct err *e) MUST_CHECK;
