#include "cluster/phones_csv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/csv.h"
#include "base/text.h"
#include "cluster/phones_internal.h"

#define NAME_COLUMN "Device Name"
#define STRING_COLUMN "Authentication String"

/* What an export shows and an import passes over. */
static const char *const shown[] = {
	"Certificate Operation Status", "LSC Issuer", "LSC Expires", "LSC Last Proven", "MIC Issuer", "MIC Expires",
	"Last Contact", "Last Address", NULL,
};

enum { COLUMN_NAME = PHONE_N_FIELDS, COLUMN_STRING, COLUMN_SHOWN };

struct name_at {
	char *name;
	unsigned line;
};

struct import {
	const char *who;
	struct view text;
	unsigned columns[CSV_FIELDS_MAX]; /* enum phone_field, or COLUMN_... */
	size_t n_columns;
	size_t name_at;
	struct name_at *names;            /* of all rows, to find the ones that are there twice */
	size_t n_names, room;
	struct phones_import done;
};

static bool find_column(const char *title, unsigned *column)
{
	enum phone_field f;

	if (phone_field_find(title, &f)) {
		*column = f;
		return true;
	}
	for (const char *const *s = shown; *s; s++)
		if (text_same(*s, title)) {
			*column = COLUMN_SHOWN;
			return true;
		}
	*column = text_same(title, NAME_COLUMN) ? COLUMN_NAME : COLUMN_STRING;
	return *column == COLUMN_NAME || text_same(title, STRING_COLUMN);
}

static int read_header(struct import *im, const struct csv_row *row, struct err *e)
{
	bool seen[COLUMN_SHOWN + 1] = { false };
	char title[160];

	for (size_t i = 0; i < row->n; i++) {
		unsigned column;
		text_escape(title, sizeof(title), view_str(row->fields[i]));
		if (!find_column(row->fields[i], &column))
			return err_rule(e, "csv-column", -1, "line %u, column %zu: there is no column '%.60s'; the names are those that "
					"'phone export' writes", row->line, i + 1, title);
		if (seen[column] && column != COLUMN_SHOWN)
			return err_rule(e, "csv-column", -1, "line %u, column %zu: '%.60s' is there twice", row->line, i + 1, title);
		seen[column] = true;
		im->columns[i] = column;
		if (column == COLUMN_NAME)
			im->name_at = i;
	}
	if (!seen[COLUMN_NAME])
		return err_rule(e, "csv-column", -1, "the first line must name the columns, and '" NAME_COLUMN "' must be one of them");
	im->n_columns = row->n;
	return 0;
}

/* Each row that is not the header; stops with what cb returns. */
static int each_row(struct import *im, int (*cb)(void *ctx, const struct csv_row *row, struct err *e), void *ctx,
		    struct err *e)
{
	struct csv csv;
	struct csv_row row;

	csv_init(&csv, im->text);
	int rc = csv_next(&csv, &row, e);
	if (!rc && im->n_columns == 0)
		rc = read_header(im, &row, e);
	while (!rc && (rc = csv_next(&csv, &row, e)) == 0 && row.n) {
		if (row.n != im->n_columns)
			rc = err_rule(e, "csv-width", -1, "line %u: %zu fields, but the first line names %zu columns", row.line, row.n,
				      im->n_columns);
		if (!rc)
			rc = cb(ctx, &row, e);
	}
	csv_clear(&csv);
	return rc;
}

static int collect_name(void *ctx, const struct csv_row *row, struct err *e)
{
	struct import *im = ctx;

	if (im->n_names == im->room) {
		size_t room = im->room ? im->room * 2 : 256;
		struct name_at *grown = reallocarray(im->names, room, sizeof(*grown));
		if (!grown)
			return err_set(e, ERR_NOMEM, "out of memory");
		im->names = grown;
		im->room = room;
	}
	char *name = strdup(row->fields[im->name_at]);
	if (!name)
		return err_set(e, ERR_NOMEM, "out of memory");
	im->names[im->n_names++] = (struct name_at){ name, row->line };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct name_at *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int check_twice(struct import *im, struct err *e)
{
	char name[160];

	if (im->n_names)
		qsort(im->names, im->n_names, sizeof(*im->names), by_name);
	for (size_t i = 1; i < im->n_names; i++) {
		if (strcmp(im->names[i - 1].name, im->names[i].name) != 0)
			continue;
		text_escape(name, sizeof(name), view_str(im->names[i].name));
		return err_rule(e, "csv-twice", -1, "line %u: phone %.60s is in line %u already", im->names[i].line, name,
				im->names[i - 1].line);
	}
	return 0;
}

/* Does this field of the row say something that is not so already? */
static bool says(const struct store_device *old, bool there, enum phone_field f, const char *text)
{
	char now[STORE_NAME_SIZE];

	if (!*text && (phone_field_values(f) || f == PHONE_COMPLETE_BY || !there))
		return false;
	if (!there)
		return true;
	phone_field_text(old, f, now, sizeof(now));
	return strcmp(now, text) != 0;
}

static void fill_put(const struct import *im, const struct csv_row *row, const struct store_device *old, bool there,
		     struct phone_value v[PHONE_N_FIELDS], struct phone_put *p)
{
	*p = (struct phone_put){ .name = row->fields[im->name_at], .v = v, .may_add = true, .may_set = true };
	for (size_t i = 0; i < row->n; i++) {
		unsigned column = im->columns[i];
		if (column == COLUMN_STRING && *row->fields[i])
			p->string = row->fields[i];
		if (column < PHONE_N_FIELDS && says(old, there, column, row->fields[i]))
			v[p->n++] = (struct phone_value){ column, row->fields[i] };
	}
}

static int put_row(struct cluster *c, struct import *im, const struct csv_row *row, struct err *e)
{
	struct phone_change record = { .who = im->who, .command = "phone import" };
	struct phone_value v[PHONE_N_FIELDS];
	struct store_device old;
	struct phone_put p;
	char object[STORE_NAME_SIZE + 8];
	bool there = false;
	int rc = store_device_get(c->store, row->fields[im->name_at], &old, &there, e);

	if (rc)
		return rc;
	fill_put(im, row, &old, there, v, &p);
	rc = phone_put_apply(c, &record, &p, e);
	if (rc)
		return rc;
	im->done.added += p.added;
	im->done.changed += p.changed;
	im->done.unchanged += !p.added && !p.changed;
	if (record.quiet)
		return 0;
	snprintf(object, sizeof(object), "phone %s", p.name);
	record.object = object;
	return phone_audit(c, &record, "done", e);
}

struct putting {
	struct cluster *c;
	struct import *im;
};

static int put_and_tell(void *ctx, const struct csv_row *row, struct err *e)
{
	const struct putting *p = ctx;
	char name[160];
	int rc = put_row(p->c, p->im, row, e);

	if (rc) {
		text_escape(name, sizeof(name), view_str(row->fields[p->im->name_at]));
		err_prefix(e, "line %u, phone %.60s", row->line, name);
	}
	return rc;
}

static int import(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct import *im = ctx;
	int rc = each_row(im, collect_name, im, e);

	if (!rc)
		rc = check_twice(im, e);
	if (!rc)
		rc = each_row(im, put_and_tell, &(struct putting){ c, im }, e);
	snprintf(ch->after, sizeof(ch->after), "%zu added, %zu changed, %zu as they were", im->done.added, im->done.changed,
		 im->done.unchanged);
	return rc;
}

int phones_import(struct cluster *c, const char *who, struct view text, bool dry_run, struct phones_import *done,
		  struct err *e)
{
	struct import im = { .who = who, .text = text };
	struct phone_change ch = { .who = who, .command = "phone import", .object = "phones", .rehearsal = dry_run,
				   .apply = import, .ctx = &im };
	int rc = phone_change_run(c, &ch, e);

	for (size_t i = 0; i < im.n_names; i++)
		free(im.names[i].name);
	free(im.names);
	if (!rc)
		*done = im.done;
	return rc;
}

/* --- writing --- */

static void put_time(FILE *out, int64_t when)
{
	char text[32] = "";
	time_t t = (time_t)when;
	struct tm tm;

	if (when && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y:%m:%d:%H:%M", &tm);
	csv_put(out, false, text);
}

static int write_row(void *ctx, const struct store_device *d)
{
	char text[STORE_NAME_SIZE];
	FILE *out = ctx;

	csv_put(out, true, d->name);
	for (enum phone_field f = 0; f < PHONE_N_FIELDS; f++) {
		phone_field_text(d, f, text, sizeof(text));
		csv_put(out, false, text);
	}
	csv_put(out, false, d->status);
	csv_put(out, false, d->lsc.issuer);
	put_time(out, d->lsc.not_after);
	put_time(out, d->lsc_proven);
	csv_put(out, false, d->mic.issuer);
	put_time(out, d->mic.not_after);
	put_time(out, d->last_seen);
	csv_put(out, false, d->last_address);
	fputs("\r\n", out);
	return ferror(out) ? ERR_IO : 0;
}

int phones_export(struct cluster *c, const struct phones_filter *f, FILE *out, struct err *e)
{
	csv_put(out, true, NAME_COLUMN);
	for (enum phone_field i = 0; i < PHONE_N_FIELDS; i++)
		csv_put(out, false, phone_field_name(i));
	for (const char *const *s = shown; *s; s++)
		csv_put(out, false, *s);
	fputs("\r\n", out);
	int rc = phones_list(c, f, write_row, out, e);
	return rc == ERR_IO ? err_set(e, ERR_IO, "the export could not be written") : rc;
}
