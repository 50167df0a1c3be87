#include "net/tls_client.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/vectors.h"
#include "net/tls.h"
#include "proto/tvs_index.h"

/* A TVS server on the loop: one certificate known, one connection after the other. */
struct server {
	struct event_base *base;
	SSL_CTX *ctx;
	struct acceptor *acceptor;
	struct sockaddr_in at;
	struct tvs_lookup lookup;
	struct tvs_counters counters;
	struct tvs_conn conn;
	struct bufferevent *bev;
	const char *instead;  /* octets to say in place of the answer */
};

static void drop(struct server *s)
{
	if (s->bev)
		bufferevent_free(s->bev);
	s->bev = NULL;
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct server *s = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct tvs_event ev;
	struct err e = ERR_INIT;
	struct wr out;
	size_t used, n = evbuffer_get_length(in);

	wr_init(&out, TVS_FRAME_MAX);
	if (tvs_conn_step(&s->conn, (struct view){evbuffer_pullup(in, -1), n}, 0, &used, &out, &ev, &e) == TVS_WANT_WRITE) {
		if (s->instead)
			bufferevent_write(bev, s->instead, strlen(s->instead));
		else
			bufferevent_write(bev, out.p, out.len);
	}
	evbuffer_drain(in, used);
	wr_clear(&out);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct server *s = ctx;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		drop(s);
}

static void on_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct server *s = ctx;
	struct err e = ERR_INIT;

	(void)peer;
	(void)len;
	drop(s);
	tvs_conn_init(&s->conn, &s->lookup, &s->counters, 0);
	assert_ok(tls_accept(s->base, s->ctx, fd, &s->bev, &e), &e);
	bufferevent_setcb(s->bev, on_read, NULL, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

static void server_start(struct server *s, const struct tvs_index *ix, bool legacy)
{
	struct cert *c = golden_cert("tvs");
	EVP_PKEY *key = golden_key("tvs2048");
	socklen_t len = sizeof s->at;
	struct err e = ERR_INIT;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*s = (struct server){.base = event_base_new(), .lookup = tvs_index_lookup(ix)};
	s->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&s->at, sizeof s->at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&s->at, &len), 0);
	if (legacy)
		assert_ok(tls_server_new_insecure_legacy(c, key, &s->ctx, &e), &e);
	else
		assert_ok(tls_server_new(c, key, &s->ctx, &e), &e);
	assert_ok(acceptor_new(s->base, fd, on_accept, s, &s->acceptor, &e), &e);
	assert_ok(acceptor_start(s->acceptor, &e), &e);
	cert_unref(c);
	EVP_PKEY_free(key);
}

static void server_stop(struct server *s)
{
	drop(s);
	acceptor_free(s->acceptor);
	SSL_CTX_free(s->ctx);
	event_base_free(s->base);
}

/* What the client saw. */
struct seen {
	struct event_base *base;
	struct wr question;
	bool wanted;          /* send the question after looking at the certificate */
	bool right_server;
	int ended;
	struct tvs_msg answer;
	uint8_t *octets;
	char why[128];
};

static struct view connected(void *ctx, const struct cert *server)
{
	struct seen *s = ctx;
	struct cert *tvs = golden_cert("tvs");

	s->right_server = cert_same(server, tvs);
	cert_unref(tvs);
	return s->wanted ? wr_view_all(&s->question) : (struct view){0};
}

static void ended(void *ctx, struct view message, const char *why)
{
	struct seen *s = ctx;
	struct err e = ERR_INIT;

	s->ended++;
	snprintf(s->why, sizeof s->why, "%s", why);
	if (message.p) {
		s->octets = malloc(message.len);
		memcpy(s->octets, message.p, message.len);
		assert_ok(tvs_msg_read((struct view){s->octets, message.len}, &s->answer, &e), &e);
	}
	event_base_loopbreak(s->base);
}

static struct seen ask(struct server *s, bool tls10, bool wanted, const char *certificate)
{
	const struct tls_client_handler h = {connected, tls_client_tvs_len, ended, NULL};
	struct tls_client_handler mine = h;
	struct seen seen = {.base = s->base, .wanted = wanted};
	struct cert *c = golden_cert(certificate);
	struct tvs_msg m = {.type = TVS_VERIFY_REQUEST, .session = 7, .certificate = cert_der(c)};
	struct tls_client *client;
	struct err e = ERR_INIT;
	SSL_CTX *ctx;

	mine.ctx = &seen;
	wr_init(&seen.question, TVS_FRAME_MAX);
	assert_ok(tvs_msg_write(&m, &seen.question, &e), &e);
	assert_ok(tls_client_new(tls10, &ctx, &e), &e);
	assert_ok(tls_client_start(s->base, ctx, (struct sockaddr *)&s->at, sizeof s->at, &mine, &client, &e), &e);
	event_base_dispatch(s->base);
	assert_int_equal(seen.ended, 1);
	SSL_CTX_free(ctx);
	wr_clear(&seen.question);
	cert_unref(c);
	return seen;
}

static uint8_t *one_certificate(struct tvs_index *ix)
{
	struct cert *c = golden_cert("tftp2048");
	struct tvs_index_item item = {c, TVS_ROLE(FUNCTION_APP_SERVER), 60};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(tvs_index_build(&item, 1, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){data, len}, ix, &e), &e);
	cert_unref(c);
	return data;
}

static void asks_and_is_answered(void **state)
{
	struct tvs_index ix;
	uint8_t *data = one_certificate(&ix);
	struct server s;
	struct seen seen;

	(void)state;
	server_start(&s, &ix, false);
	seen = ask(&s, false, true, "tftp2048");
	assert_true(seen.right_server);
	assert_int_equal(seen.answer.status, TVS_STATUS_OK);
	assert_int_equal(seen.answer.session, 7);
	assert_int_equal(seen.answer.roles, TVS_ROLE(FUNCTION_APP_SERVER));
	assert_int_equal(seen.answer.ttl_s, 60);
	free(seen.octets);
	seen = ask(&s, false, true, "tvs");
	assert_int_equal(seen.answer.status, TVS_STATUS_NO);
	free(seen.octets);
	seen = ask(&s, false, false, "tvs"); /* the server was not the one that was wanted: it hears nothing */
	assert_true(seen.right_server);
	assert_null(seen.octets);
	assert_int_equal(s.counters.verify_valid + s.counters.verify_invalid, 2);
	server_stop(&s);
	free(data);
}

/* 7900 phones: TLS 1.0 and AES256-SHA, which only the separate listener speaks. */
static void tls_1_0_only_with_the_legacy_listener(void **state)
{
	struct tvs_index ix;
	uint8_t *data = one_certificate(&ix);
	struct server s;
	struct seen seen;

	(void)state;
	server_start(&s, &ix, true);
	seen = ask(&s, true, true, "tftp2048");
	assert_int_equal(seen.answer.status, TVS_STATUS_OK);
	free(seen.octets);
	server_stop(&s);
	server_start(&s, &ix, false);
	seen = ask(&s, true, true, "tftp2048");
	assert_null(seen.octets);
	assert_true(seen.why[0]);
	assert_int_equal(s.counters.verify_valid, 0);
	server_stop(&s);
	free(data);
}

static void answers_that_are_none(void **state)
{
	struct tvs_index ix;
	uint8_t *data = one_certificate(&ix);
	struct server s;
	struct seen seen;

	(void)state;
	server_start(&s, &ix, false);
	s.instead = "HTTP/1.1 400 Bad Request\r\n\r\n";
	seen = ask(&s, false, true, "tftp2048");
	assert_null(seen.octets);
	assert_string_equal(seen.why, "the answer is malformed");
	acceptor_stop(s.acceptor);
	seen = ask(&s, false, true, "tftp2048");
	assert_null(seen.octets);
	assert_true(seen.why[0]);
	server_stop(&s);
	free(data);
}

static void nobody_listens(void **state)
{
	struct tvs_index ix;
	uint8_t *data = one_certificate(&ix);
	struct server s;
	struct seen seen;

	(void)state;
	server_start(&s, &ix, false);
	acceptor_free(s.acceptor);
	s.acceptor = NULL;
	seen = ask(&s, false, true, "tftp2048");
	assert_null(seen.octets);
	assert_string_equal(seen.why, "Connection refused");
	server_stop(&s);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_and_is_answered),
		cmocka_unit_test(tls_1_0_only_with_the_legacy_listener),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
