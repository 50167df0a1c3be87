#include "store/param.h"

#include "store/service.h"
#include "store/store_internal.h"

/* A key as the table has it. */
struct place {
	unsigned service;                 /* 0: enterprise */
	char node_pkid[STORE_PKID_SIZE];  /* "": the cluster's */
};

static int find_place(struct store *s, struct store_param_key key, struct place *p, struct err *e)
{
	const struct store_service_row *row = NULL;
	int rc = store_name_ok("parameter", key.name, e);

	if (rc)
		return rc;
	if (key.service && *key.service) {
		row = store_service_find(key.service);
		if (!row)
			return err_set(e, ERR_USAGE, "parameter %s: there is no service %s", key.name, key.service);
	}
	p->service = row ? row->number : 0;
	p->node_pkid[0] = '\0';
	return key.node && *key.node ? store_node_need(s, key.node, p->node_pkid, e) : 0;
}

#define KEY_IS "paramname = $1 AND tkservice = $2 AND coalesce(fkprocessnode, '') = $3"

int store_param_get(struct store *s, struct store_param_key key, char **value, struct err *e)
{
	struct place p;
	int rc = find_place(s, key, &p, e);

	if (rc)
		return rc;
	return store_db_text(s, value, e, "SELECT paramvalue FROM processconfig WHERE " KEY_IS,
			     VALUES(value_text(key.name), value_int(p.service), value_text(p.node_pkid)));
}

static int insert(struct store *s, const char *name, const struct place *p, const char *value, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int rc = store_pkid_new(pkid, e);

	if (rc)
		return rc;
	return store_db_exec(s, NULL, e,
			     "INSERT INTO processconfig (pkid, paramname, paramvalue, tkservice, fkprocessnode) "
			     "VALUES ($1, $2, $3, $4, $5)",
			     VALUES(value_text(pkid), value_text(name), value_text(value), value_int(p->service),
				    value_text(*p->node_pkid ? p->node_pkid : NULL)));
}

static int write_value(struct store *s, const char *name, const struct place *p, const char *value, struct err *e)
{
	int64_t changed = 0;

	if (!value)
		return store_db_exec(s, NULL, e, "DELETE FROM processconfig WHERE " KEY_IS,
				     VALUES(value_text(name), value_int(p->service), value_text(p->node_pkid)));
	int rc = store_db_exec(s, &changed, e, "UPDATE processconfig SET paramvalue = $4 WHERE " KEY_IS,
			       VALUES(value_text(name), value_int(p->service), value_text(p->node_pkid),
				      value_text(value)));
	return rc || changed ? rc : insert(s, name, p, value, e);
}

int store_param_set(struct store *s, struct store_param_key key, const char *value, struct err *e)
{
	struct place p;

	if (value && strlen(value) > STORE_PARAM_MAX)
		return err_set(e, ERR_LIMIT, "parameter %s: a value has at most %d octets", key.name, STORE_PARAM_MAX);
	int rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	rc = find_place(s, key, &p, e);
	if (!rc)
		rc = write_value(s, key.name, &p, value, e);
	return store_scope_end(s, rc, e);
}

static int take(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_param *p = store_list_add(ctx);

	if (!p)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = ROW_COPY(r, 0, p->name, e);
	if (!rc)
		rc = ROW_COPY(r, 1, p->service, e);
	if (!rc)
		rc = ROW_COPY(r, 2, p->node, e);
	if (!rc && !(p->value = strdup(row_text(r, 3))))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	return rc;
}

int store_param_list(struct store *s, struct store_param **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	int rc = store_db_query(s, take, &l, e,
				"SELECT c.paramname, CASE WHEN c.tkservice = 0 THEN '' ELSE t.name END,"
				" coalesce(n.name, ''), c.paramvalue FROM processconfig AS c"
				" INNER JOIN typeservice AS t ON t.enum = c.tkservice"
				" LEFT JOIN processnode AS n ON n.pkid = c.fkprocessnode"
				" ORDER BY c.tkservice, c.paramname, coalesce(n.nodeid, 0)",
				NO_VALUES);

	if (rc) {
		store_params_free((struct store_param *)(void *)l.items, l.n);
		return rc;
	}
	*list = (struct store_param *)(void *)l.items;
	*n = l.n;
	return 0;
}

void store_params_free(struct store_param *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i].value);
	free(list);
}
