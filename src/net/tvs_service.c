#include "net/tvs_service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/clock.h"
#include "net/tls.h"

struct client {
	struct net_conn net; /* first: net_conn's evict gets it */
	LIST_ENTRY(client) link;
	struct tvs_service *service;
	struct sockaddr_storage peer;
	struct bufferevent *bev;
	struct event *timer;
	struct tvs_conn conn;
	bool handshake_done, ending; /* ending: what is written goes out, nothing more is read */
};

struct tvs_service {
	struct event_base *base;
	struct net_pool *pool;
	tvs_service_log *log;
	void *ctx;
	SSL_CTX *tls;
	const struct tvs_index *ix;
	struct tvs_lookup lookup;
	struct tvs_service_stats stats;
	bool draining;
	LIST_HEAD(, client) clients;
};

static void client_free(struct client *c)
{
	c->service->stats.current--;
	net_pool_leave(c->service->pool, &c->net);
	LIST_REMOVE(c, link);
	if (c->timer)
		event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

/* The client is still there: it is told that nothing more comes. */
static void client_end(struct client *c)
{
	if (c->handshake_done)
		tls_close_notify(c->bev);
	client_free(c);
}

static void on_evict(struct net_conn *net)
{
	client_end((struct client *)net);
}

static void log_end(struct client *c, const char *why)
{
	const struct tvs_event none = {0};

	if (c->service->log)
		c->service->log(c->service->ctx, (struct sockaddr *)&c->peer, &none, why);
}

static void set_timer(struct client *c, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(c->timer, &tv);
}

/* ---- requests ---- */

/* One request of what has come. False: the client is gone, or is going, or nothing whole has come. */
static bool answer_one(struct client *c)
{
	struct tvs_service *s = c->service;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	uint64_t now = clock_mono_ms(&clock_system);
	size_t used, have = evbuffer_get_length(in);
	struct err e = ERR_INIT;
	struct tvs_event ev;
	enum tvs_want want;
	struct wr out;

	wr_init(&out, TVS_FRAME_MAX);
	want = tvs_conn_step(&c->conn, (struct view){evbuffer_pullup(in, -1), have}, now, &used, &out, &ev, &e);
	if (want == TVS_WANT_WRITE && !bufferevent_write(c->bev, out.p, out.len)) {
		wr_clear(&out);
		evbuffer_drain(in, used);
		net_pool_busy(s->pool, &c->net); /* until the client has read it */
		if (s->log)
			s->log(s->ctx, (struct sockaddr *)&c->peer, &ev, NULL);
		return true;
	}
	wr_clear(&out);
	if (want == TVS_WANT_READ) {
		set_timer(c, tvs_conn_deadline(&c->conn) - now);
		return false;
	}
	log_end(c, e.code ? e.text : "no memory");
	client_end(c);
	return false;
}

static size_t unsent(const struct client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void answer_all(struct client *c)
{
	while (unsent(c) < TVS_OUT_MAX)
		if (!answer_one(c))
			return;
	/* the client reads more slowly than it asks: go on when it has */
	bufferevent_disable(c->bev, EV_READ);
	set_timer(c, TVS_IDLE_MS);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (!c->service->ix) {
		log_end(c, "there is no index yet");
		client_free(c);
		return;
	}
	answer_all(c);
}

/* Everything that was answered has gone out. */
static void on_written(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	if (!c->handshake_done)
		return;
	if (c->ending) {
		client_end(c);
		return;
	}
	net_pool_waiting(c->service->pool, &c->net);
	bufferevent_enable(bev, EV_READ);
	if (evbuffer_get_length(bufferevent_get_input(bev)))
		on_read(bev, c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct client *c = ctx;
	struct tvs_service *s = c->service;

	if (what & BEV_EVENT_CONNECTED) {
		c->handshake_done = true;
		tvs_conn_init(&c->conn, &s->lookup, &s->stats.requests, clock_mono_ms(&clock_system));
		set_timer(c, TVS_IDLE_MS);
		return;
	}
	if (!c->handshake_done) {
		s->stats.handshakes_failed++;
		log_end(c, tls_failure(bev));
	}
	client_free(c);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct client *c = ctx;

	(void)fd;
	(void)what;
	if (!c->handshake_done) {
		c->service->stats.handshakes_failed++;
		log_end(c, "the TLS handshake took too long");
		client_free(c);
	} else if (unsent(c)) {
		log_end(c, "the client does not read its answers");
		client_free(c);
	} else {
		answer_one(c); /* whose deadline has passed: it ends the connection and counts it */
	}
}

/* ---- connections ---- */

void tvs_service_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct tvs_service *s = ctx;
	struct client *c = s->tls && !s->draining ? calloc(1, sizeof *c) : NULL;
	struct err e = ERR_INIT;

	if (c)
		c->net.evict = on_evict;
	if (!c || len > sizeof c->peer || !net_pool_admit(s->pool, &c->net, peer, len)) {
		free(c);
		close(fd);
		return;
	}
	c->service = s;
	memcpy(&c->peer, peer, len);
	if (tls_accept(s->base, s->tls, fd, &c->bev, &e)) {
		net_pool_leave(s->pool, &c->net);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->stats.current++;
	c->timer = evtimer_new(s->base, on_timer, c);
	if (!c->timer) {
		client_free(c);
		return;
	}
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, TVS_FRAME_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	set_timer(c, TLS_HANDSHAKE_MS);
}

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
	*s = (struct tvs_service){.base = base, .pool = pool, .log = log, .ctx = ctx};
	s->lookup = (struct tvs_lookup){verify, query, s};
	LIST_INIT(&s->clients);
	*out = s;
	return 0;
}

void tvs_service_close_all(struct tvs_service *s)
{
	struct client *c;

	while ((c = LIST_FIRST(&s->clients)))
		client_end(c);
}

void tvs_service_free(struct tvs_service *s)
{
	if (!s)
		return;
	tvs_service_close_all(s);
	SSL_CTX_free(s->tls);
	free(s);
}

void tvs_service_set_tls(struct tvs_service *s, SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->tls);
	s->tls = ctx;
}

void tvs_service_set_index(struct tvs_service *s, const struct tvs_index *ix)
{
	s->ix = ix;
}

bool tvs_service_drain(struct tvs_service *s)
{
	struct client *c, *following;

	s->draining = true;
	for (c = LIST_FIRST(&s->clients); c; c = following) {
		following = LIST_NEXT(c, link);
		if (!c->handshake_done || !unsent(c)) {
			client_end(c);
		} else {
			c->ending = true;
			bufferevent_disable(c->bev, EV_READ);
		}
	}
	return LIST_EMPTY(&s->clients);
}

const struct tvs_service_stats *tvs_service_stats(const struct tvs_service *s)
{
	return &s->stats;
}
