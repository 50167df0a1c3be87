#pragma once

#include "cluster/cluster.h"
#include "pki/request.h"

/*
 * Requests for certificates of this node's units, and the certificates that authorities make of them.
 * Source: behaviour.md 1.5, 2.5, 2.6.
 */
struct csr_wish {
	unsigned bits;            /* 0: as the certificate now */
	const char *hash;         /* "SHA256", "SHA384", "SHA512"; NULL: as the template has it */
	const char *names;        /* further subjectAltNames, separated by commas; NULL: none */
	bool multi_server;        /* for all nodes of the cluster */
	bool dry;                 /* all that could refuse it, and nothing of it stays */
};

/*
 * cluster_csr_gen: a new key and a request for a certificate with it; the request and the key that waited before are gone.
 * The unit goes on with the certificate it has. The key stays in the keystore and is never given out.
 * Errors: ERR_USAGE unknown unit, one that is always self-signed, a key size or digest that is not to be had.
 */
int cluster_csr_gen(struct cluster *c, const char *who, const char *unit, const struct csr_wish *wish, struct notes *notes,
		    struct err *e) MUST_CHECK;

struct csr_entry {
	const char *unit;
	char *pem;
	struct request *request;
	int64_t created; /* Unix seconds */
	bool multi_server;
};
void csr_entry_clear(struct csr_entry *entry);

/* csr_list: this node's, in the order of `show cert list own`. cb returns non-zero to stop; that is returned. */
int csr_list(struct cluster *c, int (*cb)(void *ctx, const struct csr_entry *entry), void *ctx, struct err *e) MUST_CHECK;

/* csr_find: by "tomcat" or "tomcat/tomcat.csr". Errors: ERR_USAGE none waits, in CUCM's words. */
int csr_find(struct cluster *c, const char *name, struct csr_entry *entry, struct err *e) MUST_CHECK;

/*
 * cluster_import_own: the certificate that an authority made of the request: it and its copies replace the former one,
 * the ITL follows, the request is gone; all of it or nothing.
 * In:     file PEM, DER or PKCS#7; of several certificates the one for the request's key counts, the others are left alone.
 *         ca: file name of the authority in the unit's trust store, which must be the one that signed; NULL: any.
 *         dry: look, and change nothing.
 * Errors: ERR_USAGE, in CUCM's words where they are known: no request waits, the key or the names are not the request's, the
 *         authority is not in the trust store, expired, larger than 4096 bits; ERR_PROTO the file; ERR_STORE; ERR_IO.
 */
struct csr_import {
	struct view file;
	const char *ca;
	bool dry;
};
int cluster_import_own(struct cluster *c, const char *who, const char *unit, const struct csr_import *in,
		       struct notes *notes, struct err *e) MUST_CHECK;
