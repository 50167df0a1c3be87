#include "cluster/phone_reset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/call_control.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "store/audit.h"

static const char *const state_names[PHONE_RESET_N_STATES] = {
	"waiting", "asked", "200 OK", "refused", "no answer", "unknown address", "not reset",
};

const char *phone_reset_state_name(enum phone_reset_state s)
{
	return state_names[s];
}

/* --- a job --- */

struct collecting {
	struct phone_reset_job *job;
	size_t room;
};

static int collect(void *ctx, const struct store_device *d)
{
	struct collecting *k = ctx;
	struct phone_reset_job *job = k->job;

	if (job->n == k->room) {
		size_t room = k->room ? 2 * k->room : 16;
		void *grown = realloc(job->targets, room * sizeof(*job->targets));
		if (!grown)
			return ERR_NOMEM;
		job->targets = grown;
		k->room = room;
	}
	struct phone_reset_target *t = &job->targets[job->n++];
	*t = (struct phone_reset_target){.tcp = d->transport == DEVICE_TCP || d->transport == DEVICE_TLS};
	snprintf(t->name, sizeof(t->name), "%.63s", d->name);
	snprintf(t->address, sizeof(t->address), "%.63s", d->last_address);
	job->count[PHONE_RESET_WAITING]++;
	return 0;
}

int phone_reset_job_new(struct cluster *c, const char *who, enum sip_action action, const struct phones_filter *f,
			bool by_command, struct phone_reset_job **out, struct err *e)
{
	struct phone_reset_job *job = calloc(1, sizeof(*job));
	struct collecting k = {.job = job};

	if (!job)
		return err_set(e, ERR_NOMEM, "no memory for a reset");
	job->action = action;
	job->by_command = by_command;
	job->started = clock_wall_s(c->clock);
	snprintf(job->who, sizeof(job->who), "%s", who);
	int rc = phones_list(c, f, collect, &k, e);
	if (!rc && job->n == 0)
		rc = err_set(e, ERR_USAGE, "there is no phone %s", f->name ? f->name : "of that kind");
	if (rc) {
		phone_reset_job_free(job);
		return err_set(e, rc, "the phones could not be listed");
	}
	*out = job;
	return 0;
}

void phone_reset_job_free(struct phone_reset_job *job)
{
	if (job)
		free(job->targets);
	free(job);
}

void phone_reset_job_skip(struct phone_reset_job *job, const char *told)
{
	size_t i = 0;

	while (i < job->n && strcmp(job->targets[i].name, told) != 0)
		i++;
	/* One that is no longer there says nothing of the others: all of them again. */
	if (i == job->n)
		return;
	job->n -= i + 1;
	job->count[PHONE_RESET_WAITING] -= i + 1;
	memmove(job->targets, job->targets + i + 1, job->n * sizeof(*job->targets));
}

void phone_reset_set(struct phone_reset_job *job, size_t i, enum phone_reset_state s, const char *text)
{
	struct phone_reset_target *t = &job->targets[i];

	job->count[t->state]--;
	job->count[s]++;
	t->state = s;
	snprintf(t->text, sizeof(t->text), "%s", text ? text : "");
}

void phone_reset_stop(struct phone_reset_job *job)
{
	for (; job->next < job->n; job->next++)
		if (job->targets[job->next].state == PHONE_RESET_WAITING)
			phone_reset_set(job, job->next, PHONE_RESET_STOPPED, NULL);
}

bool phone_reset_over(const struct phone_reset_job *job)
{
	return job->count[PHONE_RESET_WAITING] == 0 && job->count[PHONE_RESET_ASKED] == 0;
}

void phone_reset_summary(const struct phone_reset_job *job, char *out, size_t size)
{
	size_t used = 0;

	snprintf(out, size, "%s", "");
	for (int s = 0; s < PHONE_RESET_N_STATES; s++)
		if (job->count[s])
			used = text_append(out, size, used, "%s%zu %s", used ? ", " : "", job->count[s], state_names[s]);
}

int phone_reset_audit(struct cluster *c, const struct phone_reset_job *job, const char *outcome, struct err *e)
{
	char command[64], object[96], after[256];
	struct store_audit a = {.time = clock_wall_s(c->clock), .who = job->who, .command = command, .object = object,
				.after = after, .outcome = outcome};

	snprintf(command, sizeof(command), "phone %s", sip_action_name(job->action));
	if (job->n == 1)
		snprintf(object, sizeof(object), "phone %s", job->targets[0].name);
	else
		snprintf(object, sizeof(object), "%zu phones", job->n);
	phone_reset_summary(job, after, sizeof(after));
	return store_audit_append(c->store, &a, e);
}

/* --- with a change --- */

/* Source: behaviour.md 2.7. */
bool phones_look_at(const char *unit)
{
	static const char *const units[] = {"CallManager", "CallManager-ECDSA", "CAPF", "TVS", "ITLRecovery",
					    "CallManager-trust", "CAPF-trust", "Phone-SAST-trust"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (text_same(units[i], unit))
			return true;
	return false;
}

/* Are they reset by themselves? n: how many there are. */
static int automatic(struct cluster *c, bool *is, uint64_t *n, struct err *e)
{
	AUTO(auto_free) char *how = NULL;
	int rc = param_get(c, PARAM_PHONE_INTERACTION, &how, e);

	if (!rc)
		rc = store_device_count(c->store, n, e);
	if (!rc)
		*is = strcmp(how, PHONE_INTERACTION_AUTOMATIC) == 0;
	return rc;
}

int phones_before_reset(struct cluster *c, struct notes *notes, struct err *e)
{
	bool is;
	uint64_t n;
	int rc = automatic(c, &is, &n, e);

	if (rc || !n)
		return rc;
	if (!is)
		return notes_add(notes, e, "Reset: by hand, 'phone reset all' or each of them where it stands, as '" PARAM_PHONE_INTERACTION
				 "' says.");
	return notes_add(notes, e, "Reset: %s%" PRIu64 " phone%s reset automatically, as '" PARAM_PHONE_INTERACTION "' says.",
			 n == 1 ? "" : "all ", n, n == 1 ? " is" : "s are");
}

int phones_before_certificate_change(struct cluster *c, const char *unit, struct notes *notes, struct err *e)
{
	return phones_look_at(unit) ? phones_before_reset(c, notes, e) : 0;
}

int phones_reset_owe(struct cluster *c, const char *who, struct err *e)
{
	bool is;
	uint64_t n;
	int rc = automatic(c, &is, &n, e);

	return rc || !is || !n ? rc : store_phone_reset_owe(c->store, c->node, who, clock_wall_s(c->clock), e);
}

int phones_after_reset(struct cluster *c, bool waits, struct notes *notes, struct err *e)
{
	bool is;
	uint64_t n;
	int rc = automatic(c, &is, &n, e);

	if (rc)
		return rc;
	if (!is || !n)
		return notes_add(notes, e, "Then reset the phones: 'phone reset all', or each of them where it stands.");
	return notes_add(notes, e, "The phones %s, as '" PARAM_PHONE_INTERACTION "' says; 'phone job show' tells how far.",
			 waits ? "will be reset when the call control has the certificate" : "are reset now");
}

int phones_after_certificate_change(struct cluster *c, const char *unit, struct notes *notes, struct err *e)
{
	bool waits;

	if (!phones_look_at(unit))
		return 0;
	int rc = call_control_follows(c, unit, &waits, e);
	return rc ? rc : phones_after_reset(c, waits, notes, e);
}

int phones_reset_owed(struct cluster *c, struct store_phone_reset *r, struct err *e)
{
	return store_phone_reset_get(c->store, c->node, r, e);
}

int phones_reset_told(struct cluster *c, int64_t number, const char *told, struct err *e)
{
	return store_phone_reset_told(c->store, c->node, number, told, e);
}

int phones_reset_paid(struct cluster *c, int64_t number, struct err *e)
{
	return store_phone_reset_paid(c->store, c->node, number, e);
}
