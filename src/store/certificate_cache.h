#pragma once

#include "pki/cert.h"

/* Of one store: at most 2,048 certificates that were read last. */
struct cert_cache;

struct cert_cache *cert_cache_new(void);        /* NULL: out of memory */
void cert_cache_free(struct cert_cache *k);     /* accepts NULL */

/*
 * cert_cache_get: the certificate with this SHA-256 (hex), from memory or from pem.
 * Out: *c, the caller's to unref. Errors: ERR_STORE: pem is malformed, or another certificate.
 */
int cert_cache_get(struct cert_cache *k, const char *sha256_hex, const char *pem, struct cert **c,
		   struct err *e) MUST_CHECK;
