/* The store in SQLite: one file, write-ahead log, one writer. The only file, with sqlite_read.c, that knows SQLite. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "store/sqlite_internal.h"

#define BUSY_MS 2000     /* another program (sqlite3, a backup) may hold the file for a moment */
#define CACHE_SIZE 64    /* prepared statements */
#define CACHE_KIB "16384" /* pages kept in memory: what ten thousand phones need at a start of their day */
#define MAX_COLUMNS 32   /* of our own statements */

struct cached {
	sqlite3_stmt *stmt;
	bool busy;           /* a query whose row function queries again */
	unsigned long used;  /* when, in calls */
};

struct conn {
	struct store_conn head;
	sqlite3 *db;
	struct sqlite_reader *reader;
	char *path;
	bool created;
	unsigned long calls;
	struct cached cache[CACHE_SIZE];
};

static struct conn *conn_of(struct store_conn *c)
{
	return (struct conn *)c;
}

int sqlite_error(sqlite3 *db, int rc, const char *path, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, ERR_STORE,
			       "%s: another program is writing to it; is ringfence running twice on this folder?",
			       path);
	case SQLITE_FULL:
		errno = ENOSPC;
		return err_sys(e, ERR_STORE, "%s: the change was not made", path);
	case SQLITE_IOERR:
		errno = sqlite3_system_errno(db) ? sqlite3_system_errno(db) : EIO;
		return err_sys(e, ERR_STORE, "%s: %s", path, sqlite3_errstr(sqlite3_extended_errcode(db)));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(e, ERR_STORE, "%s: not a database, or damaged (%s): restore it from a backup", path,
			       sqlite3_errmsg(db));
	case SQLITE_READONLY:
		return err_set(e, ERR_STORE, "%s: cannot be written (%s)", path, sqlite3_errmsg(db));
	default:
		return err_set(e, ERR_STORE, "%s: %s", path, sqlite3_errmsg(db));
	}
}

void sqlite_prudent(sqlite3 *db)
{
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
}

/* The file's path: below dir, and never one of SQLite's special names ("", ":memory:", "file:..."). */
static int make_path(const char *where, const char *dir, char **path, struct err *e)
{
	char *p = NULL;
	int n;

	if (!*where)
		return err_set(e, ERR_USAGE,
			       "store sqlite: the path of the database is missing (sqlite:store.sqlite3)");
	n = *where == '/' ? asprintf(&p, "%s", where) : asprintf(&p, "%s/%s", dir && *dir ? dir : ".", where);
	if (n < 0)
		return err_set(e, ERR_NOMEM, "store sqlite: out of memory");
	*path = p;
	return 0;
}

/* Make the database's folder entry durable. */
static int sync_folder(const char *path, struct err *e)
{
	AUTO(auto_free) char *dir = strdup(path);

	if (!dir)
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	char *slash = strrchr(dir, '/');
	slash[slash == dir] = '\0'; /* make_path: there is one */
	return file_sync_dir(AT_FDCWD, dir, e);
}

/* SQLite would make the file 0644 and a missing one silently empty: both are ours to decide (pitfalls D-15, D-16). */
static int make_file(struct conn *c, struct err *e)
{
	int fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, ERR_STORE, "%s: cannot make the store", c->path);
	c->created = true;
	close(fd); /* before SQLite opens it: closing it later would drop SQLite's locks */
	return sync_folder(c->path, e);
}

static void narrow(const char *path, const char *suffix)
{
	AUTO(auto_free) char *name = NULL;
	struct stat st;

	if (asprintf(&name, "%s%s", path, suffix) < 0) {
		name = NULL;
		return;
	}
	if (lstat(name, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		chmod(name, 0600);
}

static int find_file(struct conn *c, unsigned flags, struct err *e)
{
	struct stat st;

	if (stat(c->path, &st) < 0) {
		if (errno == ENOENT && (flags & STORE_CREATE) && !(flags & STORE_READ_ONLY))
			return make_file(c, e);
		if (errno == ENOENT)
			return err_set(e, ERR_STORE, "%s: there is no store; 'ringfence init' makes one, "
				       "[store] url in ringfence.conf says where it is", c->path);
		return err_sys(e, ERR_STORE, "%s", c->path);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_STORE, "%s: not a file", c->path);
	if (!(flags & STORE_READ_ONLY)) {
		narrow(c->path, "");
		narrow(c->path, "-wal");
		narrow(c->path, "-shm");
	}
	return 0;
}

static int pragma(struct conn *c, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	return rc ? sqlite_error(c->db, rc, c->path, e) : 0;
}

static int is_wal(void *ctx, int n, char **values, char **names)
{
	(void)names;
	*(bool *)ctx = n == 1 && values[0] && strcmp(values[0], "wal") == 0;
	return 0;
}

/* Durable when a commit returns, readers beside the writer. */
static int set_up(struct conn *c, unsigned flags, struct err *e)
{
	bool wal = false;
	int rc = pragma(c, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
			"PRAGMA cache_size = -" CACHE_KIB ";", e);

	if (rc || (flags & STORE_READ_ONLY))
		return rc;
	int got = sqlite3_exec(c->db, "PRAGMA journal_mode = WAL", is_wal, &wal, NULL);
	if (got)
		return sqlite_error(c->db, got, c->path, e);
	if (!wal)
		return err_set(e, ERR_STORE, "%s: its file system cannot carry a write-ahead log", c->path);
	return 0;
}

static void sqlite_close(struct store_conn *head)
{
	struct conn *c = conn_of(head);

	for (size_t i = 0; i < CACHE_SIZE; i++)
		sqlite3_finalize(c->cache[i].stmt);
	sqlite_reader_close(c->reader);
	sqlite3_close_v2(c->db);
	free(c->path);
	free(c);
}

static void sqlite_abandon(struct store_conn *head)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	AUTO(auto_free) char *path = conn_of(head)->created ? conn_of(head)->path : NULL;

	if (path)
		conn_of(head)->path = NULL;
	sqlite_close(head);
	for (size_t i = 0; path && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		AUTO(auto_free) char *name = NULL;
		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
			name = NULL;
		else
			unlink(name);
	}
}

static int sqlite_open(const char *where, const char *dir, unsigned flags, struct store_conn **out, struct err *e)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, ERR_NOMEM, "store sqlite: out of memory");
	c->head.backend = &store_sqlite;
	int rc = make_path(where, dir, &c->path, e);
	if (!rc)
		rc = find_file(c, flags, e);
	if (!rc) {
		int mode = flags & STORE_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
		int got = sqlite3_open_v2(c->path, &c->db, mode | SQLITE_OPEN_NOMUTEX, NULL);
		if (got)
			rc = sqlite_error(c->db, got, c->path, e);
	}
	if (!rc) {
		sqlite_prudent(c->db);
		rc = set_up(c, flags, e);
	}
	if (!rc)
		rc = sqlite_reader_open(c->path, &c->reader, e);
	if (rc) {
		sqlite_abandon(&c->head);
		return rc;
	}
	*out = &c->head;
	return 0;
}

/* The slot of a statement: prepared before, or the one that was not used for longest. NULL: all are busy. */
static struct cached *slot_for(struct conn *c, const char *sql)
{
	struct cached *oldest = NULL;

	for (size_t i = 0; i < CACHE_SIZE; i++) {
		struct cached *k = &c->cache[i];
		if (k->busy)
			continue;
		if (k->stmt && strcmp(sqlite3_sql(k->stmt), sql) == 0)
			return k;
		if (!oldest || k->used < oldest->used)
			oldest = k;
	}
	if (oldest) {
		sqlite3_finalize(oldest->stmt);
		oldest->stmt = NULL;
	}
	return oldest;
}

static int bind(struct conn *c, sqlite3_stmt *stmt, const struct store_value *v, size_t n, struct err *e)
{
	/* To SQLite $2 is a name, and its place is that of its first appearance. */
	for (int place = 1; place <= sqlite3_bind_parameter_count(stmt); place++) {
		const char *name = sqlite3_bind_parameter_name(stmt, place);
		unsigned long k = name && *name == '$' ? strtoul(name + 1, NULL, 10) : 0;
		if (!k || k > n)
			return err_set(e, ERR_BUG, "%s: value %s is missing", sqlite3_sql(stmt), name ? name : "?");
		const struct store_value *x = &v[k - 1];
		int rc = x->type == STORE_INT    ? sqlite3_bind_int64(stmt, place, x->i)
			 : x->type == STORE_TEXT ? sqlite3_bind_text(stmt, place, x->s, -1, SQLITE_STATIC)
						 : sqlite3_bind_null(stmt, place);
		if (rc)
			return sqlite_error(c->db, rc, c->path, e);
	}
	return 0;
}

static void give_row(sqlite3_stmt *stmt, struct store_value *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int type = sqlite3_column_type(stmt, (int)i);
		if (type == SQLITE_NULL)
			v[i] = (struct store_value){.type = STORE_NULL};
		else if (type == SQLITE_INTEGER)
			v[i] = (struct store_value){.type = STORE_INT, .i = sqlite3_column_int64(stmt, (int)i)};
		else
			v[i] = (struct store_value){.type = STORE_TEXT,
						    .s = (const char *)sqlite3_column_text(stmt, (int)i)};
	}
}

static int step_all(struct conn *c, sqlite3_stmt *stmt, store_row_fn *row, void *ctx, struct err *e)
{
	struct store_value v[MAX_COLUMNS];
	size_t n = (size_t)sqlite3_column_count(stmt);
	int got;

	if (n > MAX_COLUMNS)
		return err_set(e, ERR_BUG, "%s: more than %d columns", sqlite3_sql(stmt), MAX_COLUMNS);
	while ((got = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!row)
			continue;
		give_row(stmt, v, n);
		int rc = row(ctx, &(struct store_row){n, v}, e);
		if (rc)
			return rc;
	}
	return got == SQLITE_DONE ? 0 : sqlite_error(c->db, got, c->path, e);
}

static int sqlite_query(struct store_conn *head, const char *sql, const struct store_value *v, size_t n,
			store_row_fn *row, void *ctx, struct err *e)
{
	struct conn *c = conn_of(head);
	struct cached *k = slot_for(c, sql);

	if (!k)
		return err_set(e, ERR_BUG, "more than %d queries within each other", CACHE_SIZE);
	if (!k->stmt) {
		int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &k->stmt, NULL);
		if (rc)
			return sqlite_error(c->db, rc, c->path, e);
	}
	k->used = ++c->calls;
	k->busy = true;
	int rc = bind(c, k->stmt, v, n, e);
	if (!rc)
		rc = step_all(c, k->stmt, row, ctx, e);
	sqlite3_reset(k->stmt);
	sqlite3_clear_bindings(k->stmt);
	k->busy = false;
	return rc;
}

static int sqlite_exec(struct store_conn *head, const char *sql, const struct store_value *v, size_t n,
		       int64_t *changed, struct err *e)
{
	int rc = sqlite_query(head, sql, v, n, NULL, NULL, e);

	if (!rc && changed)
		*changed = sqlite3_changes64(conn_of(head)->db);
	return rc;
}

static int sqlite_begin(struct store_conn *head, struct err *e)
{
	return sqlite_exec(head, "BEGIN IMMEDIATE", NULL, 0, NULL, e);
}

static int sqlite_commit(struct store_conn *head, struct err *e)
{
	return sqlite_exec(head, "COMMIT", NULL, 0, NULL, e);
}

static bool sqlite_in_transaction(struct store_conn *head)
{
	return !sqlite3_get_autocommit(conn_of(head)->db);
}

static void sqlite_rollback(struct store_conn *head)
{
	/* Fails only when there is nothing to roll back any longer. */
	if (sqlite_in_transaction(head))
		(void)sqlite_exec(head, "ROLLBACK", NULL, 0, NULL, NULL);
}

static int count_one(void *ctx, const struct store_row *row, struct err *e)
{
	(void)row;
	(void)e;
	*(bool *)ctx = true;
	return 0;
}

static int sqlite_has_table(struct store_conn *head, const char *name, bool *has, struct err *e)
{
	struct store_value v = {.type = name ? STORE_TEXT : STORE_NULL, .s = name};
	bool found = false;
	int rc = sqlite_query(head,
			      "SELECT 1 FROM sqlite_master WHERE type = 'table' AND ($1 IS NULL OR name = $1) LIMIT 1",
			      &v, 1, count_one, &found, e);

	if (!rc)
		*has = found;
	return rc;
}

static int sqlite_run_sql(struct store_conn *head, const char *text, const struct store_sql_limits *limits,
			  const struct store_sql_sink *sink, struct err *e)
{
	return sqlite_reader_run(conn_of(head)->reader, text, limits, sink, e);
}

const struct store_backend store_sqlite = {
	.scheme = "sqlite:",
	.open = sqlite_open,
	.close = sqlite_close,
	.abandon = sqlite_abandon,
	.exec = sqlite_exec,
	.query = sqlite_query,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.in_transaction = sqlite_in_transaction,
	.has_table = sqlite_has_table,
	.run_sql = sqlite_run_sql,
};
