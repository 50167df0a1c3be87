#pragma once

#include <jansson.h>
#include <stdio.h>

#include "phone/boot.h"

/* What became of a boot, for people and for programs. */
void report_text(FILE *out, const struct phone *p, const struct boot *b);
json_t *report_json(const struct phone *p, const struct boot *b); /* NULL without memory */

/* The Trust List menu: checksums as the phone shows them, and what each list holds. */
void report_menu(FILE *out, const struct phone *p);
json_t *report_menu_json(const struct phone *p);
