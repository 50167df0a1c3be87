#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/csv.h"

/* All rows as "a|b/c|d/", or the rule that the text breaks. */
static const char *rows(const char *text, size_t len)
{
	static char out[512];
	struct csv csv;
	struct csv_row row;
	struct err e = ERR_INIT;
	size_t used = 0;
	int rc;

	csv_init(&csv, (struct view){(const uint8_t *)text, len});
	out[0] = '\0';
	while ((rc = csv_next(&csv, &row, &e)) == 0 && row.n) {
		for (size_t i = 0; i < row.n; i++)
			used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%s", i ? "|" : "", row.fields[i]);
		used += (size_t)snprintf(out + used, sizeof(out) - used, "/");
	}
	csv_clear(&csv);
	return rc == 0 ? out : e.rule ? e.rule : err_name(rc);
}

#define assert_rows(text, want) assert_string_equal(rows(text, sizeof(text) - 1), want)

static void rows_come_as_they_were_written(void **state)
{
	(void)state;
	assert_rows("", "");
	assert_rows("a,b\r\nc,d\r\n", "a|b/c|d/");
	assert_rows("a,b\nc,d", "a|b/c|d/");
	assert_rows("\xef\xbb\xbf" "a\n", "a/");
	assert_rows("a,,\n,b,\n", "a||/|b|/");
	assert_rows("a,", "a|/");
	assert_rows("\n\r\n\na\n\n", "a/");
	assert_rows("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\n", "a,b|say \"hi\"|two\r\nlines/");
	assert_rows("\"\"\n", "/");
	assert_rows(" a , b \n", " a | b /");
}

static void what_is_no_csv_is_refused(void **state)
{
	(void)state;
	assert_rows("a,\"b", "csv-open");
	assert_rows("a,\"b\"\"", "csv-open");
	assert_rows("a,\"b\"c\n", "csv-quote");
	assert_rows("a,b\"c\n", "csv-quote");
	assert_rows("a\rb\n", "csv-control");
	assert_rows("\"a\"\rb\n", "csv-control");
	assert_rows("\r", "csv-control");
	assert_rows("a,\0b\n", "csv-control");
}

static void bounds_are_kept(void **state)
{
	char *text = malloc(CSV_FIELD_OCTETS_MAX + 2);
	struct csv csv;
	struct csv_row row;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', CSV_FIELD_OCTETS_MAX + 2);
	csv_init(&csv, (struct view){(uint8_t *)text, CSV_FIELD_OCTETS_MAX});
	assert_ok(csv_next(&csv, &row, &e), &e);
	assert_int_equal(strlen(row.fields[0]), CSV_FIELD_OCTETS_MAX);
	csv_clear(&csv);
	csv_init(&csv, (struct view){(uint8_t *)text, CSV_FIELD_OCTETS_MAX + 1});
	assert_err(csv_next(&csv, &row, &e), ERR_LIMIT);
	csv_clear(&csv);
	err_clear(&e);
	memset(text, ',', CSV_FIELDS_MAX);
	csv_init(&csv, (struct view){(uint8_t *)text, CSV_FIELDS_MAX - 1});
	assert_ok(csv_next(&csv, &row, &e), &e);
	assert_int_equal(row.n, CSV_FIELDS_MAX);
	csv_clear(&csv);
	csv_init(&csv, (struct view){(uint8_t *)text, CSV_FIELDS_MAX});
	assert_err(csv_next(&csv, &row, &e), ERR_LIMIT);
	csv_clear(&csv);
	free(text);
}

static void lines_are_counted_through_quotes(void **state)
{
	static const char text[] = "a\n\"two\nlines\"\n\nb\n\"open";
	static const unsigned lines[] = {1, 2, 5};
	struct csv csv;
	struct csv_row row;
	struct err e = ERR_INIT;

	(void)state;
	csv_init(&csv, view_str(text));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(csv_next(&csv, &row, &e), &e);
		assert_int_equal(row.line, lines[i]);
	}
	assert_err(csv_next(&csv, &row, &e), ERR_PROTO);
	assert_non_null(strstr(e.text, "line 6"));
	assert_int_equal(e.offset, sizeof(text) - 1);
	csv_clear(&csv);
}

static void fields_are_quoted_when_they_must_be(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	csv_put(out, true, "plain");
	csv_put(out, false, "a,b");
	csv_put(out, false, "say \"hi\"");
	csv_put(out, false, "");
	fclose(out);
	assert_string_equal(text, "plain,\"a,b\",\"say \"\"hi\"\"\",");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_as_they_were_written),
		cmocka_unit_test(what_is_no_csv_is_refused),
		cmocka_unit_test(bounds_are_kept),
		cmocka_unit_test(lines_are_counted_through_quotes),
		cmocka_unit_test(fields_are_quoted_when_they_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
