#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "pki/cert.h"
#include "pki/keystore.h"

/* The parts of a subject, all optional but cn. Written to the certificate in the order C, O, OU, CN, ST, L
 * (behaviour.md 2.5; formats-and-protocols.md 1.12). */
struct subject {
	const char *cn, *ou, *o, *l, *st, *c;
};

struct cert_profile {
	bool ca;                /* basicConstraints CA:TRUE pathlen:0, keyCertSign and cRLSign */
	bool data_encipherment; /* RSA units: keyEncipherment, dataEncipherment (and keyAgreement for EC) */
	bool tls;               /* extendedKeyUsage serverAuth, clientAuth, ipsecEndSystem */
	unsigned days;
	enum digest digest;     /* of the certificate's signature: SHA-256 or SHA-512; SHA-1 only to reproduce old sites */
	const char *const *dns; /* subjectAltName, NULL-terminated, or NULL */
	const char *const *ip;
};

/*
 * issue_self_signed: a certificate for the key `name` of ks, signed by itself.
 * Serial: 16 random octets, top bit clear, not zero. notBefore is now.
 * Out: *c. Errors: ERR_CRYPTO, ERR_IO, ERR_USAGE (subject that cannot be encoded).
 */
int issue_self_signed(struct keystore *ks, const char *name, const struct subject *s, const struct cert_profile *p,
		      const struct clock *clock, const struct random_source *rnd, struct cert **c, struct err *e) MUST_CHECK;
