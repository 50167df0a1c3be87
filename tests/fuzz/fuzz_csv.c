/* Rows of comma-separated values: what was read is written, and read again as the same. */
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct csv_row *row)
{
	struct csv csv;
	struct csv_row back;
	struct err e = ERR_INIT;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (size_t i = 0; i < row->n; i++)
		csv_put(out, i == 0, row->fields[i]);
	fputs("\r\n", out);
	fclose(out);
	csv_init(&csv, (struct view){(const uint8_t *)text, len});
	/* A row of one empty field is written as a line with nothing in it, which is passed over; so is a mark. */
	if (csv_next(&csv, &back, &e))
		abort();
	if (row->n > 1 || (*row->fields[0] && strncmp(row->fields[0], "\xef\xbb\xbf", 3) != 0)) {
		if (back.n != row->n)
			abort();
		for (size_t i = 0; i < row->n; i++)
			if (strcmp(back.fields[i], row->fields[i]) != 0 && strncmp(text, "\xef\xbb\xbf", 3) != 0)
				abort();
	}
	csv_clear(&csv);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct csv csv;
	struct csv_row row;
	struct err e = ERR_INIT;
	unsigned line = 0;
	int rc;

	csv_init(&csv, (struct view){data, size});
	while ((rc = csv_next(&csv, &row, &e)) == 0 && row.n) {
		if (row.n > CSV_FIELDS_MAX || row.line <= line)
			abort();
		line = row.line;
		again(&row);
	}
	if (rc && rc != ERR_LIMIT && (rc != ERR_PROTO || !e.rule || e.offset < 0 || (size_t)e.offset > size))
		abort();
	csv_clear(&csv);
	return 0;
}
