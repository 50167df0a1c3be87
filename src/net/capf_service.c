#include "net/capf_service.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/tls.h"

#define INCARNATION_BITS 24
#define KEEP_ALIVE_PROBES 4

struct client {
	struct net_conn net; /* first: net_conn's evict gets it */
	LIST_ENTRY(client) link;
	struct capf_service *service;
	struct sockaddr_storage peer;
	struct bufferevent *bev;
	struct event *timer;
	struct capf_conn conn;
	uint64_t number;
	void *wait;          /* for a decision */
	bool handshake_done;
	bool known;          /* the decider believes that this connection goes on */
	bool ending;         /* what is written goes out, nothing more is read */
};

struct capf_service {
	struct event_base *base;
	struct net_pool *pool;
	struct capf_decider decider;
	SSL_CTX *tls;
	struct capf_service_stats stats;
	uint64_t incarnation, connections;
	bool draining;
	LIST_HEAD(, client) clients;
};

/* ---- ends ---- */

static void forget(struct client *c, bool timed_out)
{
	const struct capf_decider *d = &c->service->decider;

	if (c->wait)
		d->cancel(d->ctx, c->wait);
	c->wait = NULL;
	if (c->known)
		d->gone(d->ctx, c->number, timed_out);
	c->known = false;
}

static void client_free(struct client *c)
{
	forget(c, false);
	c->service->stats.current--;
	net_pool_leave(c->service->pool, &c->net);
	LIST_REMOVE(c, link);
	if (c->timer)
		event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

/* The phone is still there: it is told that nothing more comes. */
static void client_end(struct client *c)
{
	if (c->handshake_done)
		tls_close_notify(c->bev);
	client_free(c);
}

static void on_evict(struct net_conn *net)
{
	client_end((struct client *)net);
}

static void log_end(struct client *c, const char *why)
{
	const struct capf_decider *d = &c->service->decider;

	if (d->ended)
		d->ended(d->ctx, (struct sockaddr *)&c->peer, why);
}

static void set_timer(struct client *c, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(c->timer, &tv);
}

/* ---- the conversation ---- */

static void go_on(struct client *c);

/* One message is one write, and so one record. False: the client is gone. */
static bool send_out(struct client *c, struct wr *out)
{
	bool ok = !out->len || !bufferevent_write(c->bev, out->p, out->len);

	wr_clear(out);
	if (ok)
		return true;
	log_end(c, "no memory");
	client_free(c);
	return false;
}

/* The last message is on its way, or there is none. */
static void finish(struct client *c, struct wr *out)
{
	bool nothing = !out->len;

	if (!send_out(c, out))
		return;
	if (nothing) {
		client_end(c);
		return;
	}
	c->ending = true;
	bufferevent_disable(c->bev, EV_READ);
	set_timer(c, CAPF_IDLE_MS);
}

/* A phone may be silent for half an hour while it makes its key; who is still there then? */
static void keep_alive(struct client *c, unsigned seconds)
{
	int fd = bufferevent_getfd(c->bev), on = 1, idle = (int)seconds, probes = KEEP_ALIVE_PROBES;

	/* Without it a dead connection lasts until its deadline: no reason to end a live one. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void on_decided(void *ctx, const struct capf_decision *d, unsigned keep_alive_s)
{
	static const struct capf_decision nobody = {.action = CAPF_DO_END, .reason = CAPF_REASON_INVALID};
	struct client *c = ctx;
	struct err e = ERR_INIT;
	struct wr out;

	c->wait = NULL;
	/* Without an answer the decider may have begun a session all the same. */
	c->known = !d || (d->action != CAPF_DO_END && d->action != CAPF_DO_RETRY);
	if (keep_alive_s)
		keep_alive(c, keep_alive_s);
	wr_init(&out, CAPF_FRAME_MAX);
	enum capf_want want = capf_conn_decide(&c->conn, d ? d : &nobody, clock_mono_ms(&clock_system), &out, &e);
	if (want != CAPF_WANT_WRITE || !d || !c->known) {
		if (e.code)
			log_end(c, e.text);
		finish(c, &out);
	} else if (send_out(c, &out)) {
		net_pool_busy(c->service->pool, &c->net); /* it has shown who it is, and may take its time */
		go_on(c);
	}
}

/* The message is the first `len` octets of what has come. */
static void ask(struct client *c, enum capf_question question, size_t len)
{
	const struct capf_decider *d = &c->service->decider;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	const struct capf_service_ask ask = {
		.conn = c->number,
		.peer = (struct sockaddr *)&c->peer,
		.session = c->conn.session,
		.question = question,
		.frame = {evbuffer_pullup(in, (ev_ssize_t)len), len},
	};
	struct err e = ERR_INIT;
	int rc = d->ask(d->ctx, &ask, on_decided, c, &c->wait, &e);

	evbuffer_drain(in, len);
	event_del(c->timer); /* whoever decides has a deadline of his own */
	if (rc == 0) {
		c->known = true;
		return;
	}
	log_end(c, e.text);
	on_decided(c, NULL, 0);
}

/* A message that is announced as longer than any phone's is not waited for. */
static bool too_long(struct client *c, struct view in)
{
	struct err e = ERR_INIT;
	size_t len;

	return c->conn.state != CAPF_STATE_START && capf_frame_len(in, &len, &e) == 0 && len > CAPF_SERVICE_FRAME_MAX;
}

static void broken(struct client *c, const struct err *e, struct wr *out)
{
	bool timed_out = e->code == ERR_AGAIN;

	c->service->stats.timed_out += timed_out;
	c->service->stats.malformed += e->code == ERR_PROTO;
	log_end(c, e->code ? e->text : "no memory");
	forget(c, timed_out);
	finish(c, out);
}

/* One message. False: nothing more to do now; the client may be gone. */
static bool step(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct view have = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
	uint64_t now = clock_mono_ms(&clock_system);
	enum capf_question question;
	struct err e = ERR_INIT;
	size_t used;
	struct wr out;

	wr_init(&out, CAPF_FRAME_MAX);
	if (too_long(c, have)) {
		err_rule(&e, "body-length", 6, "a message of more than %d octets", CAPF_SERVICE_FRAME_MAX);
		broken(c, &e, &out);
		return false;
	}
	switch (capf_conn_step(&c->conn, have, now, &used, &question, &out, &e)) {
	case CAPF_WANT_READ:
		wr_clear(&out);
		evbuffer_drain(in, used);
		if (used)
			return true;
		set_timer(c, capf_conn_deadline(&c->conn) > now ? capf_conn_deadline(&c->conn) - now : 0);
		return false;
	case CAPF_WANT_WRITE:
		evbuffer_drain(in, used);
		return send_out(c, &out);
	case CAPF_WANT_DECISION:
		wr_clear(&out);
		ask(c, question, used);
		return false;
	case CAPF_WANT_CLOSE: break;
	}
	broken(c, &e, &out);
	return false;
}

/* Until the phone has the next move, or somebody has to decide. */
static void go_on(struct client *c)
{
	while (step(c))
		;
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (!c->wait && !c->ending)
		go_on(c);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct client *c = ctx;

	(void)bev;
	if (c->ending)
		client_end(c);
}

static void begin(struct client *c)
{
	struct err e = ERR_INIT;
	uint32_t session;

	c->handshake_done = true;
	if (random_fill(&random_system, &session, sizeof(session), &e) < 0) {
		log_end(c, e.text);
		client_end(c);
		return;
	}
	capf_conn_init(&c->conn, session, clock_mono_ms(&clock_system));
	go_on(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct client *c = ctx;

	if (what & BEV_EVENT_CONNECTED) {
		begin(c);
		return;
	}
	if (!c->handshake_done) {
		c->service->stats.handshakes_failed++;
		log_end(c, tls_failure(bev));
	}
	client_free(c);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct client *c = ctx;

	(void)fd;
	(void)what;
	if (!c->handshake_done) {
		c->service->stats.handshakes_failed++;
		log_end(c, "the TLS handshake took too long");
		client_free(c);
	} else if (c->ending) {
		log_end(c, "the phone does not read the end of its session");
		client_free(c);
	} else {
		go_on(c); /* whose deadline has passed */
	}
}

/* ---- connections ---- */

void capf_service_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct capf_service *s = ctx;
	struct client *c = s->tls && !s->draining ? calloc(1, sizeof(*c)) : NULL;
	struct err e = ERR_INIT;

	if (c)
		c->net.evict = on_evict;
	if (!c || len > sizeof(c->peer) || !net_pool_admit(s->pool, &c->net, peer, len)) {
		free(c);
		close(fd);
		return;
	}
	c->service = s;
	memcpy(&c->peer, peer, len);
	if (tls_accept(s->base, s->tls, fd, &c->bev, &e)) {
		net_pool_leave(s->pool, &c->net);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->stats.connections++;
	s->stats.current++;
	c->number = s->incarnation << (56 - INCARNATION_BITS) | (++s->connections & 0xffffffff);
	c->timer = evtimer_new(s->base, on_timer, c);
	if (!c->timer) {
		client_free(c);
		return;
	}
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CAPF_SERVICE_FRAME_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	set_timer(c, TLS_HANDSHAKE_MS);
}

int capf_service_new(struct event_base *base, struct net_pool *pool, const struct capf_decider *decider,
		     struct capf_service **out, struct err *e)
{
	struct capf_service *s = calloc(1, sizeof(*s));
	uint32_t incarnation;
	int rc = s ? random_fill(&random_system, &incarnation, sizeof(incarnation), e) :
		     err_set(e, ERR_NOMEM, "no memory for the CAPF service");

	if (rc < 0) {
		free(s);
		return rc;
	}
	*s = (struct capf_service){.base = base, .pool = pool, .decider = *decider};
	s->incarnation = incarnation >> (32 - INCARNATION_BITS);
	LIST_INIT(&s->clients);
	*out = s;
	return 0;
}

void capf_service_close_all(struct capf_service *s)
{
	struct client *c;

	while ((c = LIST_FIRST(&s->clients)))
		client_end(c);
}

void capf_service_free(struct capf_service *s)
{
	if (!s)
		return;
	capf_service_close_all(s);
	SSL_CTX_free(s->tls);
	free(s);
}

void capf_service_set_tls(struct capf_service *s, SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	SSL_CTX_free(s->tls);
	s->tls = ctx;
}

bool capf_service_drain(struct capf_service *s)
{
	struct client *c, *following;

	s->draining = true;
	for (c = LIST_FIRST(&s->clients); c; c = following) {
		following = LIST_NEXT(c, link);
		if (!c->known && !c->ending)
			client_end(c);
	}
	return LIST_EMPTY(&s->clients);
}

const struct capf_service_stats *capf_service_stats(const struct capf_service *s)
{
	return &s->stats;
}
