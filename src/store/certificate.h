#pragma once

#include "pki/cert.h"
#include "store/store.h"
#include "store/unit.h"

/*
 * Certificates, each stored once however many units and trust stores it is in: the own certificate of a unit on a
 * node (or on several: a multi-server certificate), and the members of trust stores. A certificate that no unit,
 * node or trust store has any longer is gone.
 */
enum store_distribution { /* rows of typecertificatedistribution */
	STORE_DIST_THIS_SERVER = 1,
	STORE_DIST_MULTI_SERVER = 2,
	STORE_DIST_CLUSTER_WIDE = 3,
};

#define STORE_TTL_DEFAULT 86400 /* seconds that a phone may keep TVS's answer */
#define STORE_DESCRIPTION_SIZE 256
#define STORE_FILE_SIZE 256        /* of a file name with its NUL */

/* What is to be remembered with a certificate that is put. */
struct store_certificate_info {
	uint32_t roles;                     /* STORE_ROLE_BIT(...); added to those the certificate has already */
	enum store_distribution distribution;
	unsigned ttl_s;                     /* 0: STORE_TTL_DEFAULT */
	const char *description;            /* friendly name; NULL: none */
	const char *server;                 /* from elsewhere: whose it is; NULL: its common name. Own: ignored */
	const char *address;                /* likewise; NULL: none */
};

struct store_certificate {
	char pkid[STORE_PKID_SIZE];
	struct cert *cert;
	char server[STORE_NAME_SIZE];       /* own: the node that it was made for first */
	char address[STORE_ADDRESS_SIZE];
	char description[STORE_DESCRIPTION_SIZE];
	enum store_distribution distribution;
	unsigned ttl_s;
	uint32_t roles;                     /* STORE_ROLE_BIT */
	uint32_t units;                     /* STORE_UNIT_BIT: own units and trust stores that have it */
	char file[STORE_FILE_SIZE];         /* in the trust store that was asked for: what it is called there; else "" */
};

void store_certificate_clear(struct store_certificate *c);                /* accepts NULL */
void store_certificates_free(struct store_certificate *list, size_t n);   /* accepts NULL */

/*
 * store_certificate_put_own: c becomes the certificate of this unit on this node; the one before is no longer.
 * Errors: ERR_USAGE no such node; unit is a trust store; c is another unit's own certificate. ERR_STORE.
 */
int store_certificate_put_own(struct store *s, enum store_unit unit, const char *node, const struct cert *c,
			      const struct store_certificate_info *info, struct err *e) MUST_CHECK;

enum store_put {
	STORE_PUT_UPLOAD, /* an administrator's: the rule of common names holds */
	STORE_PUT_COPY,   /* of an own certificate: replaces the one with its common name, whatever its dates */
};

/*
 * store_certificate_put_trust: into a trust store. One certificate per common name (its subject, when it has none)
 * in one trust store: another one with that name is replaced only when c begins later, and never by an upload when it is
 * the copy of a unit's own certificate. That c is there already is no error. Its file name is chosen here
 * (certificate_file.h) and stays.
 * Source: behaviour.md 2.2, 2.4, 2.8.
 * Errors: ERR_USAGE unit is no trust store, or the stored certificate of that name stays; ERR_STORE.
 */
int store_certificate_put_trust(struct store *s, enum store_unit trust, const struct cert *c,
				const struct store_certificate_info *info, enum store_put how,
				struct err *e) MUST_CHECK;

/* store_certificate_file: the file name that it gets in a trust store where no other has that name: "<CN>.pem". */
void store_certificate_file(const struct cert *c, char out[STORE_FILE_SIZE]);

/* store_certificate_drop_trust: take it out of one trust store. Errors: ERR_USAGE it is not in there. */
int store_certificate_drop_trust(struct store *s, enum store_unit trust, const char *pkid, struct err *e) MUST_CHECK;

/* store_certificate_drop_own: the unit has none on this node any longer. Errors: ERR_USAGE it has none now. */
int store_certificate_drop_own(struct store *s, enum store_unit unit, const char *node, struct err *e) MUST_CHECK;

/* store_certificate_set_roles: exactly these. Errors: ERR_USAGE no such certificate. */
int store_certificate_set_roles(struct store *s, const char *pkid, uint32_t roles, struct err *e) MUST_CHECK;

/* store_certificate_own: *found says whether there is one; *c, when found, is cleared by the caller. */
int store_certificate_own(struct store *s, enum store_unit unit, const char *node, struct store_certificate *c,
			  bool *found, struct err *e) MUST_CHECK;
int store_certificate_get(struct store *s, const char *pkid, struct store_certificate *c, bool *found,
			  struct err *e) MUST_CHECK;

/* Which certificates; zero: all of them. */
struct store_certificate_filter {
	enum store_unit unit;  /* in this own unit or trust store */
	const char *node;      /* own certificates of this node; NULL: any */
};

/*
 * store_certificate_list: each certificate once, by smallest unit number, then common name, then age.
 * Out: *list of *n, freed with store_certificates_free.
 */
int store_certificate_list(struct store *s, const struct store_certificate_filter *filter,
			   struct store_certificate **list, size_t *n, struct err *e) MUST_CHECK;

/* store_certificate_changes: rises with every attempt to change certificates through s: as long as it stays, so do they. */
uint64_t store_certificate_changes(const struct store *s);
