#include "store/node.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "store/store_internal.h"

#define COLUMNS "name, ipv4address, ipv6name, description, tknodeusage, nodeid"

static int take(const struct store_row *r, struct store_node *n, struct err *e)
{
	int rc = ROW_COPY(r, 0, n->name, e);

	if (!rc)
		rc = ROW_COPY(r, 1, n->address, e);
	if (!rc)
		rc = ROW_COPY(r, 2, n->address6, e);
	if (!rc)
		rc = ROW_COPY(r, 3, n->description, e);
	n->role = row_int(r, 4) == STORE_NODE_PUBLISHER ? STORE_NODE_PUBLISHER : STORE_NODE_SUBSCRIBER;
	n->id = (unsigned)row_int(r, 5);
	return rc;
}

static int take_listed(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_node *n = store_list_add(ctx);

	return n ? take(r, n, e) : err_set(e, ERR_NOMEM, "out of memory");
}

int store_node_list(struct store *s, struct store_node **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	int rc =
		store_db_query(s, take_listed, &l, e, "SELECT " COLUMNS " FROM processnode ORDER BY nodeid", NO_VALUES);

	if (rc) {
		free(l.items);
		return rc;
	}
	*list = (struct store_node *)(void *)l.items;
	*n = l.n;
	return 0;
}

int store_node_get(struct store *s, const char *name, struct store_node *n, bool *found, struct err *e)
{
	struct store_list l = {.item = sizeof(*n)};
	int rc = store_db_query(s, take_listed, &l, e,
				"SELECT " COLUMNS " FROM processnode WHERE lower(name) = lower($1)",
				VALUES(value_text(name)));

	if (!rc) {
		*found = l.n > 0;
		if (*found)
			memcpy(n, l.items, sizeof(*n));
	}
	free(l.items);
	return rc;
}

int store_node_pkid(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e)
{
	return store_db_pkid(s, pkid, e, "SELECT pkid FROM processnode WHERE lower(name) = lower($1)",
			     VALUES(value_text(name)));
}

int store_node_need(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e)
{
	int rc = store_node_pkid(s, name, pkid, e);

	if (!rc && !*pkid)
		rc = err_set(e, ERR_USAGE, "%s: there is no such node in the cluster", name);
	return rc;
}

static int check_fields(const struct store_node *n, struct err *e)
{
	unsigned char ip[16];
	int rc = store_name_ok("node", n->name, e);

	if (rc)
		return rc;
	if (*n->address && inet_pton(AF_INET, n->address, ip) != 1)
		return err_set(e, ERR_USAGE, "node %s: %s is not an IPv4 address", n->name, n->address);
	if (*n->address6 && inet_pton(AF_INET6, n->address6, ip) != 1)
		return err_set(e, ERR_USAGE, "node %s: %s is not an IPv6 address", n->name, n->address6);
	return 0;
}

static int check_new(struct store *s, const struct store_node *n, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int64_t count = 0;
	int rc = store_node_pkid(s, n->name, pkid, e);

	if (!rc && *pkid)
		return err_set(e, ERR_USAGE, "node %s is in the cluster already", n->name);
	if (!rc)
		rc = store_db_int(s, &count, NULL, e, "SELECT count(*) FROM processnode", NO_VALUES);
	if (!rc && count >= STORE_MAX_NODES)
		return err_set(e, ERR_LIMIT, "node %s: a cluster has at most %d nodes", n->name, STORE_MAX_NODES);
	if (!rc && n->role == STORE_NODE_PUBLISHER) {
		rc = store_db_int(s, &count, NULL, e, "SELECT count(*) FROM processnode WHERE tknodeusage = $1",
				  VALUES(value_int(STORE_NODE_PUBLISHER)));
		if (!rc && count)
			return err_set(e, ERR_USAGE, "node %s: the cluster has a publisher; add it as a subscriber",
				       n->name);
	}
	return rc;
}

static int insert(struct store *s, const struct store_node *n, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int64_t id;
	int rc = store_pkid_new(pkid, e);

	if (!rc)
		rc = store_counter_next(s, "nodeid", &id, e);
	if (rc)
		return rc;
	return store_db_exec(
		s, NULL, e, "INSERT INTO processnode (pkid, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)",
		VALUES(value_text(pkid), value_text(n->name), value_text(n->address), value_text(n->address6),
		       value_text(n->description), value_int(n->role), value_int(id)));
}

int store_node_add(struct store *s, const struct store_node *n, struct err *e)
{
	int rc = check_fields(n, e);

	if (!rc)
		rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	rc = check_new(s, n, e);
	if (!rc)
		rc = insert(s, n, e);
	return store_scope_end(s, rc, e);
}

static int replace(struct store *s, const char *name, const struct store_node *n, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	struct store_node old;
	bool found = false;
	int rc = store_node_need(s, name, pkid, e);

	if (!rc)
		rc = store_node_get(s, name, &old, &found, e);
	if (!rc && old.role != n->role)
		return err_set(e, ERR_USAGE, "node %s: its role cannot change", name);
	if (!rc && !text_same(name, n->name)) {
		rc = store_node_get(s, n->name, &old, &found, e);
		if (!rc && found)
			return err_set(e, ERR_USAGE, "node %s is in the cluster already", n->name);
	}
	if (rc)
		return rc;
	return store_db_exec(s, NULL, e,
			     "UPDATE processnode SET name = $1, ipv4address = $2, ipv6name = $3, description = $4 "
			     "WHERE pkid = $5",
			     VALUES(value_text(n->name), value_text(n->address), value_text(n->address6),
				    value_text(n->description), value_text(pkid)));
}

int store_node_set(struct store *s, const char *name, const struct store_node *n, struct err *e)
{
	int rc = check_fields(n, e);

	if (!rc)
		rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	return store_scope_end(s, replace(s, name, n, e), e);
}

/* What hangs on the node goes by the foreign keys; own certificates are left without a node by that. */
static int drop(struct store *s, const char *name, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	struct store_node old;
	bool found = false;
	int rc = store_node_need(s, name, pkid, e);

	if (!rc)
		rc = store_node_get(s, name, &old, &found, e);
	if (!rc && old.role == STORE_NODE_PUBLISHER)
		return err_set(e, ERR_USAGE, "node %s is the publisher: it cannot be deleted", name);
	if (!rc)
		rc = store_certificate_forget_node(s, pkid, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "DELETE FROM processnode WHERE pkid = $1", VALUES(value_text(pkid)));
	return rc;
}

int store_node_delete(struct store *s, const char *name, struct err *e)
{
	int rc = store_scope_begin(s, e);

	return rc ? rc : store_scope_end(s, drop(s, name, e), e);
}
