#pragma once

#include <openssl/x509v3.h>

#include "pki/issue.h"

/* What certificates of units and of phones have in common: for issue.c and lsc.c. */
#define ISSUE_DAY_S 86400

int issue_no_memory(struct err *e); /* ERR_NOMEM, with OpenSSL's queue drained */
int issue_set_serial(X509 *x, const struct random_source *rnd, struct err *e) MUST_CHECK;
int issue_add_extension(X509 *x, int nid, void *value, bool critical, struct err *e) MUST_CHECK;
int issue_add_key_usage(X509 *x, unsigned usage, bool critical, struct err *e) MUST_CHECK;
int issue_add_ext_key_usage(X509 *x, unsigned usage, struct err *e) MUST_CHECK; /* enum cert_eku bits */

/* RFC 5280 4.2.1.2 (1): SHA-1 over the octets of the public key. */
int issue_add_subject_key_id(X509 *x, struct err *e) MUST_CHECK;

/* issue_push_name: takes value, which may be NULL (out of memory). */
int issue_push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value, struct err *e) MUST_CHECK;
