#include "net/ctl_provider_service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/clock.h"
#include "base/secret.h"
#include "net/tls.h"

struct client {
	struct net_conn net; /* first: net_conn's evict gets it */
	LIST_ENTRY(client) link;
	struct ctl_provider_service *service;
	struct sockaddr_storage peer;
	struct bufferevent *bev;
	struct event *timer;
	struct ctlp_conn conn;
	uint8_t session[CTLP_SESSION_LEN];
	struct wr late;      /* the answer to a wrong password, until its time has come */
	void *wait;          /* for a decision */
	bool handshake_done;
	bool ending;         /* what is written goes out, nothing more is read */
};

struct ctl_provider_service {
	struct event_base *base;
	struct net_pool *pool;
	struct ctl_provider_decider decider;
	SSL_CTX *tls;
	struct ctl_provider_service_stats stats;
	bool draining;
	LIST_HEAD(, client) clients;
};

/* ---- ends ---- */

static void client_free(struct client *c)
{
	const struct ctl_provider_decider *d = &c->service->decider;

	if (c->wait)
		d->cancel(d->ctx, c->wait);
	c->service->stats.current--;
	net_pool_leave(c->service->pool, &c->net);
	LIST_REMOVE(c, link);
	if (c->timer)
		event_free(c->timer);
	wr_clear(&c->late);
	bufferevent_free(c->bev);
	secret_wipe(c->session, sizeof(c->session));
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
	const struct ctl_provider_decider *d = &c->service->decider;

	if (d->ended)
		d->ended(d->ctx, (struct sockaddr *)&c->peer, why);
}

static void set_timer(struct client *c, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(c->timer, &tv);
}

/* ---- the conversation ---- */

static void go_on(struct client *c);

/* The last answer, or nothing. */
static void finish(struct client *c, struct view answer)
{
	if (!answer.len || bufferevent_write(c->bev, answer.p, answer.len)) {
		client_end(c);
		return;
	}
	c->ending = true;
	bufferevent_disable(c->bev, EV_READ);
	set_timer(c, CTLP_IDLE_MS);
}

static void answer_late(struct client *c, struct view answer, unsigned delay_ms)
{
	if (!wr_view(&c->late, answer)) {
		client_end(c);
		return;
	}
	bufferevent_disable(c->bev, EV_READ);
	set_timer(c, delay_ms);
}

/* Only who has logged in gets room for more than a LOGIN. */
static void welcome(struct client *c, const uint8_t session[CTLP_SESSION_LEN])
{
	memcpy(c->session, session, CTLP_SESSION_LEN);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CTLP_FRAME_MAX);
	net_pool_busy(c->service->pool, &c->net);
}

static void on_decided(void *ctx, struct view reply, const uint8_t session[CTLP_SESSION_LEN])
{
	struct client *c = ctx;
	struct err e = ERR_INIT;
	unsigned delay_ms;

	c->wait = NULL;
	if (!reply.p) {
		log_end(c, "nobody decides now");
		client_end(c);
		return;
	}
	if (ctlp_conn_decide(&c->conn, reply, clock_mono_ms(&clock_system), &delay_ms, &e) == CTLP_WANT_CLOSE) {
		if (e.code) {
			log_end(c, e.text);
			client_end(c);
		} else if (delay_ms) {
			answer_late(c, reply, delay_ms);
		} else {
			finish(c, reply);
		}
		return;
	}
	if (bufferevent_write(c->bev, reply.p, reply.len)) {
		log_end(c, "no memory");
		client_free(c);
		return;
	}
	welcome(c, session);
	go_on(c);
}

/* The message is the first `len` octets of what has come. */
static void ask(struct client *c, size_t len)
{
	const struct ctl_provider_decider *d = &c->service->decider;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	uint8_t *octets = evbuffer_pullup(in, (ev_ssize_t)len);
	const struct ctl_provider_ask ask = {
		.peer = (struct sockaddr *)&c->peer, .session = c->session, .frame = {octets, len}};
	struct err e = ERR_INIT;
	int rc = d->ask(d->ctx, &ask, on_decided, c, &c->wait, &e);

	secret_wipe(octets, len); /* it may be a password */
	evbuffer_drain(in, len);
	event_del(c->timer); /* whoever decides has a deadline of his own */
	if (rc == 0)
		return;
	log_end(c, e.text);
	client_end(c);
}

static void broken(struct client *c, const struct err *e)
{
	c->service->stats.timed_out += e->code == ERR_AGAIN;
	c->service->stats.malformed += e->code == ERR_PROTO;
	log_end(c, e->code ? e->text : "no memory");
	client_end(c);
}

/* One message, if it is whole. */
static void go_on(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct view have = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
	uint64_t now = clock_mono_ms(&clock_system);
	struct err e = ERR_INIT;
	size_t used;

	switch (ctlp_conn_step(&c->conn, have, now, &used, &e)) {
	case CTLP_WANT_READ:
		set_timer(c, ctlp_conn_deadline(&c->conn) > now ? ctlp_conn_deadline(&c->conn) - now : 0);
		return;
	case CTLP_WANT_DECISION: ask(c, used); return;
	case CTLP_WANT_CLOSE: broken(c, &e); return;
	}
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (!c->wait && !c->ending && !c->late.len)
		go_on(c);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (c->ending)
		client_end(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct client *c = ctx;

	if (what & BEV_EVENT_CONNECTED) {
		c->handshake_done = true;
		ctlp_conn_init(&c->conn, clock_mono_ms(&clock_system));
		go_on(c);
		return;
	}
	if (!c->handshake_done) {
		c->service->stats.handshakes_failed++;
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
	} else if (c->late.len) {
		struct wr answer = c->late;
		wr_init(&c->late, CTLP_FRAME_MAX);
		finish(c, wr_view_all(&answer));
		wr_clear(&answer);
	} else if (c->ending) {
		log_end(c, "the client does not read its answer");
		client_free(c);
	} else {
		go_on(c); /* whose deadline has passed */
	}
}

/* ---- connections ---- */

void ctl_provider_service_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct ctl_provider_service *s = ctx;
	struct client *c = s->tls && !s->draining ? calloc(1, sizeof(*c)) : NULL;
	struct err e = ERR_INIT;

	if (c)
		c->net.evict = on_evict;
	if (!c || len > sizeof(c->peer) || !net_pool_admit(s->pool, &c->net, peer, len)) {
		free(c);
		close(fd);
		return;
	}
	c->service = s;
	memcpy(&c->peer, peer, len);
	wr_init(&c->late, CTLP_FRAME_MAX);
	if (tls_accept(s->base, s->tls, fd, &c->bev, &e)) {
		net_pool_leave(s->pool, &c->net);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->stats.connections++;
	s->stats.current++;
	c->timer = evtimer_new(s->base, on_timer, c);
	if (!c->timer) {
		client_free(c);
		return;
	}
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CTLP_LOGIN_FRAME_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	set_timer(c, TLS_HANDSHAKE_MS);
}

int ctl_provider_service_new(struct event_base *base, struct net_pool *pool, const struct ctl_provider_decider *decider,
			     struct ctl_provider_service **out, struct err *e)
{
	struct ctl_provider_service *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for the CTL Provider");
	*s = (struct ctl_provider_service){.base = base, .pool = pool, .decider = *decider};
	LIST_INIT(&s->clients);
	*out = s;
	return 0;
}

void ctl_provider_service_close_all(struct ctl_provider_service *s)
{
	struct client *c;

	while ((c = LIST_FIRST(&s->clients)))
		client_end(c);
}

void ctl_provider_service_free(struct ctl_provider_service *s)
{
	if (!s)
		return;
	ctl_provider_service_close_all(s);
	SSL_CTX_free(s->tls);
	free(s);
}

void ctl_provider_service_set_tls(struct ctl_provider_service *s, SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->tls);
	s->tls = ctx;
}

bool ctl_provider_service_drain(struct ctl_provider_service *s)
{
	struct client *c, *following;

	s->draining = true;
	for (c = LIST_FIRST(&s->clients); c; c = following) {
		following = LIST_NEXT(c, link);
		if (!c->wait && !c->ending && !evbuffer_get_length(bufferevent_get_output(c->bev)))
			client_end(c);
	}
	return LIST_EMPTY(&s->clients);
}

const struct ctl_provider_service_stats *ctl_provider_service_stats(const struct ctl_provider_service *s)
{
	return &s->stats;
}
