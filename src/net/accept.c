#include "net/accept.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct acceptor {
	int fd;
	accept_fn *fn;
	void *ctx;
	struct event *readable, *resume;
	bool started;
	unsigned long pauses;
};

/* Without a descriptor or memory the connection stays in the backlog, and a level-triggered loop would come back at
 * once, for ever: wait until others may have closed theirs. */
static void pause_accepting(struct acceptor *a)
{
	static const struct timeval after = {0, ACCEPT_PAUSE_MS * 1000};

	a->pauses++;
	event_del(a->readable);
	event_add(a->resume, &after);
}

static void on_resume(evutil_socket_t fd, short what, void *ctx)
{
	struct acceptor *a = ctx;

	(void)fd;
	(void)what;
	if (a->started)
		event_add(a->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	static const int on = 1;
	struct acceptor *a = ctx;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && a->started; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int conn = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (conn < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				pause_accepting(a);
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return; /* nobody there, or a network error that the connection has had already (accept(2)) */
		}
		setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		a->fn(a->ctx, conn, (struct sockaddr *)&peer, len);
	}
}

int acceptor_new(struct event_base *base, int fd, accept_fn *fn, void *ctx, struct acceptor **a, struct err *e)
{
	struct acceptor *got = calloc(1, sizeof(*got));

	if (!got) {
		close(fd);
		return err_set(e, ERR_NOMEM, "no memory for a listener");
	}
	got->fd = fd;
	got->fn = fn;
	got->ctx = ctx;
	got->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, got);
	got->resume = event_new(base, -1, 0, on_resume, got);
	if (!got->readable || !got->resume || evutil_make_socket_nonblocking(fd) < 0) {
		acceptor_free(got);
		return err_set(e, ERR_NOMEM, "no memory for a listener");
	}
	*a = got;
	return 0;
}

void acceptor_free(struct acceptor *a)
{
	if (!a)
		return;
	if (a->readable)
		event_free(a->readable);
	if (a->resume)
		event_free(a->resume);
	close(a->fd);
	free(a);
}

int acceptor_start(struct acceptor *a, struct err *e)
{
	if (a->started)
		return 0;
	if (listen(a->fd, ACCEPT_BACKLOG) < 0)
		return err_sys(e, ERR_IO, "listen");
	a->started = true;
	event_add(a->readable, NULL);
	return 0;
}

void acceptor_leave(struct acceptor *a)
{
	a->started = false;
	event_del(a->readable);
	event_del(a->resume);
}

void acceptor_stop(struct acceptor *a)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	acceptor_leave(a);
	/* Of a socket that does not listen, shutdown(2) would close the reading side, and so of every connection that it
	 * accepts later. */
	if (getsockopt(a->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening)
		return;
	/* On Linux this ends the listening state of the socket, in every process that has it, and keeps the port (one that
	 * bind(2) was told, not one that it chose). */
	shutdown(a->fd, SHUT_RD);
}

unsigned long acceptor_pauses(const struct acceptor *a)
{
	return a->pauses;
}
