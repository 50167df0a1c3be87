#pragma once

#include <stdio.h>

#include "base/bytes.h"

/*
 * Comma-separated values, RFC 4180: fields in quotes hold commas, line ends and doubled quotes; lines end with CRLF or LF.
 * A byte order mark at the beginning is passed over, and so are lines with nothing in them.
 */
#define CSV_FIELDS_MAX 64
#define CSV_FIELD_OCTETS_MAX 65535

struct csv {
	struct rd r;
	unsigned line;         /* of the next octet, from 1 */
	struct wr text;        /* of the row, fields one behind the other, each with its NUL */
};

struct csv_row {
	size_t n;              /* 0: there are no more */
	unsigned line;         /* where it begins */
	const char *fields[CSV_FIELDS_MAX]; /* without their quotes; valid until the next row */
};

void csv_init(struct csv *c, struct view text); /* text must live as long as c */
void csv_clear(struct csv *c);

/*
 * csv_next: the next row.
 * Errors: ERR_PROTO, e->offset is the octet: "csv-quote" a quote within an unquoted field, or something behind a quoted one;
 *         "csv-open" the last field's quote is not closed; "csv-control" a NUL, or a CR that ends no line;
 *         ERR_LIMIT too many fields, a field too long. The texts begin with "line N".
 */
int csv_next(struct csv *c, struct csv_row *row, struct err *e) MUST_CHECK;

/* csv_put: one field, in quotes when it needs them; first: no comma before it. */
void csv_put(FILE *out, bool first, const char *field);
