#include "cluster/node.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"

int node_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);

	/* A host name: it stands in certificates, in trust lists and in file names. */
	if (len == 0 || len > 253)
		return err_set(e, ERR_USAGE, "a node name has 1 to 253 characters");
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i == len - 1;

		if (!isalnum((unsigned char)name[i]) && (edge || !strchr("-._", name[i])))
			return err_set(e, ERR_USAGE, "'%s' is no host name: letters, digits, '-', '.' and '_' only, and a letter or "
				       "digit at both ends", name);
	}
	return 0;
}

struct addition {
	struct store_node row;
	const struct node_certs *certs;
};

static int add_cert(struct cluster *c, const char *node, const char *unit, const struct cert *cert, struct err *e)
{
	return cert ? unit_record(c, unit_rule(unit), node, cert, e) : 0;
}

static int store_node(struct cluster *c, void *ctx, struct err *e)
{
	const struct addition *a = ctx;
	int rc = store_node_add(c->store, &a->row, e);

	if (!rc)
		rc = add_cert(c, a->row.name, "CallManager", a->certs->call_manager, e);
	if (!rc)
		rc = add_cert(c, a->row.name, "CallManager-ECDSA", a->certs->call_manager_ec, e);
	return rc ? rc : add_cert(c, a->row.name, "TVS", a->certs->tvs, e);
}

int cluster_node_add(struct cluster *c, const char *who, const char *name, const char *ip, const struct node_certs *certs,
		     struct notes *notes, struct err *e)
{
	struct addition a = { .certs = certs, .row = { .role = STORE_NODE_SUBSCRIBER } };
	char object[STORE_NAME_SIZE + 8];
	struct in_addr addr;
	bool has_ctl = false;
	int rc = node_name_check(name, e);

	if (rc)
		return rc;
	if (ip && inet_pton(AF_INET, ip, &addr) != 1)
		return err_set(e, ERR_USAGE, "'%s' is no IPv4 address", ip);
	snprintf(a.row.name, sizeof(a.row.name), "%s", name);
	snprintf(a.row.address, sizeof(a.row.address), "%s", ip ? ip : "");
	snprintf(object, sizeof(object), "node %s", name);
	struct change ch = { .who = who, .command = "add node", .object = object, .after = ip ? ip : name, .notes = notes,
			     .apply = store_node, .ctx = &a };
	rc = change_run(c, &ch, NULL, e);
	if (!rc)
		rc = cluster_has_ctl(c, &has_ctl, e);
	if (!rc && has_ctl)
		rc = notes_add(notes, e,
			       "The CTL file does not name %s yet: run 'utils ctl update CTLFile', or secure phones fail there.",
			       name);
	return rc;
}
