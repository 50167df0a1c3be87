#pragma once

#include "pki/cert.h"
#include "store/device.h"

/*
 * Certificates of phones: table devicecertificate. LSCs as they were issued, MICs as they were seen. They go when the
 * device goes.
 */
enum devicecert_kind { DEVICECERT_LSC, DEVICECERT_MIC };

enum devicecert_state {
	DEVICECERT_ISSUED,     /* made, but the phone has not said that it stored it */
	DEVICECERT_STORED,     /* the one that the phone has; of each kind at most one */
	DEVICECERT_SUPERSEDED, /* the phone has a later one */
	DEVICECERT_DELETED,    /* the phone has deleted it */
};

extern const char *const devicecert_kind_names[];  /* "LSC", "MIC" */
extern const char *const devicecert_state_names[]; /* "issued" ... */

struct store_devicecert {
	char device[STORE_NAME_SIZE];
	enum devicecert_kind kind;
	enum devicecert_state state;
	char sha256[65];
	char issuer[DEVICE_ISSUER_SIZE];
	int64_t not_before, not_after;
	int64_t changed;            /* when it got to this state */
};

/*
 * store_devicecert_put: a certificate of a device, in a state; one that is there already changes its state. A stored one
 * supersedes the one stored before and becomes the device's lsc or mic; a stored one that is deleted or superseded is it
 * no longer.
 * Errors: ERR_USAGE: unknown device.
 */
int store_devicecert_put(struct store *s, const char *device, enum devicecert_kind kind, enum devicecert_state state,
			 const struct cert *cert, int64_t when, struct err *e) MUST_CHECK;

/* store_devicecert_state: *found false: the device has no such certificate. */
int store_devicecert_state(struct store *s, const char *device, const char *sha256, enum devicecert_state state,
			   int64_t when, bool *found, struct err *e) MUST_CHECK;

/* store_devicecert_get: the row. Out: *cert, when not NULL, a reference. */
int store_devicecert_get(struct store *s, const char *device, const char *sha256, struct store_devicecert *dc,
			 struct cert **cert, bool *found, struct err *e) MUST_CHECK;

/* store_devicecert_current: the stored certificate of that kind; Out: *cert a reference, or NULL. */
int store_devicecert_current(struct store *s, const char *device, enum devicecert_kind kind, struct cert **cert,
			     struct err *e) MUST_CHECK;

/* store_devicecert_list: of one device, the newest change first; or (NULL) of all, by device. cb may read the store. */
int store_devicecert_list(struct store *s, const char *device,
			  int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e) MUST_CHECK;

/*
 * store_devicecert_list_ending: stored LSCs that end before `before`: first those that have not ended at `now`, by their
 * ends, then the others; at most limit. Out: *n how many there are in all. cb may read the store.
 */
int store_devicecert_list_ending(struct store *s, int64_t now, int64_t before, size_t limit, uint64_t *n,
				 int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx,
				 struct err *e) MUST_CHECK;

/*
 * store_devicecert_list_due: stored LSCs of which at least two thirds of the validity are over at `now`, the first to expire
 * first, at most limit (0: all). cb may read the store.
 */
int store_devicecert_list_due(struct store *s, int64_t now, size_t limit,
			      int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e) MUST_CHECK;
