#pragma once

#include <jansson.h>

#include "format/list.h"

/* Pieces of the JSON that the tools for files print. Strings of strangers are kept as they are where they are UTF-8 and
 * escaped (text_escape) where they are not; absent elements are null. */
json_t *json_text(struct view v);  /* up to the first NUL */
json_t *json_hex(struct view v);   /* lower case, without separators */
json_t *json_digest(enum digest d, struct view v);
json_t *json_header(const struct tlv_header *h, bool encrypted);
json_t *json_record(const struct tlv_record *rec);
json_t *json_warnings(const struct trust_list *l);

/* json_print: o on standard output, in ASCII; o is consumed. */
int json_print(json_t *o, struct err *e) MUST_CHECK;
