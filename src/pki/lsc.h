#pragma once

#include "pki/issue.h"

/*
 * Locally significant certificates: what CAPF issues to phones. Source: formats-and-protocols.md 7.11; pitfalls C-3, C-6,
 * C-14.
 */
#define LSC_DAYS_MAX 1825

/* What of an LSC can be chosen; the rest is fixed: version 3, subject CN=<device> and the issuer's O, OU, L, ST, C in the
 * issuer's order, random serial, basicConstraints CA:FALSE, subject and authority key identifier. */
struct lsc_template {
	unsigned days;          /* 1 to LSC_DAYS_MAX; ends earlier when the issuer does */
	unsigned key_usage;     /* KU_* bits, critical */
	unsigned ext_key_usage; /* enum cert_eku bits; 0: no extension */
	bool alt_name;          /* subjectAltName URI:<device> */
	enum digest digest;     /* of the signature */
};
extern const struct lsc_template lsc_template_default;

/*
 * lsc_key_check: is this SubjectPublicKeyInfo a key exactly as it was asked for? Type, size, curve (named, uncompressed),
 * RSA exponent odd and from 65537 up, the encoding without anything to spare.
 * Errors: ERR_AUTH with what it is instead.
 */
int lsc_key_check(struct view spki, struct key_spec asked, struct err *e) MUST_CHECK;

/* lsc_issuer_check: may this certificate issue now? Errors: ERR_AUTH outside its validity, or it is no CA. */
int lsc_issuer_check(const struct cert *issuer, int64_t now, struct err *e) MUST_CHECK;

/*
 * lsc_issue: a certificate for the device and its public key, which the caller has checked, signed with the key `name` of
 * ks, which must be the issuer's.
 * Out: *lsc. Errors: as lsc_issuer_check; ERR_USAGE days, device name; ERR_CRYPTO, ERR_IO the key store.
 */
int lsc_issue(struct keystore *ks, const char *name, const struct cert *issuer, const char *device, struct view spki,
	      const struct lsc_template *t, const struct clock *clock, const struct random_source *rnd, struct cert **lsc,
	      struct err *e) MUST_CHECK;
