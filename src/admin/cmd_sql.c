#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "store/sqltable.h"
#include "store/store.h"

/* `run sql`: reading is all that the engine allows. Source: behaviour.md 1.7. */

static int as_table(struct command_run *r, const char *text, struct err *e)
{
	AUTO(auto_free) char *table = NULL;
	struct sqltable *t = sqltable_new();

	if (!t)
		return err_set(e, ERR_NOMEM, "out of memory");
	struct store_sql_sink sink = sqltable_sink(t);
	int rc = store_run_sql(r->host->store, text, NULL, &sink, e);
	if (rc == 0)
		rc = sqltable_render(t, &table, e);
	if (rc == 0)
		fputs(table, r->out);
	sqltable_free(t);
	return rc;
}

static int json_head(void *ctx, const struct store_sql_row *names)
{
	(void)ctx;
	(void)names;
	return 0;
}

static int json_row(void *ctx, const struct store_sql_row *row)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < row->n; i++) {
		/* What is no UTF-8 (a BLOB) cannot stand in JSON; it becomes null, as in a table it would be \xNN. */
		json_t *value = row->values[i] ? json_stringn(row->values[i], row->lens[i]) : json_null();
		if (json_object_set_new(object, row->names[i], value ? value : json_null()) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return !object || json_array_append_new(ctx, object) < 0 ? ERR_NOMEM : 0;
}

static int as_json(struct command_run *r, const char *text, struct err *e)
{
	json_t *rows = json_array();
	struct store_sql_sink sink = {json_head, json_row, rows};
	int rc = rows ? store_run_sql(r->host->store, text, NULL, &sink, e) : ERR_NOMEM;

	if (rc == 0)
		return print_json(r->out, rows, e);
	json_decref(rows);
	return err_set(e, rc, "out of memory");
}

int cmd_run_sql(struct command_run *r, struct err *e)
{
	const char *text = command_arg(r, 0);

	return command_option(r, "--json") ? as_json(r, text, e) : as_table(r, text, e);
}
