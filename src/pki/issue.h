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

enum cert_eku {
	CERT_EKU_SERVER = 1, /* serverAuth */
	CERT_EKU_CLIENT = 2, /* clientAuth */
	CERT_EKU_IPSEC = 4,  /* ipsecEndSystem, 1.3.6.1.5.5.7.3.5 */
};

/* What a certificate says besides its names. subjectKeyIdentifier is always there; only basicConstraints is critical,
 * as in CUCM's own certificates. Units' profiles are in pki/template.h. */
struct cert_profile {
	unsigned key_usage;     /* KU_* bits of openssl/x509v3.h; 0: no extension */
	unsigned ext_key_usage; /* enum cert_eku bits; 0: no extension */
	bool ca;                /* basicConstraints CA:TRUE pathlen:0 */
	unsigned days;          /* the last second of the last day is still valid */
	enum digest digest;     /* of the signature: SHA-256 or SHA-512; SHA-1 only to reproduce old sites */
	const char *const *dns; /* subjectAltName, NULL-terminated, or NULL */
	const char *const *ip;  /* likewise; IPv4 or IPv6 text */
};

/*
 * issue_self_signed: a certificate for the key `name` of ks, signed by itself.
 * Serial: 16 random octets, top bit clear, never a leading zero octet. notBefore is now.
 * Out: *c. Errors: ERR_CRYPTO, ERR_IO, ERR_AUTH no such key, ERR_USAGE subject or address that cannot be encoded.
 * Source: behaviour.md 2.4, 2.5; formats-and-protocols.md 2.6.
 */
int issue_self_signed(struct keystore *ks, const char *name, const struct subject *s, const struct cert_profile *p,
		      const struct clock *clock, const struct random_source *rnd, struct cert **c,
		      struct err *e) MUST_CHECK;
