#include "fixture.h"

#include "store/enrolment.h"

static void add_device(struct store *s, const char *name)
{
	struct store_device d = { 0 };
	struct err e = ERR_INIT;

	snprintf(d.name, sizeof(d.name), "%s", name);
	assert_ok(store_device_add(s, &d, &e), &e);
}

/* A certificate for a key of its own. */
static struct cert *keyed_cert(long serial)
{
	struct cert *template = make_cert("SEP001122334455", serial, 1780000000), *c = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_dup(cert_x509(template));
	struct err e = ERR_INIT;

	assert_true(X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	cert_unref(template);
	X509_free(x);
	EVP_PKEY_free(key);
	return c;
}

/* What a list said, in one line. */
struct said {
	char text[512];
};

static int say_mic(void *ctx, const char *device, int64_t when)
{
	struct said *said = ctx;
	size_t used = strlen(said->text);

	snprintf(said->text + used, sizeof(said->text) - used, "%s@%d ", device, (int)when);
	return 0;
}

static bool is_allowed(struct store *s, const char *device)
{
	struct err e = ERR_INIT;
	bool allowed;

	assert_ok(store_expiredmic_get(s, device, &allowed, &e), &e);
	return allowed;
}

static void expired_mics(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	struct said said = { "" };
	struct err e = ERR_INIT;

	add_device(s, "SEP001122334455");
	add_device(s, "SEP001122334456");
	assert_false(is_allowed(s, "SEP001122334455"));
	assert_ok(store_expiredmic_set(s, "SEP001122334456", 1000, &e), &e);
	assert_ok(store_expiredmic_set(s, "SEP001122334455", 1000, &e), &e);
	assert_ok(store_expiredmic_set(s, "SEP001122334455", 2000, &e), &e);
	assert_true(is_allowed(s, "SEP001122334455"));
	assert_ok(store_expiredmic_list(s, say_mic, &said, &e), &e);
	assert_string_equal(said.text, "SEP001122334455@2000 SEP001122334456@1000 ");

	assert_ok(store_expiredmic_set(s, "SEP001122334455", 0, &e), &e);
	assert_false(is_allowed(s, "SEP001122334455"));
	assert_ok(store_device_delete(s, "SEP001122334456", &e), &e);
	assert_false(is_allowed(s, "SEP001122334456"));
	assert_err(store_expiredmic_set(s, "SEP001122334456", 1000, &e), ERR_USAGE);
}

static int say_csr(void *ctx, const struct store_csr *csr, struct view spki)
{
	struct said *said = ctx;
	size_t used = strlen(said->text);

	snprintf(said->text + used, sizeof(said->text) - used, "%s %.2s %zu%s%s, ", csr->device, csr->sha256, spki.len,
		 csr->replaced ? " replaced" : "", csr->has_certificate ? " signed" : "");
	return 0;
}

static struct said csrs(struct store *s)
{
	struct said said = { "" };
	struct err e = ERR_INIT;

	assert_ok(store_csr_list(s, say_csr, &said, &e), &e);
	return said;
}

static void keys_wait_for_certificates(void **state)
{
	struct store *s = ((struct fixture *)*state)->s;
	struct cert *first = keyed_cert(1), *second = keyed_cert(2), *got;
	struct store_csr csr;
	struct err e = ERR_INIT;
	char expected[256];
	bool found;
	size_t n;

	add_device(s, "SEP001122334455");
	assert_ok(store_csr_current(s, "SEP001122334455", &csr, &got, &found, &e), &e);
	assert_false(found);
	assert_null(got);
	assert_err(store_csr_put(s, "SEP00112233445F", cert_spki(first), 1000, &e), ERR_USAGE);
	err_clear(&e);

	assert_ok(store_csr_put(s, "SEP001122334455", cert_spki(first), 1000, &e), &e);
	assert_ok(store_csr_put(s, "SEP001122334455", cert_spki(first), 1001, &e), &e);
	assert_ok(store_csr_current(s, "SEP001122334455", &csr, &got, &found, &e), &e);
	assert_true(found && !csr.has_certificate && !csr.replaced);
	assert_int_equal(csr.created, 1000);
	assert_null(got);

	/* a certificate for a key that nobody has sent */
	assert_ok(store_csr_certify(s, second, &csr, &found, &e), &e);
	assert_false(found);
	/* the phone sends another key before the certificate of its first one comes */
	assert_ok(store_csr_put(s, "SEP001122334455", cert_spki(second), 2000, &e), &e);
	assert_ok(store_csr_certify(s, first, &csr, &found, &e), &e);
	assert_true(found && csr.replaced && csr.has_certificate);
	assert_ok(store_csr_certify(s, second, &csr, &found, &e), &e);
	assert_true(found && !csr.replaced);
	assert_string_equal(csr.device, "SEP001122334455");
	assert_ok(store_csr_current(s, "SEP001122334455", &csr, &got, &found, &e), &e);
	assert_true(found && cert_same(got, second));
	cert_unref(got);

	struct said said = csrs(s);
	snprintf(expected, sizeof(expected), "SEP001122334455 %.2s %zu signed, ", csr.sha256, cert_spki(second).len);
	assert_memory_equal(said.text, expected, strlen(expected));
	assert_non_null(strstr(said.text, " replaced signed, "));

	assert_ok(store_csr_delete_stale(s, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_ok(store_csr_delete(s, "SEP001122334456", &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(store_csr_delete(s, NULL, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_string_equal(csrs(s).text, "");
	cert_unref(first);
	cert_unref(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(expired_mics, fixture_make, fixture_drop),
		cmocka_unit_test_setup_teardown(keys_wait_for_certificates, fixture_make, fixture_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
