#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Key material and passphrases. Memory from secret_new is wiped by
 * secret_free; secret_wipe is not optimised away.
 */
void *secret_new(size_t n);           /* zeroed; NULL when out of memory */
void secret_free(void *p, size_t n);  /* accepts NULL */
void secret_wipe(void *p, size_t n);
bool secret_eq(const void *a, const void *b, size_t n); /* time does not depend on the contents */
