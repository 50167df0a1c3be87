#pragma once

#include "phone/phone.h"

/*
 * What a phone remembers beside its two lists and its certificates, as a small text file: who it is, its TVS servers and
 * its TVS cache. One fact a line; the lists and certificates are files of their own.
 */
#define PHONE_STATE_NAME "state"
#define PHONE_STATE_MAX 65536

/* phone_state_encode: Out: *text heap, NUL-terminated. Errors: ERR_NOMEM. */
int phone_state_encode(const struct phone *p, char **text, struct err *e) MUST_CHECK;

/*
 * phone_state_decode: into p, which phone_init made; the traits of its model are looked up in table.
 * Errors: ERR_PROTO "state-line" with the line; p is then as it was.
 */
int phone_state_decode(struct view text, const struct traits_table *table, struct phone *p, struct err *e) MUST_CHECK;
