#pragma once

#include <stdio.h>

#include "base/bytes.h"
#include "cluster/phones.h"

/*
 * Phones as comma-separated values. The first row names the columns, in any order and case: "Device Name" must be there;
 * the others are those of enum phone_field, and "Authentication String" (only read). Columns that only the program knows
 * (certificates, status, last contact) are written by an export and passed over by an import.
 */
struct phones_import {
	size_t rows;            /* of the file, when all of them were read */
	size_t added, changed, unchanged;
};

/*
 * An import: phones that are not there are added, others get the values of the row. An empty value empties a text; of every
 * other column it means "as it is". An operation whose time is over, or whose string is neither here nor in the file, as an
 * export has them, is taken as No Pending Operation. Everything is checked before anything is stored; then the phones are
 * stored a few at a time, each with its audit record, so that whoever shares the thread can go on in between.
 *
 * phones_import_new: text lives as long as the import. dry_run: everything is checked, nothing stored.
 * phones_import_step: go on for about `ms` milliseconds. *over: all is done.
 *         Errors: ERR_PROTO no such file, with line; ERR_USAGE with line, phone and what is allowed; others. Nothing was
 *         stored, or the text says what was: the file can be imported again.
 * phones_import_free: accepts NULL; one that is not over ends, and the audit says how far it came.
 */
struct phones_import_job;
int phones_import_new(struct cluster *c, const char *who, struct view text, bool dry_run, struct phones_import_job **job,
		      struct err *e) MUST_CHECK;
int phones_import_step(struct phones_import_job *job, uint64_t ms, bool *over, struct err *e) MUST_CHECK;
void phones_import_free(struct phones_import_job *job);

/* phones_import_done: of a dry run, what it would do; else what is stored. */
const struct phones_import *phones_import_done(const struct phones_import_job *job);
/* phones_import_notes: which operations were taken as none. */
int phones_import_notes(const struct phones_import_job *job, struct notes *notes, struct err *e) MUST_CHECK;
/* phones_import_progress: "3000 of 10000 phones checked". */
void phones_import_progress(const struct phones_import_job *job, char *out, size_t size);

/* What an import reads, without authentication strings: the row of titles, and a phone's. phones_export_row: ERR_IO. */
void phones_export_head(FILE *out);
int phones_export_row(void *out, const struct store_device *d) MUST_CHECK;
