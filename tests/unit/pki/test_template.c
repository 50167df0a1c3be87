#include "testing.h"

#include <string.h>

#include <openssl/x509v3.h>

#include "pki/template.h"
#include "tempdir.h"

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

static struct cert *issue(struct fixture *f, const char *unit, const char *generation, unsigned bits, const char *node)
{
	static const char *const ip[] = {"192.0.2.10", NULL};
	struct template_node n = {
		.name = node,
		.ip = ip,
		.subject = {.ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL"},
	};
	struct cert_template t;
	char key[KEY_NAME_MAX];
	char expected[KEY_NAME_MAX];
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(template_get(unit, generation, bits, &t, &e), &e);
	assert_ok(template_issue(f->ks, &t, &n, &clock_system, &random_system, key, &c, &e), &e);
	assert_ok(key_name(unit, cert_spki(c), expected, &e), &e);
	assert_string_equal(key, expected);
	return c;
}

static void assert_size(struct fixture *f, const char *unit, unsigned bits, const char *node, size_t size, int sig_nid)
{
	struct cert *c = issue(f, unit, "10.0", bits, node);

	assert_int_equal(cert_der(c).len, size);
	assert_int_equal(X509_get_signature_nid(cert_x509(c)), sig_nid);
	assert_int_equal(X509_get_ext_count(cert_x509(c)), 3);
	cert_unref(c);
}

/* formats-and-protocols.md 2.5: the sizes that `show ctl` prints. */
static void sizes_of_the_seeds(void **state)
{
	assert_size(*state, "CallManager", 1024, "cucm-1051-a-pub", 694, NID_sha1WithRSAEncryption);
	assert_size(*state, "CallManager", 1024, "cucm-1051-a-sub1", 696, NID_sha1WithRSAEncryption);
	assert_size(*state, "CAPF", 1024, "cucm-1051-a-pub", 680, NID_sha1WithRSAEncryption);
	assert_size(*state, "CallManager", 2048, "cucm-1051-a-pub", 955, NID_sha256WithRSAEncryption);
}

static void common_names(void **state)
{
	struct fixture *f = *state;
	static const struct { const char *unit, *node, *cn; } cases[] = {
		{"CallManager", "cucm14-pub.collabiz.ext", "cucm14-pub.collabiz.ext"},
		{"CallManager-ECDSA", "cucm14-pub.collabiz.ext", "cucm14-pub-EC.collabiz.ext"},
		{"CallManager-ECDSA", "cucm14-pub", "cucm14-pub-EC"},
		{"CallManager-ECDSA", "192.0.2.10", "192.0.2.10-EC"},
		{"ITLRecovery", "1cucm1251.sckiewer.lab", "ITLRECOVERY_1cucm1251.sckiewer.lab"},
		{"TVS", "node", "node"},
	};
	struct cert_template t;
	char cn[65];
	struct err e = ERR_INIT;

	(void)f;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ok(template_get(cases[i].unit, "12.0", 0, &t, &e), &e);
		assert_ok(template_common_name(&t, cases[i].node, &random_system, cn, sizeof(cn), &e), &e);
		assert_string_equal(cn, cases[i].cn);
	}
	assert_ok(template_get("CAPF", "12.0", 0, &t, &e), &e);
	assert_ok(template_common_name(&t, "node", &random_system, cn, sizeof(cn), &e), &e);
	assert_int_equal(strlen(cn), 13);
	assert_memory_equal(cn, "CAPF-", 5);
	assert_int_equal(strspn(cn + 5, "0123456789abcdef"), 8);
}

static void names_that_do_not_fit(void **state)
{
	struct cert_template t;
	char cn[65];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(template_get("ITLRecovery", "12.0", 0, &t, &e), &e);
	assert_err(template_common_name(&t, "a-rather-long-host-name.in-a-rather-long-domain.example.org",
					&random_system, cn, sizeof(cn), &e),
		   ERR_LIMIT);
	assert_non_null(strstr(e.text, "shorter host name"));
}

static void modern_units(void **state)
{
	struct fixture *f = *state;
	struct cert *ccm = issue(f, "CallManager", "12.0", 0, "CUCM-pub.example.org");
	struct cert *ec = issue(f, "CallManager-ECDSA", "12.0", 0, "cucm-pub.example.org");
	struct cert *capf = issue(f, "CAPF", "12.0", 0, "cucm-pub.example.org");
	struct cert *recovery = issue(f, "ITLRecovery", "12.0", 0, "cucm-pub.example.org");

	assert_int_equal(cert_key_bits(ccm), 2048);
	assert_int_equal(X509_get_signature_nid(cert_x509(ccm)), NID_sha256WithRSAEncryption);
	assert_int_equal(X509_check_host(cert_x509(ccm), "cucm-pub.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert_x509(ccm), "192.0.2.10", 0), 1);
	assert_int_equal(X509_get_key_usage(cert_x509(ccm)),
			 KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
	assert_int_equal(cert_not_after(ccm) - cert_not_before(ccm), 5 * 365 * 86400 - 1);
	assert_int_equal(cert_key_type(ec), CERT_KEY_EC);
	assert_int_equal(cert_key_bits(ec), 384);
	assert_string_equal(cert_cn(ec), "cucm-pub-EC.example.org");
	assert_int_equal(X509_get_key_usage(cert_x509(ec)), KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT);
	assert_int_equal(X509_check_ca(cert_x509(capf)), 1);
	assert_int_equal(X509_get_pathlen(cert_x509(capf)), 0);
	assert_int_equal(cert_not_after(recovery) - cert_not_before(recovery), 20LL * 365 * 86400 - 1);
	cert_unref(ccm);
	cert_unref(ec);
	cert_unref(capf);
	cert_unref(recovery);
}

static void every_unit_in_every_generation(void **state)
{
	static const char *const generations[] = {"8.0", "10.0", "10.5(2)", "11.5", "12.0"};
	struct cert_template t;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; template_units[i]; i++) {
		for (size_t j = 0; j < 5; j++) {
			assert_ok(template_get(template_units[i], generations[j], 0, &t, &e), &e);
			assert_string_equal(t.unit, template_units[i]);
			assert_int_equal(t.profile.digest, t.key.type == KEY_EC ? DIGEST_SHA384 : DIGEST_SHA256);
		}
	}
	assert_err(template_get("TVS", "9.9", 0, &t, NULL), ERR_USAGE);
	assert_err(template_get("Phone-trust", "12.0", 0, &t, NULL), ERR_USAGE);
	assert_err(template_get("TVS", "12.0", 1000, &t, NULL), ERR_USAGE);
	assert_ok(template_get("CallManager-ECDSA", "12.0", 4096, &t, &e), &e);
	assert_int_equal(t.key.bits, 384);
}

static int count(void *ctx, const char *name)
{
	(void)name;
	(*(int *)ctx)++;
	return 0;
}

static void a_failure_leaves_no_key_behind(void **state)
{
	struct fixture *f = *state;
	struct template_node n = {.name = "node", .subject = {.c = "Poland"}};
	struct cert_template t;
	char key[KEY_NAME_MAX];
	struct cert *c = NULL;
	int keys = 0;
	struct err e = ERR_INIT;

	assert_ok(template_get("CallManager-ECDSA", "12.0", 0, &t, &e), &e);
	assert_err(template_issue(f->ks, &t, &n, &clock_system, &random_system, key, &c, &e), ERR_USAGE);
	assert_null(c);
	err_clear(&e);
	assert_ok(f->ks->ops->list(f->ks, count, &keys, &e), &e);
	assert_int_equal(keys, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes_of_the_seeds, setup, teardown),
		cmocka_unit_test(common_names),
		cmocka_unit_test(names_that_do_not_fit),
		cmocka_unit_test_setup_teardown(modern_units, setup, teardown),
		cmocka_unit_test(every_unit_in_every_generation),
		cmocka_unit_test_setup_teardown(a_failure_leaves_no_key_behind, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
