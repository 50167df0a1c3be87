#include "net/capf_service.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/tls.h"

#define INCARNATION_BITS 24
#define KEEP_ALIVE_PROBES 4

struct client {
	struct tls_conn tls; /* first */
	struct capf_conn conn;
	uint64_t number;
	void *wait;          /* for a decision */
	bool known;          /* the decider believes that this connection goes on */
};

struct capf_service {
	struct tls_service tls; /* first */
	struct capf_decider decider;
	struct capf_service_stats stats;
	uint64_t incarnation, last; /* of these connections' numbers */
};

static struct capf_service *service_of(const struct client *c)
{
	return (struct capf_service *)c->tls.service;
}

static void forget(struct client *c, bool timed_out)
{
	const struct capf_decider *d = &service_of(c)->decider;

	if (c->wait)
		d->cancel(d->ctx, c->wait);
	c->wait = NULL;
	if (c->known)
		d->gone(d->ctx, c->number, timed_out);
	c->known = false;
}

static void on_gone(struct tls_conn *tls)
{
	forget((struct client *)tls, false);
}

static void on_ended(struct tls_service *tls, const struct tls_conn *c, const char *why)
{
	const struct capf_decider *d = &((struct capf_service *)tls)->decider;

	if (d->ended)
		d->ended(d->ctx, (const struct sockaddr *)&c->peer, why);
}

/* ---- the conversation ---- */

static void go_on(struct client *c);

/* One message is one write, and so one record. False: the client is gone. */
static bool send_out(struct client *c, struct wr *out)
{
	bool ok = !out->len || !bufferevent_write(c->tls.bev, out->p, out->len);

	wr_clear(out);
	if (ok)
		return true;
	tls_conn_log(&c->tls, "no memory");
	tls_conn_free(&c->tls);
	return false;
}

/* The last message, or there is none. */
static void finish(struct client *c, struct wr *out)
{
	struct wr last = *out;

	tls_conn_finish(&c->tls, wr_view_all(&last), CAPF_IDLE_MS);
	wr_clear(&last);
}

/* A phone may be silent for half an hour while it makes its key; who is still there then? */
static void keep_alive(struct client *c, unsigned seconds)
{
	int fd = bufferevent_getfd(c->tls.bev), on = 1, idle = (int)seconds, probes = KEEP_ALIVE_PROBES;

	/* Without it a dead connection lasts until its deadline: no reason to end a live one. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void on_decided(void *ctx, const struct capf_decision *d, unsigned keep_alive_s)
{
	static const struct capf_decision nobody = {.action = CAPF_DO_END, .reason = CAPF_REASON_INVALID};
	struct client *c = ctx;
	struct err e = ERR_INIT;
	struct wr out;

	c->wait = NULL;
	/* Without an answer the decider may have begun a session all the same. */
	c->known = !d || (d->action != CAPF_DO_END && d->action != CAPF_DO_RETRY);
	if (keep_alive_s)
		keep_alive(c, keep_alive_s);
	wr_init(&out, CAPF_FRAME_MAX);
	enum capf_want want = capf_conn_decide(&c->conn, d ? d : &nobody, clock_mono_ms(&clock_system), &out, &e);
	if (want != CAPF_WANT_WRITE || !d || !c->known) {
		if (e.code)
			tls_conn_log(&c->tls, e.text);
		finish(c, &out);
	} else if (send_out(c, &out)) {
		net_pool_busy(c->tls.service->pool, &c->tls.net); /* it has shown who it is, and may take its time */
		go_on(c);
	}
}

/* The message is the first `len` octets of what has come. */
static void ask(struct client *c, enum capf_question question, size_t len)
{
	const struct capf_decider *d = &service_of(c)->decider;
	struct evbuffer *in = bufferevent_get_input(c->tls.bev);
	const struct capf_service_ask ask = {
		.conn = c->number,
		.peer = (struct sockaddr *)&c->tls.peer,
		.session = c->conn.session,
		.question = question,
		.frame = {evbuffer_pullup(in, (ev_ssize_t)len), len},
		.old_tls = tls_is_old(c->tls.bev),
	};
	struct err e = ERR_INIT;
	int rc = d->ask(d->ctx, &ask, on_decided, c, &c->wait, &e);

	evbuffer_drain(in, len);
	tls_conn_wait_not(&c->tls); /* whoever decides has a deadline of his own */
	if (rc == 0) {
		c->known = true;
		return;
	}
	tls_conn_log(&c->tls, e.text);
	on_decided(c, NULL, 0);
}

static void broken(struct client *c, const struct err *e, struct wr *out)
{
	const struct capf_decider *d = &service_of(c)->decider;
	bool timed_out = e->code == ERR_AGAIN;

	service_of(c)->stats.timed_out += timed_out;
	if (e->code == ERR_PROTO) {
		service_of(c)->stats.malformed++;
		d->refused(d->ctx, c->number, (const struct sockaddr *)&c->tls.peer, e->text);
	}
	tls_conn_log(&c->tls, e->code ? e->text : "no memory");
	forget(c, timed_out);
	finish(c, out);
}

/* One message. False: nothing more to do now; the client may be gone. */
static bool step(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->tls.bev);
	struct view have = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
	uint64_t now = clock_mono_ms(&clock_system);
	enum capf_question question;
	struct err e = ERR_INIT;
	size_t used;
	struct wr out;

	wr_init(&out, CAPF_FRAME_MAX);
	switch (capf_conn_step(&c->conn, have, now, &used, &question, &out, &e)) {
	case CAPF_WANT_READ:
		wr_clear(&out);
		evbuffer_drain(in, used);
		if (used)
			return true;
		tls_conn_wait(&c->tls, capf_conn_deadline(&c->conn) > now ? capf_conn_deadline(&c->conn) - now : 0);
		return false;
	case CAPF_WANT_WRITE:
		evbuffer_drain(in, used);
		return send_out(c, &out);
	case CAPF_WANT_DECISION:
		wr_clear(&out);
		ask(c, question, used);
		return false;
	case CAPF_WANT_CLOSE: break;
	}
	broken(c, &e, &out);
	return false;
}

/* Until the phone has the next move, or somebody has to decide. */
static void go_on(struct client *c)
{
	while (step(c))
		;
}

static void on_readable(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;

	if (!c->wait)
		go_on(c);
}

static void on_late(struct tls_conn *tls)
{
	go_on((struct client *)tls); /* whose deadline has passed */
}

static void on_begin(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;
	struct err e = ERR_INIT;
	uint32_t session;

	if (random_fill(&random_system, &session, sizeof(session), &e) < 0) {
		tls_conn_log(tls, e.text);
		tls_conn_end(tls);
		return;
	}
	c->number = service_of(c)->incarnation << (56 - INCARNATION_BITS) | (++service_of(c)->last & 0xffffffff);
	capf_conn_init(&c->conn, session, clock_mono_ms(&clock_system));
	go_on(c);
}

static bool is_idle(struct tls_conn *tls)
{
	return !((struct client *)tls)->known;
}

static const struct tls_service_ops ops = {
	.conn_size = sizeof(struct client),
	.in_max = CAPF_PHONE_FRAME_MAX,
	.unread = "the phone does not read the end of its session",
	.begin = on_begin,
	.readable = on_readable,
	.late = on_late,
	.gone = on_gone,
	.idle = is_idle,
	.ended = on_ended,
};

/* ---- the service ---- */

int capf_service_new(struct event_base *base, struct net_pool *pool, const struct capf_decider *decider,
		     struct capf_service **out, struct err *e)
{
	struct capf_service *s = calloc(1, sizeof(*s));
	uint32_t incarnation;
	int rc = s ? random_fill(&random_system, &incarnation, sizeof(incarnation), e) :
		     err_set(e, ERR_NOMEM, "no memory for the CAPF service");

	if (rc < 0) {
		free(s);
		return rc;
	}
	s->decider = *decider;
	s->incarnation = incarnation >> (32 - INCARNATION_BITS);
	tls_service_init(&s->tls, &ops, base, pool);
	*out = s;
	return 0;
}

struct tls_service *capf_service_tls(struct capf_service *s)
{
	return &s->tls;
}

void capf_service_free(struct capf_service *s)
{
	if (!s)
		return;
	tls_service_clear(&s->tls);
	free(s);
}

const struct capf_service_stats *capf_service_stats(struct capf_service *s)
{
	s->stats.connections = s->tls.connections;
	s->stats.handshakes_failed = s->tls.handshakes_failed;
	s->stats.current = s->tls.current;
	return &s->stats;
}
