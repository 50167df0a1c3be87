#include "store/generation.h"

#include <inttypes.h>

#include "store/store_internal.h"

#define COLUMNS                                                                                                        \
	"number, created, ctlsha256, itlsha256, signerkey, signercertificate, digest, reason, tkgenerationstate, " \
	"ctlsigner, itlsigner, ctltimestamp"

static int take(void *ctx, const struct store_row *r, struct err *e)
{
	struct store_generation *g = store_list_add(ctx);

	if (!g)
		return err_set(e, ERR_NOMEM, "out of memory");
	g->number = (uint64_t)row_int(r, 0);
	g->created = row_int(r, 1);
	g->state = (enum store_generation_state)row_int(r, 8);
	g->ctl_signer = (enum store_signer)row_int(r, 9);
	g->itl_signer = (enum store_signer)row_int(r, 10);
	g->ctl_timestamp = (uint32_t)row_int(r, 11);
	int rc = ROW_COPY(r, 2, g->ctl_sha256, e);
	if (!rc)
		rc = ROW_COPY(r, 3, g->itl_sha256, e);
	if (!rc)
		rc = ROW_COPY(r, 4, g->signer_key, e);
	if (!rc)
		rc = ROW_COPY(r, 5, g->signer_cert, e);
	if (!rc)
		rc = ROW_COPY(r, 6, g->digest, e);
	if (!rc)
		rc = ROW_COPY(r, 7, g->reason, e);
	return rc;
}

static int find_one(struct store *s, struct store_generation *g, bool *found, struct err *e, const char *sql,
		    const struct store_value *v, size_t n)
{
	struct store_list l = {.item = sizeof(*g)};
	int rc = store_db_query(s, take, &l, e, sql, v, n);

	if (!rc) {
		*found = l.n > 0;
		if (*found)
			memcpy(g, l.items, sizeof(*g));
	}
	free(l.items);
	return rc;
}

int store_generation_latest(struct store *s, struct store_generation *g, bool *found, struct err *e)
{
	return find_one(s, g, found, e, "SELECT " COLUMNS " FROM generation WHERE tkgenerationstate = $1",
			VALUES(value_int(STORE_GENERATION_CURRENT)));
}

int store_generation_get(struct store *s, uint64_t number, struct store_generation *g, bool *found, struct err *e)
{
	return find_one(s, g, found, e, "SELECT " COLUMNS " FROM generation WHERE number = $1",
			VALUES(value_int((int64_t)number)));
}

int store_generation_last_ctl(struct store *s, uint32_t *timestamp, struct err *e)
{
	int64_t last = 0;
	int rc = store_db_int(s, &last, NULL, e, "SELECT coalesce(max(ctltimestamp), 0) FROM generation", NO_VALUES);

	if (!rc)
		*timestamp = last < 0 ? 0 : last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
	return rc;
}

int store_generation_list(struct store *s, size_t limit, struct store_generation **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	int rc = store_db_query(s, take, &l, e, "SELECT " COLUMNS " FROM generation ORDER BY number DESC LIMIT $1",
				VALUES(value_int(limit ? (int64_t)limit : INT64_MAX)));

	if (rc) {
		free(l.items);
		return rc;
	}
	*list = (struct store_generation *)(void *)l.items;
	*n = l.n;
	return 0;
}

/* Numbers name folders: they rise by one, and none is used twice. */
static int check_number(struct store *s, uint64_t number, struct err *e)
{
	int64_t last = 0;
	int rc = store_db_int(s, &last, NULL, e, "SELECT max(number) FROM generation", NO_VALUES);

	if (!rc && number != (uint64_t)last + 1)
		return err_set(e, ERR_USAGE, "generation %" PRIu64 ": the next one is %" PRId64, number, last + 1);
	return rc;
}

static int add(struct store *s, const struct store_generation *g, struct err *e)
{
	int rc = check_number(s, g->number, e);

	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "UPDATE generation SET tkgenerationstate = $1 WHERE tkgenerationstate = $2",
				   VALUES(value_int(STORE_GENERATION_KEPT), value_int(STORE_GENERATION_CURRENT)));
	if (rc)
		return rc;
	return store_db_exec(s, NULL, e,
			     "INSERT INTO generation (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			     VALUES(value_int((int64_t)g->number), value_int(g->created), value_text(g->ctl_sha256),
				    value_text(g->itl_sha256), value_text(g->signer_key), value_text(g->signer_cert),
				    value_text(g->digest), value_text(g->reason), value_int(STORE_GENERATION_CURRENT),
				    value_int(g->ctl_signer), value_int(g->itl_signer), value_int(g->ctl_timestamp)));
}

int store_generation_add(struct store *s, const struct store_generation *g, struct err *e)
{
	int rc = store_scope_begin(s, e);

	return rc ? rc : store_scope_end(s, add(s, g, e), e);
}

static int set_state(struct store *s, uint64_t number, enum store_generation_state state, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e,
			       "UPDATE generation SET tkgenerationstate = $1 WHERE number = $2 "
			       "AND tkgenerationstate <> $3",
			       VALUES(value_int(state), value_int((int64_t)number),
				      value_int(STORE_GENERATION_CURRENT)));

	if (!rc && !changed)
		return err_set(e, ERR_USAGE, "generation %" PRIu64 " is not an earlier one", number);
	return rc;
}

int store_generation_set_state(struct store *s, uint64_t number, enum store_generation_state state, struct err *e)
{
	if (state != STORE_GENERATION_KEPT && state != STORE_GENERATION_GONE)
		return err_set(e, ERR_USAGE, "generation %" PRIu64 ": only a new one can become the current one",
			       number);
	int rc = store_scope_begin(s, e);
	return rc ? rc : store_scope_end(s, set_state(s, number, state, e), e);
}
