/*
 * The tables, as migrations from version 1. A migration that was released is never edited: a change is a new one at the
 * end. Names are CUCM's where its administrators know a query (design.md 5). What each column means: docs/store.md.
 * Booleans are 't' and 'f'; times are Unix seconds; a pkid is a UUID in text.
 */
#include <stdio.h>

#include "base/clock.h"
#include "store/certificate_file.h"
#include "store/service.h"
#include "store/store_internal.h"

static const char *const version_1[] = {
	"CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",

	/* What the numbers in tk... columns mean. */
	"CREATE TABLE typenodeusage (enum BIGINT PRIMARY KEY, name TEXT NOT NULL)",
	"CREATE TABLE typeservice (enum BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, isfeature TEXT NOT NULL)",
	"CREATE TABLE typetrustrole (enum BIGINT PRIMARY KEY, name TEXT NOT NULL)",
	"CREATE TABLE typecertificateservice (enum BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
	"CREATE TABLE typecertificatedistribution (enum BIGINT PRIMARY KEY, moniker TEXT NOT NULL, name TEXT NOT NULL)",
	"CREATE TABLE typegenerationstate (enum BIGINT PRIMARY KEY, name TEXT NOT NULL)",

	"CREATE TABLE processnode (pkid TEXT PRIMARY KEY, name TEXT NOT NULL, nodeid BIGINT NOT NULL UNIQUE,"
	" description TEXT NOT NULL, ipv4address TEXT NOT NULL, ipv6name TEXT NOT NULL,"
	" tknodeusage BIGINT NOT NULL REFERENCES typenodeusage (enum))",
	"CREATE UNIQUE INDEX processnode_name ON processnode (lower(name))",

	"CREATE TABLE processnodeservice (fkprocessnode TEXT NOT NULL REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" tkservice BIGINT NOT NULL REFERENCES typeservice (enum), enable TEXT NOT NULL, isactive TEXT NOT NULL,"
	" PRIMARY KEY (fkprocessnode, tkservice))",

	"CREATE TABLE processconfig (pkid TEXT PRIMARY KEY, paramname TEXT NOT NULL, paramvalue TEXT NOT NULL,"
	" tkservice BIGINT NOT NULL REFERENCES typeservice (enum),"
	" fkprocessnode TEXT REFERENCES processnode (pkid) ON DELETE CASCADE)",
	"CREATE UNIQUE INDEX processconfig_key ON processconfig (paramname, tkservice, (coalesce(fkprocessnode, '')))",

	"CREATE TABLE certificate (pkid TEXT PRIMARY KEY, subjectname TEXT NOT NULL, issuername TEXT NOT NULL,"
	" serialnumber TEXT NOT NULL, commonname TEXT NOT NULL, servername TEXT NOT NULL, ipv4address TEXT NOT NULL,"
	" description TEXT NOT NULL, notbefore BIGINT NOT NULL, notafter BIGINT NOT NULL, sha256 TEXT NOT NULL UNIQUE,"
	" tkcertificatedistribution BIGINT NOT NULL REFERENCES typecertificatedistribution (enum),"
	" timetolive BIGINT NOT NULL, certificate TEXT NOT NULL)",
	"CREATE INDEX certificate_commonname ON certificate (commonname)",

	"CREATE TABLE certificateservicecertificatemap ("
	"fkcertificate TEXT NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,"
	" tkcertificateservice BIGINT NOT NULL REFERENCES typecertificateservice (enum),"
	" PRIMARY KEY (fkcertificate, tkcertificateservice))",
	"CREATE INDEX certificateservicecertificatemap_service ON certificateservicecertificatemap"
	" (tkcertificateservice, fkcertificate)",

	"CREATE TABLE certificatetrustrolemap ("
	"fkcertificate TEXT NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,"
	" tktrustrole BIGINT NOT NULL REFERENCES typetrustrole (enum), PRIMARY KEY (fkcertificate, tktrustrole))",

	"CREATE TABLE certificateprocessnodemap ("
	"fkcertificate TEXT NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,"
	" fkprocessnode TEXT NOT NULL REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" PRIMARY KEY (fkcertificate, fkprocessnode))",
	"CREATE INDEX certificateprocessnodemap_node ON certificateprocessnodemap (fkprocessnode)",

	"CREATE TABLE certificatehashmap ("
	"fkcertificate TEXT NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,"
	" hashalgorithm TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (fkcertificate, hashalgorithm))",
	"CREATE INDEX certificatehashmap_hash ON certificatehashmap (hash)",

	"CREATE TABLE callmanagergroup (pkid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
	"CREATE TABLE callmanagergroupmember ("
	"fkcallmanagergroup TEXT NOT NULL REFERENCES callmanagergroup (pkid) ON DELETE CASCADE,"
	" fkprocessnode TEXT NOT NULL REFERENCES processnode (pkid) ON DELETE CASCADE, priority BIGINT NOT NULL,"
	" PRIMARY KEY (fkcallmanagergroup, priority), UNIQUE (fkcallmanagergroup, fkprocessnode))",

	"CREATE TABLE device (pkid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,"
	" model TEXT NOT NULL, devicepool TEXT NOT NULL,"
	" fkcallmanagergroup TEXT REFERENCES callmanagergroup (pkid) ON DELETE SET NULL,"
	/* security profile (behaviour.md 5.1) */
	" securityprofile TEXT NOT NULL DEFAULT '', devicesecuritymode TEXT NOT NULL DEFAULT 'Non Secure',"
	" certificateoperation TEXT NOT NULL DEFAULT 'No Pending Operation',"
	" authenticationmode TEXT NOT NULL DEFAULT 'By Null String', authenticationstring TEXT,"
	" keyorder TEXT NOT NULL DEFAULT 'RSA Only', rsakeysize BIGINT NOT NULL DEFAULT 2048,"
	" eckeysize BIGINT NOT NULL DEFAULT 384, upgradefinishtime BIGINT,"
	" certificatestatus TEXT NOT NULL DEFAULT 'None', lsc TEXT, lscissuername TEXT, lscserialnumber TEXT,"
	" lscnotafter BIGINT,"
	/* what it was last seen to hold */
	" lastseen BIGINT, lastaddress TEXT, ctlsha256 TEXT, itlsha256 TEXT)",
	"CREATE INDEX device_group ON device (fkcallmanagergroup)",
	"CREATE INDEX device_operation ON device (certificateoperation)",

	"CREATE TABLE remotecluster (pkid TEXT PRIMARY KEY, clusterid TEXT NOT NULL UNIQUE,"
	" fullyqualifiedname TEXT NOT NULL, description TEXT NOT NULL)",

	"CREATE TABLE generation (number BIGINT PRIMARY KEY, created BIGINT NOT NULL, ctlsha256 TEXT NOT NULL,"
	" itlsha256 TEXT NOT NULL, signerkey TEXT NOT NULL, signercertificate TEXT NOT NULL, digest TEXT NOT NULL,"
	" reason TEXT NOT NULL, tkgenerationstate BIGINT NOT NULL REFERENCES typegenerationstate (enum))",

	"CREATE TABLE audit (number BIGINT PRIMARY KEY, time BIGINT NOT NULL, username TEXT NOT NULL,"
	" command TEXT NOT NULL, object TEXT, valuebefore TEXT, valueafter TEXT, outcome TEXT NOT NULL)",

	"CREATE TABLE recoveryexport (sha256 TEXT PRIMARY KEY, exported BIGINT NOT NULL, verified BIGINT NOT NULL,"
	" keynames TEXT NOT NULL)",
	NULL,
};

/* Phones as records, and their certificates (behaviour.md 5.1, 6). What nothing has ever filled goes. */
static const char *const version_2[] = {
	"ALTER TABLE device DROP COLUMN securityprofile",
	"ALTER TABLE device DROP COLUMN lscserialnumber",
	"ALTER TABLE device ADD COLUMN transport TEXT NOT NULL DEFAULT 'TCP+UDP'",
	"ALTER TABLE device ADD COLUMN encryptconfig TEXT NOT NULL DEFAULT 'f'",
	"ALTER TABLE device ADD COLUMN authenticationfailures BIGINT NOT NULL DEFAULT 0",
	"ALTER TABLE device ADD COLUMN authenticationlockeduntil BIGINT",
	"ALTER TABLE device ADD COLUMN lscproven BIGINT",
	"ALTER TABLE device ADD COLUMN mic TEXT",
	"ALTER TABLE device ADD COLUMN micissuername TEXT",
	"ALTER TABLE device ADD COLUMN micnotafter BIGINT",
	"UPDATE device SET transport = 'TLS' WHERE devicesecuritymode <> 'Non Secure'",

	"CREATE TABLE devicecertificate (fkdevice TEXT NOT NULL REFERENCES device (pkid) ON DELETE CASCADE,"
	" sha256 TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, issuername TEXT NOT NULL,"
	" serialnumber TEXT NOT NULL, notbefore BIGINT NOT NULL, notafter BIGINT NOT NULL, changed BIGINT NOT NULL,"
	" certificate TEXT NOT NULL, PRIMARY KEY (fkdevice, sha256))",
	"CREATE INDEX devicecertificate_state ON devicecertificate (kind, state, notafter)",
	NULL,
};

static const char *const version_3[] = {
	"CREATE TABLE expiredmic (fkdevice TEXT PRIMARY KEY REFERENCES device (pkid) ON DELETE CASCADE, allowed BIGINT NOT NULL)",
	"CREATE TABLE capfcsr (fkdevice TEXT NOT NULL REFERENCES device (pkid) ON DELETE CASCADE, sha256 TEXT NOT NULL,"
	" publickey TEXT NOT NULL, replaced TEXT NOT NULL, created BIGINT NOT NULL, certificate TEXT,"
	" PRIMARY KEY (fkdevice, sha256))",
	"CREATE INDEX capfcsr_sha256 ON capfcsr (sha256)",
	NULL,
};

/* One row of a type table; a row that is there already stays. */
static int type_row(struct store *s, const char *sql, int64_t number, const char *name, const char *more, struct err *e)
{
	const struct store_value v[] = {value_int(number), value_text(name), value_text(more)};

	return store_db_exec(s, NULL, e, sql, v, more ? 3 : 2);
}

#define TYPE_SQL(table) "INSERT INTO " table " (enum, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"

static int fill_services(struct store *s, struct err *e)
{
	static const char sql[] = "INSERT INTO typeservice (enum, name, isfeature) VALUES ($1, $2, $3) "
				  "ON CONFLICT DO NOTHING";
	int rc = type_row(s, sql, 0, "Enterprise Wide", "f", e);

	for (const struct store_service_row *r = store_services; !rc && r->name; r++)
		rc = type_row(s, sql, r->number, r->name, r->feature ? "t" : "f", e);
	return rc;
}

static int fill_certificate_types(struct store *s, struct err *e)
{
	static const char dist[] = "INSERT INTO typecertificatedistribution (enum, moniker, name) VALUES ($1, $2, $3) "
				   "ON CONFLICT DO NOTHING";
	int rc = type_row(s, dist, STORE_DIST_THIS_SERVER, "this-server", "This server", e);

	if (!rc)
		rc = type_row(s, dist, STORE_DIST_MULTI_SERVER, "multi-server", "Multi-server (SAN)", e);
	if (!rc)
		rc = type_row(s, dist, STORE_DIST_CLUSTER_WIDE, "cluster-wide", "All servers of the cluster", e);
	for (const struct store_unit_row *u = store_units; !rc && u->name; u++)
		rc = type_row(s, TYPE_SQL("typecertificateservice"), u->unit, u->name, NULL, e);
	for (unsigned role = 0; !rc && role < 32; role++)
		if (store_role_name(role))
			rc = type_row(s, TYPE_SQL("typetrustrole"), role, store_role_name(role), NULL, e);
	return rc;
}

/* The type tables are what this program has names for; each migration that adds to those runs it again. */
static int fill_types(struct store *s, struct err *e)
{
	int rc = fill_services(s, e);

	if (!rc)
		rc = fill_certificate_types(s, e);
	if (!rc)
		rc = type_row(s, TYPE_SQL("typenodeusage"), 0, "Publisher", NULL, e);
	if (!rc)
		rc = type_row(s, TYPE_SQL("typenodeusage"), 1, "Subscriber", NULL, e);
	if (!rc)
		rc = type_row(s, TYPE_SQL("typegenerationstate"), 1, "Current", NULL, e);
	if (!rc)
		rc = type_row(s, TYPE_SQL("typegenerationstate"), 2, "Kept", NULL, e);
	if (!rc)
		rc = type_row(s, TYPE_SQL("typegenerationstate"), 3, "Gone", NULL, e);
	return rc;
}

/* Without it the database looks for one device's certificates among all that are stored. */
static const char *const version_4[] = {
	"CREATE INDEX devicecertificate_device ON devicecertificate (fkdevice, kind, state)",
	NULL,
};

/* What the certificate monitor has done, so that a restart neither repeats nor forgets it (behaviour.md 7). */
static const char *const version_5[] = {
	"CREATE TABLE certificatemonitor (fkprocessnode TEXT PRIMARY KEY REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" lastrun BIGINT NOT NULL, nextrun BIGINT NOT NULL, mailtried BIGINT NOT NULL, mailsent BIGINT NOT NULL,"
	" mailretry BIGINT NOT NULL, mailfailures BIGINT NOT NULL, mailerror TEXT NOT NULL)",
	"CREATE TABLE certificatenotice (fkprocessnode TEXT NOT NULL REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" name TEXT NOT NULL, sha256 TEXT NOT NULL, alarmed BIGINT NOT NULL, mailed BIGINT NOT NULL,"
	" PRIMARY KEY (fkprocessnode, name, sha256))",
	NULL,
};

/* Requests for certificates of units (behaviour.md 2.6): one for each unit of a node. Their keys are not here. */
static const char *const version_6[] = {
	"CREATE TABLE certificaterequest (fkprocessnode TEXT NOT NULL REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" tkcertificateservice BIGINT NOT NULL REFERENCES typecertificateservice (enum), created BIGINT NOT NULL,"
	" tkcertificatedistribution BIGINT NOT NULL REFERENCES typecertificatedistribution (enum), request TEXT NOT NULL,"
	" PRIMARY KEY (fkprocessnode, tkcertificateservice))",
	NULL,
};

/* Who logs in over the network. */
static const char *const version_7[] = {
	"CREATE TABLE administrator (name TEXT PRIMARY KEY, derivedpassword TEXT NOT NULL, failures BIGINT NOT NULL,"
	" lockeduntil BIGINT, changed BIGINT NOT NULL, lastlogin BIGINT)",
	NULL,
};

/* When its encrypted configuration was last fetched. */
static const char *const version_8[] = {
	"ALTER TABLE device ADD COLUMN encryptedfetched BIGINT",
	NULL,
};

/* Which key signs the lists: not always the generation's own. */
static const char *const version_9[] = {
	"ALTER TABLE generation ADD COLUMN ctlsigner BIGINT NOT NULL DEFAULT 0",
	"ALTER TABLE generation ADD COLUMN itlsigner BIGINT NOT NULL DEFAULT 0",
	NULL,
};

/* When it was last in contact over TLS below 1.2. */
static const char *const version_10[] = {
	"ALTER TABLE device ADD COLUMN oldtlsseen BIGINT",
	NULL,
};

/*
 * When the CTL says that it was made: none is taken a second time. Of those before, the time of the generation, which is not
 * earlier.
 */
static const char *const version_11[] = {
	"ALTER TABLE generation ADD COLUMN ctltimestamp BIGINT NOT NULL DEFAULT 0",
	"UPDATE generation SET ctltimestamp = created WHERE ctlsha256 <> ''",
	NULL,
};

/* Which scheduling of an operation a running session is for; and whether it is a renewal by itself. */
static const char *const version_12[] = {
	"ALTER TABLE device ADD COLUMN operationid TEXT NOT NULL DEFAULT ''",
	"ALTER TABLE device ADD COLUMN renewal TEXT NOT NULL DEFAULT 'f'",
	NULL,
};

/* A reset of all phones that a change has brought with it, until it is done. */
static const char *const version_13[] = {
	"CREATE TABLE phonereset (fkprocessnode TEXT PRIMARY KEY REFERENCES processnode (pkid) ON DELETE CASCADE,"
	" number BIGINT NOT NULL, since BIGINT NOT NULL, who TEXT NOT NULL, told TEXT NOT NULL)",
	NULL,
};

/* What a certificate of a trust store is called as a file, so that it stays called so; "" of own units. */
static const char *const version_14[] = {
	"ALTER TABLE certificateservicecertificatemap ADD COLUMN filename TEXT NOT NULL DEFAULT ''",
	"CREATE INDEX certificateservicecertificatemap_filename ON certificateservicecertificatemap"
	" (tkcertificateservice, lower(filename))",
	NULL,
};

const struct store_migration store_migrations[] = {
	{1, version_1, fill_types},
	{2, version_2, NULL},
	{3, version_3, NULL},
	{4, version_4, NULL},
	{5, version_5, NULL},
	{6, version_6, NULL},
	{7, version_7, NULL},
	{8, version_8, NULL},
	{9, version_9, NULL},
	{10, version_10, NULL},
	{11, version_11, NULL},
	{12, version_12, NULL},
	{13, version_13, NULL},
	{14, version_14, certificate_files_fill},
};
const size_t store_n_migrations = sizeof(store_migrations) / sizeof(store_migrations[0]);

int store_schema_version(struct store *s, unsigned *version, struct err *e)
{
	int64_t v = 0;
	int rc = store_db_int(s, &v, NULL, e, "SELECT max(version) FROM schemaversion", NO_VALUES);

	if (!rc)
		*version = (unsigned)v;
	return rc;
}

static int apply(struct store *s, const struct store_migration *m, struct err *e)
{
	int rc = 0;

	for (const char *const *sql = m->statements; !rc && *sql; sql++)
		rc = store_db_exec(s, NULL, e, *sql, NO_VALUES);
	if (!rc && m->fill)
		rc = m->fill(s, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "INSERT INTO schemaversion (version, applied) VALUES ($1, $2)",
				   VALUES(value_int(m->version), value_int(clock_wall_s(&clock_system))));
	if (rc)
		err_prefix(e, "schema version %u", m->version);
	return rc;
}

static int apply_from(struct store *s, const struct store_migration *m, size_t n, unsigned have, struct err *e)
{
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	if (!have)
		rc = store_db_exec(s, NULL, e,
				   "CREATE TABLE schemaversion (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)",
				   NO_VALUES);
	for (size_t i = 0; !rc && i < n; i++)
		if (m[i].version > have)
			rc = apply(s, &m[i], e);
	return store_scope_end(s, rc, e);
}

/* A database without our schema: a new one, or not ours. */
static int check_foreign(struct store *s, unsigned flags, struct err *e)
{
	bool other = false;
	int rc = s->conn->backend->has_table(s->conn, NULL, &other, e);

	if (rc)
		return rc;
	if (other)
		return err_set(e, ERR_STORE, "the database holds tables, but not those of a Ringfence store");
	if (!(flags & STORE_CREATE) || s->read_only)
		return err_set(e, ERR_STORE, "the database is empty; 'ringfence init' makes a store");
	return 0;
}

int store_schema_bring(struct store *s, const struct store_migration *m, size_t n, unsigned flags, struct err *e)
{
	unsigned last = m[n - 1].version;
	unsigned have = 0;
	bool ours = false;
	int rc = s->conn->backend->has_table(s->conn, "schemaversion", &ours, e);

	if (!rc)
		rc = ours ? store_schema_version(s, &have, e) : check_foreign(s, flags, e);
	if (rc || (ours && have == last))
		return rc;
	if (have > last)
		return err_set(e, ERR_STORE,
			       "the store was made by a newer Ringfence (schema version %u, this one knows "
			       "%u): use that version, or restore a backup",
			       have, last);
	if (s->read_only)
		return err_set(e, ERR_STORE, "the store was made by an older Ringfence (schema version %u of %u): "
			       "'ringfence serve' brings it up to date", have, last);
	return apply_from(s, m, n, have, e);
}
