#include "server/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/log.h"
#include "net/accept.h"

#define OUT_CAP (4 << 20) /* octets of one step's messages */

struct conn {
	LIST_ENTRY(conn) link;
	struct control *control;
	struct bufferevent *bev;
	struct admin_conn *admin;
	struct event *later;
	bool more;   /* step again when what was written is gone */
	bool ending; /* close when what was written is gone */
};

struct control {
	struct event_base *base;
	const struct admin_host *host;
	void (*after)(void *ctx);
	void *ctx;
	struct acceptor *acceptor;
	LIST_HEAD(, conn) conns;
	unsigned n;
};

static void conn_free(struct conn *c)
{
	LIST_REMOVE(c, link);
	c->control->n--;
	admin_conn_free(c->admin);
	event_free(c->later);
	bufferevent_free(c->bev);
	free(c);
}

static void step(struct conn *c)
{
	static const struct timeval at_once = {0, 0}, later = {0, ADMIN_CONN_LATER_MS * 1000};
	struct evbuffer *input = bufferevent_get_input(c->bev);
	size_t len = evbuffer_get_length(input);
	struct view in = {evbuffer_pullup(input, -1), len};
	enum admin_conn_want want = ADMIN_CONN_READ;
	struct err e = ERR_INIT;
	struct wr out;

	wr_init(&out, OUT_CAP);
	int rc = admin_conn_step(c->admin, in, &out, &want, &e);
	evbuffer_drain(input, len);
	struct view v = wr_view_all(&out);
	if (v.len)
		bufferevent_write(c->bev, v.p, v.len);
	wr_clear(&out);
	if (rc < 0)
		log_warn("a control connection is closed: %s", e.text);
	c->more = rc == 0 && (want == ADMIN_CONN_MORE || want == ADMIN_CONN_BUSY);
	c->ending = rc < 0;
	/*
	 * When nothing is on its way no write callback will come; and not from the queue of those that are to be called now,
	 * because they may not let anybody else have a turn.
	 */
	if ((c->more || c->ending) && evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		event_add(c->later, &at_once);
	else if (rc == 0 && want == ADMIN_CONN_LATER)
		event_add(c->later, &later);
	else
		event_del(c->later);
	if (want == ADMIN_CONN_BUSY && rc == 0)
		return; /* looking after each of a thousand pieces would take longer than they do */
	if (c->control->after)
		c->control->after(c->control->ctx);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct conn *c = ctx;

	(void)bev;
	if (c->ending)
		conn_free(c);
	else if (c->more)
		step(c);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct conn *c = ctx;

	(void)bev;
	if (!c->ending)
		step(c);
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;

	(void)fd;
	(void)what;
	if (c->ending)
		conn_free(c);
	else
		step(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		conn_free(ctx);
}

static void on_accept(void *ctx, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct control *control = ctx;
	struct admin_peer peer;
	struct err e = ERR_INIT;
	struct conn *c = control->n < CONTROL_MAX_CONNS ? calloc(1, sizeof(*c)) : NULL;

	(void)addr;
	(void)len;
	if (!c || admin_peer_get(fd, control->host->owner, control->host->group, &peer, &e) < 0) {
		log_warn("a control connection is refused: %s", c ? e.text : "there are too many");
		free(c);
		close(fd);
		return;
	}
	c->control = control;
	c->admin = admin_conn_new(control->host, admin_grammar, &peer);
	c->later = c->admin ? event_new(control->base, -1, 0, on_later, c) : NULL;
	c->bev = c->later ? bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
	if (!c->bev) {
		admin_conn_free(c->admin);
		if (c->later)
			event_free(c->later);
		free(c);
		close(fd);
		return;
	}
	LIST_INSERT_HEAD(&control->conns, c, link);
	control->n++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Through the folder's descriptor, because the path of a data folder may be longer than a socket's address can be. */
static int bind_socket(int data_dir, struct err *e)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, ERR_IO, "making the control socket");
	snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET, data_dir);
	unlinkat(data_dir, CONTROL_SOCKET, 0); /* what a killed director left: this node is ours, run/pid is locked */
	before = umask(0117);
	rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(before);
	if (rc < 0) {
		rc = err_sys(e, ERR_IO, CONTROL_SOCKET);
		close(fd);
		return rc;
	}
	return fd;
}

int control_new(struct event_base *base, const struct admin_host *host, void (*after)(void *ctx), void *ctx,
		struct control **c, struct err *e)
{
	struct control *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the control socket");
	*got = (struct control){.base = base, .host = host, .after = after, .ctx = ctx};
	LIST_INIT(&got->conns);
	int fd = bind_socket(host->data_dir, e);
	int rc = fd < 0 ? fd : acceptor_new(base, fd, on_accept, got, &got->acceptor, e);
	if (rc == 0)
		rc = acceptor_start(got->acceptor, e);
	if (rc < 0) {
		acceptor_free(got->acceptor);
		free(got);
		return rc;
	}
	*c = got;
	return 0;
}

void control_free(struct control *c)
{
	struct conn *conn;

	if (!c)
		return;
	while ((conn = LIST_FIRST(&c->conns)))
		conn_free(conn);
	acceptor_free(c->acceptor);
	unlinkat(c->host->data_dir, CONTROL_SOCKET, 0);
	free(c);
}
