#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "pki/cert.h"

/*
 * TLS as phones speak it, as a client: which server is right is not for chains and names but for trust lists, so nothing
 * is verified here and the server's certificate is handed over before anything is sent.
 */
#define TLS_CLIENT_MS 10000 /* for connection with handshake, and for each further piece of the answer */

/*
 * tls_client_new: TLS 1.2 and 1.3; tls10: TLS 1.0 with AES256-SHA and nothing else, as 7900 phones
 * (formats-and-protocols.md 6.7). Both take RSA-1024, which old sites have.
 */
int tls_client_new(bool tls10, SSL_CTX **ctx, struct err *e) MUST_CHECK;

/* What happens on one connection; each is called from the loop. */
struct tls_client_handler {
	/* The handshake is done. Returns the octets to send; NULL view: the connection is not wanted, and ended() comes. */
	struct view (*connected)(void *ctx, const struct cert *server);
	/* Octets that have come, all since the last whole message. Returns those of one whole message (which are then done
	 * with, and the connection closes after answered()), 0 to wait for more, or -1: not acceptable. */
	ssize_t (*message_len)(void *ctx, struct view data);
	/* Called once at the end: the message, or a NULL view and why. The connection is gone when this returns. */
	void (*ended)(void *ctx, struct view message, const char *why);
	void *ctx;
};

struct tls_client;

int tls_client_start(struct event_base *base, SSL_CTX *ssl, const struct sockaddr *server, socklen_t len,
		     const struct tls_client_handler *h, struct tls_client **c, struct err *e) MUST_CHECK;
void tls_client_cancel(struct tls_client *c); /* accepts NULL */

ssize_t tls_client_tvs_len(void *ctx, struct view data); /* message_len for TVS frames */
