#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqltable.h"

#define MAX_COLUMNS 4

static void give(const struct store_sql_sink *sink, bool head, size_t n, const char *const values[])
{
	size_t lens[MAX_COLUMNS] = {0};

	for (size_t i = 0; i < n; i++)
		lens[i] = values[i] ? strlen(values[i]) : 0;
	const struct store_sql_row row = {n, values, values, lens};
	assert_int_equal(head ? sink->head(sink->ctx, &row) : sink->row(sink->ctx, &row), 0);
}

static void render(const struct sqltable *t, char **text)
{
	struct err e = ERR_INIT;

	assert_ok(sqltable_render(t, text, &e), &e);
}

/* A table of one column with this value, rendered. */
static void assert_cell(const char *value, size_t len, const char *want)
{
	struct sqltable *t = sqltable_new();
	const struct store_sql_sink sink = sqltable_sink(t);
	const char *const names[] = {"v"};
	char *text;

	give(&sink, true, 1, names);
	const struct store_sql_row row = {1, names, &value, &len};
	assert_int_equal(sink.row(sink.ctx, &row), 0);
	render(t, &text);
	const char *line = strchr(text, '\n') + 1;
	line = strchr(line, '\n') + 1;
	assert_int_equal(strlen(line), strlen(want) + 1);
	assert_memory_equal(line, want, strlen(want));
	free(text);
	sqltable_free(t);
}

#define ASSERT_CELL(literal, want) assert_cell(literal, sizeof(literal) - 1, want)

static void columns_are_as_wide_as_their_widest_value(void **state)
{
	struct sqltable *t = sqltable_new();
	const struct store_sql_sink sink = sqltable_sink(t);

	(void)state;
	give(&sink, true, 3, (const char *const[]){"a", "long name", "c"});
	give(&sink, false, 3, (const char *const[]){"wide value", "x", "1"});
	give(&sink, false, 3, (const char *const[]){NULL, "", "22"});
	give(&sink, false, 3, (const char *const[]){"\xc3\xa9t\xc3\xa9", "y", NULL}); /* three characters */
	char *text = NULL;

	render(t, &text);
	assert_string_equal(text, "a          long name c\n"
				  "========== ========= ====\n"
				  "wide value x         1\n"
				  "NULL                 22\n"
				  "\xc3\xa9t\xc3\xa9        y         NULL\n");
	assert_int_equal(sqltable_rows(t), 3);
	free(text);
	sqltable_free(t);
}

static void nothing_gives_nothing(void **state)
{
	struct sqltable *t = sqltable_new();
	char *text = NULL;

	render(t, &text);

	(void)state;
	assert_string_equal(text, "");
	assert_int_equal(sqltable_rows(t), 0);
	free(text);
	sqltable_free(t);
	sqltable_free(NULL);
}

static void a_value_stays_on_its_line(void **state)
{
	char high[200];

	(void)state;
	ASSERT_CELL("one\ntwo\r\nthree\n\n", "one two three");
	ASSERT_CELL("\n", "");
	ASSERT_CELL("back\\slash", "back\\slash");
	ASSERT_CELL("bell\a\x1b[31m", "bell\\x07\\x1b[31m");
	ASSERT_CELL("nul\0behind", "nul\\x00behind");
	ASSERT_CELL("bad\xff\xc3", "bad\\xff\\xc3");
	ASSERT_CELL("tab\tend", "tab\\x09end");
	for (size_t i = 0; i < sizeof(high); i += 2)
		memcpy(high + i, "\xc3\xa9", 2);
	char want[256];
	snprintf(want, sizeof(want), "%.*s", (int)sizeof(high), high);
	assert_cell(high, sizeof(high), want); /* taken run by run, cut between characters */
	high[0] = 'x';
	high[1] = '\x01';
	snprintf(want, sizeof(want), "x\\x01%.*s", (int)sizeof(high) - 2, high + 2);
	assert_cell(high, sizeof(high), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_value),
		cmocka_unit_test(nothing_gives_nothing),
		cmocka_unit_test(a_value_stays_on_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
