#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * pin_get: the PIN of a token: from the first line of a file; without one, of the environment variable RINGFENCE_PIN, which
 * is removed; else typed on the terminal without being shown.
 * In:     label of the token, for the prompt. dir_fd: for a relative file name.
 * Out:    *pin of PKCS11_PIN_MAX octets, released with secret_free.
 * Errors: as pkcs11_pin_read; ERR_USAGE no file, no variable and no terminal; with rule PASSPHRASE_EMPTY nothing was typed.
 */
int pin_get(int dir_fd, const char *file, const char *label, char **pin, struct err *e) MUST_CHECK;

bool pin_in_environment(void); /* would RINGFENCE_PIN be used? */
