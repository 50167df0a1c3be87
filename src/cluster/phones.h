#pragma once

#include "cluster/cluster.h"
#include "store/device.h"

/*
 * Phones as the administrator has them. Every change is one transaction with its audit record; what is refused is recorded
 * too. Nothing here publishes. Source: behaviour.md 5.1, 5.4; CAPF's side of it: cluster/phone_capf.h.
 */

/* What of a phone can be set, under the names of CUCM's pages; the columns of `phone import` and `phone export`. */
enum phone_field {
	PHONE_DESCRIPTION,
	PHONE_MODEL,
	PHONE_POOL,
	PHONE_GROUP,
	PHONE_SECURITY,
	PHONE_TRANSPORT,
	PHONE_ENCRYPT_CONFIG,
	PHONE_OPERATION,
	PHONE_AUTH,
	PHONE_KEY_ORDER,
	PHONE_RSA_BITS,
	PHONE_EC_BITS,
	PHONE_COMPLETE_BY,
	PHONE_N_FIELDS,
};

struct phone_value {
	enum phone_field field;
	const char *value;
};

const char *phone_field_name(enum phone_field f); /* "Device Security Mode"; NULL behind the last */
bool phone_field_find(const char *name, enum phone_field *f); /* any case */
/* The values that it may have, ended by NULL; NULL itself when any text will do. */
const char *const *phone_field_values(enum phone_field f);
/* phone_field_text: the value of d as it is set; times as "2026:10:25:17:30", local. */
void phone_field_text(const struct store_device *d, enum phone_field f, char *out, size_t size);

/*
 * phones_name: which phone is meant. A record that is called so, or else, when the name begins with SEP or ATA in any case,
 * what it is in capitals.
 * Out:    name; *found: there is such a record, *d.
 * Errors: ERR_USAGE too long for a name.
 */
int phones_name(struct cluster *c, const char *typed, char name[STORE_NAME_SIZE], struct store_device *d, bool *found,
		struct err *e) MUST_CHECK;

/*
 * Everywhere below a name is one that was typed: phones_name. A new phone's is SEP or ATA and the 12 hex digits of its MAC
 * address, or another prefix and free text (text_is_device_name).
 *
 * phones_add, phones_set: values by their texts, whatever the case; the later ones of a phone's rules are checked when all
 * are set. Setting Certificate Operation makes its status "Operation Pending" and, without Operation Completes By, lets it
 * expire after `CAPF Operation Expires in (days)`.
 * Out:    notes: what the administrator may not expect (may be NULL).
 * Errors: ERR_USAGE with what is allowed: a name that is none, taken or unknown; a value; By Authentication String with a
 *         secure profile (nothing would start the session); an operation By Authentication String without a string.
 */
int phones_add(struct cluster *c, const char *who, const char *name, const struct phone_value *v, size_t n,
	       struct notes *notes, struct err *e) MUST_CHECK;
int phones_set(struct cluster *c, const char *who, const char *name, const struct phone_value *v, size_t n,
	       struct notes *notes, struct err *e) MUST_CHECK;
/* phones_check: what would phones_add, phones_set or phones_string_set (v is not looked at) say? Changes nothing. */
enum phone_request { PHONE_ADD, PHONE_SET, PHONE_STRING };
int phones_check(struct cluster *c, enum phone_request what, const char *name, const struct phone_value *v, size_t n,
		 struct notes *notes, struct err *e) MUST_CHECK;

int phones_delete(struct cluster *c, const char *who, const char *name, struct err *e) MUST_CHECK;
int phones_get(struct cluster *c, const char *name, struct store_device *d, struct err *e) MUST_CHECK; /* ERR_USAGE: none */

/* Which phones: what is NULL or 0 does not matter. Texts may hold * and ? and are compared without regard to case. */
struct phones_filter {
	const char *name, *model, *pool, *group, *description;
	const char *security;        /* "Encrypted" */
	const char *operation;       /* "Install/Upgrade" */
	const char *status;          /* "Upgrade Failed*" */
	const char *issuer;          /* of the LSC */
	int64_t lsc_expires_before;  /* and they have an LSC */
	bool no_lsc;
	bool old_tls;                /* seen with TLS below 1.2 */
};

/* phones_list: by name. Errors: ERR_USAGE a security or operation that there is not; or what cb returned. */
int phones_list(struct cluster *c, const struct phones_filter *f, int (*cb)(void *ctx, const struct store_device *d),
		void *ctx, struct err *e) MUST_CHECK;

/*
 * phones_page: of the phones after `after` ("" first of all) the next `limit`, of which cb gets those that are wanted; after
 * then names the last of them, so that the next page begins there. *more: there may be others.
 */
int phones_page(struct cluster *c, const struct phones_filter *f, char after[STORE_NAME_SIZE], size_t limit,
		int (*cb)(void *ctx, const struct store_device *d), void *ctx, bool *more, struct err *e) MUST_CHECK;

/*
 * The authentication string: 4 to 10 digits, kept only as a derived value, good for one operation.
 * phones_string_generate: a random one. Out: string, which nothing can show again.
 * phones_string_set: the administrator's own.
 * Errors: ERR_USAGE unknown phone, not 4 to 10 digits; authentication mode is not By Authentication String.
 */
#define PHONE_STRING_MIN 4
#define PHONE_STRING_MAX 10
int phones_string_generate(struct cluster *c, const char *who, const char *name, unsigned digits,
			   char string[PHONE_STRING_MAX + 1], struct err *e) MUST_CHECK;
int phones_string_set(struct cluster *c, const char *who, const char *name, const char *string, struct err *e) MUST_CHECK;

/*
 * Phones that were in contact: the time is remembered, and a phone that is not known is created when auto-registration is
 * on (parameter PARAM_AUTO_REGISTRATION) and the name is SEP and twelve hex digits. Hand over many at a time: they are one
 * transaction, which waits for the disk.
 */
struct phone_contact {
	const char *name;      /* a stranger's: may be anything */
	const char *model;     /* NULL: not known */
	const char *address;   /* NULL: not known */
	int64_t when;
	bool encrypted;        /* it fetched an encrypted configuration */
	bool old_tls;          /* it was over TLS below 1.2 */
};
int phones_contact(struct cluster *c, const struct phone_contact *contacts, size_t n, size_t *created,
		   struct err *e) MUST_CHECK;
