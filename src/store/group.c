#include "store/group.h"

#include "store/store_internal.h"

/* One row a member; a group without members is one row with an empty name. */
static int take(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_list *l = ctx;
	struct store_group *g = l->n ? (struct store_group *)(void *)(l->items + (l->n - 1) * l->item) : NULL;
	int rc = 0;

	if (!g || strcmp(g->name, row_text(r, 0)) != 0) {
		g = store_list_add(l);
		rc = g ? ROW_COPY(r, 0, g->name, e) : err_set(e, ERR_NOMEM, "out of memory");
	}
	if (rc || !*row_text(r, 1))
		return rc;
	if (g->n == STORE_GROUP_MAX)
		return err_set(e, ERR_STORE, "CallManager group %s has more than %d nodes: another program wrote it",
			       g->name, STORE_GROUP_MAX);
	rc = ROW_COPY(r, 1, g->members[g->n], e);
	g->n += rc == 0;
	return rc;
}

#define SELECT_GROUP                                                                                                   \
	"SELECT g.name, coalesce(n.name, '') FROM callmanagergroup AS g"                                               \
	" LEFT JOIN callmanagergroupmember AS m ON m.fkcallmanagergroup = g.pkid"                                      \
	" LEFT JOIN processnode AS n ON n.pkid = m.fkprocessnode"

int store_group_get(struct store *s, const char *name, struct store_group *g, bool *found, struct err *e)
{
	struct store_list l = {.item = sizeof(*g)};
	int rc = store_db_query(s, take, &l, e, SELECT_GROUP " WHERE g.name = $1 ORDER BY m.priority",
				VALUES(value_text(name)));

	if (!rc) {
		*found = l.n > 0;
		if (*found)
			memcpy(g, l.items, sizeof(*g));
	}
	free(l.items);
	return rc;
}

int store_group_list(struct store *s, struct store_group **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	int rc = store_db_query(s, take, &l, e, SELECT_GROUP " ORDER BY g.name, m.priority", NO_VALUES);

	if (rc) {
		free(l.items);
		return rc;
	}
	*list = (struct store_group *)(void *)l.items;
	*n = l.n;
	return 0;
}

static int find(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e)
{
	return store_db_pkid(s, pkid, e, "SELECT pkid FROM callmanagergroup WHERE name = $1", VALUES(value_text(name)));
}

/* The group's row, new or without its members. */
static int make(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e)
{
	int rc = find(s, name, pkid, e);

	if (rc)
		return rc;
	if (*pkid)
		return store_db_exec(s, NULL, e, "DELETE FROM callmanagergroupmember WHERE fkcallmanagergroup = $1",
				     VALUES(value_text(pkid)));
	rc = store_pkid_new(pkid, e);
	if (rc)
		return rc;
	return store_db_exec(s, NULL, e, "INSERT INTO callmanagergroup (pkid, name) VALUES ($1, $2)",
			     VALUES(value_text(pkid), value_text(name)));
}

static int add_member(struct store *s, const char *group_pkid, const struct store_group *g, size_t i, struct err *e)
{
	char node[STORE_PKID_SIZE];
	int64_t there = 0;
	int rc = store_node_need(s, g->members[i], node, e);

	if (!rc)
		rc = store_db_int(s, &there, NULL, e,
				  "SELECT count(*) FROM callmanagergroupmember WHERE fkcallmanagergroup = $1 "
				  "AND fkprocessnode = $2",
				  VALUES(value_text(group_pkid), value_text(node)));
	if (!rc && there)
		rc = err_set(e, ERR_USAGE, "CallManager group %s: node %s is in it twice", g->name, g->members[i]);
	if (rc)
		return rc;
	return store_db_exec(s, NULL, e,
			     "INSERT INTO callmanagergroupmember (fkcallmanagergroup, fkprocessnode, priority) "
			     "VALUES ($1, $2, $3)",
			     VALUES(value_text(group_pkid), value_text(node), value_int((int64_t)i)));
}

int store_group_put(struct store *s, const struct store_group *g, struct err *e)
{
	char pkid[STORE_PKID_SIZE];

	if (g->n > STORE_GROUP_MAX)
		return err_set(e, ERR_LIMIT, "CallManager group %s: at most %d nodes", g->name, STORE_GROUP_MAX);
	int rc = store_name_ok("CallManager group", g->name, e);
	if (!rc)
		rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	rc = make(s, g->name, pkid, e);
	for (size_t i = 0; !rc && i < g->n; i++)
		rc = add_member(s, pkid, g, i, e);
	return store_scope_end(s, rc, e);
}

int store_group_delete(struct store *s, const char *name, struct err *e)
{
	int64_t changed = 0;
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	rc = store_db_exec(s, &changed, e, "DELETE FROM callmanagergroup WHERE name = $1", VALUES(value_text(name)));
	if (!rc && !changed)
		rc = err_set(e, ERR_USAGE, "%s: there is no such CallManager group", name);
	return store_scope_end(s, rc, e);
}

struct members {
	char (*names)[STORE_NAME_SIZE];
	size_t n, max;
};

static int take_device(void *ctx, const struct store_row *r, struct err *e)
{
	struct members *m = ctx;
	int rc = m->n < m->max ? row_copy(r, 0, m->names[m->n], STORE_NAME_SIZE, e) : 0;

	m->n++;
	return rc;
}

int store_group_devices(struct store *s, const char *name, char (*names)[STORE_NAME_SIZE], size_t max, size_t *n,
			struct err *e)
{
	struct members m = {.names = names, .max = max};
	int rc = store_db_query(s, take_device, &m, e,
				"SELECT d.name FROM device AS d JOIN callmanagergroup AS g ON g.pkid = d.fkcallmanagergroup"
				" WHERE g.name = $1 ORDER BY d.name",
				VALUES(value_text(name)));

	if (!rc)
		*n = m.n;
	return rc;
}
