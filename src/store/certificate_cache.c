/*
 * Certificates that were taken apart before. OpenSSL needs 0.1 ms for one; a site with 1,000 trust certificates lists
 * them with every publication. Found by the SHA-256 that the table holds, which is checked when one is taken in.
 */
#include "store/certificate_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SETS 512 /* each of the certificates whose digest begins alike */
#define WAYS 4

struct cert_cache {
	struct cert *certs[SETS][WAYS];
	unsigned char next[SETS]; /* the way to be given up */
};

struct cert_cache *cert_cache_new(void)
{
	return calloc(1, sizeof(struct cert_cache));
}

void cert_cache_free(struct cert_cache *k)
{
	for (size_t i = 0; k && i < SETS; i++)
		for (size_t w = 0; w < WAYS; w++)
			cert_unref(k->certs[i][w]);
	free(k);
}

int cert_cache_get(struct cert_cache *k, const char *sha256_hex, const char *pem, struct cert **c, struct err *e)
{
	uint8_t sha256[32];
	size_t len = 0;

	if (!text_unhex(sha256_hex, sha256, sizeof(sha256), &len) || len != sizeof(sha256))
		return err_set(e, ERR_STORE, "its digest is malformed");
	size_t set = (size_t)(sha256[0] | sha256[1] << 8) % SETS;
	for (size_t w = 0; w < WAYS; w++) {
		struct cert *have = k->certs[set][w];
		if (have && memcmp(cert_sha256(have), sha256, sizeof(sha256)) == 0) {
			*c = cert_ref(have);
			return 0;
		}
	}
	if (cert_from_known_pem(view_str(pem), sha256, c, e))
		return ERR_STORE;
	size_t way = k->next[set];
	k->next[set] = (unsigned char)((way + 1) % WAYS);
	cert_unref(k->certs[set][way]);
	k->certs[set][way] = cert_ref(*c);
	return 0;
}
