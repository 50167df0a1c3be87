#include "net/tls_link.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls.h"
#include "net/tls_client.h"

struct tls_link {
	struct event_base *base;
	SSL_CTX *ssl;
	int fd;                   /* until bev has it */
	struct event *connecting;
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
	if (l->connecting)
		event_free(l->connecting);
	if (l->fd >= 0)
		close(l->fd);
	if (l->patience)
		event_free(l->patience);
	SSL_CTX_free(l->ssl);
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

	snprintf(why, sizeof why, "the TLS handshake failed: %s", tls_failure(l->bev));
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
		no_handshake(l);
}

/* --- the connection: made here, because a bufferevent with TLS loses why it could not be made --- */

static bool shake_hands(struct tls_link *l)
{
	SSL *ssl = SSL_new(l->ssl);

	if (ssl)
		l->bev = bufferevent_openssl_socket_new(l->base, l->fd, ssl, BUFFEREVENT_SSL_CONNECTING,
							BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!l->bev) {
		SSL_free(ssl);
		return false;
	}
	l->fd = -1;
	bufferevent_openssl_set_allow_dirty_shutdown(l->bev, 1);
	bufferevent_setcb(l->bev, on_read, on_written, on_event, l);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	return true;
}

static void on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct tls_link *l = ctx;
	int code = 0;
	socklen_t len = sizeof code;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code)
		l->h.failed(l->h.ctx, strerror(code));
	else if (!shake_hands(l))
		l->h.failed(l->h.ctx, "no memory for a TLS connection");
}

static int dial(struct tls_link *l, const struct sockaddr *server, socklen_t len, struct err *e)
{
	l->fd = socket(server->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || (connect(l->fd, server, len) < 0 && errno != EINPROGRESS))
		return err_sys(e, ERR_IO, "connecting");
	l->connecting = event_new(l->base, l->fd, EV_WRITE, on_connected, l);
	l->patience = evtimer_new(l->base, on_patience, l);
	if (!l->connecting || !l->patience || event_add(l->connecting, NULL))
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	tls_link_wait(l);
	return 0;
}

int tls_link_start(struct event_base *base, SSL_CTX *ctx, const struct sockaddr *server, socklen_t len,
		   const struct tls_link_handler *h, struct tls_link **out, struct err *e)
{
	struct tls_link *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	*l = (struct tls_link){.base = base, .ssl = ctx, .fd = -1, .h = *h, .patience_ms = TLS_CLIENT_MS};
	SSL_CTX_up_ref(ctx);
	rc = dial(l, server, len, e);
	if (rc) {
		tls_link_free(l);
		return rc;
	}
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
