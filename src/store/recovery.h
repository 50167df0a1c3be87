#pragma once

#include "store/store.h"

/*
 * Has the administrator a way back? Table recoveryexport: each `ringfence recovery export`, and whether it was
 * verified.
 */
struct store_recovery {
	int64_t exported;
	int64_t verified;      /* 0: not yet */
	char sha256[65];       /* of the exported file, lower-case hex */
	char keys[1024];       /* names of the keys in it, one blank apart; without the key in use it is of no help */
};

int store_recovery_exported(struct store *s, const char *sha256, const char *keys, int64_t time,
			    struct err *e) MUST_CHECK;

/*
 * store_recovery_verified: a file with this digest was read back. keys: what it holds; recorded too when the store
 * knows nothing of its export (made before a restore).
 */
int store_recovery_verified(struct store *s, const char *sha256, const char *keys, int64_t time,
			    struct err *e) MUST_CHECK;

/*
 * store_recovery_latest: the export verified last; the last one when none was verified. *found false: never exported.
 */
int store_recovery_latest(struct store *s, struct store_recovery *r, bool *found, struct err *e) MUST_CHECK;
