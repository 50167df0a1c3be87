#pragma once

#include "store/store.h"

/* Who changed what: table audit. Rows are added, never changed. Texts are the caller's, without secrets. */
struct store_audit {
	uint64_t number;     /* given by the store, rising */
	int64_t time;
	const char *who;     /* "root (uid 0)" */
	const char *command; /* as it was typed */
	const char *object;  /* what was changed: "certificate CallManager on cucm-a"; NULL: none */
	const char *before;  /* NULL: it did not exist */
	const char *after;   /* NULL: it does not exist any longer */
	const char *outcome; /* "done", "refused: <why>", "failed: <why>" */
};

#define STORE_AUDIT_TEXT_MAX 16384 /* octets; a longer text is cut and ends in " [...]" */

/* store_audit_append: a->number is ignored. */
int store_audit_append(struct store *s, const struct store_audit *a, struct err *e) MUST_CHECK;

/*
 * store_audit_list: newest first, at most limit rows (0: all), only rows with numbers below `before` (0: from the
 * newest). cb gets texts that live during the call; a non-zero return ends the list and is returned.
 */
int store_audit_list(struct store *s, uint64_t before, size_t limit,
		     int (*cb)(void *ctx, const struct store_audit *a), void *ctx, struct err *e) MUST_CHECK;
