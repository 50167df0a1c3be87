#include "net/capf_dialog.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/vectors.h"
#include "net/tls.h"
#include "net/tls_client.h"
#include "proto/capf_server.h"

#define SESSION 0x1234

/* A CAPF server on the same loop: what it decides at each question is given; or it misbehaves. */
struct server {
	struct event_base *base;
	SSL_CTX *ctx;
	struct acceptor *acceptor;
	struct sockaddr_in at;
	struct bufferevent *bev;
	struct capf_conn conn;
	bool closing;
	struct capf_decision decide[CAPF_ASK_DELETED + 1];
	int hang_up_at;        /* the question that is answered by closing; -1: none */
	struct view instead;   /* said in place of the first message, over and over when flood is set */
	bool flood, silent;
	/* what it saw */
	int records;           /* of application data, in TLS 1.2 */
	struct wr said[CAPF_ASK_DELETED + 1]; /* the phone's answer to each question */
};

static void drop(struct server *s)
{
	if (s->bev)
		bufferevent_free(s->bev);
	s->bev = NULL;
}

static void answer(struct server *s, enum capf_question q, struct view frame)
{
	struct err e = ERR_INIT;
	struct wr out;

	wr_clear(&s->said[q]);
	wr_init(&s->said[q], CAPF_FRAME_MAX);
	wr_view(&s->said[q], frame);
	if (s->hang_up_at == (int)q) {
		drop(s);
		return;
	}
	wr_init(&out, CAPF_FRAME_MAX);
	s->closing = capf_conn_decide(&s->conn, &s->decide[q], 0, &out, &e) == CAPF_WANT_CLOSE;
	assert_int_equal(e.code, 0);
	bufferevent_write(s->bev, out.p, out.len);
	wr_clear(&out);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct server *s = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);

	for (;;) {
		struct view all = {evbuffer_pullup(in, -1), evbuffer_get_length(in)};
		enum capf_question q;
		enum capf_want want;
		struct err e = ERR_INIT;
		struct wr out;
		size_t used;

		wr_init(&out, CAPF_FRAME_MAX);
		want = capf_conn_step(&s->conn, all, 0, &used, &q, &out, &e);
		if (want == CAPF_WANT_WRITE)
			bufferevent_write(bev, out.p, out.len);
		wr_clear(&out);
		if (want == CAPF_WANT_DECISION)
			answer(s, q, (struct view){all.p, used});
		if (s->bev)
			evbuffer_drain(in, used);
		if (!used || !s->bev)
			break;
	}
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct server *s = ctx;

	if (s->flood) {
		bufferevent_write(bev, s->instead.p, s->instead.len);
	} else if (s->closing) {
		tls_close_notify(bev);
		drop(s);
	}
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct server *s = ctx;

	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		drop(s);
	else if (what & BEV_EVENT_CONNECTED && s->instead.p)
		bufferevent_write(bev, s->instead.p, s->instead.len);
	else if (what & BEV_EVENT_CONNECTED && !s->silent)
		on_read(bev, s);
}

static void count_records(int sent, int version, int type, const void *data, size_t len, SSL *ssl, void *ctx)
{
	struct server *s = ctx;

	(void)version;
	(void)len;
	(void)ssl;
	if (!sent && type == SSL3_RT_HEADER && *(const uint8_t *)data == SSL3_RT_APPLICATION_DATA)
		s->records++;
}

static void on_accept(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct server *s = ctx;
	struct err e = ERR_INIT;
	SSL *ssl;

	(void)peer;
	(void)len;
	drop(s);
	capf_conn_init(&s->conn, SESSION, 0);
	assert_ok(tls_accept(s->base, s->ctx, fd, &s->bev, &e), &e);
	ssl = bufferevent_openssl_get_ssl(s->bev);
	SSL_set_msg_callback(ssl, count_records);
	SSL_set_msg_callback_arg(ssl, s);
	bufferevent_setcb(s->bev, on_read, on_written, on_event, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

/* A free port of the loopback. */
static int socket_at(struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void server_start(struct server *s)
{
	struct cert *c = golden_cert("tvs");
	EVP_PKEY *key = golden_key("tvs2048");
	struct err e = ERR_INIT;
	int fd;

	*s = (struct server){.base = event_base_new(), .hang_up_at = -1};
	fd = socket_at(&s->at);
	assert_ok(tls_server_new(c, key, &s->ctx, &e), &e);
	assert_ok(acceptor_new(s->base, fd, on_accept, s, &s->acceptor, &e), &e);
	assert_ok(acceptor_start(s->acceptor, &e), &e);
	cert_unref(c);
	EVP_PKEY_free(key);
}

static void server_stop(struct server *s)
{
	drop(s);
	for (size_t i = 0; i < sizeof s->said / sizeof s->said[0]; i++)
		wr_clear(&s->said[i]);
	acceptor_free(s->acceptor);
	SSL_CTX_free(s->ctx);
	event_base_free(s->base);
}

/* What the phone said in answer to a question. */
static struct capf_msg heard(const struct server *s, enum capf_question q)
{
	struct err e = ERR_INIT;
	struct capf_msg m;

	assert_ok(capf_msg_read(wr_view_all(&s->said[q]), &m, &e), &e);
	return m;
}

/* A phone, and what became of its connection. */
struct phone {
	struct event_base *base;
	struct cert *lsc;      /* of the key that it makes; what it fetches */
	bool distrusts, refuses;
	unsigned patience_ms;
	int ended, orders;
	bool stored;
	struct capf_client end;
	char why[200];         /* "" the server ended it */
};

static bool trusted(void *ctx, const struct cert *server)
{
	struct phone *p = ctx;

	assert_string_equal(cert_cn(server), "CUCM8-Publisher.bbbburns.lab");
	return !p->distrusts;
}

static int obey(void *ctx, struct capf_client *c, enum capf_client_want want, struct wr *out, struct err *e)
{
	struct phone *p = ctx;

	p->orders++;
	if (p->refuses)
		return err_set(e, ERR_USAGE, "this phone does not do that");
	switch (want) {
	case CAPF_CLIENT_GENERATE: return capf_client_key(c, cert_spki(p->lsc), out, e);
	case CAPF_CLIENT_FETCH: return capf_client_certificate(c, p->lsc, CAPF_CERT_LSC, out, e);
	case CAPF_CLIENT_STORE:
		p->stored = view_eq(c->certificate, cert_der(p->lsc));
		return capf_client_done(c, p->stored, out, e);
	default: return capf_client_done(c, true, out, e);
	}
}

static void ended(void *ctx, const struct capf_client *c, const char *why)
{
	struct phone *p = ctx;

	p->ended++;
	p->end = *c;
	snprintf(p->why, sizeof p->why, "%s", why ? why : "");
	event_base_loopbreak(p->base);
}

static struct phone meet(struct server *s, struct phone p, uint8_t version)
{
	const struct capf_identity me = {.device = "SEP001122334455", .version = version};
	struct capf_dialog_handler h = {trusted, obey, ended, &p};
	struct capf_dialog *d;
	struct err e = ERR_INIT;
	SSL_CTX *ctx;

	p.base = s->base;
	p.lsc = golden_cert_file("certs/device2048.pem");
	assert_ok(tls_client_new(false, &ctx, &e), &e);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION); /* where records show what they carry */
	assert_ok(capf_dialog_start(s->base, ctx, (struct sockaddr *)&s->at, sizeof s->at, &me, &h, &d, &e), &e);
	if (p.patience_ms)
		capf_dialog_set_patience(d, p.patience_ms);
	event_base_dispatch(s->base);
	assert_int_equal(p.ended, 1);
	SSL_CTX_free(ctx);
	cert_unref(p.lsc);
	return p;
}

static void installs(void **state)
{
	struct cert *lsc = golden_cert_file("certs/device2048.pem");

	(void)state;
	for (uint8_t version = 2; version <= 3; version++) {
		struct server s;
		struct phone p;
		server_start(&s);
		s.decide[CAPF_ASK_AUTH] = (struct capf_decision){.action = CAPF_DO_GENERATE, .key_bits = 2048};
		s.decide[CAPF_ASK_KEY] = (struct capf_decision){.action = CAPF_DO_STORE, .certificate = cert_der(lsc)};
		s.decide[CAPF_ASK_STORED] = (struct capf_decision){.reason = CAPF_REASON_SUCCESS};
		p = meet(&s, (struct phone){0}, version);
		assert_string_equal(p.why, "");
		assert_true(p.stored);
		assert_int_equal(p.orders, 2);
		assert_int_equal(p.end.reason, CAPF_REASON_SUCCESS);
		assert_int_equal(p.end.last, CAPF_CLIENT_STORE);
		assert_int_equal(p.end.key_bits, 2048);
		assert_int_equal(heard(&s, CAPF_ASK_AUTH).version, version);
		assert_true(view_eq(heard(&s, CAPF_ASK_KEY).public_key, cert_spki(lsc)));
		assert_int_equal(heard(&s, CAPF_ASK_STORED).reason, CAPF_REASON_SUCCESS);
		assert_int_equal(s.records, version == 2 ? 3 : 4); /* each message by itself; 3 says that it is at work */
		server_stop(&s);
	}
	cert_unref(lsc);
}

static void a_second_key_is_made_but_no_third(void **state)
{
	struct server s;
	struct phone p;

	(void)state;
	server_start(&s);
	s.decide[CAPF_ASK_AUTH] = (struct capf_decision){.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_EC};
	s.decide[CAPF_ASK_KEY] = (struct capf_decision){.action = CAPF_DO_GENERATE, .key_bits = 1024};
	p = meet(&s, (struct phone){0}, 3);
	assert_non_null(strstr(p.why, "more than one operation"));
	assert_int_equal(p.orders, 2);
	assert_int_equal(p.end.key_bits, 1024);
	assert_int_equal(s.records, 5);
	server_stop(&s);
}

static void fetches_deletes_or_does_nothing(void **state)
{
	struct cert *lsc = golden_cert_file("certs/device2048.pem");
	struct server s;
	struct phone p;

	(void)state;
	server_start(&s);
	s.decide[CAPF_ASK_AUTH].action = CAPF_DO_FETCH;
	p = meet(&s, (struct phone){0}, 3);
	assert_string_equal(p.why, "");
	assert_int_equal(p.end.last, CAPF_CLIENT_FETCH);
	assert_true(view_eq(heard(&s, CAPF_ASK_FETCHED).certificate, cert_der(lsc)));
	server_stop(&s);

	server_start(&s);
	s.decide[CAPF_ASK_AUTH].action = CAPF_DO_DELETE;
	s.decide[CAPF_ASK_DELETED].reason = CAPF_REASON_SUCCESS;
	p = meet(&s, (struct phone){0}, 3);
	assert_int_equal(p.end.last, CAPF_CLIENT_DELETE);
	assert_int_equal(p.end.reason, CAPF_REASON_SUCCESS);
	assert_int_equal(heard(&s, CAPF_ASK_DELETED).reason, CAPF_REASON_SUCCESS);
	server_stop(&s);

	server_start(&s);
	p = meet(&s, (struct phone){0}, 3);
	assert_string_equal(p.why, "");
	assert_int_equal(p.end.last, CAPF_CLIENT_READ);
	assert_int_equal(p.end.reason, CAPF_REASON_NO_ACTION);
	assert_int_equal(p.orders, 0);
	server_stop(&s);

	server_start(&s);
	s.decide[CAPF_ASK_AUTH] = (struct capf_decision){.action = CAPF_DO_RETRY, .retry_s = 90};
	p = meet(&s, (struct phone){0}, 3);
	assert_string_equal(p.why, "");
	assert_true(p.end.retry);
	assert_int_equal(p.end.retry_s, 90);
	server_stop(&s);
	cert_unref(lsc);
}

static void the_phone_may_leave(void **state)
{
	struct server s;
	struct phone p;

	(void)state;
	server_start(&s);
	p = meet(&s, (struct phone){.distrusts = true}, 3);
	assert_string_equal(p.why, "not wanted");
	assert_int_equal(s.records, 0);
	s.decide[CAPF_ASK_AUTH].action = CAPF_DO_DELETE;
	p = meet(&s, (struct phone){.refuses = true}, 3);
	assert_string_equal(p.why, "this phone does not do that");
	assert_null(s.said[CAPF_ASK_DELETED].p);
	server_stop(&s);
}

static void a_server_that_hangs_up(void **state)
{
	static const enum capf_question at[] = {CAPF_ASK_AUTH, CAPF_ASK_KEY, CAPF_ASK_STORED};
	struct cert *lsc = golden_cert_file("certs/device2048.pem");
	struct server s;
	struct phone p;

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
		server_start(&s);
		s.decide[CAPF_ASK_AUTH] = (struct capf_decision){.action = CAPF_DO_GENERATE, .key_bits = 2048};
		s.decide[CAPF_ASK_KEY] = (struct capf_decision){.action = CAPF_DO_STORE, .certificate = cert_der(lsc)};
		s.hang_up_at = at[i];
		p = meet(&s, (struct phone){0}, 3);
		assert_true(p.why[0]);
		assert_int_equal(p.orders, i);
		assert_int_equal(p.stored, i == 2);
		server_stop(&s);
	}
	server_start(&s); /* and one that is not there at all */
	acceptor_free(s.acceptor);
	s.acceptor = NULL;
	p = meet(&s, (struct phone){0}, 3);
	assert_true(p.why[0]);
	server_stop(&s);
	cert_unref(lsc);
}

static void say(struct server *s, const char *octets, size_t len, bool over_and_over)
{
	s->instead = (struct view){(const uint8_t *)octets, len};
	s->flood = over_and_over;
}

static void a_server_that_talks_nonsense(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	static const char cut[] = "\x55\x01\0\0\x12\x34\0\4\7\0\3\3";           /* the element is longer than the body */
	static const char hello[] = "\x55\x01\0\0\x12\x34\0\4\7\0\1\3";
	static const char twice[] = "\x55\x01\0\0\x12\x34\0\4\7\0\1\3\x55\x01\0\0\x12\x34\0\4\7\0\1\3";
	static const char other[] = "\x55\x01\0\0\x12\x34\0\4\7\0\1\3\x55\x0d\0\0\x12\x35\0\0"; /* of another session */
	struct server s;

	(void)state;
	server_start(&s);
	say(&s, http, strlen(http), false);
	assert_true(meet(&s, (struct phone){0}, 3).why[0]);
	assert_int_equal(s.records, 0);
	say(&s, cut, sizeof cut - 1, false);
	assert_true(meet(&s, (struct phone){0}, 3).why[0]);
	assert_int_equal(s.records, 0);
	say(&s, twice, sizeof twice - 1, false);
	assert_non_null(strstr(meet(&s, (struct phone){0}, 3).why, "AUTH_REQUEST does not belong here"));
	say(&s, other, sizeof other - 1, false);
	struct phone p = meet(&s, (struct phone){0}, 3);
	assert_non_null(strstr(p.why, "DELETE_CERTIFICATE_REQUEST does not belong here"));
	assert_int_equal(p.orders, 0);
	say(&s, hello, sizeof hello - 1, true);
	assert_true(meet(&s, (struct phone){0}, 3).why[0]);
	server_stop(&s);
}

/* Octets without end, of which the first could be the greatest message there is. */
static void a_server_that_floods(void **state)
{
	static uint8_t octets[64 * 1024];
	struct server s;
	struct phone p;

	(void)state;
	memcpy(octets, "\x55\x01\0\0\x12\x34\xff\xff", 8);
	memset(octets + 8, 0, sizeof octets - 8);
	server_start(&s);
	say(&s, (const char *)octets, sizeof octets, true);
	p = meet(&s, (struct phone){0}, 3);
	assert_true(p.why[0]);
	assert_int_equal(p.orders, 0);
	server_stop(&s);
}

static void a_server_that_is_silent(void **state)
{
	struct server s;
	struct phone p;

	(void)state;
	server_start(&s);
	s.silent = true;
	p = meet(&s, (struct phone){.patience_ms = 200}, 3);
	assert_string_equal(p.why, "the server does not answer");
	server_stop(&s);
	server_start(&s); /* the connection is there, but nobody shakes hands */
	int fd = socket_at(&s.at);
	assert_int_equal(listen(fd, 1), 0);
	p = meet(&s, (struct phone){.patience_ms = 200}, 3);
	assert_string_equal(p.why, "the server does not answer");
	close(fd);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(installs),
		cmocka_unit_test(a_second_key_is_made_but_no_third),
		cmocka_unit_test(fetches_deletes_or_does_nothing),
		cmocka_unit_test(the_phone_may_leave),
		cmocka_unit_test(a_server_that_hangs_up),
		cmocka_unit_test(a_server_that_talks_nonsense),
		cmocka_unit_test(a_server_that_floods),
		cmocka_unit_test(a_server_that_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
