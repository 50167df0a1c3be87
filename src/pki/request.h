#pragma once

#include "pki/issue.h"

/*
 * A request for a certificate (PKCS#10, RFC 2986), made for a key of a keystore and read again when the certificate comes.
 * Immutable; views live as long as it does.
 */
struct request;

#define REQUEST_MAX_DER 16384 /* octets of the largest request that is read */

/*
 * request_make: for the key `name` of ks, signed with it. It asks for what the profile says (subjectKeyIdentifier and
 * validity are the authority's to set).
 * Out: *pem heap text. Errors: as issue_self_signed.
 * Source: behaviour.md 2.5, Key usage in CSRs.
 */
int request_make(struct keystore *ks, const char *name, const struct subject *s, const struct cert_profile *p, char **pem,
		 struct err *e) MUST_CHECK;

/* request_from_pem: Errors: ERR_PROTO not exactly one request, or one whose own signature does not hold; ERR_LIMIT. */
int request_from_pem(struct view pem, struct request **r, struct err *e) MUST_CHECK;
void request_free(struct request *r); /* accepts NULL */

const char *request_subject(const struct request *r); /* form A */
struct view request_spki(const struct request *r);    /* SubjectPublicKeyInfo DER */
const X509_REQ *request_x509(const struct request *r); /* borrowed */

/* request_is_for_key: does the certificate have the key that the request was made for? */
bool request_is_for_key(const struct request *r, const struct cert *c);

/* request_has_names: does the certificate have the very subjectAltNames that were asked for, in any order? True when none
 * were. */
bool request_has_names(const struct request *r, const struct cert *c);

/* request_lost_usage: keyUsage bits that were asked for and the certificate lacks; 0 also when it has no keyUsage. */
unsigned request_lost_usage(const struct request *r, const struct cert *c);
