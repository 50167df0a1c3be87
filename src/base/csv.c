#include "base/csv.h"

#include <string.h>

void csv_init(struct csv *c, struct view text)
{
	struct view mark;

	*c = (struct csv){.line = 1};
	rd_init(&c->r, text.p, text.len);
	if (text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		rd_view(&c->r, 3, &mark);
	wr_init(&c->text, (size_t)CSV_FIELDS_MAX * (CSV_FIELD_OCTETS_MAX + 1));
}

void csv_clear(struct csv *c)
{
	wr_clear(&c->text);
}

static int wrong(struct csv *c, const char *rule, const char *what, struct err *e)
{
	return err_rule(e, rule, (long)rd_offset(&c->r), "line %u: %s", c->line, what);
}

static bool next_is(const struct csv *c, char want)
{
	uint8_t octet;

	return rd_peek_u8(&c->r, &octet) && octet == (uint8_t)want;
}

static bool take_if(struct csv *c, char want)
{
	uint8_t octet;

	return next_is(c, want) && rd_u8(&c->r, &octet);
}

static int put(struct csv *c, size_t start, uint8_t octet, struct err *e)
{
	if (octet == '\0')
		return wrong(c, "csv-control", "a NUL is no text", e);
	if (c->text.len - start >= CSV_FIELD_OCTETS_MAX)
		return err_set(e, ERR_LIMIT, "line %u: a field of more than %d octets", c->line, CSV_FIELD_OCTETS_MAX);
	if (octet == '\n')
		c->line++;
	return wr_u8(&c->text, octet) ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* Behind the opening quote, to behind the closing one. */
static int quoted(struct csv *c, size_t start, struct err *e)
{
	unsigned begins = c->line;
	uint8_t octet;
	int rc = 0;

	while (!rc && rd_u8(&c->r, &octet)) {
		if (octet == '"' && !take_if(c, '"'))
			return c->r.left == 0 || next_is(c, ',') || next_is(c, '\n') || next_is(c, '\r') ?
				       0 : wrong(c, "csv-quote", "only a comma or the end of the line follows a closing quote", e);
		rc = put(c, start, octet, e);
	}
	if (rc)
		return rc;
	return err_rule(e, "csv-open", (long)rd_offset(&c->r), "line %u: a quote opens here that nothing closes", begins);
}

static int plain(struct csv *c, size_t start, struct err *e)
{
	uint8_t octet;
	int rc = 0;

	while (!rc && rd_peek_u8(&c->r, &octet) && octet != ',' && octet != '\n' && octet != '\r') {
		if (octet == '"')
			return wrong(c, "csv-quote", "a field with a quote in it must be in quotes, the quote twice", e);
		rc = rd_u8(&c->r, &octet) ? put(c, start, octet, e) : ERR_BUG;
	}
	return rc;
}

/* Behind a field: a comma, an end of line, or the end. *more: another field follows. */
static int separator(struct csv *c, bool *more, struct err *e)
{
	*more = take_if(c, ',');
	if (*more || c->r.left == 0)
		return 0;
	if (take_if(c, '\r') && !next_is(c, '\n'))
		return wrong(c, "csv-control", "a carriage return that ends no line", e);
	take_if(c, '\n');
	c->line++;
	return 0;
}

static int row_fields(struct csv *c, size_t starts[CSV_FIELDS_MAX], size_t *n, struct err *e)
{
	bool more = true;
	int rc = 0;

	for (*n = 0; !rc && more; ++*n) {
		if (*n == CSV_FIELDS_MAX)
			return err_set(e, ERR_LIMIT, "line %u: more than %d fields", c->line, CSV_FIELDS_MAX);
		starts[*n] = c->text.len;
		rc = take_if(c, '"') ? quoted(c, starts[*n], e) : plain(c, starts[*n], e);
		if (!rc && !wr_u8(&c->text, '\0'))
			rc = err_set(e, ERR_NOMEM, "out of memory");
		if (!rc)
			rc = separator(c, &more, e);
	}
	return rc;
}

/* Lines with nothing in them. */
static void skip_empty(struct csv *c)
{
	for (;;) {
		struct rd before = c->r;
		bool cr = take_if(c, '\r');
		if (!take_if(c, '\n')) {
			if (cr) /* not the end of a line: for separator() to refuse */
				c->r = before;
			return;
		}
		c->line++;
	}
}

int csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
	size_t starts[CSV_FIELDS_MAX], n;

	skip_empty(c);
	*row = (struct csv_row){.line = c->line};
	if (c->r.left == 0)
		return 0;
	wr_clear(&c->text);
	int rc = row_fields(c, starts, &n, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		row->fields[i] = (const char *)wr_view_all(&c->text).p + starts[i];
	row->n = n;
	return 0;
}

void csv_put(FILE *out, bool first, const char *field)
{
	if (!first)
		fputc(',', out);
	if (!strpbrk(field, ",\"\r\n")) {
		fputs(field, out);
		return;
	}
	fputc('"', out);
	for (const char *p = field; *p; p++) {
		if (*p == '"')
			fputc('"', out);
		fputc(*p, out);
	}
	fputc('"', out);
}
