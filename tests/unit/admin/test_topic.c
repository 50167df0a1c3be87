#include "admin/topic.h"

#include <string.h>

#include "testing.h"

static const char *topic(const char *line)
{
	struct grammar_line l;
	struct err e = ERR_INIT;

	assert_ok(grammar_split(line, &l, &e), &e);
	const char *found = topic_find(&l);
	grammar_line_clear(&l);
	return found;
}

static void test_switches_that_do_not_exist(void **state)
{
	static const char *const lines[] = {
		"set parameter Security By Default False", "show parameter \"security by default\"", "utils security-by-default off",
		"utils sbd disable", "set parameter SBD False", "utils itl disable", "help Secure By Default",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_non_null(topic(lines[i]));
		assert_non_null(strstr(topic(lines[i]), "Prepare Cluster for Rollback to pre 8.0"));
		assert_non_null(strstr(topic(lines[i]), "http://"));
	}
}

/* behaviour.md 1.5 and 1.11 have them. */
static void test_commands_without_meaning(void **state)
{
	static const struct { const char *line, *said; } lines[] = {
		{ "set cert regen AUTHZ", "OAuth" }, { "set key regen authz encryption", "OAuth" }, { "set csr gen authz", "OAuth" },
		{ "show cert default-ca-list", "set cert import trust CAPF" },
		{ "set cert default-ca-list disable all", "set cert delete CAPF" },
		{ "set network hostname", "ringfence init" }, { "set network domain example.org", "ringfence init" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_non_null(topic(lines[i].line));
		assert_non_null(strstr(topic(lines[i].line), lines[i].said));
	}
	assert_null(topic("show network hostname"));
}

static void test_other_lines(void **state)
{
	static const char *const lines[] = {
		"", "show itl", "utils itl reset nokey", "set parameter Security", "file delete tftp ITLFile.tlv", "show sbdx",
		"phone set SEP001122334455 security mode",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_null(topic(lines[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switches_that_do_not_exist),
		cmocka_unit_test(test_commands_without_meaning),
		cmocka_unit_test(test_other_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
