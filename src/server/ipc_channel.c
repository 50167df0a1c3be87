#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/random.h"
#include "base/secret.h"
#include "server/ipc.h"

#define READ_BATCH 32 /* messages taken before the loop sees to others */
#define PART_HEAD 10  /* octets before those of the message itself */

struct ipc_call {
	struct ipc_channel *ch;
	TAILQ_ENTRY(ipc_call) link;
	uint16_t type;
	uint32_t id;
	ipc_done *done; /* NULL: cancelled */
	void *ctx;
	struct event *timer;
	size_t len;
	uint8_t body[];
};

struct queued {
	TAILQ_ENTRY(queued) link;
	struct ipc_msg msg;
	uint8_t body[];
};

/* A message that comes in parts; some have a password in them. */
struct gathering {
	uint32_t id;
	uint8_t *p;           /* NULL: none is under way */
	size_t len, whole;
};

struct ipc_channel {
	struct event_base *base;
	int fd;
	struct ipc_handlers h;
	struct event *readable, *writable;
	TAILQ_HEAD(, ipc_call) calls;
	TAILQ_HEAD(, queued) queue;
	unsigned n_queued;
	uint32_t last_id;
	struct gathering parts;
	bool ended;   /* IPC_ENDED came, and no IPC_RESTARTED since */
	bool reading; /* handlers run: ipc_channel_free leaves the struct to the reader */
	bool dead;
};

static void call_free(struct ipc_call *c)
{
	TAILQ_REMOVE(&c->ch->calls, c, link);
	event_free(c->timer);
	free(c);
}

static void call_finish(struct ipc_call *c, int rc, struct view reply, const struct err *e)
{
	ipc_done *done = c->done;
	void *ctx = c->ctx;

	call_free(c);
	if (done)
		done(ctx, rc, reply, e);
}

static void call_timed_out(evutil_socket_t fd, short what, void *ctx)
{
	struct err e = ERR_INIT;

	(void)fd;
	(void)what;
	errno = ETIMEDOUT;
	int rc = err_sys(&e, ERR_IO, "no answer from another process");
	call_finish(ctx, rc, (struct view){0}, &e);
}

static struct ipc_call *find_call(struct ipc_channel *ch, uint32_t id)
{
	struct ipc_call *c;

	TAILQ_FOREACH(c, &ch->calls, link)
		if (c->id == id)
			return c;
	return NULL;
}

static void answered(struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct ipc_call *c = find_call(ch, m->id);
	struct err e = ERR_INIT;

	if (!c)
		return; /* timed out, or asked by an earlier incarnation of this process */
	if (m->type == IPC_REPLY)
		call_finish(c, 0, m->body, NULL);
	else
		call_finish(c, ipc_failed_decode(m->body, &e), (struct view){0}, &e);
}

/* The process at the other end is new and knows nothing of what its predecessor was asked. */
static void ask_again(struct ipc_channel *ch)
{
	struct ipc_call *c;

	TAILQ_FOREACH(c, &ch->calls, link) {
		struct ipc_msg m = {.type = c->type, .id = c->id, .body = {c->body, c->len}};
		/* A full queue leaves the call to its time-out. */
		int ignored = ipc_channel_send(ch, &m, NULL);
		(void)ignored;
	}
}

static int keeps_ending(struct err *e)
{
	return err_set(e, ERR_CLOSED, "the process of this node that does it keeps ending; its log says why, and it is started again");
}

/* Those that wait are to hear of it now, and not when their time is up. What a done asks again fails as well. */
static void fail_calls(struct ipc_channel *ch)
{
	struct ipc_call *c;

	ch->ended = true;
	while (!ch->dead && (c = TAILQ_FIRST(&ch->calls))) {
		struct err e = ERR_INIT;
		int rc = keeps_ending(&e);
		call_finish(c, rc, (struct view){0}, &e);
	}
}

static void dispatch(struct ipc_channel *ch, const struct ipc_msg *m)
{
	if (m->type == IPC_REPLY || m->type == IPC_FAILED) {
		answered(ch, m);
	} else if (m->type == IPC_ENDED) {
		fail_calls(ch);
	} else if (m->type == IPC_RESTARTED) {
		ch->ended = false;
		ask_again(ch);
		if (ch->h.restarted)
			ch->h.restarted(ch->h.ctx, ch);
	} else {
		ch->h.message(ch->h.ctx, ch, m);
	}
}

/* --- messages in parts --- */

static void parts_clear(struct gathering *g)
{
	secret_free(g->p, g->whole);
	*g = (struct gathering){0};
}

/* false: there is nothing, or nothing more, to be had of this message. */
static bool gather(struct ipc_channel *ch, uint32_t id, uint32_t whole, uint32_t offset, struct view octets)
{
	struct gathering *g = &ch->parts;

	if (offset == 0) {
		parts_clear(g);
		g->p = whole && whole <= ch->h.long_max ? secret_new(whole) : NULL;
		g->id = id;
		g->whole = whole;
	}
	if (!g->p || g->id != id || g->whole != whole || g->len != offset || octets.len > whole - offset)
		return false;
	memcpy(g->p + offset, octets.p, octets.len);
	g->len += octets.len;
	return true;
}

static void take_part(struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct ipc_msg got = {.id = m->id};
	uint32_t whole, offset;
	struct rd r;

	rd_init(&r, m->body.p, m->body.len);
	if (!rd_u16(&r, &got.type) || !rd_u32(&r, &whole) || !rd_u32(&r, &offset) ||
	    !gather(ch, m->id, whole, offset, rd_rest(&r))) {
		parts_clear(&ch->parts);
		return;
	}
	if (ch->parts.len < whole)
		return;
	/* A handler may free the channel. */
	struct gathering done = ch->parts;
	ch->parts = (struct gathering){0};
	got.body = (struct view){done.p, done.whole};
	if (got.type != IPC_PART)
		dispatch(ch, &got);
	parts_clear(&done);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	/* One process has one loop and one thread, so one buffer serves all its channels; a handler does not come back
	 * in here. */
	static uint8_t buf[IPC_MAX];
	struct ipc_channel *ch = ctx;

	(void)fd;
	(void)what;
	ch->reading = true;
	for (int i = 0; i < READ_BATCH && !ch->dead; i++) {
		struct err e = ERR_INIT;
		struct ipc_msg m;
		int rc = ipc_recv(ch->fd, buf, &m, &e);
		if (rc == ERR_AGAIN)
			break;
		if (rc < 0) {
			event_del(ch->readable);
			if (ch->h.closed)
				ch->h.closed(ch->h.ctx, ch, &e);
			break;
		}
		if (m.type == IPC_PART)
			take_part(ch, &m);
		else
			dispatch(ch, &m);
	}
	ch->reading = false;
	if (ch->dead)
		free(ch);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct ipc_channel *ch = ctx;
	struct queued *q;

	(void)fd;
	(void)what;
	while ((q = TAILQ_FIRST(&ch->queue))) {
		if (ipc_send(ch->fd, &q->msg, NULL) == ERR_AGAIN)
			return;
		/* Sent, or the other end is gone, which on_readable tells. */
		TAILQ_REMOVE(&ch->queue, q, link);
		ch->n_queued--;
		free(q);
	}
	event_del(ch->writable);
}

int ipc_channel_new(struct event_base *base, int fd, const struct ipc_handlers *h, struct ipc_channel **ch,
		    struct err *e)
{
	struct ipc_channel *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return err_set(e, ERR_NOMEM, "no memory for a channel between processes");
	}
	TAILQ_INIT(&c->calls);
	TAILQ_INIT(&c->queue);
	c->base = base;
	c->fd = fd;
	c->h = *h;
	/* Only so that an answer to an earlier incarnation of this process is not taken for one of ours. */
	if (random_fill(&random_system, &c->last_id, sizeof(c->last_id), NULL) < 0)
		c->last_id = 0;
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (c->readable)
		event_priority_set(c->readable, 0); /* a loop with priorities sees to other processes first */
	if (!c->readable || !c->writable || evutil_make_socket_nonblocking(fd) < 0 || event_add(c->readable, NULL) < 0) {
		ipc_channel_free(c);
		return err_set(e, ERR_NOMEM, "no memory for a channel between processes");
	}
	*ch = c;
	return 0;
}

void ipc_channel_free(struct ipc_channel *ch)
{
	struct ipc_call *c;
	struct queued *q;

	if (!ch)
		return;
	while ((c = TAILQ_FIRST(&ch->calls)))
		call_free(c);
	while ((q = TAILQ_FIRST(&ch->queue))) {
		TAILQ_REMOVE(&ch->queue, q, link);
		free(q);
	}
	if (ch->readable)
		event_free(ch->readable);
	if (ch->writable)
		event_free(ch->writable);
	parts_clear(&ch->parts);
	close(ch->fd);
	ch->dead = true;
	if (!ch->reading)
		free(ch);
}

static int enqueue(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e)
{
	struct queued *q;

	if (ch->n_queued >= IPC_QUEUE_MAX)
		return err_set(e, ERR_LIMIT, "another process does not keep up: %d messages wait", IPC_QUEUE_MAX);
	q = malloc(sizeof(*q) + m->body.len);
	if (!q)
		return err_set(e, ERR_NOMEM, "no memory for a message between processes");
	if (m->body.len)
		memcpy(q->body, m->body.p, m->body.len);
	q->msg = (struct ipc_msg){.type = m->type, .id = m->id, .body = {q->body, m->body.len}};
	TAILQ_INSERT_TAIL(&ch->queue, q, link);
	ch->n_queued++;
	event_add(ch->writable, NULL);
	return 0;
}

static int send_packet(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e)
{
	struct err first = ERR_INIT;

	if (!TAILQ_EMPTY(&ch->queue))
		return enqueue(ch, m, e);
	int rc = ipc_send(ch->fd, m, &first);
	if (rc == ERR_AGAIN)
		return enqueue(ch, m, e);
	return rc < 0 ? err_set(e, rc, "%s", first.text) : 0;
}

static int send_parts(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e)
{
	int rc = 0;

	for (size_t offset = 0, n; rc == 0 && offset < m->body.len; offset += n) {
		struct wr w;
		n = m->body.len - offset < IPC_BODY_MAX - PART_HEAD ? m->body.len - offset : IPC_BODY_MAX - PART_HEAD;
		wr_init(&w, IPC_BODY_MAX);
		wr_u16(&w, m->type);
		wr_u32(&w, (uint32_t)m->body.len);
		wr_u32(&w, (uint32_t)offset);
		wr_bytes(&w, m->body.p + offset, n);
		struct ipc_msg part = {.type = IPC_PART, .id = m->id, .body = wr_view_all(&w)};
		rc = w.failed ? err_set(e, w.failed, "no memory for a message between processes") : send_packet(ch, &part, e);
		secret_wipe(w.p, w.len);
		wr_clear(&w);
	}
	return rc;
}

int ipc_channel_send(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e)
{
	if (m->body.len > IPC_LONG_MAX)
		return err_set(e, ERR_LIMIT, "a message between processes would have %zu octets; %u is the most", m->body.len,
			       IPC_LONG_MAX);
	return m->body.len > IPC_BODY_MAX ? send_parts(ch, m, e) : send_packet(ch, m, e);
}

int ipc_channel_call(struct ipc_channel *ch, uint16_t type, struct view body, unsigned timeout_ms, ipc_done *done,
		     void *ctx, struct ipc_call **call, struct err *e)
{
	struct timeval after = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
	struct ipc_call *c = ch->ended ? NULL : malloc(sizeof(*c) + body.len);

	if (ch->ended)
		return keeps_ending(e);
	if (!c)
		return err_set(e, ERR_NOMEM, "no memory for a call to another process");
	*c = (struct ipc_call){.ch = ch, .type = type, .id = ++ch->last_id, .done = done, .ctx = ctx, .len = body.len};
	if (body.len)
		memcpy(c->body, body.p, body.len);
	c->timer = event_new(ch->base, -1, 0, call_timed_out, c);
	if (!c->timer || event_add(c->timer, &after) < 0) {
		if (c->timer)
			event_free(c->timer);
		free(c);
		return err_set(e, ERR_NOMEM, "no memory for a call to another process");
	}
	TAILQ_INSERT_TAIL(&ch->calls, c, link);
	struct ipc_msg m = {.type = type, .id = c->id, .body = {c->body, c->len}};
	int rc = ipc_channel_send(ch, &m, e);
	if (rc < 0) {
		call_free(c);
		return rc;
	}
	if (call)
		*call = c;
	return 0;
}

void ipc_call_cancel(struct ipc_call *call)
{
	if (call)
		call->done = NULL;
}
