#include "net/ctl_provider_service.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "base/secret.h"

struct client {
	struct tls_conn tls; /* first */
	struct ctlp_conn conn;
	uint8_t session[CTLP_SESSION_LEN];
	struct wr late;      /* the answer to a wrong password, until its time has come */
	void *wait;          /* for a decision */
};

struct ctl_provider_service {
	struct tls_service tls; /* first */
	struct ctl_provider_decider decider;
	struct ctl_provider_service_stats stats;
};

static struct ctl_provider_service *service_of(const struct client *c)
{
	return (struct ctl_provider_service *)c->tls.service;
}

static void on_gone(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;
	const struct ctl_provider_decider *d = &service_of(c)->decider;

	if (c->wait)
		d->cancel(d->ctx, c->wait);
	wr_clear(&c->late);
	secret_wipe(c->session, sizeof(c->session));
}

static void on_ended(struct tls_service *tls, const struct tls_conn *c, const char *why)
{
	const struct ctl_provider_decider *d = &((struct ctl_provider_service *)tls)->decider;

	if (d->ended)
		d->ended(d->ctx, (const struct sockaddr *)&c->peer, why);
}

/* ---- the conversation ---- */

static void go_on(struct client *c);

static void answer_late(struct client *c, struct view answer, unsigned delay_ms)
{
	if (!wr_view(&c->late, answer)) {
		tls_conn_end(&c->tls);
		return;
	}
	bufferevent_disable(c->tls.bev, EV_READ);
	tls_conn_wait(&c->tls, delay_ms);
}

/* Only who has logged in gets room for more than a LOGIN. */
static void welcome(struct client *c, const uint8_t session[CTLP_SESSION_LEN])
{
	memcpy(c->session, session, CTLP_SESSION_LEN);
	bufferevent_setwatermark(c->tls.bev, EV_READ, 0, CTLP_FRAME_MAX);
	net_pool_busy(c->tls.service->pool, &c->tls.net);
}

static void on_decided(void *ctx, struct view reply, const uint8_t session[CTLP_SESSION_LEN])
{
	struct client *c = ctx;
	struct err e = ERR_INIT;
	unsigned delay_ms;

	c->wait = NULL;
	if (!reply.p) {
		tls_conn_log(&c->tls, "nobody decides now");
		tls_conn_end(&c->tls);
		return;
	}
	if (ctlp_conn_decide(&c->conn, reply, clock_mono_ms(&clock_system), &delay_ms, &e) == CTLP_WANT_CLOSE) {
		if (e.code) {
			tls_conn_log(&c->tls, e.text);
			tls_conn_end(&c->tls);
		} else if (delay_ms) {
			answer_late(c, reply, delay_ms);
		} else {
			tls_conn_finish(&c->tls, reply, CTLP_IDLE_MS);
		}
		return;
	}
	if (bufferevent_write(c->tls.bev, reply.p, reply.len)) {
		tls_conn_log(&c->tls, "no memory");
		tls_conn_free(&c->tls);
		return;
	}
	welcome(c, session);
	go_on(c);
}

/* The message is the first `len` octets of what has come. */
static void ask(struct client *c, size_t len)
{
	const struct ctl_provider_decider *d = &service_of(c)->decider;
	struct evbuffer *in = bufferevent_get_input(c->tls.bev);
	uint8_t *octets = evbuffer_pullup(in, (ev_ssize_t)len);
	const struct ctl_provider_ask ask = {
		.peer = (struct sockaddr *)&c->tls.peer, .session = c->session, .frame = {octets, len}};
	struct err e = ERR_INIT;
	int rc = d->ask(d->ctx, &ask, on_decided, c, &c->wait, &e);

	secret_wipe(octets, len); /* it may be a password */
	evbuffer_drain(in, len);
	tls_conn_wait_not(&c->tls); /* whoever decides has a deadline of his own */
	if (rc == 0)
		return;
	tls_conn_log(&c->tls, e.text);
	tls_conn_end(&c->tls);
}

static void broken(struct client *c, const struct err *e)
{
	service_of(c)->stats.timed_out += e->code == ERR_AGAIN;
	service_of(c)->stats.malformed += e->code == ERR_PROTO;
	tls_conn_log(&c->tls, e->code ? e->text : "no memory");
	tls_conn_end(&c->tls);
}

/* One message, if it is whole. */
static void go_on(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->tls.bev);
	struct view have = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
	uint64_t now = clock_mono_ms(&clock_system);
	struct err e = ERR_INIT;
	size_t used;

	switch (ctlp_conn_step(&c->conn, have, now, &used, &e)) {
	case CTLP_WANT_READ:
		tls_conn_wait(&c->tls, ctlp_conn_deadline(&c->conn) > now ? ctlp_conn_deadline(&c->conn) - now : 0);
		return;
	case CTLP_WANT_DECISION: ask(c, used); return;
	case CTLP_WANT_CLOSE: broken(c, &e); return;
	}
}

static void on_readable(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;

	if (!c->wait && !c->late.len)
		go_on(c);
}

static void on_begin(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;

	wr_init(&c->late, CTLP_FRAME_MAX);
	ctlp_conn_init(&c->conn, clock_mono_ms(&clock_system));
	go_on(c);
}

static void on_late(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;

	if (!c->late.len) {
		go_on(c); /* whose deadline has passed */
		return;
	}
	struct wr answer = c->late;
	wr_init(&c->late, CTLP_FRAME_MAX);
	tls_conn_finish(tls, wr_view_all(&answer), CTLP_IDLE_MS);
	wr_clear(&answer);
}

static bool is_idle(struct tls_conn *tls)
{
	return !((struct client *)tls)->wait && !tls_conn_unsent(tls);
}

static const struct tls_service_ops ops = {
	.conn_size = sizeof(struct client),
	.in_max = CTLP_LOGIN_FRAME_MAX,
	.unread = "the client does not read its answer",
	.begin = on_begin,
	.readable = on_readable,
	.late = on_late,
	.gone = on_gone,
	.idle = is_idle,
	.ended = on_ended,
};

/* ---- the service ---- */

int ctl_provider_service_new(struct event_base *base, struct net_pool *pool, const struct ctl_provider_decider *decider,
			     struct ctl_provider_service **out, struct err *e)
{
	struct ctl_provider_service *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for the CTL Provider");
	s->decider = *decider;
	tls_service_init(&s->tls, &ops, base, pool);
	*out = s;
	return 0;
}

struct tls_service *ctl_provider_service_tls(struct ctl_provider_service *s)
{
	return &s->tls;
}

void ctl_provider_service_free(struct ctl_provider_service *s)
{
	if (!s)
		return;
	tls_service_clear(&s->tls);
	free(s);
}

const struct ctl_provider_service_stats *ctl_provider_service_stats(struct ctl_provider_service *s)
{
	s->stats.connections = s->tls.connections;
	s->stats.handshakes_failed = s->tls.handshakes_failed;
	s->stats.current = s->tls.current;
	return &s->stats;
}
