#include "net/tls_client.h"

#include <stdlib.h>

#include "net/tls_link.h"
#include "proto/tvs.h"

struct tls_client {
	struct tls_link *link;
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
	tls_link_free(c->link);
	free(c);
}

static void end(struct tls_client *c, struct view message, const char *why)
{
	c->h.ended(c->h.ctx, message, why);
	tls_client_cancel(c);
}

static void failed(void *ctx, const char *why)
{
	end(ctx, (struct view){0}, why);
}

static bool connected(void *ctx, const struct cert *server)
{
	struct tls_client *c = ctx;
	struct view out = c->h.connected(c->h.ctx, server);

	return out.p && tls_link_write(c->link, out) == 0;
}

static void readable(void *ctx, struct evbuffer *in)
{
	struct tls_client *c = ctx;
	size_t have = evbuffer_get_length(in);
	const uint8_t *p = evbuffer_pullup(in, -1);
	ssize_t len = p ? c->h.message_len(c->h.ctx, (struct view){p, have}) : -1;

	if (len < 0)
		end(c, (struct view){0}, "the answer is malformed");
	else if (len > 0)
		end(c, (struct view){p, (size_t)len}, "");
	else
		tls_link_wait(c->link); /* a large file may take its time, as long as it comes */
}

int tls_client_start(struct event_base *base, SSL_CTX *ctx, const struct sockaddr *server, socklen_t len,
		     const struct tls_client_handler *h, struct tls_client **out, struct err *e)
{
	struct tls_client *c = calloc(1, sizeof *c);
	const struct tls_link_handler mine = {.connected = connected, .readable = readable, .failed = failed, .ctx = c};
	int rc;

	if (!c)
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	c->h = *h;
	rc = tls_link_start(base, ctx, server, len, &mine, &c->link, e);
	if (rc)
		free(c);
	else
		*out = c;
	return rc;
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
