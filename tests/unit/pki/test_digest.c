#include "testing.h"

#include <string.h>

#include "base/text.h"
#include "pki/digest.h"

static void check(enum digest d, const char *hex)
{
	struct view parts[2] = {view_str("a"), view_str("bc")};
	uint8_t out[DIGEST_MAX];
	char text[2 * DIGEST_MAX + 1];
	struct err e = ERR_INIT;

	assert_ok(digest_views(d, parts, 2, out, &e), &e);
	text_hex(text, sizeof(text), (struct view){out, digest_len(d)}, '\0', false);
	assert_string_equal(text, hex);
	assert_ok(digest_one(d, view_str("abc"), out, &e), &e);
	text_hex(text, sizeof(text), (struct view){out, digest_len(d)}, '\0', false);
	assert_string_equal(text, hex);
}

static void known_answers(void **state)
{
	(void)state;
	check(DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d");
	check(DIGEST_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check(DIGEST_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	check(DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72");
}

static void codes(void **state)
{
	(void)state;
	assert_true(digest_known(1));
	assert_true(digest_known(3));
	assert_false(digest_known(0));
	assert_false(digest_known(9));
	assert_false(digest_known(DIGEST_MD5));
	assert_string_equal(digest_name(DIGEST_SHA512), "SHA-512");
	assert_null(digest_name((enum digest)9));
	assert_int_equal(digest_len((enum digest)9), 0);
	assert_null(digest_evp((enum digest)9));
}

static void unknown_code_is_refused(void **state)
{
	uint8_t out[DIGEST_MAX];

	(void)state;
	assert_err(digest_one((enum digest)9, view_str("abc"), out, NULL), ERR_CRYPTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(codes),
		cmocka_unit_test(unknown_code_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
