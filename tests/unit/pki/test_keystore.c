#include "testing.h"

#include <string.h>

#include "pki/keystore.h"

static void names(void **state)
{
	char name[KEY_NAME_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(key_name("CallManager-ECDSA", view_str("abc"), name, &e), &e);
	assert_string_equal(name, "CallManager-ECDSA.ba7816bf8f01cfea");
	assert_true(key_name_ok(name));
	assert_err(key_name("", view_str("abc"), name, NULL), ERR_USAGE);
	assert_err(key_name("../x", view_str("abc"), name, NULL), ERR_USAGE);
	assert_err(key_name("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee", view_str("abc"), name, NULL),
		   ERR_USAGE);
}

static void malformed_names(void **state)
{
	(void)state;
	assert_true(key_name_ok("CAPF.0123456789abcdef"));
	assert_false(key_name_ok(""));
	assert_false(key_name_ok("CAPF"));
	assert_false(key_name_ok("CAPF."));
	assert_false(key_name_ok(".0123456789abcdef"));
	assert_false(key_name_ok("CAPF.0123456789ABCDEF"));
	assert_false(key_name_ok("CAPF.0123456789abcde"));
	assert_false(key_name_ok("CAPF.0123456789abcdef0"));
	assert_false(key_name_ok("CAPF.0123456789abcdef\n"));
	assert_false(key_name_ok("../CAPF.0123456789abcdef"));
	assert_false(key_name_ok("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee.0123456789abcdef"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(malformed_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
