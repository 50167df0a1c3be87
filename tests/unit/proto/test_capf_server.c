#include "testing.h"

#include <string.h>

#include "proto/capf_server.h"

#define SESSION 0x00000001

/* One side of the conversation in the notation of the recordings (formats-and-protocols.md 7.8). */
struct phone {
	struct capf_conn c;
	struct wr out;
	uint64_t now;
};

static void begin(struct phone *p)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	size_t used;

	p->now = 1000;
	wr_init(&p->out, CAPF_FRAME_MAX);
	capf_conn_init(&p->c, SESSION, p->now);
	assert_int_equal(capf_conn_step(&p->c, (struct view){0}, p->now, &used, &q, &p->out, &e), CAPF_WANT_WRITE);
}

static void sent(struct phone *p, const char *want, size_t len)
{
	assert_int_equal(p->out.len, len);
	assert_memory_equal(p->out.p, want, len);
	wr_clear(&p->out);
}
#define SENT(p, octets) sent(p, octets, sizeof(octets) - 1)

static enum capf_want says(struct phone *p, const char *octets, size_t len, enum capf_question *q, struct err *e)
{
	size_t used;

	/* octet by octet up to the last: a frame may be split anywhere (D-7) */
	for (size_t n = 0; n < len; n++) {
		struct view part = {(const uint8_t *)octets, n};
		enum capf_want w = capf_conn_step(&p->c, part, p->now, &used, q, &p->out, e);
		if (w != CAPF_WANT_READ)
			return w;
		assert_int_equal(used, 0);
	}
	return capf_conn_step(&p->c, (struct view){(const uint8_t *)octets, len}, p->now, &used, q, &p->out, e);
}
#define SAYS(p, octets, q, e) says(p, octets, sizeof(octets) - 1, q, e)

#define AUTH_RESPONSE                                                                                                  \
	"\x55\x02\0\0\0\1\0\x1f\1\0\1\1\7\0\1\3\x0b\0\1\0\x0d\0\x10SEP001122334455\0"
#define AUTH_RESPONSE_V2 "\x55\x02\0\0\0\1\0\x12\7\0\1\2\x0d\0\7CSF123\0\1\0\1\1"

static void installs(void **state)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	struct phone p;

	(void)state;
	begin(&p);
	SENT(&p, "\x55\1\0\0\0\1\0\x8\7\0\1\3\x8\0\1\0");
	assert_int_equal(SAYS(&p, AUTH_RESPONSE, &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(q, CAPF_ASK_AUTH);
	struct capf_decision d = {.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_RSA, .key_bits = 2048};
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
	SENT(&p, "\x55\3\0\0\0\1\0\x9\x0a\0\2\x8\0\x11\0\1\0");
	for (int i = 0; i < 5; i++) { /* C-8: any number of these */
		p.now += 60000;
		assert_int_equal(SAYS(&p, "\x55\x11\0\0\0\1\0\0", &q, &e), CAPF_WANT_READ);
	}
	assert_int_equal(SAYS(&p, "\x55\4\0\0\0\1\0\6\x9\0\3key", &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(q, CAPF_ASK_KEY);
	d = (struct capf_decision){.action = CAPF_DO_STORE, .certificate = {(const uint8_t *)"0DER", 4}};
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
	SENT(&p, "\x55\x9\0\0\0\1\0\x10\3\0\1\1\4\0\x9\1\0\6\0\1" "0DER");
	assert_int_equal(SAYS(&p, "\x55\x0a\0\0\0\1\0\4\1\0\1\1", &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(q, CAPF_ASK_STORED);
	d = (struct capf_decision){.action = CAPF_DO_END, .reason = CAPF_REASON_SUCCESS};
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_CLOSE);
	SENT(&p, "\x55\x0f\0\0\0\1\0\4\1\0\1\1");
	assert_int_equal(e.code, 0);
}

static void asks_for_an_ec_key(void **state)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	struct phone p;
	const struct capf_decision d = {.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_EC, .curve = CAPF_CURVE_P384};

	(void)state;
	begin(&p);
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, AUTH_RESPONSE, &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
	SENT(&p, "\x55\3\0\0\0\1\0\x8\x11\0\1\1\x12\0\1\1");
}

static void version_2_has_no_key_type_and_no_ec(void **state)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	struct phone p;
	struct capf_decision d = {.action = CAPF_DO_GENERATE, .key_type = CAPF_KEY_RSA, .key_bits = 2048};

	(void)state;
	begin(&p);
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, AUTH_RESPONSE_V2, &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
	SENT(&p, "\x55\3\0\0\0\1\0\5\x0a\0\2\x8\0");

	begin(&p);
	wr_clear(&p.out);
	d.key_type = CAPF_KEY_EC;
	assert_int_equal(SAYS(&p, AUTH_RESPONSE_V2, &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_CLOSE);
	SENT(&p, "\x55\x0f\0\0\0\1\0\4\1\0\1\7");
	assert_int_equal(e.code, ERR_USAGE);
}

static void fetches_and_deletes(void **state)
{
	static const struct {
		enum capf_action action;
		enum capf_question question;
		const char *request, *response;
	} kinds[] = {
		{CAPF_DO_FETCH, CAPF_ASK_FETCHED, "\x55\x0b\0\0\0\1\0\0", "\x55\x0c\0\0\0\1\0\4\1\0\1\7"},
		{CAPF_DO_DELETE, CAPF_ASK_DELETED, "\x55\x0d\0\0\0\1\0\0", "\x55\x0e\0\0\0\1\0\4\1\0\1\1"},
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;
		enum capf_question q;
		struct phone p;
		const struct capf_decision d = {.action = kinds[i].action};
		const struct capf_decision over = {.action = CAPF_DO_END};
		begin(&p);
		wr_clear(&p.out);
		assert_int_equal(SAYS(&p, AUTH_RESPONSE, &q, &e), CAPF_WANT_DECISION);
		assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
		sent(&p, kinds[i].request, 8);
		assert_int_equal(says(&p, kinds[i].response, 12, &q, &e), CAPF_WANT_DECISION);
		assert_int_equal(q, kinds[i].question);
		assert_int_equal(capf_conn_decide(&p.c, &over, p.now, &p.out, &e), CAPF_WANT_CLOSE);
		wr_clear(&p.out);
	}
}

static void what_does_not_belong_ends_the_session(void **state)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	struct phone p;

	(void)state;
	begin(&p); /* a key before a name */
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, "\x55\4\0\0\0\1\0\6\x9\0\3key", &q, &e), CAPF_WANT_CLOSE);
	assert_string_equal(e.rule, "unexpected-message");
	SENT(&p, "\x55\x0f\0\0\0\1\0\4\1\0\1\7");

	err_clear(&e);
	begin(&p); /* a message of another session */
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, "\x55\2\0\0\0\2\0\4\7\0\1\3", &q, &e), CAPF_WANT_CLOSE);
	assert_string_equal(e.rule, "session");
	wr_clear(&p.out);

	err_clear(&e);
	begin(&p); /* no version at all */
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, "\x55\2\0\0\0\1\0\0", &q, &e), CAPF_WANT_CLOSE);
	assert_string_equal(e.rule, "version");
	wr_clear(&p.out);

	err_clear(&e);
	begin(&p); /* not CAPF: closed at the first wrong octet, without an answer */
	wr_clear(&p.out);
	assert_int_equal(SAYS(&p, "GET / HTTP/1.1\r\n", &q, &e), CAPF_WANT_CLOSE);
	assert_string_equal(e.rule, "protocol");
	assert_int_equal(p.out.len, 0);
	wr_clear(&p.out);
}

/* D-8: whoever speaks CAPF is told that his message is none. */
static void what_is_malformed_ends_the_session(void **state)
{
	static const struct {
		const char *octets;
		size_t len;
		const char *rule;
	} bad[] = {
#define BAD(octets, rule) {octets, sizeof(octets) - 1, rule}
		BAD("\x55\x63\0\0\0\1\0\0", "command"),
		BAD("\x55\2\0\0\0\1\xff\xff", "body-length"), /* longer than any phone's: not waited for */
		BAD("\x55\2\0\0\0\1\x80\0", "body-length"),
		BAD("\x55\2\0\0\0\1\0\5\7\0\7\3\0", "element-past-body"),
		BAD("\x55\2\0\0\0\1\0\x8\7\0\1\3\7\0\1\3", "duplicate-element"),
		BAD("\x55\2\0\0\0\1\0\5\7\0\2\3\3", "element-size"),
		BAD("\x55\2\0\0\0\1\0\6\x0d\0\3S\0X", "device-name"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;
		enum capf_question q;
		struct phone p;
		begin(&p);
		wr_clear(&p.out);
		assert_int_equal(says(&p, bad[i].octets, bad[i].len, &q, &e), CAPF_WANT_CLOSE);
		assert_int_equal(e.code, ERR_PROTO);
		assert_string_equal(e.rule, bad[i].rule);
		SENT(&p, "\x55\x0f\0\0\0\1\0\4\1\0\1\7");
	}
}

static void patience_ends(void **state)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	struct phone p;
	size_t used;
	const struct capf_decision d = {.action = CAPF_DO_GENERATE, .key_bits = 2048};

	(void)state;
	begin(&p);
	wr_clear(&p.out);
	assert_int_equal(capf_conn_step(&p.c, (struct view){0}, capf_conn_deadline(&p.c) - 1, &used, &q, &p.out, &e),
			 CAPF_WANT_READ);
	assert_int_equal(SAYS(&p, AUTH_RESPONSE, &q, &e), CAPF_WANT_DECISION);
	assert_int_equal(capf_conn_decide(&p.c, &d, p.now, &p.out, &e), CAPF_WANT_WRITE);
	assert_int_equal(capf_conn_step(&p.c, (struct view){0}, p.now + CAPF_KEY_MS - 1, &used, &q, &p.out, &e),
			 CAPF_WANT_READ);
	assert_int_equal(capf_conn_step(&p.c, (struct view){0}, p.now + CAPF_KEY_MS, &used, &q, &p.out, &e),
			 CAPF_WANT_CLOSE);
	assert_int_equal(e.code, ERR_AGAIN);
	wr_clear(&p.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(installs),
		cmocka_unit_test(asks_for_an_ec_key),
		cmocka_unit_test(version_2_has_no_key_type_and_no_ec),
		cmocka_unit_test(fetches_and_deletes),
		cmocka_unit_test(what_does_not_belong_ends_the_session),
		cmocka_unit_test(what_is_malformed_ends_the_session),
		cmocka_unit_test(patience_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
