#include "store/sqltable.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store_internal.h"

#define TABLE_CAP ((size_t)256 << 20) /* octets of a rendered answer */

struct sqltable {
	size_t n;           /* columns */
	size_t *widths;     /* in characters */
	struct store_list cells; /* char *, column names first, then row by row */
};

struct sqltable *sqltable_new(void)
{
	struct sqltable *t = calloc(1, sizeof(*t));

	if (t)
		t->cells.item = sizeof(char *);
	return t;
}

static char *cell(const struct sqltable *t, size_t i)
{
	return ((char **)(void *)t->cells.items)[i];
}

void sqltable_free(struct sqltable *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cells.n; i++)
		free(cell(t, i));
	free(t->cells.items);
	free(t->widths);
	free(t);
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f;
}

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/*
 * One run of a value: printable ASCII as it is, line ends as a blank, the rest escaped. Returns the octets that it
 * took.
 */
static size_t put_run(struct wr *w, const char *s, size_t len)
{
	bool (*same)(char) = is_line_end(*s) ? is_line_end : is_plain;
	char escaped[4 * 64 + 1];
	size_t n = 0;

	while (n < len && same(s[n]))
		n++;
	if (n && same == is_line_end) {
		if (n < len)
			wr_u8(w, ' ');
		return n;
	}
	if (n) {
		wr_bytes(w, s, n);
		return n;
	}
	while (n < len && n < 64 && !is_plain(s[n]) && !is_line_end(s[n]))
		n++;
	while (n > 60 && n < len && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not within a character */
	wr_bytes(w, escaped, text_escape(escaped, sizeof(escaped), (struct view){(const uint8_t *)s, n}));
	return n;
}

static char *to_cell(const char *value, size_t len)
{
	uint8_t *out = NULL;
	size_t out_len;
	struct wr w;

	if (!value)
		return strdup("NULL");
	wr_init(&w, TABLE_CAP);
	for (size_t i = 0; i < len;)
		i += put_run(&w, value + i, len - i);
	wr_u8(&w, '\0');
	return wr_finish(&w, &out, &out_len, NULL) ? NULL : (char *)out;
}

static int add_cell(struct sqltable *t, size_t column, const char *value, size_t len)
{
	char *text = to_cell(value, len);
	char **slot = text ? store_list_add(&t->cells) : NULL;

	if (!slot) {
		free(text);
		return ERR_NOMEM;
	}
	*slot = text;
	size_t width = characters(text);
	if (width > t->widths[column])
		t->widths[column] = width;
	return 0;
}

static int take_head(void *ctx, const struct store_sql_row *names)
{
	struct sqltable *t = ctx;
	int rc = 0;

	t->widths = calloc(names->n ? names->n : 1, sizeof(*t->widths));
	if (!t->widths)
		return ERR_NOMEM;
	t->n = names->n;
	for (size_t i = 0; !rc && i < t->n; i++)
		rc = add_cell(t, i, names->names[i], strlen(names->names[i]));
	return rc;
}

static int take_row(void *ctx, const struct store_sql_row *row)
{
	struct sqltable *t = ctx;
	int rc = 0;

	for (size_t i = 0; !rc && i < t->n; i++)
		rc = add_cell(t, i, row->values[i], row->lens[i]);
	return rc;
}

struct store_sql_sink sqltable_sink(struct sqltable *t)
{
	return (struct store_sql_sink){take_head, take_row, t};
}

size_t sqltable_rows(const struct sqltable *t)
{
	return t->n ? t->cells.n / t->n - 1 : 0;
}

static void put_row(const struct sqltable *t, size_t first, struct wr *w)
{
	for (size_t i = 0; i < t->n; i++) {
		const char *text = cell(t, first + i);
		bool last = i + 1 == t->n;
		wr_bytes(w, text, strlen(text));
		wr_fill(w, last ? '\n' : ' ', last ? 1 : t->widths[i] - characters(text) + 1);
	}
}

static void put_line(const struct sqltable *t, struct wr *w)
{
	for (size_t i = 0; i < t->n; i++) {
		wr_fill(w, '=', t->widths[i]);
		wr_u8(w, i + 1 == t->n ? '\n' : ' ');
	}
}

int sqltable_render(const struct sqltable *t, char **text, struct err *e)
{
	uint8_t *out = NULL;
	size_t len;
	struct wr w;

	wr_init(&w, TABLE_CAP);
	for (size_t i = 0; i < t->cells.n; i += t->n) {
		put_row(t, i, &w);
		if (i == 0)
			put_line(t, &w);
	}
	wr_u8(&w, '\0');
	int rc = wr_finish(&w, &out, &len, e);
	if (!rc)
		*text = (char *)out;
	return rc;
}
