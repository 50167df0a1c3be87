#include "server/capf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sockaddr.h"
#include "cluster/param.h"
#include "server/capf_wire.h"

#define ASK_TIMEOUT_MS 15000 /* a decision may wait for a signature of the keeper and for the disk */
#define STEP_S 60
#define TOGETHER_MAX 128     /* questions that are decided in one transaction */

/* --- in the director --- */

/* A worker's question, from its arrival to its answer. */
struct question {
	struct capf_ask ask;
	char peer[STORE_ADDRESS_SIZE];
	bool old_tls;
	uint8_t *frame;
	struct ipc_channel *ch;
	uint32_t id;
	struct capf_answer answer;
};

struct capf_director {
	struct store *store;
	struct cluster *cluster;
	struct capf *capf;
	struct event *step, *turn;
	struct question questions[TOGETHER_MAX]; /* that are decided together, and wait for the disk once */
	size_t n;
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

/* The decisions did not last: whoever was told nothing goes on as if nothing had been decided. */
static void take_back(struct capf_director *d, const struct err *e)
{
	log_error("CAPF: %zu decisions could not be recorded: %s", d->n, e->text);
	for (size_t i = 0; i < d->n; i++) {
		capf_answer_clear(&d->questions[i].answer);
		capf_gone(d->capf, d->questions[i].ask.conn, CAPF_END_CLOSED);
		d->questions[i].answer = (struct capf_answer){
			.decision = {.action = CAPF_DO_END, .reason = CAPF_REASON_INVALID},
			.verdict = CAPF_FAILED,
		};
		snprintf(d->questions[i].answer.text, sizeof(d->questions[i].answer.text), "%s: what was decided is lost",
			 d->questions[i].peer);
	}
}

static void decide_all(struct capf_director *d)
{
	struct err e = ERR_INIT;
	int rc = store_group_begin(d->store, &e);

	for (size_t i = 0; i < d->n && rc == 0; i++)
		capf_decide(d->capf, &d->questions[i].ask, &d->questions[i].answer);
	if (rc == 0)
		rc = store_group_end(d->store, &e);
	if (rc < 0)
		take_back(d, &e);
}

static void reply(struct capf_director *d, const struct question *q)
{
	static struct log_limiter limiter = {.burst = 20};
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	if (!capf_wire_put_decision(&w, &q->answer.decision, keep_alive(d, &q->answer.decision)))
		log_error("CAPF: an answer does not fit into a message");
	struct ipc_msg m = {.type = IPC_REPLY, .id = q->id, .body = wr_view_all(&w)};
	if (ipc_channel_send(q->ch, &m, &e) < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "an answer to a worker: %s", e.text);
	wr_clear(&w);
}

static void answer_all(struct capf_director *d)
{
	bool changed = false;

	for (size_t i = 0; i < d->n; i++) {
		const struct capf_answer *a = &d->questions[i].answer;
		tell_log(d, a);
		changed = changed || a->encrypted;
		if (a->device[0] && (a->verdict == CAPF_SUCCEEDED || a->verdict == CAPF_GOING_ON))
			d->h.seen(d->h.ctx, a->device, d->questions[i].peer, d->questions[i].old_tls);
	}
	if (changed)
		d->h.changed(d->h.ctx);
	for (size_t i = 0; i < d->n; i++)
		reply(d, &d->questions[i]);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct capf_director *d = ctx;

	(void)fd;
	(void)what;
	decide_all(d);
	answer_all(d);
	for (size_t i = 0; i < d->n; i++) {
		capf_answer_clear(&d->questions[i].answer);
		free(d->questions[i].frame);
	}
	d->n = 0;
}

static int take_question(struct capf_director *d, unsigned worker, struct ipc_channel *ch, const struct ipc_msg *m,
			 struct err *e)
{
	struct question *q = &d->questions[d->n];

	*q = (struct question){.ch = ch, .id = m->id};
	if (!capf_wire_get_ask(m->body, &q->ask, q->peer, &q->old_tls))
		return err_rule(e, "capf-ask", -1, "a worker's question about CAPF is malformed");
	q->ask.conn = conn_of(worker, q->ask.conn);
	q->frame = malloc(q->ask.frame.len + 1);
	if (!q->frame)
		return err_set(e, ERR_NOMEM, "no memory for a question about CAPF");
	memcpy(q->frame, q->ask.frame.p, q->ask.frame.len);
	q->ask.frame.p = q->frame;
	d->n++;
	return 0;
}

/* Who else has asked by the time that the loop has looked at all channels is decided for in the same turn. */
void capf_director_ask(struct capf_director *d, unsigned worker, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct err e = ERR_INIT;
	struct wr w;

	if (d->n == TOGETHER_MAX)
		on_turn(-1, 0, d);
	if (take_question(d, worker, ch, m, &e) == 0) {
		event_active(d->turn, EV_TIMEOUT, 0);
		return;
	}
	wr_init(&w, IPC_BODY_MAX);
	ipc_failed_encode(&w, &e);
	struct ipc_msg no = {.type = IPC_FAILED, .id = m->id, .body = wr_view_all(&w)};
	if (ipc_channel_send(ch, &no, &e) < 0)
		log_warn("an answer to a worker: %s", e.text);
	wr_clear(&w);
}

void capf_director_gone(struct capf_director *d, unsigned worker, const struct ipc_msg *m)
{
	uint64_t conn;
	bool timed_out;

	if (capf_wire_get_gone(m->body, &conn, &timed_out))
		capf_gone(d->capf, conn_of(worker, conn), timed_out ? CAPF_END_TIMEOUT : CAPF_END_CLOSED);
}

void capf_director_refused(struct capf_director *d, unsigned worker, const struct ipc_msg *m)
{
	char peer[STORE_ADDRESS_SIZE], why[CAPF_WIRE_WHY_MAX];
	struct capf_answer answer;
	uint64_t conn;

	if (!capf_wire_get_refused(m->body, &conn, peer, why))
		return;
	capf_refused(d->capf, conn_of(worker, conn), peer, why, &answer);
	tell_log(d, &answer);
	capf_answer_clear(&answer);
}

void capf_director_worker_lost(struct capf_director *d, unsigned worker)
{
	if (d->n)
		on_turn(-1, 0, d); /* its last questions, too */
	capf_gone_between(d->capf, conn_of(worker, 0), conn_of(worker, CAPF_CONN_MAX));
}

int capf_director_new(struct event_base *base, struct store *store, struct cluster *c,
		      const struct capf_director_handler *h, struct capf_director **d, struct err *e)
{
	static const struct timeval often = {STEP_S, 0};
	struct capf_director *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for CAPF");
	got->cluster = c;
	got->store = store;
	got->h = *h;
	got->step = event_new(base, -1, EV_PERSIST, on_step, got);
	got->turn = event_new(base, -1, 0, on_turn, got);
	int rc = got->step && got->turn && event_add(got->step, &often) == 0 ? capf_new(c, &got->capf, e) :
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
	for (size_t i = 0; i < d->n; i++)
		free(d->questions[i].frame);
	capf_free(d->capf);
	if (d->step)
		event_free(d->step);
	if (d->turn)
		event_free(d->turn);
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

struct capf *capf_director_capf(const struct capf_director *d)
{
	return d->capf;
}

/* --- in a worker --- */

struct capf_asking {
	struct asking asking;
	capf_service_decided *decided;
	void *ctx;
};

static void on_answer(struct asking *asking, int rc, struct view reply, const struct err *e)
{
	static struct log_limiter limiter = {.burst = 20};
	const struct capf_asking *a = (struct capf_asking *)asking;
	struct capf_decision d = {0};
	unsigned keep_alive_s = 0;
	bool ok = rc == 0 && capf_wire_get_decision(reply, &d, &keep_alive_s);

	(void)e;
	if (rc == 0 && !ok)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s: the director's answer is malformed", asking->by->listener);
	a->decided(a->ctx, ok ? &d : NULL, keep_alive_s);
}

static int ask_director(void *ctx, const struct capf_service_ask *ask, capf_service_decided *decided, void *decided_ctx,
			void **wait, struct err *e)
{
	struct capf_asking *a = malloc(sizeof(*a));
	char peer[INET6_ADDRSTRLEN];
	struct wr body;

	if (!a)
		return err_set(e, ERR_NOMEM, "no memory for a question to the director");
	*a = (struct capf_asking){{.answered = on_answer}, decided, decided_ctx};
	sockaddr_text(ask->peer, peer);
	wr_init(&body, IPC_BODY_MAX);
	capf_wire_put_ask(&body, ask, peer);
	int rc = asker_ask(ctx, &a->asking, IPC_CAPF_ASK, &body, ASK_TIMEOUT_MS, wait, e);
	wr_clear(&body);
	return rc;
}

/* What is not said, because this process ends or the channel is full, is not missed: deadlines pass there too. */
static void tell(struct asker *by, uint16_t type, const struct wr *body)
{
	struct ipc_msg m = {.type = type, .body = wr_view_all(body)};
	struct err e = ERR_INIT;

	if (*by->director && ipc_channel_send(*by->director, &m, &e) < 0)
		log_debug("%s: the director was not told that a connection is over: %s", by->listener, e.text);
}

static void tell_gone(void *ctx, uint64_t conn, bool timed_out)
{
	struct wr body;

	wr_init(&body, 16);
	capf_wire_put_gone(&body, conn, timed_out);
	tell(ctx, IPC_CAPF_GONE, &body);
	wr_clear(&body);
}

static void tell_refused(void *ctx, uint64_t conn, const struct sockaddr *from, const char *why)
{
	char peer[INET6_ADDRSTRLEN];
	struct wr body;

	sockaddr_text(from, peer);
	wr_init(&body, IPC_BODY_MAX);
	capf_wire_put_refused(&body, conn, peer, why);
	tell(ctx, IPC_CAPF_REFUSED, &body);
	wr_clear(&body);
}

struct capf_decider capf_decider_by_director(struct asker *a)
{
	return (struct capf_decider){ask_director, asker_cancel, tell_gone, tell_refused, asker_log_ended, a};
}
