#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What a cluster knows: nodes, parameters, certificates, generations of trust lists, devices, who changed what. Never a
 * private key. One file per noun (store/node.h, store/certificate.h ...); the tables are described in docs/store.md.
 * A struct store belongs to one thread. Times are Unix seconds UTC. Names that callers give are copied.
 */
struct store;

#define STORE_PKID_SIZE 37     /* a pkid is a UUID in text, with its NUL */
#define STORE_NAME_SIZE 256    /* names of nodes, services, devices, keys, with NUL */
#define STORE_ADDRESS_SIZE 64  /* an IP address in text, with NUL */

enum store_open_flags {
	STORE_CREATE = 1,    /* make the database when there is none; without it a missing one is an error */
	STORE_READ_ONLY = 2, /* nothing can be changed, no migration is done */
};

/*
 * store_open: open the database and bring its schema to this program's version, in one transaction.
 * In:     url "sqlite:PATH"; a relative PATH is below dir (NULL: the current folder). "postgresql://..." is refused
 *         for now.
 * Out:    *s, freed with store_close. The files get mode 0600.
 * Errors: ERR_USAGE url; ERR_STORE missing without STORE_CREATE, not a Ringfence store, made by a newer Ringfence,
 *         damaged.
 */
int store_open(const char *url, const char *dir, unsigned flags, struct store **s, struct err *e) MUST_CHECK;
void store_close(struct store *s); /* rolls back what is open; accepts NULL */

/* store_schema_version: of the database behind s; the same as the program's after store_open. */
int store_schema_version(struct store *s, unsigned *version, struct err *e) MUST_CHECK;

/*
 * A transaction around several calls. Without one each call is a transaction by itself. Transactions do not nest: a
 * begin inside one is ERR_BUG. A call that fails inside a transaction has changed nothing, and the transaction goes
 * on, unless the database had to abandon it (disk full, input or output error): then everything until the end,
 * commit included, fails with ERR_STORE. After a failed commit nothing was changed and the transaction is over.
 */
int store_begin(struct store *s, struct err *e) MUST_CHECK;
int store_commit(struct store *s, struct err *e) MUST_CHECK;
void store_rollback(struct store *s); /* nothing to do when none is open; s may be NULL */

/*
 * Several transactions that wait for the disk once: between the two each of them begins, commits and is rolled back as it
 * does alone, and is durable when store_group_end has returned 0. When it returns an error none of them has happened:
 * nobody may be told of one before. Groups do not nest, and begin and end outside of transactions.
 */
int store_group_begin(struct store *s, struct err *e) MUST_CHECK;
int store_group_end(struct store *s, struct err *e) MUST_CHECK;

/* One row of `run sql`. Everything is text; NULL is SQL's NULL. Borrowed for the duration of the call. */
struct store_sql_row {
	size_t n;                   /* columns */
	const char *const *names;
	const char *const *values;
	const size_t *lens;         /* octets of values: they may hold a NUL */
};

struct store_sql_limits {
	unsigned ms;                /* of work */
	size_t rows;
	size_t octets;              /* of values, over all rows */
};

#define STORE_SQL_LIMITS_DEFAULT ((struct store_sql_limits){.ms = 10000, .rows = 100000, .octets = 64 << 20})

/*
 * store_run_sql: one statement of an administrator, on a connection of its own that the engine itself holds to reading.
 * In:     head is called once, before the first row, with values NULL; row for each row, and stops by returning
 *         non-zero. limits NULL: the defaults. Sees what is committed, not what an open transaction of s has changed.
 * Errors: ERR_USAGE a statement with a mistake, none or more than one; ERR_AUTH it does more than read; ERR_LIMIT;
 *         ERR_STORE; or what head or row returned.
 */
struct store_sql_sink {
	int (*head)(void *ctx, const struct store_sql_row *names);
	int (*row)(void *ctx, const struct store_sql_row *row);
	void *ctx;
};
int store_run_sql(struct store *s, const char *text, const struct store_sql_limits *limits,
		  const struct store_sql_sink *sink, struct err *e) MUST_CHECK;
