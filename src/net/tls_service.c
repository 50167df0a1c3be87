#include "net/tls_service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "net/tls.h"

/* ---- ends ---- */

void tls_conn_free(struct tls_conn *c)
{
	struct tls_service *s = c->service;

	if (s->ops->gone)
		s->ops->gone(c);
	s->current--;
	net_pool_leave(s->pool, &c->net);
	LIST_REMOVE(c, link);
	if (c->timer)
		event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

void tls_conn_end(struct tls_conn *c)
{
	if (c->handshake_done)
		tls_close_notify(c->bev);
	tls_conn_free(c);
}

static void on_evict(struct net_conn *net)
{
	tls_conn_end((struct tls_conn *)net);
}

void tls_conn_log(struct tls_conn *c, const char *why)
{
	c->service->ops->ended(c->service, c, why);
}

void tls_conn_wait(struct tls_conn *c, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(c->timer, &tv);
}

void tls_conn_wait_not(struct tls_conn *c)
{
	event_del(c->timer);
}

size_t tls_conn_unsent(const struct tls_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void tls_conn_finish(struct tls_conn *c, struct view last, uint64_t ms)
{
	if (last.len && bufferevent_write(c->bev, last.p, last.len)) {
		tls_conn_log(c, "no memory");
		tls_conn_free(c);
		return;
	}
	if (!tls_conn_unsent(c)) {
		tls_conn_end(c);
		return;
	}
	c->ending = true;
	bufferevent_disable(c->bev, EV_READ);
	tls_conn_wait(c, ms);
}

/* ---- what happens ---- */

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct tls_conn *c = ctx;

	(void)bev;
	if (!c->ending)
		c->service->ops->readable(c);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct tls_conn *c = ctx;

	(void)bev;
	if (c->ending)
		tls_conn_end(c);
	else if (c->handshake_done && c->service->ops->written)
		c->service->ops->written(c);
}

static void no_handshake(struct tls_conn *c, const char *why)
{
	c->service->handshakes_failed++;
	tls_conn_log(c, why);
	tls_conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct tls_conn *c = ctx;

	if (what & BEV_EVENT_CONNECTED) {
		c->handshake_done = true;
		c->service->ops->begin(c);
	} else if (!c->handshake_done) {
		no_handshake(c, tls_failure(bev));
	} else {
		tls_conn_free(c);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct tls_conn *c = ctx;

	(void)fd;
	(void)what;
	if (!c->handshake_done) {
		no_handshake(c, "the TLS handshake took too long");
	} else if (c->ending) {
		tls_conn_log(c, c->service->ops->unread);
		tls_conn_free(c);
	} else {
		c->service->ops->late(c);
	}
}

/* ---- connections ---- */

void tls_service_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct tls_service *s = ctx;
	struct tls_conn *c = s->tls && !s->draining ? calloc(1, s->ops->conn_size) : NULL;
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
	if (tls_accept(s->base, s->tls, fd, &c->bev, &e)) {
		net_pool_leave(s->pool, &c->net);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->connections++;
	s->current++;
	c->timer = evtimer_new(s->base, on_timer, c);
	if (!c->timer) {
		tls_conn_free(c);
		return;
	}
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, s->ops->in_max);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	tls_conn_wait(c, TLS_HANDSHAKE_MS);
}

void tls_service_init(struct tls_service *s, const struct tls_service_ops *ops, struct event_base *base,
		      struct net_pool *pool)
{
	*s = (struct tls_service){.ops = ops, .base = base, .pool = pool};
	LIST_INIT(&s->conns);
}

void tls_service_close_all(struct tls_service *s)
{
	struct tls_conn *c;

	while ((c = LIST_FIRST(&s->conns)))
		tls_conn_end(c);
}

void tls_service_clear(struct tls_service *s)
{
	tls_service_close_all(s);
	SSL_CTX_free(s->tls);
	s->tls = NULL;
}

void tls_service_set_tls(struct tls_service *s, SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->tls);
	s->tls = ctx;
}

bool tls_service_drain(struct tls_service *s)
{
	struct tls_conn *c, *following;

	s->draining = true;
	for (c = LIST_FIRST(&s->conns); c; c = following) {
		following = LIST_NEXT(c, link);
		if (!c->handshake_done || (!c->ending && s->ops->idle(c)))
			tls_conn_end(c);
	}
	return LIST_EMPTY(&s->conns);
}
