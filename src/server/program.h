#pragma once

#include <event2/event.h>

#include "base/err.h"

/*
 * Programs of the operator's, run on the loop without a shell: the words of a line of ringfence.conf, in which a word in
 * "double quotes" may hold blanks. What is filled in never makes two words of one.
 */
#define PROGRAM_WORDS_MAX 32

struct program_words {
	char text[1100];
	char *word[PROGRAM_WORDS_MAX + 1]; /* ended by NULL; into text */
	size_t n;
};

/* program_words: Errors: ERR_USAGE no absolute path in front, a quote without its end, too many words, a NUL. */
int program_words(const char *line, struct program_words *w, struct err *e) MUST_CHECK;

struct program;

/*
 * Called once, from the loop. rc 0: it ended with status 0, and its last line does not say no ("error:", "-ERR", "No such
 * command"), which some clients of call controls do with status 0; else e says how it ended, with that line.
 */
typedef void program_done(void *ctx, int rc, const struct err *e);

/*
 * program_start: with an empty input, no descriptor of ours, a short environment. It is killed after timeout_ms.
 * In:     argv ended by NULL, argv[0] an absolute path.
 * Errors: ERR_IO it cannot be started.
 */
int program_start(struct event_base *base, char *const argv[], unsigned timeout_ms, program_done *done, void *ctx,
		  struct program **p, struct err *e) MUST_CHECK;
void program_kill(struct program *p); /* done is not called; accepts NULL */
