#include "cluster/node.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/phone_config.h"
#include "cluster/token_ctl.h"

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

/* --- one change --- */

struct node_change {
	struct store_node row;
	const struct unit_rule *rule;
	const struct cert *cert;
};

static int run(struct cluster *c, const char *who, const char *command, struct node_change *n,
	       int (*apply)(struct cluster *c, void *ctx, struct err *e), const char *before, const char *after,
	       struct notes *notes, struct err *e)
{
	char object[STORE_NAME_SIZE + 64];

	if (n->rule)
		snprintf(object, sizeof(object), "certificate %s on %s", n->rule->unit, n->row.name);
	else
		snprintf(object, sizeof(object), "node %s", n->row.name);
	struct change ch = { .who = who, .command = command, .object = object, .before = before, .after = after,
			     .notes = notes, .apply = apply, .ctx = n };
	return change_run(c, &ch, NULL, e);
}

int cluster_node_find(struct cluster *c, const char *name, struct store_node *row, struct err *e)
{
	bool found;
	int rc = store_node_get(c->store, name, row, &found, e);

	if (!rc && !found)
		return err_set(e, ERR_USAGE, "the cluster has no node %s; 'show network cluster' lists them", name);
	if (!rc && text_same(row->name, c->node))
		return err_set(e, ERR_USAGE, "%s is this node", row->name);
	return rc;
}

/* --- add --- */

static int add(struct cluster *c, void *ctx, struct err *e)
{
	const struct node_change *n = ctx;

	return store_node_add(c->store, &n->row, e);
}

int cluster_node_add(struct cluster *c, const char *who, const char *name, const char *address, struct notes *notes,
		     struct err *e)
{
	struct node_change n = { .row = { .role = STORE_NODE_SUBSCRIBER } };
	unsigned char octets[sizeof(struct in6_addr)];
	int rc = node_name_check(name, e);

	if (rc)
		return rc;
	snprintf(n.row.name, sizeof(n.row.name), "%s", name);
	if (address && inet_pton(AF_INET, address, octets) == 1)
		snprintf(n.row.address, sizeof(n.row.address), "%s", address);
	else if (address && inet_pton(AF_INET6, address, octets) == 1)
		snprintf(n.row.address6, sizeof(n.row.address6), "%s", address);
	else if (address)
		return err_set(e, ERR_USAGE, "'%s' is no IPv4 or IPv6 address", address);
	rc = run(c, who, "set network cluster subscriber details", &n, add, NULL, address ? address : name, notes, e);
	return rc ? rc : phone_config_note_address(&n.row, notes, e);
}

/* --- certificates --- */

const char *cluster_node_unit(size_t i)
{
	static const char *const units[] = { "CallManager", "CallManager-ECDSA", "TVS" };

	return i < sizeof(units) / sizeof(units[0]) ? units[i] : NULL;
}

static const struct unit_rule *node_unit_rule(const char *unit)
{
	for (size_t i = 0; cluster_node_unit(i); i++)
		if (text_same(cluster_node_unit(i), unit))
			return unit_rule(unit);
	return NULL;
}

static int check_cert(const struct unit_rule *rule, const struct cert *cert, struct err *e)
{
	bool ec = rule->number == STORE_UNIT_CALLMANAGER_ECDSA;

	if (cert_key_type(cert) != (ec ? CERT_KEY_EC : CERT_KEY_RSA))
		return err_set(e, ERR_USAGE, "a %s certificate has an %s key, and this one has not", rule->unit, ec ? "EC" : "RSA");
	return 0;
}

static int put(struct cluster *c, void *ctx, struct err *e)
{
	const struct node_change *n = ctx;

	return unit_record(c, n->rule, n->row.name, n->cert, STORE_DIST_THIS_SERVER, e);
}

static int fingerprint(struct cluster *c, const char *node, const char *unit, char out[65], struct err *e)
{
	struct cert *cert;
	int rc = cluster_own_cert(c, node, unit, &cert, e);

	if (rc || !cert)
		return rc;
	text_hex(out, 65, (struct view){ cert_sha256(cert), 32 }, '\0', false);
	cert_unref(cert);
	return 0;
}

static int note_cert(struct cluster *c, const struct node_change *n, struct notes *notes, struct err *e)
{
	enum compose_generation g;
	const char *command;
	bool has_ctl;
	int rc = param_generation(c, &g, e);

	if (!rc)
		rc = cluster_has_ctl(c, &has_ctl, e);
	if (!rc)
		rc = cluster_ctl_command(c, &command, e);
	if (!rc && has_ctl && compose_names_unit(g, LIST_CTL, n->rule->unit))
		rc = notes_add(notes, e,
			       "The CTL file does not name this certificate of %s yet: run '%s', or secure phones fail there.",
			       n->row.name, command);
	if (!rc && cert_not_after(n->cert) <= clock_wall_s(c->clock))
		rc = notes_add(notes, e, "This %s certificate of %s has expired.", n->rule->unit, n->row.name);
	return rc;
}

int cluster_node_certificate(struct cluster *c, const char *who, const char *name, const char *unit,
			     const struct cert *cert, struct notes *notes, struct err *e)
{
	struct node_change n = { .rule = node_unit_rule(unit), .cert = cert };
	char before[65] = "", after[65];

	if (!n.rule)
		return err_set(e, ERR_USAGE, "'%s' is no certificate that trust lists name of a further node", unit);
	int rc = cluster_node_find(c, name, &n.row, e);
	if (!rc)
		rc = check_cert(n.rule, cert, e);
	if (!rc)
		rc = fingerprint(c, n.row.name, n.rule->unit, before, e);
	if (rc)
		return rc;
	text_hex(after, sizeof(after), (struct view){ cert_sha256(cert), 32 }, '\0', false);
	rc = run(c, who, "set network cluster subscriber certificate", &n, put, before[0] ? before : NULL, after, notes, e);
	return rc ? rc : note_cert(c, &n, notes, e);
}

/* --- delete --- */

static int drop(struct cluster *c, void *ctx, struct err *e)
{
	const struct node_change *n = ctx;

	return store_node_delete(c->store, n->row.name, e);
}

int cluster_node_delete(struct cluster *c, const char *who, const char *name, struct notes *notes, struct err *e)
{
	struct node_change n = { 0 };
	const char *command;
	bool has_ctl;
	int rc = cluster_node_find(c, name, &n.row, e);

	if (!rc)
		rc = run(c, who, "unset network cluster subscriber details", &n, drop, n.row.name, NULL, notes, e);
	if (!rc)
		rc = cluster_has_ctl(c, &has_ctl, e);
	if (!rc)
		rc = cluster_ctl_command(c, &command, e);
	if (!rc && has_ctl)
		rc = notes_add(notes, e, "The CTL file still names %s: run '%s'.", n.row.name, command);
	return rc;
}
