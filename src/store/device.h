#pragma once

#include "store/store.h"

/*
 * Phones: table device. Texts of the enumerations are CUCM's and AXL's, and are what the table holds.
 * Source: behaviour.md 5.1, 6.
 */
enum device_security { DEVICE_NON_SECURE, DEVICE_AUTHENTICATED, DEVICE_ENCRYPTED };
enum device_transport { DEVICE_TCP_UDP, DEVICE_TCP, DEVICE_UDP, DEVICE_TLS };
enum device_operation { DEVICE_NO_OPERATION, DEVICE_INSTALL, DEVICE_DELETE, DEVICE_TROUBLESHOOT };
enum device_auth { DEVICE_AUTH_NULL, DEVICE_AUTH_STRING, DEVICE_AUTH_LSC, DEVICE_AUTH_MIC };
enum device_key_order { DEVICE_RSA_ONLY, DEVICE_EC_ONLY, DEVICE_EC_PREFERRED };

/* Texts by value, ended by NULL: "Non Secure", "TCP+UDP", "Install/Upgrade", "By Null String", "RSA Only" ... */
extern const char *const device_security_names[], *const device_transport_names[], *const device_operation_names[],
	*const device_auth_names[], *const device_key_order_names[];

/* Why an operation failed, behind "Upgrade Failed: ". */
enum device_failure {
	DEVICE_FAILED, /* no reason is given */
	DEVICE_FAILED_LSC,
	DEVICE_FAILED_STRING,
	DEVICE_FAILED_MIC,
	DEVICE_FAILED_CREDENTIALS,
	DEVICE_FAILED_COMMUNICATION,
	DEVICE_FAILED_KEY,
	DEVICE_FAILED_LATE,
	DEVICE_FAILED_CA_COMMUNICATION, /* not of DEVICE_TROUBLESHOOT */
	DEVICE_FAILED_CA_REJECTED,      /* not of DEVICE_TROUBLESHOOT */
	DEVICE_FAILED_EC_ONLY,          /* only of DEVICE_INSTALL */
};

/* Certificate Operation Status: one of these texts, compared by content. The two functions return NULL for what AXL's
 * list does not have. */
#define DEVICE_STATUS_NONE "None"
#define DEVICE_STATUS_PENDING "Operation Pending"
const char *device_status_success(enum device_operation op);
const char *device_status_failed(enum device_operation op, enum device_failure why);

#define DEVICE_ISSUER_SIZE 512 /* a longer name of an issuer is cut */
#define DEVICE_STATUS_SIZE 96

/* A certificate that the device is known to have; sha256 "" when there is none. The certificate: store/devicecert.h. */
struct device_cert {
	char sha256[65];
	char issuer[DEVICE_ISSUER_SIZE]; /* form A */
	int64_t not_after;
};

struct store_device {
	char name[STORE_NAME_SIZE];        /* SEP001122334455: unique; text_is_device_name */
	char description[STORE_NAME_SIZE];
	char model[STORE_NAME_SIZE];       /* "8861", "" unknown */
	char pool[STORE_NAME_SIZE];        /* device pool; "" none */
	char group[STORE_NAME_SIZE];       /* CallManager group; "" none */

	/* Security profile. */
	enum device_security security;
	enum device_transport transport;   /* DEVICE_TLS unless DEVICE_NON_SECURE; the store refuses anything else */
	bool encrypt_config;               /* TFTP Encrypted Config */

	/* CAPF. */
	enum device_operation operation;
	enum device_auth auth;
	enum device_key_order key_order;
	unsigned rsa_bits;                 /* 512, 1024, 2048, 3072, 4096; 0 given: 2048 */
	unsigned ec_bits;                  /* 256, 384, 521; 0 given: 384 */
	int64_t complete_by;               /* Operation Completes By; 0: none */
	char status[DEVICE_STATUS_SIZE];   /* "" given: None */
	bool renewal;                      /* the operation renews the LSC by itself: it is not the administrator's */

	/* What the functions below and store/devicecert.h keep; store_device_add and store_device_set pass these over. */
	char operation_id[STORE_PKID_SIZE]; /* another whenever the operation, the key or how to authenticate was set anew */
	bool has_string;                   /* there is an authentication string */
	unsigned failures;                 /* wrong strings since it was given */
	int64_t locked_until;              /* no string is tried before; 0: not locked */
	struct device_cert lsc, mic;
	int64_t lsc_proven;                /* when it last proved to hold the LSC's key; 0: never since it got it */
	int64_t last_seen;                 /* 0: never */
	int64_t encrypted_fetched;         /* its encrypted configuration, under its name; 0: never */
	int64_t old_tls_seen;              /* in contact over TLS below 1.2; 0: never */
	char last_address[STORE_ADDRESS_SIZE];
};

/* device_auth_due: what authenticates the pending operation: of a renewal the LSC, whatever auth says. */
enum device_auth device_auth_due(const struct store_device *d);

/* store_device_add: Errors: ERR_USAGE malformed name, name taken, unknown group, a key size or status that there is not. */
int store_device_add(struct store *s, const struct store_device *d, struct err *e) MUST_CHECK;
/* store_device_set: everything of the device of that name. Errors: as store_device_add; ERR_USAGE unknown. */
int store_device_set(struct store *s, const struct store_device *d, struct err *e) MUST_CHECK;
/* store_device_check: what store_device_add and _set say of its values and its group; writes nothing. */
int store_device_check(struct store *s, const struct store_device *d, struct err *e) MUST_CHECK;
int store_device_get(struct store *s, const char *name, struct store_device *d, bool *found, struct err *e) MUST_CHECK;
/* store_device_delete: with its certificates. Errors: ERR_USAGE: unknown. */
int store_device_delete(struct store *s, const char *name, struct err *e) MUST_CHECK;
/* store_device_changes: rises with every attempt to change devices or their certificates through s, other than when they
 * were seen or tried a string: as long as it stays, so do they. */
uint64_t store_device_changes(const struct store *s);
int store_device_count(struct store *s, uint64_t *n, struct err *e) MUST_CHECK;

/*
 * store_device_list: by name, those after `after` ("" or NULL: from the first), at most limit (0: all), so that a page
 * starts where the last one ended. A non-zero return of cb ends the list and is returned. cb may read the store.
 */
int store_device_list(struct store *s, const char *after, size_t limit,
		      int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e) MUST_CHECK;

/* store_device_models: each model ("" unknown) and the number of its devices, by model. */
int store_device_models(struct store *s, int (*cb)(void *ctx, const char *model, uint64_t n), void *ctx,
			struct err *e) MUST_CHECK;

/* store_device_list_late: those with an operation that was to be completed before now, at most limit (0: all). */
int store_device_list_late(struct store *s, int64_t now, size_t limit,
			   int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e) MUST_CHECK;

/*
 * The authentication string, only ever as what cluster/phone_string.h derives from it. Setting it (NULL: there is none any
 * longer) forgets failures and lock. Errors: ERR_USAGE: unknown device.
 */
#define DEVICE_STRING_SIZE 160
int store_device_string_set(struct store *s, const char *name, const char *derived, struct err *e) MUST_CHECK;
/* derived is "" when there is none, or no such device; wipe it after use. */
int store_device_string_get(struct store *s, const char *name, char derived[DEVICE_STRING_SIZE], struct err *e) MUST_CHECK;
int store_device_attempts_set(struct store *s, const char *name, unsigned failures, int64_t locked_until,
			      struct err *e) MUST_CHECK;

/* store_device_seen: it was in contact; *known false, and nothing done, when there is no such device. A model is taken over
 * when none is known yet; model and address may be NULL. */
int store_device_seen(struct store *s, const char *name, const char *model, const char *address, int64_t when, bool *known,
		      struct err *e) MUST_CHECK;
/* store_device_fetched: its encrypted configuration. Nothing is done when it has none. */
int store_device_fetched(struct store *s, const char *name, int64_t when, struct err *e) MUST_CHECK;
/* store_device_old_tls: it spoke TLS below 1.2. store_device_count_old_tls: how many ever did. */
int store_device_old_tls(struct store *s, const char *name, int64_t when, struct err *e) MUST_CHECK;
int store_device_count_old_tls(struct store *s, uint64_t *n, struct err *e) MUST_CHECK;
/* store_device_proven: it used the key of its LSC. Nothing is done when that is not its LSC. */
int store_device_proven(struct store *s, const char *name, const char *lsc_sha256, int64_t when, struct err *e) MUST_CHECK;
