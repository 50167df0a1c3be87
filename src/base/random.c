#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

static int system_fill(void *ctx, void *out, size_t n, struct err *e)
{
	uint8_t *p = out;

	(void)ctx;
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_sys(e, ERR_IO, "getrandom");
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

const struct random_source random_system = {system_fill, NULL};

int random_fill(const struct random_source *r, void *out, size_t n, struct err *e)
{
	return r->fill(r->ctx, out, n, e);
}
