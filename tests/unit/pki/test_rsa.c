#include "testing.h"

#include <string.h>

#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "golden.h"
#include "pki/cert.h"
#include "pki/rsa.h"

static struct view pkcs1_of(EVP_PKEY *key)
{
	uint8_t *der = NULL;
	int len = i2d_PublicKey(key, &der);

	assert_true(len > 0);
	return (struct view){der, (size_t)len};
}

static void sign_digest(EVP_PKEY *key, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0);
	if (digest_len(d))
		assert_true(EVP_PKEY_CTX_set_signature_md(ctx, digest_evp(d)) > 0);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, len, hash, digest_len(d)), 1);
}

static void every_size_and_digest(void **state)
{
	static const unsigned sizes[] = {512, 768, 1024, 2048, 3072, 4096};
	static const enum digest digests[] = {DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		AUTO(auto_pkey) EVP_PKEY *key = EVP_RSA_gen(sizes[i]);
		struct view pkcs1 = pkcs1_of(key);
		struct rsa_pub *pub = NULL;
		struct err e = ERR_INIT;

		assert_ok(rsa_pub_new(pkcs1, &pub, &e), &e);
		assert_int_equal(rsa_pub_len(pub), sizes[i] / 8);
		for (size_t j = 0; j < 3; j++) {
			uint8_t hash[DIGEST_MAX];
			uint8_t sig[512];
			size_t len = sizeof(sig);
			assert_ok(digest_one(digests[j], view_str("message"), hash, &e), &e);
			if (sizes[i] == 512 && digests[j] == DIGEST_SHA512) { /* 64 octets cannot hold it */
				assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, digests[j], hash, (struct view){sig, 64},
						      NULL),
					   ERR_CRYPTO);
				continue;
			}
			sign_digest(key, digests[j], hash, sig, &len);
			assert_ok(rsa_verify(pub, RSA_PAD_DIGESTINFO, digests[j], hash, (struct view){sig, len}, &e),
				  &e);
			assert_err(rsa_verify(pub, RSA_PAD_BARE, digests[j], hash, (struct view){sig, len}, NULL),
				   ERR_CRYPTO);
			assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, digests[j], hash, (struct view){sig, len - 1},
					      NULL),
				   ERR_CRYPTO);
			hash[0] ^= 1;
			assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, digests[j], hash, (struct view){sig, len}, NULL),
				   ERR_CRYPTO);
		}
		rsa_pub_free(pub);
		OPENSSL_free((void *)(uintptr_t)pkcs1.p);
	}
}

/* 2^k + 1 is raised by squaring, everything else by OpenSSL; both must agree with the private key. */
static void every_exponent(void **state)
{
	static const unsigned long exponents[] = {3, 5, 7, 17, 35, 257, 65537, 65539, 0x1000000000000001};

	(void)state;
	for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
		AUTO(auto_pkey) EVP_PKEY *key = NULL;
		AUTO(auto_bn) BIGNUM *exponent = BN_new();
		const struct rsa_pub *pub;
		uint8_t hash[DIGEST_MAX] = {1, 2, 3};
		uint8_t sig[128];
		size_t len = sizeof(sig);
		struct err e = ERR_INIT;

		assert_true(BN_set_word(exponent, exponents[i]));
		assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
		assert_true(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024) > 0);
		assert_true(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent) > 0);
		assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
		struct view pkcs1 = pkcs1_of(key);
		sign_digest(key, DIGEST_SHA1, hash, sig, &len);
		assert_ok(rsa_pub_get(pkcs1, &pub, &e), &e);
		assert_ok(rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, (struct view){sig, len}, &e), &e);
		sig[len - 1] ^= 1;
		assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, (struct view){sig, len}, NULL),
			   ERR_CRYPTO);
		OPENSSL_free((void *)(uintptr_t)pkcs1.p);
	}
}

/* More keys in turn than are kept: each verifies its own signature, and a bad one displaces none. */
static void recent_keys(void **state)
{
	EVP_PKEY *keys[6];
	struct view pkcs1[6];
	uint8_t hash[DIGEST_MAX] = {1, 2, 3};
	uint8_t sig[6][128];
	size_t len = 128;
	const struct rsa_pub *pub;
	const struct rsa_pub *again;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		keys[i] = EVP_RSA_gen(1024);
		pkcs1[i] = pkcs1_of(keys[i]);
		sign_digest(keys[i], DIGEST_SHA1, hash, sig[i], &len);
	}
	for (size_t i = 0; i < 30; i++) {
		size_t k = i * 5 % 6;
		assert_ok(rsa_pub_get(pkcs1[k], &pub, &e), &e);
		assert_ok(rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, (struct view){sig[k], len}, &e), &e);
		assert_err(rsa_pub_get(view_str("no key"), &again, NULL), ERR_PROTO);
		assert_ok(rsa_pub_get(pkcs1[k], &again, &e), &e);
		assert_ptr_equal(again, pub);
	}
	for (size_t i = 0; i < 6; i++) {
		EVP_PKEY_free(keys[i]);
		OPENSSL_free((void *)(uintptr_t)pkcs1[i].p);
	}
}

static struct rsa_pub *device_key(void)
{
	struct view der = golden("certs/device2048.der");
	struct cert *c = NULL;
	struct rsa_pub *pub = NULL;
	struct err e = ERR_INIT;

	assert_ok(cert_from_der(der, &c, &e), &e);
	assert_ok(rsa_pub_new(cert_public_key(c), &pub, &e), &e);
	cert_unref(c);
	golden_free(der);
	return pub;
}

static void capf_signed_data(void **state)
{
	struct rsa_pub *pub = device_key();
	struct view data = golden("capf/auth-data.bin");
	struct view sha1 = golden("capf/signed-data.bin");
	struct view sha2 = golden("capf/sha2-signed-data.bin");
	uint8_t hash[DIGEST_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(sha2.len, 259); /* 03, u16 length, signature */
	assert_ok(digest_one(DIGEST_SHA1, data, hash, &e), &e);
	assert_ok(rsa_verify(pub, RSA_PAD_BARE, DIGEST_SHA1, hash, sha1, &e), &e);
	assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, sha1, NULL), ERR_CRYPTO);
	assert_ok(digest_one(DIGEST_SHA512, data, hash, &e), &e);
	assert_ok(rsa_verify(pub, RSA_PAD_BARE, DIGEST_SHA512, hash, (struct view){sha2.p + 3, 256}, &e), &e);
	rsa_pub_free(pub);
	golden_free(data);
	golden_free(sha1);
	golden_free(sha2);
}

static void every_flipped_octet_is_noticed(void **state)
{
	struct rsa_pub *pub = device_key();
	struct view data = golden("capf/auth-data.bin");
	struct view sig = golden("capf/signed-data.bin");
	uint8_t *copy = malloc(sig.len);
	uint8_t hash[DIGEST_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(digest_one(DIGEST_SHA1, data, hash, &e), &e);
	memcpy(copy, sig.p, sig.len);
	for (size_t i = 0; i < sig.len; i++) {
		copy[i] ^= 0x01;
		assert_err(rsa_verify(pub, RSA_PAD_BARE, DIGEST_SHA1, hash, (struct view){copy, sig.len}, NULL),
			   ERR_CRYPTO);
		copy[i] ^= 0x01;
	}
	free(copy);
	rsa_pub_free(pub);
	golden_free(data);
	golden_free(sig);
}

/*
 * pitfalls.md C-2: with e = 3 a block that only ends in the right digest is a cube root away. Here the forger even has
 * the right beginning: 00 01 FF.. 00 DigestInfo, then octets of his choice.
 */
static void garbage_behind_the_digest_is_no_signature(void **state)
{
	AUTO(auto_pkey) EVP_PKEY *key = EVP_RSA_gen(2048);
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t em[256] = {0x00, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x30, 0x21,
			   0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
	uint8_t hash[DIGEST_MAX] = {1, 2, 3};
	uint8_t sig[256];
	size_t len = sizeof(sig);
	struct view pkcs1 = pkcs1_of(key);
	struct rsa_pub *pub = NULL;
	struct err e = ERR_INIT;

	(void)state;
	memcpy(em + 26, hash, 20);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, em, sizeof(em)), 1);
	assert_ok(rsa_pub_new(pkcs1, &pub, &e), &e);
	assert_err(rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, (struct view){sig, len}, NULL), ERR_CRYPTO);
	rsa_pub_free(pub);
	OPENSSL_free((void *)(uintptr_t)pkcs1.p);
}

static void a_signature_above_the_modulus_is_refused(void **state)
{
	struct rsa_pub *pub = device_key();
	uint8_t sig[256];
	uint8_t hash[DIGEST_MAX] = {0};

	(void)state;
	memset(sig, 0xff, sizeof(sig));
	assert_err(rsa_verify(pub, RSA_PAD_BARE, DIGEST_SHA1, hash, (struct view){sig, sizeof(sig)}, NULL), ERR_CRYPTO);
	rsa_pub_free(pub);
}

static void keys_must_be_whole(void **state)
{
	struct view der = golden("certs/pub1024.der");
	struct cert *c = NULL;
	struct rsa_pub *pub = NULL;
	uint8_t copy[256];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(cert_from_der(der, &c, &e), &e);
	struct view key = cert_public_key(c);
	for (size_t len = 0; len < key.len; len++)
		assert_err(rsa_pub_new((struct view){key.p, len}, &pub, NULL), ERR_PROTO);
	memcpy(copy, key.p, key.len);
	copy[key.len] = 0;
	assert_err(rsa_pub_new((struct view){copy, key.len + 1}, &pub, &e), ERR_PROTO);
	assert_string_equal(e.rule, "rsa-public-key");
	copy[3 + 3 + 128] ^= 1; /* last octet of the modulus: even */
	assert_err(rsa_pub_new((struct view){copy, key.len}, &pub, NULL), ERR_PROTO);
	copy[3 + 3 + 128] ^= 1;
	copy[key.len - 1] = 0x02; /* even exponent */
	assert_err(rsa_pub_new((struct view){copy, key.len}, &pub, NULL), ERR_PROTO);
	assert_err(rsa_pub_new(cert_spki(c), &pub, NULL), ERR_PROTO);
	assert_null(pub);
	rsa_pub_free(NULL);
	cert_unref(c);
	golden_free(der);
}

static void sizes_are_bounded(void **state)
{
	uint8_t small[] = {0x30, 0x06, 0x02, 0x01, 0x0f, 0x02, 0x01, 0x03};
	uint8_t e_is_one[75] = {0x30, 0x48, 0x02, 0x41, 0x00, 0x80};
	uint8_t big[4 + 4 + 514 + 3] = {0x30, 0x82, 0x02, 0x09, 0x02, 0x82, 0x02, 0x02, 0x01};
	struct rsa_pub *pub = NULL;

	(void)state;
	assert_err(rsa_pub_new((struct view){small, sizeof(small)}, &pub, NULL), ERR_LIMIT);
	e_is_one[2 + 2 + 64] = 0x01;
	e_is_one[69] = 0x02;
	e_is_one[70] = 0x01;
	e_is_one[71] = 0x01;
	e_is_one[1] = 70;
	assert_err(rsa_pub_new((struct view){e_is_one, 72}, &pub, NULL), ERR_PROTO);
	memcpy(big + 8 + 514, "\x02\x01\x03", 3);
	big[8 + 513] = 1;
	assert_err(rsa_pub_new((struct view){big, sizeof(big)}, &pub, NULL), ERR_LIMIT);
	assert_null(pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_and_digest),
		cmocka_unit_test(every_exponent),
		cmocka_unit_test(recent_keys),
		cmocka_unit_test(capf_signed_data),
		cmocka_unit_test(every_flipped_octet_is_noticed),
		cmocka_unit_test(garbage_behind_the_digest_is_no_signature),
		cmocka_unit_test(a_signature_above_the_modulus_is_refused),
		cmocka_unit_test(keys_must_be_whole),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
