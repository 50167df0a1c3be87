#pragma once

#include <event2/event.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * Fetching a file as phones do: TFTP without options, HTTP without frills. One fetch, one socket, on the loop.
 */
#define FETCH_HTTP_MS 10000 /* for the connection, and for each further piece of the answer */

enum fetch_result {
	FETCH_OK,      /* data, cut at the limit when the file is longer */
	FETCH_MISSING, /* the server has no such file */
	FETCH_FAILED,  /* why says what went wrong */
};

/* Called once, from the loop, never from within fetch_*; the fetch is gone when it returns. data and why live that long. */
typedef void fetch_done(void *ctx, enum fetch_result r, struct view data, const char *why);

struct fetch;

int fetch_tftp(struct event_base *base, const struct sockaddr *server, socklen_t len, const char *name, size_t limit,
	       fetch_done *done, void *ctx, struct fetch **f, struct err *e) MUST_CHECK;
int fetch_http(struct event_base *base, const struct sockaddr *server, socklen_t len, const char *name, size_t limit,
	       fetch_done *done, void *ctx, struct fetch **f, struct err *e) MUST_CHECK;
void fetch_cancel(struct fetch *f); /* before done was called; accepts NULL */

/*
 * net_address: the address of host (name, IPv4 or IPv6 address) and port. May block for the resolver: only for clients on
 * a command line. Errors: ERR_IO.
 */
int net_address(const char *host, uint16_t port, int socktype, struct sockaddr_storage *out, socklen_t *len,
		struct err *e) MUST_CHECK;

/*
 * net_host_port: "host", "host:port", "[2001:db8::1]:port", "2001:db8::1".
 * Out: host (size octets), *port, which keeps its value when none is given. False when it is neither.
 */
bool net_host_port(const char *text, char *host, size_t size, uint16_t *port);
