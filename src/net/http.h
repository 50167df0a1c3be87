#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/pool.h"

/*
 * An HTTP server that hands out files: GET and HEAD, HTTP/1.0 and 1.1 with keep-alive, plain or TLS.
 * Source: formats-and-protocols.md 8.4; RFC 9110, 9112.
 *
 * evhttp is not used because it cannot hold the bounds that strangers have to be held to: its time-out is an idle
 * time-out (a client that sends an octet now and then stays for hours), it accepts without a bound in total or by
 * address, and it buffers a whole answer. bufferevents, on which this stands, are libevent's.
 */
#define HTTP_LINE_MAX 2048        /* octets of a request line */
#define HTTP_HEAD_MAX 8192        /* octets of request line and header fields */
#define HTTP_MAX_FIELDS 64
#define HTTP_CHUNK 16384          /* octets of a file that are in memory for one client */
#define HTTP_REQUEST_MS 10000     /* from the connection, or the request's first octet, to the end of its head */
#define HTTP_IDLE_MS 30000        /* between requests of one connection */
#define HTTP_WRITE_MS 30000       /* for the client to take HTTP_CHUNK octets */
#define HTTP_REQUESTS_MAX 1000    /* of one connection */
#define HTTP_LINGER_MS 2000       /* after the last answer, for the client to read it before the kernel resets */

enum http_method { HTTP_GET, HTTP_HEAD };

/* One request, as it is handed to the owner of the server. Views and strings live until the answer. */
struct http_request {
	enum http_method method;
	const char *path;              /* percent-decoded, without query; no NUL, no control characters */
	const struct sockaddr *peer;
	bool tls;
	bool old_tls;                  /* below 1.2 */
};

/* A request that waits for its answer. */
struct http_exchange;

struct http_handler {
	/* Answer now or later with exactly one http_reply_*. */
	void (*request)(void *ctx, struct http_exchange *x, const struct http_request *req);
	/* The client left before the answer: x is gone when this returns. */
	void (*gone)(void *ctx, struct http_exchange *x);
	void *ctx;
};

struct http_server;

/* http_server_new: pool is shared with other servers of the process and outlives it. */
int http_server_new(struct event_base *base, struct net_pool *pool, const struct http_handler *h,
		    struct http_server **srv, struct err *e) MUST_CHECK;
void http_server_free(struct http_server *srv); /* closes every connection; accepts NULL */

/* http_server_set_times: other times than the constants above, which a new server has (tests do not want to wait). */
struct http_times {
	unsigned handshake_ms, request_ms, idle_ms, write_ms, linger_ms;
};
void http_server_set_times(struct http_server *srv, const struct http_times *t);

/* http_server_accept: serve a connected socket (an accept_fn); ctx is the server. */
void http_server_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len);

/* http_server_set_tls: connections accepted from now on are TLS with this context (referenced); NULL: plain. */
void http_server_set_tls(struct http_server *srv, SSL_CTX *ctx);

struct http_stats {
	unsigned long connections, requests, served, refused, tls_failed, timed_out; /* refused: answers other than 200 */
};
const struct http_stats *http_server_stats(const struct http_server *srv);

/* http_server_close_idle: end what is not being answered at the moment. */
void http_server_close_idle(struct http_server *srv);

/* http_server_drain: answer what was asked, close everything else, ask nothing more. True when nothing is left. */
bool http_server_drain(struct http_server *srv);

void http_exchange_set(struct http_exchange *x, void *data); /* the owner's own */
void *http_exchange_get(const struct http_exchange *x);

/*
 * http_reply_file: 200 with size octets of fd from its start (fd is consumed). When the file turns out shorter, the
 * connection is closed, so that no client takes a part for the whole.
 */
void http_reply_file(struct http_exchange *x, int fd, uint64_t size, const char *content_type);

/* http_reply_status: an answer without a file: 400, 403, 404, 500, 503. */
void http_reply_status(struct http_exchange *x, unsigned status);
