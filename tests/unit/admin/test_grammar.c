#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "admin/command.h"

/* A small language with everything that the real one uses. */

static const char *service(size_t i)
{
	static const char *const names[] = {"Cisco Tftp", "Cisco Trust Verification Service", "Cisco CTL Provider",
					    "Cisco Certificate Authority Proxy Function",
					    "Cisco Certificate Expiry Monitor", "Cisco DRF Master", "Cisco DRF Local"};

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const char *unit(size_t i)
{
	static const char *const names[] = {"tomcat", "tomcat-ECDSA", "CallManager", "CallManager-ECDSA", "TVS"};

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static const struct grammar_option json[] = {{"--json", NULL, "as JSON"}, {NULL}};
static const struct grammar_option change[] = {
	{"--yes", NULL, "yes"}, {"--dry-run", NULL, "only say"}, {"--to", "DIR", "where to"}, {"detail", NULL, "more"}, {NULL}};

static const struct command cmd_ctl, cmd_cert = {.options = json}, cmd_update = {.options = change},
				     cmd_service = {.options = change}, cmd_list = {.options = json},
				     cmd_sql = {.options = json}, cmd_file = {.options = change};

static const struct grammar_word cert_units[] = {{GRAMMAR_HINT, "UNIT", "a unit", unit, NULL, &cmd_cert}, {0}};
static const struct grammar_word show_words[] = {
	{GRAMMAR_WORD, "ctl", "the CTL", NULL, NULL, &cmd_ctl},
	{GRAMMAR_WORD, "cert", "certificates", NULL, cert_units, &cmd_cert},
	{0}};
static const struct grammar_word update_words[] = {{GRAMMAR_WORD, "CTLFile", "the CTL", NULL, NULL, &cmd_update}, {0}};
static const struct grammar_word ctl_words[] = {{GRAMMAR_WORD, "update", "anew", NULL, update_words, NULL}, {0}};
static const struct grammar_word services[] = {{GRAMMAR_VALUE, "SERVICE", "a service", service, NULL, &cmd_service}, {0}};
static const struct grammar_word service_words[] = {
	{GRAMMAR_WORD, "list", "all", NULL, NULL, &cmd_list},
	{GRAMMAR_WORD, "start", "start", NULL, services, NULL},
	{GRAMMAR_WORD, "stop", "stop", NULL, services, NULL},
	{GRAMMAR_WORD, "restart", "restart", NULL, services, NULL},
	{0}};
static const struct grammar_word utils_words[] = {
	{GRAMMAR_WORD, "ctl", "the CTL", NULL, ctl_words, NULL},
	{GRAMMAR_WORD, "service", "services", NULL, service_words, NULL},
	{0}};
static const struct grammar_word sql_text[] = {{GRAMMAR_REST, "STATEMENT", "SQL", NULL, NULL, &cmd_sql}, {0}};
static const struct grammar_word run_words[] = {{GRAMMAR_WORD, "sql", "SQL", NULL, sql_text, NULL}, {0}};
static const struct grammar_word spec[] = {{GRAMMAR_HINT, "SPEC", "files", NULL, NULL, &cmd_file}, {0}};
static const struct grammar_word root[] = {
	{GRAMMAR_WORD, "show", "look", NULL, show_words, NULL},
	{GRAMMAR_WORD, "utils", "do", NULL, utils_words, NULL},
	{GRAMMAR_WORD, "run", "ask", NULL, run_words, NULL},
	{GRAMMAR_WORD, "file", "files", NULL, spec, NULL},
	{0}};

static void match(const char *text, const struct command *command, const char *arg)
{
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;

	assert_ok(grammar_split(text, &l, &e), &e);
	assert_ok(grammar_match(root, &l, &m, &e), &e);
	assert_ptr_equal(m.command, command);
	assert_int_equal(m.n_args, arg != NULL);
	if (arg)
		assert_string_equal(m.args[0], arg);
	grammar_match_clear(&m);
	grammar_line_clear(&l);
}

/* Pointed at column `at`, breaking rule, with part in the text. */
static void fault(const char *text, const char *rule, long at, const char *part)
{
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;

	assert_ok(grammar_split(text, &l, &e), &e);
	assert_err(grammar_match(root, &l, &m, &e), ERR_USAGE);
	assert_string_equal(e.rule, rule);
	assert_int_equal(e.offset, at);
	if (!strstr(e.text, part))
		fail_msg("%s: \"%s\" does not contain \"%s\"", text, e.text, part);
	grammar_line_clear(&l);
}

static void test_words(void **state)
{
	(void)state;
	match("show ctl", &cmd_ctl, NULL);
	match("  sh\tct  ", &cmd_ctl, NULL);
	match("SHOW CTL", &cmd_ctl, NULL);
	match("show ce", &cmd_cert, NULL);
	match("utils ctl update ctlfile", &cmd_update, NULL);
	match("u c u CTLfile", &cmd_update, NULL);
	match("utils service list", &cmd_list, NULL);
	match("\"show\" 'ctl'", &cmd_ctl, NULL);
	fault("show c", "ambiguous-word", 5, "expected: ctl, cert");
	fault("utils service sta", "incomplete", 18, "expected: Cisco");
	fault("utils service st", "ambiguous-word", 14, "expected: start, stop");
	fault("shw ctl", "unknown-word", 0, "expected: show, utils, run, file");
	fault("show foo", "unknown-word", 5, "\"foo\" is not known here; expected: ctl, cert");
	fault("show ctl now", "unknown-word", 9, "the command ends here");
	fault("", "incomplete", 1, "expected: show, utils, run, file");
	fault("utils ctl", "incomplete", 10, "expected: update");
}

static void test_values(void **state)
{
	(void)state;
	match("utils service start Cisco Tftp", &cmd_service, "Cisco Tftp");
	match("utils service start cisco tf", &cmd_service, "Cisco Tftp");
	match("utils service start \"cisco tftp\"", &cmd_service, "Cisco Tftp");
	match("ut se rest ci tr v s", &cmd_service, "Cisco Trust Verification Service");
	match("utils service stop Cisco Certificate Expiry Monitor", &cmd_service, "Cisco Certificate Expiry Monitor");
	match("utils service stop Cisco DRF Local --yes", &cmd_service, "Cisco DRF Local");
	match("utils service stop --yes Cisco DRF Local", &cmd_service, "Cisco DRF Local");
	fault("utils service start Cisco T", "ambiguous-word", 26, "expected: Tftp, Trust");
	fault("utils service start Cisco Trust", "incomplete", 32, "expected: Verification");
	fault("utils service start Cisco Certificate", "incomplete", 38, "expected: Authority, Expiry");
	fault("utils service start Cisco Foo", "unknown-word", 26, "there is no SERVICE \"Foo\"");
	fault("utils service start Cisco Tftp now", "unknown-word", 31, "expected: detail");
	fault("utils service start", "incomplete", 20, "expected: Cisco");
}

static void test_hints(void **state)
{
	(void)state;
	match("show cert", &cmd_cert, NULL);
	match("show cert callmanager", &cmd_cert, "CallManager");
	match("show cert tv", &cmd_cert, "TVS");
	match("show cert tom", &cmd_cert, "tom");
	match("show cert CallManager/CallManager.pem", &cmd_cert, "CallManager/CallManager.pem");
	match("file locale/*.xml", &cmd_file, "locale/*.xml");
	match("file 'a name'", &cmd_file, "a name");
	match("file a\\ name", &cmd_file, "a name");
	match("file \"a\\\"b\"", &cmd_file, "a\"b");
	match("file '--yes'", &cmd_file, "--yes");
	fault("file", "incomplete", 5, "expected: SPEC");
}

static void test_rest(void **state)
{
	(void)state;
	match("run sql select paramvalue from processconfig where paramname='ClusterSecurityMode'", &cmd_sql,
	      "select paramvalue from processconfig where paramname='ClusterSecurityMode'");
	match("r s select  'a  b'   ", &cmd_sql, "select  'a  b'");
	match("run sql select 'it''s' -- so", &cmd_sql, "select 'it''s' -- so");
	match("run sql --json select 1", &cmd_sql, "select 1");
	match("run sql select 1 --json", &cmd_sql, "select 1");
	match("run sql select 1 --jsonx", &cmd_sql, "select 1 --jsonx");
	match("run sql select 'open", &cmd_sql, "select 'open");
	fault("run sql", "incomplete", 8, "expected: STATEMENT");
}

static void test_long_rest(void **state)
{
	char *line = malloc(20000);
	size_t n = (size_t)sprintf(line, "run sql select");
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 3000; i++)
		n += (size_t)sprintf(line + n, " %d,", i);
	match(line, &cmd_sql, line + 8);
	/* The same when a shell has split it. */
	char *copy = strdup(line);
	const char **words = calloc(4000, sizeof(*words));
	size_t n_words = 0;
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		words[n_words++] = w;
	assert_ok(grammar_join(words, NULL, n_words, &l, &e), &e);
	assert_ok(grammar_match(root, &l, &m, &e), &e);
	assert_string_equal(m.args[0], line + 8);
	grammar_match_clear(&m);
	grammar_line_clear(&l);
	free(words);
	free(copy);
	free(line);
}

static void test_options(void **state)
{
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(grammar_split("file --to=/tmp x detail --YES", &l, &e), &e);
	assert_ok(grammar_match(root, &l, &m, &e), &e);
	assert_string_equal(m.options[0], "");
	assert_null(m.options[1]);
	assert_string_equal(m.options[2], "/tmp");
	assert_string_equal(m.options[3], "");
	assert_string_equal(m.words, "file");
	assert_int_equal(m.n_full, 5);
	assert_string_equal(m.full[1], "x");
	assert_string_equal(m.full[2], "--to=/tmp");
	grammar_match_clear(&m);
	grammar_line_clear(&l);
	match("file --to /tmp x", &cmd_file, "x");
	match("file x --to \"a b\"", &cmd_file, "x");
	match("show --json cert", &cmd_cert, NULL);
	fault("show ctl --json", "option", 9, "there is no option --json here");
	fault("show --json ctl", "option", 5, "show ctl takes no option --json");
	fault("file x --yes --yes", "option", 13, "twice");
	fault("file x --to", "option", 11, "--to needs a value");
	fault("file x --yes=1", "option", 7, "there is no option --yes=1");
	fault("file x --foo", "option", 7, "there is: --yes, --dry-run, --to");
	fault("--json show cert", "unknown-word", 0, "expected: show");
	fault("file detail x", "unknown-word", 12, "expected: detail");
}

/* A value that another one begins with: what comes next decides. */
static const char *parameter(size_t i)
{
	static const char *const names[] = {"Auto Registration Maximum", "Auto Registration", "Other"};

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static void test_value_within_another(void **state)
{
	static const struct grammar_word value[] = {{GRAMMAR_HINT, "VALUE", "a value", NULL, NULL, &cmd_file}, {0}};
	static const struct grammar_word names[] = {{GRAMMAR_VALUE, "NAME", "a name", parameter, value, &cmd_cert}, {0}};
	static const struct grammar_word set[] = {{GRAMMAR_WORD, "set", "set", NULL, names, NULL}, {0}};
	static const struct {
		const char *line, *args[2];
		const struct command *command;
	} lines[] = {
		{"set Auto Registration", {"Auto Registration"}, &cmd_cert},
		{"set auto reg --json", {"Auto Registration"}, &cmd_cert},
		{"set Auto Registration Always", {"Auto Registration", "Always"}, &cmd_file},
		{"set Auto Registration \"\"", {"Auto Registration", ""}, &cmd_file},
		{"set Auto Registration Maximum", {"Auto Registration Maximum"}, &cmd_cert},
		{"set Auto Registration Max 100", {"Auto Registration Maximum", "100"}, &cmd_file},
		{"set \"Auto Registration\" Maximum", {"Auto Registration", "Maximum"}, &cmd_file},
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct grammar_line l;
		struct grammar_match m;

		assert_ok(grammar_split(lines[i].line, &l, &e), &e);
		assert_ok(grammar_match(set, &l, &m, &e), &e);
		assert_ptr_equal(m.command, lines[i].command);
		assert_int_equal(m.n_args, lines[i].args[1] ? 2 : 1);
		for (size_t k = 0; k < m.n_args; k++)
			assert_string_equal(m.args[k], lines[i].args[k]);
		grammar_match_clear(&m);
		grammar_line_clear(&l);
	}
	struct grammar_line l;
	struct grammar_match m;
	assert_ok(grammar_split("set Auto", &l, &e), &e);
	assert_err(grammar_match(set, &l, &m, &e), ERR_USAGE);
	grammar_line_clear(&l);
}

static void test_quotes(void **state)
{
	struct grammar_line l;
	struct err e = ERR_INIT;

	(void)state;
	fault("file 'open", "quotes", 10, "not closed");
	fault("file \"open", "quotes", 10, "not closed");
	fault("file open\\", "quotes", 10, "not closed");
	assert_err(grammar_split("show\x1b[2J ctl", &l, &e), ERR_USAGE);
	char *line = malloc(GRAMMAR_LINE_MAX + 2);
	memset(line, 'a', GRAMMAR_LINE_MAX + 1);
	line[GRAMMAR_LINE_MAX + 1] = '\0';
	err_clear(&e);
	assert_err(grammar_split(line, &l, &e), ERR_LIMIT);
	free(line);
}

/* What the client sends means the same to the node. */
static void test_full_words_mean_the_same(void **state)
{
	static const char *const lines[] = {"sh ce tv --JSON", "u c u ctlf --yes --dry-run", "utils service rest cisco trust v s",
					    "run sql select 'a  b'  from x --json", "file --to 'a b' 'c  d' detail", "file '--yes' --dry-run", "file 'detail' detail",
					    "run sql '--json' --json"};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct grammar_line l, again;
		struct grammar_match m, n;

		assert_ok(grammar_split(lines[i], &l, &e), &e);
		assert_ok(grammar_match(root, &l, &m, &e), &e);
		assert_ok(grammar_join((const char *const *)m.full, m.quoted, m.n_full, &again, &e), &e);
		assert_ok(grammar_match(root, &again, &n, &e), &e);
		assert_ptr_equal(m.command, n.command);
		assert_int_equal(m.n_args, n.n_args);
		for (size_t k = 0; k < m.n_args; k++)
			assert_string_equal(m.args[k], n.args[k]);
		for (size_t k = 0; k < GRAMMAR_OPTIONS_MAX; k++) {
			assert_int_equal(m.options[k] != NULL, n.options[k] != NULL);
			if (m.options[k])
				assert_string_equal(m.options[k], n.options[k]);
		}
		assert_string_equal(m.words, n.words);
		grammar_match_clear(&m);
		grammar_match_clear(&n);
		grammar_line_clear(&l);
		grammar_line_clear(&again);
	}
}

static void collect(void *ctx, const char *word, const char *help)
{
	char *list = ctx;

	assert_non_null(help);
	if (*list)
		strcat(list, " ");
	strcat(list, word);
}

static void complete(const char *text, const char *words)
{
	struct grammar_line l;
	struct err e = ERR_INIT;
	char list[1000] = "";

	assert_ok(grammar_split(text, &l, &e), &e);
	grammar_complete(root, &l, collect, list);
	assert_string_equal(list, words);
	grammar_line_clear(&l);
}

static void test_complete(void **state)
{
	(void)state;
	complete("", "show utils run file");
	complete("s", "show");
	complete("show", "show");
	complete("show ", "ctl cert");
	complete("sh c", "ctl cert");
	complete("show ctl", "ctl");
	complete("show ctl ", "");
	complete("foo ", "");
	complete("utils service start ", "Cisco");
	complete("utils service start c", "Cisco");
	complete("utils service start Cisco ", "Tftp Trust CTL Certificate DRF");
	complete("utils service start Cisco T", "Tftp Trust");
	complete("utils service start Cisco DRF ", "Master Local");
	complete("utils service start Cisco Tftp ", "detail");
	complete("utils service start Cisco Tftp --", "--yes --dry-run --to");
	complete("utils service start Cisco Tftp --yes --", "--dry-run --to");
	complete("show cert T", "tomcat tomcat-ECDSA TVS");
	complete("show cert tomcat-", "tomcat-ECDSA");
	complete("run sql ", "");
	complete("run sql se", "");
	complete("file --to ", "");
}

static void help(const char *text, const char *expected)
{
	struct grammar_line l;
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	assert_ok(grammar_split(text, &l, &e), &e);
	grammar_help(f, root, &l);
	fclose(f);
	assert_string_equal(out, expected);
	free(out);
	grammar_line_clear(&l);
}

static void test_help(void **state)
{
	(void)state;
	help("show ", "  ctl                      the CTL\n"
		      "  cert                     certificates\n");
	help("show cert TVS ", "  --json                   as JSON\n"
			       "  <return>                 run the command\n");
	help("show cer", "  cert                     certificates\n");
	help("show ctl ", "  <return>                 run the command\n");
	help("run sql ", "  --json                   as JSON\n"
			 "  STATEMENT                SQL\n");
	help("file --to ", "  DIR                      where to\n");
	help("nonsense ", "  (no command begins like this)\n");
}

static void test_explain(void **state)
{
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	(void)state;
	assert_ok(grammar_split("show\tf\xc3\xa9 bar", &l, &e), &e);
	assert_err(grammar_match(root, &l, &m, &e), ERR_USAGE);
	grammar_explain(f, &l, &e);
	fclose(f);
	assert_string_equal(out, "show f\xc3\xa9 bar\n"
				 "     ^\n"
				 "\"f\xc3\xa9\" is not known here; expected: ctl, cert\n");
	free(out);
	grammar_line_clear(&l);
}

static bool in_rest(const char *text)
{
	struct grammar_line l;
	struct err e = ERR_INIT;

	assert_ok(grammar_split(text, &l, &e), &e);
	bool yes = grammar_in_rest(root, &l);
	grammar_line_clear(&l);
	return yes;
}

/* Where `?` is a character of SQL or of a quoted name, it must not open the help. */
static void test_in_rest(void **state)
{
	(void)state;
	assert_false(in_rest(""));
	assert_false(in_rest("run "));
	assert_false(in_rest("run sql "));
	assert_true(in_rest("run sql s"));
	assert_true(in_rest("run sql select x from y where z like '"));
	assert_true(in_rest("run sql select x "));
	assert_true(in_rest("file 'a"));
	assert_false(in_rest("show "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),     cmocka_unit_test(test_values),
		cmocka_unit_test(test_hints),     cmocka_unit_test(test_rest),
		cmocka_unit_test(test_long_rest), cmocka_unit_test(test_options),
		cmocka_unit_test(test_value_within_another),
		cmocka_unit_test(test_quotes),    cmocka_unit_test(test_full_words_mean_the_same),
		cmocka_unit_test(test_complete),  cmocka_unit_test(test_help),
		cmocka_unit_test(test_explain),   cmocka_unit_test(test_in_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
