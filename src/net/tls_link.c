#include "net/tls_link.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls.h"
#include "net/tls_client.h"

struct tls_link {
	struct event_base *base;
	struct bufferevent *bev;
	struct event *patience;
	unsigned patience_ms;
	bool handshake_done;
	struct tls_link_handler h;
};

void tls_link_free(struct tls_link *l)
{
	if (!l)
		return;
	if (l->bev)
		bufferevent_free(l->bev);
	if (l->patience)
		event_free(l->patience);
	free(l);
}

void tls_link_wait(struct tls_link *l)
{
	const struct timeval t = {l->patience_ms / 1000, (suseconds_t)(l->patience_ms % 1000) * 1000};

	event_base_update_cache_time(l->base); /* who writes may have made a key of 4096 bits before */
	event_add(l->patience, &t);
}

void tls_link_set_patience(struct tls_link *l, unsigned ms)
{
	l->patience_ms = ms;
	tls_link_wait(l);
}

static void on_patience(int fd, short what, void *ctx)
{
	struct tls_link *l = ctx;

	(void)fd;
	(void)what;
	l->h.failed(l->h.ctx, "the server does not answer");
}

static void handshake_done(struct tls_link *l)
{
	X509 *x = SSL_get1_peer_certificate(bufferevent_openssl_get_ssl(l->bev));
	struct cert *server = NULL;
	struct err e = ERR_INIT;
	bool wanted = false;

	l->handshake_done = true;
	tls_link_wait(l);
	if (!x || cert_from_x509(x, &server, &e)) {
		l->h.failed(l->h.ctx, x ? e.text : "the server has no certificate");
	} else {
		wanted = l->h.connected(l->h.ctx, server);
		if (!wanted)
			l->h.failed(l->h.ctx, "not wanted");
	}
	cert_unref(server);
	X509_free(x);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct tls_link *l = ctx;

	l->h.readable(l->h.ctx, bufferevent_get_input(bev));
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct tls_link *l = ctx;

	(void)bev;
	if (l->handshake_done && l->h.drained)
		l->h.drained(l->h.ctx);
}

static void no_handshake(struct tls_link *l)
{
	char why[160];

	snprintf(why, sizeof why, "nobody answers, or the TLS handshake failed: %s", tls_failure(l->bev));
	l->h.failed(l->h.ctx, why);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct tls_link *l = ctx;
	int code = EVUTIL_SOCKET_ERROR();

	if (what & BEV_EVENT_CONNECTED)
		handshake_done(l);
	else if (what & BEV_EVENT_ERROR && code)
		l->h.failed(l->h.ctx, evutil_socket_error_to_string(code));
	else if (l->handshake_done)
		l->h.failed(l->h.ctx, tls_failure(bev));
	else
		no_handshake(l); /* libevent loses why a connection could not be made */
}

static int prepare(struct tls_link *l, SSL_CTX *ctx, struct err *e)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl)
		l->bev = bufferevent_openssl_socket_new(l->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
							BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!l->bev)
		SSL_free(ssl);
	l->patience = evtimer_new(l->base, on_patience, l);
	if (!l->bev || !l->patience)
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	bufferevent_openssl_set_allow_dirty_shutdown(l->bev, 1);
	bufferevent_setcb(l->bev, on_read, on_written, on_event, l);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	return 0;
}

int tls_link_start(struct event_base *base, SSL_CTX *ctx, const struct sockaddr *server, socklen_t len,
		   const struct tls_link_handler *h, struct tls_link **out, struct err *e)
{
	struct tls_link *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	*l = (struct tls_link){.base = base, .h = *h, .patience_ms = TLS_CLIENT_MS};
	rc = prepare(l, ctx, e);
	if (!rc && bufferevent_socket_connect(l->bev, server, (int)len) < 0)
		rc = err_sys(e, ERR_IO, "connecting");
	if (rc) {
		tls_link_free(l);
		return rc;
	}
	tls_link_wait(l);
	*out = l;
	return 0;
}

int tls_link_write(struct tls_link *l, struct view data)
{
	tls_link_wait(l);
	return bufferevent_write(l->bev, data.p, data.len);
}

struct evbuffer *tls_link_input(struct tls_link *l)
{
	return bufferevent_get_input(l->bev);
}
