#pragma once

#include "cluster/cluster.h"
#include "store/devicecert.h"

/*
 * What CAPF does to the records of phones. Each call is one durable transaction; those that change what an administrator
 * sees are audited as who "CAPF". Source: behaviour.md 5.1, 5.4; pitfalls C-7, C-10, C-12.
 */

/* What is to be done with a device now. */
struct phone_task {
	bool known;               /* there is such a device; otherwise nothing else is set */
	struct store_device device; /* device.operation: DEVICE_NO_OPERATION when none is pending, or it has just expired */
};

/* phone_task_get: an operation beyond Operation Completes By ends here: "... User Initiated Request Late/Timedout". */
int phone_task_get(struct cluster *c, const char *name, int64_t now, struct phone_task *t, struct err *e) MUST_CHECK;

enum phone_string_answer {
	PHONE_STRING_RIGHT,
	PHONE_STRING_WRONG,  /* counted; CAPF Authentication String Attempts of them lock the device */
	PHONE_STRING_LOCKED, /* not even looked at */
	PHONE_STRING_ABSENT, /* the device has none */
};

/*
 * phone_string_check: compared in a time that does not depend on the contents. The lock lasts `CAPF Authentication String
 * Lockout (in minutes)`, twice as long each further time. The string stays good until the operation ends, so that a broken
 * connection can be tried again.
 */
int phone_string_check(struct cluster *c, const char *name, struct view string, int64_t now,
		       enum phone_string_answer *answer, struct err *e) MUST_CHECK;

/*
 * phone_renewal_begin: Install/Upgrade by its LSC, whatever its authentication mode, which stays. Nothing happens when an
 * operation is pending. Errors: ERR_USAGE there is no such phone.
 */
int phone_renewal_begin(struct cluster *c, const char *name, int64_t now, struct err *e) MUST_CHECK;

/*
 * phone_operation_failed: status "<operation> Failed: why". over: the operation is no longer pending and its string is
 * gone; otherwise the phone may try again until Operation Completes By. Nothing happens when no operation is pending.
 */
int phone_operation_failed(struct cluster *c, const char *name, enum device_failure why, bool over, int64_t now,
			   struct err *e) MUST_CHECK;

/* phone_lsc_issued: a certificate was made for the pending DEVICE_INSTALL; the phone does not have it yet. */
int phone_lsc_issued(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e) MUST_CHECK;

/*
 * The phone has said that it is done; only this ends an operation well (C-7). Status "... Success", no operation pending, the
 * string gone. An installation also ends what an expired MIC was allowed, and forgets keys that wait for an authority
 * elsewhere. Errors: ERR_USAGE that operation is not pending, or no such certificate was issued to the device.
 */
int phone_installed(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e) MUST_CHECK;
int phone_deleted(struct cluster *c, const char *name, int64_t now, struct err *e) MUST_CHECK;
/* lsc, mic: what it sent, as far as they were found to be its own; either may be NULL. */
int phone_fetched(struct cluster *c, const char *name, const struct cert *lsc, const struct cert *mic, int64_t now,
		  struct err *e) MUST_CHECK;

/* phone_mic_seen: its MIC, proven; when it is known already nothing is written. */
int phone_mic_seen(struct cluster *c, const char *name, const struct cert *mic, int64_t now, struct err *e) MUST_CHECK;
/* phone_lsc_proven: it has used the key of this certificate; remembered when that is its LSC. */
int phone_lsc_proven(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e) MUST_CHECK;

/* phones_expire: all operations beyond Operation Completes By, at most 1000 at a time. Out: *n. For a timer. */
int phones_expire(struct cluster *c, int64_t now, size_t *n, struct err *e) MUST_CHECK;

/* phones_expiry: LSCs of which two thirds of the validity are over, the first to expire first, at most limit (0: all). */
int phones_expiry(struct cluster *c, int64_t now, size_t limit,
		  int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e) MUST_CHECK;
