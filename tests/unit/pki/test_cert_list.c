#include "golden.h"

#include <string.h>

#include <openssl/pkcs7.h>

#include "base/cleanup.h"
#include "pki/cert_list.h"

static struct err e;

static void expect(struct view file, size_t n)
{
	struct cert **list = NULL;
	size_t got = 0;

	err_clear(&e);
	assert_ok(cert_list_read(file, &list, &got, &e), &e);
	assert_int_equal(got, n);
	cert_list_free(list, got);
}

static void refuse(struct view file, int class, const char *text)
{
	struct cert **list = NULL;
	size_t got = 0;

	err_clear(&e);
	assert_err(cert_list_read(file, &list, &got, &e), class);
	assert_null(list);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void one_in_either_form(void **state)
{
	struct view pem = golden("certs/tvs.pem"), der = golden("certs/tvs.der");

	(void)state;
	expect(pem, 1);
	expect(der, 1);
	golden_free(pem);
	golden_free(der);
}

static char *join(const char *a, const char *b, const char *c)
{
	char *out = NULL;

	assert_true(asprintf(&out, "%s\n%s\n%s", a, b, c) > 0);
	return out;
}

static void several_in_pem(void **state)
{
	struct view a = golden("certs/tvs.pem"), b = golden("certs/capf1024.pem");
	AUTO(auto_free) char *text = join((const char *)a.p, (const char *)b.p, (const char *)a.p);
	struct cert **list = NULL, *first = golden_cert_file("certs/tvs.pem");
	size_t n;

	(void)state;
	assert_ok(cert_list_read(view_str(text), &list, &n, &e), &e);
	assert_int_equal(n, 2); /* none twice, in the order of the file */
	assert_true(cert_same(list[0], first));
	cert_list_free(list, n);
	cert_unref(first);
	golden_free(a);
	golden_free(b);
}

static PKCS7 *message(struct cert *const *certs, size_t n)
{
	PKCS7 *p7 = PKCS7_new();

	assert_non_null(p7);
	assert_true(PKCS7_set_type(p7, NID_pkcs7_signed));
	assert_true(PKCS7_content_new(p7, NID_pkcs7_data));
	for (size_t i = 0; i < n; i++)
		assert_true(PKCS7_add_certificate(p7, cert_x509(certs[i])));
	return p7;
}

static void pkcs7(void **state)
{
	struct cert *certs[] = {golden_cert_file("certs/tvs.pem"), golden_cert_file("certs/capf1024.pem")};
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	uint8_t *der = NULL;
	char *pem;

	(void)state;
	for (size_t n = 0; n <= 2; n++) {
		PKCS7 *p7 = message(certs, n);
		int len = i2d_PKCS7(p7, &der);
		struct view v = {der, (size_t)len};
		if (n)
			expect(v, n);
		else
			refuse(v, ERR_PROTO, "certificate");
		if (n == 2) {
			assert_true(PEM_write_bio_PKCS7(bio, p7));
			long pem_len = BIO_get_mem_data(bio, &pem);
			expect((struct view){(uint8_t *)pem, (size_t)pem_len}, 2);
			for (size_t cut = 0; cut < v.len; cut += 7)
				refuse((struct view){der, cut}, ERR_PROTO, "");
		}
		OPENSSL_free(der);
		der = NULL;
		PKCS7_free(p7);
	}
	cert_unref(certs[0]);
	cert_unref(certs[1]);
}

static void what_is_refused(void **state)
{
	struct view pem = golden("certs/tvs.pem");
	AUTO(auto_free) uint8_t *large = calloc(1, CERT_LIST_MAX_OCTETS + 1);
	AUTO(auto_free) char *key = join("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", (const char *)pem.p, "");

	(void)state;
	refuse((struct view){NULL, 0}, ERR_PROTO, "no certificate in PEM");
	refuse(view_str("nothing"), ERR_PROTO, "no certificate in PEM");
	refuse((struct view){pem.p, pem.len / 2}, ERR_PROTO, "damaged");
	refuse((struct view){large, CERT_LIST_MAX_OCTETS + 1}, ERR_LIMIT, "larger than");
	refuse(view_str(key), ERR_AUTH, "private key");
	golden_free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_either_form),
		cmocka_unit_test(several_in_pem),
		cmocka_unit_test(pkcs7),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
