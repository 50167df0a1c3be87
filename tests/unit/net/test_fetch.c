#include "net/fetch.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/tftp.h"
#include "testing.h"

/* ---- what a fetch came to ---- */

struct outcome {
	struct event_base *base;
	int calls;
	enum fetch_result result;
	char data[4096];
	size_t len;
	char why[128];
};

static void done(void *ctx, enum fetch_result r, struct view data, const char *why)
{
	struct outcome *o = ctx;

	o->calls++;
	o->result = r;
	assert_true(data.len <= sizeof o->data);
	if (data.len)
		memcpy(o->data, data.p, data.len);
	o->len = data.len;
	strncpy(o->why, why, sizeof o->why - 1);
	event_base_loopbreak(o->base);
}

/* ---- a TFTP server that answers one request as it is told ---- */

struct tftp_fake {
	int fd, transfer;
	struct event *ev, *transfer_ev;
	size_t size;       /* of the file; SIZE_MAX: there is none */
	struct tftp_transfer t;
	struct sockaddr_in client;
	int stranger;      /* whose packets must not be heard */
};

static struct sockaddr_in bind_udp(int *fd)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	*fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
	return a;
}

static void send_blocks(struct tftp_fake *s, const struct tftp_send *what)
{
	uint8_t packet[4 + 512];

	for (uint64_t b = what->first_block; b < what->first_block + what->n_blocks; b++) {
		size_t n = tftp_block_len(&s->t, b);

		tftp_data_header(packet, b);
		memset(packet + 4, 'X', n);
		if (b > 1) /* somebody else's packet, just before ours */
			sendto(s->stranger, packet, 4 + n, 0, (struct sockaddr *)&s->client, sizeof s->client);
		memset(packet + 4, 'a' + (int)b % 26, n);
		sendto(s->transfer, packet, 4 + n, 0, (struct sockaddr *)&s->client, sizeof s->client);
	}
}

static void on_ack(evutil_socket_t fd, short what, void *ctx)
{
	struct tftp_fake *s = ctx;
	struct tftp_send send = {0};
	uint8_t packet[600];
	ssize_t n = recv(fd, packet, sizeof packet, 0);

	(void)what;
	if (n > 0)
		tftp_transfer_packet(&s->t, (struct view){packet, (size_t)n}, 0, &send);
	send_blocks(s, &send);
}

static void on_request(evutil_socket_t fd, short what, void *ctx)
{
	const struct tftp_limits limits = {1428, 1};
	struct tftp_fake *s = ctx;
	struct tftp_send send = {0};
	struct tftp_request req;
	struct err e = ERR_INIT;
	uint8_t packet[600], reply[TFTP_REPLY_MAX];
	socklen_t len = sizeof s->client;
	ssize_t n = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&s->client, &len);
	int code;

	(void)what;
	assert_true(n > 0);
	assert_ok(tftp_request_decode((struct view){packet, (size_t)n}, &req, &code, &e), &e);
	assert_memory_equal(req.name.p, "file", req.name.len);
	if (s->size == SIZE_MAX) {
		size_t k = tftp_error_encode(reply, TFTP_ERROR_NOT_FOUND, "no such file");
		sendto(s->transfer, reply, k, 0, (struct sockaddr *)&s->client, len);
		return;
	}
	tftp_transfer_init(&s->t, &req, s->size, &limits, 0, &send);
	send_blocks(s, &send);
}

static struct outcome fetch_from_tftp(size_t size, size_t limit)
{
	struct outcome o = {.base = event_base_new()};
	struct tftp_fake s = {.size = size};
	struct sockaddr_in at = bind_udp(&s.fd);
	struct err e = ERR_INIT;
	struct fetch *f;

	bind_udp(&s.transfer);
	bind_udp(&s.stranger);
	s.ev = event_new(o.base, s.fd, EV_READ | EV_PERSIST, on_request, &s);
	s.transfer_ev = event_new(o.base, s.transfer, EV_READ | EV_PERSIST, on_ack, &s);
	event_add(s.ev, NULL);
	event_add(s.transfer_ev, NULL);
	assert_ok(fetch_tftp(o.base, (struct sockaddr *)&at, sizeof at, "file", limit, done, &o, &f, &e), &e);
	event_base_dispatch(o.base);
	event_free(s.ev);
	event_free(s.transfer_ev);
	close(s.fd);
	close(s.transfer);
	close(s.stranger);
	event_base_free(o.base);
	assert_int_equal(o.calls, 1);
	return o;
}

static void files_by_tftp(void **state)
{
	struct outcome o = fetch_from_tftp(1300, 4096);

	(void)state;
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 1300);
	assert_int_equal(o.data[0], 'b');
	assert_int_equal(o.data[512], 'c'); /* and not the stranger's X */
	assert_int_equal(o.data[1299], 'd');
	o = fetch_from_tftp(0, 4096);
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 0);
	o = fetch_from_tftp(1300, 600);
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 600);
	o = fetch_from_tftp(SIZE_MAX, 4096);
	assert_int_equal(o.result, FETCH_MISSING);
	assert_string_equal(o.why, "no such file");
}

/* ---- an HTTP server that says what it is told ---- */

struct http_fake {
	const char *says;
	char request[512];
};

static void http_written(struct bufferevent *bev, void *ctx)
{
	(void)ctx;
	bufferevent_free(bev); /* Connection: close */
}

static void http_readable(struct bufferevent *bev, void *ctx)
{
	struct http_fake *s = ctx;
	int n = evbuffer_copyout(bufferevent_get_input(bev), s->request, sizeof s->request - 1);

	s->request[n > 0 ? n : 0] = '\0';
	if (strstr(s->request, "\r\n\r\n")) {
		bufferevent_setcb(bev, NULL, http_written, NULL, s);
		bufferevent_write(bev, s->says, strlen(s->says));
		bufferevent_disable(bev, EV_READ);
	}
}

static void http_accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *ctx)
{
	struct bufferevent *bev = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);

	(void)a;
	(void)len;
	bufferevent_setcb(bev, http_readable, NULL, NULL, ctx);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static struct outcome fetch_from_http(const char *says, size_t limit)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct outcome o = {.base = event_base_new()};
	struct http_fake s = {.says = says};
	struct evconnlistener *l;
	socklen_t len = sizeof at;
	struct err e = ERR_INIT;
	struct fetch *f;

	l = evconnlistener_new_bind(o.base, http_accepted, &s, LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&at, sizeof at);
	assert_non_null(l);
	getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&at, &len);
	if (!says)
		evconnlistener_free(l); /* nobody listens */
	assert_ok(fetch_http(o.base, (struct sockaddr *)&at, sizeof at, "file", limit, done, &o, &f, &e), &e);
	event_base_dispatch(o.base);
	if (says) {
		if (strncmp(s.request, "GET /file HTTP/1.1\r\n", 20))
			fail_msg("request '%s', result %d, %s", s.request, o.result, o.why);
		evconnlistener_free(l);
	}
	event_base_free(o.base);
	assert_int_equal(o.calls, 1);
	return o;
}

static void files_by_http(void **state)
{
	struct outcome o = fetch_from_http("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 100);

	(void)state;
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 5);
	assert_memory_equal(o.data, "hello", 5);
	o = fetch_from_http("HTTP/1.0 200 OK\r\n\r\nto the end", 100);
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 10);
	o = fetch_from_http("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 100);
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 0);
	o = fetch_from_http("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 4);
	assert_int_equal(o.result, FETCH_OK);
	assert_int_equal(o.len, 4);
}

static void answers_of_http_that_are_no_file(void **state)
{
	(void)state;
	assert_int_equal(fetch_from_http("HTTP/1.1 404 Not Found\r\n\r\n", 100).result, FETCH_MISSING);
	assert_int_equal(fetch_from_http("HTTP/1.1 503 Busy\r\n\r\n", 100).result, FETCH_FAILED);
	assert_int_equal(fetch_from_http("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 100).result, FETCH_FAILED);
	assert_int_equal(fetch_from_http("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 100).result, FETCH_FAILED);
	assert_int_equal(fetch_from_http("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 100).result,
			 FETCH_FAILED);
	assert_int_equal(fetch_from_http("SSH-2.0-x\r\n\r\n", 100).result, FETCH_FAILED);
	assert_int_equal(fetch_from_http("HTTP/1.1 200 OK\r\n", 100).result, FETCH_FAILED);
	assert_int_equal(fetch_from_http(NULL, 100).result, FETCH_FAILED);
}

static void hosts_and_ports(void **state)
{
	char host[16];
	uint16_t port = 69;

	(void)state;
	assert_true(net_host_port("192.0.2.1", host, sizeof host, &port));
	assert_string_equal(host, "192.0.2.1");
	assert_int_equal(port, 69);
	assert_true(net_host_port("node:6969", host, sizeof host, &port));
	assert_string_equal(host, "node");
	assert_int_equal(port, 6969);
	assert_true(net_host_port("[2001:db8::1]:7", host, sizeof host, &port));
	assert_string_equal(host, "2001:db8::1");
	assert_int_equal(port, 7);
	assert_true(net_host_port("2001:db8::1", host, sizeof host, &port));
	assert_string_equal(host, "2001:db8::1");
	assert_int_equal(port, 7);
	assert_true(net_host_port("[::1]", host, sizeof host, &port));
	assert_false(net_host_port("", host, sizeof host, &port));
	assert_false(net_host_port(":69", host, sizeof host, &port));
	assert_false(net_host_port("h:", host, sizeof host, &port));
	assert_false(net_host_port("h:0", host, sizeof host, &port));
	assert_false(net_host_port("h:65536", host, sizeof host, &port));
	assert_false(net_host_port("[::1", host, sizeof host, &port));
	assert_false(net_host_port("[::1]x", host, sizeof host, &port));
	assert_false(net_host_port("a-name-that-is-too-long-for-it", host, sizeof host, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_by_tftp),
		cmocka_unit_test(files_by_http),
		cmocka_unit_test(answers_of_http_that_are_no_file),
		cmocka_unit_test(hosts_and_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
