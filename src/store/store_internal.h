#pragma once

#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/certificate_cache.h"

/* What the noun files write their statements with. */
struct store {
	struct store_conn *conn;
	struct cert_cache *certs;
	bool read_only;
	bool in_group;   /* between store_group_begin and store_group_end */
	bool in_tx;      /* between store_begin and its end */
	bool broken;     /* the database abandoned the open transaction */
	unsigned depth;  /* of open scopes */
	uint64_t certificate_changes;
	uint64_t device_changes;
};

static inline struct store_value value_text(const char *s)
{
	return s ? (struct store_value){.type = STORE_TEXT, .s = s} : (struct store_value){.type = STORE_NULL};
}

static inline struct store_value value_int(int64_t i)
{
	return (struct store_value){.type = STORE_INT, .i = i};
}

/* A time, where 0 is none. */
static inline struct store_value value_time(int64_t t)
{
	return t ? value_int(t) : value_text(NULL);
}

/* Booleans are 't' and 'f', as CUCM's queries have them. */
static inline struct store_value value_bool(bool b)
{
	return value_text(b ? "t" : "f");
}

/* The values of a statement, as its last two parameters: VALUES(value_text(name), value_int(3)). */
#define VALUES(...)                                                                                                    \
	(const struct store_value[]){__VA_ARGS__},                                                                     \
		sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value)
#define NO_VALUES NULL, 0

int store_db_exec(struct store *s, int64_t *changed, struct err *e, const char *sql, const struct store_value *v,
		  size_t n) MUST_CHECK;
int store_db_query(struct store *s, store_row_fn *row, void *ctx, struct err *e, const char *sql,
		   const struct store_value *v, size_t n) MUST_CHECK;

/* store_db_int: the first column of the only row; *found false and *i untouched without one. found may be NULL. */
int store_db_int(struct store *s, int64_t *i, bool *found, struct err *e, const char *sql, const struct store_value *v,
		 size_t n) MUST_CHECK;

/* store_db_text: likewise, copied; *text is NULL without a row or with SQL's NULL, and freed by the caller. */
int store_db_text(struct store *s, char **text, struct err *e, const char *sql, const struct store_value *v,
		  size_t n) MUST_CHECK;

/* store_db_pkid: likewise, a pkid; "" without a row. */
int store_db_pkid(struct store *s, char pkid[STORE_PKID_SIZE], struct err *e, const char *sql,
		  const struct store_value *v, size_t n) MUST_CHECK;

/*
 * Several statements that must happen together: a transaction of their own, or a savepoint in the one that is open.
 *     rc = store_scope_begin(s, e); if (rc) return rc;
 *     rc = ...;
 *     return store_scope_end(s, rc, e);    keeps the changes when rc is 0, takes them back when not
 */
int store_scope_begin(struct store *s, struct err *e) MUST_CHECK;
int store_scope_end(struct store *s, int rc, struct err *e) MUST_CHECK;

/* Columns of a row; a column that is NULL is "" or 0. */
const char *row_text(const struct store_row *r, size_t i);
int64_t row_int(const struct store_row *r, size_t i);
bool row_bool(const struct store_row *r, size_t i);

/* row_copy: into a field of a struct; what is too long for it was not written by us: ERR_STORE. */
int row_copy(const struct store_row *r, size_t i, char *out, size_t size, struct err *e) MUST_CHECK;
#define ROW_COPY(r, i, field, e) row_copy((r), (i), (field), sizeof(field), (e))

/* row_word: a column that holds one of these words. Errors: ERR_STORE. */
int row_word(const struct store_row *r, size_t i, const char *const *words, unsigned *value, struct err *e) MUST_CHECK;

/* A result that grows: items of one size in one heap block. */
struct store_list {
	char *items;
	size_t item; /* octets of one */
	size_t n;
	size_t room;
};
void *store_list_add(struct store_list *l); /* zeroed; NULL: out of memory */

/* store_name_ok: not empty, no control characters, and it fits a field of STORE_NAME_SIZE. what: "node". */
int store_name_ok(const char *what, const char *name, struct err *e) MUST_CHECK;

/* store_pkid_new: a random UUID (version 4) in text. */
int store_pkid_new(char pkid[STORE_PKID_SIZE], struct err *e) MUST_CHECK;

/* store_counter_next: 1, 2, 3 ... for each name, never twice, also when what got a number is gone. */
int store_counter_next(struct store *s, const char *name, int64_t *value, struct err *e) MUST_CHECK;

/* store_node_pkid: the pkid of a node, "" when there is none; store_node_need: the same, and ERR_USAGE when none. */
int store_node_pkid(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e) MUST_CHECK;
int store_node_need(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e) MUST_CHECK;

/* store_device_need: the pkid of a device. Errors: ERR_USAGE: none of that name. */
int store_device_need(struct store *s, const char *name, char pkid[STORE_PKID_SIZE], struct err *e) MUST_CHECK;

/* store_certificate_forget_node: own certificates of the node that no other node has lose their unit, or are gone. */
int store_certificate_forget_node(struct store *s, const char *node_pkid, struct err *e) MUST_CHECK;

/* One step of the schema, from version - 1. */
struct store_migration {
	unsigned version;
	const char *const *statements; /* ends with NULL */
	int (*fill)(struct store *s, struct err *e); /* after the statements; may be NULL */
};

/*
 * store_schema_bring: make the database's schema that of the last migration, in one transaction.
 * Errors: ERR_STORE: newer than the last; older and read_only; somebody else's tables; none and flags lack
 *         STORE_CREATE.
 */
int store_schema_bring(struct store *s, const struct store_migration *m, size_t n, unsigned flags,
		       struct err *e) MUST_CHECK;
extern const struct store_migration store_migrations[];
extern const size_t store_n_migrations;
