#include "store/device.h"

#include <stdio.h>

#include "base/secret.h"
#include "store/device_row.h"

uint64_t store_device_changes(const struct store *s)
{
	return s->device_changes;
}

static int begin_change(struct store *s, struct err *e)
{
	s->device_changes++;
	return store_scope_begin(s, e);
}

struct getting {
	struct store_device *d;
	bool found;
};

static int take_one(void *ctx, const struct store_row *r, struct err *e)
{
	struct getting *g = ctx;

	g->found = true;
	return device_row_take(r, g->d, e);
}

int store_device_get(struct store *s, const char *name, struct store_device *d, bool *found, struct err *e)
{
	struct store_device got = {0};
	struct getting g = {&got, false};
	int rc = store_db_query(s, take_one, &g, e, DEVICE_ROW_SELECT " WHERE d.name = $1", VALUES(value_text(name)));

	if (rc)
		return rc;
	*found = g.found;
	if (g.found)
		*d = got;
	return 0;
}

static int unknown(const char *name, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s: there is no such device", name);
}

int store_device_need(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e)
{
	int rc = store_db_pkid(s, pkid, e, "SELECT pkid FROM device WHERE name = $1", VALUES(value_text(name)));

	return rc || *pkid ? rc : unknown(name, e);
}

static int group_pkid(struct store *s, const char *group, char pkid[STORE_PKID_SIZE], struct err *e)
{
	pkid[0] = '\0';
	if (!*group)
		return 0;
	int rc = store_db_pkid(s, pkid, e, "SELECT pkid FROM callmanagergroup WHERE name = $1",
			       VALUES(value_text(group)));
	if (!rc && !*pkid)
		rc = err_set(e, ERR_USAGE, "%s: there is no such CallManager group; 'group list' shows them, 'group set' makes one",
			     group);
	return rc;
}

/* Everything that a caller sets, of the row that is there. */
static int write_fields(struct store *s, const struct store_device *d, int64_t *changed, struct err *e)
{
	char group[STORE_PKID_SIZE], operation[STORE_PKID_SIZE];
	int rc = group_pkid(s, d->group, group, e);

	if (!rc)
		rc = store_pkid_new(operation, e);
	if (rc)
		return rc;
	return store_db_exec(s, changed, e,
			     "UPDATE device SET description = $2, model = $3, devicepool = $4, fkcallmanagergroup = $5,"
			     " devicesecuritymode = $6, transport = $7, encryptconfig = $8, certificateoperation = $9,"
			     " authenticationmode = $10, keyorder = $11, rsakeysize = $12, eckeysize = $13,"
			     " upgradefinishtime = $14, certificatestatus = $15, renewal = $16,"
			     " operationid = CASE WHEN certificateoperation = $9 AND authenticationmode = $10 AND keyorder = $11"
			     " AND rsakeysize = $12 AND eckeysize = $13 AND renewal = $16 THEN operationid ELSE $17 END"
			     " WHERE name = $1",
			     VALUES(value_text(d->name), value_text(d->description), value_text(d->model),
				    value_text(d->pool), value_text(*group ? group : NULL),
				    value_text(device_security_names[d->security]),
				    value_text(device_transport_names[d->transport]), value_bool(d->encrypt_config),
				    value_text(device_operation_names[d->operation]),
				    value_text(device_auth_names[d->auth]),
				    value_text(device_key_order_names[d->key_order]), value_int(d->rsa_bits),
				    value_int(d->ec_bits), value_time(d->complete_by), value_text(d->status),
				    value_bool(d->renewal), value_text(operation)));
}

static int add(struct store *s, const struct store_device *d, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int64_t inserted = 0;
	int rc = store_pkid_new(pkid, e);

	if (!rc)
		rc = store_db_exec(s, &inserted, e,
				   "INSERT INTO device (pkid, name, description, model, devicepool) VALUES ($1, $2, '', '', '')"
				   " ON CONFLICT DO NOTHING",
				   VALUES(value_text(pkid), value_text(d->name)));
	if (!rc && !inserted)
		return err_set(e, ERR_USAGE, "device %s exists already", d->name);
	return rc ? rc : write_fields(s, d, NULL, e);
}

int store_device_add(struct store *s, const struct store_device *d, struct err *e)
{
	struct store_device checked = *d;
	int rc = device_row_check(&checked, e);

	if (!rc)
		rc = begin_change(s, e);
	return rc ? rc : store_scope_end(s, add(s, &checked, e), e);
}

int store_device_set(struct store *s, const struct store_device *d, struct err *e)
{
	struct store_device checked = *d;
	int64_t changed = 0;
	int rc = device_row_check(&checked, e);

	if (!rc)
		rc = begin_change(s, e);
	if (rc)
		return rc;
	rc = write_fields(s, &checked, &changed, e);
	return store_scope_end(s, rc || changed ? rc : unknown(d->name, e), e);
}

int store_device_check(struct store *s, const struct store_device *d, struct err *e)
{
	struct store_device checked = *d;
	char group[STORE_PKID_SIZE];
	int rc = device_row_check(&checked, e);

	return rc ? rc : group_pkid(s, checked.group, group, e);
}

int store_device_delete(struct store *s, const char *name, struct err *e)
{
	int64_t changed = 0;
	int rc = begin_change(s, e);

	if (rc)
		return rc;
	rc = store_db_exec(s, &changed, e, "DELETE FROM device WHERE name = $1", VALUES(value_text(name)));
	return store_scope_end(s, rc || changed ? rc : unknown(name, e), e);
}

static int count(struct store *s, const char *sql, uint64_t *n, struct err *e)
{
	int64_t got = 0;
	int rc = store_db_int(s, &got, NULL, e, sql, NO_VALUES);

	if (!rc)
		*n = (uint64_t)got;
	return rc;
}

int store_device_count(struct store *s, uint64_t *n, struct err *e)
{
	return count(s, "SELECT count(*) FROM device", n, e);
}

int store_device_count_old_tls(struct store *s, uint64_t *n, struct err *e)
{
	return count(s, "SELECT count(*) FROM device WHERE oldtlsseen IS NOT NULL", n, e);
}

struct listing {
	int (*cb)(void *ctx, const struct store_device *d);
	void *ctx;
};

static int give(void *ctx, const struct store_row *r, struct err *e)
{
	const struct listing *l = ctx;
	struct store_device d;
	int rc = device_row_take(r, &d, e);

	return rc ? rc : l->cb(l->ctx, &d);
}

static struct store_value limit_value(size_t limit)
{
	return value_int(limit ? (int64_t)limit : INT64_MAX);
}

int store_device_list(struct store *s, const char *after, size_t limit,
		      int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	return store_db_query(s, give, &l, e, DEVICE_ROW_SELECT " WHERE d.name > $1 ORDER BY d.name LIMIT $2",
			      VALUES(value_text(after ? after : ""), limit_value(limit)));
}

struct models {
	int (*cb)(void *ctx, const char *model, uint64_t n);
	void *ctx;
};

static int give_model(void *ctx, const struct store_row *r, struct err *e)
{
	const struct models *m = ctx;

	(void)e;
	return m->cb(m->ctx, row_text(r, 0), (uint64_t)row_int(r, 1));
}

int store_device_models(struct store *s, int (*cb)(void *ctx, const char *model, uint64_t n), void *ctx, struct err *e)
{
	struct models m = {cb, ctx};

	return store_db_query(s, give_model, &m, e, "SELECT model, count(*) FROM device GROUP BY model ORDER BY model",
			      NO_VALUES);
}

int store_device_list_late(struct store *s, int64_t now, size_t limit,
			   int (*cb)(void *ctx, const struct store_device *d), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	/* The operations by name, so that the index on them is used: nearly all devices have none. */
	return store_db_query(s, give, &l, e,
			      DEVICE_ROW_SELECT " WHERE d.certificateoperation IN ('Install/Upgrade', 'Delete', 'Troubleshoot')"
			      " AND d.upgradefinishtime < $1 ORDER BY d.name LIMIT $2",
			      VALUES(value_int(now), limit_value(limit)));
}

/* One statement on one device, in a transaction when there is none. v[0] is its name. */
static int on_device(struct store *s, int64_t *changed, struct err *e, const char *sql, const struct store_value *v,
		     size_t n)
{
	int rc = store_scope_begin(s, e);

	return rc ? rc : store_scope_end(s, store_db_exec(s, changed, e, sql, v, n), e);
}

int store_device_string_set(struct store *s, const char *name, const char *derived, struct err *e)
{
	char operation[STORE_PKID_SIZE];
	int64_t changed = 0;

	if (derived && strlen(derived) >= DEVICE_STRING_SIZE)
		return err_set(e, ERR_BUG, "a derived authentication string of %zu octets", strlen(derived));
	int rc = store_pkid_new(operation, e);
	if (!rc)
		rc = on_device(s, &changed, e,
			       "UPDATE device SET authenticationstring = $2, authenticationfailures = 0,"
			       " authenticationlockeduntil = NULL, operationid = $3 WHERE name = $1",
			       VALUES(value_text(name), value_text(derived), value_text(operation)));
	return rc || changed ? rc : unknown(name, e);
}

int store_device_string_get(struct store *s, const char *name, char derived[DEVICE_STRING_SIZE], struct err *e)
{
	char *text = NULL;
	int rc = store_db_text(s, &text, e, "SELECT authenticationstring FROM device WHERE name = $1",
			       VALUES(value_text(name)));

	if (rc)
		return rc;
	size_t n = text ? strlen(text) : 0;
	if (n >= DEVICE_STRING_SIZE)
		rc = err_set(e, ERR_STORE, "%s: its derived authentication string is too long: another program wrote it", name);
	else
		snprintf(derived, DEVICE_STRING_SIZE, "%s", text ? text : "");
	if (text)
		secret_wipe(text, n);
	free(text);
	return rc;
}

int store_device_attempts_set(struct store *s, const char *name, unsigned failures, int64_t locked_until, struct err *e)
{
	int64_t changed = 0;
	int rc = on_device(s, &changed, e,
			   "UPDATE device SET authenticationfailures = $2, authenticationlockeduntil = $3 WHERE name = $1",
			   VALUES(value_text(name), value_int(failures), value_time(locked_until)));

	return rc || changed ? rc : unknown(name, e);
}

/* What it says it is, when nobody has said so yet. */
static int take_model(struct store *s, const char *name, const char *model, struct err *e)
{
	int64_t taken = 0;
	int rc = store_db_exec(s, &taken, e, "UPDATE device SET model = $2 WHERE name = $1 AND model = ''",
			       VALUES(value_text(name), value_text(model)));

	s->device_changes += taken != 0;
	return rc;
}

static int see(struct store *s, const char *name, const char *model, const char *address, int64_t when, int64_t *known,
	       struct err *e)
{
	int rc = store_db_exec(s, known, e,
			       "UPDATE device SET lastseen = $2, lastaddress = coalesce($3, lastaddress) WHERE name = $1",
			       VALUES(value_text(name), value_int(when), value_text(address)));

	return !rc && *known && model ? take_model(s, name, model, e) : rc;
}

int store_device_seen(struct store *s, const char *name, const char *model, const char *address, int64_t when, bool *known,
		      struct err *e)
{
	int64_t changed = 0;
	int rc = store_scope_begin(s, e);

	if (!rc)
		rc = store_scope_end(s, see(s, name, model, address, when, &changed, e), e);
	if (!rc)
		*known = changed;
	return rc;
}

int store_device_old_tls(struct store *s, const char *name, int64_t when, struct err *e)
{
	return store_db_exec(s, NULL, e, "UPDATE device SET oldtlsseen = $2 WHERE name = $1",
			     VALUES(value_text(name), value_int(when)));
}

int store_device_fetched(struct store *s, const char *name, int64_t when, struct err *e)
{
	return store_db_exec(s, NULL, e, "UPDATE device SET encryptedfetched = $2 WHERE name = $1 AND encryptconfig = 't'",
			     VALUES(value_text(name), value_int(when)));
}

int store_device_proven(struct store *s, const char *name, const char *lsc_sha256, int64_t when, struct err *e)
{
	return on_device(s, NULL, e, "UPDATE device SET lscproven = $3 WHERE name = $1 AND lsc = $2",
			 VALUES(value_text(name), value_text(lsc_sha256), value_int(when)));
}
