#include <fnmatch.h>
#include <string.h>

#include "base/text.h"
#include "cluster/phones_internal.h"

/* Which phones `phone list` and `phone export` show. */
struct listing {
	const struct phones_filter *f;
	const char *security, *operation; /* in their spelling */
	int (*cb)(void *ctx, const struct store_device *d);
	void *ctx;
	size_t seen;
	char *last;                       /* of a page: STORE_NAME_SIZE octets for the name of the one that was seen last */
};

static bool like(const char *pattern, const char *text)
{
	return !pattern || fnmatch(pattern, text, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
}

static bool is(const char *want, const char *text)
{
	return !want || strcmp(want, text) == 0;
}

static bool wanted(const struct listing *l, const struct store_device *d)
{
	const struct phones_filter *f = l->f;
	bool has_lsc = d->lsc.sha256[0];

	return like(f->name, d->name) && like(f->model, d->model) && like(f->pool, d->pool) && like(f->group, d->group) &&
	       like(f->description, d->description) && like(f->status, d->status) && like(f->issuer, d->lsc.issuer) &&
	       is(l->security, device_security_names[d->security]) &&
	       is(l->operation, device_operation_names[d->operation]) &&
	       (!f->lsc_expires_before || (has_lsc && d->lsc.not_after < f->lsc_expires_before)) &&
	       !(f->no_lsc && has_lsc) && !(f->old_tls && !d->old_tls_seen);
}

static int one(void *ctx, const struct store_device *d)
{
	struct listing *l = ctx;

	l->seen++;
	if (l->last)
		strcpy(l->last, d->name);
	return wanted(l, d) ? l->cb(l->ctx, d) : 0;
}

/* A value of a field in the field's own spelling. */
static int spell(enum phone_field field, const char *given, const char **spelled, struct err *e)
{
	struct store_device probe = { 0 };
	int rc = given ? phone_field_set(&probe, field, given, e) : 0;

	for (const char *const *v = phone_field_values(field); !rc && given && *v; v++)
		if (text_same(*v, given))
			*spelled = *v;
	return rc;
}

static int list(struct cluster *c, struct listing *l, const char *after, size_t limit, struct err *e)
{
	int rc = spell(PHONE_SECURITY, l->f->security, &l->security, e);

	if (!rc)
		rc = spell(PHONE_OPERATION, l->f->operation, &l->operation, e);
	return rc ? rc : store_device_list(c->store, after, limit, one, l, e);
}

int phones_list(struct cluster *c, const struct phones_filter *f, int (*cb)(void *ctx, const struct store_device *d),
		void *ctx, struct err *e)
{
	struct listing l = { .f = f, .cb = cb, .ctx = ctx };

	return list(c, &l, NULL, 0, e);
}

int phones_page(struct cluster *c, const struct phones_filter *f, char after[STORE_NAME_SIZE], size_t limit,
		int (*cb)(void *ctx, const struct store_device *d), void *ctx, bool *more, struct err *e)
{
	char from[STORE_NAME_SIZE];
	struct listing l = { .f = f, .cb = cb, .ctx = ctx, .last = after };

	strcpy(from, after);
	int rc = list(c, &l, from, limit, e);
	*more = !rc && l.seen == limit;
	return rc;
}
