#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "cmd/capf/run.h"
#include "net/capf_dialog.h"
#include "net/fetch.h"
#include "net/tls_client.h"

/* As a phone decides it: the certificate stands in a list with the function CAPF; or it was given itself. */
static bool trusted(void *ctx, const struct cert *server)
{
	struct capf_run *r = ctx;
	struct decision d;

	if (r->o.any_server)
		return true;
	for (size_t i = 0; i < r->servers.n && !r->trusted; i++)
		r->trusted = cert_same(server, r->servers.of[i].cert);
	phone_decide_server(&r->phone, server, TVS_ROLE(FUNCTION_CAPF), time(NULL), &d);
	if (r->trusted || d.verdict == VERDICT_ACCEPT)
		return r->trusted = true;
	r->refused = true;
	snprintf(r->why, sizeof r->why,
		 "the server has the certificate %.200s, which nothing given with --trust names as a CAPF server: it is not asked",
		 cert_subject(server));
	return false;
}

static int obey(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	struct capf_run *r = ctx;

	return capf_session_obey(&r->session, c, want, out, e);
}

static void ended(void *ctx, const struct capf_client *c, const char *why)
{
	struct capf_run *r = ctx;
	struct err e = ERR_INIT;

	r->end = *c;
	r->end.certificate = (struct view){0}; /* gone with the connection */
	r->ended = !why;
	if (why && !r->refused)
		snprintf(r->why, sizeof r->why, "%s", why);
	else if (!why && capf_session_end(&r->session, c, &e))
		snprintf(r->why, sizeof r->why, "the key, which the server will ask for again, was lost: %s", e.text);
}

int capf_connect(struct capf_run *r, struct err *e)
{
	const struct capf_dialog_handler h = {trusted, obey, ended, r};
	struct event_base *base = event_base_new();
	struct capf_dialog *d = NULL;
	struct sockaddr_storage to;
	SSL_CTX *ctx = NULL;
	socklen_t len;
	int rc;

	signal(SIGPIPE, SIG_IGN); /* a server that hangs up is an answer, not the end */
	if (!base)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	rc = net_address(r->o.host, r->o.port, SOCK_STREAM, &to, &len, e);
	if (!rc)
		rc = tls_client_new(r->o.tls10, &ctx, e);
	if (!rc)
		rc = capf_dialog_start(base, ctx, (struct sockaddr *)&to, len, &r->me, &h, &d, e);
	if (!rc) {
		if (r->o.timeout_s)
			capf_dialog_set_patience(d, r->o.timeout_s * 1000);
		event_base_dispatch(base);
	}
	SSL_CTX_free(ctx);
	event_base_free(base);
	return rc;
}
