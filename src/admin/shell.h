#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The `admin:` shell of `ringfence admin`. Errors are told on standard error; what is returned is an exit status, 0 or 1.
 */

/* shell_command: one command, in words; a question is asked on the terminal if there is one. */
int shell_command(const char *data_dir, const char *const *words, size_t n);

/* shell_run: a line at a time until `exit`: with history, completion and `?` on a terminal, and plainly from a file. */
int shell_run(const char *data_dir);
