#pragma once

#include "cluster/cluster.h"
#include "store/unit.h"

/* Trust stores: what administrators put in and take out. Source: behaviour.md 2.1 to 2.6, 2.8. */

/* trust_short_name: "tomcat" of "tomcat-trust", in the order of the stores; NULL behind the last. */
const char *trust_short_name(size_t i);

/* trust_store: "tomcat-trust", or "tomcat" for short, or CallManager's as "cucm". Errors: ERR_USAGE no such store. */
int trust_store(const char *name, enum store_unit *store, struct err *e) MUST_CHECK;

#define TRUST_KEY_BITS_MAX 4096 /* behaviour.md 2.4 */

/*
 * trust_cert_check: may it be uploaded at all?
 * Errors: ERR_USAGE expired; a key of more than 4096 bits, or of a kind that phones do not know; a wildcard name.
 */
int trust_cert_check(const struct cert *cert, int64_t now, struct err *e) MUST_CHECK;

/* trust_path_check: is every authority above the certificate in the store, up to a root, and valid? */
struct trust_path {
	enum store_unit store;
	const struct cert *cert;
	struct cert *const *more;  /* counted as if they were in the store */
	size_t n_more;
	const char *ca;            /* file name in the store of the one that must have signed it; NULL: any */
};
int trust_path_check(struct cluster *c, const struct trust_path *path, struct err *e) MUST_CHECK;

/*
 * cluster_import_trust: every certificate of the file into the trust store, or none. One certificate per common name:
 * another one of that name is replaced when the new one begins later, and stays otherwise, which is an error.
 * In:     file PEM, DER or PKCS#7. ca: as in trust_path; NULL: nobody needs to vouch for them.
 * Errors: ERR_USAGE no such store; trust_cert_check; a common name with CAPF-, which is reserved; ERR_PROTO; ERR_STORE.
 */
struct trust_import {
	struct view file;
	const char *ca;
	bool dry;
};
int cluster_import_trust(struct cluster *c, const char *who, const char *store, const struct trust_import *in,
			 struct notes *notes, struct err *e) MUST_CHECK;

/* trust_delete_warnings: what goes with it, before it is deleted. Errors: as cluster_trust_delete. */
int trust_delete_warnings(struct cluster *c, const char *store, const char *file, struct notes *notes,
			  struct err *e) MUST_CHECK;

/*
 * cluster_trust_delete: out of one trust store, in the whole cluster; other stores that have it keep it.
 * Errors: ERR_USAGE no such certificate, with those there are; ipsec's own, without which backups stop.
 */
int cluster_trust_delete(struct cluster *c, const char *who, const char *store, const char *file, struct notes *notes,
			 struct err *e) MUST_CHECK;
