#pragma once

#include <openssl/types.h>

#include "base/bytes.h"

/* Hash codes as they stand in files and messages. Source: formats-and-protocols.md 1.9. */
enum digest {
	DIGEST_SHA1 = 1,
	DIGEST_SHA256 = 2,
	DIGEST_SHA512 = 3,
	DIGEST_SHA384 = 99, /* never on the wire: signatures of certificates and requests with EC keys */
	DIGEST_MD5 = 100, /* never on the wire: checksums that phones and `show ctl` print */
};

#define DIGEST_MAX 64

size_t digest_len(enum digest d);        /* octets; 0 for an unknown code */
const char *digest_name(enum digest d);  /* "SHA-1", "SHA-256", "SHA-512", "SHA-384", "MD5"; NULL for an unknown code */
bool digest_known(unsigned code);        /* is it one of the three wire codes? */

/* digest_evp: OpenSSL's algorithm, fetched once per process; NULL for an unknown code. */
const EVP_MD *digest_evp(enum digest d);

/*
 * digest_views: hash the concatenation of n views.
 * Out: out gets digest_len(d) octets. Errors: ERR_CRYPTO.
 */
int digest_views(enum digest d, const struct view *v, size_t n, uint8_t out[DIGEST_MAX], struct err *e) MUST_CHECK;
int digest_one(enum digest d, struct view v, uint8_t out[DIGEST_MAX], struct err *e) MUST_CHECK;
