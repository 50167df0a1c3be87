#include "server/endpoint.h"

#include "base/log.h"
#include "server/tvs.h"

static const enum endpoint_speaks speaks_of[LISTEN_COUNT] = {
	[LISTEN_HTTP] = SPEAKS_HTTP,
	[LISTEN_HTTPS] = SPEAKS_HTTP,
	[LISTEN_LEGACY_HTTPS] = SPEAKS_HTTP,
	[LISTEN_TVS] = SPEAKS_TVS,
	[LISTEN_LEGACY_TVS] = SPEAKS_TVS,
	[LISTEN_CAPF] = SPEAKS_CAPF,
	[LISTEN_LEGACY_CAPF] = SPEAKS_CAPF,
	[LISTEN_CTL_PROVIDER] = SPEAKS_CTL_PROVIDER,
};

static void on_tvs(void *ctx, const struct sockaddr *peer, bool old_tls, const struct tvs_event *ev, const char *why)
{
	const struct endpoint *ep = ctx;

	if (!why)
		contacts_note_tvs(ep->contacts, ev->device, peer, old_tls);
	tvs_log(ep->listener, peer, ev, why);
}

static int new_server(struct endpoint *ep, const struct endpoint_site *site, enum listen_service service, struct err *e)
{
	struct capf_decider decider;
	struct ctl_provider_decider ctl;

	ep->listener = listen_kinds[service].key;
	ep->contacts = site->contacts;
	ep->asker = (struct asker){ep->listener, site->director, site->asking};
	ep->tls = service != LISTEN_HTTP;
	ep->insecure = listen_kinds[service].legacy;
	switch (speaks_of[service]) {
	case SPEAKS_HTTP: return http_server_new(site->base, site->pool, &site->files, &ep->http, e);
	case SPEAKS_TVS: return tvs_service_new(site->base, site->pool, on_tvs, ep, &ep->tvs, e);
	case SPEAKS_CAPF:
		decider = capf_decider_by_director(&ep->asker);
		return capf_service_new(site->base, site->pool, &decider, &ep->capf, e);
	case SPEAKS_CTL_PROVIDER:
		ctl = ctl_provider_decider_by_director(&ep->asker);
		return ctl_provider_service_new(site->base, site->pool, &ctl, &ep->ctl_provider, e);
	case SPEAKS_NOTHING: break;
	}
	return err_set(e, ERR_BUG, "nothing answers on %s", ep->listener);
}

/* Of TVS, CAPF or the CTL Provider; NULL: HTTP, or nothing. */
static struct tls_service *tls_service_of(const struct endpoint *ep)
{
	if (ep->tvs)
		return tvs_service_tls(ep->tvs);
	if (ep->capf)
		return capf_service_tls(ep->capf);
	return ep->ctl_provider ? ctl_provider_service_tls(ep->ctl_provider) : NULL;
}

static int new_acceptor(struct endpoint *ep, struct event_base *base, int fd, struct err *e)
{
	struct acceptor **a = &ep->acceptors[ep->n];

	if (ep->http)
		return acceptor_new(base, fd, http_server_accept, ep->http, a, e);
	return acceptor_new(base, fd, tls_service_accept, tls_service_of(ep), a, e);
}

int endpoint_open(struct endpoint *ep, const struct endpoint_site *site, enum listen_service service, int fd,
		  struct err *e)
{
	int rc = ep->speaks ? 0 : new_server(ep, site, service, e);

	if (rc == 0) {
		ep->speaks = speaks_of[service];
		rc = new_acceptor(ep, site->base, fd, e);
	}
	if (rc == 0)
		ep->n++;
	return rc;
}

void endpoint_close(struct endpoint *ep)
{
	for (size_t i = 0; i < ep->n; i++)
		acceptor_free(ep->acceptors[i]);
	http_server_free(ep->http);
	tvs_service_free(ep->tvs);
	capf_service_free(ep->capf);
	ctl_provider_service_free(ep->ctl_provider);
	*ep = (struct endpoint){0};
}

/* Without a certificate there is nothing to begin a handshake with, and without an index nothing to answer from: clients
 * had better be refused. */
static bool can_serve(const struct endpoint *ep)
{
	return (!ep->tls || ep->has_identity) && (ep->speaks != SPEAKS_TVS || ep->has_index);
}

static void start(struct endpoint *ep)
{
	struct err e = ERR_INIT;

	if (!ep->running || !can_serve(ep))
		return;
	for (size_t i = 0; i < ep->n; i++)
		if (acceptor_start(ep->acceptors[i], &e) < 0)
			log_error("a listener could not be started: %s", e.text);
}

void endpoint_run(struct endpoint *ep, bool running)
{
	ep->running = running;
	if (running && can_serve(ep)) {
		start(ep);
		return;
	}
	for (size_t i = 0; i < ep->n; i++)
		acceptor_stop(ep->acceptors[i]);
	if (ep->http)
		http_server_close_idle(ep->http);
	else if (ep->speaks)
		tls_service_close_all(tls_service_of(ep));
}

void endpoint_set_tls(struct endpoint *ep, SSL_CTX *ctx)
{
	if (ep->http)
		http_server_set_tls(ep->http, ctx);
	else if (ep->speaks)
		tls_service_set_tls(tls_service_of(ep), ctx);
	ep->has_identity = true;
	start(ep);
}

void endpoint_set_index(struct endpoint *ep, const struct tvs_index *ix)
{
	if (!ep->tvs)
		return;
	tvs_service_set_index(ep->tvs, ix);
	ep->has_index = true;
	start(ep);
}

void endpoint_leave(struct endpoint *ep)
{
	for (size_t i = 0; i < ep->n; i++)
		acceptor_leave(ep->acceptors[i]);
}

bool endpoint_drain(struct endpoint *ep)
{
	if (ep->http)
		return http_server_drain(ep->http);
	return !ep->speaks || tls_service_drain(tls_service_of(ep));
}

void endpoint_let_go(struct endpoint *ep)
{
	if (ep->capf || ep->ctl_provider)
		tls_service_close_all(tls_service_of(ep));
}

uint64_t endpoint_pauses(const struct endpoint *ep)
{
	uint64_t pauses = 0;

	for (size_t i = 0; i < ep->n; i++)
		pauses += acceptor_pauses(ep->acceptors[i]);
	return pauses;
}
