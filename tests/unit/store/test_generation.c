#include "testing.h"

#include "fixture.h"
#include "store/generation.h"

static struct store_generation generation(uint64_t number)
{
	struct store_generation g = {.number = number, .created = 1700000000 + (int64_t)number, .digest = "SHA-512"};

	memset(g.itl_sha256, 'a', 64);
	snprintf(g.signer_key, sizeof(g.signer_key), "ITLRecovery.0123456789abcdef");
	snprintf(g.reason, sizeof(g.reason), "set cert regen CallManager");
	return g;
}

static void add(struct store *s, uint64_t number)
{
	struct store_generation g = generation(number);
	struct err e = ERR_INIT;

	assert_ok(store_generation_add(s, &g, &e), &e);
}

static enum store_generation_state state_of(struct store *s, uint64_t number)
{
	struct store_generation g = {0};
	struct err e = ERR_INIT;
	bool found = false;

	assert_ok(store_generation_get(s, number, &g, &found, &e), &e);
	assert_true(found);
	return g.state;
}

static void the_newest_is_the_current_one(void **state)
{
	struct fixture *f = *state;
	struct store_generation g = {0};
	struct store_generation want = generation(2);
	struct err e = ERR_INIT;
	bool found = true;

	assert_ok(store_generation_latest(f->s, &g, &found, &e), &e);
	assert_false(found);
	add(f->s, 1);
	add(f->s, 2);
	assert_ok(store_generation_latest(f->s, &g, &found, &e), &e);
	assert_true(found);
	want.state = STORE_GENERATION_CURRENT;
	assert_memory_equal(&g, &want, sizeof(g));
	assert_int_equal(state_of(f->s, 1), STORE_GENERATION_KEPT);
	assert_ok(store_generation_get(f->s, 3, &g, &found, &e), &e);
	assert_false(found);
}

static void the_last_ctl_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct store_generation g = generation(1);
	struct err e = ERR_INIT;
	uint32_t last = 1;

	assert_ok(store_generation_last_ctl(f->s, &last, &e), &e);
	assert_int_equal(last, 0);
	g.ctl_timestamp = UINT32_MAX - 1;
	assert_ok(store_generation_add(f->s, &g, &e), &e);
	add(f->s, 2); /* which has none */
	assert_ok(store_generation_set_state(f->s, 1, STORE_GENERATION_GONE, &e), &e);
	assert_ok(store_generation_last_ctl(f->s, &last, &e), &e);
	assert_int_equal(last, UINT32_MAX - 1);
}

static void numbers_rise_by_one(void **state)
{
	struct fixture *f = *state;
	static const uint64_t wrong[] = {0, 1, 3, UINT64_MAX};

	add(f->s, 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct store_generation g = generation(wrong[i]);
		struct err e = ERR_INIT;
		assert_err(store_generation_add(f->s, &g, &e), ERR_USAGE);
	}
	assert_int_equal(state_of(f->s, 1), STORE_GENERATION_CURRENT);
}

static void the_list_is_newest_first(void **state)
{
	struct fixture *f = *state;
	struct store_generation *list = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	for (uint64_t i = 1; i <= 20; i++)
		add(f->s, i);
	assert_ok(store_generation_list(f->s, 3, &list, &n, &e), &e);
	assert_int_equal(n, 3);
	assert_int_equal(list[0].number, 20);
	assert_int_equal(list[2].number, 18);
	free(list);
	assert_ok(store_generation_list(f->s, 0, &list, &n, &e), &e);
	assert_int_equal(n, 20);
	free(list);
}

static void only_earlier_ones_change_their_state(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	add(f->s, 1);
	add(f->s, 2);
	assert_ok(store_generation_set_state(f->s, 1, STORE_GENERATION_GONE, &e), &e);
	assert_int_equal(state_of(f->s, 1), STORE_GENERATION_GONE);
	assert_ok(store_generation_set_state(f->s, 1, STORE_GENERATION_KEPT, &e), &e);
	assert_err(store_generation_set_state(f->s, 2, STORE_GENERATION_GONE, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_generation_set_state(f->s, 1, STORE_GENERATION_CURRENT, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_generation_set_state(f->s, 7, STORE_GENERATION_GONE, &e), ERR_USAGE);
	assert_int_equal(state_of(f->s, 2), STORE_GENERATION_CURRENT);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(the_newest_is_the_current_one),
		WITH_STORE(the_last_ctl_is_remembered),
		WITH_STORE(numbers_rise_by_one),
		WITH_STORE(the_list_is_newest_first),
		WITH_STORE(only_earlier_ones_change_their_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
