#pragma once

#include "cluster/cluster.h"

/* Further nodes of the cluster: who they are and which certificates they show. Serving from them is their own doing. */

/* node_name_check: can this be the name of a node? Errors: ERR_USAGE. */
int node_name_check(const char *name, struct err *e) MUST_CHECK;

/*
 * cluster_node_add: a subscriber, which the lists name as soon as its certificates are known.
 * In:     address IPv4 or IPv6 in letters, or NULL.
 * Errors: ERR_USAGE there is such a node, or the name or address is none; ERR_LIMIT.
 */
int cluster_node_add(struct cluster *c, const char *who, const char *name, const char *address, struct notes *notes,
		     struct err *e) MUST_CHECK;

/*
 * cluster_node_certificate: a subscriber's certificate, in place of the one before. The ITL follows at once; the CTL with
 * the next `utils ctl update CTLFile` (notes say so).
 * In:     unit CallManager, CallManager-ECDSA or TVS: those that lists name of a subscriber.
 * Errors: ERR_USAGE no such node or unit, this very node, the wrong kind of key, another unit's certificate; ERR_LIMIT the
 *         ITL would be larger than phones load.
 */
int cluster_node_certificate(struct cluster *c, const char *who, const char *name, const char *unit,
			     const struct cert *cert, struct notes *notes, struct err *e) MUST_CHECK;

/* cluster_node_find: a node that is there and is not this one. Errors: ERR_USAGE. */
struct store_node;
int cluster_node_find(struct cluster *c, const char *name, struct store_node *row, struct err *e) MUST_CHECK;

/* cluster_node_unit: the i-th unit that cluster_node_certificate takes; NULL behind the last. */
const char *cluster_node_unit(size_t i);

/*
 * cluster_node_delete: with its certificates. The ITL follows at once, the CTL as above.
 * Errors: ERR_USAGE no such node, the publisher, this very node.
 */
int cluster_node_delete(struct cluster *c, const char *who, const char *name, struct notes *notes,
			struct err *e) MUST_CHECK;
