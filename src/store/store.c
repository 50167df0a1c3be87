#include "store/store.h"

#include <stdio.h>

#include "base/random.h"
#include "base/text.h"
#include "store/store_internal.h"

static const struct store_backend *const backends[] = {&store_sqlite};

static const struct store_backend *backend_of(const char *url)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (text_starts(url, backends[i]->scheme))
			return backends[i];
	return NULL;
}

int store_open(const char *url, const char *dir, unsigned flags, struct store **out, struct err *e)
{
	const struct store_backend *b = backend_of(url);

	if (!b)
		return err_set(e, ERR_USAGE, "store %s: this version keeps its store in SQLite only; "
			       "[store] url in ringfence.conf must be sqlite:PATH", url);
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, ERR_NOMEM, "store %s: out of memory", url);
	s->read_only = flags & STORE_READ_ONLY;
	s->certs = cert_cache_new();
	int rc = s->certs ? b->open(url + strlen(b->scheme), dir, flags, &s->conn, e)
			  : err_set(e, ERR_NOMEM, "store %s: out of memory", url);
	if (!rc)
		rc = store_schema_bring(s, store_migrations, store_n_migrations, flags, e);
	if (rc) {
		if (s->conn)
			b->abandon(s->conn);
		cert_cache_free(s->certs);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	s->in_group = false;
	store_rollback(s);
	s->conn->backend->close(s->conn);
	cert_cache_free(s->certs);
	free(s);
}

/* Inside a transaction that the database has ended by itself, the next statement would stand alone. */
static int check_broken(const struct store *s, struct err *e)
{
	if (!s->broken)
		return 0;
	return err_set(e, ERR_STORE, "the database abandoned this transaction after an earlier failure; "
		       "nothing of it was stored");
}

/* After each statement: notice when the database ended the transaction. */
static int watch(struct store *s, int rc)
{
	if (rc && (s->in_group || s->in_tx || s->depth) && !s->conn->backend->in_transaction(s->conn))
		s->broken = true;
	return rc;
}

int store_db_exec(struct store *s, int64_t *changed, struct err *e, const char *sql, const struct store_value *v,
		  size_t n)
{
	int rc = check_broken(s, e);

	return rc ? rc : watch(s, s->conn->backend->exec(s->conn, sql, v, n, changed, e));
}

int store_db_query(struct store *s, store_row_fn *row, void *ctx, struct err *e, const char *sql,
		   const struct store_value *v, size_t n)
{
	int rc = check_broken(s, e);

	return rc ? rc : watch(s, s->conn->backend->query(s->conn, sql, v, n, row, ctx, e));
}

/* Take back what a savepoint's statements did. When that fails too, all of the transaction is lost. */
static void undo(struct store *s)
{
	if (store_db_exec(s, NULL, NULL, "ROLLBACK TO SAVEPOINT ringfence", NO_VALUES) ||
	    store_db_exec(s, NULL, NULL, "RELEASE SAVEPOINT ringfence", NO_VALUES))
		s->broken = true;
}

/* Begin the outermost transaction; in a group, a part of the group's. */
static int begin(struct store *s, struct err *e)
{
	if (s->read_only)
		return err_set(e, ERR_STORE, "the store was opened for reading only");
	if (s->in_group)
		return store_db_exec(s, NULL, e, "SAVEPOINT ringfence", NO_VALUES);
	s->broken = false;
	return s->conn->backend->begin(s->conn, e);
}

/* Take it back. A group that is broken stays so until its end. */
static void rollback(struct store *s)
{
	if (s->in_group) {
		undo(s);
		return;
	}
	s->conn->backend->rollback(s->conn);
	s->broken = false;
}

/* End it; it is over whatever this returns. */
static int commit(struct store *s, struct err *e)
{
	int rc = check_broken(s, e);

	if (!rc && s->in_group)
		return store_db_exec(s, NULL, e, "RELEASE SAVEPOINT ringfence", NO_VALUES);
	if (!rc)
		rc = s->conn->backend->commit(s->conn, e);
	if (rc)
		rollback(s);
	else
		s->broken = false;
	return rc;
}

int store_group_begin(struct store *s, struct err *e)
{
	if (s->in_group || s->in_tx || s->depth)
		return err_set(e, ERR_BUG, "a transaction is open already");
	int rc = begin(s, e);
	s->in_group = rc == 0;
	return rc;
}

int store_group_end(struct store *s, struct err *e)
{
	if (!s->in_group || s->in_tx || s->depth)
		return err_set(e, ERR_BUG, "there is no group to end");
	s->in_group = false;
	return commit(s, e);
}

int store_begin(struct store *s, struct err *e)
{
	if (s->in_tx || s->depth)
		return err_set(e, ERR_BUG, "a transaction is open already");
	int rc = begin(s, e);
	s->in_tx = rc == 0;
	return rc;
}

int store_commit(struct store *s, struct err *e)
{
	if (!s->in_tx || s->depth)
		return err_set(e, ERR_BUG, "there is no transaction to commit");
	s->in_tx = false;
	return commit(s, e);
}

void store_rollback(struct store *s)
{
	if (!s || !s->in_tx)
		return;
	s->in_tx = false;
	rollback(s);
}

int store_scope_begin(struct store *s, struct err *e)
{
	bool outermost = !s->in_tx && !s->depth;
	int rc = outermost ? begin(s, e) : store_db_exec(s, NULL, e, "SAVEPOINT ringfence", NO_VALUES);

	if (!rc)
		s->depth++;
	return rc;
}

int store_scope_end(struct store *s, int rc, struct err *e)
{
	s->depth--;
	if (s->depth || s->in_tx) {
		if (!rc)
			return store_db_exec(s, NULL, e, "RELEASE SAVEPOINT ringfence", NO_VALUES);
		undo(s);
		return rc;
	}
	if (!rc)
		return commit(s, e);
	rollback(s);
	return rc;
}

int store_run_sql(struct store *s, const char *text, const struct store_sql_limits *limits,
		  const struct store_sql_sink *sink, struct err *e)
{
	struct store_sql_limits usual = STORE_SQL_LIMITS_DEFAULT;

	return s->conn->backend->run_sql(s->conn, text, limits ? limits : &usual, sink, e);
}
