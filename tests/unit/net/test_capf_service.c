#include "net/capf_service.h"

#include <string.h>

#include "net/stage_ssl.h"
#include "proto/capf.h"

/*
 * The service on a loop here, a phone that blocks in a thread, and a decider that answers from the loop a moment later: an
 * installation for everybody.
 */
struct fixture {
	struct stage stage;
	struct capf_service *service;
	/* the decider's */
	bool nobody;              /* cannot be asked */
	bool late;                /* never answers: the phone leaves before */
	bool no_answer;           /* answers that nobody could decide */
	struct event *moment;
	capf_service_decided *decided;
	void *decided_ctx;
	enum capf_question question;
	uint64_t conn;
	unsigned asked, cancelled, gone, refused, ended;
};

static void answer_now(evutil_socket_t fd, short what, void *ctx)
{
	static const uint8_t certificate[] = {0x30, 0x03, 0x02, 0x01, 0x05};
	struct fixture *f = ctx;
	struct capf_decision d = {.action = CAPF_DO_END, .reason = CAPF_REASON_SUCCESS};
	capf_service_decided *decided = f->decided;

	(void)fd;
	(void)what;
	f->decided = NULL;
	if (f->question == CAPF_ASK_AUTH)
		d = (struct capf_decision){.action = CAPF_DO_GENERATE, .key_bits = 2048};
	else if (f->question == CAPF_ASK_KEY)
		d = (struct capf_decision){.action = CAPF_DO_STORE, .certificate = {certificate, sizeof certificate}};
	decided(f->decided_ctx, f->no_answer ? NULL : &d, 60);
}

static int ask(void *ctx, const struct capf_service_ask *ask, capf_service_decided *decided, void *decided_ctx,
	       void **wait, struct err *e)
{
	static const struct timeval soon = {0, 1000};
	struct fixture *f = ctx;
	struct capf_msg m;

	assert_ok(capf_msg_read(ask->frame, &m, e), e);
	assert_int_equal(m.session, ask->session);
	assert_int_equal(ask->peer->sa_family, AF_INET);
	assert_true(ask->conn < UINT64_C(1) << 56);
	assert_true(!f->conn || ask->question == CAPF_ASK_AUTH || ask->conn == f->conn);
	f->asked++;
	f->conn = ask->conn;
	if (f->nobody)
		return err_set(e, ERR_CLOSED, "nobody is there");
	f->question = ask->question;
	f->decided = decided;
	f->decided_ctx = decided_ctx;
	*wait = f;
	if (!f->late)
		event_add(f->moment, &soon);
	return 0;
}

static void cancel(void *ctx, void *wait)
{
	struct fixture *f = ctx;

	assert_ptr_equal(wait, f);
	event_del(f->moment);
	f->decided = NULL;
	f->cancelled++;
}

static void gone(void *ctx, uint64_t conn, bool timed_out)
{
	struct fixture *f = ctx;

	assert_false(timed_out);
	assert_int_equal(conn, f->conn);
	f->gone++;
}

static void refused(void *ctx, uint64_t conn, const struct sockaddr *peer, const char *why)
{
	struct fixture *f = ctx;

	assert_true(conn < UINT64_C(1) << 56);
	assert_int_equal(peer->sa_family, AF_INET);
	assert_true(*why);
	assert_int_equal(f->gone, 0); /* it comes first */
	f->refused++;
}

static void ended(void *ctx, const struct sockaddr *peer, const char *why)
{
	struct fixture *f = ctx;

	assert_int_equal(peer->sa_family, AF_INET);
	assert_true(*why);
	f->ended++;
}

static void start(struct fixture *f)
{
	const struct capf_decider decider = {ask, cancel, gone, refused, ended, f};
	struct err e = ERR_INIT;

	*f = (struct fixture){0};
	stage_open(&f->stage, 64);
	f->moment = evtimer_new(f->stage.base, answer_now, f);
	assert_ok(capf_service_new(f->stage.base, f->stage.pool, &decider, &f->service, &e), &e);
	stage_serve(&f->stage, capf_service_tls(f->service));
}

static void stop(struct fixture *f)
{
	stage_shut(&f->stage);
	capf_service_free(f->service);
	event_free(f->moment);
	stage_close(&f->stage);
}

/* ---- what phones do ---- */

/* The next message, which must come in one record (7.1). False: the server has closed. */
static bool receive(SSL *s, uint8_t *octets, struct capf_msg *m)
{
	int n = SSL_read(s, octets, 4096);
	struct err e = ERR_INIT;

	if (n <= 0)
		return false;
	must(capf_msg_read((struct view){octets, (size_t)n}, m, &e) == 0);
	return true;
}

static uint32_t greeted(SSL *s)
{
	uint8_t octets[4096];
	struct capf_msg m;

	must(receive(s, octets, &m) && m.command == CAPF_AUTH_REQUEST);
	return m.session;
}

static void say(SSL *s, const struct capf_msg *m)
{
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, CAPF_FRAME_MAX);
	must(capf_msg_write(m, &w, &e) == 0 && SSL_write(s, w.p, (int)w.len) == (int)w.len);
	wr_clear(&w);
}

static struct capf_msg auth_response(uint32_t session)
{
	return (struct capf_msg){.command = CAPF_AUTH_RESPONSE, .session = session, .has_reason = true, .reason = 1,
				 .has_version = true, .version = 3, .has_password = true, .password = view_str(""),
				 .device = view_str("SEP001122334455")};
}

static void say_reason(SSL *s, uint8_t command, uint32_t session, uint8_t reason)
{
	const struct capf_msg m = {.command = command, .session = session, .has_reason = true, .reason = reason};

	say(s, &m);
}

static void say_key(SSL *s, uint32_t session)
{
	const struct capf_msg m = {.command = CAPF_KEY_GENERATE_RESPONSE, .session = session, .public_key = view_str("0x")};

	say(s, &m);
}

static void installs(struct fixture *f)
{
	uint8_t octets[4096];
	struct capf_msg m, auth, busy = {.command = CAPF_REQUEST_IN_PROGRESS};
	SSL *s = stage_dial(&f->stage);

	busy.session = greeted(s);
	auth = auth_response(busy.session);
	say(s, &auth);
	must(receive(s, octets, &m) && m.command == CAPF_KEY_GENERATE_REQUEST && m.key_bits == 2048);
	for (int i = 0; i < 50; i++)
		say(s, &busy);
	say_key(s, busy.session);
	must(receive(s, octets, &m) && m.command == CAPF_STORE_CERTIFICATE_REQUEST && m.certificate.len == 5);
	say_reason(s, CAPF_STORE_CERTIFICATE_RESPONSE, busy.session, 1);
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_SUCCESS);
	must(!receive(s, octets, &m));
	stage_hang_up(s);
}

static void a_whole_installation(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	stage_play(&f.stage, &f, installs);
	assert_int_equal(f.asked, 3);
	assert_int_equal(f.cancelled + f.gone + f.ended, 0);
	assert_int_equal(capf_service_stats(f.service)->connections, 1);
	assert_int_equal(capf_service_stats(f.service)->current, 0);
	stage_play(&f.stage, &f, installs); /* another session has another number */
	assert_int_equal(f.asked, 6);
	stop(&f);
}

/* Both messages at once: the second waits until the first is decided. */
static void hurries(struct fixture *f)
{
	uint8_t octets[4096];
	struct capf_msg m, auth;
	SSL *s = stage_dial(&f->stage);
	uint32_t session = greeted(s);

	auth = auth_response(session);
	say(s, &auth);
	say_key(s, session);
	must(receive(s, octets, &m) && m.command == CAPF_KEY_GENERATE_REQUEST);
	must(receive(s, octets, &m) && m.command == CAPF_STORE_CERTIFICATE_REQUEST);
	stage_hang_up(s);
}

static void a_phone_that_does_not_wait(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	stage_play(&f.stage, &f, hurries);
	assert_int_equal(f.asked, 2);
	while (!f.gone)
		event_base_loop(f.stage.base, EVLOOP_ONCE);
	assert_int_equal(f.gone, 1);
	stop(&f);
}

static void declined(struct fixture *f)
{
	uint8_t octets[4096];
	struct capf_msg m, auth;
	SSL *s = stage_dial(&f->stage);

	auth = auth_response(greeted(s));
	say(s, &auth);
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_INVALID);
	must(!receive(s, octets, &m));
	stage_hang_up(s);
}

static void nobody_decides(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	f.nobody = true;
	stage_play(&f.stage, &f, declined);
	assert_int_equal(f.gone, 1); /* who did not answer may still have begun a session */
	f.nobody = false;
	f.no_answer = true;
	stage_play(&f.stage, &f, declined);
	assert_int_equal(f.gone, 2);
	assert_int_equal(f.cancelled, 0);
	stop(&f);
}

static void leaves_while_it_is_decided(struct fixture *f)
{
	struct capf_msg auth;
	SSL *s = stage_dial(&f->stage);

	auth = auth_response(greeted(s));
	say(s, &auth);
	stage_hang_up(s);
}

static void a_phone_that_leaves(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	f.late = true;
	stage_play(&f.stage, &f, leaves_while_it_is_decided);
	while (!f.gone)
		event_base_loop(f.stage.base, EVLOOP_ONCE);
	assert_int_equal(f.cancelled, 1);
	assert_int_equal(f.gone, 1);
	stop(&f);
}

static void speaks_nonsense(struct fixture *f)
{
	static const uint8_t long_one[] = {0x55, 2, 0, 0, 0, 0, 0xff, 0xff}, unknown[] = {0x55, 0x63, 0, 0, 0, 0, 0, 0};
	uint8_t octets[4096];
	struct capf_msg m, auth;
	SSL *s = stage_dial(&f->stage);

	greeted(s);
	must(SSL_write(s, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
	must(!receive(s, octets, &m)); /* that is no CAPF: no answer */
	stage_hang_up(s);
	s = stage_dial(&f->stage);
	greeted(s);
	must(SSL_write(s, long_one, sizeof long_one) == sizeof long_one); /* is not waited for */
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_INVALID);
	stage_hang_up(s);
	s = stage_dial(&f->stage);
	greeted(s);
	must(SSL_write(s, unknown, sizeof unknown) == sizeof unknown);
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_INVALID);
	stage_hang_up(s);
	s = stage_dial(&f->stage);
	auth = auth_response(greeted(s) ^ 1);
	say(s, &auth);
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_INVALID);
	stage_hang_up(s);
	s = stage_dial(&f->stage);
	say_reason(s, CAPF_STORE_CERTIFICATE_RESPONSE, greeted(s), 1); /* that nobody gave */
	must(receive(s, octets, &m) && m.command == CAPF_END_SESSION && m.reason == CAPF_REASON_INVALID);
	stage_hang_up(s);
}

static void nonsense(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	stage_play(&f.stage, &f, speaks_nonsense);
	assert_int_equal(f.asked, 0);
	assert_int_equal(f.ended, 5);
	assert_int_equal(f.refused, 5);
	assert_int_equal(capf_service_stats(f.service)->malformed, 5);
	assert_int_equal(capf_service_stats(f.service)->current, 0);
	stop(&f);
}

static void waits(struct fixture *f)
{
	uint8_t octets[4096];
	struct capf_msg m, auth;
	SSL *idle = stage_dial(&f->stage), *s = stage_dial(&f->stage);

	greeted(idle);
	auth = auth_response(greeted(s));
	say(s, &auth);
	must(receive(s, octets, &m) && m.command == CAPF_KEY_GENERATE_REQUEST);
	stage_tell_done(&f->stage);
	must(!receive(s, octets, &m) && !receive(idle, octets, &m));
	stage_hang_up(s);
	stage_hang_up(idle);
}

/* A worker that is to end: who is not known to anybody goes at once, a session only with the rest. */
static void drains(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	stage_begin(&f.stage, &f, waits);
	assert_int_equal(capf_service_stats(f.service)->current, 2);
	assert_false(tls_service_drain(capf_service_tls(f.service)));
	assert_int_equal(capf_service_stats(f.service)->current, 1);
	tls_service_close_all(capf_service_tls(f.service));
	assert_true(tls_service_drain(capf_service_tls(f.service)));
	assert_int_equal(f.gone, 1);
	event_base_dispatch(f.stage.base);
	stage_join(&f.stage);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_installation),
		cmocka_unit_test(a_phone_that_does_not_wait),
		cmocka_unit_test(nobody_decides),
		cmocka_unit_test(a_phone_that_leaves),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
