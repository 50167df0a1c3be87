#include "cmd/phone/driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/capf_dialog.h"
#include "net/fetch.h"
#include "net/http_answer.h"
#include "net/tls_client.h"

/* One phone that boots. */
struct run {
	struct driver *d;
	struct phone *p;
	struct console *con;
	struct boot *boot;
	bool http;             /* HTTP is tried first, until it fails once (formats-and-protocols.md 8.4) */
	char request[PHONE_HOST_MAX + 128]; /* of HTTPS */
	bool settled;          /* the boot went on from within a TLS connection, which is only to be closed */
	struct fetch *fetch;
	struct tls_client *tls;
	struct capf_dialog *capf;
	struct event *timer;   /* the wait before CAPF is tried once more */
	driver_done *done;
	void *ctx;
};

static void step(struct run *r);

static void finish(struct run *r)
{
	r->done(r->ctx, r->boot);
	boot_free(r->boot);
	if (r->timer)
		event_free(r->timer);
	free(r);
}

/* ---- files ---- */

static void fetched(void *ctx, enum fetch_result result, struct view data, const char *why)
{
	struct run *r = ctx;
	struct err e = ERR_INIT;

	r->fetch = NULL;
	if (result == FETCH_FAILED && r->http && !boot_todo(r->boot)->https && r->d->transport != DRIVER_HTTP) {
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

static int get_https(struct run *r, struct err *e);

static int get(struct run *r, const struct boot_todo *t, struct err *e)
{
	struct driver *d = r->d;

	if (t->https)
		return get_https(r, e);
	if (r->http)
		return fetch_http(d->base, (struct sockaddr *)&d->http, d->http_len, t->name, t->limit, fetched, r,
				  &r->fetch, e);
	return fetch_tftp(d->base, (struct sockaddr *)&d->tftp, d->tftp_len, t->name, t->limit, fetched, r, &r->fetch,
			  e);
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

static SSL_CTX *tls_of(const struct run *r)
{
	return r->p->traits->tls10_only == TRAIT_YES ? r->d->tls10 : r->d->tls;
}

static int start_tls(struct run *r, const char *host, uint16_t port, const struct tls_client_handler *h, struct err *e)
{
	struct sockaddr_storage to;
	socklen_t len;
	int rc = net_address(host, port, SOCK_STREAM, &to, &len, e);

	if (rc)
		return rc;
	r->settled = false;
	return tls_client_start(r->d->base, tls_of(r), (struct sockaddr *)&to, len, h, &r->tls, e);
}

static int connect_tls(struct run *r, const struct boot_todo *t, struct err *e)
{
	const struct tls_client_handler tvs = {tvs_connected, tls_client_tvs_len, tvs_ended, r};
	const struct tls_client_handler web = {web_connected, tls_client_tvs_len, web_ended, r};

	return start_tls(r, t->host, t->port, t->action == BOOT_CONNECT ? &web : &tvs, e);
}

/* ---- a directory by HTTP ---- */

#define DIRECTORY_MAX 65536 /* octets of it that are looked at */

static void opened(void *ctx, enum fetch_result result, struct view data, const char *why)
{
	struct run *r = ctx;

	(void)data;
	r->fetch = NULL;
	if (result == FETCH_OK)
		boot_opened(r->boot);
	else
		boot_not_connected(r->boot, result == FETCH_MISSING ? "there is no such page" : why);
	step(r);
}

static int open_http(struct run *r, const struct boot_todo *t, struct err *e)
{
	struct sockaddr_storage to;
	socklen_t len;
	int rc = net_address(t->host, t->port, SOCK_STREAM, &to, &len, e);

	if (rc)
		return rc;
	return fetch_http(r->d->base, (struct sockaddr *)&to, len, t->name, DIRECTORY_MAX, opened, r, &r->fetch, e);
}

/* ---- files by HTTPS ---- */

/* Only to the server whose certificate was accepted a moment ago. */
static struct view https_connected(void *ctx, const struct cert *server)
{
	struct run *r = ctx;
	const struct boot_todo *t = boot_todo(r->boot);

	if (memcmp(cert_sha256(server), t->https, 32))
		return (struct view){0};
	snprintf(r->request, sizeof r->request, "GET /%s HTTP/1.1\r\nHost: phone\r\nConnection: close\r\n\r\n", t->name);
	return view_str(r->request);
}

static ssize_t https_len(void *ctx, struct view data)
{
	struct run *r = ctx;
	struct http_answer a;
	struct err e = ERR_INIT;
	int rc = http_answer_read(data, &a, &e);

	if (rc)
		return rc == ERR_AGAIN ? 0 : -1;
	if (a.status == 404)
		return (ssize_t)a.head_len;
	if (a.status != 200 || a.body_len > boot_todo(r->boot)->limit)
		return -1;
	return data.len - a.head_len >= a.body_len ? (ssize_t)(a.head_len + a.body_len) : 0;
}

static void https_ended(void *ctx, struct view message, const char *why)
{
	struct run *r = ctx;
	struct http_answer a = {0};
	struct err e = ERR_INIT;
	struct view body = message;

	r->tls = NULL;
	if (message.p && !http_answer_read(message, &a, &e)) {
		body.p += a.head_len;
		body.len -= a.head_len;
	}
	fetched(r, a.status == 200 ? FETCH_OK : a.status == 404 ? FETCH_MISSING : FETCH_FAILED, body, why);
}

static int get_https(struct run *r, struct err *e)
{
	const struct tls_client_handler h = {https_connected, https_len, https_ended, r};

	return start_tls(r, r->d->server, r->d->https_port, &h, e);
}

/* ---- CAPF ---- */

static bool capf_trusted(void *ctx, const struct cert *server)
{
	struct run *r = ctx;

	r->settled = !boot_capf_connected(r->boot, server);
	return !r->settled;
}

static int capf_obey(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	struct run *r = ctx;

	return boot_capf_obey(r->boot, c, want, out, e);
}

static void capf_ended(void *ctx, const struct capf_client *c, const char *why)
{
	struct run *r = ctx;

	r->capf = NULL;
	if (!r->settled)
		boot_capf_ended(r->boot, c, why);
	step(r);
}

static int connect_capf(struct run *r, const struct boot_todo *t, struct err *e)
{
	const struct capf_dialog_handler h = {capf_trusted, capf_obey, capf_ended, r};
	struct sockaddr_storage to;
	socklen_t len;
	int rc = net_address(t->host, t->port, SOCK_STREAM, &to, &len, e);

	if (rc)
		return rc;
	r->settled = false;
	return capf_dialog_start(r->d->base, tls_of(r), (struct sockaddr *)&to, len, boot_capf_identity(r->boot), &h,
				 &r->capf, e);
}

static void waited(evutil_socket_t fd, short what, void *ctx)
{
	struct run *r = ctx;
	struct err e = ERR_INIT;

	(void)fd;
	(void)what;
	if (connect_capf(r, boot_todo(r->boot), &e)) {
		boot_capf_ended(r->boot, NULL, e.text);
		step(r);
	}
}

static int call_capf(struct run *r, const struct boot_todo *t, struct err *e)
{
	const struct timeval interval = {r->d->capf_retry_s, 0};

	if (!t->wait)
		return connect_capf(r, t, e);
	if (!r->timer)
		r->timer = evtimer_new(r->d->base, waited, r);
	if (!r->timer || evtimer_add(r->timer, &interval))
		return err_set(e, ERR_NOMEM, "no memory for a timer");
	return 0;
}

/* ---- the loop of one phone ---- */

static int start(struct run *r, const struct boot_todo *t, struct err *e)
{
	switch (t->action) {
	case BOOT_GET: return get(r, t, e);
	case BOOT_OPEN: return open_http(r, t, e);
	case BOOT_CAPF: return call_capf(r, t, e);
	default: return connect_tls(r, t, e);
	}
}

static void not_started(struct run *r, enum boot_action action, const char *why)
{
	if (action == BOOT_GET)
		boot_failed(r->boot, why);
	else if (action == BOOT_TVS)
		boot_tvs_failed(r->boot, why);
	else if (action == BOOT_CAPF)
		boot_capf_ended(r->boot, NULL, why);
	else
		boot_not_connected(r->boot, why);
}

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
		if (!start(r, t, &e))
			return;
		not_started(r, action, e.text);
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
	boot_set_capf(r->boot, d->capf_string, d->capf_key);
	if (d->old_firmware)
		boot_set_old(r->boot);
	boot_set_https(r->boot, d->transport == DRIVER_TFTP ? 0 : d->https_port);
	step(r);
	return 0;
}

int driver_init(struct driver *d, const struct driver_server *server, enum driver_transport t, struct err *e)
{
	int rc;

	signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an answer, not the end */
	*d = (struct driver){.transport = t, .https_port = server->https_port, .capf_retry_s = DRIVER_CAPF_RETRY_S};
	memcpy(d->server, server->host, sizeof d->server);
	if ((rc = net_address(server->host, server->tftp_port, SOCK_DGRAM, &d->tftp, &d->tftp_len, e)) ||
	    (rc = net_address(server->host, server->http_port, SOCK_STREAM, &d->http, &d->http_len, e)) ||
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
