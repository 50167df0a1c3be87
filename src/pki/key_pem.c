#include "pki/key_pem.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/ossl.h"

static const struct curve {
	unsigned bits;
	const char *group;
} curves[] = {{256, "P-256"}, {384, "P-384"}, {521, "P-521"}};

static const char *group_of(unsigned bits)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		if (curves[i].bits == bits)
			return curves[i].group;
	}
	return NULL;
}

static bool rsa_size_ok(unsigned bits)
{
	return bits == 512 || bits == 1024 || bits == 2048 || bits == 3072 || bits == 4096;
}

int key_generate(struct key_spec spec, EVP_PKEY **key, struct err *e)
{
	EVP_PKEY *k;

	if (spec.type == KEY_RSA && rsa_size_ok(spec.bits))
		k = EVP_RSA_gen(spec.bits);
	else if (spec.type == KEY_EC && group_of(spec.bits))
		k = EVP_EC_gen(group_of(spec.bits));
	else
		return err_set(e, ERR_USAGE,
			       "no keys of %u bits: RSA has 1024, 2048, 3072, 4096, elliptic curves 256, 384, 521",
			       spec.bits);
	if (!k)
		return err_openssl(e, ERR_CRYPTO, "no key could be generated");
	*key = k;
	return 0;
}

/* Instead of OpenSSL's own, which would ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

int key_from_pem(struct view pem, EVP_PKEY **key, struct err *e)
{
	AUTO(auto_bio) BIO *bio = NULL;
	bool asked = false;

	bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.len ? (const void *)pem.p : "", (int)pem.len) : NULL;
	if (!bio)
		return err_openssl(e, ERR_NOMEM, "private key");
	EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (!k) {
		ERR_clear_error();
		return err_rule(e, "private-key", -1, asked
			? "private key: behind a passphrase; write it without (openssl pkey -in FILE -out NEW)"
			: "private key: not a PEM file with a private key");
	}
	*key = k;
	return 0;
}

static int take_secret(BIO *bio, uint8_t **out, size_t *len, struct err *e)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);
	uint8_t *copy = secret_new((size_t)n);

	if (!copy)
		return err_set(e, ERR_NOMEM, "private key: out of memory");
	memcpy(copy, text, (size_t)n);
	*out = copy;
	*len = (size_t)n;
	return 0;
}

int key_to_pem(EVP_PKEY *key, uint8_t **pem, size_t *len, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return err_openssl(e, ERR_CRYPTO, "private key cannot be encoded");
	return take_secret(bio, pem, len, e);
}

int key_to_pkcs8(EVP_PKEY *key, uint8_t **der, size_t *len, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || !i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL))
		return err_openssl(e, ERR_CRYPTO, "private key cannot be encoded");
	return take_secret(bio, der, len, e);
}

static int check_kind(EVP_PKEY *key, struct err *e)
{
	char group[32];
	size_t len;
	unsigned bits = (unsigned)EVP_PKEY_get_bits(key);

	if (EVP_PKEY_is_a(key, "RSA") && rsa_size_ok(bits))
		return 0;
	if (EVP_PKEY_is_a(key, "EC") && group_of(bits) &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &len) > 0 &&
	    OBJ_txt2nid(group) == EC_curve_nist2nid(group_of(bits)))
		return 0;
	return err_set(e, ERR_USAGE,
		       "private key: neither RSA of 1024, 2048, 3072 or 4096 bits nor P-256, P-384 or P-521");
}

int key_from_own_pkcs8(struct view der, EVP_PKEY **key, struct err *e)
{
	const uint8_t *p = der.p;
	PKCS8_PRIV_KEY_INFO *info = der.len <= INT32_MAX ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len) : NULL;
	AUTO(auto_pkey) EVP_PKEY *k = info && p == der.p + der.len ? EVP_PKCS82PKEY(info) : NULL;

	PKCS8_PRIV_KEY_INFO_free(info);
	if (!k) {
		ERR_clear_error();
		return err_rule(e, "private-key", -1, "private key: not PKCS#8");
	}
	int r = check_kind(k, e);
	if (r)
		return r;
	*key = k;
	k = NULL;
	return 0;
}

int key_from_pkcs8(struct view der, EVP_PKEY **key, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *k = NULL;
	int r = key_from_own_pkcs8(der, &k, e);

	if (r)
		return r;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);
	if (!ctx || EVP_PKEY_pairwise_check(ctx) <= 0)
		return err_openssl(e, ERR_CRYPTO, "private key: its halves do not belong together");
	*key = k;
	k = NULL;
	return 0;
}

int key_public_half(EVP_PKEY *key, EVP_PKEY **pub, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	const uint8_t *p = der;
	EVP_PKEY *half = len > 0 ? d2i_PUBKEY(NULL, &p, len) : NULL;

	OPENSSL_free(der);
	if (!half)
		return err_openssl(e, ERR_CRYPTO, "public key cannot be encoded");
	*pub = half;
	return 0;
}
