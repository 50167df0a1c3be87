#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "pki/key_pem.h"
#include "pki/lsc.h"
#include "tempdir.h"

#define NOW 1780000000 /* 2026-05-28 */
#define DAY 86400
#define DEVICE "SEP001122334455"

static int64_t wall(void *ctx)
{
	return *(const int64_t *)ctx;
}

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
	char name[KEY_NAME_MAX];
	int64_t now;
	struct clock clock;
	struct cert *issuer;        /* CAPF of 11.5 and later: CA:TRUE, five years from NOW */
	EVP_PKEY *rsa, *ec;         /* phones' keys: RSA-2048, P-384 */
};

static const struct subject capf_subject = {
	.cn = "CAPF-12345678", .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL",
};
static const struct cert_profile ca_profile = {
	.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN, .ca = true, .days = 1825, .digest = DIGEST_SHA256,
};

static struct cert *self_signed(struct fixture *f, const struct cert_profile *p)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(issue_self_signed(f->ks, f->name, &capf_subject, p, &f->clock, &random_system, &c, &e), &e);
	return c;
}

static EVP_PKEY *phone_key(struct key_spec spec)
{
	EVP_PKEY *key = NULL;
	struct err e = ERR_INIT;

	assert_ok(key_generate(spec, &key, &e), &e);
	return key;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct key_spec spec = { .type = KEY_RSA, .bits = 2048 };
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	f->now = NOW;
	f->clock = (struct clock){ .wall_s = wall, .ctx = &f->now };
	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	assert_ok(f->ks->ops->generate(f->ks, "CAPF", spec, f->name, &pub, &e), &e);
	f->issuer = self_signed(f, &ca_profile);
	f->rsa = phone_key(spec);
	f->ec = phone_key((struct key_spec){ .type = KEY_EC, .bits = 384 });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cert_unref(f->issuer);
	EVP_PKEY_free(f->rsa);
	EVP_PKEY_free(f->ec);
	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

struct spki {
	uint8_t *der;
	struct view v;
};

static struct spki spki_of(EVP_PKEY *key)
{
	struct spki s = { 0 };
	int len = i2d_PUBKEY(key, &s.der);

	assert_true(len > 0);
	s.v = (struct view){ s.der, (size_t)len };
	return s;
}

static int issue(struct fixture *f, const struct cert *issuer, EVP_PKEY *key, const struct lsc_template *t,
		 struct cert **lsc,
		 struct err *e)
{
	struct spki s = spki_of(key);
	int r = lsc_issue(f->ks, f->name, issuer, DEVICE, s.v, t, &f->clock, &random_system, lsc, e);

	OPENSSL_free(s.der);
	return r;
}

static struct cert *issued(struct fixture *f, const struct cert *issuer, EVP_PKEY *key, const struct lsc_template *t)
{
	struct cert *lsc = NULL;
	struct err e = ERR_INIT;

	assert_ok(issue(f, issuer, key, t, &lsc, &e), &e);
	return lsc;
}

static void profile_as_documented(void **state)
{
	struct fixture *f = *state;
	struct cert *lsc = issued(f, f->issuer, f->rsa, &lsc_template_default);
	X509 *x = cert_x509(lsc);
	char name[NAME_MAX_LEN];
	struct err e = ERR_INIT;
	int critical;

	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_int_equal(X509_get_signature_nid(x), NID_sha256WithRSAEncryption);
	assert_int_equal(X509_verify(x, X509_get0_pubkey(cert_x509(f->issuer))), 1);
	assert_int_equal(cert_serial(lsc).len, 16);
	assert_true(view_eq(cert_issuer_der(lsc), cert_subject_der(f->issuer)));
	assert_ok(name_from_der(cert_subject_der(lsc), NAME_FORM_C, name, sizeof(name), &e), &e);
	assert_string_equal(name, "CN=" DEVICE ",C=PL,O=Cisco,OU=TAC,ST=Malopolska,L=Krakow");
	assert_int_equal(cert_not_before(lsc), NOW);
	assert_int_equal(cert_not_after(lsc), NOW + (int64_t)LSC_DAYS_MAX * DAY - 1);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), f->rsa), 1);

	assert_int_equal(X509_get_ext_count(x), 6);
	BASIC_CONSTRAINTS *b = X509_get_ext_d2i(x, NID_basic_constraints, &critical, NULL);
	assert_non_null(b);
	assert_int_equal(critical, 1);
	assert_int_equal(b->ca, 0);
	BASIC_CONSTRAINTS_free(b);
	ASN1_BIT_STRING_free(X509_get_ext_d2i(x, NID_key_usage, &critical, NULL));
	assert_int_equal(critical, 1);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER | XKU_SSL_CLIENT);
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	assert_int_equal(sk_ASN1_OBJECT_num(eku), 3);
	assert_int_equal(OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, 2)), NID_ipsecEndSystem);
	EXTENDED_KEY_USAGE_free(eku);
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x),
					       X509_get0_subject_key_id(cert_x509(f->issuer))), 0);
	assert_non_null(X509_get0_subject_key_id(x));
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	const GENERAL_NAME *uri = sk_GENERAL_NAME_value(names, 0);
	assert_int_equal(uri->type, GEN_URI);
	assert_int_equal(ASN1_STRING_length(uri->d.ia5), strlen(DEVICE));
	assert_memory_equal(ASN1_STRING_get0_data(uri->d.ia5), DEVICE, strlen(DEVICE));
	GENERAL_NAMES_free(names);
	cert_unref(lsc);
}

static void template_changes_it(void **state)
{
	struct fixture *f = *state;
	struct lsc_template t = { .days = 30, .key_usage = KU_DIGITAL_SIGNATURE, .digest = DIGEST_SHA512 };
	struct cert *lsc = issued(f, f->issuer, f->ec, &t);

	assert_int_equal(cert_not_after(lsc), NOW + 30 * DAY - 1);
	assert_int_equal(X509_get_key_usage(cert_x509(lsc)), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_ext_by_NID(cert_x509(lsc), NID_ext_key_usage, -1), -1);
	assert_int_equal(X509_get_ext_by_NID(cert_x509(lsc), NID_subject_alt_name, -1), -1);
	assert_int_equal(X509_get_signature_nid(cert_x509(lsc)), NID_sha512WithRSAEncryption);
	cert_unref(lsc);
}

/* C-14 */
static void never_outlives_its_issuer(void **state)
{
	struct fixture *f = *state;
	struct cert *lsc;
	struct err e = ERR_INIT;

	f->now = NOW + 1000LL * DAY;
	lsc = issued(f, f->issuer, f->rsa, &lsc_template_default);
	assert_int_equal(cert_not_after(lsc), cert_not_after(f->issuer));
	cert_unref(lsc);
	lsc = NULL;

	f->now = cert_not_after(f->issuer) + 1;
	assert_err(issue(f, f->issuer, f->rsa, &lsc_template_default, &lsc, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "expired on 2031-05-27"));
	assert_null(lsc);
	err_clear(&e);
	f->now = NOW - 1;
	assert_err(issue(f, f->issuer, f->rsa, &lsc_template_default, &lsc, &e), ERR_AUTH);
	f->now = NOW;
}

static void issuer_must_be_a_ca(void **state)
{
	struct fixture *f = *state;
	struct cert_profile old = { .key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN, .days = 1825,
		.digest = DIGEST_SHA1 };
	struct cert_profile server = { .key_usage = KU_DIGITAL_SIGNATURE, .days = 1825, .digest = DIGEST_SHA256 };
	struct cert *before_115 = self_signed(f, &old), *no_ca = self_signed(f, &server), *lsc = NULL;
	struct err e = ERR_INIT;

	assert_ok(issue(f, before_115, f->rsa, &lsc_template_default, &lsc, &e), &e);
	cert_unref(lsc);
	lsc = NULL;
	assert_err(issue(f, no_ca, f->rsa, &lsc_template_default, &lsc, &e), ERR_AUTH);
	/* an LSC's own CA:FALSE */
	struct cert *leaf = issued(f, f->issuer, f->rsa, &lsc_template_default);
	err_clear(&e);
	assert_err(lsc_issuer_check(leaf, NOW, &e), ERR_AUTH);
	cert_unref(leaf);
	cert_unref(before_115);
	cert_unref(no_ca);
}

static void names_and_days(void **state)
{
	static const char *const names[] = { "", "SEP", "../evil", "SEP001122334455\n", "SEP0011/2233", "sep001122334455" };
	struct fixture *f = *state;
	struct lsc_template t = lsc_template_default;
	struct spki s = spki_of(f->rsa);
	struct cert *lsc = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(lsc_issue(f->ks, f->name, f->issuer, names[i], s.v, &t, &f->clock, &random_system, &lsc,
				     &e), ERR_USAGE);
	}
	OPENSSL_free(s.der);
	for (unsigned days = 0; days <= LSC_DAYS_MAX + 1; days += LSC_DAYS_MAX + 1) {
		struct err e = ERR_INIT;
		t.days = days;
		assert_err(issue(f, f->issuer, f->rsa, &t, &lsc, &e), ERR_USAGE);
	}
	assert_null(lsc);
}

/* --- keys (C-6) --- */

static void check_key(EVP_PKEY *key, struct key_spec asked, int expected)
{
	struct spki s = spki_of(key);
	struct err e = ERR_INIT;

	assert_err(lsc_key_check(s.v, asked, &e), expected);
	OPENSSL_free(s.der);
	EVP_PKEY_free(key);
}

static EVP_PKEY *rsa_with_exponent(unsigned long exponent)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	AUTO(auto_bn) BIGNUM *e = BN_new();
	EVP_PKEY *key = NULL;

	assert_true(BN_set_word(e, exponent) && EVP_PKEY_keygen_init(ctx) > 0 &&
		    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024) > 0 && EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) > 0 &&
		    EVP_PKEY_keygen(ctx, &key) > 0);
	return key;
}

static void key_must_be_what_was_asked(void **state)
{
	const struct key_spec rsa1024 = { KEY_RSA, 1024 }, rsa2048 = { KEY_RSA, 2048 }, p256 = { KEY_EC, 256 },
			      p384 = { KEY_EC, 384 };
	struct fixture *f = *state;

	EVP_PKEY_up_ref(f->rsa);
	check_key(f->rsa, rsa2048, 0);
	EVP_PKEY_up_ref(f->ec);
	check_key(f->ec, p384, 0);
	check_key(phone_key((struct key_spec){ KEY_EC, 256 }), p256, 0);
	check_key(phone_key((struct key_spec){ KEY_EC, 521 }), (struct key_spec){ KEY_EC, 521 }, 0);
	check_key(phone_key((struct key_spec){ KEY_RSA, 512 }), (struct key_spec){ KEY_RSA, 512 }, 0);
	check_key(rsa_with_exponent(65537), rsa1024, 0);

	EVP_PKEY_up_ref(f->rsa);
	check_key(f->rsa, rsa1024, ERR_AUTH);
	EVP_PKEY_up_ref(f->rsa);
	check_key(f->rsa, p384, ERR_AUTH);
	EVP_PKEY_up_ref(f->ec);
	check_key(f->ec, rsa2048, ERR_AUTH);
	EVP_PKEY_up_ref(f->ec);
	check_key(f->ec, p256, ERR_AUTH);
	check_key(phone_key((struct key_spec){ KEY_RSA, 512 }), rsa2048, ERR_AUTH);
	check_key(rsa_with_exponent(3), rsa1024, ERR_AUTH);
	check_key(rsa_with_exponent(257), rsa1024, ERR_AUTH);
	check_key(EVP_EC_gen("prime192v1"), p256, ERR_AUTH);
	check_key(EVP_EC_gen("secp256k1"), p256, ERR_AUTH);
	check_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), p256, ERR_AUTH);
	check_key(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), p256, ERR_AUTH);
}

static void compressed_points_are_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("prime256v1");

	(void)state;
	assert_true(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"));
	check_key(key, (struct key_spec){ KEY_EC, 256 }, ERR_AUTH);
}

/* Cut anywhere, with something behind it, or with any octet changed, it is never another key of the same kind in disguise:
 * either it is refused, or it is a key of that very size, and nothing crashes. */
static void octets_around_and_within(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *keys[] = { f->rsa, f->ec };
	const struct key_spec asked[] = { { KEY_RSA, 2048 }, { KEY_EC, 384 } };

	for (size_t k = 0; k < 2; k++) {
		struct spki s = spki_of(keys[k]);
		uint8_t copy[512];
		struct err e = ERR_INIT;

		for (size_t n = 0; n < s.v.len; n++) {
			struct err cut = ERR_INIT;
			assert_err(lsc_key_check((struct view){ s.v.p, n }, asked[k], &cut), ERR_AUTH);
		}
		memcpy(copy, s.v.p, s.v.len);
		copy[s.v.len] = 0;
		assert_err(lsc_key_check((struct view){ copy, s.v.len + 1 }, asked[k], &e), ERR_AUTH);
		size_t header = k == 0 ? 33 : 24; /* what stands before modulus or point */
		for (size_t i = 0; i < header; i++) {
			struct err flip = ERR_INIT;
			copy[i] ^= 0x01;
			assert_err(lsc_key_check((struct view){ copy, s.v.len }, asked[k], &flip), ERR_AUTH);
			copy[i] ^= 0x01;
		}
		OPENSSL_free(s.der);
	}
}

/* --- the chain, as OpenSSL's command line sees it --- */

static void write_pem(const struct fixture *f, const char *file, const struct cert *c)
{
	char path[128], *pem = NULL;
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", f->dir.path, file);
	assert_ok(cert_to_pem(c, &pem, &e), &e);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(pem, out) >= 0);
	assert_int_equal(fclose(out), 0);
	free(pem);
}

/* A certificate for the CAPF key that another authority signed: the issuer of LSCs is then an intermediate CA. */
static struct cert *ca_signed_capf(struct fixture *f, struct cert **root)
{
	AUTO(auto_pkey) EVP_PKEY *pub = NULL, *key = NULL;
	struct key_spec spec = { .type = KEY_RSA, .bits = 2048 };
	struct cert_profile p = { .key_usage = KU_KEY_CERT_SIGN, .days = 3650, .digest = DIGEST_SHA256 };
	struct subject s = { .cn = "Root", .o = "Example" };
	char name[KEY_NAME_MAX];
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(f->ks->ops->generate(f->ks, "tomcat", spec, name, &pub, &e), &e);
	assert_ok(issue_self_signed(f->ks, name, &s, &p, &f->clock, &random_system, root, &e), &e);
	assert_ok(key_borrow(f->ks, name, pub, &key, &e), &e);
	X509 *x = X509_dup(cert_x509(f->issuer));
	assert_true(X509_set_issuer_name(x, X509_get_subject_name(cert_x509(*root))) && X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_free(x);
	return c;
}

static void openssl_verifies_the_chain(void **state)
{
	struct fixture *f = *state;
	struct cert *root = NULL;
	struct cert *capf = ca_signed_capf(f, &root);
	struct cert *direct = issued(f, f->issuer, f->rsa, &lsc_template_default);
	struct cert *below = issued(f, capf, f->ec, &lsc_template_default);
	char command[512];

	if (system("openssl version >/dev/null 2>&1") != 0)
		SKIP_TEST("there is no openssl command");
	write_pem(f, "capf.pem", f->issuer);
	write_pem(f, "root.pem", root);
	write_pem(f, "ca-signed.pem", capf);
	write_pem(f, "lsc.pem", direct);
	write_pem(f, "below.pem", below);
	snprintf(command, sizeof(command),
		 "cd %s && openssl verify -attime %d -x509_strict -purpose sslclient -CAfile capf.pem lsc.pem >/dev/null", f->dir.path,
		 NOW + 1);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command),
		 "cd %s && openssl verify -attime %d -CAfile root.pem -untrusted ca-signed.pem below.pem >/dev/null", f->dir.path,
		 NOW + 1);
	assert_int_equal(system(command), 0);
	/* and not with the wrong issuer */
	snprintf(command, sizeof(command), "cd %s && openssl verify -attime %d -CAfile root.pem lsc.pem >/dev/null 2>&1",
		 f->dir.path, NOW + 1);
	assert_int_not_equal(system(command), 0);
	cert_unref(root);
	cert_unref(capf);
	cert_unref(direct);
	cert_unref(below);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile_as_documented),
		cmocka_unit_test(template_changes_it),
		cmocka_unit_test(never_outlives_its_issuer),
		cmocka_unit_test(issuer_must_be_a_ca),
		cmocka_unit_test(names_and_days),
		cmocka_unit_test(key_must_be_what_was_asked),
		cmocka_unit_test(compressed_points_are_refused),
		cmocka_unit_test(octets_around_and_within),
		cmocka_unit_test(openssl_verifies_the_chain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
