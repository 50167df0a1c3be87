#include "testing.h"

#include "base/text.h"
#include "fixture.h"
#include "store/devicecert.h"

#define PHONE "SEP001122334455"

static int setup(void **state)
{
	struct err e = ERR_INIT;

	fixture_make(state);
	struct fixture *f = *state;
	assert_ok(store_device_add(f->s, &(struct store_device){.name = PHONE}, &e), &e);
	return 0;
}

static void put(struct fixture *f, enum devicecert_kind kind, enum devicecert_state state, const struct cert *c,
		int64_t when)
{
	struct err e = ERR_INIT;

	assert_ok(store_devicecert_put(f->s, PHONE, kind, state, c, when, &e), &e);
}

static struct store_device device(struct fixture *f)
{
	struct store_device d;
	struct err e = ERR_INIT;
	bool found = false;

	assert_ok(store_device_get(f->s, PHONE, &d, &found, &e), &e);
	assert_true(found);
	return d;
}

static void name_of(const struct cert *c, char sha256[65])
{
	text_hex(sha256, 65, (struct view){cert_sha256(c), 32}, '\0', false);
}

static void assert_state(struct fixture *f, const struct cert *c, enum devicecert_state state)
{
	char sha256[65];
	struct store_devicecert dc;
	struct cert *back = NULL;
	struct err e = ERR_INIT;
	bool found = false;

	name_of(c, sha256);
	assert_ok(store_devicecert_get(f->s, PHONE, sha256, &dc, &back, &found, &e), &e);
	assert_true(found);
	assert_int_equal(dc.state, state);
	assert_string_equal(dc.device, PHONE);
	assert_string_equal(dc.issuer, cert_issuer(c));
	assert_int_equal(dc.not_before, cert_not_before(c));
	assert_int_equal(dc.not_after, cert_not_after(c));
	assert_true(cert_same(back, c));
	cert_unref(back);
}

/* An issued LSC is not the phone's before it says so; a later one takes its place. */
static void one_lsc_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct cert *first = make_cert("one", 1, 1780000000), *second = make_cert("two", 2, 1790000000);
	struct cert *now = first;
	struct err e = ERR_INIT;
	char sha256[65];

	put(f, DEVICECERT_LSC, DEVICECERT_ISSUED, first, 10);
	assert_string_equal(device(f).lsc.sha256, "");
	assert_ok(store_devicecert_current(f->s, PHONE, DEVICECERT_LSC, &now, &e), &e);
	assert_null(now);

	put(f, DEVICECERT_LSC, DEVICECERT_STORED, first, 11);
	name_of(first, sha256);
	assert_string_equal(device(f).lsc.sha256, sha256);
	assert_int_equal(device(f).lsc.not_after, cert_not_after(first));
	assert_ok(store_device_proven(f->s, PHONE, sha256, 12, &e), &e);
	assert_int_equal(device(f).lsc_proven, 12);
	put(f, DEVICECERT_LSC, DEVICECERT_STORED, first, 13);
	assert_int_equal(device(f).lsc_proven, 12); /* the same certificate again */

	put(f, DEVICECERT_LSC, DEVICECERT_ISSUED, second, 20);
	assert_string_equal(device(f).lsc.sha256, sha256);
	put(f, DEVICECERT_LSC, DEVICECERT_STORED, second, 21);
	assert_state(f, first, DEVICECERT_SUPERSEDED);
	assert_state(f, second, DEVICECERT_STORED);
	assert_int_equal(device(f).lsc_proven, 0);
	assert_ok(store_device_proven(f->s, PHONE, sha256, 22, &e), &e); /* the old one proves nothing */
	assert_int_equal(device(f).lsc_proven, 0);
	assert_ok(store_devicecert_current(f->s, PHONE, DEVICECERT_LSC, &now, &e), &e);
	assert_true(cert_same(now, second));
	cert_unref(now);
	cert_unref(first);
	cert_unref(second);
}

static void a_deleted_lsc_is_no_ones(void **state)
{
	struct fixture *f = *state;
	struct cert *lsc = make_cert("one", 1, 1780000000), *mic = make_cert("mic", 2, 1500000000);
	struct err e = ERR_INIT;
	char sha256[65];
	bool found = true;

	name_of(lsc, sha256);
	assert_ok(store_devicecert_state(f->s, PHONE, sha256, DEVICECERT_DELETED, 1, &found, &e), &e);
	assert_false(found);
	put(f, DEVICECERT_LSC, DEVICECERT_STORED, lsc, 10);
	put(f, DEVICECERT_MIC, DEVICECERT_STORED, mic, 10);
	assert_ok(store_device_proven(f->s, PHONE, sha256, 12, &e), &e);
	assert_ok(store_devicecert_state(f->s, PHONE, sha256, DEVICECERT_DELETED, 20, &found, &e), &e);
	assert_true(found);
	assert_state(f, lsc, DEVICECERT_DELETED);
	assert_state(f, mic, DEVICECERT_STORED);
	assert_string_equal(device(f).lsc.sha256, "");
	assert_int_equal(device(f).lsc_proven, 0);
	name_of(mic, sha256);
	assert_string_equal(device(f).mic.sha256, sha256);
	cert_unref(lsc);
	cert_unref(mic);
}

static void certificates_go_with_the_phone(void **state)
{
	struct fixture *f = *state;
	struct cert *lsc = make_cert("one", 1, 1780000000);
	struct err e = ERR_INIT;

	put(f, DEVICECERT_LSC, DEVICECERT_STORED, lsc, 10);
	assert_ok(store_device_delete(f->s, PHONE, &e), &e);
	assert_int_equal(query_number(f->s, "select count(*) from devicecertificate"), 0);
	assert_err(store_devicecert_put(f->s, PHONE, DEVICECERT_LSC, DEVICECERT_ISSUED, lsc, 1, &e), ERR_USAGE);
	cert_unref(lsc);
}

static int count(void *ctx, const struct store_devicecert *dc)
{
	assert_string_equal(dc->device, PHONE);
	++*(int *)ctx;
	return 0;
}

/* make_cert's last 365 days: due after 243 and a third of them. */
static void renewal_is_due_after_two_thirds(void **state)
{
	struct fixture *f = *state;
	struct cert *lsc = make_cert("one", 1, 1780000000), *mic = make_cert("mic", 2, 1500000000);
	const int64_t due = 1780000000 + INT64_C(86400) * 365 / 3 * 2;
	struct err e = ERR_INIT;
	int n = 0;

	put(f, DEVICECERT_MIC, DEVICECERT_STORED, mic, 10);
	put(f, DEVICECERT_LSC, DEVICECERT_ISSUED, lsc, 10);
	assert_ok(store_devicecert_list_due(f->s, due, 0, count, &n, &e), &e);
	assert_int_equal(n, 0);
	put(f, DEVICECERT_LSC, DEVICECERT_STORED, lsc, 11);
	assert_ok(store_devicecert_list_due(f->s, due - 1, 0, count, &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(store_devicecert_list_due(f->s, due, 0, count, &n, &e), &e);
	assert_int_equal(n, 1);
	n = 0;
	assert_ok(store_devicecert_list(f->s, PHONE, count, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_ok(store_devicecert_list(f->s, NULL, count, &n, &e), &e);
	assert_int_equal(n, 4);
	assert_ok(store_devicecert_list(f->s, "SEP9", count, &n, &e), &e);
	assert_int_equal(n, 4);
	cert_unref(lsc);
	cert_unref(mic);
}

#define WITH_PHONE(test) cmocka_unit_test_setup_teardown(test, setup, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PHONE(one_lsc_at_a_time),
		WITH_PHONE(a_deleted_lsc_is_no_ones),
		WITH_PHONE(certificates_go_with_the_phone),
		WITH_PHONE(renewal_is_due_after_two_thirds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
