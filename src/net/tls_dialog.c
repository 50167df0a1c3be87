#include "net/tls_dialog.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "net/tls_client.h"
#include "net/tls_link.h"

struct tls_dialog {
	struct event_base *base;
	SSL_CTX *ctx;
	struct tls_link *link;
	struct cert *server;   /* NULL: not connected yet */
	bool sent;             /* everything that was written has gone */
	bool failed;
	char why[160];
};

/* --- what happens on the connection ends the waiting --- */

static bool connected(void *ctx, const struct cert *server)
{
	struct tls_dialog *d = ctx;

	d->server = cert_ref((struct cert *)server);
	event_base_loopbreak(d->base);
	return true;
}

static void readable(void *ctx, struct evbuffer *in)
{
	struct tls_dialog *d = ctx;

	(void)in;
	event_base_loopbreak(d->base);
}

static void drained(void *ctx)
{
	struct tls_dialog *d = ctx;

	d->sent = true;
	event_base_loopbreak(d->base);
}

static void failed(void *ctx, const char *why)
{
	struct tls_dialog *d = ctx;

	d->failed = true;
	text_escape(d->why, sizeof(d->why), view_str(why));
	event_base_loopbreak(d->base);
}

/* Until something has happened; the link's patience is an event too, so that it comes to an end. */
static void wait_once(struct tls_dialog *d)
{
	if (event_base_dispatch(d->base) != 0)
		failed(d, "the event loop has nothing to wait for");
}

/* --- one after the other --- */

static int try_address(struct tls_dialog *d, const struct addrinfo *a, struct err *e)
{
	const struct tls_link_handler mine = {connected, readable, drained, failed, d};

	tls_link_free(d->link);
	d->link = NULL;
	d->failed = false;
	int rc = tls_link_start(d->base, d->ctx, a->ai_addr, a->ai_addrlen, &mine, &d->link, e);
	if (rc)
		return rc;
	tls_link_set_patience(d->link, TLS_DIALOG_MS);
	while (!d->server && !d->failed)
		wait_once(d);
	return d->failed ? err_set(e, ERR_IO, "%s", d->why) : 0;
}

static int connect_to(struct tls_dialog *d, const char *host, uint16_t port, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	struct err why = ERR_INIT;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc)
		return err_set(e, ERR_IO, "%s: %s", host, gai_strerror(rc));
	rc = ERR_IO;
	for (const struct addrinfo *a = list; a && rc == ERR_IO; a = a->ai_next) {
		err_clear(&why);
		rc = try_address(d, a, &why);
	}
	freeaddrinfo(list);
	return rc ? err_set(e, rc, "%s port %u: %s", host, port, why.text) : 0;
}

int tls_dialog_open(const char *host, uint16_t port, struct tls_dialog **out, struct err *e)
{
	struct tls_dialog *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, ERR_NOMEM, "no memory for a connection");
	d->base = event_base_new();
	int rc = d->base ? tls_client_new(false, &d->ctx, e) : err_set(e, ERR_NOMEM, "no memory for a connection");
	if (!rc) {
		SSL_CTX_set_security_level(d->ctx, 1); /* no phone from yesteryear is at the other end */
		rc = connect_to(d, host, port, e);
	}
	if (rc) {
		tls_dialog_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void tls_dialog_close(struct tls_dialog *d)
{
	if (!d)
		return;
	tls_link_free(d->link);
	cert_unref(d->server);
	SSL_CTX_free(d->ctx);
	if (d->base)
		event_base_free(d->base);
	free(d);
}

const struct cert *tls_dialog_server(const struct tls_dialog *d)
{
	return d->server;
}

static int no_connection(const struct tls_dialog *d, struct err *e)
{
	return err_set(e, ERR_CLOSED, "the connection to the server came to an end: %s", d->why);
}

int tls_dialog_send(struct tls_dialog *d, struct view octets, struct err *e)
{
	d->sent = false;
	if (!d->failed && tls_link_write(d->link, octets))
		return err_set(e, ERR_NOMEM, "no memory for a message");
	while (!d->sent && !d->failed)
		wait_once(d);
	return d->sent ? 0 : no_connection(d, e);
}

int tls_dialog_receive(struct tls_dialog *d, struct wr *in, struct err *e)
{
	struct evbuffer *have = tls_link_input(d->link);

	while (!evbuffer_get_length(have) && !d->failed)
		wait_once(d);
	size_t len = evbuffer_get_length(have);
	if (!len)
		return no_connection(d, e);
	const uint8_t *octets = evbuffer_pullup(have, -1);
	if (!octets || !wr_bytes(in, octets, len))
		return err_set(e, in->failed ? in->failed : ERR_NOMEM, "the server's answer is too long");
	evbuffer_drain(have, len);
	return 0;
}
