#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/queue.h>

#include "base/bytes.h"
#include "net/pool.h"

/*
 * What services have in common that speak TLS from the first octet and then a protocol of their own: a place in the pool of
 * the process, a handshake that has TLS_HANDSHAKE_MS, a deadline for whatever comes next, and an end that the other side is
 * told of. A service embeds a struct tls_service and begins its connections with a struct tls_conn; TVS, CAPF and the CTL
 * Provider are such.
 */
struct tls_service;

struct tls_conn {
	struct net_conn net;     /* first: net_conn's evict gets it */
	LIST_ENTRY(tls_conn) link;
	struct tls_service *service;
	struct sockaddr_storage peer;
	struct bufferevent *bev;
	struct event *timer;
	bool handshake_done;
	bool ending;             /* what is written goes out, nothing more is read */
};

/* What is the protocol's; all but those marked are needed. A callback may end or free the connection as its last act. */
struct tls_service_ops {
	size_t conn_size;        /* octets of the struct that begins with a struct tls_conn */
	size_t in_max;           /* octets that wait to be looked at */
	const char *unread;      /* why a connection ends whose client does not read its last message */
	void (*begin)(struct tls_conn *c);    /* the handshake is done */
	void (*readable)(struct tls_conn *c); /* octets are there; not while ending */
	void (*written)(struct tls_conn *c);  /* all that was written has gone; not while ending. May be NULL */
	void (*late)(struct tls_conn *c);     /* the deadline of tls_conn_wait has passed */
	void (*gone)(struct tls_conn *c);     /* about to be freed. May be NULL */
	bool (*idle)(struct tls_conn *c);     /* nobody loses anything when it ends now; asked when the process is to end */
	/* It ends otherwise than by its client; for logs. */
	void (*ended)(struct tls_service *s, const struct tls_conn *c, const char *why);
};

struct tls_service {
	const struct tls_service_ops *ops;
	struct event_base *base;
	struct net_pool *pool;
	SSL_CTX *tls;
	uint64_t connections, handshakes_failed;
	unsigned current;
	bool draining;
	LIST_HEAD(, tls_conn) conns;
};

/* tls_service_init: ops, base and pool outlive it. tls_service_clear: closes every connection. */
void tls_service_init(struct tls_service *s, const struct tls_service_ops *ops, struct event_base *base,
		      struct net_pool *pool);
void tls_service_clear(struct tls_service *s);

/* tls_service_set_tls: connections accepted from now on use this context (referenced); NULL: they are refused. */
void tls_service_set_tls(struct tls_service *s, SSL_CTX *ctx);

/* tls_service_accept: serve a connected socket (an accept_fn); ctx is the struct tls_service. */
void tls_service_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len);

/* tls_service_drain: begin nothing new and end what is idle. True when nothing is left. */
bool tls_service_drain(struct tls_service *s);
void tls_service_close_all(struct tls_service *s); /* it can be accepted again afterwards */

/* tls_conn_wait: late() comes after ms, instead of any earlier time. tls_conn_wait_not: it does not come. */
void tls_conn_wait(struct tls_conn *c, uint64_t ms);
void tls_conn_wait_not(struct tls_conn *c);

/* tls_conn_finish: these last octets go out, within ms, and then the connection ends; nothing more is read. */
void tls_conn_finish(struct tls_conn *c, struct view last, uint64_t ms);
void tls_conn_end(struct tls_conn *c);  /* now; the client, who is still there, is told */
void tls_conn_free(struct tls_conn *c); /* now, without a word */
void tls_conn_log(struct tls_conn *c, const char *why); /* ended() */
size_t tls_conn_unsent(const struct tls_conn *c);
