#include "net/fetch.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/http_answer.h"
#include "proto/tftp_client.h"

#define PACKET_MAX 2048

struct fetch {
	struct event_base *base;
	fetch_done *done;
	void *ctx;
	/* TFTP */
	int fd;
	struct event *event;
	struct tftp_client tftp;
	struct sockaddr_storage server;
	socklen_t server_len;
	bool bound;                /* the server's port of this transfer is known */
	/* HTTP */
	struct bufferevent *bev;
	size_t limit;
	bool have_head;
	uint64_t body_len;
};

static struct fetch *fetch_new(struct event_base *base, fetch_done *done, void *ctx)
{
	struct fetch *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->base = base;
	f->done = done;
	f->ctx = ctx;
	f->fd = -1;
	return f;
}

void fetch_cancel(struct fetch *f)
{
	if (!f)
		return;
	if (f->event)
		event_free(f->event);
	if (f->fd >= 0)
		close(f->fd);
	if (f->bev)
		bufferevent_free(f->bev);
	tftp_client_clear(&f->tftp);
	free(f);
}

static void finish(struct fetch *f, enum fetch_result r, struct view data, const char *why)
{
	f->done(f->ctx, r, data, why);
	fetch_cancel(f);
}

/* ---- TFTP ---- */

static bool same_port(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_port == ((const struct sockaddr_in *)b)->sin_port;
	return ((const struct sockaddr_in6 *)a)->sin6_port == ((const struct sockaddr_in6 *)b)->sin6_port;
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr, 16);
}

/* The first answer names the port of the transfer; from then on nobody else is heard (8.3). */
static bool from_server(struct fetch *f, const struct sockaddr_storage *from, socklen_t len)
{
	if (!same_address(from, &f->server) || (f->bound && !same_port(from, &f->server)))
		return false;
	if (!f->bound) {
		memcpy(&f->server, from, len);
		f->server_len = len;
		f->bound = true;
	}
	return true;
}

static void tftp_receive(struct fetch *f, uint64_t now)
{
	uint8_t packet[PACKET_MAX];
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof from;
	ssize_t n;

	while ((n = recvfrom(f->fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >= 0) {
		if (from_server(f, &from, len))
			tftp_client_packet(&f->tftp, (struct view){packet, (size_t)n}, now);
		if (f->tftp.send_len || f->tftp.state != TFTP_CLIENT_WAITING)
			return;
		len = sizeof from;
	}
}

/* Send what is to be sent, wait for what is to come. False: the fetch is over and gone. */
static bool tftp_go_on(struct fetch *f, uint64_t now)
{
	struct tftp_client *c = &f->tftp;
	uint64_t wait = c->due_ms > now ? c->due_ms - now : 0;
	struct timeval tv = {(time_t)(wait / 1000), (suseconds_t)(wait % 1000 * 1000)};

	if (c->send_len && sendto(f->fd, c->send, c->send_len, 0, (struct sockaddr *)&f->server, f->server_len) < 0 &&
	    errno != EAGAIN && errno != ECONNREFUSED && errno != ENOBUFS) {
		finish(f, FETCH_FAILED, (struct view){0}, strerror(errno));
		return false;
	}
	c->send_len = 0; /* what the socket did not take is repeated in time */
	if (c->state == TFTP_CLIENT_WAITING) {
		event_add(f->event, &tv);
		return true;
	}
	if (c->state == TFTP_CLIENT_DONE)
		finish(f, FETCH_OK, wr_view_all(&c->data), "");
	else
		finish(f, c->state == TFTP_CLIENT_MISSING ? FETCH_MISSING : FETCH_FAILED, (struct view){0}, c->why);
	return false;
}

static void tftp_event(evutil_socket_t fd, short what, void *ctx)
{
	struct fetch *f = ctx;
	uint64_t now = clock_mono_ms(&clock_system);

	(void)fd;
	if (what & EV_READ)
		tftp_receive(f, now);
	tftp_client_time(&f->tftp, now);
	tftp_go_on(f, now);
}

int fetch_tftp(struct event_base *base, const struct sockaddr *server, socklen_t len, const char *name, size_t limit,
	       fetch_done *done, void *ctx, struct fetch **out, struct err *e)
{
	struct fetch *f = fetch_new(base, done, ctx);
	uint64_t now = clock_mono_ms(&clock_system);
	int rc;

	if (!f)
		return err_set(e, ERR_NOMEM, "no memory for a transfer");
	rc = tftp_client_init(&f->tftp, name, limit, now, e);
	if (rc)
		goto fail;
	f->fd = socket(server->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0) {
		rc = err_sys(e, ERR_IO, "a socket for TFTP");
		goto fail;
	}
	f->event = event_new(base, f->fd, EV_READ, tftp_event, f);
	if (!f->event) {
		rc = err_set(e, ERR_NOMEM, "no memory for a transfer");
		goto fail;
	}
	memcpy(&f->server, server, len);
	f->server_len = len;
	event_active(f->event, EV_TIMEOUT, 1); /* the first packet goes out from the loop: done never comes from here */
	*out = f;
	return 0;
fail:
	fetch_cancel(f);
	return rc;
}

/* ---- HTTP ---- */

static void http_body(struct fetch *f, bool at_end)
{
	struct evbuffer *in = bufferevent_get_input(f->bev);
	size_t have = evbuffer_get_length(in), want = f->body_len < f->limit ? (size_t)f->body_len : f->limit;
	const uint8_t *p;

	if (have < want && !(at_end && f->body_len == HTTP_TO_THE_END)) {
		if (at_end)
			finish(f, FETCH_FAILED, (struct view){0}, "the connection ended before the file did");
		return;
	}
	want = have < want ? have : want;
	p = want ? evbuffer_pullup(in, (ev_ssize_t)want) : NULL;
	if (want && !p)
		finish(f, FETCH_FAILED, (struct view){0}, "no memory");
	else
		finish(f, FETCH_OK, (struct view){p, want}, "");
}

static void http_head(struct fetch *f, bool at_end)
{
	struct evbuffer *in = bufferevent_get_input(f->bev);
	size_t have = evbuffer_get_length(in);
	struct http_answer a;
	struct err e = ERR_INIT;
	char why[64];
	int rc = http_answer_read((struct view){evbuffer_pullup(in, -1), have}, &a, &e);

	if (rc == ERR_AGAIN && !at_end)
		return;
	if (rc) {
		finish(f, FETCH_FAILED, (struct view){0}, e.text);
	} else if (a.status == 404) {
		finish(f, FETCH_MISSING, (struct view){0}, "not found");
	} else if (a.status != 200) {
		snprintf(why, sizeof why, "HTTP status %u", a.status);
		finish(f, FETCH_FAILED, (struct view){0}, why);
	} else {
		evbuffer_drain(in, a.head_len);
		f->body_len = a.body_len;
		f->have_head = true;
		http_body(f, at_end);
	}
}

static void http_read(struct bufferevent *bev, void *ctx)
{
	struct fetch *f = ctx;

	(void)bev;
	if (f->have_head)
		http_body(f, false);
	else
		http_head(f, false);
}

static void http_event(struct bufferevent *bev, short what, void *ctx)
{
	struct fetch *f = ctx;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT)
		finish(f, FETCH_FAILED, (struct view){0}, "the server does not answer");
	else if (what & BEV_EVENT_ERROR)
		finish(f, FETCH_FAILED, (struct view){0}, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	else if (f->have_head)
		http_body(f, true);
	else
		http_head(f, true);
}

int fetch_http(struct event_base *base, const struct sockaddr *server, socklen_t len, const char *name, size_t limit,
	       fetch_done *done, void *ctx, struct fetch **out, struct err *e)
{
	const struct timeval patience = {FETCH_HTTP_MS / 1000, 0};
	struct fetch *f = fetch_new(base, done, ctx);

	if (!f)
		return err_set(e, ERR_NOMEM, "no memory for a transfer");
	f->limit = limit;
	f->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!f->bev) {
		fetch_cancel(f);
		return err_set(e, ERR_NOMEM, "no memory for a transfer");
	}
	bufferevent_setcb(f->bev, http_read, NULL, http_event, f);
	bufferevent_set_timeouts(f->bev, &patience, &patience);
	bufferevent_enable(f->bev, EV_READ | EV_WRITE);
	evbuffer_add_printf(bufferevent_get_output(f->bev),
			    "GET /%s HTTP/1.1\r\nHost: phone\r\nConnection: close\r\nAccept: */*\r\n\r\n", name);
	if (bufferevent_socket_connect(f->bev, server, (int)len) < 0) {
		fetch_cancel(f);
		return err_sys(e, ERR_IO, "connecting to the HTTP server");
	}
	*out = f;
	return 0;
}

/* ---- addresses ---- */

int net_address(const char *host, uint16_t port, int socktype, struct sockaddr_storage *out, socklen_t *len, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = socktype, .ai_flags = AI_NUMERICSERV}, *found;
	char service[8];
	int rc;

	snprintf(service, sizeof service, "%u", port);
	rc = getaddrinfo(host, service, &hints, &found);
	if (rc)
		return err_set(e, ERR_IO, "%s: %s", host, gai_strerror(rc));
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

bool net_host_port(const char *text, char *host, size_t size, uint16_t *port)
{
	const char *colon = strrchr(text, ':'), *from = text;
	size_t len = strlen(text);
	uint64_t n = *port;

	if (*text == '[') {
		const char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		colon = end[1] ? end + 1 : NULL;
		from = text + 1;
		len = (size_t)(end - from);
	} else if (colon && strchr(text, ':') == colon) {
		len = (size_t)(colon - text);
	} else {
		colon = NULL; /* none, or an IPv6 address without brackets */
	}
	if (!len || len >= size || (colon && !text_number(colon + 1, 1, UINT16_MAX, &n)))
		return false;
	memcpy(host, from, len);
	host[len] = '\0';
	*port = (uint16_t)n;
	return true;
}
