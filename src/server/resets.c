#include "server/resets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/param.h"

#define TICK_MS 100
#define IN_FLIGHT_NOTIFY 256
#define IN_FLIGHT_COMMAND 16
#define COMMAND_MS 120000 /* for the runner's answer: a few of its programs' times */
#define NOTE_TICKS 10     /* between two records of how far a job is that pays a debt */
#define SLACK_MS 5000     /* beyond the phone's own time, for the caller's answer */

struct resets {
	struct event_base *base;
	struct cluster *cluster;
	struct ipc_channel *caller, *runner;
	bool by_command, hold;
	struct event *tick;
	struct phone_reset_job *job;
	int64_t debt;             /* the number of the debt that the job pays; 0: none */
	size_t told, noted;       /* phones from the first on that were told, and how many of them the store knows of */
	unsigned unnoted;         /* ticks since */
	uint64_t last_number;
	uint32_t rate, timeout_s, port;
	uint32_t credit;          /* thousandths of a phone that may be told */
};

/* One phone that was told. The job may be another one when it answers. */
struct asked {
	struct resets *r;
	uint64_t job;
	size_t i;
};

/* For a node that is restarted meanwhile. Who was asked and has not answered is asked again. */
static void note_told(struct resets *r)
{
	const struct phone_reset_job *job = r->job;
	struct err e = ERR_INIT;

	while (r->told < job->n && job->targets[r->told].state != PHONE_RESET_WAITING &&
	       job->targets[r->told].state != PHONE_RESET_ASKED)
		r->told++;
	r->unnoted = 0;
	if (r->told == r->noted)
		return;
	if (phones_reset_told(r->cluster, r->debt, job->targets[r->told - 1].name, &e) < 0)
		log_error("how far a reset is could not be recorded: %s", e.text);
	else
		r->noted = r->told;
}

static void pay(struct resets *r, int64_t debt)
{
	struct err e = ERR_INIT;

	if (debt && phones_reset_paid(r->cluster, debt, &e) < 0)
		log_error("that the phones were reset could not be recorded: %s", e.text);
}

static void job_ended(struct resets *r)
{
	char text[200];
	struct err e = ERR_INIT;

	event_del(r->tick);
	r->job->ended = clock_wall_s(&clock_system);
	phone_reset_summary(r->job, text, sizeof(text));
	log_info("%s of %zu phones: %s", sip_action_name(r->job->action), r->job->n, text);
	if (phone_reset_audit(r->cluster, r->job, "done", &e) < 0)
		log_error("the end of a reset could not be recorded in the audit: %s", e.text);
	pay(r, r->debt);
	r->debt = 0;
	resets_look(r);
}

static void set(struct resets *r, size_t i, enum phone_reset_state s, const char *text)
{
	phone_reset_set(r->job, i, s, text);
	if (phone_reset_over(r->job) && !r->job->ended)
		job_ended(r);
}

static void answered(void *ctx, int rc, struct view reply, const struct err *e)
{
	struct asked a = *(struct asked *)ctx;
	char text[200] = "", line[72];
	uint16_t status = 0;
	struct rd rd;

	free(ctx);
	if (!a.r->job || a.r->job->number != a.job)
		return;
	if (rc < 0) {
		snprintf(line, sizeof(line), "%.71s", e->text);
		set(a.r, a.i, a.r->job->by_command ? PHONE_RESET_REFUSED : PHONE_RESET_SILENT, line);
		return;
	}
	if (a.r->job->by_command) {
		set(a.r, a.i, PHONE_RESET_DONE, NULL);
		return;
	}
	rd_init(&rd, reply.p, reply.len);
	if (!rd_u16(&rd, &status) || !ipc_get_str(&rd, text, sizeof(text)))
		snprintf(text, sizeof(text), "the caller's answer is malformed");
	if (status)
		snprintf(line, sizeof(line), "%u %.60s", status, text);
	else
		snprintf(line, sizeof(line), "%.71s", strcmp(text, "no answer") ? text : "");
	bool good = status >= 200 && status < 300;
	set(a.r, a.i, good ? PHONE_RESET_DONE : status ? PHONE_RESET_REFUSED : PHONE_RESET_SILENT, good ? NULL : line);
}

static int ask(struct resets *r, size_t i, struct err *e)
{
	const struct phone_reset_target *t = &r->job->targets[i];
	struct asked *a = malloc(sizeof(*a));
	struct wr w;
	int rc;

	if (!a)
		return err_set(e, ERR_NOMEM, "no memory for a reset");
	*a = (struct asked){r, r->job->number, i};
	wr_init(&w, IPC_BODY_MAX);
	ipc_put_str(&w, t->name);
	if (r->job->by_command) {
		wr_u8(&w, (uint8_t)r->job->action);
		rc = ipc_channel_call(r->runner, IPC_RESET, wr_view_all(&w), COMMAND_MS, answered, a, NULL, e);
	} else {
		ipc_put_str(&w, t->address);
		wr_u16(&w, (uint16_t)r->port);
		wr_u8(&w, t->tcp);
		wr_u8(&w, (uint8_t)r->job->action);
		wr_u32(&w, r->timeout_s * 1000);
		rc = ipc_channel_call(r->caller, IPC_NOTIFY, wr_view_all(&w), r->timeout_s * 1000 + SLACK_MS, answered, a,
				      NULL, e);
	}
	wr_clear(&w);
	if (rc < 0)
		free(a);
	return rc;
}

static void tell(struct resets *r, size_t i)
{
	const struct phone_reset_target *t = &r->job->targets[i];
	struct err e = ERR_INIT;
	char line[72];

	if (!r->job->by_command && !t->address[0]) {
		phone_reset_set(r->job, i, PHONE_RESET_UNKNOWN, NULL);
		return;
	}
	phone_reset_set(r->job, i, PHONE_RESET_ASKED, NULL);
	if (ask(r, i, &e) == 0)
		return;
	snprintf(line, sizeof(line), "%.71s", e.text);
	phone_reset_set(r->job, i, PHONE_RESET_REFUSED, line);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct resets *r = ctx;
	struct phone_reset_job *job = r->job;
	size_t most = job->by_command ? IN_FLIGHT_COMMAND : IN_FLIGHT_NOTIFY;

	(void)fd;
	(void)what;
	/* A pause is not made up for by a burst of more than a second's phones. */
	r->credit += r->rate * TICK_MS;
	if (r->credit > r->rate * 1000)
		r->credit = r->rate * 1000;
	/* Whom nobody can reach costs nobody anything: they are passed over at once. */
	while (job->next < job->n && (r->credit >= 1000 || (!job->by_command && !job->targets[job->next].address[0])) &&
	       job->count[PHONE_RESET_ASKED] < most) {
		size_t i = job->next++;
		if (job->by_command || job->targets[i].address[0])
			r->credit -= 1000;
		tell(r, i);
	}
	if (r->debt && ++r->unnoted >= NOTE_TICKS)
		note_told(r);
	if (phone_reset_over(job) && !job->ended)
		job_ended(r);
}

static int read_parameters(struct resets *r, struct err *e)
{
	int rc = param_get_number(r->cluster, PARAM_RESET_RATE, &r->rate, e);

	if (!rc)
		rc = param_get_number(r->cluster, PARAM_RESET_TIMEOUT, &r->timeout_s, e);
	return rc ? rc : param_get_number(r->cluster, PARAM_PHONE_SIP_PORT, &r->port, e);
}

/* job is taken. */
static int start(struct resets *r, struct phone_reset_job *job, struct err *e)
{
	static const struct timeval tick = {0, TICK_MS * 1000};
	int rc = phone_reset_audit(r->cluster, job, "started", e);

	if (rc) {
		phone_reset_job_free(job);
		return rc;
	}
	phone_reset_job_free(r->job);
	r->job = job;
	r->debt = 0;
	r->told = r->noted = r->unnoted = 0;
	job->number = ++r->last_number;
	r->credit = 1000; /* a single phone does not wait */
	event_add(r->tick, &tick);
	event_active(r->tick, 0, 0);
	return 0;
}

int resets_start(struct resets *r, const char *who, enum sip_action action, const struct phones_filter *f, struct err *e)
{
	struct phone_reset_job *job;
	int rc;

	if (r->job && !r->job->ended)
		return err_set(e, ERR_USAGE, "a %s of %zu phones goes on, by %s: wait for its end ('phone job show'), or end it ('phone "
			       "job stop')", sip_action_name(r->job->action), r->job->n, r->job->who);
	if ((rc = read_parameters(r, e)) || (rc = phone_reset_job_new(r->cluster, who, action, f, r->by_command, &job, e)))
		return rc;
	return start(r, job, e);
}

/* One that waits, for the call control say, does not begin any more. */
static bool stop_owed(struct resets *r)
{
	struct store_phone_reset owed = {0};
	struct err e = ERR_INIT;

	if (phones_reset_owed(r->cluster, &owed, &e) < 0)
		log_error("%s", e.text);
	if (owed.owed)
		pay(r, owed.number);
	return owed.owed;
}

bool resets_stop(struct resets *r)
{
	if (!r->job || r->job->ended)
		return stop_owed(r);
	phone_reset_stop(r->job);
	if (phone_reset_over(r->job))
		job_ended(r);
	return true;
}

const struct phone_reset_job *resets_job(const struct resets *r)
{
	return r->job;
}

void resets_hold(struct resets *r, bool hold)
{
	r->hold = hold;
}

/* A debt without phones is none: all of them were deleted meanwhile, or told before the node was restarted. */
static int start_owed(struct resets *r, const struct store_phone_reset *owed, struct err *e)
{
	const struct phones_filter all = {0};
	struct phone_reset_job *job;
	int rc = read_parameters(r, e);

	if (!rc)
		rc = phone_reset_job_new(r->cluster, owed->who, SIP_RESET, &all, r->by_command, &job, e);
	if (rc == ERR_USAGE) {
		pay(r, owed->number);
		return 0;
	}
	if (rc)
		return rc;
	if (owed->told[0])
		phone_reset_job_skip(job, owed->told);
	if (!job->n) {
		phone_reset_job_free(job);
		pay(r, owed->number);
		return 0;
	}
	rc = start(r, job, e);
	if (!rc)
		r->debt = owed->number;
	return rc;
}

void resets_look(struct resets *r)
{
	struct store_phone_reset owed = {0};
	struct err e = ERR_INIT;

	if (r->hold || (r->job && !r->job->ended))
		return;
	int rc = phones_reset_owed(r->cluster, &owed, &e);
	if (!rc && owed.owed)
		rc = start_owed(r, &owed, &e);
	if (rc < 0)
		log_error("the phones are not reset after a change that they must learn of: %s", e.text);
}

int resets_new(struct event_base *base, struct cluster *c, struct ipc_channel *caller, struct ipc_channel *runner,
	       bool by_command, struct resets **out, struct err *e)
{
	struct resets *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, ERR_NOMEM, "no memory for resets");
	*r = (struct resets){.base = base, .cluster = c, .caller = caller, .runner = runner, .by_command = by_command};
	r->tick = event_new(base, -1, EV_PERSIST, on_tick, r);
	if (!r->tick) {
		free(r);
		return err_set(e, ERR_NOMEM, "no memory for resets");
	}
	*out = r;
	return 0;
}

void resets_free(struct resets *r)
{
	if (!r)
		return;
	if (r->debt)
		note_told(r);
	event_free(r->tick);
	phone_reset_job_free(r->job);
	free(r);
}
