#include "net/tls_client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls.h"
#include "proto/tvs.h"

struct tls_client {
	struct bufferevent *bev;
	bool handshake_done;
	struct tls_client_handler h;
};

int tls_client_new(bool tls10, SSL_CTX **ctx, struct err *e)
{
	SSL_CTX *got = SSL_CTX_new(TLS_client_method());

	if (!got)
		return err_openssl(e, ERR_CRYPTO, "TLS: making a context");
	SSL_CTX_set_security_level(got, 0);
	SSL_CTX_set_verify(got, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(got, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(got, tls10 ? TLS1_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(got, tls10 ? TLS1_VERSION : TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(got, tls10 ? "AES256-SHA" : "DEFAULT") != 1) {
		SSL_CTX_free(got);
		return err_openssl(e, ERR_CRYPTO, "TLS: choosing versions and ciphers");
	}
	*ctx = got;
	return 0;
}

void tls_client_cancel(struct tls_client *c)
{
	if (!c)
		return;
	if (c->bev)
		bufferevent_free(c->bev);
	free(c);
}

static void end(struct tls_client *c, struct view message, const char *why)
{
	c->h.ended(c->h.ctx, message, why);
	tls_client_cancel(c);
}

static void handshake_done(struct tls_client *c)
{
	X509 *x = SSL_get1_peer_certificate(bufferevent_openssl_get_ssl(c->bev));
	struct cert *server = NULL;
	struct err e = ERR_INIT;
	struct view out;

	c->handshake_done = true;
	if (!x || cert_from_x509(x, &server, &e)) {
		X509_free(x);
		end(c, (struct view){0}, x ? e.text : "the server has no certificate");
		return;
	}
	X509_free(x);
	out = c->h.connected(c->h.ctx, server);
	cert_unref(server);
	if (!out.p)
		end(c, (struct view){0}, "not wanted");
	else if (bufferevent_write(c->bev, out.p, out.len))
		end(c, (struct view){0}, "no memory");
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct tls_client *c = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t have = evbuffer_get_length(in);
	const uint8_t *p = evbuffer_pullup(in, -1);
	ssize_t len = p ? c->h.message_len(c->h.ctx, (struct view){p, have}) : -1;

	if (len < 0)
		end(c, (struct view){0}, "the answer is malformed");
	else if (len > 0)
		end(c, (struct view){p, (size_t)len}, "");
}

static void no_handshake(struct tls_client *c)
{
	char why[160];

	snprintf(why, sizeof why, "nobody answers, or the TLS handshake failed: %s", tls_failure(c->bev));
	end(c, (struct view){0}, why);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct tls_client *c = ctx;
	int code = EVUTIL_SOCKET_ERROR();

	if (what & BEV_EVENT_CONNECTED)
		handshake_done(c);
	else if (what & BEV_EVENT_TIMEOUT)
		end(c, (struct view){0}, "the server does not answer");
	else if (what & BEV_EVENT_ERROR && code)
		end(c, (struct view){0}, evutil_socket_error_to_string(code));
	else if (c->handshake_done)
		end(c, (struct view){0}, tls_failure(bev));
	else
		no_handshake(c); /* libevent loses why a connection could not be made */
}

int tls_client_start(struct event_base *base, SSL_CTX *ctx, const struct sockaddr *server, socklen_t len,
		     const struct tls_client_handler *h, struct tls_client **out, struct err *e)
{
	const struct timeval patience = {TLS_CLIENT_MS / 1000, 0};
	struct tls_client *c = calloc(1, sizeof *c);
	SSL *ssl = SSL_new(ctx);

	if (!c || !ssl) {
		free(c);
		SSL_free(ssl);
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	}
	c->h = *h;
	c->bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
						BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!c->bev) {
		SSL_free(ssl);
		free(c);
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	}
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_set_timeouts(c->bev, &patience, &patience);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(c->bev, server, (int)len) < 0) {
		tls_client_cancel(c);
		return err_sys(e, ERR_IO, "connecting");
	}
	*out = c;
	return 0;
}

ssize_t tls_client_tvs_len(void *ctx, struct view data)
{
	struct err e = ERR_INIT;
	size_t len;
	int rc = tvs_frame_len(data, &len, &e);

	(void)ctx;
	if (rc)
		return rc == ERR_AGAIN ? 0 : -1;
	return data.len >= len ? (ssize_t)len : 0;
}
