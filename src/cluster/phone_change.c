/* Changes of phones and their audit. They publish nothing, so this is much less than change.c does. */
#include <stdio.h>

#include "cluster/phones_internal.h"
#include "store/audit.h"

int phone_audit(struct cluster *c, const struct phone_change *ch, const char *outcome, struct err *e)
{
	const struct store_audit a = {
		.time = clock_wall_s(c->clock),
		.who = ch->who,
		.command = ch->command,
		.object = ch->object,
		.before = ch->before[0] ? ch->before : NULL,
		.after = ch->after[0] ? ch->after : NULL,
		.outcome = outcome,
	};

	return store_audit_append(c->store, &a, e);
}

static void record_failure(struct cluster *c, struct phone_change *ch, int rc, const struct err *why)
{
	char outcome[sizeof(why->text) + 16];

	snprintf(outcome, sizeof(outcome), "%s: %s", rc == ERR_USAGE || rc == ERR_PROTO ? "refused" : "failed", why->text);
	ch->before[0] = ch->after[0] = '\0';
	/* A store that takes no audit may be why we are here. */
	if (phone_audit(c, ch, outcome, NULL))
		return;
}

static int perform(struct cluster *c, struct phone_change *ch, struct err *e)
{
	int rc = ch->apply(c, ch, ch->ctx, e);

	if (!rc && !ch->quiet && !ch->rehearsal)
		rc = phone_audit(c, ch, ch->outcome[0] ? ch->outcome : "done", e);
	if (!rc && !ch->rehearsal)
		rc = store_commit(c->store, e);
	return rc;
}

int phone_change_run(struct cluster *c, struct phone_change *ch, struct err *e)
{
	struct err why = ERR_INIT;
	struct err *cause = e ? e : &why;

	if (c->lock_fd < 0)
		return err_set(e, ERR_AGAIN, "another process has this node open: use 'ringfence admin'");
	int rc = store_begin(c->store, cause);
	if (rc)
		return rc;
	rc = perform(c, ch, cause);
	if (rc || ch->rehearsal)
		store_rollback(c->store);
	if (rc && !ch->rehearsal)
		record_failure(c, ch, rc, cause);
	return rc;
}
