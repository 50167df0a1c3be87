#pragma once

#include "net/accept.h"
#include "net/capf_service.h"
#include "net/ctl_provider_service.h"
#include "net/http.h"
#include "net/tvs_service.h"
#include "server/capf.h"
#include "server/contacts.h"
#include "server/ctl_provider.h"
#include "server/listeners.h"

/*
 * One kind of listener in a worker: its sockets and what answers on them. Which kinds there are, and what each speaks, is
 * in endpoint.c; TFTP has no connections and is not among them.
 */
enum endpoint_speaks { SPEAKS_NOTHING, SPEAKS_HTTP, SPEAKS_TVS, SPEAKS_CAPF, SPEAKS_CTL_PROVIDER };

/* What the endpoints of a worker share; outlives them. */
struct endpoint_site {
	struct event_base *base;
	struct net_pool *pool;
	struct http_handler files;       /* http, https, legacy-https */
	struct contacts *contacts;       /* devices that asked TVS are noted there */
	struct ipc_channel **director;   /* CAPF and the CTL Provider ask it */
	unsigned *asking;
};

struct endpoint {
	enum endpoint_speaks speaks;     /* SPEAKS_NOTHING: not open */
	struct http_server *http;
	struct tvs_service *tvs;
	struct capf_service *capf;
	struct ctl_provider_service *ctl_provider;
	struct asker asker;              /* CAPF's or the CTL Provider's */
	const char *listener;            /* its name, for logs */
	struct contacts *contacts;
	struct acceptor *acceptors[2 * CONFIG_MAX_ADDRS];
	size_t n;
	bool tls, insecure;              /* insecure: of legacy phones, TLS 1.0 */
	bool has_identity;               /* a certificate to begin a handshake with; without tls: not needed */
	bool has_index;                  /* something to answer from; only TVS needs it */
	bool running;                    /* the director wants it to */
};

/* endpoint_open: answer on one more socket of this kind. Accepts nothing before endpoint_run. Errors: ERR_NOMEM, ERR_IO. */
int endpoint_open(struct endpoint *ep, const struct endpoint_site *site, enum listen_service service, int fd,
		  struct err *e) MUST_CHECK;
void endpoint_close(struct endpoint *ep); /* and everything on it */

/* endpoint_run: accept, as soon as it can serve; or refuse, and end what waits for its client. */
void endpoint_run(struct endpoint *ep, bool running);

/* endpoint_set_tls: connections from now on use this context. endpoint_set_index: TVS answers from this one. */
void endpoint_set_tls(struct endpoint *ep, SSL_CTX *ctx);
void endpoint_set_index(struct endpoint *ep, const struct tvs_index *ix);

void endpoint_leave(struct endpoint *ep);  /* a successor has the sockets: accept nothing more */
bool endpoint_drain(struct endpoint *ep);  /* true when nothing is left */
void endpoint_let_go(struct endpoint *ep); /* the director is no longer there to be asked: end what needs it */
uint64_t endpoint_pauses(const struct endpoint *ep);
