#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "store/device.h"

/*
 * What is kept of an authentication string: PBKDF2 over a salt of its own. Four digits cannot be hidden from whoever has the
 * store; what protects them is that they are good for one operation, that guesses are counted (cluster/phone_capf.h), and
 * that the store is 0600.
 */
int phone_string_derive(const struct random_source *random, struct view string, char derived[DEVICE_STRING_SIZE],
			struct err *e) MUST_CHECK;

/* phone_string_matches: takes as long for a wrong string as for the right one. Errors: ERR_STORE malformed; ERR_CRYPTO. */
int phone_string_matches(struct view string, const char *derived, bool *matches, struct err *e) MUST_CHECK;

/* phone_string_random: digits of them, each with the same chance. */
int phone_string_random(const struct random_source *random, unsigned digits, char *out, size_t size,
			struct err *e) MUST_CHECK;
