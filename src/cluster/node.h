#pragma once

#include "cluster/cluster.h"

/*
 * cluster_node_add: a further node of the cluster, with the certificates it has (each may be NULL). The ITL follows at
 * once; the CTL with the next `utils ctl update CTLFile` (notes say so).
 * In:     ip dotted IPv4, or NULL. Errors: ERR_USAGE there is such a node, or the name or address is none; ERR_LIMIT the
 *         ITL would be larger than phones load.
 */
struct node_certs {
	const struct cert *call_manager, *call_manager_ec, *tvs;
};
/* node_name_check: can this be the name of a node? Errors: ERR_USAGE. */
int node_name_check(const char *name, struct err *e) MUST_CHECK;

int cluster_node_add(struct cluster *c, const char *who, const char *name, const char *ip, const struct node_certs *certs,
		     struct notes *notes, struct err *e) MUST_CHECK;
