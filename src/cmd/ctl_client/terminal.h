#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Questions on the terminal, and texts of strangers on it. */

/*
 * terminal_ask: one whole line of standard input, without its end; a longer one is asked for again.
 * In: out has size octets. False: the input has ended.
 */
bool terminal_ask(const char *prompt, char *out, size_t size);

/* terminal_yes: is the answer y? Anything else, and the end of the input, is no. */
bool terminal_yes(const char *question);

/* What stands on a token or in a certificate anybody may have written: as it may be shown, without a control character. */
struct shown {
	char text[512];
};
const char *shown(struct shown *s, const char *text); /* in *s; cut where it is longer */
