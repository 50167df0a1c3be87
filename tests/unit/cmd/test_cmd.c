#include "testing.h"

#include <string.h>

#include "cmd/cmd.h"

/* getopt wants char *, and does not write to the words. */
#define WORDS(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

static int ran;

static int run(const struct cmd *c, int argc, char **argv)
{
	(void)c;
	(void)argv;
	ran = argc;
	return CMD_OK;
}

static const struct cmd_opt opts[] = {
	{'o', "output", "FILE", "where to"},
	{CMD_LONG, "force", NULL, "really"},
	{0},
};
static const struct cmd build = {"tlv build", "build", "-o FILE", opts, NULL, NULL, run};
static const struct cmd *const tlv_subs[] = {&build, NULL};
static const struct cmd tlv = {"tlv", "lists", "build", NULL, NULL, tlv_subs, NULL};
static const struct cmd inspect = {"inspect", "show", "FILE", opts, NULL, NULL, run};
static const struct cmd *const table[] = {&inspect, &tlv, NULL};

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(cmd_find(table, "inspect"), &inspect);
	assert_ptr_equal(cmd_find(tlv_subs, "build"), &build);
	assert_null(cmd_find(table, "insp"));
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(cmd_nearest(table, "inspekt"), "inspect");
	assert_string_equal(cmd_nearest(table, "insp"), "inspect");
	assert_string_equal(cmd_nearest(table, "tvl"), "tlv");
	assert_null(cmd_nearest(table, "bogus"));
	assert_null(cmd_nearest(table, "a-word-much-longer-than-any-command"));
}

static void test_dispatch(void **state)
{
	char **words = WORDS("tlv", "build", "x");

	(void)state;
	ran = 0;
	assert_int_equal(cmd_dispatch("ringfence", table, 3, words), CMD_OK);
	assert_int_equal(ran, 2);
	assert_int_equal(cmd_dispatch("ringfence", table, 1, words), CMD_USAGE);
	assert_int_equal(cmd_dispatch("ringfence", table, 1, WORDS("nothing")), CMD_USAGE);
}

static void test_options_in_order(void **state)
{
	static const struct cmd admin = {"admin", "shell", "COMMAND...", opts, NULL, NULL, run, .in_order = true};
	struct cmd_args o = {.cmd = &admin, .argc = 6};

	(void)state;
	o.argv = WORDS("admin", "-o", "x", "show", "--force", "-o");
	assert_int_equal(cmd_opt_next(&o), 'o');
	assert_int_equal(cmd_opt_next(&o), 0);
	assert_int_equal(o.argc, 3);
	assert_string_equal(o.argv[0], "show");
	assert_string_equal(o.argv[1], "--force");
	struct cmd_args missing = {.cmd = &admin, .argc = 2};
	missing.argv = WORDS("admin", "-o");
	assert_int_equal(cmd_opt_next(&missing), -1);
	assert_int_equal(missing.exit, CMD_USAGE);
}

static void test_options_and_operands_mix(void **state)
{
	struct cmd_args o = {.cmd = &inspect, .argc = 8};

	(void)state;
	o.argv = WORDS("inspect", "a", "-o", "x", "--force", "b", "--", "-c");
	assert_int_equal(cmd_opt_next(&o), 'o');
	assert_string_equal(o.value, "x");
	assert_int_equal(cmd_opt_next(&o), CMD_LONG);
	assert_int_equal(cmd_opt_next(&o), 0);
	assert_int_equal(o.argc, 3);
	assert_string_equal(o.argv[0], "a");
	assert_string_equal(o.argv[1], "b");
	assert_string_equal(o.argv[2], "-c");
}

static void refused(char **argv)
{
	struct cmd_args o = {.cmd = &inspect, .argv = argv};

	while (argv[o.argc])
		o.argc++;
	assert_int_equal(cmd_opt_next(&o), -1);
	assert_int_equal(o.exit, CMD_USAGE);
}

static void test_wrong_options(void **state)
{
	(void)state;
	refused(WORDS("inspect", "--what"));
	refused(WORDS("inspect", "-x"));
	refused(WORDS("inspect", "-o"));
	refused(WORDS("inspect", "--output"));
	refused(WORDS("inspect", "--force=yes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_options_in_order),
		cmocka_unit_test(test_options_and_operands_mix),
		cmocka_unit_test(test_wrong_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
