#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/text.h"
#include "cluster/phones_csv.h"
#include "cluster/phones_internal.h"

#define COMMAND "phone import"
#define NAMED_MAX 10 /* rows that a note names */

enum phase { READING, CHECKING, STORING, OVER };

struct name_at {
	char *name;
	unsigned line;
};

struct phones_import_job {
	struct cluster *c;
	char who[96];
	struct view text;
	bool dry_run;
	enum phase phase;
	struct csv csv;                   /* where the phase is in the file */
	uint64_t until;                   /* of the step: milliseconds */

	unsigned columns[CSV_FIELDS_MAX]; /* as in phones_csv_column */
	size_t n_columns;
	size_t name_at;
	struct name_at *names;            /* of all rows, to find the ones that are there twice */
	size_t n_names, room;

	size_t at;                        /* rows of the phase that are behind it */
	struct phones_import counted, stored;
	unsigned dropped_lines[NAMED_MAX];
	size_t n_dropped;
};

static int read_header(struct phones_import_job *im, const struct csv_row *row, struct err *e)
{
	bool seen[PHONES_CSV_SHOWN + 1] = { false };
	char title[160];

	for (size_t i = 0; i < row->n; i++) {
		unsigned column;
		text_escape(title, sizeof(title), view_str(row->fields[i]));
		if (!phones_csv_column(row->fields[i], &column))
			return err_rule(e, "csv-column", -1, "line %u, column %zu: there is no column '%.60s'; the names are those that "
					"'phone export' writes", row->line, i + 1, title);
		if (seen[column] && column != PHONES_CSV_SHOWN)
			return err_rule(e, "csv-column", -1, "line %u, column %zu: '%.60s' is there twice", row->line, i + 1, title);
		seen[column] = true;
		im->columns[i] = column;
		if (column == PHONES_CSV_NAME)
			im->name_at = i;
	}
	if (!seen[PHONES_CSV_NAME])
		return err_rule(e, "csv-column", -1, "the first line must name the columns, and 'Device Name' must be one of them");
	im->n_columns = row->n;
	return 0;
}

/* --- reading: which phones, and none twice --- */

static int read_row(struct phones_import_job *im, const struct csv_row *row, struct err *e)
{
	char name[STORE_NAME_SIZE];
	struct store_device d;
	bool found;
	int rc = phones_name(im->c, row->fields[im->name_at], name, &d, &found, e);

	if (rc) {
		err_prefix(e, "line %u", row->line);
		return rc;
	}
	if (im->n_names == im->room) {
		size_t room = im->room ? im->room * 2 : 256;
		struct name_at *grown = reallocarray(im->names, room, sizeof(*grown));
		if (!grown)
			return err_set(e, ERR_NOMEM, "out of memory");
		im->names = grown;
		im->room = room;
	}
	char *copy = strdup(name);
	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	im->names[im->n_names++] = (struct name_at){ copy, row->line };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct name_at *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int check_twice(struct phones_import_job *im, struct err *e)
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

/* --- checking and storing --- */

/* Does this field of the row say something that is not so already? */
static bool says(const struct store_device *old, bool there, enum phone_field f, const char *text)
{
	char now[STORE_NAME_SIZE];

	if (!*text && (phone_field_values(f) || f == PHONE_COMPLETE_BY || !there))
		return false;
	if (!there)
		return true;
	phones_csv_text(old, f, now, sizeof(now));
	return strcmp(now, text) != 0;
}

static void fill_put(const struct phones_import_job *im, const struct csv_row *row, const struct store_device *old,
		     bool there, struct phone_value v[PHONE_N_FIELDS], struct phone_put *p)
{
	*p = (struct phone_put){ .typed = row->fields[im->name_at], .v = v, .may_add = true, .may_set = true,
				 .lenient = true };
	for (size_t i = 0; i < row->n; i++) {
		unsigned column = im->columns[i];
		if (column == PHONES_CSV_STRING && *row->fields[i])
			p->string = row->fields[i];
		if (column < PHONE_N_FIELDS && says(old, there, column, row->fields[i]))
			v[p->n++] = (struct phone_value){ column, row->fields[i] };
	}
}

static void count(struct phones_import_job *im, const struct csv_row *row, const struct phone_put *p)
{
	im->counted.added += p->added;
	im->counted.changed += p->changed;
	im->counted.unchanged += !p->added && !p->changed;
	if (!p->dropped || im->phase != CHECKING)
		return;
	if (im->n_dropped < NAMED_MAX)
		im->dropped_lines[im->n_dropped] = row->line;
	im->n_dropped++;
}

static int put_row(struct phones_import_job *im, const struct csv_row *row, struct err *e)
{
	struct phone_change record = { .who = im->who, .command = COMMAND };
	struct phone_value v[PHONE_N_FIELDS];
	char name[STORE_NAME_SIZE];
	struct store_device old;
	struct phone_put p;
	bool there = false;
	int rc = phones_name(im->c, row->fields[im->name_at], name, &old, &there, e);

	if (rc)
		return rc;
	fill_put(im, row, &old, there, v, &p);
	rc = im->phase == CHECKING ? phone_put_check(im->c, &p, e) : phone_put_apply(im->c, &record, &p, e);
	if (rc)
		return rc;
	count(im, row, &p);
	return im->phase == CHECKING || record.quiet ? 0 : phone_audit(im->c, &record, "done", e);
}

/* --- phases --- */

static int on_row(struct phones_import_job *im, const struct csv_row *row, struct err *e)
{
	char name[160];

	if (!im->n_columns)
		return read_header(im, row, e);
	if (row->n != im->n_columns)
		return err_rule(e, "csv-width", -1, "line %u: %zu fields, but the first line names %zu columns", row->line, row->n,
				im->n_columns);
	im->at++;
	if (im->phase == READING)
		return read_row(im, row, e);
	int rc = put_row(im, row, e);
	if (rc) {
		text_escape(name, sizeof(name), view_str(row->fields[im->name_at]));
		err_prefix(e, "line %u, phone %.60s", row->line, name);
	}
	return rc;
}

static int begin_phase(struct phones_import_job *im, enum phase phase, struct err *e)
{
	struct csv_row titles;

	im->phase = phase;
	im->at = 0;
	im->counted = (struct phones_import){ .rows = im->n_names };
	csv_clear(&im->csv);
	csv_init(&im->csv, im->text);
	return phase == READING ? 0 : csv_next(&im->csv, &titles, e);
}

/* The file is at its end: what comes now? */
static int next_phase(struct phones_import_job *im, struct err *e)
{
	int rc = 0;

	if (im->phase == READING) {
		rc = im->n_columns ? check_twice(im, e) : read_header(im, &(struct csv_row){ 0 }, e);
		return rc ? rc : begin_phase(im, CHECKING, e);
	}
	if (im->phase == CHECKING && !im->dry_run)
		return begin_phase(im, STORING, e);
	im->phase = OVER;
	return 0;
}

/* What fits into the time of a step; at most to the end of the file, because a change of phase is one of what is stored. */
static int slice(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct phones_import_job *im = ctx;
	struct csv_row row;
	int rc;

	do {
		rc = csv_next(&im->csv, &row, e);
		if (!rc && row.n)
			rc = on_row(im, &row, e);
	} while (!rc && row.n && clock_mono_ms(c->clock) < im->until);
	ch->quiet = rc || row.n || im->phase != STORING;
	if (!rc && !row.n)
		rc = next_phase(im, e);
	if (!ch->quiet)
		snprintf(ch->after, sizeof(ch->after), "%zu added, %zu changed, %zu as they were", im->counted.added,
			 im->counted.changed, im->counted.unchanged);
	return rc;
}

int phones_import_step(struct phones_import_job *im, uint64_t ms, bool *over, struct err *e)
{
	struct phone_change ch = { .who = im->who, .command = COMMAND, .object = "phones", .rehearsal = im->dry_run,
				   .apply = slice, .ctx = im };
	bool storing = im->phase == STORING;

	im->until = clock_mono_ms(im->c->clock) + ms;
	int rc = phone_change_run(im->c, &ch, e);
	if (!rc && (storing || im->dry_run))
		im->stored = im->counted;
	if (rc && im->phase >= STORING)
		im->phase = STORING; /* the last slice was taken back */
	if (rc && im->stored.added + im->stored.changed)
		err_prefix(e, "%zu phones were added and %zu changed before this, and stay; the rest of the file was not imported: "
			   "import it again when this is mended", im->stored.added, im->stored.changed);
	*over = im->phase == OVER;
	return rc;
}

/* --- from beginning to end --- */

int phones_import_new(struct cluster *c, const char *who, struct view text, bool dry_run, struct phones_import_job **job,
		      struct err *e)
{
	struct phones_import_job *im = calloc(1, sizeof(*im));

	if (!im)
		return err_set(e, ERR_NOMEM, "out of memory");
	im->c = c;
	im->text = text;
	im->dry_run = dry_run;
	snprintf(im->who, sizeof(im->who), "%s", who);
	csv_init(&im->csv, text);
	*job = im;
	return 0;
}

/* A part of the file is stored, and nobody will store the rest. */
static void record_end(struct phones_import_job *im)
{
	struct phone_change ch = { .who = im->who, .command = COMMAND, .object = "phones" };

	snprintf(ch.after, sizeof(ch.after), "%zu added, %zu changed, %zu as they were", im->stored.added, im->stored.changed,
		 im->stored.unchanged);
	/* What stopped it may be why the audit takes nothing either. */
	if (phone_audit(im->c, &ch, "stopped: the rest of the file was not imported", NULL))
		return;
}

void phones_import_free(struct phones_import_job *im)
{
	if (!im)
		return;
	if (im->phase == STORING && im->stored.added + im->stored.changed)
		record_end(im);
	for (size_t i = 0; i < im->n_names; i++)
		free(im->names[i].name);
	free(im->names);
	csv_clear(&im->csv);
	free(im);
}

const struct phones_import *phones_import_done(const struct phones_import_job *im)
{
	return &im->stored;
}

int phones_import_notes(const struct phones_import_job *im, struct notes *notes, struct err *e)
{
	char lines[200] = "";
	size_t used = 0;

	if (!im->n_dropped)
		return 0;
	for (size_t i = 0; i < im->n_dropped && i < NAMED_MAX; i++)
		used = text_append(lines, sizeof(lines), used, "%s%u", i ? ", " : "", im->dropped_lines[i]);
	if (im->n_dropped > NAMED_MAX)
		text_append(lines, sizeof(lines), used, " and %zu more", im->n_dropped - NAMED_MAX);
	return notes_add(notes, e, "Line%s %s: the Certificate Operation is taken as No Pending Operation, because its time is over, or "
			 "its authentication string is neither here nor in the file.", im->n_dropped == 1 ? "" : "s", lines);
}

void phones_import_progress(const struct phones_import_job *im, char *out, size_t size)
{
	if (im->phase == READING)
		snprintf(out, size, "%zu phones read", im->at);
	else
		snprintf(out, size, "%zu of %zu phones %s", im->at, im->n_names, im->phase == CHECKING ? "checked" : "stored");
}
