#pragma once

#include <stdint.h>

/*
 * Time is handed in, so that tests decide it. wall_s is Unix seconds UTC,
 * mono_ms is monotonic milliseconds from an arbitrary start.
 */
struct clock {
	int64_t (*wall_s)(void *ctx);
	uint64_t (*mono_ms)(void *ctx);
	void *ctx;
};

extern const struct clock clock_system;

int64_t clock_wall_s(const struct clock *c);
uint64_t clock_mono_ms(const struct clock *c);
