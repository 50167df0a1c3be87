#include "testing.h"

#include <string.h>

#include "base/text.h"

static void hex_both_ways(void **state)
{
	char s[32];
	uint8_t back[4];
	size_t len;

	(void)state;
	assert_int_equal(text_hex(s, sizeof(s), (struct view){(const uint8_t *)"\x01\xab\xff", 3}, ':', true), 8);
	assert_string_equal(s, "01:AB:FF");
	assert_true(text_unhex(s, back, sizeof(back), &len));
	assert_int_equal(len, 3);
	assert_memory_equal(back, "\x01\xab\xff", 3);
	assert_false(text_unhex("0g", back, sizeof(back), &len));
	assert_false(text_unhex("012", back, sizeof(back), &len));
	assert_false(text_unhex("0102030405", back, sizeof(back), &len));
}

static void escapes_what_a_terminal_would_obey(void **state)
{
	char s[64];

	(void)state;
	text_escape(s, sizeof(s), view_str("a\nb\033[2J\\\xc5\x82"));
	assert_string_equal(s, "a\\x0ab\\x1b[2J\\\\\xc5\x82");
	text_escape(s, sizeof(s), view_str("\xc0\x80\xff\xc2\x9b"));
	assert_string_equal(s, "\\xc0\\x80\\xff\\xc2\\x9b");
	assert_int_equal(text_escape(s, 4, view_str("abcdef")), 6);
	assert_string_equal(s, "abc");
}

static void prints_sentences_with_strangers_words(void **state)
{
	char s[64];

	(void)state;
	text_printable(s, sizeof(s), view_str("CN=a\\,b\033[2J\n\xc5\x82\xc2\x9b"));
	assert_string_equal(s, "CN=a\\,b\\x1b[2J\n\xc5\x82\\xc2\\x9b");
}

static void counts_characters(void **state)
{
	(void)state;
	assert_int_equal(text_characters(""), 0);
	assert_int_equal(text_characters("a\xc5\xbc\xf0\x9f\x98\x80"), 3);
	assert_true(text_characters("\xff\xfe") == SIZE_MAX);
	assert_true(text_characters("a\tb") == SIZE_MAX);
	assert_true(text_characters("a\xc5") == SIZE_MAX);
}

static void device_names(void **state)
{
	(void)state;
	assert_true(text_is_device_name("SEP001122334455"));
	assert_true(text_is_device_name("CSFalice.b-c_d"));
	assert_false(text_is_device_name("SEP"));
	assert_false(text_is_device_name("sep001122334455"));
	assert_false(text_is_device_name("SEP../../etc"));
	assert_false(text_is_device_name("SEP001122334455\n"));
	assert_false(text_is_device_name(""));
}

static void numbers(void **state)
{
	uint64_t v;

	(void)state;
	assert_true(text_number("65535", 0, 65535, &v));
	assert_int_equal(v, 65535);
	assert_false(text_number("65536", 0, 65535, &v));
	assert_false(text_number("", 0, 9, &v));
	assert_false(text_number("1x", 0, 9, &v));
	assert_false(text_number("-1", 0, 9, &v));
	assert_false(text_number("99999999999999999999999", 0, UINT64_MAX, &v));
}

static void distances(void **state)
{
	char many[200];

	(void)state;
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("Signature", "sgnature"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(text_distance("x", many), TEXT_DISTANCE_MAX);
	assert_int_equal(text_distance(many, "x"), sizeof(many) - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(escapes_what_a_terminal_would_obey),
		cmocka_unit_test(prints_sentences_with_strangers_words),
		cmocka_unit_test(counts_characters),
		cmocka_unit_test(device_names),
		cmocka_unit_test(numbers),
		cmocka_unit_test(distances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
