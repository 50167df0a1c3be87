#include "proto/ctl_provider.h"

#include <string.h>

#include "pki/digest.h"
#include "proto/ctl_provider_client.h"
#include "proto/ctl_provider_server.h"
#include "testing.h"

static struct err e;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	return 0;
}

#define B(tag) CTLP_BIT(CTLP_TAG_##tag)

/* One of each type, with everything that it may hold. */
static void sample(uint8_t type, struct ctlp_msg *m)
{
	*m = (struct ctlp_msg){
		.type = type,
		.user = view_str("admin"),
		.password = view_str("Cisco123"),
		.reason = CTLP_REASON_BUSY,
		.wait_s = 300,
		.change = CTLP_CHANGE_UPDATE,
		.mode = 1,
		.generation = 0x0102030405060708,
		.time_s = 1425674928,
		.lists = view_str("10.5(2)"),
		.digest = DIGEST_SHA512,
		.names = CTLP_NAMES_A,
		.signer_version = {(const uint8_t *)"\1\1", 2},
		.capf = view_str("capf"),
		.itl_recovery = view_str("recovery"),
		.ctl = view_str("ctl"),
		.sha1_signature = view_str("signature"),
	};
	switch (type) {
	case CTLP_LOGIN: m->has = B(USER) | B(PASSWORD); break;
	case CTLP_STATE:
		m->has = B(MODE) | B(GENERATION) | B(TIME) | B(LISTS) | B(DIGEST) | B(NAMES) | B(SIGNER_VERSION) | B(CAPF) |
			 B(ITLRECOVERY);
		m->nodes[m->n_nodes++] = (struct ctlp_node){view_str("pub"), view_str("192.0.2.1"), view_str("certificate")};
		m->nodes[m->n_nodes++] = (struct ctlp_node){view_str("sub"), view_str("sub"), {0}};
		break;
	case CTLP_CTL: m->has = B(CTL); break;
	case CTLP_STORE: m->has = B(CHANGE) | B(GENERATION) | B(CTL) | B(SHA1_SIGNATURE) | B(ACCEPTED); break;
	case CTLP_STORED: m->has = B(GENERATION); m->texts[m->n_texts++] = view_str("one\ntwo"); break;
	case CTLP_WARNED: m->texts[m->n_texts++] = view_str("one"); m->texts[m->n_texts++] = view_str("two"); break;
	case CTLP_REFUSED: m->has = B(REASON) | B(WAIT); m->texts[m->n_texts++] = view_str("no"); break;
	default: break;
	}
}

static struct view written(struct wr *w, uint8_t type)
{
	static struct ctlp_msg m;

	sample(type, &m);
	wr_init(w, CTLP_FRAME_MAX);
	assert_ok(ctlp_msg_write(&m, w, &e), &e);
	return wr_view_all(w);
}

/* Read, written again: the same octets. Cut anywhere: refused, with a rule. */
static void test_round_trip(void **state)
{
	static struct ctlp_msg m;
	struct wr first, second;

	(void)state;
	for (uint8_t type = CTLP_LOGIN; type <= CTLP_TYPE_LAST; type++) {
		struct view frame = written(&first, type);

		assert_ok(ctlp_msg_read(frame, &m, &e), &e);
		assert_int_equal(m.type, type);
		wr_init(&second, CTLP_FRAME_MAX);
		assert_ok(ctlp_msg_write(&m, &second, &e), &e);
		assert_true(view_eq(frame, wr_view_all(&second)));
		for (size_t n = 0; n < frame.len; n++) {
			size_t len;
			assert_int_equal(ctlp_msg_read((struct view){frame.p, n}, &m, &e), ERR_PROTO);
			assert_string_equal(e.rule, "body-length");
			err_clear(&e);
			assert_int_equal(ctlp_frame_len((struct view){frame.p, n}, &len, &e),
					 n < CTLP_HEADER_LEN ? ERR_AGAIN : 0);
			err_clear(&e);
		}
		wr_clear(&first);
		wr_clear(&second);
	}
}

static void test_contents(void **state)
{
	static struct ctlp_msg m;
	struct wr w;

	(void)state;
	assert_ok(ctlp_msg_read(written(&w, CTLP_STATE), &m, &e), &e);
	assert_int_equal(m.generation, 0x0102030405060708);
	assert_int_equal(m.time_s, 1425674928);
	assert_int_equal(m.n_nodes, 2);
	assert_true(view_eq(m.nodes[0].call_manager, view_str("certificate")));
	assert_int_equal(m.nodes[1].call_manager.len, 0);
	assert_true(view_eq(m.nodes[1].address, view_str("sub")));
	wr_clear(&w);
}

static void broken(const char *rule, const char *octets, size_t n)
{
	static struct ctlp_msg m;

	assert_int_equal(ctlp_msg_read((struct view){(const uint8_t *)octets, n}, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	err_clear(&e);
}
#define BROKEN(rule, octets) broken(rule, octets, sizeof(octets) - 1)

static void test_rules(void **state)
{
	struct view frame;
	size_t len;
	struct wr w;

	(void)state;
	BROKEN("discriminator", "\x57\1\1\0\0\0\0\0");
	BROKEN("version", "\x43\2\1\0\0\0\0\0");
	BROKEN("message-type", "\x43\1\0\0\0\0\0\0");
	BROKEN("message-type", "\x43\1\x0b\0\0\0\0\0");
	BROKEN("reserved", "\x43\1\3\1\0\0\0\0");
	BROKEN("body-length", "\x43\1\3\0\0\0\xf0\0");
	BROKEN("body-length", "\x43\1\3\0\0\0\0\0 ");
	BROKEN("element-past-body", "\x43\1\1\0\0\0\0\4\1\0\2a");
	BROKEN("element-unknown", "\x43\1\1\0\0\0\0\3\x63\0\0");
	BROKEN("element-unexpected", "\x43\1\3\0\0\0\0\4\1\0\1a");
	BROKEN("element-size", "\x43\1\1\0\0\0\0\3\1\0\0");
	BROKEN("element-value", "\x43\1\1\0\0\0\0\4\1\0\1\0");
	BROKEN("element-order", "\x43\1\1\0\0\0\0\x8\2\0\1a\1\0\1a");
	BROKEN("element-order", "\x43\1\1\0\0\0\0\x8\1\0\1a\1\0\1a");
	BROKEN("missing-element", "\x43\1\1\0\0\0\0\4\1\0\1a");
	BROKEN("element-value", "\x43\1\x0a\0\0\0\0\4\3\0\1\x09");
	/* what is too long is known from the header */
	assert_int_equal(ctlp_frame_len((struct view){(const uint8_t *)"\x43\1\7\0\0\1\0\0", 8}, &len, &e), ERR_PROTO);
	err_clear(&e);
	frame = written(&w, CTLP_LOGIN);
	assert_ok(ctlp_frame_len(frame, &len, &e), &e);
	assert_int_equal(len, frame.len);
	wr_clear(&w);
}

/* One octet changed anywhere is refused, or reads as another message that can be written. */
static void test_flips(void **state)
{
	static struct ctlp_msg m;
	struct wr w, again;

	(void)state;
	for (uint8_t type = CTLP_LOGIN; type <= CTLP_TYPE_LAST; type++) {
		struct view frame = written(&w, type);

		for (size_t i = 0; i < frame.len; i++) {
			w.p[i] ^= 1;
			wr_init(&again, CTLP_FRAME_MAX);
			if (!ctlp_msg_read(frame, &m, &e)) {
				assert_ok(ctlp_msg_write(&m, &again, &e), &e);
				assert_true(view_eq(frame, wr_view_all(&again)));
			}
			err_clear(&e);
			wr_clear(&again);
			w.p[i] ^= 1;
		}
		wr_clear(&w);
	}
}

static void test_too_much(void **state)
{
	static struct ctlp_msg m;
	static uint8_t big[CTLP_FRAME_MAX];
	struct wr w;

	(void)state;
	sample(CTLP_CTL, &m);
	m.ctl = (struct view){big, sizeof(big) - CTLP_HEADER_LEN - 3};
	wr_init(&w, CTLP_FRAME_MAX * 2);
	assert_ok(ctlp_msg_write(&m, &w, &e), &e);
	wr_clear(&w);
	m.ctl.len++;
	assert_int_equal(ctlp_msg_write(&m, &w, &e), ERR_LIMIT);
	err_clear(&e);
	wr_clear(&w);
	sample(CTLP_LOGIN, &m);
	m.has = B(USER);
	assert_int_equal(ctlp_msg_write(&m, &w, &e), ERR_USAGE);
	assert_string_equal(e.text, "LOGIN without PASSWORD");
	wr_clear(&w);
}

/* --- the machines --- */

static enum ctlp_want step(struct ctlp_conn *c, struct view in, uint64_t now, size_t *used)
{
	err_clear(&e);
	return ctlp_conn_step(c, in, now, used, &e);
}

static void test_conversation(void **state)
{
	static struct ctlp_msg m;
	struct ctlp_client client = {0};
	struct wr question, answer;
	struct ctlp_conn c;
	unsigned delay;
	size_t used;

	(void)state;
	ctlp_conn_init(&c, 1000);
	for (uint8_t type = CTLP_LOGIN; type <= CTLP_STORE; type += 2) {
		wr_init(&question, CTLP_FRAME_MAX);
		sample(type, &m);
		assert_ok(ctlp_client_ask(&client, &m, &question, &e), &e);
		assert_int_equal(ctlp_client_ask(&client, &m, &question, &e), ERR_BUG);
		/* piece by piece; one octet of the next message waits */
		struct view in = wr_view_all(&question);
		assert_int_equal(step(&c, (struct view){in.p, in.len - 1}, 2000, &used), CTLP_WANT_READ);
		assert_int_equal(used, 0);
		assert_int_equal(step(&c, in, 2000, &used), CTLP_WANT_DECISION);
		assert_int_equal(used, in.len);
		assert_int_equal(step(&c, in, 2000, &used), CTLP_WANT_READ);
		struct view reply = written(&answer, type + 1);
		assert_int_equal(ctlp_conn_decide(&c, reply, 2000, &delay, &e), CTLP_WANT_READ);
		assert_int_equal(ctlp_conn_deadline(&c), 2000 + CTLP_IDLE_MS);
		assert_int_equal(ctlp_client_take(&client, (struct view){reply.p, reply.len - 1}, &used, &m, &e), ERR_AGAIN);
		err_clear(&e);
		assert_ok(ctlp_client_take(&client, reply, &used, &m, &e), &e);
		assert_int_equal(m.type, type + 1);
		wr_clear(&question);
		wr_clear(&answer);
	}
	assert_int_equal(step(&c, (struct view){0}, 1999 + CTLP_IDLE_MS, &used), CTLP_WANT_READ);
	assert_int_equal(step(&c, (struct view){0}, 2000 + CTLP_IDLE_MS, &used), CTLP_WANT_CLOSE);
	assert_int_equal(e.code, ERR_AGAIN);
}

static void test_order(void **state)
{
	static const uint8_t first[] = {CTLP_GET_STATE, CTLP_STORE, CTLP_WELCOME, CTLP_REFUSED};
	static struct ctlp_msg m;
	struct ctlp_client client = {.asked = CTLP_STORE};
	struct ctlp_conn c;
	unsigned delay;
	struct wr w;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(first); i++) {
		ctlp_conn_init(&c, 0);
		assert_int_equal(step(&c, written(&w, first[i]), 0, &used), CTLP_WANT_CLOSE);
		assert_string_equal(e.rule, "unexpected-message");
		assert_int_equal(step(&c, wr_view_all(&w), 0, &used), CTLP_WANT_CLOSE);
		wr_clear(&w);
		err_clear(&e);
	}
	/* a stranger gets no room for more than a LOGIN */
	ctlp_conn_init(&c, 0);
	assert_int_equal(step(&c, (struct view){(const uint8_t *)"\x43\1\1\0\0\0\1\0", 8}, 0, &used), CTLP_WANT_CLOSE);
	assert_string_equal(e.rule, "body-length");
	err_clear(&e);
	/* a wrong login is answered late, and is the last word */
	ctlp_conn_init(&c, 0);
	assert_int_equal(step(&c, written(&w, CTLP_LOGIN), 0, &used), CTLP_WANT_DECISION);
	wr_clear(&w);
	assert_int_equal(ctlp_conn_decide(&c, written(&w, CTLP_REFUSED), 0, &delay, &e), CTLP_WANT_CLOSE);
	assert_int_equal(delay, CTLP_WRONG_MS);
	wr_clear(&w);
	/* the deciding side is held to the protocol too */
	ctlp_conn_init(&c, 0);
	assert_int_equal(step(&c, written(&w, CTLP_LOGIN), 0, &used), CTLP_WANT_DECISION);
	wr_clear(&w);
	assert_int_equal(ctlp_conn_decide(&c, written(&w, CTLP_STATE), 0, &delay, &e), CTLP_WANT_CLOSE);
	assert_int_equal(e.code, ERR_BUG);
	err_clear(&e);
	/* and so is the server */
	assert_int_equal(ctlp_client_take(&client, wr_view_all(&w), &used, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "unexpected-message");
	wr_clear(&w);
	err_clear(&e);
	assert_ok(ctlp_client_take(&client, written(&w, CTLP_WARNED), &used, &m, &e), &e);
	assert_int_equal(m.n_texts, 2);
	wr_clear(&w);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip), TEST(test_contents), TEST(test_rules), TEST(test_flips), TEST(test_too_much),
		TEST(test_conversation), TEST(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
