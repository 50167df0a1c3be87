/*
 * The TVS index with 100,000 certificates: what it takes to build, to open and to look up, against the same lookups in an
 * index of 10. The certificates are one golden certificate with another serial each; their signatures are never looked at.
 */
#include <fcntl.h>

#include "base/file.h"
#include "bench.h"
#include "proto/tvs_index.h"

#define MANY 100000
#define FEW 10

struct lookups {
	struct tvs_index ix;
	struct tvs_index_item *items;
	size_t n, next;
	char issuer[NAME_MAX_LEN];
	const struct cert *absent;
};

static struct lookups *current;

/* der with its serial (16 octets) replaced by one that n decides. */
static struct cert *numbered(struct view der, size_t serial_at, uint32_t n)
{
	uint8_t *copy = malloc(der.len);
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	memcpy(copy, der.p, der.len);
	for (size_t i = 0; i < 16; i++)
		copy[serial_at + i] = (uint8_t)(0x11 + i * 7);
	for (size_t i = 0; i < 4; i++)
		copy[serial_at + 12 + i] = (uint8_t)(n >> (24 - 8 * i));
	bench_check(cert_from_der((struct view){copy, der.len}, &c, &e), &e, "cert_from_der");
	free(copy);
	return c;
}

static uint8_t *build(struct lookups *l, size_t n, bool tell)
{
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;
	double t0 = bench_now(), t1, t2;

	bench_check(tvs_index_build(l->items, n, &data, &len, &e), &e, "tvs_index_build");
	t1 = bench_now();
	bench_check(tvs_index_open((struct view){data, len}, &l->ix, &e), &e, "tvs_index_open");
	t2 = bench_now();
	if (tell)
		printf("%zu certificates: %.1f MB, built in %.2f s, opened (checksum and every slot) in %.3f s\n", n,
		       (double)len / 1e6, t1 - t0, t2 - t1);
	l->n = n;
	return data;
}

static void verify(void *ctx)
{
	struct lookups *l = current;
	struct tvs_answer a;

	(void)ctx;
	l->next = (l->next + 7919) % l->n;
	if (!tvs_index_verify(&l->ix, cert_der(l->items[l->next].cert), &a))
		exit(1);
}

static void verify_absent(void *ctx)
{
	struct tvs_answer a;

	(void)ctx;
	if (tvs_index_verify(&current->ix, cert_der(current->absent), &a))
		exit(1);
}

static void query(void *ctx)
{
	struct lookups *l = current;
	struct tvs_answer a;

	(void)ctx;
	l->next = (l->next + 7919) % l->n;
	if (!tvs_index_query(&l->ix, (struct view){0}, view_str(l->issuer), cert_serial(l->items[l->next].cert), &a))
		exit(1);
}

static double rate(struct lookups *l, void (*work)(void *))
{
	double best = 0;

	current = l;
	for (int turn = 0; turn < 5; turn++) {
		double r = bench_turn(work, NULL, 0.1);
		best = r > best ? r : best;
	}
	return best;
}

static void compare(const char *what, struct lookups *many, struct lookups *few, void (*work)(void *))
{
	double m = rate(many, work), f = rate(few, work);

	printf("%-16s %9.0f a second with %d certificates, %9.0f with %d: %.2f\n", what, m, MANY, f, FEW, m / f);
}

int main(void)
{
	static struct tvs_index_item items[MANY];
	struct lookups many = {.items = items}, few = {.items = items};
	uint8_t *large, *small, *der;
	char path[512];
	struct err e = ERR_INIT;
	struct cert *first = NULL, *absent;
	size_t len, serial_at;

	bench_machine();
	bench_path(path, sizeof(path), "certs/tftp2048.der");
	bench_check(file_read(AT_FDCWD, path, 65536, &der, &len, &e), &e, path);
	bench_check(cert_from_der((struct view){der, len}, &first, &e), &e, path);
	serial_at = (size_t)((const uint8_t *)memmem(der, len, cert_serial(first).p, cert_serial(first).len) - der);
	for (uint32_t i = 0; i < MANY; i++)
		items[i] = (struct tvs_index_item){numbered((struct view){der, len}, serial_at, i), TVS_ROLE(2), 86400};
	absent = numbered((struct view){der, len}, serial_at, MANY);
	many.absent = few.absent = absent;
	bench_check(name_from_der(cert_issuer_der(first), NAME_FORM_A, many.issuer, sizeof(many.issuer), &e), &e, "name");
	few = many;
	large = build(&many, MANY, true);
	small = build(&few, FEW, false);
	compare("verify, known", &many, &few, verify);
	compare("verify, unknown", &many, &few, verify_absent);
	compare("query", &many, &few, query);
	for (uint32_t i = 0; i < MANY; i++)
		cert_unref((struct cert *)(uintptr_t)items[i].cert);
	cert_unref(first);
	cert_unref(absent);
	free(large);
	free(small);
	free(der);
	return 0;
}
