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
	size_t added, changed, unchanged;
};

/*
 * phones_import: phones that are not there are added, others get the values of the row. An empty value empties a text; of
 * every other column it means "as it is". All of it in one transaction, or nothing; an audit record for each phone.
 * In:     dry_run: everything is checked, nothing kept.
 * Errors: ERR_PROTO no such file, with line; ERR_USAGE with line, phone and what is allowed.
 */
int phones_import(struct cluster *c, const char *who, struct view text, bool dry_run, struct phones_import *done,
		  struct err *e) MUST_CHECK;

/* phones_export: what phones_import reads, without authentication strings. */
int phones_export(struct cluster *c, const struct phones_filter *f, FILE *out, struct err *e) MUST_CHECK;
