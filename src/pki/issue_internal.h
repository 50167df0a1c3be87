#pragma once

#include "pki/issue.h"

/* What certificates of units and of phones have in common: for issue.c, lsc.c and request.c. */
#define ISSUE_DAY_S 86400
#define ISSUE_SERIAL_OCTETS 16

/* issue_serial: a positive random number of that many octets. Errors: ERR_IO. */
int issue_serial(uint8_t serial[ISSUE_SERIAL_OCTETS], const struct random_source *rnd, struct err *e) MUST_CHECK;

/* issue_set_names: subject and issuer. issue_add_profile: key_id: with a subjectKeyIdentifier. */
int issue_set_names(X509 *x, const struct subject *s, struct err *e) MUST_CHECK;
int issue_add_profile(X509 *x, const struct cert_profile *p, bool key_id, struct err *e) MUST_CHECK;
