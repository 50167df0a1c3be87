#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "cluster/phones_internal.h"

static int limit_of(struct cluster *c, struct capf_limit *limit, struct err *e)
{
	uint32_t failures, minutes;
	int rc = param_get_number(c, PARAM_CAPF_ADDRESS_FAILURES, &failures, e);

	if (!rc)
		rc = param_get_number(c, PARAM_CAPF_ADDRESS_LOCK, &minutes, e);
	if (!rc)
		*limit = (struct capf_limit){ failures, (uint64_t)minutes * 60000 };
	return rc;
}

/* --- for sessions --- */

/* Without its parameters the store is broken, and nobody gets anything anyway. */
bool capf_locked_out(struct capf_turn *t)
{
	struct capf_addresses *all = &t->a->addresses;
	struct capf_limit limit;
	struct err e = ERR_INIT;

	if (!all->n || limit_of(t->a->c, &limit, &e))
		return false;
	if (!limit.failures)
		all->n = 0; /* nor does a lock come back when there is a limit again */
	return capf_address_locked(all, t->ask->peer, limit, t->now_ms);
}

void capf_count_failure(struct capf_turn *t)
{
	struct capf_limit limit;
	struct err e = ERR_INIT;

	if (limit_of(t->a->c, &limit, &e) || !capf_address_failed(&t->a->addresses, t->ask->peer, limit, t->now_ms))
		return;
	text_append(t->out->text, sizeof(t->out->text), strlen(t->out->text), "; the address is locked out for %u minutes",
		    (unsigned)(limit.ms / 60000));
}

/* --- for administrators --- */

int capf_lockouts(const struct capf *a, int (*cb)(void *ctx, const struct capf_lockout *l), void *ctx, struct err *e)
{
	uint64_t now_ms = clock_mono_ms(a->c->clock);
	struct capf_limit limit;
	int rc = limit_of(a->c, &limit, e);

	for (size_t i = 0; !rc && i < a->addresses.n; i++) {
		const struct capf_address *x = &a->addresses.list[i];
		struct capf_lockout l = { .failures = x->failures };
		if (!capf_address_is_locked(x, limit, now_ms))
			continue;
		l.until = clock_wall_s(a->c->clock) + (int64_t)((x->since_ms + limit.ms - now_ms + 999) / 1000);
		capf_address_text(x, l.address, sizeof(l.address));
		rc = cb(ctx, &l);
	}
	return rc;
}

struct lifting {
	const struct capf *a;
	const char *address;
	size_t n;
};

static int count_one(void *ctx, const struct capf_lockout *l)
{
	(void)l;
	++*(size_t *)ctx;
	return 0;
}

/* What is lifted is in memory, so it is done when this has been recorded. */
static int lift(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct lifting *l = ctx;
	struct capf_limit limit;
	bool valid = true;
	int rc = limit_of(c, &limit, e);

	if (!rc && !l->address)
		rc = capf_lockouts(l->a, count_one, &l->n, e);
	if (rc || !l->address)
		return rc;
	const struct capf_address *x = capf_address_find(&l->a->addresses, l->address, &valid);
	l->n = x && capf_address_is_locked(x, limit, clock_mono_ms(c->clock));
	if (!valid)
		return err_set(e, ERR_USAGE, "an IP address is expected, or 'all'");
	if (!l->n)
		return err_set(e, ERR_USAGE, "%s is not locked out: see 'utils capf lockout list'", l->address);
	snprintf(ch->before, sizeof(ch->before), "%u failures", x->failures);
	return 0;
}

int capf_lockout_delete(struct capf *a, const char *who, const char *address, bool rehearsal, size_t *n, struct err *e)
{
	struct lifting l = { .a = a, .address = address };
	char object[128], shown[80];
	struct phone_change ch = { .who = who, .command = "utils capf lockout delete", .object = object,
				   .rehearsal = rehearsal, .apply = lift, .ctx = &l };
	bool valid;

	text_escape(shown, sizeof(shown), view_str(address ? address : "all addresses"));
	snprintf(object, sizeof(object), "CAPF lock-out of %s", shown);
	int rc = phone_change_run(a->c, &ch, e);
	if (rc)
		return rc;
	if (!rehearsal && address)
		capf_address_forget(&a->addresses, capf_address_find(&a->addresses, address, &valid));
	else if (!rehearsal)
		a->addresses.n = 0;
	*n = l.n;
	return 0;
}
