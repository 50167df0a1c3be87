#include "../testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/ipc.h"

static uint8_t buf[IPC_MAX];

static void test_send_recv(void **state)
{
	struct err e = ERR_INIT;
	struct ipc_msg m = {.type = 7, .id = 0xdeadbeef, .body = view_str("hello")}, got;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_send(fd[0], &m, &e), &e);
	assert_ok(ipc_recv(fd[1], buf, &got, &e), &e);
	assert_int_equal(got.type, 7);
	assert_int_equal(got.id, 0xdeadbeef);
	assert_true(view_eq(got.body, m.body));

	/* The largest, and one octet more. */
	uint8_t *big = calloc(1, IPC_BODY_MAX + 1);
	assert_non_null(big);
	m.body = (struct view){big, IPC_BODY_MAX};
	assert_ok(ipc_send(fd[0], &m, &e), &e);
	assert_ok(ipc_recv(fd[1], buf, &got, &e), &e);
	assert_int_equal(got.body.len, IPC_BODY_MAX);
	m.body.len++;
	assert_err(ipc_send(fd[0], &m, &e), ERR_LIMIT);
	free(big);

	e = ERR_INIT;
	close(fd[0]);
	assert_err(ipc_recv(fd[1], buf, &got, &e), ERR_CLOSED);
	e = ERR_INIT;
	m.body.len = 0;
	assert_err(ipc_send(fd[1], &m, &e), ERR_CLOSED);
	close(fd[1]);
}

static void test_decode_at_every_length(void **state)
{
	static const uint8_t packet[] = {0, 33, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 'a', 'b', 'c'};
	struct ipc_msg m;
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	for (size_t n = 0; n < sizeof(packet); n++) {
		e = ERR_INIT;
		assert_err(ipc_decode((struct view){packet, n}, &m, &e), ERR_PROTO);
		assert_string_equal(e.rule, n < IPC_HEADER ? "ipc-header" : "ipc-length");
		/* The same over a socket; a packet of no octets is not the end of the conversation. */
		assert_int_equal(send(fd[0], packet, n, 0), (ssize_t)n);
		e = ERR_INIT;
		assert_err(ipc_recv(fd[1], buf, &m, &e), ERR_PROTO);
	}
	e = ERR_INIT;
	assert_ok(ipc_decode((struct view){packet, sizeof(packet)}, &m, &e), &e);
	uint8_t longer[sizeof(packet) + 1] = {0};
	memcpy(longer, packet, sizeof(packet));
	assert_err(ipc_decode((struct view){longer, sizeof(longer)}, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "ipc-length");
	e = ERR_INIT;
	longer[3] = 1;
	assert_err(ipc_decode((struct view){longer, sizeof(packet)}, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "ipc-reserved");

	/* Larger than any message. */
	uint8_t *huge = calloc(1, IPC_MAX + 1);
	assert_non_null(huge);
	assert_int_equal(send(fd[0], huge, IPC_MAX + 1, 0), IPC_MAX + 1);
	e = ERR_INIT;
	assert_err(ipc_recv(fd[1], buf, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "ipc-length");
	free(huge);
	close(fd[0]);
	close(fd[1]);
}

static void test_strings(void **state)
{
	struct wr w;
	struct rd r;
	char out[6];

	(void)state;
	wr_init(&w, 100);
	assert_true(ipc_put_str(&w, "hello") && ipc_put_str(&w, ""));
	rd_init(&r, w.p, w.len);
	assert_true(ipc_get_str(&r, out, sizeof(out)));
	assert_string_equal(out, "hello");
	assert_true(ipc_get_str(&r, out, sizeof(out)) && rd_done(&r));
	assert_string_equal(out, "");
	rd_init(&r, w.p, w.len);
	assert_false(ipc_get_str(&r, out, 5)); /* no room for the NUL */
	assert_true(r.failed);
	wr_clear(&w);
	wr_init(&w, 100);
	wr_open16(&w);
	wr_bytes(&w, "a\0b", 3);
	wr_close(&w);
	rd_init(&r, w.p, w.len);
	assert_false(ipc_get_str(&r, out, sizeof(out)));
	wr_clear(&w);
}

static void test_failures_travel(void **state)
{
	struct err e = ERR_INIT, back = ERR_INIT;
	struct wr w;

	(void)state;
	errno = ENOENT;
	int rc = err_sys(&e, ERR_IO, "no such key");
	assert_int_equal(rc, ERR_IO);
	wr_init(&w, 1000);
	assert_true(ipc_failed_encode(&w, &e));
	assert_err(ipc_failed_decode(wr_view_all(&w), &back), ERR_IO);
	assert_int_equal(back.sys_errno, ENOENT);
	assert_string_equal(back.text, e.text);
	for (size_t n = 0; n < w.len; n++) {
		back = ERR_INIT;
		assert_err(ipc_failed_decode((struct view){w.p, n}, &back), ERR_PROTO);
	}
	w.p[0] = 0; /* no failure is class 0 */
	back = ERR_INIT;
	assert_err(ipc_failed_decode(wr_view_all(&w), &back), ERR_PROTO);
	wr_clear(&w);
}

/* A server that answers with the body it got, after telling once that it was restarted and once something stale. */
static const char *echo_once(int fd)
{
	static uint8_t mine[IPC_MAX];
	struct ipc_msg m;

	if (ipc_recv(fd, mine, &m, NULL) < 0)
		return "no request";
	struct ipc_msg restarted = {.type = IPC_RESTARTED}, stale = {.type = IPC_REPLY, .id = m.id - 1};
	if (ipc_send(fd, &stale, NULL) < 0 || ipc_send(fd, &restarted, NULL) < 0)
		return "could not send";
	if (ipc_recv(fd, mine, &m, NULL) < 0)
		return "the request did not come again";
	m.type = IPC_REPLY;
	return ipc_send(fd, &m, NULL) < 0 ? "could not answer" : NULL;
}

static const char *echo_wrong;

static void *echo_after_restart(void *arg)
{
	echo_wrong = echo_once(*(int *)arg);
	return NULL;
}

static void test_call_survives_restart(void **state)
{
	struct err e = ERR_INIT;
	struct view reply;
	pthread_t t;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_int_equal(pthread_create(&t, NULL, echo_after_restart, &fd[1]), 0);
	assert_ok(ipc_call(fd[0], 40, view_str("question"), 60000, buf, &reply, &e), &e);
	assert_true(view_eq(reply, view_str("question")));
	pthread_join(t, NULL);
	if (echo_wrong)
		fail_msg("%s", echo_wrong);
	/* Nobody answers. */
	assert_err(ipc_call(fd[0], 40, view_str("question"), 1, buf, &reply, &e), ERR_IO);
	assert_int_equal(e.sys_errno, ETIMEDOUT);
	close(fd[1]);
	e = ERR_INIT;
	assert_err(ipc_call(fd[0], 40, view_str("question"), 1000, buf, &reply, &e), ERR_CLOSED);
	close(fd[0]);
}

/* --- on a loop --- */

struct heard {
	struct event_base *base;
	unsigned messages, restarted, closed, done;
	int rc;
	char reply[32];
	struct ipc_channel *free_in_message;
};

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct heard *h = ctx;

	h->messages++;
	if (h->free_in_message) {
		assert_ptr_equal(ch, h->free_in_message);
		ipc_channel_free(ch);
		event_base_loopbreak(h->base);
		return;
	}
	struct ipc_msg answer = {.type = IPC_REPLY, .id = m->id, .body = m->body};
	struct err e = ERR_INIT;
	if (m->body.len && m->body.p[0] == '!') {
		struct wr w;
		wr_init(&w, 500);
		err_set(&e, ERR_AUTH, "not for you");
		ipc_failed_encode(&w, &e);
		answer = (struct ipc_msg){.type = IPC_FAILED, .id = m->id, .body = wr_view_all(&w)};
		e = ERR_INIT;
		assert_ok(ipc_channel_send(ch, &answer, &e), &e);
		wr_clear(&w);
		return;
	}
	assert_ok(ipc_channel_send(ch, &answer, &e), &e);
}

static void on_restarted(void *ctx, struct ipc_channel *ch)
{
	(void)ch;
	((struct heard *)ctx)->restarted++;
}

static void on_closed(void *ctx, struct ipc_channel *ch, const struct err *why)
{
	struct heard *h = ctx;

	(void)ch;
	(void)why;
	h->closed++;
	event_base_loopbreak(h->base);
}

static void on_done(void *ctx, int rc, struct view reply, const struct err *e)
{
	struct heard *h = ctx;

	(void)e;
	h->done++;
	h->rc = rc;
	if (!rc) {
		memcpy(h->reply, reply.p, reply.len);
		h->reply[reply.len] = '\0';
	}
	event_base_loopbreak(h->base);
}

static void test_channels_on_a_loop(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base}, b = {.base = base};
	struct ipc_handlers ha = {on_message, on_restarted, on_closed, &a}, hb = {on_message, on_restarted, on_closed, &b};
	struct ipc_channel *ca = NULL, *cb = NULL;
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	assert_ok(ipc_channel_new(base, fd[1], &hb, &cb, &e), &e);

	assert_ok(ipc_channel_call(ca, 40, view_str("ping"), 60000, on_done, &a, NULL, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.rc, 0);
	assert_string_equal(a.reply, "ping");

	assert_ok(ipc_channel_call(ca, 40, view_str("!"), 60000, on_done, &a, NULL, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.rc, ERR_AUTH);

	/* A cancelled call is answered to nobody. */
	struct ipc_call *call = NULL;
	assert_ok(ipc_channel_call(ca, 40, view_str("x"), 60000, on_done, &a, &call, &e), &e);
	ipc_call_cancel(call);
	assert_ok(ipc_channel_call(ca, 40, view_str("y"), 60000, on_done, &a, NULL, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.done, 3);
	assert_string_equal(a.reply, "y");

	ipc_channel_free(cb);
	event_base_dispatch(base);
	assert_int_equal(a.closed, 1);
	ipc_channel_free(ca);
	event_base_free(base);
}

static void test_channel_asks_again(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base};
	struct ipc_handlers ha = {on_message, on_restarted, NULL, &a};
	struct ipc_channel *ca = NULL;
	struct ipc_msg m, restarted = {.type = IPC_RESTARTED};
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	assert_ok(ipc_channel_call(ca, 40, view_str("q"), 60000, on_done, &a, NULL, &e), &e);
	assert_ok(ipc_recv(fd[1], buf, &m, &e), &e); /* and dies */
	assert_ok(ipc_send(fd[1], &restarted, &e), &e);
	while (!a.restarted)
		event_base_loop(base, EVLOOP_ONCE);
	uint32_t id = m.id;
	assert_ok(ipc_recv(fd[1], buf, &m, &e), &e);
	assert_int_equal(m.id, id);
	assert_true(view_eq(m.body, view_str("q")));

	/* The time-out ends it. */
	assert_ok(ipc_channel_call(ca, 40, view_str("q"), 1, on_done, &a, NULL, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.rc, ERR_IO);

	/* A channel may be freed by its own handler. */
	a.free_in_message = ca;
	m = (struct ipc_msg){.type = 40};
	assert_ok(ipc_send(fd[1], &m, &e), &e);
	assert_ok(ipc_send(fd[1], &m, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.messages, 1);
	close(fd[1]);
	event_base_free(base);
}

/* A process that keeps ending: who waits hears it at once, who asks too, until there is one that runs. */
static void test_ended(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base};
	struct ipc_handlers ha = {on_message, on_restarted, NULL, &a};
	struct ipc_channel *ca = NULL;
	struct ipc_msg m, ended = {.type = IPC_ENDED}, restarted = {.type = IPC_RESTARTED};
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	for (int i = 0; i < 2; i++)
		assert_ok(ipc_channel_call(ca, 40, view_str("q"), 60000, on_done, &a, NULL, &e), &e);
	assert_ok(ipc_send(fd[1], &ended, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.done, 2);
	assert_int_equal(a.rc, ERR_CLOSED);
	assert_err(ipc_channel_call(ca, 40, view_str("q"), 60000, on_done, &a, NULL, &e), ERR_CLOSED);

	e = ERR_INIT;
	assert_ok(ipc_send(fd[1], &restarted, &e), &e);
	while (!a.restarted)
		event_base_loop(base, EVLOOP_ONCE);
	assert_ok(ipc_channel_call(ca, 40, view_str("r"), 60000, on_done, &a, NULL, &e), &e);
	do
		assert_ok(ipc_recv(fd[1], buf, &m, &e), &e);
	while (!view_eq(m.body, view_str("r")));
	ipc_channel_free(ca);
	close(fd[1]);
	event_base_free(base);
}

/* --- messages that are longer than a packet --- */

#define LONG_LEN (3u << 20)

struct long_end {
	struct event_base *base;
	struct ipc_channel *ch;
	const uint8_t *sent;
	unsigned got;
};

static void on_long(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	struct long_end *l = ctx;
	struct ipc_msg answer = {.type = IPC_REPLY, .id = m->id, .body = {(const uint8_t *)"took it", 7}};
	struct err e = ERR_INIT;

	assert_int_equal(m->type, 40);
	assert_int_equal(m->body.len, LONG_LEN);
	assert_memory_equal(m->body.p, l->sent, LONG_LEN);
	l->got++;
	assert_ok(ipc_channel_send(ch, &answer, &e), &e);
}

static uint8_t *long_body(void)
{
	uint8_t *p = malloc(IPC_LONG_MAX + 1);

	assert_non_null(p);
	for (uint32_t i = 0; i < LONG_LEN; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	return p;
}

static void test_long_messages(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base};
	uint8_t *body = long_body();
	struct long_end b = {.base = base, .sent = body};
	struct ipc_handlers ha = {on_message, on_restarted, NULL, &a};
	struct ipc_handlers hb = {.message = on_long, .ctx = &b, .long_max = LONG_LEN};
	struct ipc_channel *ca = NULL;
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	assert_ok(ipc_channel_new(base, fd[1], &hb, &b.ch, &e), &e);
	for (int i = 0; i < 2; i++) {
		assert_ok(ipc_channel_call(ca, 40, (struct view){body, LONG_LEN}, 60000, on_done, &a, NULL, &e), &e);
		event_base_dispatch(base);
		assert_int_equal(a.rc, 0);
		assert_string_equal(a.reply, "took it");
	}
	assert_int_equal(b.got, 2);
	/* More than the other end takes is passed over: nobody answers. More than there is anywhere is refused here. */
	assert_ok(ipc_channel_call(ca, 40, (struct view){body, LONG_LEN + 1}, 500, on_done, &a, NULL, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.rc, ERR_IO);
	assert_int_equal(b.got, 2);
	assert_err(ipc_channel_call(ca, 40, (struct view){body, IPC_LONG_MAX + 1}, 500, on_done, &a, NULL, &e), ERR_LIMIT);
	ipc_channel_free(b.ch);
	ipc_channel_free(ca);
	event_base_free(base);
	free(body);
}

/* The receiver dies after the first parts: its successor passes over what is left of them, and gets it all again. */
static void test_long_message_again(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base};
	uint8_t *body = long_body();
	struct long_end b = {.base = base, .sent = body};
	struct ipc_handlers ha = {on_message, on_restarted, NULL, &a};
	struct ipc_handlers hb = {.message = on_long, .ctx = &b, .long_max = LONG_LEN};
	struct ipc_channel *ca = NULL;
	struct ipc_msg m, restarted = {.type = IPC_RESTARTED};
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	assert_ok(ipc_channel_call(ca, 40, (struct view){body, LONG_LEN}, 60000, on_done, &a, NULL, &e), &e);
	assert_ok(ipc_recv(fd[1], buf, &m, &e), &e);
	assert_int_equal(m.type, IPC_PART);
	assert_ok(ipc_send(fd[1], &restarted, &e), &e);
	assert_ok(ipc_channel_new(base, fd[1], &hb, &b.ch, &e), &e);
	event_base_dispatch(base);
	assert_int_equal(a.restarted, 1);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.got, 1);
	ipc_channel_free(b.ch);
	ipc_channel_free(ca);
	event_base_free(base);
	free(body);
}

static void test_queue_when_full(void **state)
{
	struct event_base *base = event_base_new();
	struct heard a = {.base = base};
	struct ipc_handlers ha = {on_message, on_restarted, on_closed, &a};
	struct ipc_channel *ca = NULL;
	struct err e = ERR_INIT;
	struct ipc_msg m = {.type = IPC_EPOCH, .body = view_str("12345678")}, got;
	unsigned sent = 0;
	int fd[2], rc;

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_ok(ipc_channel_new(base, fd[0], &ha, &ca, &e), &e);
	for (;; sent++) {
		m.id = sent;
		rc = ipc_channel_send(ca, &m, &e);
		if (rc)
			break;
	}
	assert_int_equal(rc, ERR_LIMIT);
	assert_true(sent > IPC_QUEUE_MAX);
	/* All of them arrive, in order. */
	for (unsigned i = 0; i < sent; i++) {
		while ((rc = recv(fd[1], buf, 0, MSG_PEEK | MSG_DONTWAIT)) < 0)
			event_base_loop(base, EVLOOP_NONBLOCK);
		e = ERR_INIT;
		assert_ok(ipc_recv(fd[1], buf, &got, &e), &e);
		assert_int_equal(got.id, i);
	}
	ipc_channel_free(ca);
	close(fd[1]);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_recv),
		cmocka_unit_test(test_decode_at_every_length),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_failures_travel),
		cmocka_unit_test(test_call_survives_restart),
		cmocka_unit_test(test_channels_on_a_loop),
		cmocka_unit_test(test_channel_asks_again),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_long_messages),
		cmocka_unit_test(test_long_message_again),
		cmocka_unit_test(test_queue_when_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
