#include "testing.h"

#include <sqlite3.h>

#include "fixture.h"
#include "store/device.h"
#include "store/generation.h"
#include "store/store_internal.h"

static const char *const novelty[] = {
	"CREATE TABLE novelty (name TEXT PRIMARY KEY)",
	"INSERT INTO novelty (name) SELECT name FROM processnode",
	NULL,
};
static const char *const age[] = {"ALTER TABLE novelty ADD COLUMN age BIGINT NOT NULL DEFAULT 7", NULL};
static const char *const age_wrong[] = {"ALTER TABLE novelty ADD COLUMN age BIGINT", "SELECT nonsense", NULL};

static void plain_sql(const struct fixture *f, const char *name, const char *sql)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static unsigned version(struct store *s)
{
	struct err e = ERR_INIT;
	unsigned v = 0;

	assert_ok(store_schema_version(s, &v, &e), &e);
	return v;
}

static void a_new_store_has_the_programs_schema(void **state)
{
	struct fixture *f = *state;
	unsigned last = store_migrations[store_n_migrations - 1].version;

	assert_int_equal(version(f->s), last);
	for (size_t i = 0; i < store_n_migrations; i++)
		assert_int_equal(store_migrations[i].version, i + 1);
	assert_int_equal(query_number(f->s, "select count(*) from typecertificateservice"), 22);
	assert_int_equal(query_number(f->s, "select count(*) from typetrustrole"), 19);
	assert_int_equal(query_number(f->s, "select enum from typetrustrole where name = 'TVS'"), 21);
	assert_int_equal(
		query_number(f->s, "select enum from typecertificatedistribution where moniker = 'this-server'"), 1);
	reopen(f);
	assert_int_equal(query_number(f->s, "select count(*) from schemaversion"), last);
}

/* Every table and column that design.md 5 or a colleague's query names. */
static void tables_have_the_names_that_are_known(void **state)
{
	struct fixture *f = *state;
	static const char *const queries[] = {
		"select pkid, name, description, nodeid, ipv4address, ipv6name, tknodeusage from processnode",
		"select fkprocessnode, tkservice, enable, isactive from processnodeservice",
		"select pkid, paramname, paramvalue, tkservice, fkprocessnode from processconfig",
		"select pkid, subjectname, issuername, serialnumber, servername, ipv4address, certificate, timetolive,"
		" tkcertificatedistribution from certificate",
		"select fkcertificate, tkcertificateservice from certificateservicecertificatemap",
		"select fkcertificate, tktrustrole from certificatetrustrolemap",
		"select fkcertificate, fkprocessnode from certificateprocessnodemap",
		"select fkcertificate, hashalgorithm, hash from certificatehashmap",
		"select enum, moniker, name from typecertificatedistribution",
		"select pkid, name from callmanagergroup",
		"select fkcallmanagergroup, fkprocessnode, priority from callmanagergroupmember",
		"select name, description, model, devicepool, devicesecuritymode, certificateoperation, authenticationmode,"
		" keyorder, rsakeysize, eckeysize, upgradefinishtime, certificatestatus, lsc, mic from device",
		"select fkdevice, sha256, kind, state, issuername, serialnumber, notbefore, notafter from devicecertificate",
		"select clusterid, fullyqualifiedname from remotecluster",
		"select number, created, ctlsha256, itlsha256, signerkey, digest, tkgenerationstate from generation",
		"select number, time, username, command, object, valuebefore, valueafter, outcome from audit",
		"select sha256, exported, verified, keynames from recoveryexport",
		"select name, failures, lockeduntil, changed, lastlogin from administrator",
	};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct err e = ERR_INIT;
		long n = 0;
		const struct store_sql_sink sink = {no_head, first_number, &n};
		assert_ok(store_run_sql(f->s, queries[i], NULL, &sink, &e), &e);
	}
}

static void an_older_schema_is_brought_up_in_one_go(void **state)
{
	struct fixture *f = *state;
	unsigned have = version(f->s);
	const struct store_migration later[] = {{have + 1, novelty, NULL}, {have + 2, age, NULL}};
	const struct store_migration wrong[] = {{have + 1, novelty, NULL}, {have + 2, age_wrong, NULL}};
	struct err e = ERR_INIT;
	char place[32];

	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	assert_err(store_schema_bring(f->s, wrong, 2, 0, &e), ERR_STORE);
	snprintf(place, sizeof(place), "schema version %u", have + 2);
	assert_non_null(strstr(e.text, place));
	assert_int_equal(version(f->s), have);
	assert_int_equal(query_number(f->s, "select count(*) from sqlite_master where name = 'novelty'"), 0);

	err_clear(&e);
	assert_ok(store_schema_bring(f->s, later, 2, 0, &e), &e);
	assert_int_equal(version(f->s), have + 2);
	assert_int_equal(query_number(f->s, "select age from novelty where name = 'cucm-a'"), 7);
	assert_ok(store_schema_bring(f->s, later, 2, 0, &e), &e); /* nothing to do */
	assert_int_equal(query_number(f->s, "select count(*) from schemaversion"), have + 2);
}

/* A store as version 1 made it, with what it could hold of phones. */
static void make_version_1(const struct fixture *f, const char *name)
{
	plain_sql(f, name, "CREATE TABLE schemaversion (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)");
	for (const char *const *sql = store_migrations[0].statements; *sql; sql++)
		plain_sql(f, name, *sql);
	plain_sql(f, name, "INSERT INTO schemaversion VALUES (1, 1780000000)");
	plain_sql(f, name, "INSERT INTO callmanagergroup VALUES ('g', 'Branch')");
	plain_sql(f, name, "INSERT INTO device (pkid, name, description, model, devicepool, fkcallmanagergroup)"
			   " VALUES ('a', 'SEP001122334455', 'Lobby', '8861', 'Default', 'g')");
	plain_sql(f, name, "INSERT INTO device (pkid, name, description, model, devicepool, devicesecuritymode)"
			   " VALUES ('b', 'SEP001122334456', '', '', '', 'Encrypted')");
	plain_sql(f, name, "INSERT INTO typegenerationstate VALUES (1, 'current'), (3, 'gone')");
	plain_sql(f, name, "INSERT INTO generation VALUES (1, 1780000000, 'c7', 'aa', 'k', 'c', 'SHA-1', 'r', 3),"
			   " (2, 1780000009, '', 'ab', 'k', 'c', 'SHA-1', 'r', 1)");
}

static void a_store_of_version_1_keeps_its_phones(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct store_device d;
	struct err e = ERR_INIT;
	uint32_t last_ctl = 0;
	bool found = false;

	make_version_1(f, "old.sqlite3");
	assert_err(store_open("sqlite:old.sqlite3", f->dir, STORE_READ_ONLY, &s, &e), ERR_STORE);
	err_clear(&e);
	assert_ok(store_open("sqlite:old.sqlite3", f->dir, 0, &s, &e), &e);
	assert_int_equal(version(s), store_migrations[store_n_migrations - 1].version);
	assert_ok(store_device_get(s, "SEP001122334455", &d, &found, &e), &e);
	assert_true(found);
	assert_string_equal(d.description, "Lobby");
	assert_string_equal(d.group, "Branch");
	assert_int_equal(d.transport, DEVICE_TCP_UDP);
	assert_int_equal(d.auth, DEVICE_AUTH_NULL);
	assert_int_equal(d.rsa_bits, 2048);
	assert_string_equal(d.status, DEVICE_STATUS_NONE);
	assert_string_equal(d.lsc.sha256, "");
	assert_ok(store_device_get(s, "SEP001122334456", &d, &found, &e), &e);
	assert_int_equal(d.security, DEVICE_ENCRYPTED);
	assert_int_equal(d.transport, DEVICE_TLS);
	assert_ok(store_device_set(s, &d, &e), &e);
	/* A CTL of then is not later than its generation. */
	assert_ok(store_generation_last_ctl(s, &last_ctl, &e), &e);
	assert_int_equal(last_ctl, 1780000000);
	store_close(s);
}

static void a_newer_store_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;

	plain_sql(f, "store.sqlite3", "INSERT INTO schemaversion VALUES (99, 0)");
	assert_err(store_open("sqlite:store.sqlite3", f->dir, 0, &s, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "newer Ringfence (schema version 99"));
	assert_null(s);
}

static void an_older_store_is_not_changed_by_a_reader(void **state)
{
	struct fixture *f = *state;
	unsigned have = version(f->s);
	const struct store_migration later[] = {{have + 1, novelty, NULL}};
	struct store *reader = open_store(f->dir, STORE_READ_ONLY);
	struct err e = ERR_INIT;

	assert_err(store_schema_bring(reader, later, 1, STORE_READ_ONLY, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "older Ringfence"));
	store_close(reader);
	assert_int_equal(version(f->s), have);
}

static void other_databases_are_left_alone(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;

	plain_sql(f, "foreign.sqlite3", "CREATE TABLE accounts (x)");
	assert_err(store_open("sqlite:foreign.sqlite3", f->dir, STORE_CREATE, &s, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "not those of a Ringfence store"));

	plain_sql(f, "empty.sqlite3", "VACUUM");
	err_clear(&e);
	assert_err(store_open("sqlite:empty.sqlite3", f->dir, 0, &s, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "ringfence init"));
	err_clear(&e);
	assert_ok(store_open("sqlite:empty.sqlite3", f->dir, STORE_CREATE, &s, &e), &e);
	store_close(s);
}

/* Foreign keys and unique keys are the engine's to keep, whatever a later noun file forgets. */
static void the_engine_keeps_the_keys(void **state)
{
	struct fixture *f = *state;
	static const char *const statements[] = {
		"INSERT INTO processnodeservice VALUES ('nobody', 1, 't', 't')",
		"INSERT INTO certificatetrustrolemap VALUES ('nobody', 1)",
		"INSERT INTO processnode VALUES ('p', 'cucm-a', 9, '', '', '', 5)",
		"INSERT INTO processnode VALUES ('p', 'CUCM-A', 9, '', '', '', 1)",
	};

	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(store_db_exec(f->s, NULL, &e, statements[i], NO_VALUES), ERR_STORE);
		assert_non_null(strstr(e.text, "constraint"));
	}
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_new_store_has_the_programs_schema),
		WITH_STORE(tables_have_the_names_that_are_known),
		WITH_STORE(an_older_schema_is_brought_up_in_one_go),
		WITH_STORE(a_store_of_version_1_keeps_its_phones),
		WITH_STORE(a_newer_store_is_refused),
		WITH_STORE(an_older_store_is_not_changed_by_a_reader),
		WITH_STORE(other_databases_are_left_alone),
		WITH_STORE(the_engine_keeps_the_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
