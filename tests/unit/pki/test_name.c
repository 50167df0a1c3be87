#include "testing.h"

#include <string.h>

#include "golden.h"
#include "pki/cert.h"
#include "pki/name.h"
#include "pki/ossl.h"

static struct cert *load(const char *name)
{
	struct view der = golden(name);
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(cert_from_der(der, &c, &e), &e);
	golden_free(der);
	return c;
}

static void assert_subject(const struct cert *c, enum name_form form, const char *expected)
{
	char text[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	assert_ok(name_from_der(cert_subject_der(c), form, text, sizeof(text), &e), &e);
	assert_string_equal(text, expected);
}

/* A DER Name of the given "TYPE=value" pairs in order; '+' in front joins the previous RDN. The caller frees der.p. */
static struct view make_name(const char *const *pairs, size_t n)
{
	X509_NAME *name = X509_NAME_new();
	uint8_t *der = NULL;

	for (size_t i = 0; i < n; i++) {
		char type[32];
		bool joined = pairs[i][0] == '+';
		const char *pair = pairs[i] + joined;
		const char *eq = strchr(pair, '=');
		memcpy(type, pair, (size_t)(eq - pair));
		type[eq - pair] = '\0';
		assert_true(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const uint8_t *)eq + 1, -1, -1,
						       joined ? -1 : 0));
	}
	int len = i2d_X509_NAME(name, &der);
	assert_true(len > 0);
	X509_NAME_free(name);
	return (struct view){der, (size_t)len};
}

static void free_name(struct view der)
{
	OPENSSL_free((void *)(uintptr_t)der.p);
}

static void form_a_has_a_fixed_order(void **state)
{
	struct cert *c = load("certs/pub1024.der");

	(void)state;
	assert_subject(c, NAME_FORM_A, "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL");
	assert_int_equal(strlen(cert_subject(c)) + 1, 62); /* as printed */
	cert_unref(c);
}

static void form_a_drops_other_attributes(void **state)
{
	struct cert *c = load("certs/itlsigner.der");

	(void)state;
	assert_string_equal(cert_issuer(c), "CN=JASBURNS-AD");
	assert_int_equal(strlen(cert_issuer(c)) + 1, 15);
	cert_unref(c);
}

static void form_b_is_cut_at_the_comma(void **state)
{
	struct cert *c = load("certs/etoken1.der");
	char issuer[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	(void)state;
	assert_subject(c, NAME_FORM_B, "cn=\"SAST-ADN0054f509        \";ou=IPCBU;o=\"Cisco Systems");
	assert_ok(name_from_der(cert_issuer_der(c), NAME_FORM_B, issuer, sizeof(issuer), &e), &e);
	assert_string_equal(issuer, "cn=Cisco Manufacturing CA;o=Cisco Systems");
	cert_unref(c);
}

static void form_c_is_in_certificate_order(void **state)
{
	struct cert *sast = load("certs/sast2048.der");
	struct cert *token = load("certs/etoken1.der");
	struct cert *itl = load("certs/itlsigner.der");
	char issuer[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	(void)state;
	assert_subject(sast, NAME_FORM_C, "CN=SAST,O=SAST,OU=SAST");
	assert_subject(token, NAME_FORM_C, "O=Cisco Systems\\, Inc.,OU=IPCBU,CN=SAST-ADN0054f509       \\ ");
	assert_ok(name_from_der(cert_issuer_der(itl), NAME_FORM_C, issuer, sizeof(issuer), &e), &e);
	assert_string_equal(issuer, "DC=lab,DC=bbburns,CN=JASBURNS-AD");
	cert_unref(sast);
	cert_unref(token);
	cert_unref(itl);
}

static void form_c_escapes(void **state)
{
	/* DER sorts the members of a set, so title comes first */
	static const char *const pairs[] = {"CN=#a+b", "O= x;<y>\"\\ ", "emailAddress=a@b", "+title=t"};
	struct view der = make_name(pairs, 4);
	char text[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(name_from_der(der, NAME_FORM_C, text, sizeof(text), &e), &e);
	assert_string_equal(text, "CN=\\#a\\+b,O=\\ x\\;\\<y\\>\\\"\\\\\\ ,2.5.4.12=t+1.2.840.113549.1.9.1=a@b");
	free_name(der);
}

static void form_a_cannot_be_divided_by_a_value(void **state)
{
	static const char *const evil_pairs[] = {"CN=pub;O=Cisco"};
	static const char *const good_pairs[] = {"O=Cisco", "CN=pub"};
	struct view evil = make_name(evil_pairs, 1);
	struct view good = make_name(good_pairs, 2);
	char a[NAME_MAX_LEN];
	char b[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(name_from_der(evil, NAME_FORM_A, a, sizeof(a), &e), &e);
	assert_ok(name_from_der(good, NAME_FORM_A, b, sizeof(b), &e), &e);
	assert_string_equal(a, "CN=pub\\;O=Cisco");
	assert_false(name_same(view_str(a), view_str(b)));
	free_name(evil);
	free_name(good);
}

static void malformed_names(void **state)
{
	static const uint8_t nul_in_cn[] = {0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55,
					    0x04, 0x03, 0x0c, 0x04, 'a',  0x00, 'b',  'c'};
	struct view nul = {nul_in_cn, sizeof(nul_in_cn)};
	struct cert *c = load("certs/pub1024.der");
	struct view der = cert_subject_der(c);
	uint8_t longer[256];
	char text[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	(void)state;
	assert_err(name_from_der(nul, NAME_FORM_A, text, sizeof(text), &e), ERR_PROTO);
	assert_string_equal(e.rule, "name-nul");
	err_clear(&e);
	assert_ok(name_from_der(nul, NAME_FORM_C, text, sizeof(text), &e), &e);
	assert_string_equal(text, "CN=a\\00bc");
	for (size_t len = 0; len < der.len; len++)
		assert_err(name_from_der((struct view){der.p, len}, NAME_FORM_A, text, sizeof(text), NULL), ERR_PROTO);
	memcpy(longer, der.p, der.len);
	longer[der.len] = 0;
	assert_err(name_from_der((struct view){longer, der.len + 1}, NAME_FORM_A, text, sizeof(text), NULL), ERR_PROTO);
	assert_err(name_from_der(der, NAME_FORM_A, text, 61, NULL), ERR_LIMIT);
	assert_ok(name_from_der(der, NAME_FORM_A, text, 62, &e), &e);
	cert_unref(c);
}

static void octets_first_then_normalised(void **state)
{
	struct view a = view_str("CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL");

	(void)state;
	assert_true(name_same(a, a));
	assert_true(name_same(a, (struct view){(const uint8_t *)"CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;"
								"ST=Malopolska;C=PL\0\0junk", 68}));
	assert_true(name_same(a, view_str("C=PL,O=Cisco,OU=TAC,CN=cucm-1051-a-pub,ST=Malopolska,L=Krakow")));
	assert_true(name_same(a, view_str("cn=\"cucm-1051-a-pub\"; ou = TAC ;o=Cisco;l=Krakow;st=Malopolska;c=PL;")));
	assert_false(name_same(a, view_str("CN=cucm-1051-a-sub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL")));
	assert_false(name_same(a, view_str("CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska")));
	assert_false(name_same(a, view_str("CN=CUCM-1051-A-PUB;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL")));
	assert_false(name_same(a, (struct view){0}));
	assert_false(name_same(view_str(";;"), view_str(",")));
	assert_true(name_same(view_str(""), view_str("")));
}

static void quotes_and_escapes(void **state)
{
	(void)state;
	assert_true(name_same(view_str("CN=\"a;b\";O=x"), view_str("CN=a\\;b,O=x")));
	assert_false(name_same(view_str("CN=\"a;b\";O=x"), view_str("CN=a;b;O=x")));
	assert_true(name_same(view_str("o=\"Cisco Systems"), view_str("O=Cisco Systems")));
	assert_true(name_same(view_str("o=\"Cisco; Systems"), view_str("O=Cisco\\; Systems")));
	assert_true(name_same(view_str("CN=\"SAST        \";O=x"), view_str("O=x,CN=SAST       \\ ")));
	assert_true(name_same(view_str("CN=a\\\"b"), view_str("cn=\"a\\\"b\"")));
	assert_true(name_same(view_str("CN=a=b"), view_str("CN=\"a=b\"")));
	assert_false(name_same(view_str("OU=a,OU=b"), view_str("OU=a,OU=a")));
	assert_true(name_same(view_str("OU=b,OU=a"), view_str("OU=a,OU=b")));
}

static void a_name_matches_a_certificate_in_every_form(void **state)
{
	struct cert *token = load("certs/etoken1.der");
	struct cert *itl = load("certs/itlsigner.der");
	struct cert *pub = load("certs/pub1024.der");
	struct view der = cert_subject_der(token);

	(void)state;
	assert_true(name_matches_der(view_str("cn=\"SAST-ADN0054f509        \";ou=IPCBU;o=\"Cisco Systems"), der));
	assert_true(name_matches_der(view_str("O=Cisco Systems\\, Inc.,OU=IPCBU,CN=SAST-ADN0054f509       \\ "), der));
	assert_true(name_matches_der(view_str("CN=SAST-ADN0054f509        ;OU=IPCBU;O=Cisco Systems, Inc."), der));
	assert_true(name_matches_der(view_str("CN=SAST-ADN0054f509;OU=IPCBU;O=\"Cisco Systems, Inc.\""), der));
	assert_false(name_matches_der(view_str("CN=SAST-ADN0054f50a;OU=IPCBU;O=\"Cisco Systems, Inc.\""), der));
	assert_true(name_matches_der(view_str("CN=JASBURNS-AD"), cert_issuer_der(itl)));
	assert_true(name_matches_der(view_str("DC=lab,DC=bbburns,CN=JASBURNS-AD"), cert_issuer_der(itl)));
	assert_false(name_matches_der(view_str("DC=lab,DC=bbburns"), cert_issuer_der(itl)));
	assert_false(name_matches_der(view_str(""), cert_issuer_der(itl)));
	assert_false(name_matches_der(view_str("CN=cucm-1051-a-pub"), cert_subject_der(pub)));
	assert_false(name_matches_der(view_str("CN=x"), (struct view){(const uint8_t *)"x", 1}));
	cert_unref(token);
	cert_unref(itl);
	cert_unref(pub);
}

static void values_by_type(void **state)
{
	struct view a = view_str("cn=\"SAST-ADN0054f509        \";ou=IPCBU;o=\"Cisco Systems");
	char out[32];

	(void)state;
	assert_true(name_get(a, "CN", out, sizeof(out)));
	assert_string_equal(out, "SAST-ADN0054f509");
	assert_true(name_get(a, "o", out, sizeof(out)));
	assert_string_equal(out, "Cisco Systems");
	assert_false(name_get(a, "L", out, sizeof(out)));
	assert_false(name_get(a, "CN", out, 16));
	assert_true(name_get(view_str("CN=;O=x"), "CN", out, sizeof(out)));
	assert_string_equal(out, "");
}

static void keys(void **state)
{
	char key[NAME_KEY_MAX];

	(void)state;
	assert_int_equal(name_key(view_str("O=b,CN=a,DC=lab"), false, key, sizeof(key)), 16);
	assert_memory_equal(key, "CN=a\0DC=lab\0O=b", 16);
	assert_int_equal(name_key(view_str("O=b,CN=a,DC=lab"), true, key, sizeof(key)), 9);
	assert_memory_equal(key, "CN=a\0O=b", 9);
	assert_int_equal(name_key(view_str("O=b,CN=a,DC=lab"), true, key, 8), 0);
	assert_int_equal(name_key(view_str("DC=lab"), true, key, sizeof(key)), 0);
}

static void names_of_any_length(void **state)
{
	char big[70000] = "CN=";

	(void)state;
	memset(big + 3, 'a', sizeof(big) - 4);
	assert_true(name_same(view_str(big), view_str(big)));
	assert_false(name_same(view_str(big), view_str("CN=a")));
	memset(big, ';', sizeof(big) - 1);
	assert_false(name_same(view_str(big), view_str("CN=a")));
	memset(big, '\\', sizeof(big) - 1);
	assert_false(name_same(view_str(big), view_str("CN=a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_a_has_a_fixed_order),
		cmocka_unit_test(form_a_drops_other_attributes),
		cmocka_unit_test(form_b_is_cut_at_the_comma),
		cmocka_unit_test(form_c_is_in_certificate_order),
		cmocka_unit_test(form_c_escapes),
		cmocka_unit_test(form_a_cannot_be_divided_by_a_value),
		cmocka_unit_test(malformed_names),
		cmocka_unit_test(octets_first_then_normalised),
		cmocka_unit_test(quotes_and_escapes),
		cmocka_unit_test(a_name_matches_a_certificate_in_every_form),
		cmocka_unit_test(values_by_type),
		cmocka_unit_test(keys),
		cmocka_unit_test(names_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
