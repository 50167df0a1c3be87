#pragma once

/* What every benchmark needs: time, the machine's name, and an end on the first error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

static inline double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void bench_check(int err, const struct err *e, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, err_name(err), e->text);
	exit(1);
}

static inline void bench_machine(void)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "model name", 10) == 0) {
			printf("machine: %s", strchr(line, ':') + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

/* A file of tests/golden (environment GOLDEN). */
static inline void bench_path(char *out, size_t size, const char *name)
{
	const char *dir = getenv("GOLDEN");

	snprintf(out, size, "%s/%s", dir ? dir : "tests/golden", name);
}

/* Processor time of this process, as `openssl speed` counts it: what else the machine does costs nothing. */
static inline double bench_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * Rate of a and b per second of processor time, a call of each doing one unit of work: measured in turns of a tenth of a
 * second, so that a machine whose speed drifts treats both alike. The best turn of each counts.
 */
struct bench_rates {
	double a, b;
};

static inline double bench_turn(void (*work)(void *), void *ctx, double seconds)
{
	double start = bench_cpu();
	double end;
	unsigned long n = 0;

	do {
		for (int i = 0; i < 16; i++)
			work(ctx);
		n += 16;
		end = bench_cpu();
	} while (end - start < seconds);
	return (double)n / (end - start);
}

static inline struct bench_rates bench_compare(void (*a)(void *), void (*b)(void *), void *ctx)
{
	struct bench_rates best = {0};

	for (int turn = 0; turn < 12; turn++) {
		double ra = bench_turn(a, ctx, 0.1);
		double rb = bench_turn(b, ctx, 0.1);
		if (ra > best.a)
			best.a = ra;
		if (rb > best.b)
			best.b = rb;
	}
	return best;
}
