#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "proto/capf_client.h"

/*
 * A phone's CAPF connection on the loop: TLS from the first octet, then the conversation of proto/capf_client.h, with one
 * operation at most. Each message is a TLS write of its own. The server has TLS_CLIENT_MS (net/tls_client.h) for the
 * connection and for each of its messages. Source: formats-and-protocols.md 7.
 */
struct capf_dialog;

/* Each is called from the loop, never from within capf_dialog_start; none but ended may cancel the dialog. */
struct capf_dialog_handler {
	/* The handshake is done and nothing was sent: is this the right server? false: the connection is not wanted. */
	bool (*trusted)(void *ctx, const struct cert *server);
	/*
	 * The server wants GENERATE, STORE, FETCH or DELETE: do it, at once, and append the answer to out with one of the
	 * capf_client_ functions. An error ends the connection; e says why. In version 3 REQUEST_IN_PROGRESS has gone before
	 * GENERATE comes here.
	 */
	int (*obey)(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e);
	/*
	 * Called once. why is NULL when the server ended the session: c->reason, c->retry, c->last say how; otherwise it
	 * says why the connection did not get that far, which may be after c->last was done. The dialog is gone when this
	 * returns.
	 */
	void (*ended)(void *ctx, const struct capf_client *c, const char *why);
	void *ctx;
};

/* capf_dialog_start: ssl from tls_client_new (net/tls_client.h); me outlives the dialog. Errors: ERR_IO, ERR_NOMEM. */
int capf_dialog_start(struct event_base *base, SSL_CTX *ssl, const struct sockaddr *server, socklen_t len,
		      const struct capf_identity *me, const struct capf_dialog_handler *h, struct capf_dialog **d,
		      struct err *e) MUST_CHECK;
void capf_dialog_cancel(struct capf_dialog *d); /* accepts NULL; ended is not called */

/* capf_dialog_set_patience: in place of TLS_CLIENT_MS, from now on: a server may ask its operator for each certificate. */
void capf_dialog_set_patience(struct capf_dialog *d, unsigned ms);
