#include "net/sip_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/text.h"

#define IDLE_S 60
#define RECENT 512

struct conn {
	LIST_ENTRY(conn) link;
	struct sip_server *server;
	struct bufferevent *bev;
};

struct sip_server {
	struct event_base *base;
	const struct random_source *random;
	struct event *readable;
	struct evconnlistener *listener;
	int fd;
	LIST_HEAD(, conn) conns;
	unsigned n;
	sip_told *told;
	void *ctx;
	/* What was decided of late: a request that comes again, because its answer was lost, is not obeyed twice. */
	struct {
		char branch[64];
		unsigned status;
	} recent[RECENT];
	unsigned n_recent;
};

static bool is(struct view v, const char *word)
{
	return v.len == strlen(word) && strncasecmp((const char *)v.p, word, v.len) == 0;
}

/* The event's name stands before its parameters. */
static bool is_service_control(struct view event)
{
	const uint8_t *end = event.len ? memchr(event.p, ';', event.len) : NULL;

	return is((struct view){event.p, end ? (size_t)(end - event.p) : event.len}, "service-control");
}

static unsigned decide(struct sip_server *s, const struct sip_message *m)
{
	char device[64];
	enum sip_action a;

	if (!is(m->method, "NOTIFY"))
		return 405;
	if (!is_service_control(m->event))
		return 489;
	if (sip_action_read(m->body, &a, NULL))
		return 400;
	if (!sip_uri_user(m->uri, device, sizeof(device)) || !s->told(s->ctx, device, a))
		return 404;
	return 200;
}

static const char *reason_of(unsigned status)
{
	return status == 200 ? "OK" : status == 400 ? "Bad Request" : status == 404 ? "Not Found" :
	       status == 405 ? "Method Not Allowed" : "Bad Event";
}

static unsigned decide_once(struct sip_server *s, const struct sip_message *m)
{
	struct view branch = sip_branch(m->via);
	bool known = branch.len && branch.len < sizeof(s->recent[0].branch);

	for (unsigned i = 0; known && i < RECENT; i++)
		if (view_eq(branch, view_str(s->recent[i].branch)))
			return s->recent[i].status;
	unsigned status = decide(s, m);
	if (known) {
		unsigned i = s->n_recent++ % RECENT;
		snprintf(s->recent[i].branch, sizeof(s->recent[i].branch), "%.*s", (int)branch.len, (const char *)branch.p);
		s->recent[i].status = status;
	}
	return status;
}

/* Nothing is written for an answer, and for ACK, which has none. */
static void answer(struct sip_server *s, const struct sip_message *m, struct wr *w)
{
	uint8_t octets[8];
	char tag[17];

	if (!m->method.len || is(m->method, "ACK") || random_fill(s->random, octets, sizeof(octets), NULL))
		return;
	text_hex(tag, sizeof(tag), (struct view){octets, sizeof(octets)}, '\0', false);
	unsigned status = decide_once(s, m);
	sip_answer_write(w, m, status, reason_of(status), tag);
}

/* --- UDP --- */

static void on_datagram(evutil_socket_t fd, short what, void *ctx)
{
	struct sip_server *s = ctx;
	uint8_t buf[SIP_MAX];
	union udp_addr from;
	socklen_t len = sizeof(from);
	struct sip_message m;
	size_t used;
	struct wr w;

	(void)what;
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, &from.sa, &len);
	if (n <= 0 || sip_parse((struct view){buf, (size_t)n}, false, &m, &used, NULL))
		return;
	wr_init(&w, 2 * SIP_MAX);
	answer(s, &m, &w);
	struct view all = wr_view_all(&w);
	/* An answer that is lost is asked for again. */
	if (all.len && sendto(fd, all.p, all.len, MSG_NOSIGNAL, &from.sa, len) < 0)
		errno = 0;
	wr_clear(&w);
}

/* --- TCP --- */

static void conn_free(struct conn *c)
{
	LIST_REMOVE(c, link);
	c->server->n--;
	bufferevent_free(c->bev);
	free(c);
}

static void on_stream(struct bufferevent *bev, void *ctx)
{
	struct conn *c = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	int rc = 0;

	while (rc == 0 && evbuffer_get_length(in)) {
		size_t len = evbuffer_get_length(in), used;
		struct sip_message m;
		struct wr w;
		rc = sip_parse((struct view){evbuffer_pullup(in, -1), len}, true, &m, &used, NULL);
		if (rc)
			break;
		wr_init(&w, 2 * SIP_MAX);
		answer(c->server, &m, &w);
		struct view all = wr_view_all(&w);
		if (all.len)
			bufferevent_write(bev, all.p, all.len);
		wr_clear(&w);
		evbuffer_drain(in, used);
	}
	if (rc && rc != ERR_AGAIN)
		conn_free(c); /* nobody knows where the next message begins */
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	(void)bev;
	(void)what;
	conn_free(ctx);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len, void *ctx)
{
	static const struct timeval idle = {IDLE_S, 0};
	struct sip_server *s = ctx;
	struct conn *c = s->n < SIP_SERVER_CONNS ? calloc(1, sizeof(*c)) : NULL;

	(void)l;
	(void)addr;
	(void)len;
	if (c)
		c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		close(fd);
		free(c);
		return;
	}
	c->server = s;
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->n++;
	bufferevent_setcb(c->bev, on_stream, NULL, on_event, c);
	bufferevent_set_timeouts(c->bev, &idle, &idle);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* --- beginning and end --- */

static int listen_on(struct sip_server *s, const union udp_addr *on, struct err *e)
{
	s->fd = socket(on->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || bind(s->fd, &on->sa, udp_addr_len(on)) < 0)
		return err_sys(e, ERR_IO, "SIP over UDP");
	s->readable = event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_datagram, s);
	if (!s->readable || event_add(s->readable, NULL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for SIP");
	s->listener = evconnlistener_new_bind(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
					      LEV_OPT_REUSEABLE, -1, &on->sa, (int)udp_addr_len(on));
	return s->listener ? 0 : err_sys(e, ERR_IO, "SIP over TCP");
}

int sip_server_new(struct event_base *base, const union udp_addr *on, const struct random_source *random, sip_told *told,
		   void *ctx, struct sip_server **out, struct err *e)
{
	struct sip_server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for SIP");
	*s = (struct sip_server){.base = base, .random = random, .fd = -1, .told = told, .ctx = ctx};
	LIST_INIT(&s->conns);
	int rc = listen_on(s, on, e);
	if (rc)
		sip_server_free(s);
	else
		*out = s;
	return rc;
}

void sip_server_free(struct sip_server *s)
{
	struct conn *c;

	if (!s)
		return;
	while ((c = LIST_FIRST(&s->conns)))
		conn_free(c);
	if (s->listener)
		evconnlistener_free(s->listener);
	if (s->readable)
		event_free(s->readable);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
