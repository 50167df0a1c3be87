#pragma once

#include "pki/cert.h"
#include "store/device.h"

/*
 * What CAPF remembers of a device beside its record: that an expired MIC may authenticate it once (table expiredmic), and
 * the public keys that wait for a certificate of an authority elsewhere (table capfcsr, "Offline CA"). Both go when the device
 * goes. Source: behaviour.md 5.3.
 */

/* store_expiredmic_set: allowed since `when` (by an administrator), or not (when 0). Errors: ERR_USAGE unknown device. */
int store_expiredmic_set(struct store *s, const char *device, int64_t when, struct err *e) MUST_CHECK;
int store_expiredmic_get(struct store *s, const char *device, bool *allowed, struct err *e) MUST_CHECK;
/* store_expiredmic_list: by device. A non-zero return of cb ends the list and is returned. */
int store_expiredmic_list(struct store *s, int (*cb)(void *ctx, const char *device, int64_t when), void *ctx,
			  struct err *e) MUST_CHECK;

struct store_csr {
	char device[STORE_NAME_SIZE];
	char sha256[65];            /* of the SubjectPublicKeyInfo, lower-case hex: with the device its name */
	bool replaced;              /* the phone has sent another key since: what is issued for this one is stale */
	bool has_certificate;       /* imported, not yet with the phone */
	int64_t created;
};

/* store_csr_put: a key that the phone has sent; earlier ones are replaced. Errors: ERR_USAGE unknown device. */
int store_csr_put(struct store *s, const char *device, struct view spki, int64_t when, struct err *e) MUST_CHECK;

/* store_csr_current: the one that is not replaced. Out: *cert, when not NULL, a reference or NULL. */
int store_csr_current(struct store *s, const char *device, struct store_csr *csr, struct cert **cert, bool *found,
		      struct err *e) MUST_CHECK;

/* store_csr_list: by device, the newest first. cb may read the store; spki lives during the call. */
int store_csr_list(struct store *s, int (*cb)(void *ctx, const struct store_csr *csr, struct view spki), void *ctx,
		   struct err *e) MUST_CHECK;

/*
 * store_csr_certify: the certificate for that key has come. Out: *found false: no device has sent this key; otherwise csr,
 * whose `replaced` says that it came too late. The first device's by name, should several have sent the same key.
 */
int store_csr_certify(struct store *s, const struct cert *cert, struct store_csr *csr, bool *found,
		      struct err *e) MUST_CHECK;

/* store_csr_delete: Out: *n how many. Those of a device; of all (device NULL); or the stale ones only, of all. */
int store_csr_delete(struct store *s, const char *device, size_t *n, struct err *e) MUST_CHECK;
int store_csr_delete_stale(struct store *s, size_t *n, struct err *e) MUST_CHECK;
