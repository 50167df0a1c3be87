#pragma once

#include <stdbool.h>

#include "base/err.h"

#define PASSPHRASE_MAX 1024

/*
 * passphrase_get: from the first line of a file, or typed on the terminal without being shown.
 * In:     file NULL: ask; twice: ask a second time and compare.
 * Out:    *passphrase of PASSPHRASE_MAX octets, released with secret_free.
 * Errors: ERR_IO; ERR_LIMIT too long; ERR_USAGE empty, the two differ, or neither file nor terminal.
 */
int passphrase_get(const char *file, bool twice, char **passphrase, struct err *e) MUST_CHECK;
