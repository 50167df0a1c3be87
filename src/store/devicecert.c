#include "store/devicecert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "store/store_internal.h"

const char *const devicecert_kind_names[] = {"LSC", "MIC", NULL};
const char *const devicecert_state_names[] = {"issued", "stored", "superseded", "deleted", NULL};

#define SELECT_ROW                                                                                                     \
	"SELECT d.name, x.kind, x.state, x.sha256, x.issuername, x.notbefore, x.notafter, x.changed"                   \
	" FROM devicecertificate AS x JOIN device AS d ON d.pkid = x.fkdevice"

static int take(const struct store_row *r, struct store_devicecert *dc, struct err *e)
{
	unsigned kind, state;
	int rc = ROW_COPY(r, 0, dc->device, e);

	if (!rc)
		rc = row_word(r, 1, devicecert_kind_names, &kind, e);
	if (!rc)
		rc = row_word(r, 2, devicecert_state_names, &state, e);
	if (!rc)
		rc = ROW_COPY(r, 3, dc->sha256, e);
	if (!rc)
		rc = ROW_COPY(r, 4, dc->issuer, e);
	if (rc)
		return rc;
	dc->kind = kind;
	dc->state = state;
	dc->not_before = row_int(r, 5);
	dc->not_after = row_int(r, 6);
	dc->changed = row_int(r, 7);
	return 0;
}

/* The issuer's name, cut where it is too long for a field, not within a character. */
static void issuer_text(const struct cert *cert, char out[DEVICE_ISSUER_SIZE])
{
	const char *name = cert_issuer(cert);
	size_t n = strlen(name);

	if (n >= DEVICE_ISSUER_SIZE) {
		n = DEVICE_ISSUER_SIZE - 1;
		while (n && ((unsigned char)name[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out, name, n);
	out[n] = '\0';
}

static int write_row(struct store *s, const char *pkid, const char *sha256, const struct store_devicecert *dc,
		     const struct cert *cert, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	char serial[128];
	int rc = cert_to_pem(cert, &pem, e);

	if (rc)
		return rc;
	text_hex(serial, sizeof(serial), cert_serial(cert), '\0', false);
	return store_db_exec(s, NULL, e,
			     "INSERT INTO devicecertificate (fkdevice, sha256, kind, state, issuername, serialnumber, notbefore,"
			     " notafter, changed, certificate) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
			     " ON CONFLICT (fkdevice, sha256) DO UPDATE SET kind = $3, state = $4, changed = $9",
			     VALUES(value_text(pkid), value_text(sha256), value_text(devicecert_kind_names[dc->kind]),
				    value_text(devicecert_state_names[dc->state]), value_text(dc->issuer),
				    value_text(serial),
				    value_int(dc->not_before), value_int(dc->not_after), value_int(dc->changed),
				    value_text(pem)));
}

#define STORED(kind) "FROM devicecertificate WHERE fkdevice = $1 AND kind = '" kind "' AND state = 'stored')"

/* The device's lsc or mic is the stored one of that kind, or none. Another LSC has not been proven yet. */
static int refer(struct store *s, const char *pkid, enum devicecert_kind kind, struct err *e)
{
	static const char *const set[] = {
		[DEVICECERT_LSC] =
			"UPDATE device SET lscproven = CASE WHEN lsc = (SELECT max(sha256) " STORED("LSC") " THEN lscproven END,"
			" (lsc, lscissuername, lscnotafter) = (SELECT max(sha256), max(issuername), max(notafter) " STORED("LSC")
			" WHERE pkid = $1",
		[DEVICECERT_MIC] =
			"UPDATE device SET (mic, micissuername, micnotafter) ="
			" (SELECT max(sha256), max(issuername), max(notafter) " STORED("MIC") " WHERE pkid = $1",
	};

	return store_db_exec(s, NULL, e, set[kind], VALUES(value_text(pkid)));
}

static int supersede(struct store *s, const char *pkid, const char *sha256, enum devicecert_kind kind, int64_t when,
		     struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "UPDATE devicecertificate SET state = 'superseded', changed = $4"
			     " WHERE fkdevice = $1 AND kind = $3 AND state = 'stored' AND sha256 <> $2",
			     VALUES(value_text(pkid), value_text(sha256), value_text(devicecert_kind_names[kind]),
				    value_int(when)));
}

/* What a new state of one certificate means for the others and for the device. */
static int follow(struct store *s, const char *pkid, const struct store_devicecert *dc, struct err *e)
{
	int rc = dc->state == DEVICECERT_STORED ? supersede(s, pkid, dc->sha256, dc->kind, dc->changed, e) : 0;

	return rc ? rc : refer(s, pkid, dc->kind, e);
}

static int put(struct store *s, const struct store_devicecert *dc, const struct cert *cert, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int rc = store_device_need(s, dc->device, pkid, e);

	if (!rc)
		rc = write_row(s, pkid, dc->sha256, dc, cert, e);
	return rc ? rc : follow(s, pkid, dc, e);
}

static int begin_change(struct store *s, struct err *e)
{
	s->device_changes++;
	return store_scope_begin(s, e);
}

int store_devicecert_put(struct store *s, const char *device, enum devicecert_kind kind, enum devicecert_state state,
			 const struct cert *cert, int64_t when, struct err *e)
{
	struct store_devicecert dc = {
		.kind = kind,
		.state = state,
		.not_before = cert_not_before(cert),
		.not_after = cert_not_after(cert),
		.changed = when,
	};
	int rc = store_name_ok("device", device, e);

	if (!rc)
		rc = begin_change(s, e);
	if (rc)
		return rc;
	strcpy(dc.device, device);
	issuer_text(cert, dc.issuer);
	text_hex(dc.sha256, sizeof(dc.sha256), (struct view){cert_sha256(cert), 32}, '\0', false);
	return store_scope_end(s, put(s, &dc, cert, e), e);
}

struct getting {
	struct store_devicecert *dc;
	struct cert *cert;   /* read when wanted */
	bool want_cert;
	bool found;
};

static int take_row(void *ctx, const struct store_row *r, struct err *e)
{
	struct getting *g = ctx;
	int rc = take(r, g->dc, e);

	g->found = true;
	if (rc || !g->want_cert)
		return rc;
	rc = cert_from_pem(view_str(row_text(r, 8)), &g->cert, e);
	if (rc)
		err_prefix(e, "the store, certificate of %s", g->dc->device);
	return rc;
}

#define SELECT_WITH_CERT                                                                                               \
	"SELECT d.name, x.kind, x.state, x.sha256, x.issuername, x.notbefore, x.notafter, x.changed, x.certificate"    \
	" FROM devicecertificate AS x JOIN device AS d ON d.pkid = x.fkdevice"

static int get(struct store *s, struct store_devicecert *dc, struct cert **cert, bool *found, struct err *e, const char *sql,
	       const struct store_value *v, size_t n)
{
	struct store_devicecert got;
	struct getting g = {.dc = &got, .want_cert = cert != NULL};
	int rc = store_db_query(s, take_row, &g, e, sql, v, n);

	if (rc) {
		cert_unref(g.cert);
		return rc;
	}
	*found = g.found;
	if (g.found && dc)
		*dc = got;
	if (g.found && cert)
		*cert = g.cert;
	return 0;
}

int store_devicecert_get(struct store *s, const char *device, const char *sha256, struct store_devicecert *dc,
			 struct cert **cert, bool *found, struct err *e)
{
	return get(s, dc, cert, found, e, SELECT_WITH_CERT " WHERE d.name = $1 AND x.sha256 = $2",
		   VALUES(value_text(device), value_text(sha256)));
}

int store_devicecert_current(struct store *s, const char *device, enum devicecert_kind kind, struct cert **cert,
			     struct err *e)
{
	struct cert *got = NULL;
	bool found;
	int rc = get(s, NULL, &got, &found, e, SELECT_WITH_CERT " WHERE d.name = $1 AND x.kind = $2 AND x.state = 'stored'",
		     VALUES(value_text(device), value_text(devicecert_kind_names[kind])));

	if (!rc)
		*cert = got;
	return rc;
}

static int change_state(struct store *s, const char *device, const char *sha256, enum devicecert_state state, int64_t when,
			bool *found, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	struct store_devicecert dc;
	int rc = store_devicecert_get(s, device, sha256, &dc, NULL, found, e);

	if (rc || !*found)
		return rc;
	dc.state = state;
	dc.changed = when;
	rc = store_device_need(s, device, pkid, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "UPDATE devicecertificate SET state = $3, changed = $4 WHERE fkdevice = $1 AND sha256 = $2",
				   VALUES(value_text(pkid), value_text(sha256), value_text(devicecert_state_names[state]),
					  value_int(when)));
	return rc ? rc : follow(s, pkid, &dc, e);
}

int store_devicecert_state(struct store *s, const char *device, const char *sha256, enum devicecert_state state,
			   int64_t when, bool *found, struct err *e)
{
	int rc = begin_change(s, e);

	return rc ? rc : store_scope_end(s, change_state(s, device, sha256, state, when, found, e), e);
}

struct listing {
	int (*cb)(void *ctx, const struct store_devicecert *dc);
	void *ctx;
};

static int give(void *ctx, const struct store_row *r, struct err *e)
{
	const struct listing *l = ctx;
	struct store_devicecert dc;
	int rc = take(r, &dc, e);

	return rc ? rc : l->cb(l->ctx, &dc);
}

int store_devicecert_list(struct store *s, const char *device,
			  int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	if (!device)
		return store_db_query(s, give, &l, e, SELECT_ROW " ORDER BY d.name, x.changed DESC, x.sha256", NO_VALUES);
	return store_db_query(s, give, &l, e, SELECT_ROW " WHERE d.name = $1 ORDER BY x.changed DESC, x.sha256",
			      VALUES(value_text(device)));
}

int store_devicecert_list_due(struct store *s, int64_t now, size_t limit,
			      int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	return store_db_query(s, give, &l, e,
			      SELECT_ROW " WHERE x.kind = 'LSC' AND x.state = 'stored'"
			      " AND x.notbefore + (x.notafter - x.notbefore) / 3 * 2 <= $1"
			      " ORDER BY x.notafter, d.name LIMIT $2",
			      VALUES(value_int(now), value_int(limit ? (int64_t)limit : INT64_MAX)));
}

int store_devicecert_list_ending(struct store *s, int64_t now, int64_t before, size_t limit, uint64_t *n,
				 int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};
	int64_t count = 0;
	int rc = store_db_int(s, &count, NULL, e,
			      "SELECT count(*) FROM devicecertificate WHERE kind = 'LSC' AND state = 'stored' AND notafter < $1",
			      VALUES(value_int(before)));

	if (rc)
		return rc;
	*n = (uint64_t)count;
	return store_db_query(s, give, &l, e,
			      SELECT_ROW " WHERE x.kind = 'LSC' AND x.state = 'stored' AND x.notafter < $1"
			      " ORDER BY x.notafter <= $2, x.notafter, d.name LIMIT $3",
			      VALUES(value_int(before), value_int(now), value_int((int64_t)limit)));
}
