#include "testing.h"

#include <string.h>

#include "pki/der.h"

#define OCTETS(...) ((struct view){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
#define READER(...) reader(OCTETS(__VA_ARGS__))

static struct rd reader(struct view octets)
{
	struct rd r;

	rd_init(&r, octets.p, octets.len);
	return r;
}

static void reads_nested_elements(void **state)
{
	struct rd r = READER(0x30, 0x06, 0x02, 0x01, 0x05, 0x04, 0x01, 0xaa);
	struct rd seq;
	struct view v;

	(void)state;
	assert_true(der_open(&r, DER_SEQUENCE, &seq));
	assert_true(der_unsigned(&seq, &v));
	assert_int_equal(v.len, 1);
	assert_int_equal(v.p[0], 5);
	assert_true(der_whole(&seq, DER_OCTET_STRING, &v));
	assert_int_equal(v.len, 3);
	assert_true(rd_done(&seq));
	assert_true(rd_done(&r));
}

static void long_lengths_must_be_minimal(void **state)
{
	uint8_t big[3 + 0x80] = {0x04, 0x81, 0x80};
	struct view v;
	struct rd r;

	(void)state;
	rd_init(&r, big, sizeof(big));
	assert_true(der_view(&r, DER_OCTET_STRING, &v));
	assert_int_equal(v.len, 0x80);
	r = READER(0x04, 0x81, 0x01, 0x00);
	assert_false(der_view(&r, DER_OCTET_STRING, &v));
	r = READER(0x04, 0x82, 0x00, 0x01, 0x00);
	assert_false(der_view(&r, DER_OCTET_STRING, &v));
	r = READER(0x04, 0x83, 0x00, 0x00, 0x01, 0x00);
	assert_false(der_view(&r, DER_OCTET_STRING, &v));
	r = READER(0x04, 0x80, 0x00, 0x00); /* indefinite */
	assert_false(der_view(&r, DER_OCTET_STRING, &v));
	r = READER(0x04, 0x84, 0x00, 0x00, 0x00, 0x00);
	assert_false(der_view(&r, DER_OCTET_STRING, &v));
}

static void a_failed_reader_stays_failed(void **state)
{
	struct rd r = READER(0x02, 0x01, 0x05, 0x02, 0x01, 0x06);
	struct view v = {0};

	(void)state;
	assert_false(der_skip(&r, DER_SEQUENCE));
	assert_false(der_unsigned(&r, &v));
	assert_null(v.p);
	assert_false(rd_done(&r));
}

static void truncation(void **state)
{
	static const uint8_t octets[] = {0x30, 0x03, 0x02, 0x01, 0x05};

	(void)state;
	for (size_t len = 0; len < sizeof(octets); len++) {
		struct rd r;
		struct rd seq;
		rd_init(&r, octets, len);
		assert_false(der_open(&r, DER_SEQUENCE, &seq));
	}
}

static void integers(void **state)
{
	struct view v;
	struct rd r = READER(0x02, 0x02, 0x00, 0x80);

	(void)state;
	assert_true(der_unsigned(&r, &v));
	assert_int_equal(v.len, 1);
	assert_int_equal(v.p[0], 0x80);
	r = READER(0x02, 0x01, 0x00);
	assert_true(der_unsigned(&r, &v));
	assert_int_equal(v.len, 1);
	r = READER(0x02, 0x01, 0x80); /* negative */
	assert_false(der_unsigned(&r, &v));
	r = READER(0x02, 0x02, 0x00, 0x7f); /* not minimal */
	assert_false(der_unsigned(&r, &v));
	r = READER(0x02, 0x00);
	assert_false(der_unsigned(&r, &v));
}

static void bit_strings(void **state)
{
	struct view v;
	struct rd r = READER(0x03, 0x02, 0x00, 0xab);

	(void)state;
	assert_true(der_bit_string(&r, &v));
	assert_int_equal(v.len, 1);
	r = READER(0x03, 0x02, 0x01, 0xaa);
	assert_false(der_bit_string(&r, &v));
	r = READER(0x03, 0x00);
	assert_false(der_bit_string(&r, &v));
}

static void tags_of_several_octets_are_refused(void **state)
{
	struct rd r = READER(0x1f, 0x81, 0x01, 0x00);
	struct rd body;
	uint8_t tag;

	(void)state;
	assert_false(der_any(&r, &tag, &body));
}

static void assert_written(struct wr *w, const uint8_t *want, size_t n)
{
	assert_int_equal(w->failed, 0);
	assert_int_equal(w->len, n);
	assert_memory_equal(w->p, want, n);
	wr_clear(w);
}
#define ASSERT_WRITTEN(w, ...) assert_written(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void writes_from_the_inside_out(void **state)
{
	static const uint8_t number[] = {0, 0, 0x80};
	struct wr w;

	(void)state;
	wr_init(&w, 1 << 20);
	assert_true(wr_u8(&w, 0x99)); /* what stood there before stays outside */
	assert_true(der_put_unsigned(&w, (struct view){number, sizeof(number)}));
	assert_true(der_put_unsigned(&w, (struct view){number, 2}));
	assert_true(der_put(&w, DER_UTF8_STRING, view_str("x")));
	assert_true(der_wrap(&w, DER_SEQUENCE, 1));
	ASSERT_WRITTEN(&w, 0x99, 0x30, 10, 0x02, 2, 0, 0x80, 0x02, 1, 0, 0x0c, 1, 'x');
}

/* Every length that takes another form is read back as it was written. */
static void lengths_that_are_written_can_be_read(void **state)
{
	static const size_t lengths[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000};
	struct view v;
	struct wr w;
	struct rd r;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		wr_init(&w, 1 << 20);
		assert_true(wr_fill(&w, 0x5a, lengths[i]));
		assert_true(der_wrap(&w, DER_OCTET_STRING, 0));
		rd_init(&r, w.p, w.len);
		assert_true(der_view(&r, DER_OCTET_STRING, &v));
		assert_true(rd_done(&r));
		assert_int_equal(v.len, lengths[i]);
		wr_clear(&w);
	}
	wr_init(&w, 4);
	assert_true(wr_fill(&w, 1, 4));
	assert_false(der_wrap(&w, DER_OCTET_STRING, 0)); /* no room for its head */
	wr_clear(&w);
}

static void times(void **state)
{
	struct wr w;

	(void)state;
	wr_init(&w, 64);
	assert_true(der_put_time(&w, 2524607999)); /* the last second of 2049 */
	ASSERT_WRITTEN(&w, 0x17, 13, '4', '9', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', 'Z');
	assert_true(der_put_time(&w, 2524608000));
	ASSERT_WRITTEN(&w, 0x18, 15, '2', '0', '5', '0', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z');
	assert_false(der_put_time(&w, -2524608000)); /* 1890 */
	assert_false(der_put_time(&w, INT64_C(253402300800)));
	wr_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_nested_elements),
		cmocka_unit_test(long_lengths_must_be_minimal),
		cmocka_unit_test(a_failed_reader_stays_failed),
		cmocka_unit_test(truncation),
		cmocka_unit_test(integers),
		cmocka_unit_test(bit_strings),
		cmocka_unit_test(tags_of_several_octets_are_refused),
		cmocka_unit_test(writes_from_the_inside_out),
		cmocka_unit_test(lengths_that_are_written_can_be_read),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
