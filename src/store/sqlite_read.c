/* `run sql` on SQLite: a connection that cannot write, guarded three times, with bounds on time, memory and rows. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/sqlite_internal.h"

#define VALUE_MAX (16 << 20)   /* octets of one value, and of the statement */
#define MEMORY_MAX (64 << 20)  /* octets that sorting and joining may take */
#define WORK_STEP 1000         /* instructions of SQLite's machine between two looks at the clock */

struct sqlite_reader {
	sqlite3 *db;
	char *path;
	char denied[64];         /* what the authorizer refused */
	uint64_t deadline_ms;    /* monotonic */
	sqlite3_int64 memory;    /* in use at the start */
	const char *exceeded;    /* the bound that stopped the statement */
};

/* Columns that hold a derived secret: they read as NULL. */
static bool is_secret(const char *table, const char *column)
{
	return (sqlite3_stricmp(table, "device") == 0 && sqlite3_stricmp(column, "authenticationstring") == 0) ||
	       (sqlite3_stricmp(table, "administrator") == 0 && sqlite3_stricmp(column, "derivedpassword") == 0);
}

static int deny(struct sqlite_reader *r, const char *what)
{
	snprintf(r->denied, sizeof(r->denied), "%s", what);
	return SQLITE_DENY;
}

static const char *const action_names[] = {
	[SQLITE_CREATE_INDEX] = "CREATE", [SQLITE_CREATE_TABLE] = "CREATE", [SQLITE_CREATE_TEMP_TABLE] = "CREATE",
	[SQLITE_CREATE_TRIGGER] = "CREATE", [SQLITE_CREATE_VIEW] = "CREATE", [SQLITE_CREATE_VTABLE] = "CREATE",
	[SQLITE_DELETE] = "DELETE", [SQLITE_DROP_INDEX] = "DROP", [SQLITE_DROP_TABLE] = "DROP",
	[SQLITE_INSERT] = "INSERT", [SQLITE_PRAGMA] = "PRAGMA", [SQLITE_TRANSACTION] = "a transaction",
	[SQLITE_UPDATE] = "UPDATE", [SQLITE_ATTACH] = "ATTACH", [SQLITE_DETACH] = "DETACH",
	[SQLITE_ALTER_TABLE] = "ALTER", [SQLITE_REINDEX] = "REINDEX", [SQLITE_ANALYZE] = "ANALYZE",
	[SQLITE_SAVEPOINT] = "a savepoint",
};

/* What SQLite asks before each thing that a statement would do. Anything not named here is refused. */
static int authorize(void *ctx, int action, const char *a, const char *b, const char *db, const char *inner)
{
	struct sqlite_reader *r = ctx;
	size_t n_names = sizeof(action_names) / sizeof(action_names[0]);

	(void)db;
	(void)inner;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_READ:
		return is_secret(a, b) ? SQLITE_IGNORE : SQLITE_OK;
	case SQLITE_FUNCTION:
		if (sqlite3_stricmp(b, "load_extension") == 0 || sqlite3_stricmp(b, "fts3_tokenizer") == 0)
			return deny(r, b);
		return SQLITE_OK;
	default:
		return deny(r, (size_t)action < n_names && action_names[action] ? action_names[action] : "this");
	}
}

static int progress(void *ctx)
{
	struct sqlite_reader *r = ctx;

	if (clock_mono_ms(&clock_system) >= r->deadline_ms)
		r->exceeded = "it takes too long";
	else if (sqlite3_memory_used() - r->memory > MEMORY_MAX)
		r->exceeded = "it needs too much memory";
	return r->exceeded != NULL;
}

int sqlite_reader_open(const char *path, struct sqlite_reader **out, struct err *e)
{
	struct sqlite_reader *r = calloc(1, sizeof(*r));

	if (!r || !(r->path = strdup(path))) {
		free(r);
		return err_set(e, ERR_NOMEM, "%s: out of memory", path);
	}
	int rc = sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (!rc)
		rc = sqlite3_exec(r->db, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;", NULL, NULL, NULL);
	if (rc) {
		rc = sqlite_error(r->db, rc, path, e);
		sqlite_reader_close(r);
		return rc;
	}
	sqlite_prudent(r->db);
	sqlite3_limit(r->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(r->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(r->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_set_authorizer(r->db, authorize, r);
	sqlite3_progress_handler(r->db, WORK_STEP, progress, r);
	*out = r;
	return 0;
}

void sqlite_reader_close(struct sqlite_reader *r)
{
	if (!r)
		return;
	sqlite3_close_v2(r->db);
	free(r->path);
	free(r);
}

/* The failure of a stranger's statement: mostly the stranger's. */
static int failure(struct sqlite_reader *r, int rc, struct err *e)
{
	/* Within a virtual table (pragma_...) a refusal comes back as another failure. */
	if (*r->denied)
		return err_set(e, ERR_AUTH, "run sql only reads: %s is not allowed", r->denied);
	switch (rc & 0xff) {
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return err_set(e, ERR_AUTH, "run sql only reads");
	case SQLITE_INTERRUPT:
		return err_set(e, ERR_LIMIT, "the statement was stopped: %s",
			       r->exceeded ? r->exceeded : "interrupted");
	case SQLITE_TOOBIG:
		return err_set(e, ERR_LIMIT, "a value, or the statement, is too large");
	case SQLITE_ERROR:
	case SQLITE_RANGE:
	case SQLITE_MISMATCH:
		return err_set(e, ERR_USAGE, "%s", sqlite3_errmsg(r->db));
	default:
		return sqlite_error(r->db, rc, r->path, e);
	}
}

/* Exactly one statement, which reads. *out is NULL when the call fails. */
static int prepare(struct sqlite_reader *r, const char *text, sqlite3_stmt **out, struct err *e)
{
	sqlite3_stmt *more = NULL;
	const char *tail = text;
	int rc = sqlite3_prepare_v2(r->db, text, -1, out, &tail);

	if (rc)
		return failure(r, rc, e);
	if (!*out)
		return err_set(e, ERR_USAGE, "the statement is missing: run sql select ...");
	while (!rc && !more && *tail)
		rc = sqlite3_prepare_v2(r->db, tail, -1, &more, &tail);
	sqlite3_finalize(more);
	if (rc || more)
		return err_set(e, ERR_USAGE, "one statement at a time");
	if (!sqlite3_stmt_readonly(*out) || sqlite3_column_count(*out) == 0)
		return err_set(e, ERR_AUTH, "run sql only reads");
	return 0;
}

/* One row handed on, with the arrays that it is handed on in. */
struct handing {
	size_t n;
	const char **names;
	const char **values;
	size_t *lens;
	size_t rows;
	size_t octets;
};

static int give_row(struct sqlite_reader *r, sqlite3_stmt *stmt, struct handing *h,
		    const struct store_sql_limits *limits, const struct store_sql_sink *sink, struct err *e)
{
	if (++h->rows > limits->rows)
		return err_set(e, ERR_LIMIT, "the statement was stopped: more than %zu rows", limits->rows);
	for (size_t i = 0; i < h->n; i++) {
		if (h->rows == 1) /* the first step may have prepared the statement anew */
			h->names[i] = sqlite3_column_name(stmt, (int)i);
		h->values[i] = (const char *)sqlite3_column_text(stmt, (int)i);
		h->lens[i] = (size_t)sqlite3_column_bytes(stmt, (int)i);
		h->octets += h->lens[i];
		if (!h->values[i] && sqlite3_errcode(r->db) == SQLITE_NOMEM)
			return err_set(e, ERR_NOMEM, "%s: out of memory", r->path);
	}
	if (h->octets > limits->octets)
		return err_set(e, ERR_LIMIT, "the statement was stopped: more than %zu octets", limits->octets);
	int rc = sink->row(sink->ctx, &(struct store_sql_row){h->n, h->names, h->values, h->lens});
	return rc ? err_set(e, rc, "the rows were not taken") : 0;
}

static int run(struct sqlite_reader *r, sqlite3_stmt *stmt, struct handing *h, const struct store_sql_limits *limits,
	       const struct store_sql_sink *sink, struct err *e)
{
	int got;

	for (size_t i = 0; i < h->n; i++)
		h->names[i] = sqlite3_column_name(stmt, (int)i);
	int rc = sink->head(sink->ctx, &(struct store_sql_row){h->n, h->names, NULL, NULL});
	if (rc)
		return err_set(e, rc, "the rows were not taken");
	while ((got = sqlite3_step(stmt)) == SQLITE_ROW) {
		rc = give_row(r, stmt, h, limits, sink, e);
		if (rc)
			return rc;
	}
	return got == SQLITE_DONE ? 0 : failure(r, got, e);
}

int sqlite_reader_run(struct sqlite_reader *r, const char *text, const struct store_sql_limits *limits,
		      const struct store_sql_sink *sink, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	struct handing h = {0};

	r->denied[0] = '\0';
	r->exceeded = NULL;
	r->memory = sqlite3_memory_used();
	r->deadline_ms = clock_mono_ms(&clock_system) + limits->ms;
	int rc = prepare(r, text, &stmt, e);
	if (rc)
		goto out;
	h.n = (size_t)sqlite3_column_count(stmt);
	h.names = calloc(h.n, sizeof(*h.names));
	h.values = calloc(h.n, sizeof(*h.values));
	h.lens = calloc(h.n, sizeof(*h.lens));
	if (h.names && h.values && h.lens)
		rc = run(r, stmt, &h, limits, sink, e);
	else
		rc = err_set(e, ERR_NOMEM, "run sql: out of memory");
out:
	sqlite3_finalize(stmt);
	free(h.names);
	free(h.values);
	free(h.lens);
	return rc;
}
