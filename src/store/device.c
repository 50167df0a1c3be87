#include "store/device.h"

#include "base/text.h"
#include "store/store_internal.h"

#define SELECT_DEVICE                                                                                                  \
	"SELECT d.name, d.description, d.model, d.devicepool, coalesce(g.name, '') FROM device AS d"                   \
	" LEFT JOIN callmanagergroup AS g ON g.pkid = d.fkcallmanagergroup"

static int take(const struct store_row *r, struct store_device *d, struct err *e)
{
	int rc = ROW_COPY(r, 0, d->name, e);

	if (!rc)
		rc = ROW_COPY(r, 1, d->description, e);
	if (!rc)
		rc = ROW_COPY(r, 2, d->model, e);
	if (!rc)
		rc = ROW_COPY(r, 3, d->pool, e);
	if (!rc)
		rc = ROW_COPY(r, 4, d->group, e);
	return rc;
}

struct getting {
	struct store_device *d;
	bool found;
};

static int take_one(void *ctx, const struct store_row *r, struct err *e)
{
	struct getting *g = ctx;

	g->found = true;
	return take(r, g->d, e);
}

int store_device_get(struct store *s, const char *name, struct store_device *d, bool *found, struct err *e)
{
	struct store_device got = {0};
	struct getting g = {&got, false};
	int rc = store_db_query(s, take_one, &g, e, SELECT_DEVICE " WHERE d.name = $1", VALUES(value_text(name)));

	if (rc)
		return rc;
	*found = g.found;
	if (g.found)
		*d = got;
	return 0;
}

static int group_pkid(struct store *s, const char *group, char pkid[STORE_PKID_SIZE], struct err *e)
{
	pkid[0] = '\0';
	if (!*group)
		return 0;
	int rc = store_db_pkid(s, pkid, e, "SELECT pkid FROM callmanagergroup WHERE name = $1",
			       VALUES(value_text(group)));
	if (!rc && !*pkid)
		rc = err_set(e, ERR_USAGE, "%s: there is no such CallManager group", group);
	return rc;
}

static int add(struct store *s, const struct store_device *d, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	char group[STORE_PKID_SIZE];
	int64_t there = 0;
	int rc = store_db_int(s, &there, NULL, e, "SELECT count(*) FROM device WHERE name = $1",
			      VALUES(value_text(d->name)));

	if (!rc && there)
		return err_set(e, ERR_USAGE, "device %s exists already", d->name);
	if (!rc)
		rc = group_pkid(s, d->group, group, e);
	if (!rc)
		rc = store_pkid_new(pkid, e);
	if (rc)
		return rc;
	return store_db_exec(s, NULL, e,
			     "INSERT INTO device (pkid, name, description, model, devicepool, fkcallmanagergroup) "
			     "VALUES ($1, $2, $3, $4, $5, $6)",
			     VALUES(value_text(pkid), value_text(d->name), value_text(d->description),
				    value_text(d->model), value_text(d->pool), value_text(*group ? group : NULL)));
}

int store_device_add(struct store *s, const struct store_device *d, struct err *e)
{
	int rc = store_name_ok("device", d->name, e);

	if (!rc && !text_is_device_name(d->name))
		rc = err_set(e, ERR_USAGE,
			     "device %s: a name is three capital letters and 1 to 60 of A-Z a-z 0-9 . _ - "
			     "(SEP001122334455)",
			     d->name);
	if (!rc)
		rc = store_scope_begin(s, e);
	return rc ? rc : store_scope_end(s, add(s, d, e), e);
}

int store_device_delete(struct store *s, const char *name, struct err *e)
{
	int64_t changed = 0;
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	rc = store_db_exec(s, &changed, e, "DELETE FROM device WHERE name = $1", VALUES(value_text(name)));
	if (!rc && !changed)
		rc = err_set(e, ERR_USAGE, "%s: there is no such device", name);
	return store_scope_end(s, rc, e);
}

int store_device_count(struct store *s, uint64_t *n, struct err *e)
{
	int64_t count = 0;
	int rc = store_db_int(s, &count, NULL, e, "SELECT count(*) FROM device", NO_VALUES);

	if (!rc)
		*n = (uint64_t)count;
	return rc;
}

struct listing {
	int (*cb)(void *ctx, const struct store_device *d);
	void *ctx;
};

static int give(void *ctx, const struct store_row *r, struct err *e)
{
	const struct listing *l = ctx;
	struct store_device d;
	int rc = take(r, &d, e);

	return rc ? rc : l->cb(l->ctx, &d);
}

int store_device_list(struct store *s, const char *after, size_t limit,
		      int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	return store_db_query(s, give, &l, e, SELECT_DEVICE " WHERE d.name > $1 ORDER BY d.name LIMIT $2",
			      VALUES(value_text(after ? after : ""), value_int(limit ? (int64_t)limit : INT64_MAX)));
}
