#include "testing.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "golden.h"
#include "pki/cert.h"

static struct cert *load(const char *name)
{
	struct view der = golden(name);
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(cert_from_der(der, &c, &e), &e);
	golden_free(der);
	return c;
}

static void assert_hex(struct view v, const char *hex)
{
	char text[128];

	assert_true(text_hex(text, sizeof(text), v, '\0', false) < sizeof(text));
	assert_string_equal(text, hex);
}

static void takes_an_old_rsa_certificate_apart(void **state)
{
	struct cert *c = load("certs/pub1024.der");

	(void)state;
	assert_int_equal(cert_der(c).len, 694);
	assert_hex(cert_serial(c), "70caf64e090751b9df22f49f754fc5bb");
	assert_string_equal(cert_cn(c), "cucm-1051-a-pub");
	assert_string_equal(cert_subject(c), cert_issuer(c));
	assert_true(cert_is_self_issued(c));
	assert_int_equal(cert_key_type(c), CERT_KEY_RSA);
	assert_int_equal(cert_key_bits(c), 1024);
	assert_int_equal(cert_public_key(c).len, 140);
	assert_int_equal(cert_signature(c).len, 128);
	assert_int_equal(cert_not_before(c), 1401926400);
	assert_int_equal(cert_not_after(c), 1401926400 + 3650LL * 86400);
	assert_int_equal(cert_spki(c).p[0], 0x30);
	cert_unref(c);
}

static void a_serial_with_its_top_bit_set_has_no_sign_octet(void **state)
{
	struct cert *c = load("certs/sast2048.der");

	(void)state;
	assert_hex(cert_serial(c), "a11111111111111111111111111111");
	cert_unref(c);
}

static void elliptic_curve_keys_are_points(void **state)
{
	struct cert *c = load("certs/ec384.der");

	(void)state;
	assert_int_equal(cert_key_type(c), CERT_KEY_EC);
	assert_int_equal(cert_key_bits(c), 384);
	assert_int_equal(cert_public_key(c).len, 97);
	assert_int_equal(cert_public_key(c).p[0], 0x04);
	cert_unref(c);
}

static void issued_by_another(void **state)
{
	struct cert *c = load("certs/itlsigner.der");

	(void)state;
	assert_false(cert_is_self_issued(c));
	assert_int_equal(cert_public_key(c).len, 140);
	assert_int_equal(cert_signature(c).len, 256);
	cert_unref(c);
}

static void every_cut_is_refused(void **state)
{
	struct view der = golden("certs/pub1024.der");
	struct cert *c = NULL;

	(void)state;
	for (size_t len = 0; len < der.len; len++) {
		struct err e = ERR_INIT;
		assert_err(cert_from_der((struct view){der.p, len}, &c, &e), ERR_PROTO);
		assert_string_equal(e.rule, "certificate-der");
		assert_null(c);
	}
	golden_free(der);
}

static void trailing_octets_and_size(void **state)
{
	struct view der = golden("certs/pub1024.der");
	uint8_t *big = calloc(1, CERT_MAX_DER + 1);
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	(void)state;
	memcpy(big, der.p, der.len);
	assert_err(cert_from_der((struct view){big, der.len + 1}, &c, &e), ERR_PROTO);
	assert_string_equal(e.rule, "certificate-der");
	assert_err(cert_from_der((struct view){big, CERT_MAX_DER + 1}, &c, NULL), ERR_LIMIT);
	golden_free(der);
	free(big);
}

/* Whatever a flipped bit does, the answer is a certificate or a refusal with a reason. */
static void flipped_octets(void **state)
{
	struct view der = golden("certs/ec384.der");
	uint8_t *copy = malloc(der.len);
	size_t accepted = 0;

	(void)state;
	memcpy(copy, der.p, der.len);
	for (size_t i = 0; i < der.len; i++) {
		struct cert *c = NULL;
		struct err e = ERR_INIT;
		copy[i] ^= 0xff;
		int r = cert_from_der((struct view){copy, der.len}, &c, &e);
		assert_true(r == 0 || (r == ERR_PROTO && e.text[0]));
		if (!r) {
			accepted++;
			assert_memory_equal(cert_der(c).p, copy, der.len);
		}
		cert_unref(c);
		copy[i] ^= 0xff;
	}
	assert_true(accepted > 0 && accepted < der.len);
	golden_free(der);
	free(copy);
}

static void pem_with_a_key_in_front(void **state)
{
	struct view key = golden("keys/pub1024.key");
	struct view pem = golden("certs/pub1024.pem");
	struct cert *expected = load("certs/pub1024.der");
	uint8_t both[8192];
	size_t len = 0;
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	(void)state;
	memcpy(both, "0 remark\n", 9); /* 0 is 0x30, a SEQUENCE */
	len = 9;
	memcpy(both + len, key.p, key.len);
	len += key.len;
	memcpy(both + len, pem.p, pem.len);
	len += pem.len;
	assert_ok(cert_from_pem((struct view){both, len}, &c, &e), &e);
	assert_true(cert_same(c, expected));
	cert_unref(c);
	assert_ok(cert_from_pem(cert_der(expected), &c, &e), &e);
	assert_true(cert_same(c, expected));
	cert_unref(c);
	c = NULL;
	assert_err(cert_from_pem(key, &c, &e), ERR_PROTO);
	assert_string_equal(e.rule, "certificate-pem");
	assert_err(cert_from_pem((struct view){0}, &c, NULL), ERR_PROTO);
	assert_null(c);
	cert_unref(expected);
	golden_free(key);
	golden_free(pem);
}

static void to_pem_and_back(void **state)
{
	struct cert *c = load("certs/tvs.der");
	struct cert *again = NULL;
	struct cert *third = NULL;
	AUTO(auto_free) char *pem = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(cert_to_pem(c, &pem, &e), &e);
	assert_ok(cert_from_pem(view_str(pem), &again, &e), &e);
	assert_true(cert_same(c, again));
	assert_ok(cert_from_x509(cert_x509(c), &third, &e), &e);
	assert_true(cert_same(c, third));
	assert_memory_equal(cert_sha256(c), cert_sha256(third), 32);
	assert_ptr_equal(cert_ref(c), c);
	cert_unref(c);
	cert_unref(c);
	cert_unref(again);
	cert_unref(third);
	cert_unref(NULL);
}

static void a_missing_file_says_which(void **state)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(cert_load(AT_FDCWD, "/nonexistent/x.pem", &c, &e), ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent/x.pem"));
}

/* What is read of a known certificate is the same, before and after it is decoded. */
static void known_ones_are_the_same(void **state)
{
	static const char *const names[] = {"pub1024", "pub2048", "capf1024", "ec384", "etoken1", "itlsigner", "tvs", "device2048"};
	static const uint8_t other[32];
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[64];
		AUTO(auto_free) char *pem = NULL;
		struct cert *a, *b = NULL;
		snprintf(file, sizeof(file), "certs/%s.der", names[i]);
		a = load(file);
		assert_ok(cert_to_pem(a, &pem, &e), &e);
		assert_err(cert_from_known_pem(view_str(pem), other, &b, &e), ERR_PROTO);
		assert_non_null(strstr(e.text, "its digest names"));
		err_clear(&e);
		assert_ok(cert_from_known_pem(view_str(pem), cert_sha256(a), &b, &e), &e);
		assert_true(cert_same(a, b));
		assert_string_equal(cert_subject(a), cert_subject(b));
		assert_string_equal(cert_issuer(a), cert_issuer(b));
		assert_string_equal(cert_cn(a), cert_cn(b));
		assert_true(cert_not_before(a) == cert_not_before(b) && cert_not_after(a) == cert_not_after(b));
		assert_true(view_eq(cert_serial(a), cert_serial(b)) && view_eq(cert_public_key(a), cert_public_key(b)));
		assert_int_equal(cert_key_type(a), cert_key_type(b));
		assert_int_equal(cert_key_bits(a), cert_key_bits(b));
		assert_int_equal(X509_cmp(cert_x509(a), cert_x509(b)), 0);
		assert_ptr_equal(cert_x509(b), cert_x509(b));
		cert_unref(a);
		cert_unref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_an_old_rsa_certificate_apart),
		cmocka_unit_test(a_serial_with_its_top_bit_set_has_no_sign_octet),
		cmocka_unit_test(elliptic_curve_keys_are_points),
		cmocka_unit_test(issued_by_another),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(trailing_octets_and_size),
		cmocka_unit_test(flipped_octets),
		cmocka_unit_test(pem_with_a_key_in_front),
		cmocka_unit_test(to_pem_and_back),
		cmocka_unit_test(a_missing_file_says_which),
		cmocka_unit_test(known_ones_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
