#include "store/phone_reset.h"

#include <stdio.h>

#include "store/store_internal.h"

#define OF_NODE "fkprocessnode = (SELECT pkid FROM processnode WHERE lower(name) = lower($1))"

static int take(void *ctx, const struct store_row *row, struct err *e)
{
	struct store_phone_reset *r = ctx;

	r->owed = true;
	r->number = row_int(row, 0);
	r->since = row_int(row, 1);
	int rc = ROW_COPY(row, 2, r->who, e);
	return rc ? rc : ROW_COPY(row, 3, r->told, e);
}

int store_phone_reset_get(struct store *s, const char *node, struct store_phone_reset *r, struct err *e)
{
	struct store_phone_reset got = {0};
	int rc = store_db_query(s, take, &got, e, "SELECT number, since, who, told FROM phonereset WHERE " OF_NODE,
				VALUES(value_text(node)));

	if (!rc)
		*r = got;
	return rc;
}

int store_phone_reset_owe(struct store *s, const char *node, const char *who, int64_t now, struct err *e)
{
	int64_t changed = 0;
	char name[sizeof(((struct store_phone_reset *)0)->who)];

	snprintf(name, sizeof(name), "%s", who);
	int rc = store_db_exec(s, &changed, e,
			       "INSERT INTO phonereset (fkprocessnode, number, since, who, told)"
			       " SELECT pkid, 1, $2, $3, '' FROM processnode WHERE lower(name) = lower($1)"
			       " ON CONFLICT (fkprocessnode) DO UPDATE SET number = phonereset.number + 1, since = $2, who = $3, told = ''",
			       VALUES(value_text(node), value_int(now), value_text(name)));

	return rc || changed ? rc : err_set(e, ERR_USAGE, "there is no node '%s'", node);
}

int store_phone_reset_told(struct store *s, const char *node, int64_t number, const char *told, struct err *e)
{
	return store_db_exec(s, NULL, e, "UPDATE phonereset SET told = $3 WHERE " OF_NODE " AND number = $2",
			     VALUES(value_text(node), value_int(number), value_text(told)));
}

int store_phone_reset_paid(struct store *s, const char *node, int64_t number, struct err *e)
{
	return store_db_exec(s, NULL, e, "DELETE FROM phonereset WHERE " OF_NODE " AND number = $2",
			     VALUES(value_text(node), value_int(number)));
}
