#include "testing.h"

#include <stdlib.h>

#include "net/wheel.h"

#define HORIZON_MS ((uint64_t)WHEEL_TICK_MS * (WHEEL_SLOTS - 1))

static void nothing_comes_early(void **state)
{
	static struct wheel w;
	struct wheel_item item;

	(void)state;
	for (uint64_t due = 5000; due < 5000 + 3 * WHEEL_TICK_MS; due++) {
		uint64_t now = 5000;

		wheel_init(&w, now);
		wheel_add(&w, &item, due);
		for (; !wheel_next(&w); now++)
			wheel_advance(&w, now);
		now--;
		assert_true(now >= due);
		assert_true(now <= due + 2 * WHEEL_TICK_MS);
		assert_null(wheel_next(&w));
	}
}

static void behind_the_horizon_it_comes_early_but_not_at_once(void **state)
{
	static struct wheel w;
	struct wheel_item item;

	(void)state;
	wheel_init(&w, 0);
	wheel_add(&w, &item, 100 * HORIZON_MS);
	wheel_advance(&w, HORIZON_MS - 1);
	assert_null(wheel_next(&w));
	wheel_advance(&w, HORIZON_MS + WHEEL_TICK_MS);
	assert_ptr_equal(wheel_next(&w), &item);
}

static void a_jump_of_time_hands_out_everything(void **state)
{
	static struct wheel w;
	static struct wheel_item items[1000];
	unsigned n = 0;

	(void)state;
	wheel_init(&w, 0);
	for (unsigned i = 0; i < 1000; i++)
		wheel_add(&w, &items[i], i * 16);
	wheel_remove(&items[0]);
	wheel_remove(&items[500]);
	wheel_advance(&w, 1000000000);
	while (wheel_next(&w))
		n++;
	assert_int_equal(n, 998);
	/* It goes on from there. */
	wheel_add(&w, &items[0], 1000000100);
	wheel_advance(&w, 1000000050);
	assert_null(wheel_next(&w));
	wheel_advance(&w, 1000000300);
	assert_ptr_equal(wheel_next(&w), &items[0]);
}

static void ripe_items_can_be_removed(void **state)
{
	static struct wheel w;
	struct wheel_item a, b;

	(void)state;
	wheel_init(&w, 0);
	wheel_add(&w, &a, 10);
	wheel_add(&w, &b, 10);
	wheel_advance(&w, 1000);
	wheel_remove(&a);
	assert_ptr_equal(wheel_next(&w), &b);
	assert_null(wheel_next(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_comes_early),
		cmocka_unit_test(behind_the_horizon_it_comes_early_but_not_at_once),
		cmocka_unit_test(a_jump_of_time_hands_out_everything),
		cmocka_unit_test(ripe_items_can_be_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
