#include "net/tvs_service.h"

#include <stdlib.h>

#include <event2/buffer.h>

#include "base/clock.h"
#include "net/tls.h"

struct client {
	struct tls_conn tls; /* first */
	struct tvs_conn conn;
};

struct tvs_service {
	struct tls_service tls; /* first */
	tvs_service_log *log;
	void *ctx;
	const struct tvs_index *ix;
	struct tvs_lookup lookup;
	struct tvs_service_stats stats;
};

static struct tvs_service *service_of(const struct client *c)
{
	return (struct tvs_service *)c->tls.service;
}

static void on_ended(struct tls_service *tls, const struct tls_conn *c, const char *why)
{
	const struct tvs_service *s = (struct tvs_service *)tls;
	const struct tvs_event none = {0};

	if (s->log)
		s->log(s->ctx, (const struct sockaddr *)&c->peer, false, &none, why);
}

/* ---- requests ---- */

/* One request of what has come. False: the client is gone, or is going, or nothing whole has come. */
static bool answer_one(struct client *c)
{
	struct tvs_service *s = service_of(c);
	struct evbuffer *in = bufferevent_get_input(c->tls.bev);
	uint64_t now = clock_mono_ms(&clock_system);
	size_t used, have = evbuffer_get_length(in);
	struct err e = ERR_INIT;
	struct tvs_event ev;
	enum tvs_want want;
	struct wr out;

	wr_init(&out, TVS_FRAME_MAX);
	want = tvs_conn_step(&c->conn, (struct view){evbuffer_pullup(in, -1), have}, now, &used, &out, &ev, &e);
	if (want == TVS_WANT_WRITE && !bufferevent_write(c->tls.bev, out.p, out.len)) {
		wr_clear(&out);
		evbuffer_drain(in, used);
		net_pool_busy(s->tls.pool, &c->tls.net); /* until the client has read it */
		if (s->log)
			s->log(s->ctx, (struct sockaddr *)&c->tls.peer, tls_is_old(c->tls.bev), &ev, NULL);
		return true;
	}
	wr_clear(&out);
	if (want == TVS_WANT_READ) {
		tls_conn_wait(&c->tls, tvs_conn_deadline(&c->conn) - now);
		return false;
	}
	tls_conn_log(&c->tls, e.code ? e.text : "no memory");
	tls_conn_end(&c->tls);
	return false;
}

static void answer_all(struct client *c)
{
	while (tls_conn_unsent(&c->tls) < TVS_OUT_MAX)
		if (!answer_one(c))
			return;
	/* the client reads more slowly than it asks: go on when it has */
	bufferevent_disable(c->tls.bev, EV_READ);
	tls_conn_wait(&c->tls, TVS_IDLE_MS);
}

static void on_readable(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;

	if (service_of(c)->ix) {
		answer_all(c);
		return;
	}
	tls_conn_log(tls, "there is no index yet");
	tls_conn_free(tls);
}

/* Everything that was answered has gone out. */
static void on_written(struct tls_conn *tls)
{
	net_pool_waiting(tls->service->pool, &tls->net);
	bufferevent_enable(tls->bev, EV_READ);
	if (evbuffer_get_length(bufferevent_get_input(tls->bev)))
		on_readable(tls);
}

static void on_begin(struct tls_conn *tls)
{
	struct client *c = (struct client *)tls;
	struct tvs_service *s = service_of(c);

	tvs_conn_init(&c->conn, &s->lookup, &s->stats.requests, clock_mono_ms(&clock_system));
	tls_conn_wait(tls, TVS_IDLE_MS);
}

static const char unread[] = "the client does not read its answers";

static void on_late(struct tls_conn *tls)
{
	if (tls_conn_unsent(tls)) {
		tls_conn_log(tls, unread);
		tls_conn_free(tls);
	} else {
		answer_one((struct client *)tls); /* whose deadline has passed: it ends the connection and counts it */
	}
}

/* What has been answered goes out. */
static bool is_idle(struct tls_conn *tls)
{
	if (!tls_conn_unsent(tls))
		return true;
	tls_conn_finish(tls, (struct view){0}, TVS_IDLE_MS);
	return false;
}

static const struct tls_service_ops ops = {
	.conn_size = sizeof(struct client),
	.in_max = TVS_FRAME_MAX,
	.unread = unread,
	.begin = on_begin,
	.readable = on_readable,
	.written = on_written,
	.late = on_late,
	.idle = is_idle,
	.ended = on_ended,
};

/* ---- the service ---- */

/* Asked through the service, so that a new index counts for old connections too. */
static bool verify(void *ctx, struct view der, struct tvs_answer *a)
{
	struct tvs_service *s = ctx;

	return tvs_index_verify(s->ix, der, a);
}

static bool query(void *ctx, struct view subject, struct view issuer, struct view serial, struct tvs_answer *a)
{
	struct tvs_service *s = ctx;

	return tvs_index_query(s->ix, subject, issuer, serial, a);
}

int tvs_service_new(struct event_base *base, struct net_pool *pool, tvs_service_log *log, void *ctx,
		    struct tvs_service **out, struct err *e)
{
	struct tvs_service *s = calloc(1, sizeof *s);

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for the TVS service");
	s->log = log;
	s->ctx = ctx;
	s->lookup = (struct tvs_lookup){verify, query, s};
	tls_service_init(&s->tls, &ops, base, pool);
	*out = s;
	return 0;
}

struct tls_service *tvs_service_tls(struct tvs_service *s)
{
	return &s->tls;
}

void tvs_service_free(struct tvs_service *s)
{
	if (!s)
		return;
	tls_service_clear(&s->tls);
	free(s);
}

void tvs_service_set_index(struct tvs_service *s, const struct tvs_index *ix)
{
	s->ix = ix;
}

const struct tvs_service_stats *tvs_service_stats(struct tvs_service *s)
{
	s->stats.handshakes_failed = s->tls.handshakes_failed;
	s->stats.current = s->tls.current;
	return &s->stats;
}
