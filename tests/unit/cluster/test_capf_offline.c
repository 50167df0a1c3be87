#include "capf_fixture.h"

#include "cluster/capf_admin.h"

/* LSCs of an authority elsewhere. */

/* The authority: what it gets is the dump, what it gives back is PEM. */
static struct cert *sign_elsewhere(struct site *s, const struct manufacturer *ca, const char *device, EVP_PKEY *key)
{
	return make_cert(s, ca->key, ca->ca, device, key, 365);
}

static int import(struct site *s, const struct cert *a, const struct cert *b, struct notes *notes, size_t *n, struct err *e)
{
	char *one = NULL, *two = NULL, text[8192];
	struct err ignored = ERR_INIT;

	assert_ok(cert_to_pem(a, &one, &ignored), &ignored);
	if (b)
		assert_ok(cert_to_pem(b, &two, &ignored), &ignored);
	snprintf(text, sizeof(text), "as it came by mail\n%s\n%s", one, two ? two : "");
	int rc = capf_cert_import(s->n.cluster, "test", view_str(text), false, notes, n, e);
	free(one);
	free(two);
	return rc;
}

static void whole_way(void **state)
{
	struct site *s = *state;
	struct manufacturer ca = make_manufacturer(s, "Offline CA", true);
	struct visit v = { .key = s->rsa1024 };
	struct err e = ERR_INIT;
	char *text = NULL;
	size_t len, n;

	set_param(s, PARAM_CAPF_ISSUER, CAPF_ISSUER_OFFLINE);
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_true(v.retry);
	assert_null(v.lsc);
	assert_int_equal(capf_sessions(s->a), 0);
	assert_state(s, PHONE, DEVICE_INSTALL, "Operation Pending");

	FILE *out = open_memstream(&text, &len);
	assert_ok(capf_csr_dump(s->n.cluster, out, &n, &e), &e);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(n, 1);
	assert_non_null(strstr(text, "# device " PHONE "\n"));
	assert_non_null(strstr(text, "-----BEGIN PUBLIC KEY-----"));
	free(text);

	struct cert *lsc = sign_elsewhere(s, &ca, PHONE, s->rsa1024);
	assert_ok(import(s, lsc, NULL, NULL, &n, &e), &e);
	assert_int_equal(n, 1);
	visit(s, &v); /* comes back and takes it */
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_true(cert_same(v.lsc, lsc));
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);

	/* it is an LSC, though not of CAPF: it authenticates as one, and its successor supersedes it */
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_LSC]);
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	set_param(s, PARAM_CAPF_ISSUER, "Cisco Certificate Authority Proxy Function");
	s->n.now += 3600;
	v = (struct visit){ .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_string_equal(phone(s, PHONE).mic.sha256, "");
	visit_clear(&v);
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_non_null(strstr(v.text, "superseded"));
	visit_clear(&v);
	cert_unref(lsc);
	cert_unref(ca.ca);
}

static int count_stale(void *ctx, const struct store_csr *csr, struct view spki)
{
	(void)spki;
	*(unsigned *)ctx += csr->replaced && csr->has_certificate;
	return 0;
}

static void stale(void **state)
{
	struct site *s = *state;
	struct manufacturer ca = make_manufacturer(s, "Offline CA", true);
	struct visit v = { .key = s->rsa1024 };
	struct notes notes = NOTES_INIT;
	struct err e = ERR_INIT;
	EVP_PKEY *second = new_key(KEY_RSA, 1024);
	unsigned n_stale = 0;
	size_t n;

	set_param(s, PARAM_CAPF_ISSUER, CAPF_ISSUER_OFFLINE);
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	v.key = second; /* it was reset meanwhile and begins anew */
	visit(s, &v);
	struct cert *late = sign_elsewhere(s, &ca, PHONE, s->rsa1024);
	assert_ok(import(s, late, NULL, &notes, &n, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_ok(store_csr_list(s->n.store, count_stale, &n_stale, &e), &e);
	assert_int_equal(n_stale, 1);
	visit(s, &v);
	assert_true(v.retry); /* nothing is there for the key it has now */
	assert_ok(capf_stale_delete(s->n.cluster, "test", false, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_ok(capf_csr_delete(s->n.cluster, "test", PHONE, true, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_ok(capf_csr_delete(s->n.cluster, "test", PHONE, false, &n, &e), &e); /* it was a rehearsal */
	assert_int_equal(n, 1);
	notes_clear(&notes);
	EVP_PKEY_free(second);
	cert_unref(late);
	cert_unref(ca.ca);
}

/* All or none, and nothing that phones could not use. */
static void imports_that_are_refused(void **state)
{
	struct site *s = *state;
	struct manufacturer ca = make_manufacturer(s, "Offline CA", true), unknown = make_manufacturer(s, "Unknown CA", false);
	struct visit v = { .key = s->rsa1024 };
	size_t n;

	set_param(s, PARAM_CAPF_ISSUER, CAPF_ISSUER_OFFLINE);
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	struct cert *good = sign_elsewhere(s, &ca, PHONE, s->rsa1024);
	struct cert *bad[] = {
		sign_elsewhere(s, &unknown, PHONE, s->rsa1024),
		sign_elsewhere(s, &ca, OTHER_PHONE, s->rsa1024),
		sign_elsewhere(s, &ca, PHONE, s->rsa2048),
	};
	static const char *const why[] = { "CAPF-trust", "certificate of \"" OTHER_PHONE "\"", "no phone waits" };
	for (size_t i = 0; i < 3; i++) {
		struct err e = ERR_INIT;
		assert_err(import(s, good, bad[i], NULL, &n, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, why[i]));
		assert_non_null(strstr(e.text, "certificate 2"));
		visit(s, &v);
		assert_true(v.retry); /* the good one is not there either */
		cert_unref(bad[i]);
	}
	struct err e = ERR_INIT;
	char *pem = NULL;
	assert_ok(cert_to_pem(good, &pem, &e), &e);
	assert_ok(capf_cert_import(s->n.cluster, "test", view_str(pem), true, NULL, &n, &e), &e);
	assert_int_equal(n, 1);
	free(pem);
	visit(s, &v);
	assert_true(v.retry); /* that was a rehearsal */
	assert_err(capf_cert_import(s->n.cluster, "test", view_str("nothing"), false, NULL, &n, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(capf_expired_mic(s->n.cluster, "test", PHONE, true, false, &e), &e);
	assert_true(audited(s, "allowed for one installation") == 1);
	assert_err(capf_expired_mic(s->n.cluster, "test", OTHER_PHONE, true, false, &e), ERR_USAGE);
	cert_unref(good);
	cert_unref(ca.ca);
	cert_unref(unknown.ca);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, site_make, site_drop)
	const struct CMUnitTest tests[] = { TEST(whole_way), TEST(stale), TEST(imports_that_are_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
