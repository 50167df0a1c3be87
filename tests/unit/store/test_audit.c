#include "testing.h"

#include "base/text.h"
#include "fixture.h"
#include "store/audit.h"

static void append(struct store *s, int64_t time, const char *command)
{
	const struct store_audit a = {.time = time, .who = "root (uid 0)", .command = command, .outcome = "done"};
	struct err e = ERR_INIT;

	assert_ok(store_audit_append(s, &a, &e), &e);
}

struct seen {
	size_t n;
	uint64_t numbers[32];
	size_t stop_after;
};

static int see(void *ctx, const struct store_audit *a)
{
	struct seen *s = ctx;

	assert_true(s->n < 32);
	s->numbers[s->n++] = a->number;
	return s->stop_after && s->n == s->stop_after ? ERR_CLOSED : 0;
}

static int see_texts(void *ctx, const struct store_audit *a)
{
	++*(int *)ctx;
	assert_int_equal(a->time, 1700000000);
	assert_string_equal(a->who, "root (uid 0)");
	assert_string_equal(a->command, "set cert regen TVS");
	assert_string_equal(a->object, "certificate TVS on cucm-a");
	assert_null(a->before);
	assert_string_equal(a->after, "");
	assert_string_equal(a->outcome, "failed: it's full");
	return 0;
}

static void a_row_says_who_did_what(void **state)
{
	struct fixture *f = *state;
	const struct store_audit a = {.time = 1700000000,
				      .who = "root (uid 0)",
				      .command = "set cert regen TVS",
				      .object = "certificate TVS on cucm-a",
				      .after = "",
				      .outcome = "failed: it's full"};
	const struct store_audit nobody = {.command = "x", .outcome = "done"};
	struct err e = ERR_INIT;
	int rows = 0;

	assert_ok(store_audit_append(f->s, &a, &e), &e);
	assert_ok(store_audit_list(f->s, 0, 0, see_texts, &rows, &e), &e);
	assert_int_equal(rows, 1);
	assert_err(store_audit_append(f->s, &nobody, &e), ERR_BUG);
}

static void the_list_is_newest_first_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct seen s = {0};
	struct err e = ERR_INIT;

	for (int i = 1; i <= 10; i++)
		append(f->s, 5, "x"); /* all in one second */
	assert_ok(store_audit_list(f->s, 0, 4, see, &s, &e), &e);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.numbers[0], 10);
	assert_int_equal(s.numbers[3], 7);
	s = (struct seen){0};
	assert_ok(store_audit_list(f->s, 7, 0, see, &s, &e), &e);
	assert_int_equal(s.n, 6);
	assert_int_equal(s.numbers[0], 6);
	s = (struct seen){.stop_after = 2};
	assert_err(store_audit_list(f->s, 0, 0, see, &s, &e), ERR_CLOSED);
	assert_int_equal(s.n, 2);
}

static int see_cut(void *ctx, const struct store_audit *a)
{
	(void)ctx;
	assert_true(strlen(a->command) <= STORE_AUDIT_TEXT_MAX);
	assert_true(strlen(a->command) > STORE_AUDIT_TEXT_MAX - 16);
	assert_true(text_ends(a->command, "\xc3\xa9 [...]"));
	return 0;
}

static void a_long_text_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	size_t n = STORE_AUDIT_TEXT_MAX + 100;
	char *text = malloc(n + 2);
	struct err e = ERR_INIT;

	assert_non_null(text);
	for (size_t shift = 0; shift < 2; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i < n; i += 2)
			memcpy(text + i, "\xc3\xa9", 2);
		text[n + shift] = '\0';
		append(f->s, 5, text);
	}
	assert_ok(store_audit_list(f->s, 0, 0, see_cut, NULL, &e), &e);
	free(text);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_row_says_who_did_what),
		WITH_STORE(the_list_is_newest_first_page_by_page),
		WITH_STORE(a_long_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
