/* A file of a site that is taken over: whatever stands in it, it is sorted in, left, or said to be in the way. */
#include <stdlib.h>
#include <string.h>

#include "cluster/adopt_internal.h"
#include "store/foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_passphrase(void *ctx, const char *file, struct err *e)
{
	(void)ctx;
	(void)file;
	(void)err_set(e, ERR_USAGE, "none");
	return NULL;
}

static void check(const struct adopt_scan *s, int rc)
{
	const struct adopt *a = s->a;

	if (rc && rc != ERR_STORE && rc != ERR_LIMIT && rc != ERR_USAGE)
		abort();
	for (size_t i = 0; i < a->n_certs; i++)
		if (!a->certs[i].cert || !a->certs[i].file)
			abort();
	for (size_t i = 0; i < a->n_lists; i++)
		if (a->lists[i].list->signer < 0)
			abort();
	for (size_t i = 0; i < a->n_devices; i++)
		if (!a->devices[i].row.name[0])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct adopt_request req = { .dir = "x", .passphrase = no_passphrase };
	struct adopt_scan s = { .req = &req, .a = calloc(1, sizeof(struct adopt)), .as_used = calloc(1, sizeof(bool)) };
	struct view file = { data, size };
	struct err e = ERR_INIT;
	int rc;

	if (!s.a || !s.as_used || keystore_memory_new(&s.a->memory, &e))
		abort();
	rc = foreign_is(file) ? adopt_database(&s, "f.db", file, &e) : adopt_file(&s, "f", file, &e);
	if (!rc)
		rc = adopt_listed(&s, &e);
	adopt_habits(s.a);
	check(&s, rc);
	adopt_free(s.a);
	adopt_scan_clear(&s);
	return 0;
}
