#pragma once

#include <stdio.h>

#include "format/list.h"

/*
 * show_list: the listing of `show ctl` and `show itl`, letter for letter. Source: formats-and-protocols.md 3.
 * In:  l after list_verify_self (which may have failed: verified says so); modified_s Unix seconds, printed in local time;
 *      file NULL prints the "not found" text (CTL) with length 0.
 * Strings from the file are made printable.
 */
struct show_options {
	enum list_type type;
	int64_t modified_s;
	bool verified;
};
void show_list(FILE *out, const struct trust_list *l, const struct show_options *o);
void show_list_missing(FILE *out, enum list_type type);
