#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "pki/cert.h"

/*
 * One outgoing TLS connection on the loop, beneath net/tls_client.h, net/capf_dialog.h and net/tls_dialog.h: connect, shake
 * hands, hand over the server's certificate, then octets both ways. The server has TLS_CLIENT_MS for the connection with
 * its handshake, and again from each write on: octets that dribble in do not win it time unless the user says so with
 * tls_link_wait.
 */
struct tls_link;

/* What happens on the connection; each is called from the loop. Any but connected may free it. */
struct tls_link_handler {
	bool (*connected)(void *ctx, const struct cert *server); /* false: it is not wanted, and failed() comes */
	void (*readable)(void *ctx, struct evbuffer *in); /* in: all that has come and was not drained */
	void (*drained)(void *ctx);                       /* everything that was written has gone; may be NULL */
	void (*failed)(void *ctx, const char *why);       /* there is no connection, or none any more */
	void *ctx;
};

int tls_link_start(struct event_base *base, SSL_CTX *ssl, const struct sockaddr *server, socklen_t len,
		   const struct tls_link_handler *h, struct tls_link **l, struct err *e) MUST_CHECK;
void tls_link_free(struct tls_link *l); /* accepts NULL; no handler is called */

int tls_link_write(struct tls_link *l, struct view data) MUST_CHECK; /* 0, or -1: no memory */
void tls_link_wait(struct tls_link *l); /* the time begins anew */
void tls_link_set_patience(struct tls_link *l, unsigned ms); /* in place of TLS_CLIENT_MS, from now on */
struct evbuffer *tls_link_input(struct tls_link *l);
