#include "testing.h"

#include "fixture.h"
#include "store/recovery.h"

static const char first[] = "1111111111111111111111111111111111111111111111111111111111111111";
static const char second[] = "2222222222222222222222222222222222222222222222222222222222222222";

static struct store_recovery latest(struct store *s)
{
	struct store_recovery r = {0};
	struct err e = ERR_INIT;
	bool found = false;

	assert_ok(store_recovery_latest(s, &r, &found, &e), &e);
	assert_true(found);
	return r;
}

static void an_export_counts_once_it_was_verified(void **state)
{
	struct fixture *f = *state;
	struct store_recovery r;
	struct err e = ERR_INIT;
	bool found = true;

	assert_ok(store_recovery_latest(f->s, &r, &found, &e), &e);
	assert_false(found);
	assert_ok(store_recovery_exported(f->s, first, "ITLRecovery.a CallManager.b", 100, &e), &e);
	r = latest(f->s);
	assert_int_equal(r.exported, 100);
	assert_int_equal(r.verified, 0);
	assert_string_equal(r.sha256, first);
	assert_ok(store_recovery_verified(f->s, first, "ITLRecovery.a CallManager.b", 200, &e), &e);
	assert_ok(store_recovery_exported(f->s, second, "ITLRecovery.c", 300, &e), &e);
	r = latest(f->s); /* a newer export that nobody tried is no way back yet */
	assert_string_equal(r.sha256, first);
	assert_int_equal(r.verified, 200);
	assert_string_equal(r.keys, "ITLRecovery.a CallManager.b");
	assert_ok(store_recovery_verified(f->s, second, "ITLRecovery.c", 400, &e), &e);
	assert_string_equal(latest(f->s).sha256, second);
}

static void a_file_of_an_earlier_life_can_be_verified(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(store_recovery_verified(f->s, first, "ITLRecovery.a", 200, &e), &e);
	struct store_recovery r = latest(f->s);
	assert_int_equal(r.verified, 200);
	assert_string_equal(r.keys, "ITLRecovery.a");
}

static void nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	char keys[2048];
	struct err e = ERR_INIT;

	memset(keys, 'k', sizeof(keys));
	keys[sizeof(keys) - 1] = '\0';
	assert_err(store_recovery_exported(f->s, "1234", "x", 1, &e), ERR_BUG);
	err_clear(&e);
	assert_err(store_recovery_verified(f->s, first, keys, 1, &e), ERR_LIMIT);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(an_export_counts_once_it_was_verified),
		WITH_STORE(a_file_of_an_earlier_life_can_be_verified),
		WITH_STORE(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
