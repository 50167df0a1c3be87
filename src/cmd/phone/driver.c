#include "cmd/phone/driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/fetch.h"
#include "net/tls_client.h"

/* One phone that boots. */
struct run {
	struct driver *d;
	struct phone *p;
	struct console *con;
	struct boot *boot;
	bool http;             /* HTTP is tried first, until it fails once (formats-and-protocols.md 8.4) */
	bool settled;          /* the boot went on from within a TLS connection, which is only to be closed */
	struct fetch *fetch;
	struct tls_client *tls;
	driver_done *done;
	void *ctx;
};

static void step(struct run *r);

static void finish(struct run *r)
{
	r->done(r->ctx, r->boot);
	boot_free(r->boot);
	free(r);
}

/* ---- files ---- */

static void fetched(void *ctx, enum fetch_result result, struct view data, const char *why)
{
	struct run *r = ctx;
	struct err e = ERR_INIT;

	r->fetch = NULL;
	if (result == FETCH_FAILED && r->http && r->d->transport != DRIVER_HTTP) {
		r->http = false;
		console_log(r->con, "HTTP: %s: %s; trying TFTP", r->d->server, why);
		step(r);
		return;
	}
	if (result == FETCH_MISSING)
		boot_missing(r->boot);
	else if (result == FETCH_FAILED)
		boot_failed(r->boot, why);
	else if (boot_got(r->boot, data, &e))
		boot_failed(r->boot, e.text);
	step(r);
}

static int get(struct run *r, const struct boot_todo *t, struct err *e)
{
	struct driver *d = r->d;

	if (r->http)
		return fetch_http(d->base, (struct sockaddr *)&d->http, d->http_len, t->name, t->limit, fetched, r, &r->fetch, e);
	return fetch_tftp(d->base, (struct sockaddr *)&d->tftp, d->tftp_len, t->name, t->limit, fetched, r, &r->fetch, e);
}

/* ---- TLS ---- */

static struct view tvs_connected(void *ctx, const struct cert *server)
{
	struct run *r = ctx;

	boot_tvs_connected(r->boot, server);
	if (boot_todo(r->boot)->action == BOOT_ASK)
		return boot_todo(r->boot)->frame;
	r->settled = true;
	return (struct view){0};
}

static void tvs_ended(void *ctx, struct view message, const char *why)
{
	struct run *r = ctx;

	r->tls = NULL;
	if (!r->settled && message.p)
		boot_tvs_answered(r->boot, message);
	else if (!r->settled)
		boot_tvs_failed(r->boot, why);
	step(r);
}

/* Whether the server is the right one is all that is wanted; what it would serve is not fetched. */
static struct view web_connected(void *ctx, const struct cert *server)
{
	struct run *r = ctx;

	boot_connected(r->boot, server);
	r->settled = true;
	return (struct view){0};
}

static void web_ended(void *ctx, struct view message, const char *why)
{
	struct run *r = ctx;

	(void)message;
	r->tls = NULL;
	if (!r->settled)
		boot_not_connected(r->boot, why);
	step(r);
}

static int connect_tls(struct run *r, const struct boot_todo *t, struct err *e)
{
	struct tls_client_handler h = {tvs_connected, tls_client_tvs_len, tvs_ended, r};
	struct sockaddr_storage to;
	socklen_t len;
	int rc = net_address(t->host, t->port, SOCK_STREAM, &to, &len, e);

	if (rc)
		return rc;
	if (t->action == BOOT_CONNECT) {
		h.connected = web_connected;
		h.ended = web_ended;
	}
	r->settled = false;
	return tls_client_start(r->d->base, r->p->traits->tls10_only == TRAIT_YES ? r->d->tls10 : r->d->tls,
				(struct sockaddr *)&to, len, &h, &r->tls, e);
}

/* ---- the loop of one phone ---- */

/* Start what the boot wants next. What cannot even be started is reported as failed, and the boot wants something else. */
static void step(struct run *r)
{
	for (;;) {
		const struct boot_todo *t = boot_todo(r->boot);
		enum boot_action action = t->action;
		struct err e = ERR_INIT;

		if (action == BOOT_END || action == BOOT_ASK) { /* a question is sent by its connection */
			finish(r);
			return;
		}
		if (!(action == BOOT_GET ? get(r, t, &e) : connect_tls(r, t, &e)))
			return;
		if (action == BOOT_GET)
			boot_failed(r->boot, e.text);
		else if (action == BOOT_TVS)
			boot_tvs_failed(r->boot, e.text);
		else
			boot_not_connected(r->boot, e.text);
	}
}

int driver_boot(struct driver *d, struct phone *p, struct console *con, driver_done *done, void *ctx, struct err *e)
{
	struct run *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return err_set(e, ERR_NOMEM, "no memory for a phone");
	*r = (struct run){.d = d, .p = p, .con = con, .done = done, .ctx = ctx};
	r->http = d->transport == DRIVER_HTTP ||
		  (d->transport == DRIVER_BY_MODEL && p->traits->transport == TRANSPORT_HTTP);
	rc = boot_new(p, con, d->server, &r->boot, e);
	if (rc) {
		free(r);
		return rc;
	}
	step(r);
	return 0;
}

int driver_init(struct driver *d, const char *host, uint16_t tftp_port, uint16_t http_port, enum driver_transport t,
		struct err *e)
{
	int rc;

	*d = (struct driver){.transport = t};
	snprintf(d->server, sizeof d->server, "%s", host);
	if ((rc = net_address(host, tftp_port, SOCK_DGRAM, &d->tftp, &d->tftp_len, e)) ||
	    (rc = net_address(host, http_port, SOCK_STREAM, &d->http, &d->http_len, e)) ||
	    (rc = tls_client_new(false, &d->tls, e)) || (rc = tls_client_new(true, &d->tls10, e)))
		goto fail;
	d->base = event_base_new();
	if (d->base)
		return 0;
	rc = err_set(e, ERR_NOMEM, "no memory for the loop");
fail:
	driver_clear(d);
	return rc;
}

void driver_clear(struct driver *d)
{
	SSL_CTX_free(d->tls);
	SSL_CTX_free(d->tls10);
	if (d->base)
		event_base_free(d->base);
	*d = (struct driver){0};
}
