#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/node.h"
#include "store/node.h"

/* `network cluster`: the nodes, as CUCM's command has them; their certificates are brought by hand in Ringfence. */

static const char *role_name(const struct store_node *n)
{
	return n->role == STORE_NODE_PUBLISHER ? "Publisher" : "Subscriber";
}

static const char *address_of(const struct store_node *n)
{
	return n->address[0] ? n->address : n->address6;
}

typedef void cert_cb(void *ctx, const char *unit, const struct cert *cert);

/* Give cb each certificate that lists name of the node, as far as they are known. */
static int known_certs(struct command_run *r, const struct store_node *n, cert_cb *cb, void *ctx, struct err *e)
{
	const char *unit;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (unit = cluster_node_unit(i)); i++) {
		struct cert *cert = NULL;

		rc = cluster_own_cert(r->host->cluster, n->name, unit, &cert, e);
		if (rc == 0 && cert)
			cb(ctx, unit, cert);
		cert_unref(cert);
	}
	return rc;
}

struct text_certs {
	FILE *out;
	size_t n;
};

static void text_cert(void *ctx, const char *unit, const struct cert *cert)
{
	struct text_certs *t = ctx;

	(void)cert;
	fprintf(t->out, "%s%s", t->n++ ? ", " : "  ", unit);
}

static int show_text(struct command_run *r, const struct store_node *n, struct err *e)
{
	struct text_certs t = {.out = r->out};

	fprintf(r->out, "%-15s  %-24s  %-10s", address_of(n)[0] ? address_of(n) : "-", n->name, role_name(n));
	int rc = known_certs(r, n, text_cert, &t, e);
	fputs(t.n ? "\n" : "  no certificate known\n", r->out);
	return rc;
}

static void json_cert(void *ctx, const char *unit, const struct cert *cert)
{
	json_object_set_new(ctx, unit, print_cert_json(cert));
}

static int show_json(struct command_run *r, const struct store_node *n, json_t *all, struct err *e)
{
	json_t *certs = json_object();
	int rc = known_certs(r, n, json_cert, certs, e);

	if (json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", n->name, "address", address_of(n), "role",
						 role_name(n), "this_node", strcmp(n->name, cluster_node(r->host->cluster)) == 0,
						 "certificates", certs)) < 0 && rc == 0)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return rc;
}

int cmd_show_cluster(struct command_run *r, struct err *e)
{
	AUTO(auto_free) struct store_node *list = NULL;
	json_t *all = command_option(r, "--json") ? json_array() : NULL;
	size_t n = 0;
	int rc = store_node_list(r->host->store, &list, &n, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = all ? show_json(r, &list[i], all, e) : show_text(r, &list[i], e);
	if (rc == 0 && all)
		return print_json(r->out, all, e);
	json_decref(all);
	return rc;
}

/* What follows an operation: what was done with the node, and what is left to do. */
static int done(struct command_run *r, int rc, struct notes *notes, const char *what)
{
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "%s %s.\n", what, command_arg(r, 0));
		print_notes(r->out, notes);
	}
	notes_clear(notes);
	return rc;
}

int cmd_node_add(struct command_run *r, struct err *e)
{
	const char *name = command_arg(r, 0), *address = command_arg(r, 1);
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run")) {
		int rc = node_name_check(name, e);
		if (rc == 0)
			fprintf(r->out, "Nothing was changed. With this command %s would be a subscriber of the cluster.\n", name);
		return rc;
	}
	int rc = cluster_node_add(r->host->cluster, r->peer->actor, name, address, &notes, e);
	return done(r, rc, &notes, "Successfully added node");
}

int cmd_node_certificate(struct command_run *r, struct err *e)
{
	const char *name = command_arg(r, 0), *unit = command_arg(r, 1);
	struct notes notes = NOTES_INIT;
	struct store_node row;
	struct cert *cert = NULL;
	int rc = cert_from_pem(r->upload, &cert, e);

	if (rc < 0)
		return rc;
	if (!command_option(r, "--dry-run")) {
		rc = cluster_node_certificate(r->host->cluster, r->peer->actor, name, unit, cert, &notes, e);
		rc = done(r, rc, &notes, "Successfully imported certificate for");
	} else {
		rc = cluster_node_find(r->host->cluster, name, &row, e);
		if (rc == 0)
			fprintf(r->out, "Nothing was changed. With this command the %s certificate of %s would be %s.\n", unit,
				row.name, cert_subject(cert));
	}
	cert_unref(cert);
	return rc;
}

int cmd_node_delete_ask(struct command_run *r, struct err *e)
{
	struct store_node row;

	if (command_answers(r))
		return 0;
	int rc = cluster_node_find(r->host->cluster, command_arg(r, 0), &row, e);
	if (rc == 0)
		command_confirm(r, "This operation takes %s and its certificates from the cluster. Do you want to continue? (y/n):",
				row.name);
	return rc;
}

int cmd_node_delete(struct command_run *r, struct err *e)
{
	struct notes notes = NOTES_INIT;
	struct store_node row;
	int rc = cluster_node_find(r->host->cluster, command_arg(r, 0), &row, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--dry-run")) {
		fprintf(r->out, "Nothing was changed. With this command %s would be deleted with its certificates.\n", row.name);
		return 0;
	}
	rc = cluster_node_delete(r->host->cluster, r->peer->actor, row.name, &notes, e);
	return done(r, rc, &notes, "Successfully deleted node");
}
