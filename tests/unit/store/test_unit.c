#include "testing.h"

#include <string.h>

#include "store/unit.h"

static void names_and_numbers_agree(void **state)
{
	int last = 0;

	(void)state;
	for (const struct store_unit_row *u = store_units; u->name; u++) {
		assert_true((int)u->unit > last && (int)u->unit < 32);
		last = (int)u->unit;
		assert_string_equal(store_unit_name(u->unit), u->name);
		assert_int_equal(store_unit_from_name(u->name), u->unit);
		assert_int_equal(store_unit_is_trust(u->unit), strstr(u->name, "-trust") != NULL);
	}
	assert_int_equal(store_unit_from_name("callmanager-TRUST"), STORE_TRUST_CALLMANAGER);
	assert_int_equal(store_unit_from_name("CallManager "), STORE_UNIT_NONE);
	assert_null(store_unit_name(STORE_UNIT_NONE));
	assert_null(store_unit_name((enum store_unit)15));
}

static void roles_of_lists_and_tvs_have_their_wire_numbers(void **state)
{
	(void)state;
	assert_string_equal(store_role_name(0), "SAST");
	assert_string_equal(store_role_name(2), "CallManagerTFTP");
	assert_string_equal(store_role_name(9), "Authentication and Authorization");
	assert_string_equal(store_role_name(21), "TVS");
	assert_null(store_role_name(18));
	assert_null(store_role_name(22));
	assert_null(store_role_name(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_agree),
		cmocka_unit_test(roles_of_lists_and_tvs_have_their_wire_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
