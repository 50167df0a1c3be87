#pragma once

#include <stdio.h>

#include "format/list.h"

/*
 * The listing of `show ctl` and `show itl`, letter for letter. Source: formats-and-protocols.md 3.
 * Strings from the file are made printable. Times are printed in local time (TZ).
 */
struct show_options {
	enum list_type type;
	int64_t modified_s;        /* Unix seconds */
	bool verified;             /* what the last lines say */
	bool no_checksum;          /* as CUCM 8.x shows an ITL */
};

/* show_list: l after list_verify_self, whether or not that succeeded. */
void show_list(FILE *out, const struct trust_list *l, const struct show_options *o);

/* show_header: version, length and rows of any header; all: with the rows and values that `show` leaves out. */
void show_header(FILE *out, struct view file, const struct tlv_header *h, bool all);

/* show_list_broken: for a file that list_parse refuses: checksums, length and the closing lines. */
void show_list_broken(FILE *out, struct view file, const struct show_options *o);

/* show_list_missing: for a file that is not there. */
void show_list_missing(FILE *out, enum list_type type);
