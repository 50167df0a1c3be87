#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * Sentences for the administrator that are no errors: what a change would do to phones, what is left to do afterwards.
 * Operations return them as data; the shell prints them before its question or after its answer.
 */
struct notes {
	char **text;
	size_t n;
};

#define NOTES_INIT ((struct notes){0})

/* notes_add: Errors: ERR_NOMEM. n may be NULL: nobody wants to know. */
int notes_add(struct notes *n, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_CHECK;
void notes_clear(struct notes *n);
