#include "server/capf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sockaddr.h"
#include "cluster/param.h"
#include "server/capf_wire.h"

#define ASK_TIMEOUT_MS 15000 /* a decision may wait for a signature of the keeper and for the disk */
#define STEP_S 60

/* --- in the director --- */

struct capf_director {
	struct cluster *cluster;
	struct capf *capf;
	struct event *step;
	struct capf_director_handler h;
	struct capf_director_stats stats;
};

static uint64_t conn_of(unsigned worker, uint64_t conn)
{
	return (uint64_t)worker << CAPF_CONN_BITS | conn;
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
	struct capf_director *d = ctx;
	struct err e = ERR_INIT;

	(void)fd;
	(void)what;
	if (capf_step(d->capf, &e) < 0)
		log_error("CAPF: what has become due waits for the next minute: %s", e.text);
}

/* What strangers cause is limited; what has happened to a device is not. */
static void tell_log(struct capf_director *d, const struct capf_answer *a)
{
	static struct log_limiter limiter = {.burst = 20};

	switch (a->verdict) {
	case CAPF_GOING_ON: log_debug("CAPF: %s", a->text); return;
	case CAPF_SUCCEEDED:
		d->stats.succeeded++;
		log_info("CAPF: %s", a->text);
		return;
	case CAPF_NOTHING:
		d->stats.nothing++;
		log_debug("CAPF: %s", a->text);
		return;
	case CAPF_REFUSED:
		d->stats.refused++;
		log_limited(&limiter, LOG_LEVEL_WARN, "CAPF: %s", a->text);
		return;
	case CAPF_FAILED:
		d->stats.failed++;
		log_limited(&limiter, LOG_LEVEL_ERROR, "CAPF: %s", a->text);
		return;
	}
}

/* For a phone that is about to make its key, which may take it half an hour. */
static unsigned keep_alive(struct capf_director *d, const struct capf_decision *decision)
{
	struct err e = ERR_INIT;
	uint32_t minutes;

	if (decision->action != CAPF_DO_GENERATE || param_get_number(d->cluster, PARAM_CAPF_KEEP_ALIVE, &minutes, &e))
		return 0;
	return minutes * 60;
}

static void decide(struct capf_director *d, const struct capf_ask *ask, struct wr *reply)
{
	struct capf_answer answer;

	capf_decide(d->capf, ask, &answer);
	tell_log(d, &answer);
	if (answer.verdict == CAPF_SUCCEEDED)
		d->h.done(d->h.ctx);
	if (answer.device[0] && (answer.verdict == CAPF_SUCCEEDED || answer.verdict == CAPF_GOING_ON))
		d->h.seen(d->h.ctx, answer.device, ask->peer);
	if (!capf_wire_put_decision(reply, &answer.decision, keep_alive(d, &answer.decision)))
		log_error("CAPF: an answer does not fit into a message");
	capf_answer_clear(&answer);
}

void capf_director_ask(struct capf_director *d, unsigned worker, struct ipc_channel *ch, const struct ipc_msg *m)
{
	static struct log_limiter limiter = {.burst = 20};
	struct capf_ask ask = {0};
	char peer[STORE_ADDRESS_SIZE];
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	bool good = capf_wire_get_ask(m->body, &ask, peer);
	ask.conn = conn_of(worker, ask.conn);
	if (good) {
		decide(d, &ask, &w);
	} else {
		err_rule(&e, "capf-ask", -1, "a worker's question about CAPF is malformed");
		ipc_failed_encode(&w, &e);
	}
	struct ipc_msg reply = {.type = good ? IPC_REPLY : IPC_FAILED, .id = m->id, .body = wr_view_all(&w)};
	e = ERR_INIT;
	if (ipc_channel_send(ch, &reply, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "an answer to a worker: %s", e.text);
	wr_clear(&w);
}

void capf_director_gone(struct capf_director *d, unsigned worker, const struct ipc_msg *m)
{
	uint64_t conn;
	bool timed_out;

	if (capf_wire_get_gone(m->body, &conn, &timed_out))
		capf_gone(d->capf, conn_of(worker, conn), timed_out ? CAPF_END_TIMEOUT : CAPF_END_CLOSED);
}

void capf_director_worker_lost(struct capf_director *d, unsigned worker)
{
	capf_gone_between(d->capf, conn_of(worker, 0), conn_of(worker, CAPF_CONN_MAX));
}

int capf_director_new(struct event_base *base, struct cluster *c, const struct capf_director_handler *h,
		      struct capf_director **d, struct err *e)
{
	static const struct timeval often = {STEP_S, 0};
	struct capf_director *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for CAPF");
	*got = (struct capf_director){.cluster = c, .h = *h};
	got->step = event_new(base, -1, EV_PERSIST, on_step, got);
	int rc = got->step && event_add(got->step, &often) == 0 ? capf_new(c, &got->capf, e) :
								  err_set(e, ERR_NOMEM, "no memory for a timer");
	if (rc < 0) {
		capf_director_free(got);
		return rc;
	}
	*d = got;
	return 0;
}

void capf_director_free(struct capf_director *d)
{
	if (!d)
		return;
	capf_free(d->capf);
	if (d->step)
		event_free(d->step);
	free(d);
}

const struct capf_director_stats *capf_director_stats(const struct capf_director *d)
{
	return &d->stats;
}

size_t capf_director_sessions(const struct capf_director *d)
{
	return capf_sessions(d->capf);
}

/* --- in a worker --- */

/* One question that waits for its answer. */
struct asking {
	struct capf_asker *by;
	capf_service_decided *decided;
	void *ctx;
	struct ipc_call *call;
};

static void on_answer(void *ctx, int rc, struct view reply, const struct err *e)
{
	static struct log_limiter limiter = {.burst = 20};
	struct asking *a = ctx;
	capf_service_decided *decided = a->decided;
	struct capf_decision d = {0};
	unsigned keep_alive_s = 0;
	void *to = a->ctx;

	--*a->by->asking;
	if (rc < 0 || !capf_wire_get_decision(reply, &d, &keep_alive_s)) {
		log_limited(&limiter, LOG_LEVEL_WARN, "%s: the director did not decide: %s", a->by->listener,
			    rc < 0 ? e->text : "its answer is malformed");
		rc = ERR_PROTO;
	}
	free(a);
	decided(to, rc < 0 ? NULL : &d, keep_alive_s);
}

static int ask_director(void *ctx, const struct capf_service_ask *ask, capf_service_decided *decided, void *decided_ctx,
			void **wait, struct err *e)
{
	struct capf_asker *by = ctx;
	struct asking *a = malloc(sizeof(*a));
	char peer[INET6_ADDRSTRLEN];
	struct wr body;
	int rc;

	if (!a)
		return err_set(e, ERR_NOMEM, "no memory for a question to the director");
	*a = (struct asking){.by = by, .decided = decided, .ctx = decided_ctx};
	sockaddr_text(ask->peer, peer);
	wr_init(&body, IPC_BODY_MAX);
	if (!*by->director)
		rc = err_set(e, ERR_CLOSED, "this process is about to end");
	else if (!capf_wire_put_ask(&body, ask, peer))
		rc = err_set(e, ERR_LIMIT, "a question to the director is too long");
	else
		rc = ipc_channel_call(*by->director, IPC_CAPF_ASK, wr_view_all(&body), ASK_TIMEOUT_MS, on_answer, a, &a->call, e);
	wr_clear(&body);
	if (rc < 0) {
		free(a);
		return rc;
	}
	++*by->asking;
	*wait = a;
	return 0;
}

static void cancel_asking(void *ctx, void *wait)
{
	struct capf_asker *by = ctx;
	struct asking *a = wait;

	--*by->asking;
	ipc_call_cancel(a->call);
	free(a);
}

static void tell_gone(void *ctx, uint64_t conn, bool timed_out)
{
	struct capf_asker *by = ctx;
	struct err e = ERR_INIT;
	struct wr body;

	if (!*by->director)
		return; /* it hears of the whole worker's end */
	wr_init(&body, 16);
	capf_wire_put_gone(&body, conn, timed_out);
	struct ipc_msg m = {.type = IPC_CAPF_GONE, .body = wr_view_all(&body)};
	if (ipc_channel_send(*by->director, &m, &e) < 0) /* the session's deadline passes there too */
		log_debug("%s: the director was not told that a connection is over: %s", by->listener, e.text);
	wr_clear(&body);
}

static void log_ended(void *ctx, const struct sockaddr *peer, const char *why)
{
	const struct capf_asker *by = ctx;
	char from[INET6_ADDRSTRLEN];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	sockaddr_text(peer, from);
	log_debug("%s: connection of %s ended: %s", by->listener, from, why);
}

struct capf_decider capf_decider_by_director(struct capf_asker *a)
{
	return (struct capf_decider){ask_director, cancel_asking, tell_gone, log_ended, a};
}
