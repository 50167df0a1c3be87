#include "../testing.h"

#include <stdio.h>
#include <string.h>

#include "proto/sip.h"

#define HEAD                                                                                                           \
	"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKabc\r\nFrom: <sip:a@192.0.2.1>;tag=1\r\nTo: <sip:b@192.0.2.2>\r\n" \
	"Call-ID: 77\r\nCSeq: 5 NOTIFY\r\n"
#define NOTIFY "NOTIFY sip:SEP001122334455@192.0.2.2 SIP/2.0\r\n" HEAD "Event: service-control\r\n"

static int parse(const char *text, bool stream, struct sip_message *m, struct err *e)
{
	size_t used;

	*e = ERR_INIT;
	return sip_parse(view_str(text), stream, m, &used, e);
}

static void refused(const char *text, bool stream, const char *rule)
{
	struct sip_message m;
	struct err e;

	assert_int_equal(parse(text, stream, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
}

static void test_request(void **state)
{
	struct sip_message m;
	enum sip_action a;
	char user[64];
	struct err e;

	(void)state;
	assert_int_equal(parse(NOTIFY "\r\naction=restart\r\nRegisterCallId={}\r\n", false, &m, &e), 0);
	assert_true(view_eq(m.method, view_str("NOTIFY")));
	assert_true(view_eq(m.event, view_str("service-control")));
	assert_true(view_eq(sip_branch(m.via), view_str("z9hG4bKabc")));
	assert_int_equal(m.sequence, 5);
	assert_true(sip_uri_user(m.uri, user, sizeof(user)));
	assert_string_equal(user, "SEP001122334455");
	assert_int_equal(sip_action_read(m.body, &a, &e), 0);
	assert_int_equal(a, SIP_RESTART);
	/* Compact forms, blanks before the colon, several Via in one line, a keep-alive before it. */
	assert_int_equal(parse("\r\n\r\nNOTIFY sip:x SIP/2.0\r\nv:SIP/2.0/TCP h;branch=1 , SIP/2.0/UDP g;branch=2\r\nf : a\r\nt: b\r\n"
			       "i: c\r\nCSEQ: 0 NOTIFY\r\no: x\r\nl: 0\r\n\r\n", true, &m, &e), 0);
	assert_true(view_eq(sip_branch(m.via), view_str("1")));
	assert_false(sip_uri_user(m.uri, user, sizeof(user)));
	assert_false(sip_uri_user(view_str("sip:../x@h"), user, sizeof(user)));
	assert_false(sip_uri_user(view_str("tel:SEP001122334455@h"), user, sizeof(user)));
}

static void test_answer(void **state)
{
	struct sip_message m;
	struct err e;

	(void)state;
	assert_int_equal(parse("SIP/2.0 200 OK\r\n" HEAD "Content-Length: 0\r\n\r\n", true, &m, &e), 0);
	assert_int_equal(m.status, 200);
	assert_int_equal(m.method.len, 0);
	assert_true(view_eq(m.reason, view_str("OK")));
}

static void test_refused(void **state)
{
	(void)state;
	refused("", false, "sip-line");
	refused("NOTIFY sip:a SIP/2.0\n\n", false, "sip-line");
	refused("NOTIFY sip:a SIP/2.0\r\nVia: \x01\r\n\r\n", false, "sip-line");
	refused("NOTIFY sip:a SIP/2.0\r\n", false, "sip-line");
	refused("NOTIFY sip:a SIP/3.0\r\n" HEAD "\r\n", false, "sip-start");
	refused("NOTIFY  SIP/2.0\r\n" HEAD "\r\n", false, "sip-start");
	refused("SIP/2.0 99 Low\r\n" HEAD "\r\n", false, "sip-start");
	refused("SIP/2.0 700 High\r\n" HEAD "\r\n", false, "sip-start");
	refused("SIP/2.0 200\r\n" HEAD "\r\n", false, "sip-start");
	refused(NOTIFY " folded\r\n\r\n", false, "sip-field");
	refused(NOTIFY "no colon\r\n\r\n", false, "sip-field");
	refused(NOTIFY "To: again\r\n\r\n", false, "sip-twice");
	refused(NOTIFY "l: 0\r\nContent-Length: 0\r\n\r\n", false, "sip-twice");
	refused(NOTIFY "\r\n", true, "sip-missing");
	refused("NOTIFY sip:a SIP/2.0\r\nVia: x\r\n\r\n", false, "sip-missing");
	refused("BYE sip:a SIP/2.0\r\n" HEAD "\r\n", false, "sip-cseq");
	refused(NOTIFY "l: 1\r\n\r\n", false, "sip-length");
	refused(NOTIFY "l: 1\r\n\r\nxy", false, "sip-length");
	refused(NOTIFY "l: -1\r\n\r\n", false, "sip-length");
	refused(NOTIFY "l: 8190\r\n\r\n", true, "sip-size");
}

static void test_actions(void **state)
{
	struct err e = ERR_INIT;
	enum sip_action a;

	(void)state;
	assert_int_equal(sip_action_read(view_str("action=apply-config"), &a, &e), 0);
	assert_int_equal(a, SIP_APPLY_CONFIG);
	assert_int_equal(sip_action_read(view_str("x=y\naction=reset\n"), &a, &e), 0);
	assert_int_equal(a, SIP_RESET);
	assert_int_equal(sip_action_read(view_str(""), &a, &e), ERR_PROTO);
	assert_int_equal(sip_action_read(view_str("action=erase\r\n"), &a, &e), ERR_PROTO);
	assert_int_equal(sip_action_read(view_str("action=reset\r\naction=reset\r\n"), &a, &e), ERR_PROTO);
}

static const struct sip_notify sample = {.action = SIP_RESET, .device = "SEP001122334455", .host = "192.0.2.2:5060",
					 .self = "192.0.2.1:4711", .tcp = true, .branch = "b1", .tag = "t1", .call_id = "c1"};

/* What is written reads as it was meant; cut anywhere it is not yet whole; its answer goes back with the same branch. */
static void test_round_trip(void **state)
{
	struct sip_message m, answer;
	struct err e = ERR_INIT;
	enum sip_action a;
	size_t used;
	struct wr w, reply;

	(void)state;
	wr_init(&w, SIP_MAX);
	wr_init(&reply, SIP_MAX);
	sip_notify_write(&w, &sample);
	struct view all = wr_view_all(&w);
	for (size_t n = 0; n < all.len; n++) {
		assert_int_equal(sip_parse((struct view){all.p, n}, true, &m, &used, &e), ERR_AGAIN);
		err_clear(&e);
		assert_int_equal(sip_parse((struct view){all.p, n}, false, &m, &used, &e), ERR_PROTO);
		err_clear(&e);
	}
	assert_int_equal(sip_parse(all, true, &m, &used, &e), 0);
	assert_int_equal(used, all.len);
	assert_int_equal(sip_action_read(m.body, &a, &e), 0);
	assert_int_equal(a, SIP_RESET);
	sip_answer_write(&reply, &m, 200, "OK", "t2");
	assert_int_equal(sip_parse(wr_view_all(&reply), true, &answer, &used, &e), 0);
	assert_int_equal(answer.status, 200);
	assert_true(view_eq(sip_branch(answer.via), view_str("z9hG4bKb1")));
	assert_true(view_eq(answer.to, view_str("<sip:SEP001122334455@192.0.2.2:5060>;tag=t2")));
	assert_true(view_eq(answer.from, m.from));
	wr_clear(&w);
	wr_clear(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
