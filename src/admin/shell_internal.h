#pragma once

#include <stdbool.h>

#include "admin/client.h"

/* Shared by the files of the shell. */
#define SHELL_PROMPT "admin:"
#define SHELL_LEAVE 2 /* shell_line: `exit` */

struct shell {
	struct admin_client client;
	const struct grammar_word *grammar;
};

extern volatile sig_atomic_t shell_interrupted; /* counts Ctrl-C */

/* shell_wait: until there is something to read; false after Ctrl-C. Called with SIGINT blocked, waking lets it in. */
bool shell_wait(int fd, const sigset_t *waking);

/* shell_line: do what a line says; local commands here, the others in the node. Returns 0, 1 or SHELL_LEAVE. */
int shell_line(struct shell *s, const struct grammar_line *l);
/* shell_text: the same for a line as it was typed. */
int shell_text(struct shell *s, const char *text);

/* shell_edit: lines from a terminal until `exit` or end of input. Returns an exit status. */
int shell_edit(struct shell *s);

/* shell_help: `help`, and `help WORDS`. */
void shell_help(FILE *out, const struct grammar_word *grammar, const char *words);
