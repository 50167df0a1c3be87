#pragma once

#include <stddef.h>

#include "base/err.h"

/* Where random octets come from: handed in, so that tests can make them predictable. */
struct random_source {
	int (*fill)(void *ctx, void *out, size_t n, struct err *e);
	void *ctx;
};

extern const struct random_source random_system; /* getrandom(2) */

/* random_fill: n octets into out. Errors: ERR_IO. */
int random_fill(const struct random_source *r, void *out, size_t n, struct err *e) MUST_CHECK;
