#pragma once

#include <stdbool.h>

#include "base/err.h"

#define PASSPHRASE_MAX 1024
#define PASSPHRASE_EMPTY "passphrase-empty" /* err.rule, when nothing was typed or stands in the file */

/* How a secret is called and asked for. */
struct passphrase_ask {
	const char *what;   /* "passphrase" */
	const char *prompt; /* "Passphrase: " */
	const char *option; /* that names a file in place of the terminal: "--passphrase-file" */
	bool twice;         /* ask a second time and compare */
};

/*
 * passphrase_get: from the first line of a file, or typed on the terminal without being shown.
 * In:     file NULL: ask; "-": standard input, of which no more than the line is read.
 * Out:    *passphrase of PASSPHRASE_MAX octets, released with secret_free.
 * Errors: ERR_IO; ERR_LIMIT too long; ERR_USAGE empty, the two differ, or neither file nor terminal.
 */
int passphrase_get(const struct passphrase_ask *how, const char *file, char **passphrase, struct err *e) MUST_CHECK;
