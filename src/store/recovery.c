#include "store/recovery.h"

#include "store/store_internal.h"

static int check(const char *sha256, const char *keys, struct err *e)
{
	if (strlen(sha256) != 64)
		return err_set(e, ERR_BUG, "%s is not a SHA-256 in hex", sha256);
	if (strlen(keys) >= sizeof(((struct store_recovery *)0)->keys))
		return err_set(e, ERR_LIMIT, "an export holds too many keys");
	return 0;
}

/* A row for this file if there is none. */
static int know(struct store *s, const char *sha256, const char *keys, int64_t time, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "INSERT INTO recoveryexport (sha256, exported, verified, keynames) VALUES ($1, $2, 0, $3) "
			     "ON CONFLICT DO NOTHING",
			     VALUES(value_text(sha256), value_int(time), value_text(keys)));
}

int store_recovery_exported(struct store *s, const char *sha256, const char *keys, int64_t time, struct err *e)
{
	int rc = check(sha256, keys, e);

	if (!rc)
		rc = store_scope_begin(s, e);
	return rc ? rc : store_scope_end(s, know(s, sha256, keys, time, e), e);
}

int store_recovery_verified(struct store *s, const char *sha256, const char *keys, int64_t time, struct err *e)
{
	int rc = check(sha256, keys, e);

	if (!rc)
		rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	rc = know(s, sha256, keys, time, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "UPDATE recoveryexport SET verified = $1, keynames = $2 WHERE sha256 = $3",
				   VALUES(value_int(time), value_text(keys), value_text(sha256)));
	return store_scope_end(s, rc, e);
}

struct getting {
	struct store_recovery r;
	bool found;
};

static int take(void *ctx, const struct store_row *row, struct err *e)
{
	struct getting *g = ctx;

	g->found = true;
	g->r.exported = row_int(row, 0);
	g->r.verified = row_int(row, 1);
	int rc = ROW_COPY(row, 2, g->r.sha256, e);
	return rc ? rc : ROW_COPY(row, 3, g->r.keys, e);
}

int store_recovery_latest(struct store *s, struct store_recovery *r, bool *found, struct err *e)
{
	struct getting g = {.found = false};
	int rc = store_db_query(s, take, &g, e,
				"SELECT exported, verified, sha256, keynames FROM recoveryexport "
				"ORDER BY verified DESC, exported DESC LIMIT 1",
				NO_VALUES);

	if (rc)
		return rc;
	*found = g.found;
	if (g.found)
		*r = g.r;
	return 0;
}
