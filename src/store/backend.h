#pragma once

#include "store/store.h"

/*
 * What a database must do for the store. Statements are SQL that SQLite and PostgreSQL both take, with $1, $2 ... for
 * values; only the back end's own file may use more. Statement texts are constants: a back end keeps them prepared.
 */
enum store_type { STORE_NULL, STORE_INT, STORE_TEXT };

struct store_value {
	enum store_type type;
	int64_t i;
	const char *s;      /* STORE_TEXT, NUL-terminated */
};

struct store_row {
	size_t n;
	const struct store_value *v; /* texts live during the call */
};

/* store_row_fn: called for each row; a non-zero return ends the query and is what it returns. */
typedef int store_row_fn(void *ctx, const struct store_row *row, struct err *e);

struct store_backend;

/* The head of each back end's own connection. */
struct store_conn {
	const struct store_backend *backend;
};

struct store_backend {
	const char *scheme; /* of the URL: "sqlite:" */

	/* where: the URL behind the scheme; dir and flags as store_open has them. */
	int (*open)(const char *where, const char *dir, unsigned flags, struct store_conn **c, struct err *e);
	void (*close)(struct store_conn *c);
	void (*abandon)(struct store_conn *c); /* close, and remove the database if open made it */

	/* changed may be NULL: rows that the statement inserted, changed or deleted. */
	int (*exec)(struct store_conn *c, const char *sql, const struct store_value *v, size_t n, int64_t *changed,
		    struct err *e);
	int (*query)(struct store_conn *c, const char *sql, const struct store_value *v, size_t n, store_row_fn *row,
		     void *ctx, struct err *e);

	/* A transaction that will write. rollback does nothing when none is open. */
	int (*begin)(struct store_conn *c, struct err *e);
	int (*commit)(struct store_conn *c, struct err *e);
	void (*rollback)(struct store_conn *c);
	bool (*in_transaction)(struct store_conn *c); /* false too when the database abandoned it by itself */

	/* Is there this table (NULL: any at all)? */
	int (*has_table)(struct store_conn *c, const char *name, bool *has, struct err *e);
	int (*run_sql)(struct store_conn *c, const char *text, const struct store_sql_limits *limits,
		       const struct store_sql_sink *sink, struct err *e);
};

extern const struct store_backend store_sqlite;
