/* What every noun needs: columns into fields, results that grow, names, identifiers. */
#include <stdio.h>

#include "base/random.h"
#include "base/text.h"
#include "store/store_internal.h"

const char *row_text(const struct store_row *r, size_t i)
{
	return r->v[i].type == STORE_TEXT ? r->v[i].s : "";
}

int64_t row_int(const struct store_row *r, size_t i)
{
	return r->v[i].type == STORE_INT ? r->v[i].i : 0;
}

bool row_bool(const struct store_row *r, size_t i)
{
	return strcmp(row_text(r, i), "t") == 0;
}

int row_copy(const struct store_row *r, size_t i, char *out, size_t size, struct err *e)
{
	const char *text = row_text(r, i);
	size_t n = strlen(text);

	if (n >= size)
		return err_set(e, ERR_STORE,
			       "the store holds a text of %zu octets where %zu fit: another program wrote it", n,
			       size - 1);
	memcpy(out, text, n + 1);
	return 0;
}

void *store_list_add(struct store_list *l)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		char *p = reallocarray(l->items, room, l->item);
		if (!p)
			return NULL;
		l->items = p;
		l->room = room;
	}
	char *item = l->items + l->n * l->item;
	memset(item, 0, l->item);
	l->n++;
	return item;
}

int row_word(const struct store_row *r, size_t i, const char *const *words, unsigned *value, struct err *e)
{
	const char *text = row_text(r, i);

	for (unsigned n = 0; words[n]; n++)
		if (strcmp(words[n], text) == 0) {
			*value = n;
			return 0;
		}
	return err_set(e, ERR_STORE, "the store holds '%.60s' where it must be '%s' or another known word: another program wrote it",
		       text, words[0]);
}

struct one {
	int64_t i;
	char *text;
	bool found;
};

static int take_int(void *ctx, const struct store_row *r, struct err *e)
{
	struct one *o = ctx;

	(void)e;
	o->i = row_int(r, 0);
	o->found = true;
	return 0;
}

int store_db_int(struct store *s, int64_t *i, bool *found, struct err *e, const char *sql, const struct store_value *v,
		 size_t n)
{
	struct one o = {0};
	int rc = store_db_query(s, take_int, &o, e, sql, v, n);

	if (rc)
		return rc;
	if (o.found)
		*i = o.i;
	if (found)
		*found = o.found;
	return 0;
}

static int take_text(void *ctx, const struct store_row *r, struct err *e)
{
	struct one *o = ctx;

	if (o->found || r->v[0].type != STORE_TEXT)
		return 0;
	o->text = strdup(r->v[0].s);
	o->found = true;
	return o->text ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int store_db_text(struct store *s, char **text, struct err *e, const char *sql, const struct store_value *v, size_t n)
{
	struct one o = {0};
	int rc = store_db_query(s, take_text, &o, e, sql, v, n);

	if (rc)
		free(o.text);
	else
		*text = o.text;
	return rc;
}

int store_db_pkid(struct store *s, char pkid[STORE_PKID_SIZE], struct err *e, const char *sql,
		  const struct store_value *v, size_t n)
{
	char *got = NULL;
	int rc = store_db_text(s, &got, e, sql, v, n);

	if (rc)
		return rc;
	if (got && strlen(got) >= STORE_PKID_SIZE)
		rc = err_set(e, ERR_STORE, "the store holds a malformed pkid: another program wrote it");
	else
		strcpy(pkid, got ? got : "");
	free(got);
	return rc;
}

int store_name_ok(const char *what, const char *name, struct err *e)
{
	char shown[2 * STORE_NAME_SIZE];

	if (!name || !*name)
		return err_set(e, ERR_USAGE, "the name of the %s is missing", what);
	size_t n = text_escape(shown, sizeof(shown), view_str(name));
	if (strlen(name) >= STORE_NAME_SIZE)
		return err_set(e, ERR_USAGE, "%s %.40s...: a name has at most %d octets", what, shown,
			       STORE_NAME_SIZE - 1);
	for (const char *p = name; *p; p++)
		n -= *p == '\\'; /* escaped too, and allowed */
	if (n != strlen(name))
		return err_set(e, ERR_USAGE, "%s %s: a name has no control characters and is UTF-8", what, shown);
	return 0;
}

int store_pkid_new(char pkid[STORE_PKID_SIZE], struct err *e)
{
	uint8_t r[16];
	char hex[33];
	int rc = random_fill(&random_system, r, sizeof(r), e);

	if (rc)
		return rc;
	r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
	r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
	text_hex(hex, sizeof(hex), (struct view){r, sizeof(r)}, '\0', false);
	snprintf(pkid, STORE_PKID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return 0;
}

int store_counter_next(struct store *s, const char *name, int64_t *value, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e, "UPDATE counter SET value = value + 1 WHERE name = $1",
			       VALUES(value_text(name)));

	if (!rc && !changed)
		rc = store_db_exec(s, NULL, e, "INSERT INTO counter (name, value) VALUES ($1, 1)",
				   VALUES(value_text(name)));
	if (!rc)
		rc = store_db_int(s, value, NULL, e, "SELECT value FROM counter WHERE name = $1",
				  VALUES(value_text(name)));
	return rc;
}
