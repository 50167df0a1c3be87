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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
