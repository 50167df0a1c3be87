#include "base/clock.h"

#include <time.h>

static int64_t system_wall_s(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static uint64_t system_mono_ms(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const struct clock clock_system = {system_wall_s, system_mono_ms, NULL};

int64_t clock_wall_s(const struct clock *c)
{
	return c->wall_s(c->ctx);
}

uint64_t clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->ctx);
}
