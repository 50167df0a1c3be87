#include "pki/digest.h"

#include <stdatomic.h>

#include "base/cleanup.h"
#include "pki/ossl.h"

static const struct algorithm {
	enum digest code;
	size_t len;
	const char *name;    /* as lists and logs print it */
	const char *fetch;   /* as OpenSSL knows it */
} algorithms[] = {
	{DIGEST_SHA1, 20, "SHA-1", "SHA1"},
	{DIGEST_SHA256, 32, "SHA-256", "SHA256"},
	{DIGEST_SHA512, 64, "SHA-512", "SHA512"},
	{DIGEST_SHA384, 48, "SHA-384", "SHA384"},
	{DIGEST_MD5, 16, "MD5", "MD5"},
};

#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

/* Fetching by name costs more than hashing a small file: once per process. */
static EVP_MD *_Atomic fetched[N_ALGORITHMS];

static const struct algorithm *find(enum digest d)
{
	for (size_t i = 0; i < N_ALGORITHMS; i++) {
		if (algorithms[i].code == d)
			return &algorithms[i];
	}
	return NULL;
}

size_t digest_len(enum digest d)
{
	const struct algorithm *a = find(d);

	return a ? a->len : 0;
}

const char *digest_name(enum digest d)
{
	const struct algorithm *a = find(d);

	return a ? a->name : NULL;
}

bool digest_known(unsigned code)
{
	return code == DIGEST_SHA1 || code == DIGEST_SHA256 || code == DIGEST_SHA512;
}

const EVP_MD *digest_evp(enum digest d)
{
	const struct algorithm *a = find(d);
	EVP_MD *none = NULL;

	if (!a)
		return NULL;
	EVP_MD *_Atomic *slot = &fetched[a - algorithms];
	EVP_MD *md = atomic_load(slot);
	if (md)
		return md;
	md = EVP_MD_fetch(NULL, a->fetch, NULL);
	if (md && !atomic_compare_exchange_strong(slot, &none, md)) {
		EVP_MD_free(md);
		md = none;
	}
	return md;
}

int digest_views(enum digest d, const struct view *v, size_t n, uint8_t out[DIGEST_MAX], struct err *e)
{
	const EVP_MD *md = digest_evp(d);
	AUTO(auto_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!md || !ctx || !EVP_DigestInit_ex2(ctx, md, NULL))
		return err_openssl(e, ERR_CRYPTO, "digest not available");
	for (size_t i = 0; i < n; i++) {
		if (!EVP_DigestUpdate(ctx, v[i].p, v[i].len))
			return err_openssl(e, ERR_CRYPTO, "digest failed");
	}
	if (!EVP_DigestFinal_ex(ctx, out, NULL))
		return err_openssl(e, ERR_CRYPTO, "digest failed");
	return 0;
}

int digest_one(enum digest d, struct view v, uint8_t out[DIGEST_MAX], struct err *e)
{
	return digest_views(d, &v, 1, out, e);
}
