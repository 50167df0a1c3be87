#include "net/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "net/http_head.h"
#include "net/tls.h"

enum http_state {
	HTTP_HANDSHAKE, /* TLS */
	HTTP_IDLE,      /* between requests */
	HTTP_READING,   /* a request is coming in */
	HTTP_ASKED,     /* the owner has it: an answer */
	HTTP_SENDING,
	HTTP_LINGERING, /* all is said; what still comes is thrown away */
};

/* A connection; as the exchange, it is the request on it that waits for its answer. */
struct http_exchange {
	struct net_conn conn; /* first: net_conn's evict gets it */
	LIST_ENTRY(http_exchange) link;
	struct http_server *srv;
	struct bufferevent *bev;
	struct event *deadline;
	enum http_state state;
	struct sockaddr_storage peer;
	bool tls, keep_alive, no_body, eof;
	unsigned n_requests;
	void *data;
	int fd;             /* file being sent, or -1 */
	uint64_t sent, size;
};

struct http_server {
	struct event_base *base;
	struct net_pool *pool;
	struct http_handler h;
	SSL_CTX *tls;
	struct http_times times;
	bool draining;
	LIST_HEAD(, http_exchange) conns;
	struct http_stats stats;
};

static void http_free(struct http_exchange *x)
{
	if (x->state == HTTP_ASKED)
		x->srv->h.gone(x->srv->h.ctx, x);
	net_pool_leave(x->srv->pool, &x->conn);
	LIST_REMOVE(x, link);
	event_free(x->deadline);
	bufferevent_free(x->bev);
	if (x->fd >= 0)
		close(x->fd);
	free(x);
}

static void on_evict(struct net_conn *c)
{
	http_free((struct http_exchange *)c);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct http_exchange *x = ctx;

	(void)fd;
	(void)what;
	if (x->state != HTTP_LINGERING)
		x->srv->stats.timed_out++;
	http_free(x);
}

/*
 * Every phase has its own time; 0: ours to end. A client that takes a large file is waited for too, and to come here
 * again with its next part counts as having moved: the pool closes who has not moved for longest.
 */
static void enter(struct http_exchange *x, enum http_state state, unsigned ms)
{
	struct timeval after = {ms / 1000, (ms % 1000) * 1000};

	x->state = state;
	if (ms)
		event_add(x->deadline, &after);
	else
		event_del(x->deadline);
	if (state == HTTP_ASKED)
		net_pool_busy(x->srv->pool, &x->conn);
	else
		net_pool_waiting(x->srv->pool, &x->conn);
}

/* --- answers --- */

static void put_head(struct http_exchange *x, unsigned status, const char *type, uint64_t len)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm); /* the program keeps the C locale */
	evbuffer_add_printf(bufferevent_get_output(x->bev),
			    "HTTP/1.1 %u %s\r\nDate: %s\r\n%sContent-Type: %s\r\nContent-Length: %llu\r\nConnection: %s\r\n\r\n",
			    status, http_reason(status), date, status == 405 ? "Allow: GET, HEAD\r\n" : "", type,
			    (unsigned long long)len, x->keep_alive ? "keep-alive" : "close");
}

static void begin_answer(struct http_exchange *x)
{
	if (x->srv->draining || x->n_requests >= HTTP_REQUESTS_MAX)
		x->keep_alive = false;
}

/* The write callback comes when the output is empty, and carries on. */
static void send_output(struct http_exchange *x)
{
	enter(x, HTTP_SENDING, x->srv->times.write_ms);
	bufferevent_enable(x->bev, EV_WRITE);
}

static void answer_status(struct http_exchange *x, unsigned status)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%u %s\n", status, http_reason(status));

	begin_answer(x);
	x->srv->stats.refused++;
	put_head(x, status, "text/plain", (uint64_t)n);
	if (!x->no_body)
		evbuffer_add(bufferevent_get_output(x->bev), text, (size_t)n);
	send_output(x);
}

void http_reply_status(struct http_exchange *x, unsigned status)
{
	answer_status(x, status);
}

/*
 * The next part of the file into the output. It is read, not mapped: the operator may shorten a file at any time, and a
 * mapping would then end the process (SIGBUS). False: the file is shorter than was said.
 */
static bool put_chunk(struct http_exchange *x)
{
	struct evbuffer *out = bufferevent_get_output(x->bev);
	struct evbuffer_iovec room;
	uint64_t left = x->size - x->sent;
	size_t want = left < HTTP_CHUNK ? (size_t)left : HTTP_CHUNK;
	ssize_t n;

	if (evbuffer_reserve_space(out, (ev_ssize_t)want, &room, 1) != 1)
		return false;
	do
		n = pread(x->fd, room.iov_base, want, (off_t)x->sent);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	room.iov_len = (size_t)n;
	x->sent += (uint64_t)n;
	return evbuffer_commit_space(out, &room, 1) == 0;
}

void http_reply_file(struct http_exchange *x, int fd, uint64_t size, const char *content_type)
{
	begin_answer(x);
	x->srv->stats.served++;
	put_head(x, 200, content_type, size);
	if (x->no_body || size == 0) {
		close(fd);
	} else {
		x->fd = fd;
		x->sent = 0;
		x->size = size;
		/* A small file goes with its head; a failure shows when the write callback tries again. */
		(void)put_chunk(x);
	}
	send_output(x);
}

/* Closing while the client still sends would reset the connection and with it the answer on its way. */
static void linger(struct http_exchange *x)
{
	if (x->eof) {
		http_free(x);
		return;
	}
	if (x->tls)
		tls_close_notify(x->bev);
	shutdown(bufferevent_getfd(x->bev), SHUT_WR);
	enter(x, HTTP_LINGERING, x->srv->times.linger_ms);
	evbuffer_drain(bufferevent_get_input(x->bev), SIZE_MAX);
	bufferevent_enable(x->bev, EV_READ);
}

/* --- requests --- */

static void ask(struct http_exchange *x, const struct http_head *head)
{
	char path[HTTP_LINE_MAX];
	struct http_request req = {.method = head->method, .path = path, .peer = (struct sockaddr *)&x->peer, .tls = x->tls,
				   .old_tls = x->tls && tls_is_old(x->bev)};

	if (!http_target_path(head->target, path, sizeof(path))) {
		answer_status(x, 400);
		return;
	}
	enter(x, HTTP_ASKED, 0);
	x->srv->h.request(x->srv->h.ctx, x, &req);
}

/* One request, when it is there whole; what stands behind it waits until it is answered. */
static void read_request(struct http_exchange *x)
{
	struct evbuffer *in = bufferevent_get_input(x->bev);
	size_t len = evbuffer_get_length(in) < HTTP_HEAD_MAX ? evbuffer_get_length(in) : HTTP_HEAD_MAX;
	struct view data = {evbuffer_pullup(in, (ev_ssize_t)len), len};
	struct http_head head = {0};
	unsigned status;

	size_t end = len ? http_head_end(data, &status) : (status = 0);
	if (!end && !status) {
		if (x->eof)
			http_free(x);
		else if (len && x->state == HTTP_IDLE)
			enter(x, HTTP_READING, x->srv->times.request_ms);
		return;
	}
	x->n_requests++;
	x->srv->stats.requests++;
	if (end)
		status = http_head_parse((struct view){data.p, end}, &head);
	x->keep_alive = head.keep_alive;
	x->no_body = head.method == HTTP_HEAD && !status;
	if (status)
		answer_status(x, status);
	else
		ask(x, &head);
	evbuffer_drain(in, end);
}

/* --- events --- */

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct http_exchange *x = ctx;

	if (x->state == HTTP_LINGERING)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
	else if (x->state == HTTP_IDLE || x->state == HTTP_READING)
		read_request(x);
}

/* The output is empty: the next part, the next request, or the end. */
static void on_write(struct bufferevent *bev, void *ctx)
{
	struct http_exchange *x = ctx;

	(void)bev;
	if (x->state != HTTP_SENDING)
		return;
	if (x->fd >= 0 && x->sent < x->size) {
		if (put_chunk(x))
			send_output(x);
		else
			http_free(x); /* what was announced cannot be sent any more */
		return;
	}
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	if (x->keep_alive && !x->srv->draining) {
		enter(x, HTTP_IDLE, x->srv->times.idle_ms);
		read_request(x);
	} else {
		linger(x);
	}
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct http_exchange *x = ctx;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		enter(x, HTTP_READING, x->srv->times.request_ms);
		return;
	}
	if (x->state == HTTP_HANDSHAKE)
		x->srv->stats.tls_failed++;
	/* Who has only closed its own direction gets its answer; over TLS there is nobody left to write to. */
	if ((what & BEV_EVENT_EOF) && !x->tls && (x->state == HTTP_ASKED || x->state == HTTP_SENDING))
		x->eof = true;
	else
		http_free(x);
}

/* --- the server --- */

static struct bufferevent *open_bev(struct http_server *srv, int fd)
{
	struct bufferevent *bev = NULL;

	if (srv->tls) {
		if (tls_accept(srv->base, srv->tls, fd, &bev, NULL) < 0)
			srv->stats.tls_failed++;
		return bev;
	}
	bev = bufferevent_socket_new(srv->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		close(fd);
	return bev;
}

void http_server_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct http_server *srv = ctx;
	struct http_exchange *x = srv->draining ? NULL : calloc(1, sizeof(*x));

	if (x)
		x->conn.evict = on_evict;
	if (!x || len > sizeof(x->peer) || !net_pool_admit(srv->pool, &x->conn, peer, len)) {
		free(x);
		close(fd);
		return;
	}
	memcpy(&x->peer, peer, len);
	x->srv = srv;
	x->fd = -1;
	x->tls = srv->tls != NULL;
	x->deadline = event_new(srv->base, -1, 0, on_deadline, x);
	x->bev = x->deadline ? open_bev(srv, fd) : NULL;
	if (!x->bev) {
		if (!x->deadline)
			close(fd);
		else
			event_free(x->deadline);
		net_pool_leave(srv->pool, &x->conn);
		free(x);
		return;
	}
	LIST_INSERT_HEAD(&srv->conns, x, link);
	srv->stats.connections++;
	bufferevent_setcb(x->bev, on_read, on_write, on_event, x);
	bufferevent_setwatermark(x->bev, EV_READ, 0, HTTP_HEAD_MAX);
	bufferevent_enable(x->bev, EV_READ | EV_WRITE);
	if (x->tls)
		enter(x, HTTP_HANDSHAKE, srv->times.handshake_ms);
	else
		enter(x, HTTP_READING, x->srv->times.request_ms);
}

int http_server_new(struct event_base *base, struct net_pool *pool, const struct http_handler *h,
		    struct http_server **srv, struct err *e)
{
	struct http_server *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for an HTTP server");
	s->base = base;
	s->pool = pool;
	s->h = *h;
	s->times = (struct http_times){TLS_HANDSHAKE_MS, HTTP_REQUEST_MS, HTTP_IDLE_MS, HTTP_WRITE_MS, HTTP_LINGER_MS};
	LIST_INIT(&s->conns);
	*srv = s;
	return 0;
}

void http_server_free(struct http_server *srv)
{
	struct http_exchange *x;

	if (!srv)
		return;
	while ((x = LIST_FIRST(&srv->conns)))
		http_free(x);
	SSL_CTX_free(srv->tls);
	free(srv);
}

void http_server_set_times(struct http_server *srv, const struct http_times *t)
{
	srv->times = *t;
}

void http_server_set_tls(struct http_server *srv, SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	SSL_CTX_free(srv->tls);
	srv->tls = ctx;
}

void http_server_close_idle(struct http_server *srv)
{
	struct http_exchange *x, *next;

	for (x = LIST_FIRST(&srv->conns); x; x = next) {
		next = LIST_NEXT(x, link);
		if (x->state != HTTP_ASKED && x->state != HTTP_SENDING)
			http_free(x);
	}
}

bool http_server_drain(struct http_server *srv)
{
	srv->draining = true;
	http_server_close_idle(srv);
	return LIST_EMPTY(&srv->conns);
}

void http_exchange_set(struct http_exchange *x, void *data)
{
	x->data = data;
}

void *http_exchange_get(const struct http_exchange *x)
{
	return x->data;
}

const struct http_stats *http_server_stats(const struct http_server *srv)
{
	return &srv->stats;
}
