#pragma once

#include <event2/bufferevent.h>
#include <openssl/ssl.h>

#include "net/accept.h"
#include "net/pool.h"
#include "pki/cert.h"

/*
 * TLS servers: the one place that chooses versions and ciphers. No tickets, no session cache, no renegotiation, no
 * client certificate (phones are known by what they sign, formats-and-protocols.md 6.7).
 */

/* tls_server_new: TLS 1.2 and 1.3. key matches c (usually from key_borrow); both are referenced, not consumed. */
int tls_server_new(const struct cert *c, EVP_PKEY *key, SSL_CTX **ctx, struct err *e) MUST_CHECK;

/*
 * tls_server_new_insecure_legacy: TLS 1.0 and up, RSA key exchange and CBC included, security level 0: for 7900 phones,
 * which speak nothing better (6.7). Only for a listener of its own that the operator switched on.
 */
int tls_server_new_insecure_legacy(const struct cert *c, EVP_PKEY *key, SSL_CTX **ctx, struct err *e) MUST_CHECK;

#define TLS_HANDSHAKE_MS 10000 /* from accept to the end of the handshake */

/*
 * tls_accept: a bufferevent that answers a TLS handshake on fd (which it owns). The caller sets callbacks and a
 * deadline; BEV_EVENT_CONNECTED says that the handshake is done.
 */
int tls_accept(struct event_base *base, SSL_CTX *ctx, int fd, struct bufferevent **bev, struct err *e) MUST_CHECK;

/* tls_close_notify: tell the client that nothing more comes, before the connection is freed. */
void tls_close_notify(struct bufferevent *bev);

/* tls_is_old: a connection whose handshake is done speaks less than TLS 1.2, as only the insecure legacy servers let it. */
bool tls_is_old(struct bufferevent *bev);

/* tls_failure: why a connection's TLS ended, for the log ("no shared cipher"); never NULL. */
const char *tls_failure(struct bufferevent *bev);
