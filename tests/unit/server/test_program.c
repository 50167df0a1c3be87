#include "../testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/program.h"

static void test_words(void **state)
{
	struct program_words w;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(program_words("  /bin/a \"b c\"  %d\t\"\" x\"y ", &w, &e), &e);
	assert_int_equal(w.n, 5);
	assert_string_equal(w.word[0], "/bin/a");
	assert_string_equal(w.word[1], "b c");
	assert_string_equal(w.word[2], "%d");
	assert_string_equal(w.word[3], "");
	assert_string_equal(w.word[4], "x\"y");
	assert_null(w.word[5]);
}

static void test_wrong_words(void **state)
{
	static const char *const wrong[] = {"", "  ", "sh", "\"\"", "/bin/a \"b", "/bin/a \"b\"c",
		"/a 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32"};
	struct program_words w;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(program_words(wrong[i], &w, &e), ERR_USAGE);
	}
}

struct ended {
	struct event_base *base;
	int rc;
	struct err e;
};

static void on_done(void *ctx, int rc, const struct err *e)
{
	struct ended *d = ctx;

	d->rc = rc;
	d->e = *e;
	event_base_loopbreak(d->base);
}

static struct ended run(const char *script, unsigned timeout_ms)
{
	char sh[] = "/bin/sh", c[] = "-c", *text = strdup(script);
	char *const argv[] = {sh, c, text, NULL};
	struct ended d = {.base = event_base_new(), .rc = 1};
	struct err e = ERR_INIT;
	struct program *p;

	assert_ok(program_start(d.base, argv, timeout_ms, on_done, &d, &p, &e), &e);
	event_base_dispatch(d.base);
	event_base_free(d.base);
	free(text);
	return d;
}

static void test_ends(void **state)
{
	(void)state;
	assert_int_equal(run("echo much; exit 0", 60000).rc, 0);
	struct ended d = run("echo first; printf '\\nlast\\033[1m'; exit 7", 60000);
	assert_int_equal(d.rc, ERR_IO);
	assert_string_equal(d.e.text, "sh ended with status 7: last\\x1b[1m");
	assert_string_equal(run("echo 'Error: 500 - no'", 60000).e.text, "sh says: Error: 500 - no");
	assert_int_equal(run("echo error: 1; echo but well", 60000).rc, 0);
	assert_non_null(strstr(run("kill -9 $$", 60000).e.text, "signal 9"));
	assert_non_null(strstr(run("sleep 1000 & sleep 1000", 50).e.text, "took too long"));
	/* More than a pipe holds does not stop it. */
	assert_int_equal(run("head -c 300000 /dev/zero | tr '\\0' x", 60000).rc, 0);
}

/* Neither our descriptors nor our environment. */
static void test_is_alone(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	setenv("SECRET", "1", 1);
	assert_int_equal(run("test -z \"$SECRET\" && test \"$(ls /proc/self/fd | wc -l)\" = 4 && ! read x", 60000).rc, 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_cannot_start(void **state)
{
	char none[] = "/nonexistent/program";
	char *const argv[] = {none, NULL};
	struct event_base *base = event_base_new();
	struct err e = ERR_INIT;
	struct program *p;

	(void)state;
	assert_err(program_start(base, argv, 1000, on_done, NULL, &p, &e), ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent/program cannot be started"));
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_is_alone),
		cmocka_unit_test(test_cannot_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
