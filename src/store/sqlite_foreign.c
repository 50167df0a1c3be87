/* Databases of other programs: everything in them is a stranger's, the schema included. */
#include <stdlib.h>
#include <string.h>

#include "store/foreign.h"
#include "store/sqlite_internal.h"

#define WORK_STEP 10000    /* instructions of SQLite's machine between two looks at the count */
#define WORK_MAX 50000     /* steps: some seconds */
#define VALUE_MAX (1 << 20)
#define TABLES_MAX 1000

/* Offsets 18 and 19 of the file: 2 says that changes may stand in a write-ahead log, which is not read here. */
#define VERSION_OFFSET 18

struct foreign {
	sqlite3 *db;
	char *name;
	unsigned steps;
};

bool foreign_is(struct view head)
{
	return head.len >= FOREIGN_HEAD && memcmp(head.p, "SQLite format 3", FOREIGN_HEAD) == 0;
}

/* Only reading; no function that a statement of ours could be made to call. */
static int authorize(void *ctx, int action, const char *a, const char *b, const char *db, const char *inner)
{
	(void)ctx;
	(void)a;
	(void)b;
	(void)db;
	(void)inner;
	return action == SQLITE_SELECT || action == SQLITE_READ ? SQLITE_OK : SQLITE_DENY;
}

static int progress(void *ctx)
{
	struct foreign *f = ctx;

	return ++f->steps > WORK_MAX;
}

static int failure(struct foreign *f, int rc, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return err_set(e, ERR_NOMEM, "%s: out of memory", f->name);
	case SQLITE_INTERRUPT:
		return err_set(e, ERR_LIMIT, "%s: reading it takes too long", f->name);
	case SQLITE_TOOBIG:
		return err_set(e, ERR_LIMIT, "%s: a value in it is too large", f->name);
	default:
		return err_set(e, ERR_STORE, "%s: not a database that can be read, or damaged (%s)", f->name,
			       f->db ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc));
	}
}

/*
 * A file that was cut off in copying reads as if it had empty rows where it ends. Header of a database: page size at
 * offset 16 (1: 65536), pages at 28, which count when the numbers at 24 and 92 agree.
 */
static bool is_whole(struct view file)
{
	uint32_t pages = 0, changes = 0, counted = 1;
	uint16_t size = 0;
	struct rd r;

	rd_init(&r, file.p, file.len);
	if (!rd_skip(&r, 16) || !rd_u16(&r, &size) || !rd_skip(&r, 6) || !rd_u32(&r, &changes) || !rd_u32(&r, &pages) ||
	    !rd_skip(&r, 60) || !rd_u32(&r, &counted))
		return false;
	uint64_t page = size == 1 ? 65536 : size;
	return page >= 512 && file.len % page == 0 && (changes != counted || pages <= file.len / page);
}

static int load(struct foreign *f, struct view file, struct err *e)
{
	int rc = sqlite3_open_v2(":memory:", &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	uint8_t *copy = rc ? NULL : sqlite3_malloc64(file.len);

	if (rc)
		return failure(f, rc, e);
	if (!copy)
		return err_set(e, ERR_NOMEM, "%s: out of memory", f->name);
	memcpy(copy, file.p, file.len);
	if (copy[VERSION_OFFSET] == 2)
		copy[VERSION_OFFSET] = copy[VERSION_OFFSET + 1] = 1;
	rc = sqlite3_deserialize(f->db, "main", copy, (sqlite3_int64)file.len, (sqlite3_int64)file.len,
				 SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
	if (!rc)
		rc = sqlite3_exec(f->db, "PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
				  NULL, NULL, NULL);
	if (rc)
		return failure(f, rc, e);
	sqlite_prudent(f->db);
	sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(f->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(f->db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_set_authorizer(f->db, authorize, NULL);
	sqlite3_progress_handler(f->db, WORK_STEP, progress, f);
	return 0;
}

int foreign_open(struct view file, const char *name, struct foreign **out, struct err *e)
{
	struct foreign *f;
	int rc;

	if (file.len > FOREIGN_MAX)
		return err_set(e, ERR_LIMIT, "%s: larger than %d octets", name, FOREIGN_MAX);
	if (!foreign_is(file) || !is_whole(file))
		return err_set(e, ERR_STORE, "%s: not a database that can be read: it is cut off or damaged", name);
	f = calloc(1, sizeof(*f));
	if (!f || !(f->name = strdup(name)))
		rc = err_set(e, ERR_NOMEM, "%s: out of memory", name);
	else
		rc = load(f, file, e);
	if (rc) {
		foreign_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

void foreign_close(struct foreign *f)
{
	if (!f)
		return;
	sqlite3_close_v2(f->db);
	free(f->name);
	free(f);
}

/* --- tables --- */

struct names {
	char *name[TABLES_MAX];
	size_t n;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
}

static bool is_plain(const char *name, const char *sql)
{
	return name && sql && sqlite3_strnicmp(name, "sqlite_", 7) != 0 &&
	       sqlite3_strnicmp(sql, "CREATE TABLE", strlen("CREATE TABLE")) == 0;
}

static int list_names(struct foreign *f, struct names *names, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(f->db, "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name", -1,
				    &stmt, NULL);

	f->steps = 0;
	while (!rc && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		rc = SQLITE_OK;
		if (!is_plain(name, (const char *)sqlite3_column_text(stmt, 1)))
			continue;
		if (names->n == TABLES_MAX) {
			rc = SQLITE_TOOBIG;
			break;
		}
		names->name[names->n] = strdup(name);
		if (!names->name[names->n++])
			rc = SQLITE_NOMEM;
	}
	if (rc != SQLITE_DONE)
		rc = failure(f, rc, e);
	else
		rc = 0;
	sqlite3_finalize(stmt);
	return rc;
}

static int select_all(struct foreign *f, const char *table, sqlite3_stmt **stmt, struct err *e)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);
	int rc = sql ? sqlite3_prepare_v2(f->db, sql, -1, stmt, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	f->steps = 0;
	if (!rc && sqlite3_column_count(*stmt) > FOREIGN_COLUMNS_MAX)
		return err_set(e, ERR_LIMIT, "%s: a table has more than %d columns", f->name, FOREIGN_COLUMNS_MAX);
	return rc ? failure(f, rc, e) : 0;
}

static int give_table(struct foreign *f, const char *name, int (*cb)(void *ctx, const struct foreign_table *t), void *ctx,
		      struct err *e)
{
	const char *columns[FOREIGN_COLUMNS_MAX];
	struct foreign_table t = { .name = name, .columns = columns };
	sqlite3_stmt *stmt = NULL;
	int rc = select_all(f, name, &stmt, e);

	if (!rc) {
		t.n = (size_t)sqlite3_column_count(stmt);
		for (size_t i = 0; i < t.n && !rc; i++) {
			columns[i] = sqlite3_column_name(stmt, (int)i);
			if (!columns[i])
				rc = err_set(e, ERR_NOMEM, "%s: out of memory", f->name);
		}
	}
	if (!rc)
		rc = cb(ctx, &t);
	sqlite3_finalize(stmt);
	return rc;
}

int foreign_tables(struct foreign *f, int (*cb)(void *ctx, const struct foreign_table *t), void *ctx, struct err *e)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return err_set(e, ERR_NOMEM, "%s: out of memory", f->name);
	int rc = list_names(f, names, e);
	for (size_t i = 0; i < names->n && !rc; i++)
		rc = give_table(f, names->name[i], cb, ctx, e);
	names_free(names);
	free(names);
	return rc;
}

/* --- rows --- */

static struct foreign_value value_of(sqlite3_stmt *stmt, int i)
{
	struct foreign_value v = { 0 };

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_NULL:
		return v;
	case SQLITE_BLOB:
		v.kind = FOREIGN_BLOB;
		v.octets.p = sqlite3_column_blob(stmt, i);
		break;
	case SQLITE_TEXT:
		v.kind = FOREIGN_TEXT;
		v.octets.p = sqlite3_column_text(stmt, i);
		break;
	default:
		v.kind = FOREIGN_NUMBER;
		v.octets.p = sqlite3_column_text(stmt, i);
	}
	v.octets.len = v.octets.p ? (size_t)sqlite3_column_bytes(stmt, i) : 0;
	if (!v.octets.p)
		v.octets.p = (const uint8_t *)"";
	return v;
}

int foreign_rows(struct foreign *f, const struct foreign_table *t,
		 int (*cb)(void *ctx, const struct foreign_value *values), void *ctx, struct err *e)
{
	struct foreign_value values[FOREIGN_COLUMNS_MAX];
	sqlite3_stmt *stmt = NULL;
	size_t n = 0;
	int got = SQLITE_DONE;
	int rc = select_all(f, t->name, &stmt, e);

	while (!rc && (got = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (++n > FOREIGN_ROWS_MAX) {
			rc = err_set(e, ERR_LIMIT, "%s: the table %s has more than %d rows", f->name, t->name,
				     FOREIGN_ROWS_MAX);
			break;
		}
		for (size_t i = 0; i < t->n; i++)
			values[i] = value_of(stmt, (int)i);
		rc = cb(ctx, values);
	}
	if (!rc && got != SQLITE_DONE)
		rc = failure(f, got, e);
	sqlite3_finalize(stmt);
	return rc;
}
