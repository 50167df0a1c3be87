#include "testing.h"

#include "pki/name.h"

/* Each test is a sentence of formats-and-protocols.md 1.11. */
#define OCTETS(...) ((struct view){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void leading_zeros_do_not_count(void **state)
{
	struct view with_sign = OCTETS(0x00, 0xa1, 0x11);
	struct view minimal = OCTETS(0xa1, 0x11);

	(void)state;
	assert_true(serial_same(with_sign, minimal));
	assert_true(serial_same(minimal, with_sign));
	assert_true(serial_matches_cert(with_sign, minimal));
	assert_int_equal(serial_strip(OCTETS(0x00, 0x00, 0xa1)).len, 1);
	assert_false(serial_same(minimal, OCTETS(0xa1, 0x12)));
	assert_false(serial_same(minimal, OCTETS(0xa1, 0x11, 0x00)));
}

static void zero_is_one_octet(void **state)
{
	struct view zero = OCTETS(0x00);
	struct view empty = {zero.p, 0};
	struct view absent = {0};

	(void)state;
	assert_int_equal(serial_strip(OCTETS(0x00, 0x00)).len, 1);
	assert_true(serial_same(zero, empty));
	assert_true(serial_matches_cert(empty, zero));
	assert_false(serial_same(zero, absent));
	assert_false(serial_same(absent, absent));
	assert_false(serial_matches_cert(absent, zero));
}

static void token_records_are_byte_reversed(void **state)
{
	/* printed by `show ctl`, and the serial of the same token's certificate */
	struct view tlv = OCTETS(0x3c, 0xf9, 0x27, 0x00, 0x00, 0x00, 0xaf, 0xa2, 0xda, 0x45);
	struct view cert = OCTETS(0x45, 0xda, 0xa2, 0xaf, 0x00, 0x00, 0x00, 0x27, 0xf9, 0x3c);

	(void)state;
	assert_true(serial_matches_cert(tlv, cert));
	assert_true(serial_matches_cert(cert, cert));
	assert_false(serial_same(tlv, cert)); /* within lists only the order as written counts */
	assert_false(serial_matches_cert(tlv, OCTETS(0x45, 0xda, 0xa2, 0xaf)));
}

static void reversed_octets_are_stripped_again(void **state)
{
	(void)state;
	assert_true(serial_matches_cert(OCTETS(0x34, 0x12, 0x00), OCTETS(0x12, 0x34)));
	assert_true(serial_matches_cert(OCTETS(0x34, 0x12), OCTETS(0x00, 0x12, 0x34)));
	assert_true(serial_matches_cert(OCTETS(0x00, 0x12), OCTETS(0x12, 0x00))); /* a serial that ends in 00 */
	assert_true(serial_matches_cert(OCTETS(0x00, 0x00), OCTETS(0x00)));
}

static void twenty_octets_are_legal(void **state)
{
	struct view a = OCTETS(0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
	struct view b = OCTETS(0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20);

	(void)state;
	assert_true(serial_same(a, a));
	assert_false(serial_same(a, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leading_zeros_do_not_count),
		cmocka_unit_test(zero_is_one_octet),
		cmocka_unit_test(token_records_are_byte_reversed),
		cmocka_unit_test(reversed_octets_are_stripped_again),
		cmocka_unit_test(twenty_octets_are_legal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
