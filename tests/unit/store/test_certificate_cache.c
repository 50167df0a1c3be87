#include "testing.h"

#include "base/text.h"
#include "fixture.h"
#include "store/certificate.h"
#include "store/store_internal.h"

static char *pem_of(const struct cert *c, char hex[65])
{
	struct err e = ERR_INIT;
	char *pem = NULL;

	assert_ok(cert_to_pem(c, &pem, &e), &e);
	text_hex(hex, 65, (struct view){cert_sha256(c), 32}, '\0', false);
	return pem;
}

static void a_certificate_is_taken_apart_once(void **state)
{
	struct cert_cache *k = cert_cache_new();
	struct cert *c = make_cert("a", 1, 1000000);
	struct cert *first = NULL;
	struct cert *second = NULL;
	struct err e = ERR_INIT;
	char hex[65];
	char *pem = pem_of(c, hex);

	(void)state;
	assert_non_null(k);
	assert_ok(cert_cache_get(k, hex, pem, &first, &e), &e);
	assert_ok(cert_cache_get(k, hex, "not even looked at", &second, &e), &e);
	assert_ptr_equal(first, second);
	assert_true(cert_same(first, c));
	cert_cache_free(k); /* what was handed out lives on */
	assert_string_equal(cert_cn(first), "a");
	cert_unref(first);
	cert_unref(second);
	cert_unref(c);
	free(pem);
	cert_cache_free(NULL);
}

static void more_than_it_holds_is_read_again(void **state)
{
	struct cert_cache *k = cert_cache_new();
	struct err e = ERR_INIT;

	(void)state;
	for (long i = 0; i < 3000; i++) {
		struct cert *c = make_cert("a", i % 1500, 1000000);
		struct cert *got = NULL;
		char hex[65];
		char *pem = pem_of(c, hex);
		assert_ok(cert_cache_get(k, hex, pem, &got, &e), &e);
		assert_true(cert_same(got, c));
		cert_unref(got);
		cert_unref(c);
		free(pem);
	}
	cert_cache_free(k);
}

static void a_damaged_row_is_not_believed(void **state)
{
	struct fixture *f = *state;
	static const char *const damages[] = {
		"UPDATE certificate SET certificate = 'x' WHERE commonname = 'a'",
		("UPDATE certificate SET certificate = (SELECT certificate FROM certificate WHERE commonname = 'b') "
		 "WHERE commonname = 'a'"),
		"UPDATE certificate SET sha256 = 'zz' WHERE commonname = 'a'",
	};
	static const struct store_certificate_info info;
	static const struct store_certificate_filter all;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store_certificate *list = NULL;
		struct cert *a = make_cert("a", 10 + (long)i, 1000000 + (time_t)i);
		struct cert *b = make_cert("b", 20 + (long)i, 1000000 + (time_t)i);
		struct err e = ERR_INIT;
		size_t n = 0;

		assert_ok(store_begin(f->s, &e), &e);
		assert_ok(store_certificate_put_trust(f->s, STORE_TRUST_TVS, a, &info, STORE_PUT_COPY, &e), &e);
		assert_ok(store_certificate_put_trust(f->s, STORE_TRUST_TVS, b, &info, STORE_PUT_COPY, &e), &e);
		assert_ok(store_db_exec(f->s, NULL, &e, damages[i], NO_VALUES), &e);
		assert_err(store_certificate_list(f->s, &all, &list, &n, &e), ERR_STORE);
		assert_non_null(strstr(e.text, "in the store"));
		assert_null(list);
		store_rollback(f->s);
		cert_unref(a);
		cert_unref(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_is_taken_apart_once),
		cmocka_unit_test(more_than_it_holds_is_read_again),
		cmocka_unit_test_setup_teardown(a_damaged_row_is_not_believed, fixture_make, fixture_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
