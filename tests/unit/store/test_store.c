#include "testing.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "fixture.h"
#include "store/param.h"
#include "store/store_internal.h"

static const struct store_param_key color = {.name = "Color"};

static mode_t mode_of(const struct fixture *f, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void set_color(struct store *s, const char *value)
{
	struct err e = ERR_INIT;

	assert_ok(store_param_set(s, color, value, &e), &e);
}

static void assert_color(struct store *s, const char *want)
{
	struct err e = ERR_INIT;
	char *value = NULL;

	assert_ok(store_param_get(s, color, &value, &e), &e);
	if (want) {
		assert_non_null(value);
		assert_string_equal(value, want);
	} else {
		assert_null(value);
	}
	free(value);
}

static void a_missing_database_is_an_error_and_stays_missing(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;
	char path[128];

	assert_err(store_open("sqlite:other.sqlite3", f->dir, 0, &s, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "ringfence init"));
	assert_null(s);
	snprintf(path, sizeof(path), "%s/other.sqlite3", f->dir);
	assert_int_equal(access(path, F_OK), -1);

	err_clear(&e);
	assert_err(store_open("sqlite:other.sqlite3", f->dir, STORE_CREATE | STORE_READ_ONLY, &s, &e), ERR_STORE);
	assert_int_equal(access(path, F_OK), -1);
}

static void other_databases_are_refused_by_name(void **state)
{
	struct fixture *f = *state;
	static const char *const urls[] = {"postgresql://db/ringfence", "mysql:x", "store.sqlite3", "", "sqlite:"};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct store *s = NULL;
		struct err e = ERR_INIT;
		assert_err(store_open(urls[i], f->dir, STORE_CREATE, &s, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "sqlite:"));
	}
}

static void sqlite_special_names_are_files(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;
	char path[128];

	assert_ok(store_open("sqlite::memory:", f->dir, STORE_CREATE, &s, &e), &e);
	store_close(s);
	snprintf(path, sizeof(path), "%s/:memory:", f->dir);
	assert_int_equal(access(path, F_OK), 0);
}

static void an_absolute_path_ignores_the_folder(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;
	char url[128];

	snprintf(url, sizeof(url), "sqlite:%s/abs.sqlite3", f->dir);
	assert_ok(store_open(url, "/nonexistent", STORE_CREATE, &s, &e), &e);
	store_close(s);
}

static void files_are_for_their_owner_only(void **state)
{
	struct fixture *f = *state;
	char path[128];

	set_color(f->s, "red");
	assert_int_equal(mode_of(f, "store.sqlite3"), 0600);
	assert_int_equal(mode_of(f, "store.sqlite3-wal"), 0600);
	assert_int_equal(mode_of(f, "store.sqlite3-shm"), 0600);

	/* as a restore by hand would leave it */
	store_close(f->s);
	snprintf(path, sizeof(path), "%s/store.sqlite3", f->dir);
	assert_int_equal(chmod(path, 0644), 0);
	f->s = open_store(f->dir, 0);
	assert_int_equal(mode_of(f, "store.sqlite3"), 0600);
}

static void what_was_set_is_there_after_reopening(void **state)
{
	struct fixture *f = *state;

	set_color(f->s, "red");
	reopen(f);
	assert_color(f->s, "red");
}

static void a_read_only_store_reads_and_does_not_write(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	set_color(f->s, "red");
	struct store *reader = open_store(f->dir, STORE_READ_ONLY);
	assert_color(reader, "red");
	assert_err(store_param_set(reader, color, "blue", &e), ERR_STORE);
	err_clear(&e);
	assert_err(store_begin(reader, &e), ERR_STORE);
	set_color(f->s, "green");
	assert_color(reader, "green");
	store_close(reader);
}

static void a_transaction_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	set_color(f->s, "red");
	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "blue");
	add_node(f->s, "cucm-a", "192.0.2.1", STORE_NODE_PUBLISHER);
	assert_color(f->s, "blue");
	store_rollback(f->s);
	assert_color(f->s, "red");
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 0);

	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "blue");
	assert_ok(store_commit(f->s, &e), &e);
	reopen(f);
	assert_color(f->s, "blue");
}

static void transactions_do_not_nest(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_err(store_commit(f->s, &e), ERR_BUG);
	err_clear(&e);
	assert_ok(store_begin(f->s, &e), &e);
	assert_err(store_begin(f->s, &e), ERR_BUG);
	err_clear(&e);
	set_color(f->s, "red");
	assert_ok(store_commit(f->s, &e), &e);
	assert_color(f->s, "red");
	store_rollback(f->s); /* nothing is open: nothing happens */
	store_rollback(NULL);
	store_close(NULL);
}

static void a_call_that_fails_in_a_transaction_leaves_the_rest(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_node twice = {.name = "cucm-a"};

	assert_ok(store_begin(f->s, &e), &e);
	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	assert_err(store_node_add(f->s, &twice, &e), ERR_USAGE);
	err_clear(&e);
	set_color(f->s, "red");
	assert_ok(store_commit(f->s, &e), &e);
	assert_color(f->s, "red");
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 1);
}

static void statements_that_break_a_constraint_are_taken_back_alone(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "red");
	assert_ok(store_scope_begin(f->s, &e), &e);
	set_color(f->s, "blue");
	int rc = store_db_exec(f->s, NULL, &e, "INSERT INTO counter (name, value) VALUES ($1, $2)",
			       VALUES(value_text("x"), value_text(NULL)));
	assert_int_equal(rc, ERR_STORE);
	assert_int_equal(store_scope_end(f->s, rc, &e), ERR_STORE);
	err_clear(&e);
	assert_color(f->s, "red");
	assert_ok(store_commit(f->s, &e), &e);
	assert_color(f->s, "red");
}

static void a_transaction_that_the_database_ended_stores_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	set_color(f->s, "red");
	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "blue");
	/* What SQLite does by itself when the disk is full. */
	assert_ok(store_db_exec(f->s, NULL, &e, "ROLLBACK", NO_VALUES), &e);
	assert_err(store_db_exec(f->s, NULL, &e, "SELECT nonsense", NO_VALUES), ERR_STORE);
	err_clear(&e);
	assert_err(store_param_set(f->s, color, "green", &e), ERR_STORE);
	err_clear(&e);
	assert_err(store_commit(f->s, &e), ERR_STORE);
	assert_color(f->s, "red");
	set_color(f->s, "green");
	assert_color(f->s, "green");
}

/* In a group each transaction is kept or taken back by itself, and all of them last or none. */
static void a_group_of_transactions(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	set_color(f->s, "red");
	assert_ok(store_group_begin(f->s, &e), &e);
	assert_err(store_group_begin(f->s, &e), ERR_BUG);
	err_clear(&e);
	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "blue");
	store_rollback(f->s);
	assert_color(f->s, "red");
	assert_ok(store_begin(f->s, &e), &e);
	assert_err(store_begin(f->s, &e), ERR_BUG);
	err_clear(&e);
	assert_err(store_group_end(f->s, &e), ERR_BUG);
	err_clear(&e);
	set_color(f->s, "green");
	assert_ok(store_commit(f->s, &e), &e);
	set_color(f->s, "black"); /* alone */
	assert_ok(store_group_end(f->s, &e), &e);
	assert_color(f->s, "black");
	assert_err(store_group_end(f->s, &e), ERR_BUG);
	err_clear(&e);

	/* The database abandons the whole group: what was said to be committed in it is lost, and its end says so. */
	assert_ok(store_group_begin(f->s, &e), &e);
	assert_ok(store_begin(f->s, &e), &e);
	set_color(f->s, "white");
	assert_ok(store_commit(f->s, &e), &e);
	assert_ok(store_begin(f->s, &e), &e);
	assert_ok(store_db_exec(f->s, NULL, &e, "ROLLBACK", NO_VALUES), &e);
	assert_err(store_db_exec(f->s, NULL, &e, "SELECT nonsense", NO_VALUES), ERR_STORE);
	err_clear(&e);
	store_rollback(f->s);
	assert_err(store_begin(f->s, &e), ERR_STORE);
	err_clear(&e);
	assert_err(store_param_set(f->s, color, "white", &e), ERR_STORE);
	err_clear(&e);
	assert_err(store_group_end(f->s, &e), ERR_STORE);
	err_clear(&e);
	assert_color(f->s, "black");
	set_color(f->s, "red");
	assert_color(f->s, "red");
}

static void values_find_their_numbers_whatever_their_order(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_ok(store_db_text(f->s, &text, &e, "SELECT $3 || $1 || $2 || $1",
				VALUES(value_text("a"), value_text("b"), value_text("c"))), &e);
	assert_string_equal(text, "caba");
	free(text);
	assert_err(store_db_exec(f->s, NULL, &e, "SELECT $2", VALUES(value_int(1))), ERR_BUG);
}

static int query_within(void *ctx, const struct store_row *row, struct err *e)
{
	struct fixture *f = ctx;
	int64_t depth = row_int(row, 0);

	if (depth == 70)
		return 0;
	return store_db_query(f->s, query_within, f, e, "SELECT $1 + 1", VALUES(value_int(depth)));
}

static void queries_within_queries_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	/* the same text, prepared again for each depth, to the bound of the cache */
	assert_err(store_db_query(f->s, query_within, f, &e, "SELECT 0", NO_VALUES), ERR_BUG);
	err_clear(&e);
	assert_ok(store_db_query(f->s, query_within, f, &e, "SELECT 50", NO_VALUES), &e);
}

static void more_statements_than_the_cache_holds(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 200; i++) {
			char sql[32];
			int64_t got = -1;
			snprintf(sql, sizeof(sql), "SELECT %d", i);
			assert_ok(store_db_int(f->s, &got, NULL, &e, sql, NO_VALUES), &e);
			assert_int_equal(got, i);
		}
}

static void garbage_is_called_damaged(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/garbage", f->dir);
	FILE *out = fopen(path, "w");
	for (int i = 0; i < 2000; i++)
		fputs("garbage ", out);
	fclose(out);
	assert_err(store_open("sqlite:garbage", f->dir, STORE_CREATE, &s, &e), ERR_STORE);
	assert_non_null(strstr(e.text, "damaged"));
	assert_int_equal(access(path, F_OK), 0); /* never removed: it is somebody's */
	err_clear(&e);
	assert_err(store_open("sqlite:.", f->dir, 0, &s, &e), ERR_STORE);
}

static void a_busy_database_names_the_likely_cause(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	sqlite3 *other;
	char path[128];

	snprintf(path, sizeof(path), "%s/store.sqlite3", f->dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_err(store_param_set(f->s, color, "red", &e), ERR_STORE);
	assert_non_null(strstr(e.text, "twice"));
	assert_color(f->s, NULL);
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	set_color(f->s, "red");
}

static void names_of_things_are_checked(void **state)
{
	struct err e = ERR_INIT;
	char longest[STORE_NAME_SIZE + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[STORE_NAME_SIZE] = '\0';
	assert_err(store_name_ok("node", longest, &e), ERR_USAGE);
	err_clear(&e);
	longest[STORE_NAME_SIZE - 1] = '\0';
	assert_ok(store_name_ok("node", longest, &e), &e);
	assert_ok(store_name_ok("node", "b\\s \xc3\xa9", &e), &e);
	assert_err(store_name_ok("node", "", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_name_ok("node", NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_name_ok("node", "a\nb", &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "\\x0a"));
	err_clear(&e);
	assert_err(store_name_ok("node", "a\xff", &e), ERR_USAGE);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_missing_database_is_an_error_and_stays_missing),
		WITH_STORE(other_databases_are_refused_by_name),
		WITH_STORE(sqlite_special_names_are_files),
		WITH_STORE(an_absolute_path_ignores_the_folder),
		WITH_STORE(files_are_for_their_owner_only),
		WITH_STORE(what_was_set_is_there_after_reopening),
		WITH_STORE(a_read_only_store_reads_and_does_not_write),
		WITH_STORE(a_transaction_is_all_or_nothing),
		WITH_STORE(transactions_do_not_nest),
		WITH_STORE(a_call_that_fails_in_a_transaction_leaves_the_rest),
		WITH_STORE(statements_that_break_a_constraint_are_taken_back_alone),
		WITH_STORE(a_transaction_that_the_database_ended_stores_nothing_more),
		WITH_STORE(a_group_of_transactions),
		WITH_STORE(values_find_their_numbers_whatever_their_order),
		WITH_STORE(queries_within_queries_do_not_disturb_each_other),
		WITH_STORE(more_statements_than_the_cache_holds),
		WITH_STORE(garbage_is_called_damaged),
		WITH_STORE(a_busy_database_names_the_likely_cause),
		cmocka_unit_test(names_of_things_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
