#include "store/audit.h"

#include "store/store_internal.h"

static const char cut_mark[] = " [...]";

/* The text itself, or a copy in *copy that is cut to STORE_AUDIT_TEXT_MAX, not within a character. */
static int bounded(const char *text, const char **out, char **copy, struct err *e)
{
	size_t n = text ? strlen(text) : 0;

	*out = text;
	if (n <= STORE_AUDIT_TEXT_MAX)
		return 0;
	n = STORE_AUDIT_TEXT_MAX - strlen(cut_mark);
	while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	*copy = malloc(n + sizeof(cut_mark));
	if (!*copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(*copy, text, n);
	memcpy(*copy + n, cut_mark, sizeof(cut_mark));
	*out = *copy;
	return 0;
}

static int append(struct store *s, const struct store_audit *a, struct err *e)
{
	int64_t last = 0;
	int rc = store_db_int(s, &last, NULL, e, "SELECT max(number) FROM audit", NO_VALUES);

	if (rc)
		return rc;
	return store_db_exec(
		s, NULL, e,
		"INSERT INTO audit (number, time, username, command, object, valuebefore, valueafter, outcome) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		VALUES(value_int(last + 1), value_int(a->time), value_text(a->who), value_text(a->command),
		       value_text(a->object), value_text(a->before), value_text(a->after), value_text(a->outcome)));
}

int store_audit_append(struct store *s, const struct store_audit *a, struct err *e)
{
	struct store_audit b = *a;
	const struct {
		const char *text;
		const char **out;
	} fields[] = {
		{a->who, &b.who}, {a->command, &b.command}, {a->object, &b.object},
		{a->before, &b.before}, {a->after, &b.after}, {a->outcome, &b.outcome},
	};
	const size_t n = sizeof(fields) / sizeof(fields[0]);
	char *copies[sizeof(fields) / sizeof(fields[0])] = {NULL};
	int rc = 0;

	if (!a->who || !a->command || !a->outcome)
		return err_set(e, ERR_BUG, "an audit row without who, command or outcome");
	for (size_t i = 0; !rc && i < n; i++)
		rc = bounded(fields[i].text, fields[i].out, &copies[i], e);
	if (!rc)
		rc = store_scope_begin(s, e);
	if (!rc)
		rc = store_scope_end(s, append(s, &b, e), e);
	for (size_t i = 0; i < n; i++)
		free(copies[i]);
	return rc;
}

struct listing {
	int (*cb)(void *ctx, const struct store_audit *a);
	void *ctx;
};

static const char *or_null(const struct store_row *r, size_t i)
{
	return r->v[i].type == STORE_TEXT ? r->v[i].s : NULL;
}

static int give(void *ctx, const struct store_row *r, struct err *e)
{
	const struct listing *l = ctx;
	struct store_audit a = {
		.number = (uint64_t)row_int(r, 0),
		.time = row_int(r, 1),
		.who = row_text(r, 2),
		.command = row_text(r, 3),
		.object = or_null(r, 4),
		.before = or_null(r, 5),
		.after = or_null(r, 6),
		.outcome = row_text(r, 7),
	};

	(void)e;
	return l->cb(l->ctx, &a);
}

int store_audit_list(struct store *s, uint64_t before, size_t limit,
		     int (*cb)(void *ctx, const struct store_audit *a), void *ctx, struct err *e)
{
	struct listing l = {cb, ctx};

	return store_db_query(
		s, give, &l, e,
		"SELECT number, time, username, command, object, valuebefore, valueafter, outcome FROM audit "
		"WHERE number < $1 ORDER BY number DESC LIMIT $2",
		VALUES(value_int(before ? (int64_t)before : INT64_MAX), value_int(limit ? (int64_t)limit : INT64_MAX)));
}
