#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/text.h"
#include "cluster/phone_reset.h"

/*
 * `phone reset|restart|apply-config` and `phone job show|stop`. CUCM has buttons for them. The reset goes on by itself; the
 * command that began it shows how far it is. Ctrl-C ends it: who sees it go wrong wants no more phones told. A connection
 * that is lost ends nothing.
 */

#define NAMED_MAX 20        /* phones that did not follow, by name, at the end of a command */
#define STEPS_A_LINE 10     /* looks between two lines of progress where there is no terminal */

static bool is_all(const char *name)
{
	return strcmp(name, "all") == 0;
}

static bool is_pattern(const char *name)
{
	return strpbrk(name, "*?") != NULL;
}

static void filter_of(const struct command_run *r, struct phones_filter *f)
{
	*f = (struct phones_filter){
		.name = is_all(command_arg(r, 0)) ? NULL : command_arg(r, 0),
		.model = command_option(r, "--model"),
		.pool = command_option(r, "--pool"),
		.group = command_option(r, "--group"),
		.security = command_option(r, "--security"),
	};
}

static int action_of(const struct command_run *r, enum sip_action *a, struct err *e)
{
	static const char words[] = "phone ";

	if (text_starts(r->match->words, words) && sip_action_find(r->match->words + strlen(words), a))
		return 0;
	return err_set(e, ERR_BUG, "%s is no action", r->match->words);
}

/* The phones that would be told, without telling any. */
static int look(struct command_run *r, struct phone_reset_job **job, struct err *e)
{
	struct phones_filter f;
	enum sip_action a;
	int rc = action_of(r, &a, e);

	filter_of(r, &f);
	return rc ? rc : phone_reset_job_new(r->host->cluster, r->peer->actor, a, &f, false, job, e);
}

int cmd_reset_ask(struct command_run *r, struct err *e)
{
	struct phone_reset_job *job;

	if (command_answers(r) || (!is_all(command_arg(r, 0)) && !is_pattern(command_arg(r, 0))))
		return 0;
	int rc = look(r, &job, e);
	if (rc < 0)
		return rc;
	command_confirm(r, "This operation will %s %zu phone%s. Do you want to continue? (y/n):", sip_action_name(job->action),
			job->n, job->n == 1 ? "" : "s");
	phone_reset_job_free(job);
	return 0;
}

static int rehearse(struct command_run *r, struct err *e)
{
	struct phone_reset_job *job;
	size_t unknown = 0;
	int rc = look(r, &job, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < job->n; i++)
		unknown += !job->targets[i].address[0];
	fprintf(r->out, "Nothing was done. With this command %zu phone%s would be told to %s; of %zu the address is not known.\n",
		job->n, job->n == 1 ? "" : "s", sip_action_name(job->action), unknown);
	phone_reset_job_free(job);
	return 0;
}

int cmd_reset(struct command_run *r, struct err *e)
{
	struct phones_filter f;
	enum sip_action a;
	int rc = action_of(r, &a, e);

	if (rc == 0 && command_option(r, "--dry-run"))
		return rehearse(r, e);
	filter_of(r, &f);
	if (rc == 0)
		rc = r->host->reset_start(r->host->ctx, r->peer->actor, a, &f, e);
	if (rc < 0)
		return rc;
	const struct phone_reset_job *job = r->host->reset_job(r->host->ctx);
	r->audited = true;
	r->followed = job->number;
	r->follow = !command_option(r, "--background");
	if (!r->follow)
		fprintf(r->out, "%zu phone%s will be told to %s: 'phone job show' tells how far it is\n", job->n,
			job->n == 1 ? "" : "s", sip_action_name(a));
	return 0;
}

static bool follows(enum phone_reset_state s)
{
	return s == PHONE_RESET_DONE;
}

static void print_target(FILE *out, const struct phone_reset_target *t)
{
	fprintf(out, "%-16s %-22s %s%s%s\n", t->name, t->address[0] ? t->address : "-", phone_reset_state_name(t->state),
		t->text[0] ? ": " : "", t->text);
}

/* Of few phones each, of many those that did not follow. */
static void print_end(FILE *out, const struct phone_reset_job *job)
{
	bool each = job->n <= NAMED_MAX;
	size_t shown = 0, left = 0;
	char text[200];

	for (size_t i = 0; i < job->n; i++) {
		if (!each && follows(job->targets[i].state))
			continue;
		if (shown++ < NAMED_MAX)
			print_target(out, &job->targets[i]);
		else
			left++;
	}
	if (left)
		fprintf(out, "and %zu more: 'phone job show' names them all\n", left);
	phone_reset_summary(job, text, sizeof(text));
	fprintf(out, "%s of %zu phone%s: %s\n", sip_action_name(job->action), job->n, job->n == 1 ? "" : "s", text);
}

static void print_progress(struct command_run *r, const struct phone_reset_job *job)
{
	char text[200];

	if (job->n <= 1 || (!r->columns && r->shown++ % STEPS_A_LINE != STEPS_A_LINE - 1))
		return;
	phone_reset_summary(job, text, sizeof(text));
	fprintf(r->out, r->columns ? "\r%-*s" : "%.*s\n", r->columns ? (int)r->columns - 1 : (int)sizeof(text), text);
	r->shown++;
}

int cmd_reset_follow(struct command_run *r, bool cancel, struct err *e)
{
	const struct phone_reset_job *job = r->host->reset_job(r->host->ctx);

	(void)e;
	if (!job || job->number != r->followed) { /* it ended, and another one began, between two looks */
		fprintf(r->out, "The reset has ended; another one goes on: 'phone job show'\n");
		r->follow = false;
		return 0;
	}
	if (cancel && !job->ended && r->host->reset_stop(r->host->ctx))
		fprintf(r->out, "\nStopped: no further phone is told\n");
	if (!job->ended) {
		print_progress(r, job);
		return 0;
	}
	if (r->columns && r->shown)
		fprintf(r->out, "\r%*s\r", (int)r->columns - 1, "");
	print_end(r->out, job);
	r->status = job->count[PHONE_RESET_DONE] != job->n;
	r->follow = false;
	return 0;
}

/* --- the job --- */

static json_t *job_json(const struct phone_reset_job *job)
{
	json_t *targets = json_array(), *j;
	int bad = !targets;

	for (size_t i = 0; !bad && i < job->n; i++) {
		const struct phone_reset_target *t = &job->targets[i];
		bad = json_array_append_new(targets, json_pack("{s:s, s:s, s:s, s:s}", "phone", t->name, "address", t->address,
							       "state", phone_reset_state_name(t->state), "text", t->text)) < 0;
	}
	j = bad ? NULL : json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:o}", "action", sip_action_name(job->action), "by",
				   job->who, "means", job->by_command ? "command" : "SIP NOTIFY", "started",
				   (json_int_t)job->started, "ended", (json_int_t)job->ended, "over", job->ended != 0, "phones",
				   (json_int_t)job->n, "results", targets);
	if (bad)
		json_decref(targets);
	return j;
}

static int show_json(struct command_run *r, const struct phone_reset_job *job, const struct store_phone_reset *owed,
		     struct err *e)
{
	json_t *j = job ? job_json(job) : json_object();

	if (j && owed->owed)
		json_object_set_new(j, "owed", json_pack("{s:s, s:I}", "by", owed->who, "since", (json_int_t)owed->since));
	return print_json(r->out, j, e);
}

int cmd_job_show(struct command_run *r, struct err *e)
{
	const struct phone_reset_job *job = r->host->reset_job(r->host->ctx);
	char when[PRINT_TIME_MAX], text[200];
	struct store_phone_reset owed;
	int rc = phones_reset_owed(r->host->cluster, &owed, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json"))
		return show_json(r, job, &owed, e);
	if (owed.owed && (!job || job->ended))
		fprintf(r->out, "A reset of all phones is owed since %s, by %s: it begins when the call control has the certificate\n",
			print_time(owed.since, when), owed.who);
	if (!job) {
		fprintf(r->out, "No phone was told anything since this node was started\n");
		return 0;
	}
	phone_reset_summary(job, text, sizeof(text));
	fprintf(r->out, "%s of %zu phone%s by %s, by %s, since %s: %s\n%s\n", sip_action_name(job->action), job->n,
		job->n == 1 ? "" : "s", job->by_command ? "command" : "SIP NOTIFY", job->who, print_time(job->started, when),
		job->ended ? "over" : "it goes on", text);
	for (size_t i = 0; i < job->n; i++)
		print_target(r->out, &job->targets[i]);
	return 0;
}

int cmd_job_stop(struct command_run *r, struct err *e)
{
	const struct phone_reset_job *job = r->host->reset_job(r->host->ctx);
	struct store_phone_reset owed;
	int rc = phones_reset_owed(r->host->cluster, &owed, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--dry-run")) {
		if (owed.owed && (!job || job->ended)) {
			fprintf(r->out, "Nothing was stopped. With this command the reset that is owed to all phones would not begin.\n");
			return 0;
		}
		fprintf(r->out, "Nothing was stopped. With this command %zu phones would not be told.\n",
			job && !job->ended ? job->count[PHONE_RESET_WAITING] : 0);
		return 0;
	}
	if (!r->host->reset_stop(r->host->ctx))
		return err_set(e, ERR_USAGE, "nothing goes on that could be stopped");
	snprintf(r->object, sizeof(r->object), "phone job");
	fprintf(r->out, "No further phone is told\n");
	return 0;
}
