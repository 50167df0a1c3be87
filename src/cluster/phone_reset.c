#include "cluster/phone_reset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
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

/* --- after a change --- */

/* Units whose certificates phones see, in a list or from a server. Source: behaviour.md 2.7. */
static bool phones_look_at(const char *unit)
{
	static const char *const units[] = {"CallManager", "CallManager-ECDSA", "CAPF", "TVS", "ITLRecovery",
					    "CallManager-trust", "CAPF-trust", "Phone-SAST-trust"};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (text_same(units[i], unit))
			return true;
	return false;
}

int phones_after_certificate_change(struct cluster *c, const char *who, const char *unit, struct notes *notes,
				    bool *automatically, struct err *e)
{
	AUTO(auto_free) char *how = NULL;
	bool reset = false;
	uint64_t n = 0;
	int rc = 0;

	if (phones_look_at(unit))
		rc = param_get(c, PARAM_PHONE_INTERACTION, &how, e);
	if (!rc && how)
		rc = store_device_count(c->store, &n, e);
	if (rc)
		return rc;
	reset = n && strcmp(how, PHONE_INTERACTION_AUTOMATIC) == 0;
	if (reset)
		snprintf(c->reset_due, sizeof(c->reset_due), "%s", who);
	if (reset)
		rc = notes_add(notes, e, "The phones are reset now, as '" PARAM_PHONE_INTERACTION "' says; 'phone job show' tells how far.");
	else if (how)
		rc = notes_add(notes, e, "Then reset the phones: 'phone reset all', or each of them where it stands.");
	if (!rc && automatically)
		*automatically = reset;
	return rc;
}

bool phones_reset_take_due(struct cluster *c, char *who, size_t size)
{
	bool due = c->reset_due[0];

	snprintf(who, size, "%s", c->reset_due);
	c->reset_due[0] = '\0';
	return due;
}
