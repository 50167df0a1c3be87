#include "store/foreign.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing.h"

static struct err e;

/* A database of these statements, as a file would hold it. */
static struct view make(const char *sql)
{
	sqlite3 *db;
	sqlite3_int64 len;
	char *why = NULL;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why))
		fail_msg("%s", why);
	unsigned char *p = sqlite3_serialize(db, "main", &len, 0);
	assert_non_null(p);
	uint8_t *copy = malloc((size_t)len);
	memcpy(copy, p, (size_t)len);
	sqlite3_free(p);
	sqlite3_close(db);
	return (struct view){ copy, (size_t)len };
}

static void drop(struct view v)
{
	free((void *)(uintptr_t)v.p);
}

struct seen {
	struct foreign *f;
	const struct foreign_table *t;
	char text[2000];
};

static void say(struct seen *s, const char *p, size_t len)
{
	size_t used = strlen(s->text);

	assert_true(used + len < sizeof(s->text));
	if (len)
		memcpy(s->text + used, p, len);
	s->text[used + len] = '\0';
}

static int row(void *ctx, const struct foreign_value *v)
{
	static const char *const kinds[] = { "-", "n", "t", "b" };
	struct seen *s = ctx;

	for (size_t i = 0; i < s->t->n; i++) {
		say(s, " ", 1);
		say(s, kinds[v[i].kind], 1);
		say(s, (const char *)v[i].octets.p, v[i].octets.len);
	}
	say(s, ";", 1);
	return 0;
}

static int table(void *ctx, const struct foreign_table *t)
{
	struct seen *s = ctx;

	s->t = t;
	say(s, t->name, strlen(t->name));
	for (size_t i = 0; i < t->n; i++) {
		say(s, i ? "," : "(", 1);
		say(s, t->columns[i], strlen(t->columns[i]));
	}
	say(s, "):", 2);
	return foreign_rows(s->f, t, row, s, &e);
}

static void holds(const char *sql, const char *expected)
{
	struct view file = make(sql);
	struct seen s = { 0 };

	assert_ok(foreign_open(file, "x.db", &s.f, &e), &e);
	drop(file); /* it was copied */
	assert_ok(foreign_tables(s.f, table, &s, &e), &e);
	foreign_close(s.f);
	assert_string_equal(s.text, expected);
}

static void test_tables(void **state)
{
	(void)state;
	holds("CREATE TABLE b (x, y); INSERT INTO b VALUES (1, 'two'), (NULL, x'33');"
	      "CREATE TABLE \"a \"\"quoted\" (z); INSERT INTO \"a \"\"quoted\" VALUES (1.5), ('')",
	      "a \"quoted(z): n1.5; t;b(x,y): n1 ttwo; - b3;");
	holds("CREATE TABLE none (x)", "none(x):");
}

/* What a schema would have done is not done: views, virtual tables and indexes are no tables, triggers do not fire. */
static void test_schema_is_a_strangers(void **state)
{
	(void)state;
	holds("CREATE TABLE t (x); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT load_extension('x') FROM t;"
	      "CREATE INDEX i ON t (x); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END",
	      "t(x): n1;");
	/* a computed column may use what cannot do anything, and nothing else */
	holds("CREATE TABLE t (x, y AS (hex(x))); INSERT INTO t (x) VALUES ('a')", "t(x,y): ta t61;");
}

/* A database in write-ahead mode can be read when its log is empty. */
static void test_write_ahead(void **state)
{
	struct view file = make("CREATE TABLE t (x); INSERT INTO t VALUES (7)");
	struct seen s = { 0 };

	(void)state;
	((uint8_t *)(uintptr_t)file.p)[18] = ((uint8_t *)(uintptr_t)file.p)[19] = 2;
	assert_ok(foreign_open(file, "x.db", &s.f, &e), &e);
	assert_ok(foreign_tables(s.f, table, &s, &e), &e);
	assert_string_equal(s.text, "t(x): n7;");
	foreign_close(s.f);
	drop(file);
}

/* 0, or the first failure. */
static int read_all(struct view file)
{
	struct seen s = { 0 };
	int rc = foreign_open(file, "x.db", &s.f, &e);

	if (!rc)
		rc = foreign_tables(s.f, table, &s, &e);
	foreign_close(s.f);
	return rc;
}

static void test_damage(void **state)
{
	struct view file = make("CREATE TABLE t (x, y); INSERT INTO t VALUES (7, 'abc'), (8, NULL)");

	(void)state;
	for (size_t len = 0; len < file.len; len += 101) {
		int rc = read_all((struct view){ file.p, len });
		if (rc != ERR_STORE || !strstr(e.text, "x.db: not a database"))
			fail_msg("cut to %zu octets: %s: %s", len, err_name(rc), e.text);
		err_clear(&e);
	}
	for (size_t i = 0; i < file.len; i++) {
		uint8_t *p = (uint8_t *)(uintptr_t)file.p + i;

		*p ^= 0xff;
		int rc = read_all(file);
		assert_true(rc == 0 || rc == ERR_STORE || rc == ERR_LIMIT);
		err_clear(&e);
		*p ^= 0xff;
	}
	drop(file);
	assert_err(read_all((struct view){ (const uint8_t *)"garbage", 7 }), ERR_STORE);
	err_clear(&e);
}

static void test_too_much(void **state)
{
	struct view file = make("CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 65) "
				"INSERT INTO t SELECT i FROM n");
	char wide[1200] = "CREATE TABLE w (c0";

	(void)state;
	assert_int_equal(read_all(file), 0);
	drop(file);
	for (int i = 1; i <= FOREIGN_COLUMNS_MAX; i++)
		snprintf(wide + strlen(wide), sizeof(wide) - strlen(wide), ", c%d", i);
	strcat(wide, ")");
	file = make(wide);
	assert_err(read_all(file), ERR_LIMIT);
	err_clear(&e);
	drop(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_schema_is_a_strangers),
		cmocka_unit_test(test_write_ahead),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
