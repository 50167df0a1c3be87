#include "testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tftp_server.h"

/*
 * A server on the loopback interface, clients in the same process, time that the tests move, and files that they invent.
 */
#define PATIENCE_MS 60000 /* until something that must happen counts as never */

struct fake_file {
	struct tftp_source source;
	unsigned released;
	bool fails, changes;
};

struct fixture {
	struct event_base *base;
	struct tftp_server *srv;
	uint64_t now_ms;
	struct clock clock;
	uint16_t port;
	struct fake_file file;          /* what "file", "slow" and "read" are */
	unsigned opens, cancels;
	tftp_opened *waiting;           /* of "slow" */
	void *waiting_ctx;
};

static uint8_t octets[100000];

static uint64_t fake_mono(void *ctx)
{
	return ((struct fixture *)ctx)->now_ms;
}

static int fake_read(struct tftp_source *s, uint64_t offset, void *out, size_t n, struct err *e)
{
	if (((struct fake_file *)s)->fails)
		return err_set(e, ERR_IO, "no");
	memcpy(out, octets + offset, n);
	return 0;
}

static bool fake_changed(struct tftp_source *s)
{
	return ((struct fake_file *)s)->changes;
}

static void fake_release(struct tftp_source *s)
{
	((struct fake_file *)s)->released++;
}

static void *fake_open(void *ctx, struct view name, const struct sockaddr *peer, tftp_opened *done, void *done_ctx)
{
	struct fixture *f = ctx;

	f->opens++;
	assert_true(peer->sa_family == AF_INET || peer->sa_family == AF_INET6);
	if (view_eq(name, view_str("file")) || view_eq(name, view_str("read"))) {
		f->file.source.bytes = name.p[0] == 'f' ? octets : NULL;
		done(done_ctx, TFTP_FOUND, &f->file.source, NULL);
	} else if (view_eq(name, view_str("slow"))) {
		f->waiting = done;
		f->waiting_ctx = done_ctx;
		return f;
	} else if (view_eq(name, view_str("refused"))) {
		done(done_ctx, TFTP_REFUSED, NULL, "because");
	} else if (view_eq(name, view_str("broken"))) {
		done(done_ctx, TFTP_FAILED, NULL, NULL);
	} else {
		done(done_ctx, TFTP_ABSENT, NULL, NULL);
	}
	return NULL;
}

static void fake_cancel(void *ctx, void *wait)
{
	assert_ptr_equal(ctx, wait);
	((struct fixture *)ctx)->cancels++;
}

static int socket_on(const char *host, uint16_t *port)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};
	socklen_t len = strchr(host, ':') ? sizeof(a.v6) : sizeof(a.v4);
	int fd = -1;

	if (len == sizeof(a.v6)) {
		a.v6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, host, &a.v6.sin6_addr), 1);
	} else {
		a.v4.sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, host, &a.v4.sin_addr), 1);
	}
	fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &a.sa, len) < 0 || getsockname(fd, &a.sa, &len) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (port)
		*port = ntohs(a.sa.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return fd;
}

static struct fixture *new_fixture(const char *host, const struct tftp_server_options *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;
	int fd = socket_on(host, &f->port);

	if (fd < 0) {
		free(f);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 31 + i / 256);
	f->now_ms = 1000000;
	f->clock = (struct clock){.mono_ms = fake_mono, .ctx = f};
	f->file.source = (struct tftp_source){
		.size = 1000, .read = fake_read, .changed = fake_changed, .release = fake_release,
	};
	f->base = event_base_new();
	const struct tftp_content content = {fake_open, fake_cancel, f};
	assert_ok(tftp_server_new(f->base, &f->clock, &content, options, &f->srv, &e), &e);
	assert_ok(tftp_server_listen(f->srv, fd, &e), &e);
	return f;
}

static void end(struct fixture *f)
{
	tftp_server_free(f->srv);
	event_base_free(f->base);
	free(f);
}

/* A client's socket and the last packet that came to it. */
struct peer {
	int fd;
	struct sockaddr_in6 from; /* of either family */
	socklen_t from_len;
	uint8_t packet[70000];
	size_t len;
};

static struct peer *new_peer(const char *host)
{
	struct peer *p = calloc(1, sizeof(*p));

	p->fd = socket_on(host, NULL);
	assert_true(p->fd >= 0);
	return p;
}

static void free_peer(struct peer *p)
{
	close(p->fd);
	free(p);
}

static void send_to_server(struct fixture *f, struct peer *p, const char *host, const void *data, size_t n)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(f->port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(f->port)};

	if (strchr(host, ':')) {
		assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
		assert_int_equal(sendto(p->fd, data, n, 0, (struct sockaddr *)&v6, sizeof(v6)), n);
	} else {
		assert_int_equal(inet_pton(AF_INET, host, &v4.sin_addr), 1);
		assert_int_equal(sendto(p->fd, data, n, 0, (struct sockaddr *)&v4, sizeof(v4)), n);
	}
}

#define SEND(f, p, s) send_to_server(f, p, "127.0.0.1", s, sizeof(s) - 1)

static void reply(struct peer *p, const void *data, size_t n)
{
	assert_int_equal(sendto(p->fd, data, n, 0, (struct sockaddr *)&p->from, p->from_len), n);
}

static void ack(struct peer *p, uint16_t block)
{
	const uint8_t packet[] = {0, 4, (uint8_t)(block >> 8), (uint8_t)block};

	reply(p, packet, sizeof(packet));
}

static bool try_receive(struct peer *p)
{
	p->from_len = sizeof(p->from);
	ssize_t n = recvfrom(p->fd, p->packet, sizeof(p->packet), MSG_DONTWAIT, (struct sockaddr *)&p->from, &p->from_len);

	p->len = n < 0 ? 0 : (size_t)n;
	return n >= 0;
}

/* Let the server work until a packet comes to p. */
static void receive(struct fixture *f, struct peer *p)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		if (try_receive(p))
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("no packet came");
}

/* Let the server take all that was sent to it, and see that it sends nothing to p. */
static void assert_silence(struct fixture *f, struct peer *p)
{
	for (int i = 0; i < 5; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_false(try_receive(p));
}

static void assert_data(const struct peer *p, uint16_t block, size_t offset, size_t n)
{
	const uint8_t header[] = {0, 3, (uint8_t)(block >> 8), (uint8_t)block};

	assert_int_equal(p->len, 4 + n);
	assert_memory_equal(p->packet, header, 4);
	assert_memory_equal(p->packet + 4, octets + offset, n);
}

static void assert_error(const struct peer *p, uint8_t code, const char *text)
{
	const uint8_t header[] = {0, 5, 0, code};

	assert_true(p->len > 5);
	assert_memory_equal(p->packet, header, 4);
	assert_string_equal(p->packet + 4, text);
}

static uint16_t from_port(const struct peer *p)
{
	return ntohs(p->from.sin6_port); /* in the same place for IPv4 */
}

static void one_file(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* from memory, and read */
		if (i)
			SEND(f, p, "\0\1read\0octet\0");
		else
			SEND(f, p, "\0\1file\0octet\0");
		receive(f, p);
		assert_data(p, 1, 0, 512);
		assert_int_not_equal(from_port(p), f->port);
		ack(p, 1);
		receive(f, p);
		assert_data(p, 2, 512, 488);
		assert_int_equal(tftp_server_stats(f->srv)->current, 1);
		ack(p, 2);
		assert_silence(f, p);
		assert_int_equal(f->file.released, i + 1);
	}
	assert_int_equal(tftp_server_stats(f->srv)->completed, 2);
	assert_int_equal(tftp_server_stats(f->srv)->octets, 2000);
	assert_int_equal(tftp_server_stats(f->srv)->current, 0);
	free_peer(p);
	end(f);
}

static void options_and_windows(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	f->file.source.size = sizeof(octets);
	SEND(f, p, "\0\1read\0octet\0blksize\0008000\0windowsize\000200\0tsize\0000\0");
	receive(f, p);
	static const char oack[] = "\0\6blksize\0001468\0tsize\000100000\0windowsize\00064";
	assert_int_equal(p->len, sizeof(oack));
	assert_memory_equal(p->packet, oack, sizeof(oack));
	ack(p, 0);
	size_t offset = 0;
	for (uint16_t block = 1; offset < sizeof(octets); block++) {
		size_t n = sizeof(octets) - offset < 1468 ? sizeof(octets) - offset : 1468;

		receive(f, p);
		assert_data(p, block, offset, n);
		offset += n;
		if (block % 64 == 0 || n < 1468)
			ack(p, block);
	}
	assert_silence(f, p);
	assert_int_equal(tftp_server_stats(f->srv)->completed, 1);
	free_peer(p);
	end(f);
}

static void answers_that_are_no_file(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1missing\0octet\0");
	receive(f, p);
	assert_error(p, 1, "file not found");
	SEND(f, p, "\0\1refused\0octet\0");
	receive(f, p);
	assert_error(p, 2, "because");
	SEND(f, p, "\0\1broken\0octet\0");
	receive(f, p);
	assert_error(p, 0, "not available now");
	SEND(f, p, "\0\2file\0octet\0");
	receive(f, p);
	assert_error(p, 2, "files are not taken here");
	SEND(f, p, "\0\1file\0mail\0");
	receive(f, p);
	assert_error(p, 4, "only mode octet is served");
	/* pitfalls.md V-1 */
	SEND(f, p, "\0\1file");
	receive(f, p);
	assert_error(p, 4, "the name does not end");
	SEND(f, p, "\0\1\0octet\0");
	receive(f, p);
	assert_error(p, 4, "the name is empty");
	SEND(f, p, "\0\5\0\1no\0");
	assert_silence(f, p);
	assert_int_equal(f->opens, 3);
	const struct tftp_server_stats *s = tftp_server_stats(f->srv);
	assert_int_equal(s->absent, 1);
	assert_int_equal(s->refused, 6);
	assert_int_equal(s->malformed, 5);
	assert_int_equal(s->failed, 1);
	assert_int_equal(s->current, 0);
	free_peer(p);
	end(f);
}

static void a_stranger_disturbs_nothing(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1"), *q = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1file\0octet\0");
	receive(f, p);
	q->from = p->from;
	q->from_len = p->from_len;
	ack(q, 1);
	receive(f, q);
	assert_error(q, 5, "unknown transfer");
	reply(q, "\0\5\0\0stop\0", 9); /* an error is not answered, and ends only the sender's own transfer */
	assert_silence(f, q);
	assert_silence(f, p);
	ack(p, 1);
	receive(f, p);
	assert_data(p, 2, 512, 488);
	assert_int_equal(tftp_server_stats(f->srv)->strangers, 2);
	free_peer(p);
	free_peer(q);
	end(f);
}

static void a_port_serves_a_client_once(void **state)
{
	const struct tftp_server_options options = {.tid_sockets = 8};
	struct fixture *f = new_fixture("127.0.0.1", &options);
	struct peer *p = new_peer("127.0.0.1"), *q = new_peer("127.0.0.1");
	uint16_t last = 0;

	(void)state;
	f->file.source.size = 100;
	/* One after the other. */
	for (int i = 0; i < 50; i++) {
		SEND(f, p, "\0\1file\0octet\0");
		receive(f, p);
		assert_data(p, 1, 0, 100);
		assert_int_not_equal(from_port(p), last);
		last = from_port(p);
		ack(p, 1);
		assert_silence(f, p);
	}
	/* At the same time: each transfer of this client has a port of its own, and there are no more than ports. */
	uint16_t seen[8];
	for (int i = 0; i < 8; i++) {
		f->file.source.size = 1000;
		SEND(f, p, "\0\1file\0octet\0");
		receive(f, p);
		assert_data(p, 1, 0, 512);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(from_port(p), seen[k]);
		seen[i] = from_port(p);
		ack(p, 1);
		receive(f, p);
		assert_data(p, 2, 512, 488);
	}
	SEND(f, p, "\0\1file\0octet\0");
	assert_silence(f, p);
	assert_int_equal(tftp_server_stats(f->srv)->dropped_address, 1);
	/* Another client may share them. */
	SEND(f, q, "\0\1file\0octet\0");
	receive(f, q);
	assert_data(q, 1, 0, 512);
	free_peer(p);
	free_peer(q);
	end(f);
}

static void a_repeated_request_starts_nothing(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1file\0octet\0");
	SEND(f, p, "\0\1file\0octet\0");
	receive(f, p);
	assert_data(p, 1, 0, 512);
	assert_silence(f, p);
	SEND(f, p, "\0\1slow\0octet\0");
	SEND(f, p, "\0\1slow\0octet\0");
	assert_silence(f, p);
	assert_int_equal(f->opens, 2);
	assert_int_equal(tftp_server_stats(f->srv)->repeated, 2);
	free_peer(p);
	end(f);
}

static void a_file_that_takes_time(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1slow\0octet\0");
	assert_silence(f, p);
	assert_int_equal(tftp_server_stats(f->srv)->current, 1);
	f->file.source.bytes = octets;
	f->waiting(f->waiting_ctx, TFTP_FOUND, &f->file.source, NULL);
	receive(f, p);
	assert_data(p, 1, 0, 512);
	SEND(f, p, "\0\1slow\0octet\0\0");
	assert_silence(f, p);
	tftp_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(f->cancels, 0);
	assert_int_equal(f->file.released, 1);
	free_peer(p);
	end(f);

	f = new_fixture("127.0.0.1", NULL);
	p = new_peer("127.0.0.1");
	SEND(f, p, "\0\1slow\0octet\0");
	assert_silence(f, p);
	tftp_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(f->cancels, 1);
	free_peer(p);
	end(f);
}

static void files_that_go_bad(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1read\0octet\0");
	receive(f, p);
	f->file.fails = true;
	ack(p, 1);
	receive(f, p);
	assert_error(p, 0, "the file could not be read");
	f->file.fails = false;
	SEND(f, p, "\0\1read\0octet\0");
	receive(f, p);
	assert_data(p, 1, 0, 512);
	f->file.changes = true;
	ack(p, 1);
	receive(f, p);
	assert_error(p, 0, "the file changed while it was sent");
	assert_int_equal(f->file.released, 2);
	assert_int_equal(tftp_server_stats(f->srv)->failed, 2);
	assert_int_equal(tftp_server_stats(f->srv)->current, 0);
	free_peer(p);
	end(f);
}

static void repeats_and_gives_up(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1file\0octet\0");
	for (int i = 0; i < 5; i++) {
		receive(f, p);
		assert_data(p, 1, 0, 512);
		assert_silence(f, p);
		f->now_ms += 10000;
	}
	for (int i = 0; i < PATIENCE_MS && tftp_server_stats(f->srv)->current; i++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		poll(NULL, 0, 1);
	}
	const struct tftp_server_stats *s = tftp_server_stats(f->srv);
	assert_int_equal(s->current, 0);
	assert_int_equal(s->retransmitted, 4);
	assert_int_equal(s->abandoned, 1);
	assert_int_equal(s->evicted, 0);
	assert_int_equal(f->file.released, 1);
	free_peer(p);
	end(f);
}

static void caps(void **state)
{
	const struct tftp_server_options options = {.max_transfers = 3, .max_per_address = 2, .seed = 1};
	struct fixture *f = new_fixture("0.0.0.0", &options);
	struct peer *a = new_peer("127.0.0.1"), *b = new_peer("127.0.0.1"), *c = new_peer("127.0.0.1");
	struct peer *d = new_peer("127.0.0.2"), *g = new_peer("127.0.0.3");

	(void)state;
	SEND(f, a, "\0\1file\0octet\0");
	receive(f, a);
	SEND(f, b, "\0\1file\0octet\0");
	receive(f, b);
	SEND(f, c, "\0\1file\0octet\0"); /* the third from 127.0.0.1 */
	assert_silence(f, c);
	assert_int_equal(tftp_server_stats(f->srv)->dropped_address, 1);
	SEND(f, d, "\0\1file\0octet\0");
	receive(f, d);
	ack(a, 1);
	receive(f, a);
	/* Full: the oldest whose client has said nothing makes room. */
	SEND(f, g, "\0\1file\0octet\0");
	receive(f, g);
	assert_int_equal(tftp_server_stats(f->srv)->evicted, 1);
	ack(b, 1);
	receive(f, b);
	assert_error(b, 5, "unknown transfer");
	ack(d, 1);
	receive(f, d);
	assert_data(d, 2, 512, 488);
	ack(g, 1);
	receive(f, g);
	/* Full of clients that answer: nobody is thrown out. */
	SEND(f, b, "\0\1file\0octet\0");
	assert_silence(f, b);
	assert_int_equal(tftp_server_stats(f->srv)->dropped_full, 1);
	free_peer(a);
	free_peer(b);
	free_peer(c);
	free_peer(d);
	free_peer(g);
	end(f);
}

static void answers_from_the_address_that_was_asked(void **state)
{
	struct fixture *f = new_fixture("0.0.0.0", NULL);
	struct peer *p = new_peer("127.0.0.1");
	struct sockaddr_in *from = (struct sockaddr_in *)&p->from;

	(void)state;
	for (unsigned i = 1; i < 4; i++) {
		char host[16];

		snprintf(host, sizeof(host), "127.0.0.%u", i);
		send_to_server(f, p, host, "\0\1file\0octet\0", 13);
		receive(f, p);
		assert_data(p, 1, 0, 512);
		assert_string_equal(inet_ntoa(from->sin_addr), host);
		ack(p, 1);
		receive(f, p);
		assert_data(p, 2, 512, 488);
		assert_string_equal(inet_ntoa(from->sin_addr), host);
		send_to_server(f, p, host, "\0\2file\0octet\0", 13);
		receive(f, p);
		assert_string_equal(inet_ntoa(from->sin_addr), host);
	}
	free_peer(p);
	end(f);
}

static void ipv6(void **state)
{
	const char *hosts[] = {"::1", "::"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = new_fixture(hosts[i], NULL);

		if (!f)
			SKIP_TEST("no IPv6 here");
		struct peer *p = new_peer("::1");
		send_to_server(f, p, "::1", "\0\1file\0octet\0", 13);
		receive(f, p);
		assert_data(p, 1, 0, 512);
		assert_true(IN6_IS_ADDR_LOOPBACK(&p->from.sin6_addr));
		ack(p, 1);
		receive(f, p);
		assert_data(p, 2, 512, 488);
		free_peer(p);
		end(f);
	}
}

static void turned_off_and_on(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1"), *q = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1file\0octet\0");
	receive(f, p);
	tftp_server_set_serving(f->srv, false);
	SEND(f, q, "\0\1file\0octet\0");
	assert_silence(f, q);
	ack(p, 1);
	receive(f, p);
	assert_data(p, 2, 512, 488);
	tftp_server_set_serving(f->srv, true);
	assert_silence(f, q);
	SEND(f, q, "\0\1file\0octet\0");
	receive(f, q);
	assert_data(q, 1, 0, 512);
	free_peer(p);
	free_peer(q);
	end(f);
}

static void drained(void **state)
{
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *p = new_peer("127.0.0.1"), *q = new_peer("127.0.0.1");

	(void)state;
	SEND(f, p, "\0\1file\0octet\0");
	receive(f, p);
	assert_false(tftp_server_drain(f->srv));
	SEND(f, q, "\0\1file\0octet\0");
	assert_silence(f, q);
	assert_int_equal(tftp_server_stats(f->srv)->requests, 1); /* the other one stays for somebody else */
	ack(p, 1);
	receive(f, p);
	ack(p, 2);
	assert_silence(f, p);
	assert_true(tftp_server_drain(f->srv));
	free_peer(p);
	free_peer(q);
	end(f);
}

/* So many packets that the server looks for them at intervals: each client still gets each block, in order. */
static void many_clients_at_once(void **state)
{
	enum { CLIENTS = 64, FILES = 40 };
	struct fixture *f = new_fixture("127.0.0.1", NULL);
	struct peer *peers[CLIENTS];
	unsigned got[CLIENTS] = {0}, done[CLIENTS] = {0}, left = CLIENTS;

	(void)state;
	f->file.source.size = 5 * 512 + 1;
	for (unsigned i = 0; i < CLIENTS; i++) {
		peers[i] = new_peer("127.0.0.1");
		SEND(f, peers[i], "\0\1file\0octet\0");
	}
	for (int tries = 0; left && tries < PATIENCE_MS; tries++) {
		bool any = false;

		event_base_loop(f->base, EVLOOP_NONBLOCK);
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (done[i] == FILES || !try_receive(peers[i]))
				continue;
			any = true;
			assert_data(peers[i], (uint16_t)(got[i] + 1), (size_t)got[i] * 512, got[i] < 5 ? 512 : 1);
			ack(peers[i], (uint16_t)++got[i]);
			if (got[i] < 6)
				continue;
			got[i] = 0;
			left -= ++done[i] == FILES;
			if (done[i] < FILES)
				SEND(f, peers[i], "\0\1file\0octet\0");
		}
		if (any)
			tries = 0;
		else
			poll(NULL, 0, 1);
		f->now_ms += any; /* faster than the timeouts, but the windows of measuring pass */
	}
	assert_int_equal(left, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_silence(f, peers[i]);
	assert_int_equal(tftp_server_stats(f->srv)->completed, CLIENTS * FILES);
	assert_int_equal(tftp_server_stats(f->srv)->current, 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		free_peer(peers[i]);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_file),
		cmocka_unit_test(options_and_windows),
		cmocka_unit_test(answers_that_are_no_file),
		cmocka_unit_test(a_stranger_disturbs_nothing),
		cmocka_unit_test(a_port_serves_a_client_once),
		cmocka_unit_test(a_repeated_request_starts_nothing),
		cmocka_unit_test(a_file_that_takes_time),
		cmocka_unit_test(files_that_go_bad),
		cmocka_unit_test(repeats_and_gives_up),
		cmocka_unit_test(caps),
		cmocka_unit_test(answers_from_the_address_that_was_asked),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(turned_off_and_on),
		cmocka_unit_test(drained),
		cmocka_unit_test(many_clients_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
