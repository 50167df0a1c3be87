#pragma once

#include <event2/event.h>
#include <sys/socket.h>

#include "base/err.h"

/*
 * An accepting TCP socket on the loop. Without descriptors left it pauses instead of spinning (pitfalls.md D-3).
 */
#define ACCEPT_BACKLOG 4096   /* cut by net.core.somaxconn */
#define ACCEPT_BATCH 64       /* connections taken before the loop sees to others */
#define ACCEPT_PAUSE_MS 200   /* after EMFILE, ENFILE, ENOBUFS, ENOMEM */

struct acceptor;

/* fd is non-blocking, close-on-exec, TCP_NODELAY, and the callee's. */
typedef void accept_fn(void *ctx, int fd, const struct sockaddr *peer, socklen_t len);

/*
 * acceptor_new: fd is a TCP socket with SO_REUSEADDR, bound to a port that was named. The acceptor owns it from then
 * on. It does not listen before acceptor_start.
 */
int acceptor_new(struct event_base *base, int fd, accept_fn *fn, void *ctx, struct acceptor **a,
		 struct err *e) MUST_CHECK;
void acceptor_free(struct acceptor *a); /* accepts NULL */

/*
 * acceptor_start, acceptor_stop: listen, and stop listening while the port stays bound: clients are then refused by the
 * kernel at once, also by other processes that hold the socket.
 */
int acceptor_start(struct acceptor *a, struct err *e) MUST_CHECK;
void acceptor_stop(struct acceptor *a);
/* acceptor_leave: accept nothing more here; who connects waits for another process that has the socket. */
void acceptor_leave(struct acceptor *a);
unsigned long acceptor_pauses(const struct acceptor *a); /* how often descriptors ran out */
