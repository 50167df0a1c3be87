#include "store/request.h"

#include "store/store_internal.h"

int store_request_put(struct store *s, const char *node, const struct store_request *r, const char *pem, struct err *e)
{
	char pkid[STORE_PKID_SIZE];

	if (store_unit_is_trust(r->unit) || !store_unit_name(r->unit))
		return err_set(e, ERR_USAGE, "only a unit with a certificate of its own has a request for one");
	int rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	rc = store_node_need(s, node, pkid, e);
	if (!rc)
		rc = store_request_drop(s, node, r->unit, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "INSERT INTO certificaterequest (fkprocessnode, tkcertificateservice, created,"
				   " tkcertificatedistribution, request) VALUES ($1, $2, $3, $4, $5)",
				   VALUES(value_text(pkid), value_int(r->unit), value_int(r->created),
					  value_int(r->distribution), value_text(pem)));
	return store_scope_end(s, rc, e);
}

struct getting {
	struct store_request r;
	char *pem;
};

static int take(void *ctx, const struct store_row *row, struct err *e)
{
	struct getting *g = ctx;

	g->r = (struct store_request){
		.unit = (enum store_unit)row_int(row, 0),
		.distribution = (enum store_distribution)row_int(row, 1),
		.created = row_int(row, 2),
	};
	free(g->pem);
	g->pem = strdup(row_text(row, 3));
	return g->pem ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int store_request_get(struct store *s, const char *node, enum store_unit unit, struct store_request *r, char **pem,
		      struct err *e)
{
	struct getting g = {.pem = NULL};
	int rc = store_db_query(s, take, &g, e,
				"SELECT q.tkcertificateservice, q.tkcertificatedistribution, q.created, q.request"
				" FROM certificaterequest AS q JOIN processnode AS p ON p.pkid = q.fkprocessnode"
				" WHERE lower(p.name) = lower($1) AND q.tkcertificateservice = $2",
				VALUES(value_text(node), value_int(unit)));

	if (rc) {
		free(g.pem);
		return rc;
	}
	if (g.pem)
		*r = g.r;
	*pem = g.pem;
	return 0;
}

int store_request_drop(struct store *s, const char *node, enum store_unit unit, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "DELETE FROM certificaterequest WHERE tkcertificateservice = $2 AND fkprocessnode IN"
			     " (SELECT pkid FROM processnode WHERE lower(name) = lower($1))",
			     VALUES(value_text(node), value_int(unit)));
}
