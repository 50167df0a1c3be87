#include "testing.h"

#include <sys/stat.h>

#include "base/text.h"
#include "fixture.h"
#include "store/certificate.h"
#include "store/device.h"
#include "store/param.h"
#include "store/sqltable.h"
#include "store/store_internal.h"

/* The queries that administrators have in their fingers, from design.md 5, to the letter. */
static const char mode_query[] =
	"select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'";
static const char role_query[] =
    "select c.subjectname, c.serialnumber, c.ipv4address, t.name from certificate as c, certificatetrustrolemap as r, "
    "typetrustrole as t where c.pkid = r.fkcertificate and t.enum = r.tktrustrole";
static const char service_query[] =
	"select c.servername, tcs.name, dist.moniker, c.ipv4address, c.certificate from certificate as c "
	"inner join certificateservicecertificatemap as cscm on c.pkid = cscm.fkcertificate "
	"inner join typecertificateservice as tcs on cscm.tkcertificateservice = tcs.enum "
	"inner join typecertificatedistribution as dist on c.tkcertificatedistribution = dist.enum";

/* The answer as `run sql` prints it; the caller frees. */
static char *answer(struct store *s, const char *sql)
{
	struct sqltable *t = sqltable_new();
	struct store_sql_sink sink = sqltable_sink(t);
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_ok(store_run_sql(s, sql, NULL, &sink, &e), &e);
	assert_ok(sqltable_render(t, &text, &e), &e);
	sqltable_free(t);
	return text;
}

static int refused(struct store *s, const char *sql, struct err *e)
{
	struct sqltable *t = sqltable_new();
	struct store_sql_sink sink = sqltable_sink(t);

	*e = ERR_INIT;
	int rc = store_run_sql(s, sql, NULL, &sink, e);
	sqltable_free(t);
	return rc;
}

static int make(void **state)
{
	const struct store_certificate_info info = {
		.roles = STORE_ROLE_BIT(STORE_ROLE_CALLMANAGER_TFTP) | STORE_ROLE_BIT(STORE_ROLE_AUTHENTICATION),
	};
	struct err e = ERR_INIT;

	fixture_make(state);
	struct fixture *f = *state;
	add_node(f->s, "cucm-a", "192.0.2.10", STORE_NODE_PUBLISHER);
	struct cert *c = make_cert("cucm-a", 0x5b, 1000000);
	assert_ok(store_certificate_put_own(f->s, STORE_UNIT_CALLMANAGER, "cucm-a", c, &info, &e), &e);
	assert_ok(store_certificate_put_trust(f->s, STORE_TRUST_CALLMANAGER, c, &info, STORE_PUT_COPY, &e), &e);
	cert_unref(c);
	assert_ok(store_param_set(f->s, (struct store_param_key){.name = "ClusterSecurityMode"}, "0", &e), &e);
	return 0;
}

static void the_mode_query_prints_the_sample(void **state)
{
	struct fixture *f = *state;
	char *text = answer(f->s, mode_query);

	assert_string_equal(text, "paramname           paramvalue\n"
				  "=================== ==========\n"
				  "ClusterSecurityMode 0\n");
	free(text);
}

static void the_role_query_gives_a_row_a_role(void **state)
{
	struct fixture *f = *state;
	char *text = answer(f->s, role_query);

	assert_non_null(strstr(text, "subjectname         serialnumber ipv4address name\n"));
	assert_non_null(strstr(text, "CN=cucm-a;O=Example 5b           192.0.2.10  CallManagerTFTP\n"));
	assert_non_null(
		strstr(text, "CN=cucm-a;O=Example 5b           192.0.2.10  Authentication and Authorization\n"));
	free(text);
}

static void the_service_query_gives_a_row_a_unit_and_store(void **state)
{
	struct fixture *f = *state;
	char *text = answer(f->s, service_query);
	unsigned lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 4); /* PEM on one line */
	assert_non_null(
		strstr(text, "cucm-a     CallManager       this-server 192.0.2.10  -----BEGIN CERTIFICATE----- MII"));
	assert_non_null(
		strstr(text, "cucm-a     CallManager-trust this-server 192.0.2.10  -----BEGIN CERTIFICATE----- MII"));
	assert_non_null(strstr(text, " -----END CERTIFICATE-----\n"));
	free(text);
}

static void administrators_habits_work(void **state)
{
	struct fixture *f = *state;
	char *text = answer(f->s, "SELECT paramvalue FROM processconfig "
				  "WHERE paramname=\"ClusterSecurityMode\" ; -- mode\n");

	assert_string_equal(text, "paramvalue\n==========\n0\n");
	free(text);
	text = answer(f->s, "select name from processnode where name = 'nobody'");
	assert_string_equal(text, "name\n====\n");
	free(text);
	text = answer(f->s, "select object, count(*) as n from audit");
	assert_string_equal(text, "object n\n====== =\nNULL   0\n");
	free(text);
}

static void anything_but_reading_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const statements[] = {
		"delete from processnode",
		"update processconfig set paramvalue = '1'",
		"insert into counter (name, value) values ('x', 1)",
		"replace into counter (name, value) values ('x', 1)",
		"insert into counter (name, value) values ('x', 1) returning *",
		"with x as (select 1) delete from processnode",
		"drop table processnode",
		"create table x (y)",
		"create temp table x (y)",
		"create view x as select 1",
		"create trigger x after delete on audit begin select 1; end",
		"create virtual table x using fts5(y)",
		"alter table processnode rename to x",
		"attach database '/tmp/x' as x",
		"detach database main",
		"vacuum",
		"vacuum into '/tmp/ringfence-vacuum-into'",
		"reindex",
		"analyze",
		"begin",
		"begin immediate",
		"commit",
		"rollback",
		"savepoint x",
		"pragma journal_mode = delete",
		"pragma writable_schema = on",
		"pragma user_version = 7",
		"pragma query_only = off",
		"pragma wal_checkpoint(truncate)",
		"select * from pragma_journal_mode",
		"pragma table_info(certificate)",
		"select load_extension('x.so')",
	};

	long before = query_number(f->s, "select count(*) from sqlite_master");
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct err e;
		int rc = refused(f->s, statements[i], &e);
		if (rc != ERR_AUTH)
			fail_msg("%s: %s (%s)", statements[i], err_name(rc), e.text);
	}
	assert_int_equal(access("/tmp/ringfence-vacuum-into", F_OK), -1);
	assert_int_equal(query_number(f->s, "select count(*) from sqlite_master"), before);
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 1);

	struct err e;
	assert_int_equal(refused(f->s, statements[0], &e), ERR_AUTH);
	assert_string_equal(e.text, "run sql only reads: DELETE is not allowed");
	assert_int_equal(refused(f->s, "select * from pragma_table_info('device')", &e), ERR_AUTH);
}

static void mistakes_are_the_askers(void **state)
{
	struct fixture *f = *state;
	static const char *const statements[] = {
		"", " ", ";", "-- nothing", "selekt 1", "select", "select * from nowhere", "select x from processnode",
		"select 1; select 2", "select 1; delete from processnode", "select 1; nonsense", "select 'open",
	};

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct err e;
		int rc = refused(f->s, statements[i], &e);
		if (rc != ERR_USAGE || !*e.text)
			fail_msg("%s: %s (%s)", statements[i], err_name(rc), e.text);
	}
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 1);
}

/* Ends by its bounds, however fast or slow the machine is. */
static void endless_work_is_stopped(void **state)
{
	struct fixture *f = *state;
	static const char endless[] = "with recursive c(x) as (select 1 union all select x + 1 from c) ";
	struct sqltable *t = sqltable_new();
	struct store_sql_sink sink = sqltable_sink(t);
	struct store_sql_limits limits = STORE_SQL_LIMITS_DEFAULT;
	struct err e = ERR_INIT;
	char sql[256];

	limits.ms = 1;
	snprintf(sql, sizeof(sql), "%s select count(*) from c", endless);
	assert_err(store_run_sql(f->s, sql, &limits, &sink, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "too long"));
	sqltable_free(t);

	t = sqltable_new();
	sink = sqltable_sink(t);
	limits = (struct store_sql_limits){.ms = 600000, .rows = 1000, .octets = 1 << 20};
	snprintf(sql, sizeof(sql), "%s select x from c", endless);
	err_clear(&e);
	assert_err(store_run_sql(f->s, sql, &limits, &sink, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "1000 rows"));
	assert_int_equal(sqltable_rows(t), 1000);
	sqltable_free(t);

	t = sqltable_new();
	sink = sqltable_sink(t);
	snprintf(sql, sizeof(sql), "%s select hex(zeroblob(100000)) from c", endless);
	err_clear(&e);
	assert_err(store_run_sql(f->s, sql, &limits, &sink, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "octets"));
	sqltable_free(t);

	assert_int_equal(refused(f->s, "select zeroblob(1000000000)", &e), ERR_LIMIT);
	snprintf(sql, sizeof(sql), "%s select x from c order by x desc", endless);
	assert_int_equal(refused(f->s, sql, &e), ERR_LIMIT); /* sorts without end: memory, or time */
}

static void a_derived_secret_reads_as_null(void **state)
{
	struct fixture *f = *state;
	struct store_device d = {.name = "SEP001122334455"};
	struct err e = ERR_INIT;

	assert_ok(store_device_add(f->s, &d, &e), &e);
	assert_ok(store_db_exec(f->s, NULL, &e, "UPDATE device SET authenticationstring = 'x12345'", NO_VALUES), &e);
	char *text = answer(f->s, "select name, authenticationstring from device");
	assert_string_equal(text, "name            authenticationstring\n"
				  "=============== ====================\n"
				  "SEP001122334455 NULL\n");
	free(text);
	text = answer(f->s, "select * from device");
	assert_null(strstr(text, "x12345"));
	free(text);
	assert_int_equal(query_number(f->s, "select count(*) from device where authenticationstring like 'x%'"), 0);
}

static void what_is_not_committed_is_not_seen(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(store_begin(f->s, &e), &e);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 1);
	assert_ok(store_commit(f->s, &e), &e);
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 2);
}

static int stop_at_once(void *ctx, const struct store_sql_row *row)
{
	(void)row;
	++*(int *)ctx;
	return ERR_CLOSED;
}

static void who_takes_the_rows_can_stop(void **state)
{
	struct fixture *f = *state;
	int calls = 0;
	struct err e = ERR_INIT;

	assert_err(store_run_sql(f->s, role_query, NULL, &(struct store_sql_sink){no_head, stop_at_once, &calls}, &e),
		   ERR_CLOSED);
	assert_int_equal(calls, 1);
	err_clear(&e);
	assert_err(
		store_run_sql(f->s, role_query, NULL, &(struct store_sql_sink){stop_at_once, stop_at_once, &calls}, &e),
		ERR_CLOSED);
	assert_int_equal(calls, 2);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER); /* no statement was left open */
}

#define WITH_DATA(test) cmocka_unit_test_setup_teardown(test, make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DATA(the_mode_query_prints_the_sample),
		WITH_DATA(the_role_query_gives_a_row_a_role),
		WITH_DATA(the_service_query_gives_a_row_a_unit_and_store),
		WITH_DATA(administrators_habits_work),
		WITH_DATA(anything_but_reading_is_refused),
		WITH_DATA(mistakes_are_the_askers),
		WITH_DATA(endless_work_is_stopped),
		WITH_DATA(a_derived_secret_reads_as_null),
		WITH_DATA(what_is_not_committed_is_not_seen),
		WITH_DATA(who_takes_the_rows_can_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
