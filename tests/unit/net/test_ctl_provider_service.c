#include "net/ctl_provider_service.h"

#include <string.h>

#include "base/clock.h"
#include "net/stage.h"
#include "net/tls_dialog.h"
#include "proto/ctl_provider_client.h"

/*
 * The service on a loop here, a client that blocks in a thread, and a decider that answers from the loop a moment later:
 * one account with one password, and no CTL.
 */
#define PASSWORD "Cisco123"

static const uint8_t session[CTLP_SESSION_LEN] = "sixteen octets!";

struct fixture {
	struct stage stage;
	struct ctl_provider_service *service;
	/* the decider's */
	bool nobody;              /* cannot be asked */
	bool late;                /* does not answer by itself */
	bool no_answer;           /* answers that nobody could decide */
	struct event *moment;
	ctl_provider_decided *decided;
	void *decided_ctx;
	struct ctlp_msg question;
	bool right;               /* the password was */
	unsigned asked, cancelled, ended;
	size_t longest;           /* question */
	uint64_t took_ms;
};

static struct ctlp_msg answer_to(const struct fixture *f)
{
	if (f->question.type == CTLP_LOGIN && f->right)
		return (struct ctlp_msg){.type = CTLP_WELCOME};
	if (f->question.type == CTLP_GET_CTL)
		return (struct ctlp_msg){.type = CTLP_CTL};
	return (struct ctlp_msg){.type = CTLP_REFUSED, .has = CTLP_BIT(CTLP_TAG_REASON), .reason = CTLP_REASON_CREDENTIALS,
				 .n_texts = 1, .texts = {view_str("no")}};
}

static void answer_now(evutil_socket_t fd, short what, void *ctx)
{
	struct fixture *f = ctx;
	const struct ctlp_msg m = answer_to(f);
	ctl_provider_decided *decided = f->decided;
	struct err e = ERR_INIT;
	struct wr w;

	(void)fd;
	(void)what;
	f->decided = NULL;
	wr_init(&w, CTLP_FRAME_MAX);
	assert_ok(ctlp_msg_write(&m, &w, &e), &e);
	decided(f->decided_ctx, f->no_answer ? (struct view){0} : wr_view_all(&w), session);
	wr_clear(&w);
}

static int ask(void *ctx, const struct ctl_provider_ask *ask, ctl_provider_decided *decided, void *decided_ctx, void **wait,
	       struct err *e)
{
	static const uint8_t none[CTLP_SESSION_LEN];
	static const struct timeval soon = {0, 1000};
	struct fixture *f = ctx;

	assert_ok(ctlp_msg_read(ask->frame, &f->question, e), e);
	assert_int_equal(ask->peer->sa_family, AF_INET);
	assert_memory_equal(ask->session, f->question.type == CTLP_LOGIN ? none : session, CTLP_SESSION_LEN);
	f->asked++;
	if (ask->frame.len > f->longest)
		f->longest = ask->frame.len;
	if (f->nobody)
		return err_set(e, ERR_CLOSED, "nobody is there");
	if (f->question.type == CTLP_LOGIN)
		f->right = view_eq(f->question.password, view_str(PASSWORD));
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

static void ended(void *ctx, const struct sockaddr *peer, const char *why)
{
	struct fixture *f = ctx;

	assert_int_equal(peer->sa_family, AF_INET);
	assert_true(*why);
	f->ended++;
}

static void start(struct fixture *f)
{
	const struct ctl_provider_decider decider = {ask, cancel, ended, f};
	struct err e = ERR_INIT;

	*f = (struct fixture){0};
	stage_open(&f->stage, 64);
	f->moment = evtimer_new(f->stage.base, answer_now, f);
	assert_ok(ctl_provider_service_new(f->stage.base, f->stage.pool, &decider, &f->service, &e), &e);
	stage_serve(&f->stage, ctl_provider_service_tls(f->service));
}

static void stop(struct fixture *f)
{
	assert_int_equal(ctl_provider_service_stats(f->service)->current, 0);
	stage_shut(&f->stage);
	ctl_provider_service_free(f->service);
	event_free(f->moment);
	stage_close(&f->stage);
}

/* ---- what clients do ---- */

static void play(struct fixture *f, void (*client)(struct fixture *f))
{
	stage_play(&f->stage, f, client);
	while (ctl_provider_service_stats(f->service)->current)
		event_base_loop(f->stage.base, EVLOOP_ONCE);
}

struct client {
	struct tls_dialog *d;
	struct ctlp_client c;
	struct wr in;
	struct ctlp_msg m;        /* the last answer */
};

static void dial(struct client *c, const struct fixture *f)
{
	struct cert *server = golden_cert("tvs");
	struct err e = ERR_INIT;

	*c = (struct client){0};
	must(tls_dialog_open("127.0.0.1", ntohs(f->stage.at.sin_port), &c->d, &e) == 0);
	must(cert_same(tls_dialog_server(c->d), server));
	cert_unref(server);
}

static void hang_up(struct client *c)
{
	tls_dialog_close(c->d);
	wr_clear(&c->in);
}

static void say(struct client *c, const void *octets, size_t len)
{
	struct err e = ERR_INIT;

	must(tls_dialog_send(c->d, (struct view){octets, len}, &e) == 0);
}

static void question(struct client *c, const struct ctlp_msg *m, struct wr *out)
{
	struct err e = ERR_INIT;

	wr_init(out, CTLP_FRAME_MAX);
	must(ctlp_client_ask(&c->c, m, out, &e) == 0);
}

static void put(struct client *c, const struct ctlp_msg *m)
{
	struct wr out;

	question(c, m, &out);
	say(c, out.p, out.len);
	wr_clear(&out);
}

/* False: the server has ended the connection, without a word more. */
static bool answered(struct client *c, uint8_t type)
{
	struct err e = ERR_INIT;
	size_t used;

	wr_clear(&c->in);
	wr_init(&c->in, CTLP_FRAME_MAX);
	do {
		int rc = tls_dialog_receive(c->d, &c->in, &e);
		must(rc == 0 || (rc == ERR_CLOSED && !c->in.len));
		if (rc)
			return false;
		err_clear(&e);
	} while (ctlp_client_take(&c->c, wr_view_all(&c->in), &used, &c->m, &e) == ERR_AGAIN);
	must(used == c->in.len && c->m.type == type);
	return true;
}

static struct ctlp_msg login_with(const char *password)
{
	return (struct ctlp_msg){.type = CTLP_LOGIN, .has = CTLP_BIT(CTLP_TAG_USER) | CTLP_BIT(CTLP_TAG_PASSWORD),
				 .user = view_str("admin"), .password = view_str(password)};
}

static const struct ctlp_msg get_ctl = {.type = CTLP_GET_CTL};

static void log_in(struct client *c, const struct fixture *f)
{
	const struct ctlp_msg login = login_with(PASSWORD);

	dial(c, f);
	put(c, &login);
	must(answered(c, CTLP_WELCOME));
}

/* ---- tests ---- */

static void works(struct fixture *f)
{
	static const uint8_t file[60000];
	const struct ctlp_msg store = {
		.type = CTLP_STORE, .change = CTLP_CHANGE_UPDATE, .generation = 1, .ctl = {file, sizeof file},
		.has = CTLP_BIT(CTLP_TAG_CHANGE) | CTLP_BIT(CTLP_TAG_GENERATION) | CTLP_BIT(CTLP_TAG_CTL)};
	struct client c;

	log_in(&c, f);
	for (int i = 0; i < 3; i++) {
		put(&c, &get_ctl);
		must(answered(&c, CTLP_CTL));
	}
	put(&c, &store); /* much more than before the login; that it is refused ends nothing */
	must(answered(&c, CTLP_REFUSED));
	put(&c, &get_ctl);
	must(answered(&c, CTLP_CTL));
	hang_up(&c);
}

static void a_login_and_questions(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	play(&f, works);
	assert_int_equal(f.asked, 6);
	assert_true(f.longest > 60000);
	assert_int_equal(f.cancelled + f.ended, 0);
	assert_int_equal(ctl_provider_service_stats(f.service)->connections, 1);
	stop(&f);
}

static void guesses(struct fixture *f)
{
	const struct ctlp_msg wrong = login_with("Cisco124");
	uint64_t began = clock_mono_ms(&clock_system);
	struct client c;

	dial(&c, f);
	put(&c, &wrong);
	must(answered(&c, CTLP_REFUSED) && c.m.reason == CTLP_REASON_CREDENTIALS);
	f->took_ms = clock_mono_ms(&clock_system) - began;
	must(!answered(&c, CTLP_REFUSED));
	hang_up(&c);
}

static void a_wrong_password_is_answered_late(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	play(&f, guesses);
	assert_true(f.took_ms >= CTLP_WRONG_MS - 10); /* the two ends read the clock at different times */
	assert_int_equal(f.asked, 1);
	assert_int_equal(f.ended, 0);
	stop(&f);
}

static void ends_after(const struct fixture *f, const void *octets, size_t len)
{
	struct client c;

	dial(&c, f);
	say(&c, octets, len);
	must(!answered(&c, CTLP_REFUSED));
	hang_up(&c);
}

static void speaks_nonsense(struct fixture *f)
{
	static const uint8_t long_login[CTLP_LOGIN_FRAME_MAX] = {'C', 1, CTLP_LOGIN, 0, 0, 0, 1, 0};
	static const uint8_t longest[] = {'C', 1, CTLP_STORE, 0, 0, 1, 0, 0};
	const struct ctlp_msg login = login_with(PASSWORD);
	struct client c;

	ends_after(f, "GET / HTTP/1.1\r\n\r\n", 18);
	ends_after(f, long_login, sizeof long_login); /* not waited for */
	dial(&c, f);
	put(&c, &get_ctl); /* before the login */
	must(!answered(&c, CTLP_CTL));
	hang_up(&c);
	log_in(&c, f);
	put(&c, &login); /* a second one */
	must(!answered(&c, CTLP_WELCOME));
	hang_up(&c);
	log_in(&c, f);
	say(&c, longest, sizeof longest);
	must(!answered(&c, CTLP_REFUSED));
	hang_up(&c);
}

static void malformed_or_oversized(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	play(&f, speaks_nonsense);
	assert_int_equal(f.asked, 2); /* the right logins */
	assert_int_equal(f.ended, 5);
	assert_int_equal(ctl_provider_service_stats(f.service)->malformed, 5);
	stop(&f);
}

/* Octet by octet, and all at once. What is broken off in the middle is forgotten. */
static void dribbles_and_hurries(struct fixture *f)
{
	const struct ctlp_msg login = login_with(PASSWORD);
	struct client c;
	struct wr out;

	dial(&c, f);
	question(&c, &login, &out);
	for (size_t i = 0; i < out.len; i++)
		say(&c, out.p + i, 1);
	wr_clear(&out);
	must(answered(&c, CTLP_WELCOME));
	hang_up(&c);

	dial(&c, f);
	question(&c, &login, &out);
	say(&c, out.p, out.len / 2);
	wr_clear(&out);
	hang_up(&c);

	dial(&c, f);
	question(&c, &login, &out);
	wr_bytes(&out, "C\1\5\0\0\0\0\0", CTLP_HEADER_LEN); /* GET_CTL: decided when the login is */
	say(&c, out.p, out.len);
	wr_clear(&out);
	must(answered(&c, CTLP_WELCOME));
	c.c.asked = CTLP_GET_CTL;
	must(answered(&c, CTLP_CTL));
	hang_up(&c);
}

static void slow_and_hasty_clients(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	play(&f, dribbles_and_hurries);
	assert_int_equal(f.asked, 3);
	assert_int_equal(ctl_provider_service_stats(f.service)->malformed, 0);
	stop(&f);
}

static void ends_undecided(struct fixture *f)
{
	const struct ctlp_msg login = login_with(PASSWORD);
	struct client c;

	dial(&c, f);
	put(&c, &login);
	must(!answered(&c, CTLP_WELCOME));
	hang_up(&c);
}

static void leaves(struct fixture *f)
{
	const struct ctlp_msg login = login_with(PASSWORD);
	struct client c;

	dial(&c, f);
	put(&c, &login);
	hang_up(&c);
}

static void nobody_decides(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	f.nobody = true;
	play(&f, ends_undecided);
	f.nobody = false;
	f.no_answer = true;
	play(&f, ends_undecided);
	assert_int_equal(f.ended, 2);
	assert_int_equal(f.cancelled, 0);
	f.late = true;
	play(&f, leaves); /* while it is decided */
	assert_int_equal(f.cancelled, 1);
	stop(&f);
}

static void waits(struct fixture *f)
{
	struct client idle, c;

	log_in(&idle, f);
	log_in(&c, f);
	f->late = true;
	put(&c, &get_ctl);
	stage_tell_done(&f->stage);
	must(!answered(&idle, CTLP_CTL));
	must(answered(&c, CTLP_CTL));
	must(!answered(&c, CTLP_CTL));
	hang_up(&c);
	hang_up(&idle);
}

static void finds_nobody(struct fixture *f)
{
	struct tls_dialog *d;

	must(tls_dialog_open("127.0.0.1", ntohs(f->stage.at.sin_port), &d, NULL) == ERR_IO);
}

/* A worker that is to end: what is being decided gets its answer, everybody else goes at once, and nobody comes. */
static void drains(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	stage_begin(&f.stage, &f, waits);
	while (!f.decided || f.question.type != CTLP_GET_CTL)
		event_base_loop(f.stage.base, EVLOOP_ONCE);
	assert_false(tls_service_drain(ctl_provider_service_tls(f.service)));
	assert_int_equal(ctl_provider_service_stats(f.service)->current, 1);
	answer_now(-1, 0, &f);
	while (!tls_service_drain(ctl_provider_service_tls(f.service)))
		event_base_loop(f.stage.base, EVLOOP_ONCE);
	event_base_dispatch(f.stage.base);
	stage_join(&f.stage);
	play(&f, finds_nobody);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_and_questions),
		cmocka_unit_test(a_wrong_password_is_answered_late),
		cmocka_unit_test(malformed_or_oversized),
		cmocka_unit_test(slow_and_hasty_clients),
		cmocka_unit_test(nobody_decides),
		cmocka_unit_test(drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
