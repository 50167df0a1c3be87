#include "store/administrator.h"

#include "store/store_internal.h"

#define COLUMNS "name, derivedpassword, failures, lockeduntil, changed, lastlogin"

int store_administrator_put(struct store *s, const char *name, const char *derived, int64_t now, struct err *e)
{
	int rc = store_name_ok("account", name, e);

	if (rc)
		return rc;
	if (strlen(name) >= STORE_ADMINISTRATOR_NAME_SIZE)
		return err_set(e, ERR_USAGE, "an account's name has at most %d characters", STORE_ADMINISTRATOR_NAME_SIZE - 1);
	return store_db_exec(s, NULL, e,
			     "INSERT INTO administrator (" COLUMNS ") VALUES ($1, $2, 0, NULL, $3, NULL) "
			     "ON CONFLICT (name) DO UPDATE SET derivedpassword = $2, failures = 0, lockeduntil = NULL, changed = $3",
			     VALUES(value_text(name), value_text(derived), value_int(now)));
}

int store_administrator_tried(struct store *s, const struct store_administrator *a, struct err *e)
{
	return store_db_exec(s, NULL, e,
			     "UPDATE administrator SET failures = $2, lockeduntil = $3, lastlogin = $4 WHERE name = $1",
			     VALUES(value_text(a->name), value_int(a->failures), value_time(a->locked_until),
				    value_time(a->last_login)));
}

static int take(void *ctx, const struct store_row *row, struct err *e)
{
	struct store_administrator *a = store_list_add(ctx);

	if (!a)
		return err_set(e, ERR_NOMEM, "out of memory");
	a->failures = (unsigned)row_int(row, 2);
	a->locked_until = row_int(row, 3);
	a->changed = row_int(row, 4);
	a->last_login = row_int(row, 5);
	int rc = ROW_COPY(row, 0, a->name, e);
	return rc ? rc : ROW_COPY(row, 1, a->derived, e);
}

static int query(struct store *s, const char *sql, const struct store_value *v, size_t n_values,
		 struct store_administrator **list, size_t *n, struct err *e)
{
	struct store_list l = {.item = sizeof(**list)};
	int rc = store_db_query(s, take, &l, e, sql, v, n_values);

	if (rc) {
		free(l.items);
		return rc;
	}
	*list = (struct store_administrator *)(void *)l.items;
	*n = l.n;
	return 0;
}

int store_administrator_get(struct store *s, const char *name, struct store_administrator *a, bool *found, struct err *e)
{
	struct store_administrator *list;
	size_t n;
	int rc = query(s, "SELECT " COLUMNS " FROM administrator WHERE name = $1", VALUES(value_text(name)), &list, &n, e);

	if (rc)
		return rc;
	*found = n > 0;
	if (n)
		*a = list[0];
	free(list);
	return 0;
}

int store_administrator_delete(struct store *s, const char *name, bool *found, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e, "DELETE FROM administrator WHERE name = $1", VALUES(value_text(name)));

	if (!rc)
		*found = changed > 0;
	return rc;
}

int store_administrator_list(struct store *s, struct store_administrator **list, size_t *n, struct err *e)
{
	return query(s, "SELECT " COLUMNS " FROM administrator ORDER BY name", NO_VALUES, list, n, e);
}
