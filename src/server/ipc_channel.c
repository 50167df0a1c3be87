#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/random.h"
#include "server/ipc.h"

#define READ_BATCH 32 /* messages taken before the loop sees to others */

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

struct ipc_channel {
	struct event_base *base;
	int fd;
	struct ipc_handlers h;
	struct event *readable, *writable;
	TAILQ_HEAD(, ipc_call) calls;
	TAILQ_HEAD(, queued) queue;
	unsigned n_queued;
	uint32_t last_id;
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

static void dispatch(struct ipc_channel *ch, const struct ipc_msg *m)
{
	if (m->type == IPC_REPLY || m->type == IPC_FAILED) {
		answered(ch, m);
	} else if (m->type == IPC_RESTARTED) {
		ask_again(ch);
		if (ch->h.restarted)
			ch->h.restarted(ch->h.ctx, ch);
	} else {
		ch->h.message(ch->h.ctx, ch, m);
	}
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

int ipc_channel_send(struct ipc_channel *ch, const struct ipc_msg *m, struct err *e)
{
	struct err first = ERR_INIT;

	if (!TAILQ_EMPTY(&ch->queue))
		return enqueue(ch, m, e);
	int rc = ipc_send(ch->fd, m, &first);
	if (rc == ERR_AGAIN)
		return enqueue(ch, m, e);
	return rc < 0 ? err_set(e, rc, "%s", first.text) : 0;
}

int ipc_channel_call(struct ipc_channel *ch, uint16_t type, struct view body, unsigned timeout_ms, ipc_done *done,
		     void *ctx, struct ipc_call **call, struct err *e)
{
	struct timeval after = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
	struct ipc_call *c = malloc(sizeof(*c) + body.len);

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
