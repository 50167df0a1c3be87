#pragma once

#include "cluster/cluster.h"

/*
 * Certificates for another cluster, whose phones are to be moved here or whose users roam: each cluster exports to one
 * folder, one of them consolidates, all import. The folder is <data>/bulk of the node that runs the command; its files
 * (PEM) go from cluster to cluster by any means. No private key is ever in them. Source: behaviour.md 1.5, 8.6.
 */
#define CERT_BULK_FOLDER "bulk"
#define CERT_BULK_CONSOLIDATED "consolidated" /* consolidated.tomcat.pem */

/* cert_bulk_type: "tomcat", "tftp" (CallManager and ITLRecovery), "capf", "all"; NULL behind the last. */
const char *cert_bulk_type(size_t i);

/*
 * What the three operations are given, and what they say. dry: everything but writing.
 * Out: n certificates; notes: what was passed over.
 */
struct cert_bulk {
	const char *who, *type;
	bool dry;
	size_t n;
	struct notes *notes;
};

/* cert_bulk_export: this cluster's, of all its nodes, to <node>.<type>.pem. */
int cert_bulk_export(struct cluster *c, struct cert_bulk *b, struct err *e) MUST_CHECK;

/* cert_bulk_consolidate: all of the folder to consolidated.<type>.pem. Errors: ERR_USAGE there are none; ERR_PROTO. */
int cert_bulk_consolidate(struct cluster *c, struct cert_bulk *b, struct err *e) MUST_CHECK;

/*
 * cert_bulk_import: what was consolidated, but this cluster's own, into trust stores: tomcat to tomcat-trust, capf to
 * CallManager-trust, tftp to Phone-SAST-trust and CallManager-trust; of a kind all or none. Expired ones are passed over,
 * with a note.
 * Errors: ERR_USAGE nothing was consolidated; as trust_cert_check and store_certificate_put_trust.
 */
int cert_bulk_import(struct cluster *c, struct cert_bulk *b, struct err *e) MUST_CHECK;
