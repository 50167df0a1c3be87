#include "store/service.h"

#include "base/text.h"
#include "store/store_internal.h"

/* Source: behaviour.md 1.9, design.md 8. */
const struct store_service_row store_services[] = {
	{1, "Cisco CallManager", true},
	{2, "Cisco Tftp", true},
	{3, "Cisco Certificate Authority Proxy Function", true},
	{4, "Cisco CTL Provider", true},
	{10, "Cisco Trust Verification Service", false},
	{11, "Cisco Tomcat", false},
	{12, "Cisco DRF Master", false},
	{13, "Cisco DRF Local", false},
	{14, "Cisco Certificate Expiry Monitor", false},
	{15, "Cisco Certificate Change Notification", false},
	{0, NULL, false},
};

const struct store_service_row *store_service_find(const char *name)
{
	for (const struct store_service_row *r = store_services; r->name; r++)
		if (text_same(r->name, name))
			return r;
	return NULL;
}

/* The service of that name and the node's pkid. */
static int look_up(struct store *s, const char *node, const char *name, const struct store_service_row **row,
		   char pkid[STORE_PKID_SIZE], struct err *e)
{
	*row = store_service_find(name);
	if (!*row)
		return err_set(e, ERR_USAGE, "%s: there is no service of that name; 'utils service list' shows them",
			       name);
	return store_node_need(s, node, pkid, e);
}

static int take(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_service *svc = ctx;

	(void)e;
	svc->started = row_bool(r, 0);
	svc->activated = row_bool(r, 1);
	return 0;
}

static int read_one(struct store *s, const char *node, const struct store_service_row *row, const char *pkid,
		    struct store_service *svc, struct err *e)
{
	struct store_service got = {.feature = row->feature, .activated = !row->feature, .started = true};

	strcpy(got.name, row->name);
	strncpy(got.node, node, sizeof(got.node) - 1);
	int rc = store_db_query(
		s, take, &got, e,
		"SELECT enable, isactive FROM processnodeservice WHERE fkprocessnode = $1 AND tkservice = $2",
		VALUES(value_text(pkid), value_int(row->number)));
	if (!rc)
		*svc = got;
	return rc;
}

int store_service_get(struct store *s, const char *node, const char *name, struct store_service *svc, struct err *e)
{
	const struct store_service_row *row;
	char pkid[STORE_PKID_SIZE];
	int rc = look_up(s, node, name, &row, pkid, e);

	return rc ? rc : read_one(s, node, row, pkid, svc, e);
}

int store_service_list(struct store *s, const char *node, struct store_service **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	char pkid[STORE_PKID_SIZE];
	int rc = store_node_need(s, node, pkid, e);

	for (const struct store_service_row *row = store_services; !rc && row->name; row++) {
		struct store_service *svc = store_list_add(&l);
		rc = svc ? read_one(s, node, row, pkid, svc, e) : err_set(e, ERR_NOMEM, "out of memory");
	}
	if (rc) {
		free(l.items);
		return rc;
	}
	*list = (struct store_service *)(void *)l.items;
	*n = l.n;
	return 0;
}

static int write_one(struct store *s, const char *pkid, unsigned number, const struct store_service *svc, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e,
			       "UPDATE processnodeservice SET enable = $1, isactive = $2 "
			       "WHERE fkprocessnode = $3 AND tkservice = $4",
			       VALUES(value_bool(svc->started), value_bool(svc->activated), value_text(pkid),
				      value_int(number)));
	if (rc || changed)
		return rc;
	return store_db_exec(s, NULL, e,
			     "INSERT INTO processnodeservice (enable, isactive, fkprocessnode, tkservice) "
			     "VALUES ($1, $2, $3, $4)",
			     VALUES(value_bool(svc->started), value_bool(svc->activated), value_text(pkid),
				    value_int(number)));
}

enum what { ACTIVATED, STARTED };

static int change(struct store *s, const char *node, const char *name, enum what what, bool on, struct err *e)
{
	const struct store_service_row *row;
	struct store_service svc;
	char pkid[STORE_PKID_SIZE];
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	rc = look_up(s, node, name, &row, pkid, e);
	if (!rc && what == ACTIVATED && !on && !row->feature)
		rc = err_set(e, ERR_USAGE, "%s is a network service: it is always active, and can only be stopped",
			     row->name);
	if (!rc)
		rc = read_one(s, node, row, pkid, &svc, e);
	if (!rc) {
		*(what == ACTIVATED ? &svc.activated : &svc.started) = on;
		rc = write_one(s, pkid, row->number, &svc, e);
	}
	return store_scope_end(s, rc, e);
}

int store_service_activate(struct store *s, const char *node, const char *name, bool on, struct err *e)
{
	return change(s, node, name, ACTIVATED, on, e);
}

int store_service_start(struct store *s, const char *node, const char *name, bool on, struct err *e)
{
	return change(s, node, name, STARTED, on, e);
}
