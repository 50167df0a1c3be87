/* Certificates out of the store. */
#include "base/text.h"
#include "store/certificate.h"
#include "store/store_internal.h"

/* One row a certificate; its roles and units as sums of bits; its file name in the trust store $1, if that is a number. */
#define SELECT_CERTIFICATE                                                                                             \
	"SELECT c.pkid, c.certificate, c.servername, c.ipv4address, c.description, c.tkcertificatedistribution,"       \
	" c.timetolive, c.sha256,"                                                                                     \
	" (SELECT sum(CAST(1 AS BIGINT) << CAST(r.tktrustrole AS INTEGER)) FROM certificatetrustrolemap AS r"          \
	"  WHERE r.fkcertificate = c.pkid) AS roles,"                                                                  \
	" (SELECT sum(CAST(1 AS BIGINT) << CAST(u.tkcertificateservice AS INTEGER))"                                   \
	"  FROM certificateservicecertificatemap AS u WHERE u.fkcertificate = c.pkid) AS units,"                       \
	" (SELECT min(u.tkcertificateservice) FROM certificateservicecertificatemap AS u"                              \
	"  WHERE u.fkcertificate = c.pkid) AS firstunit,"                                                              \
	" (SELECT f.filename FROM certificateservicecertificatemap AS f"                                               \
	"  WHERE f.fkcertificate = c.pkid AND f.tkcertificateservice = $1) AS filename"                                \
	" FROM certificate AS c"
#define IN_ORDER " ORDER BY firstunit, c.commonname, c.notbefore, c.pkid"
#define IN_UNIT                                                                                                        \
	"c.pkid IN (SELECT m.fkcertificate FROM certificateservicecertificatemap AS m WHERE m.tkcertificateservice = " \
	"$1)"
#define ON_NODE                                                                                                        \
	"c.pkid IN (SELECT n.fkcertificate FROM certificateprocessnodemap AS n"                                        \
	" INNER JOIN processnode AS p ON p.pkid = n.fkprocessnode WHERE lower(p.name) = lower($2))"

void store_certificate_clear(struct store_certificate *c)
{
	if (!c)
		return;
	cert_unref(c->cert);
	c->cert = NULL;
}

void store_certificates_free(struct store_certificate *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		store_certificate_clear(&list[i]);
	free(list);
}

/* Fields first: what fails before the certificate leaves nothing to free. */
static int take(struct store *s, const struct store_row *r, struct store_certificate *c, struct err *e)
{
	int rc = ROW_COPY(r, 0, c->pkid, e);

	if (!rc)
		rc = ROW_COPY(r, 2, c->server, e);
	if (!rc)
		rc = ROW_COPY(r, 3, c->address, e);
	if (!rc)
		rc = ROW_COPY(r, 4, c->description, e);
	if (!rc)
		rc = ROW_COPY(r, 11, c->file, e);
	if (rc)
		return rc;
	c->distribution = (enum store_distribution)row_int(r, 5);
	c->ttl_s = (unsigned)row_int(r, 6);
	c->roles = (uint32_t)row_int(r, 8);
	c->units = (uint32_t)row_int(r, 9);
	rc = cert_cache_get(s->certs, row_text(r, 7), row_text(r, 1), &c->cert, e);
	if (rc)
		err_prefix(e, "certificate %s in the store", c->pkid);
	return rc;
}

struct listing {
	struct store *s;
	struct store_list l;
};

static int take_listed(void *ctx, const struct store_row *r, struct err *e)
{
	struct listing *g = ctx;
	struct store_certificate *c = store_list_add(&g->l);

	return c ? take(g->s, r, c, e) : err_set(e, ERR_NOMEM, "out of memory");
}

static struct store_certificate *items_of(const struct listing *g)
{
	return (struct store_certificate *)(void *)g->l.items;
}

/* The statement for a filter. Each is a text of its own, so that the database can use an index for it. */
static const char *statement(const struct store_certificate_filter *f)
{
	bool by_node = f->node && *f->node;

	if (f->unit && by_node)
		return SELECT_CERTIFICATE " WHERE " IN_UNIT " AND " ON_NODE IN_ORDER;
	if (f->unit)
		return SELECT_CERTIFICATE " WHERE " IN_UNIT IN_ORDER;
	if (by_node)
		return SELECT_CERTIFICATE " WHERE " ON_NODE IN_ORDER;
	return SELECT_CERTIFICATE IN_ORDER;
}

int store_certificate_list(struct store *s, const struct store_certificate_filter *filter,
			   struct store_certificate **list, size_t *n, struct err *e)
{
	struct listing g = {s, {.item = sizeof(**list)}};
	int rc = store_db_query(s, take_listed, &g, e, statement(filter),
				VALUES(value_int(filter->unit), value_text(filter->node)));

	if (rc) {
		store_certificates_free(items_of(&g), g.l.n);
		return rc;
	}
	*list = items_of(&g);
	*n = g.l.n;
	return 0;
}

/* The first of what the query finds. */
static int find_one(struct store *s, struct store_certificate *c, bool *found, struct err *e, const char *sql,
		    const struct store_value *v, size_t n)
{
	struct listing g = {s, {.item = sizeof(*c)}};
	int rc = store_db_query(s, take_listed, &g, e, sql, v, n);

	if (!rc) {
		*found = g.l.n > 0;
		if (*found) {
			*c = items_of(&g)[0];
			items_of(&g)[0].cert = NULL;
		}
	}
	store_certificates_free(items_of(&g), g.l.n);
	return rc;
}

int store_certificate_own(struct store *s, enum store_unit unit, const char *node, struct store_certificate *c,
			  bool *found, struct err *e)
{
	return find_one(s, c, found, e, SELECT_CERTIFICATE " WHERE " IN_UNIT " AND " ON_NODE IN_ORDER,
			VALUES(value_int(unit), value_text(node)));
}

int store_certificate_get(struct store *s, const char *pkid, struct store_certificate *c, bool *found, struct err *e)
{
	return find_one(s, c, found, e, SELECT_CERTIFICATE " WHERE c.pkid = $1", VALUES(value_text(pkid)));
}
