#pragma once

#include "cluster/adopt.h"
#include "cluster/cluster_internal.h"

/* For this library's own files and its tests. */

/* What is being read. */
struct adopt_scan {
	struct adopt *a;
	const struct adopt_request *req;
	bool *as_used;             /* for each word of req->as */
	size_t cap_keys, cap_certs, cap_lists, cap_devices, cap_left;
	size_t n_entries;
	/* Certificates of phones wait here until it is known who issues LSCs. */
	struct adopt_lsc {
		char device[STORE_NAME_SIZE];
		char model[32];
		char *file;
		struct cert *cert;
	} *lscs;
	size_t n_lscs, cap_lscs;
	/* What databases say of certificates that may come later: their SHA-256. */
	struct adopt_told {
		uint8_t sha256[32];
		uint32_t roles;
		unsigned ttl_s;
	} *told;
	size_t n_told, cap_told;
};

/* --- the folder: adopt_scan.c --- */

int adopt_scan_folder(struct adopt_scan *s, struct err *e) MUST_CHECK;
void adopt_scan_clear(struct adopt_scan *s);

/* adopt_leave: it is not taken, and this is why. */
int adopt_leave(struct adopt_scan *s, const char *file, struct err *e, const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_CHECK;

/* adopt_grow: room for one more in an array of size-octet things; new ones are zero. */
int adopt_grow(void *array, size_t n, size_t *cap, size_t size, struct err *e) MUST_CHECK;

/* --- what a file holds: adopt_file.c --- */

/* adopt_file: sort in the octets of a file; path is below the folder. */
int adopt_file(struct adopt_scan *s, const char *path, struct view file, struct err *e) MUST_CHECK;

bool adopt_is_sep(const char *s, size_t len); /* "SEP001122334455", and nothing behind it */

/* adopt_add_cert: to the certificates, unless it is there; a phone's waits with the LSCs. Out: *c, when not NULL, NULL for
 * a phone's. */
int adopt_add_cert(struct adopt_scan *s, struct cert *cert, const char *file, struct adopt_cert **c,
		   struct err *e) MUST_CHECK;

/* adopt_add_device: Out: *d until the next call. */
int adopt_add_device(struct adopt_scan *s, const char *name, struct adopt_device **d, struct err *e) MUST_CHECK;

/* adopt_device_of: the device that a certificate names: "SEP001122334455", or with the model as
 * "CP-8861-SEP001122334455" (formats-and-protocols.md 7.11). */
bool adopt_device_of(const struct cert *cert, char device[STORE_NAME_SIZE], char model[32]);

/* --- lists: adopt_lists.c --- */

int adopt_list(struct adopt_scan *s, const char *path, struct view file, struct err *e) MUST_CHECK;
/* adopt_listed: what the lists say of the certificates; those that only stand in lists come along. */
int adopt_listed(struct adopt_scan *s, struct err *e) MUST_CHECK;
const struct trust_list *adopt_newest_itl(const struct adopt *a); /* by its time; NULL: none */
/* adopt_habits: digest, form of names and signer version of the ITL that phones got last. */
void adopt_habits(struct adopt *a);

/* --- databases: adopt_database.c --- */

int adopt_database(struct adopt_scan *s, const char *path, struct view file, struct err *e) MUST_CHECK;

/* --- deciding --- */

uint32_t adopt_roles_of_name(const char *name); /* FUNCTION_BIT: the words in a file's or subject's name */
int adopt_units(struct adopt_scan *s, const struct init_request *init, const struct init_env *env, struct err *e) MUST_CHECK;
int adopt_devices(struct adopt_scan *s, const struct init_env *env, struct err *e) MUST_CHECK;
int adopt_follow(struct adopt *a, const struct init_request *init, const struct init_env *env, struct err *e) MUST_CHECK;

/* --- carrying out, from init.c --- */

/* adopt_hand_over: the unit's key into ks and its certificate, a reference. */
int adopt_hand_over(const struct adopt *a, const char *unit, struct keystore *ks, struct cert **cert,
		    struct err *e) MUST_CHECK;

/* adopt_record: trust stores, parameters and devices, in the transaction that makes the node. */
int adopt_record_devices(struct cluster *c, const struct adopt *a, struct err *e) MUST_CHECK;
int adopt_record(struct cluster *c, const struct adopt *a, struct err *e) MUST_CHECK;
