#pragma once

#include "cluster/cluster.h"

/*
 * The way back: ITLRecovery and the signing keys (CallManager, CAPF) as PKCS#12 to a passphrase, for the day on which the
 * node is lost. Phones follow whoever has these keys, and nobody else.
 */

/*
 * recovery_export: of the keys that are in files.
 * Out:    *p12 heap buffer; notes: which keys are on a token, and so not in it.
 * Errors: ERR_USAGE passphrase too short, all keys are on a token.
 */
int recovery_export(struct cluster *c, const char *who, const char *passphrase, uint8_t **p12, size_t *len,
		    struct notes *notes, struct err *e) MUST_CHECK;

/*
 * recovery_verify: does the export open, is every key the one of its certificate, and are they the keys in force? On
 * success the store remembers it.
 * Out:    notes: what it holds, a line a key. Errors: ERR_AUTH wrong passphrase; ERR_PROTO not an export; ERR_CRYPTO a key
 *         does not match; ERR_USAGE a key in force is missing or has changed since: export again.
 */
int recovery_verify(struct cluster *c, const char *who, struct view p12, const char *passphrase, struct notes *notes,
		    struct err *e) MUST_CHECK;

/*
 * recovery_state: is there an export that was verified and still holds the keys in force?
 * Out: *when_s when it was verified (Unix seconds), 0 when never; *current; what to tell people in `text` when it is not.
 */
struct recovery_state {
	int64_t verified_s;
	bool current;
	bool on_token;   /* no key of them is in a file: nothing can be exported, and nothing is missing */
	char text[240];  /* "" when all is well */
};
int recovery_state(struct cluster *c, struct recovery_state *s, struct err *e) MUST_CHECK;
