#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void reads_big_endian(void **state)
{
	const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
	struct rd r;
	uint8_t a = 0;
	uint16_t b = 0;
	uint32_t c = 0, d = 0;

	(void)state;
	rd_init(&r, in, sizeof(in));
	assert_true(rd_u8(&r, &a) && rd_u16(&r, &b) && rd_u24(&r, &c) && rd_u32(&r, &d));
	assert_int_equal(a, 1);
	assert_int_equal(b, 0x0203);
	assert_int_equal(c, 0x040506);
	assert_int_equal(d, 0x0708090a);
	assert_true(rd_done(&r));
	assert_int_equal(rd_offset(&r), 10);
}

static void failure_moves_nothing_and_stays(void **state)
{
	const uint8_t in[] = {0, 9, 1};
	struct rd r, sub;
	uint8_t v;

	(void)state;
	rd_init(&r, in, sizeof(in));
	assert_false(rd_prefixed16(&r, &sub));
	assert_int_equal(rd_offset(&r), 0);
	assert_false(rd_u8(&r, &v));
	assert_false(rd_done(&r));
}

static void child_keeps_absolute_offset(void **state)
{
	const uint8_t in[] = {7, 0, 2, 8, 9, 1};
	struct rd r, sub;
	uint8_t v;

	(void)state;
	rd_init(&r, in, sizeof(in));
	assert_true(rd_u8(&r, &v) && rd_prefixed16(&r, &sub) && rd_u8(&sub, &v));
	assert_int_equal(v, 8);
	assert_int_equal(rd_offset(&sub), 4);
	assert_int_equal(rd_offset(&r), 5);
	assert_true(rd_skip(&r, 1));
	assert_true(rd_done(&r));
}

static void every_cut_of_a_schema_fails(void **state)
{
	const uint8_t in[] = {1, 0, 3, 'a', 'b', 'c', 0, 0, 0, 5};

	(void)state;
	for (size_t n = 0; n <= sizeof(in); n++) {
		struct rd r;
		struct view v;
		uint8_t a;
		uint32_t b;
		rd_init(&r, in, n);
		bool ok = rd_u8(&r, &a) && rd_view16(&r, &v) && rd_u32(&r, &b) && rd_done(&r);
		assert_int_equal(ok, n == sizeof(in));
	}
}

static void writes_prefixes(void **state)
{
	const uint8_t want[] = {3, 0, 5, 4, 0, 2, 1, 2};
	struct err e = ERR_INIT;
	struct wr w;
	uint8_t *data;
	size_t len;

	(void)state;
	wr_init(&w, 100);
	wr_u8(&w, 3);
	wr_open16(&w);
	wr_u8(&w, 4);
	wr_open16(&w);
	wr_bytes(&w, "\1\2", 2);
	wr_close(&w);
	wr_close(&w);
	assert_ok(wr_finish(&w, &data, &len, &e), &e);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(data, want, len);
	free(data);
}

static void refuses_an_open_prefix_and_a_full_buffer(void **state)
{
	struct err e = ERR_INIT;
	struct wr w;
	uint8_t *data;
	size_t len;

	(void)state;
	wr_init(&w, 100);
	wr_open16(&w);
	assert_err(wr_finish(&w, &data, &len, &e), ERR_BUG);
	err_clear(&e);
	wr_init(&w, 3);
	assert_true(wr_u16(&w, 1));
	assert_false(wr_u16(&w, 1));
	assert_false(wr_u8(&w, 1)); /* stays failed although it would fit */
	assert_err(wr_finish(&w, &data, &len, &e), ERR_LIMIT);
}

static void prefix_overflow_is_a_limit(void **state)
{
	struct err e = ERR_INIT;
	struct wr w;
	uint8_t *data;
	size_t len;

	(void)state;
	wr_init(&w, 100000);
	wr_open16(&w);
	wr_fill(&w, 0, 65536);
	assert_false(wr_close(&w));
	assert_err(wr_finish(&w, &data, &len, &e), ERR_LIMIT);
}

static void inserts(void **state)
{
	struct err e = ERR_INIT;
	struct wr w;
	uint8_t *data;
	size_t len;

	(void)state;
	wr_init(&w, 10);
	wr_bytes(&w, "ad", 2);
	wr_insert(&w, 1, "bc", 2);
	assert_ok(wr_finish(&w, &data, &len, &e), &e);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "abcd", 4);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_big_endian),
		cmocka_unit_test(failure_moves_nothing_and_stays),
		cmocka_unit_test(child_keeps_absolute_offset),
		cmocka_unit_test(every_cut_of_a_schema_fails),
		cmocka_unit_test(writes_prefixes),
		cmocka_unit_test(refuses_an_open_prefix_and_a_full_buffer),
		cmocka_unit_test(prefix_overflow_is_a_limit),
		cmocka_unit_test(inserts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
