#include "golden.h"

#include <string.h>

#include "format/enc.h"

/* A signer over a key in this process: RSA PKCS#1 v1.5 with DigestInfo. */
static int sign_here(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ctx, NULL);
	const EVP_MD *md = d == DIGEST_SHA1 ? EVP_sha1() : EVP_sha512();

	(void)e;
	*len = KEY_SIG_MAX;
	assert_true(EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_signature_md(c, md) == 1 &&
		    EVP_PKEY_sign(c, sig, len, hash, digest_len(d)) == 1);
	EVP_PKEY_CTX_free(c);
	return 0;
}

static const struct {
	const char *name, *plain;
	enum digest digest;
} files[] = {
	{"SEP001122334455.cnf.xml.enc.sgn", "enc/plain.cnf.xml", DIGEST_SHA1},
	{"SEP001122334456.cnf.xml.enc.sgn", "enc/plain.cnf.xml", DIGEST_SHA512},
	{"SEP001122334457.cnf.xml.enc.sgn", "enc/plain16.cnf.xml", DIGEST_SHA1},
};

static void vectors_decrypt(void **state)
{
	EVP_PKEY *key = golden_key_file("keys/device2048.key");

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct err e = ERR_INIT;
		char name[128];
		uint8_t *plain;
		size_t len;
		snprintf(name, sizeof(name), "enc/%s", files[i].name);
		struct view file = golden(name), want = golden(files[i].plain);
		assert_ok(enc_decrypt(file, key, &plain, &len, &e), &e);
		assert_true(view_eq((struct view){plain, len}, want));
		free(plain);
		free((void *)file.p);
		free((void *)want.p);
	}
	EVP_PKEY_free(key);
}

/* With the key and IV of the vectors (10 11 ... 1f, a0 a1 ... af) and their wrapped key, the same file comes out. */
static void vectors_are_made_again(void **state)
{
	EVP_PKEY *key = golden_key_file("keys/tftp2048.key");
	struct cert *signer = golden_cert_file("certs/tftp2048.pem"), *device = golden_cert_file("certs/device2048.pem");
	const struct list_signer sign = {sign_here, key};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct err e = ERR_INIT;
		struct tlv_header h;
		struct enc_secret s;
		char name[128];
		uint8_t *data;
		size_t len;
		snprintf(name, sizeof(name), "enc/%s", files[i].name);
		struct view file = golden(name), plain = golden(files[i].plain);
		assert_ok(tlv_header_read(file, &h, &e), &e);
		for (int k = 0; k < 16; k++) {
			s.key[k] = (uint8_t)(0x10 + k);
			s.iv[k] = (uint8_t)(0xa0 + k);
		}
		s.wrapped = h.wrapped_key;
		const struct enc_spec spec = {
			.sgn = {.signer = signer, .names = NAME_FORM_C, .digest = files[i].digest,
				.timestamp = h.timestamp, .file_name = files[i].name, .layout = TLV_LAYOUT_PEER},
			.device = device,
		};
		assert_ok(enc_build_with(&spec, &sign, &s, plain, &data, &len, &e), &e);
		assert_int_equal(len, file.len);
		assert_memory_equal(data, file.p, len);
		free(data);
		free((void *)file.p);
		free((void *)plain.p);
	}
	cert_unref(signer);
	cert_unref(device);
	EVP_PKEY_free(key);
}

static void what_is_built_opens_again(void **state)
{
	EVP_PKEY *key = golden_key_file("keys/tftp2048.key"), *device_key = golden_key_file("keys/device2048.key");
	struct cert *signer = golden_cert_file("certs/tftp2048.pem"), *device = golden_cert_file("certs/device2048.pem");
	const struct list_signer sign = {sign_here, key};
	const struct enc_spec spec = {
		.sgn = {.signer = signer, .digest = DIGEST_SHA512, .timestamp = 1, .file_name = "SEP1.cnf.xml.enc.sgn"},
		.device = device,
	};
	uint8_t plain[100];

	(void)state;
	memset(plain, 'x', sizeof(plain));
	for (size_t n = 0; n <= sizeof(plain); n++) {
		struct err e = ERR_INIT;
		uint8_t *data, *back;
		size_t len, back_len;
		assert_ok(enc_build(&spec, &sign, &random_system, (struct view){plain, n}, &data, &len, &e), &e);
		assert_ok(sgn_verify_cert((struct view){data, len}, signer, &e), &e);
		assert_ok(enc_decrypt((struct view){data, len}, device_key, &back, &back_len, &e), &e);
		assert_true(view_eq((struct view){back, back_len}, (struct view){plain, n}));
		free(back);
		free(data);
	}
	cert_unref(signer);
	cert_unref(device);
	EVP_PKEY_free(key);
	EVP_PKEY_free(device_key);
}

static void refuses_ec_with_words(void **state)
{
	struct cert *ec = golden_cert_file("certs/ec384.pem"), *signer = golden_cert_file("certs/tftp2048.pem");
	const struct enc_spec spec = {
		.sgn = {.signer = signer, .digest = DIGEST_SHA1, .file_name = "SEP1.cnf.xml.enc.sgn"}, .device = ec};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_err(enc_build(&spec, NULL, &random_system, (struct view){0}, &data, &len, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "RSA"));
	cert_unref(ec);
	cert_unref(signer);
}

/* Every cut and every flipped bit of the header fails, and none tells a wrong padding from a wrong key. */
static void damage_is_refused(void **state)
{
	EVP_PKEY *key = golden_key_file("keys/device2048.key"), *other = golden_key_file("keys/tftp2048.key");
	struct view file = golden("enc/SEP001122334455.cnf.xml.enc.sgn");
	uint8_t *copy = malloc(file.len);
	struct err e = ERR_INIT;
	struct tlv_header h;
	uint8_t *plain;
	size_t len;

	(void)state;
	assert_err(enc_decrypt(file, other, &plain, &len, &e), ERR_AUTH);
	for (size_t n = 0; n < file.len; n += n < 800 ? 1 : 13) {
		err_clear(&e);
		memcpy(copy, file.p, n);
		assert_true(enc_decrypt((struct view){copy, n}, key, &plain, &len, &e) < 0);
	}
	err_clear(&e);
	assert_ok(tlv_header_read(file, &h, &e), &e);
	size_t wrapped = (size_t)(h.wrapped_key.p - file.p);
	for (size_t i = wrapped; i < wrapped + h.wrapped_key.len; i += 16) {
		err_clear(&e);
		memcpy(copy, file.p, file.len);
		copy[i] ^= 1;
		assert_err(enc_decrypt((struct view){copy, file.len}, key, &plain, &len, &e), ERR_AUTH);
	}
	for (size_t i = h.header_len; i < file.len; i += 37) {
		err_clear(&e);
		memcpy(copy, file.p, file.len);
		copy[i] ^= 1;
		assert_err(enc_decrypt((struct view){copy, file.len}, key, &plain, &len, &e),
			   ERR_AUTH);
	}
	free(copy);
	free((void *)file.p);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_decrypt),
		cmocka_unit_test(vectors_are_made_again),
		cmocka_unit_test(what_is_built_opens_again),
		cmocka_unit_test(refuses_ec_with_words),
		cmocka_unit_test(damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
