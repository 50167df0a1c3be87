#include "golden.h"

#include <string.h>

#include "proto/capf_proof.h"

#define SESSION 0x00010203
#define DEVICE "SEP001122334455"

/* To be changed by the test, and freed. */
static uint8_t *octets(const char *name, size_t *len)
{
	struct view v = golden(name);

	*len = v.len;
	return (uint8_t *)(uintptr_t)v.p;
}

static void vectors_hold_and_every_octet_counts(void **state)
{
	struct cert *c = golden_cert_file("certs/device2048.der");
	size_t n1, n2;
	uint8_t *sig = octets("capf/signed-data.bin", &n1);
	uint8_t *sha2 = octets("capf/sha2-signed-data.bin", &n2);
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(capf_proof_verify(view_str(DEVICE), c, (struct view){sig, n1}, (struct view){sha2, n2}, &e), &e);
	assert_err(capf_proof_verify(view_str("SEP001122334456"), c, (struct view){sig, n1}, (struct view){sha2, n2}, &e),
		   ERR_CRYPTO);
	for (size_t i = 0; i < n2; i += 7) {
		err_clear(&e);
		sha2[i] ^= 1;
		assert_true(capf_proof_verify(view_str(DEVICE), c, (struct view){sig, n1}, (struct view){sha2, n2}, &e) < 0);
		sha2[i] ^= 1;
		err_clear(&e);
		sig[i % n1] ^= 0x80;
		assert_true(capf_proof_verify(view_str(DEVICE), c, (struct view){sig, n1}, (struct view){sha2, n2}, &e) < 0);
		sig[i % n1] ^= 0x80;
	}
	free(sig);
	free(sha2);
	cert_unref(c);
}

static void both_proofs_are_needed(void **state)
{
	struct cert *c = golden_cert_file("certs/device2048.der");
	size_t n1, n2;
	uint8_t *sig = octets("capf/signed-data.bin", &n1);
	uint8_t *sha2 = octets("capf/sha2-signed-data.bin", &n2);
	struct err e = ERR_INIT;

	(void)state;
	assert_err(capf_proof_verify(view_str(DEVICE), c, (struct view){0}, (struct view){sha2, n2}, &e), ERR_PROTO);
	assert_string_equal(e.rule, "signed-data");
	err_clear(&e);
	assert_err(capf_proof_verify(view_str(DEVICE), c, (struct view){sig, n1}, (struct view){0}, &e), ERR_PROTO);
	assert_string_equal(e.rule, "sha2-signed-data");
	for (size_t n = 0; n < n2; n++) {
		err_clear(&e);
		assert_true(capf_proof_verify(view_str(DEVICE), c, (struct view){sig, n1}, (struct view){sha2, n}, &e) < 0);
	}
	free(sig);
	free(sha2);
	cert_unref(c);
}

static void what_we_make_is_what_phones_make(void **state)
{
	struct cert *c = golden_cert_file("certs/device2048.der");
	EVP_PKEY *key = golden_key_file("keys/device2048.key");
	struct err e = ERR_INIT;
	struct wr sig, sha2, sudi;
	size_t len;

	(void)state;
	wr_init(&sig, 65536);
	wr_init(&sha2, 65536);
	wr_init(&sudi, 65536);
	assert_ok(capf_proof_make(view_str(DEVICE), c, key, &sig, &sha2, &e), &e);
	assert_ok(capf_sudi_make(SESSION, c, key, &sudi, &e), &e);
	uint8_t *want = octets("capf/signed-data.bin", &len);
	assert_true(view_eq(wr_view_all(&sig), (struct view){want, len}));
	free(want);
	want = octets("capf/sha2-signed-data.bin", &len);
	assert_true(view_eq(wr_view_all(&sha2), (struct view){want, len}));
	free(want);
	want = octets("capf/sudi-data.bin", &len);
	assert_true(view_eq(wr_view_all(&sudi), (struct view){want, len}));
	free(want);
	wr_clear(&sig);
	wr_clear(&sha2);
	wr_clear(&sudi);
	EVP_PKEY_free(key);
	cert_unref(c);
}

static void sudi_belongs_to_its_session(void **state)
{
	struct cert *device = golden_cert_file("certs/device2048.der");
	struct err e = ERR_INIT;
	struct cert *c;
	size_t len;
	uint8_t *sudi = octets("capf/sudi-data.bin", &len);

	(void)state;
	assert_ok(capf_sudi_verify(SESSION, (struct view){sudi, len}, &c, &e), &e);
	assert_true(cert_same(c, device));
	cert_unref(c);
	assert_err(capf_sudi_verify(SESSION + 1, (struct view){sudi, len}, &c, &e), ERR_CRYPTO);
	for (size_t n = 0; n < len; n++) {
		err_clear(&e);
		assert_true(capf_sudi_verify(SESSION, (struct view){sudi, n}, &c, &e) < 0);
	}
	free(sudi);
	cert_unref(device);
}

static void ec_keys_prove_too(void **state)
{
	struct cert *c = golden_cert_file("certs/ec384.der");
	EVP_PKEY *key = golden_key_file("keys/ec384.key");
	struct err e = ERR_INIT;
	struct wr sig, sha2;

	(void)state;
	wr_init(&sig, 65536);
	wr_init(&sha2, 65536);
	assert_ok(capf_proof_make(view_str(DEVICE), c, key, &sig, &sha2, &e), &e);
	assert_ok(capf_proof_verify(view_str(DEVICE), c, wr_view_all(&sig), wr_view_all(&sha2), &e), &e);
	assert_err(capf_proof_verify(view_str("SEP"), c, wr_view_all(&sig), wr_view_all(&sha2), &e), ERR_CRYPTO);
	wr_clear(&sig);
	wr_clear(&sha2);
	EVP_PKEY_free(key);
	cert_unref(c);
}

/* A certificate for a public key with exponent 3: its signatures could be made by taking a cube root (C-2). */
static void small_exponents_prove_nothing(void **state)
{
	struct cert *good = golden_cert_file("certs/device2048.der");
	BIGNUM *three = BN_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	EVP_PKEY *key = NULL;
	struct err e = ERR_INIT;
	struct wr sig, sha2;
	struct cert *c;

	(void)state;
	BN_set_word(three, 3);
	assert_true(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024) == 1 &&
		    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, three) == 1 && EVP_PKEY_keygen(ctx, &key) == 1);
	X509 *x = X509_dup(cert_x509(good));
	assert_true(X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	wr_init(&sig, 65536);
	wr_init(&sha2, 65536);
	assert_ok(capf_proof_make(view_str(DEVICE), c, key, &sig, &sha2, &e), &e);
	assert_err(capf_proof_verify(view_str(DEVICE), c, wr_view_all(&sig), wr_view_all(&sha2), &e), ERR_AUTH);
	wr_clear(&sig);
	wr_clear(&sha2);
	cert_unref(c);
	cert_unref(good);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	BN_free(three);
}

static void names_bind_to_devices(void **state)
{
	struct cert *c = golden_cert_file("certs/device2048.der");

	(void)state;
	assert_true(capf_cert_is_device(c, view_str(DEVICE)));
	assert_false(capf_cert_is_device(c, view_str("SEP001122334456")));
	assert_false(capf_cert_is_device(c, view_str("4455")));
	assert_false(capf_cert_is_device(c, view_str("")));
	cert_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_hold_and_every_octet_counts),
		cmocka_unit_test(both_proofs_are_needed),
		cmocka_unit_test(what_we_make_is_what_phones_make),
		cmocka_unit_test(sudi_belongs_to_its_session),
		cmocka_unit_test(ec_keys_prove_too),
		cmocka_unit_test(small_exponents_prove_nothing),
		cmocka_unit_test(names_bind_to_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
