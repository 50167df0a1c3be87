#include "net/capf_dialog.h"

#include <stdlib.h>

#include "net/tls_link.h"

struct capf_dialog {
	struct tls_link *link;
	struct capf_client client;
	struct capf_dialog_handler h;
	struct wr out;     /* what is said next */
	size_t said;       /* octets of it that were handed to the connection */
	bool sending;      /* a message has not quite gone */
	size_t used;       /* octets of the input that end with what the phone is at */
	bool announced;    /* REQUEST_IN_PROGRESS was said for this key */
};

void capf_dialog_cancel(struct capf_dialog *d)
{
	if (!d)
		return;
	tls_link_free(d->link);
	wr_clear(&d->out);
	free(d);
}

static void end(struct capf_dialog *d, const char *why)
{
	d->h.ended(d->h.ctx, &d->client, why);
	capf_dialog_cancel(d);
}

/* The next message of out alone: the following one waits until it has gone, so that each is a TLS write of its own. */
static enum capf_client_want send_next(struct capf_dialog *d, struct err *e)
{
	const struct view rest = {d->out.p + d->said, d->out.len - d->said};
	size_t len;

	if (capf_frame_len(rest, &len, e))
		return CAPF_CLIENT_FAIL;
	if (tls_link_write(d->link, (struct view){rest.p, len})) {
		err_set(e, ERR_NOMEM, "no memory for a message");
		return CAPF_CLIENT_FAIL;
	}
	d->sending = true;
	d->said += len;
	if (d->said == d->out.len) {
		wr_clear(&d->out);
		d->said = 0;
	}
	return CAPF_CLIENT_WRITE;
}

static int obey(struct capf_dialog *d, enum capf_client_want want, struct err *e)
{
	int rc;

	if (want == CAPF_CLIENT_GENERATE && d->client.version >= 3 && !d->announced) {
		d->announced = true;
		return capf_client_progress(&d->client, &d->out, e);
	}
	rc = d->h.obey(d->h.ctx, &d->client, want, &d->out, e);
	return rc || d->out.len ? rc : err_set(e, ERR_BUG, "the phone has no answer to what the server wants");
}

/* A certificate lies in the input until it is stored: what a message takes there goes when it was answered. */
static enum capf_client_want step(struct capf_dialog *d, struct err *e)
{
	struct evbuffer *in = tls_link_input(d->link);
	struct view all = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
	enum capf_client_want want;
	size_t used;

	if (!all.p)
		return CAPF_CLIENT_READ;
	want = capf_client_step(&d->client, all, &used, &d->out, e);
	if (used) {
		d->used = used;
		d->announced = false;
	}
	if (want == CAPF_CLIENT_READ || want == CAPF_CLIENT_END || want == CAPF_CLIENT_FAIL)
		return want;
	if (want != CAPF_CLIENT_WRITE && obey(d, want, e))
		return CAPF_CLIENT_FAIL;
	if (d->client.asked == CAPF_CLIENT_READ) {
		evbuffer_drain(in, d->used);
		d->used = 0;
	}
	return CAPF_CLIENT_WRITE;
}

static void go_on(struct capf_dialog *d)
{
	enum capf_client_want want = CAPF_CLIENT_WRITE;
	struct err e = ERR_INIT;

	while (!d->sending && want == CAPF_CLIENT_WRITE)
		want = d->out.len ? send_next(d, &e) : step(d, &e);
	if (want == CAPF_CLIENT_END)
		end(d, NULL);
	else if (want == CAPF_CLIENT_FAIL)
		end(d, e.text);
}

static bool connected(void *ctx, const struct cert *server)
{
	struct capf_dialog *d = ctx;

	return d->h.trusted(d->h.ctx, server);
}

/* While a message goes out nothing is taken in; a server has no reason to say much meanwhile. */
static void readable(void *ctx, struct evbuffer *in)
{
	struct capf_dialog *d = ctx;

	if (d->sending && evbuffer_get_length(in) > 2 * CAPF_FRAME_MAX)
		end(d, "the server says more than it waits for answers to");
	else
		go_on(d);
}

static void drained(void *ctx)
{
	struct capf_dialog *d = ctx;

	d->sending = false;
	go_on(d);
}

static void failed(void *ctx, const char *why)
{
	end(ctx, why);
}

int capf_dialog_start(struct event_base *base, SSL_CTX *ssl, const struct sockaddr *server, socklen_t len,
		      const struct capf_identity *me, const struct capf_dialog_handler *h, struct capf_dialog **out,
		      struct err *e)
{
	struct capf_dialog *d = calloc(1, sizeof *d);
	const struct tls_link_handler mine = {connected, readable, drained, failed, d};
	int rc;

	if (!d)
		return err_set(e, ERR_NOMEM, "no memory for a CAPF connection");
	d->h = *h;
	capf_client_init(&d->client, me);
	wr_init(&d->out, 2 * CAPF_FRAME_MAX);
	rc = tls_link_start(base, ssl, server, len, &mine, &d->link, e);
	if (rc)
		free(d);
	else
		*out = d;
	return rc;
}

void capf_dialog_set_patience(struct capf_dialog *d, unsigned ms)
{
	tls_link_set_patience(d->link, ms);
}
