#include "testing.h"

#include <string.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "pki/chain.h"

#define NOW INT64_C(1780000000)
#define DAY 86400

static struct err e;
static struct chain chain;
static EVP_PKEY *keys[4];

/* A certificate of key `which`, signed by key `by` in the name of `issuer`. */
static struct cert *cert(const char *cn, int which, const char *issuer, int by, bool ca, int64_t end)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_NAME_new(), *from = X509_NAME_new();
	struct cert *c = NULL;

	assert_true(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0));
	assert_true(X509_NAME_add_entry_by_txt(from, "CN", MBSTRING_ASC, (const uint8_t *)issuer, -1, -1, 0));
	assert_true(X509_set_version(x, 2) && X509_set_subject_name(x, subject) && X509_set_issuer_name(x, from));
	assert_true(ASN1_INTEGER_set(X509_get_serialNumber(x), which + 1) && X509_set_pubkey(x, keys[which]));
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(NOW - DAY)));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)end));
	X509_EXTENSION *basic = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
	assert_true(X509_add_ext(x, basic, -1) && X509_sign(x, keys[by], EVP_sha256()));
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_EXTENSION_free(basic);
	X509_NAME_free(subject);
	X509_NAME_free(from);
	X509_free(x);
	return c;
}

static struct cert *root, *sub, *leaf;

static int make(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		keys[i] = EVP_EC_gen("P-256");
	root = cert("root", 0, "root", 0, true, NOW + 100 * DAY);
	sub = cert("sub", 1, "root", 0, true, NOW + 50 * DAY);
	leaf = cert("leaf", 2, "sub", 1, false, NOW + 10 * DAY);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	cert_unref(root);
	cert_unref(sub);
	cert_unref(leaf);
	for (size_t i = 0; i < 4; i++)
		EVP_PKEY_free(keys[i]);
	return 0;
}

static enum chain_state build(const struct cert *c, struct cert *const *trusted, size_t n, int64_t now)
{
	chain_clear(&chain);
	assert_ok(chain_build(c, trusted, n, now, &chain, &e), &e);
	return chain.state;
}

static void whole(void **state)
{
	struct cert *trusted[] = {sub, root};

	(void)state;
	assert_int_equal(build(leaf, trusted, 2, NOW), CHAIN_WHOLE);
	assert_true(cert_same(chain.issuer, sub));
	assert_int_equal(build(root, NULL, 0, NOW), CHAIN_WHOLE);
	assert_null(chain.issuer);
	chain_clear(&chain);
}

static void missing(void **state)
{
	struct cert *only_root[] = {root}, *only_sub[] = {sub};

	(void)state;
	assert_int_equal(build(leaf, NULL, 0, NOW), CHAIN_NO_ISSUER);
	assert_string_equal(chain.missing, "CN=sub");
	assert_int_equal(build(leaf, only_root, 1, NOW), CHAIN_NO_ISSUER);
	assert_string_equal(chain.missing, "CN=sub");
	assert_int_equal(build(leaf, only_sub, 1, NOW), CHAIN_NO_ISSUER);
	assert_string_equal(chain.missing, "CN=root");
	chain_clear(&chain);
}

static void broken(void **state)
{
	struct cert *trusted[] = {sub, root};
	struct cert *forged = cert("leaf", 2, "sub", 3, false, NOW + DAY);         /* signed with another key */
	struct cert *no_ca = cert("sub", 1, "root", 0, false, NOW + 50 * DAY);
	struct cert *bad[] = {no_ca, root};

	(void)state;
	assert_int_not_equal(build(forged, trusted, 2, NOW), CHAIN_WHOLE);
	assert_int_not_equal(build(leaf, bad, 2, NOW), CHAIN_WHOLE);
	assert_int_equal(build(leaf, trusted, 2, NOW + 60 * DAY), CHAIN_BROKEN);
	assert_non_null(strstr(chain.why, "expired"));
	chain_clear(&chain);
	cert_unref(forged);
	cert_unref(no_ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole), cmocka_unit_test(missing), cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
