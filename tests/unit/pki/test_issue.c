#include "testing.h"

#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "pki/issue.h"
#include "tempdir.h"

#define NOW 1401985899 /* Thu Jun 05 18:31:39 CEST 2014, the notBefore of the seeds */

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
	char rsa[KEY_NAME_MAX], ec[KEY_NAME_MAX];
};

static int64_t wall(void *ctx)
{
	(void)ctx;
	return NOW;
}

static const struct clock fixed_clock = {.wall_s = wall};

/* All octets the same, so that both ends of the serial's range can be had. */
static int fill_with(void *ctx, void *out, size_t n, struct err *e)
{
	(void)e;
	memset(out, *(const int *)ctx, n);
	return 0;
}

static int group_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	AUTO(auto_pkey) EVP_PKEY *rsa = NULL;
	AUTO(auto_pkey) EVP_PKEY *ec = NULL;
	struct key_spec rsa_spec = {.type = KEY_RSA, .bits = 2048};
	struct key_spec ec_spec = {.type = KEY_EC, .bits = 384};
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	assert_ok(f->ks->ops->generate(f->ks, "CAPF", rsa_spec, f->rsa, &rsa, &e), &e);
	assert_ok(f->ks->ops->generate(f->ks, "CallManager-ECDSA", ec_spec, f->ec, &ec, &e), &e);
	*state = f;
	return 0;
}

static int group_teardown(void **state)
{
	struct fixture *f = *state;

	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

static const struct subject krakow = {
	.cn = "cucm-1051-a-pub", .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "pl",
};
static const struct cert_profile plain = {
	.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT, .ext_key_usage = CERT_EKU_SERVER, .days = 1825,
	.digest = DIGEST_SHA256,
};

static struct cert *issue(struct fixture *f, const char *key, const struct subject *s, const struct cert_profile *p)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(issue_self_signed(f->ks, key, s, p, &fixed_clock, &random_system, &c, &e), &e);
	assert_int_equal(X509_verify(cert_x509(c), X509_get0_pubkey(cert_x509(c))), 1);
	return c;
}

static void subject_in_cucm_order(void **state)
{
	struct cert *c = issue(*state, ((struct fixture *)*state)->rsa, &krakow, &plain);
	char name[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	assert_ok(name_from_der(cert_subject_der(c), NAME_FORM_C, name, sizeof(name), &e), &e);
	assert_string_equal(name, "C=PL,O=Cisco,OU=TAC,CN=cucm-1051-a-pub,ST=Malopolska,L=Krakow");
	assert_string_equal(cert_subject(c), "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL");
	assert_true(cert_is_self_issued(c));
	assert_int_equal(X509_get_version(cert_x509(c)), X509_VERSION_3);
	cert_unref(c);
}

static void five_years_as_printed(void **state)
{
	struct cert *c = issue(*state, ((struct fixture *)*state)->rsa, &krakow, &plain);

	assert_int_equal(cert_not_before(c), NOW);
	assert_int_equal(cert_not_after(c), 1559665898); /* Tue Jun 04 18:31:38 CEST 2019 */
	cert_unref(c);
}

static void serial_numbers(void **state)
{
	static const struct {
		int fill;
		uint8_t first;
	} cases[] = {{0xff, 0x7f}, {0x00, 0x01}, {0x80, 0x01}, {0x12, 0x12}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fill = cases[i].fill;
		struct random_source rnd = {.fill = fill_with, .ctx = &fill};
		struct cert *c = NULL;
		struct err e = ERR_INIT;
		assert_ok(issue_self_signed(f->ks, f->ec, &krakow, &plain, &fixed_clock, &rnd, &c, &e), &e);
		assert_int_equal(cert_serial(c).len, 16);
		assert_int_equal(cert_serial(c).p[0], cases[i].first);
		cert_unref(c);
	}
}

static void extensions_of_a_ca(void **state)
{
	struct fixture *f = *state;
	struct cert_profile p = plain;
	p.ca = true;
	p.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN;
	struct cert *c = issue(f, f->rsa, &krakow, &p);
	X509 *x = cert_x509(c);

	assert_int_equal(X509_check_ca(x), 1);
	assert_int_equal(X509_get_pathlen(x), 0);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_true(X509_EXTENSION_get_critical(X509_get_ext(x, X509_get_ext_by_NID(x, NID_basic_constraints, -1))));
	assert_false(X509_EXTENSION_get_critical(X509_get_ext(x, X509_get_ext_by_NID(x, NID_key_usage, -1))));
	cert_unref(c);
}

static void alternative_names(void **state)
{
	static const char *const dns[] = {"cucm-pub.example.org", NULL};
	static const char *const ip[] = {"192.0.2.10", "2001:db8::10", NULL};
	struct fixture *f = *state;
	struct cert_profile p = plain;
	p.dns = dns;
	p.ip = ip;
	struct cert *c = issue(f, f->ec, &krakow, &p);

	assert_int_equal(X509_check_host(cert_x509(c), "cucm-pub.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert_x509(c), "192.0.2.10", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert_x509(c), "2001:db8::10", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert_x509(c), "192.0.2.11", 0), 0);
	assert_int_equal(cert_key_type(c), CERT_KEY_EC);
	cert_unref(c);
}

/* pitfalls.md U-9: no configuration language stands between the subject and the certificate. */
static void subjects_are_taken_literally(void **state)
{
	struct fixture *f = *state;
	struct subject s = krakow;
	char got[NAME_MAX_LEN];

	s.o = "$ENV::HOME # \"quoted\"";
	s.st = "Ma\xc5\x82opolska";
	struct cert *c = issue(f, f->ec, &s, &plain);
	assert_true(name_get(view_str(cert_subject(c)), "O", got, sizeof(got)));
	assert_string_equal(got, s.o);
	assert_true(name_get(view_str(cert_subject(c)), "ST", got, sizeof(got)));
	assert_string_equal(got, s.st);
	cert_unref(c);
}

static void subjects_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	static const char *const bad_dns[] = {"a b", NULL};
	static const char *const bad_ip[] = {"192.0.2.300", NULL};
	struct subject s = krakow;
	struct cert_profile p = plain;
	struct cert *c = NULL;
	struct err e = ERR_INIT;

#define REFUSED(class)                                                                                                 \
	assert_err(issue_self_signed(f->ks, f->ec, &s, &p, &fixed_clock, &random_system, &c, &e), (class))
	s.c = "POL";
	REFUSED(ERR_USAGE);
	s.c = "P";
	REFUSED(ERR_USAGE);
	s.c = "1A";
	REFUSED(ERR_USAGE);
	s = krakow;
	s.cn = "";
	REFUSED(ERR_USAGE);
	s.cn = "a-host-name-that-is-longer-than-the-sixty-four-characters-allowed.example.org";
	err_clear(&e);
	REFUSED(ERR_USAGE);
	assert_non_null(strstr(e.text, "string too long"));
	s = krakow;
	p.dns = bad_dns;
	REFUSED(ERR_USAGE);
	p.dns = NULL;
	p.ip = bad_ip;
	REFUSED(ERR_USAGE);
	p = plain;
	assert_err(issue_self_signed(f->ks, "TVS.0123456789abcdef", &s, &p, &fixed_clock, &random_system, &c, NULL),
		   ERR_AUTH);
	assert_null(c);
#undef REFUSED
}

static void old_sites(void **state)
{
	struct fixture *f = *state;
	struct cert_profile p = plain;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct key_spec spec = {.type = KEY_RSA, .bits = 1024};
	char name[KEY_NAME_MAX];
	struct err e = ERR_INIT;

	p.digest = DIGEST_SHA1;
	assert_ok(f->ks->ops->generate(f->ks, "CallManager", spec, name, &pub, &e), &e);
	struct cert *c = issue(f, name, &krakow, &p);
	assert_int_equal(X509_get_signature_nid(cert_x509(c)), NID_sha1WithRSAEncryption);
	cert_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subject_in_cucm_order),
		cmocka_unit_test(five_years_as_printed),
		cmocka_unit_test(serial_numbers),
		cmocka_unit_test(extensions_of_a_ca),
		cmocka_unit_test(alternative_names),
		cmocka_unit_test(subjects_are_taken_literally),
		cmocka_unit_test(subjects_that_cannot_be),
		cmocka_unit_test(old_sites),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
