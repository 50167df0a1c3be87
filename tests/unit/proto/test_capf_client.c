#include "golden.h"

#include <string.h>

#include "proto/capf_client.h"
#include "proto/capf_proof.h"
#include "proto/capf_server.h"

/* The octets that a client answers to the server's greeting of the vectors. */
static void answers_with(const struct capf_identity *me, const char *want_name)
{
	struct view hello = golden("capf/auth-request-v3.bin"), want = golden(want_name);
	struct err e = ERR_INIT;
	struct capf_client c;
	struct wr out;
	size_t used;

	wr_init(&out, CAPF_FRAME_MAX);
	capf_client_init(&c, me);
	for (size_t n = 0; n < hello.len; n++)
		assert_int_equal(capf_client_step(&c, (struct view){hello.p, n}, &used, &out, &e), CAPF_CLIENT_READ);
	assert_int_equal(capf_client_step(&c, hello, &used, &out, &e), CAPF_CLIENT_WRITE);
	assert_int_equal(used, hello.len);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.p, want.p, want.len);
	wr_clear(&out);
	free((void *)hello.p);
	free((void *)want.p);
}

static void answers_as_recorded(void **state)
{
	struct cert *cert = golden_cert_file("certs/device2048.pem");
	EVP_PKEY *key = golden_key_file("keys/device2048.key");
	struct capf_identity me = {.device = "SEP001122334455", .version = 3};

	(void)state;
	answers_with(&me, "capf/auth-response-nopassword.bin");
	me.password = "123456";
	answers_with(&me, "capf/auth-response-password.bin");
	me.password = NULL;
	me.cert = me.sudi = cert;
	me.cert_type = CAPF_CERT_LSC;
	me.key = me.sudi_key = key;
	answers_with(&me, "capf/auth-response-certificate.bin");
	cert_unref(cert);
	EVP_PKEY_free(key);
}

/* Both machines, back to back. */
struct pair {
	struct capf_client client;
	struct capf_conn server;
	struct wr to_client, to_server;
};

static void pump_to_client(struct pair *p, enum capf_client_want want)
{
	struct err e = ERR_INIT;
	size_t used;

	assert_int_equal(capf_client_step(&p->client, wr_view_all(&p->to_client), &used, &p->to_server, &e), want);
	if (want != CAPF_CLIENT_STORE)
		wr_clear(&p->to_client);
}

static void pump_to_server(struct pair *p, enum capf_question want)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	size_t used;

	assert_int_equal(capf_conn_step(&p->server, wr_view_all(&p->to_server), 0, &used, &q, &p->to_client, &e),
			 CAPF_WANT_DECISION);
	assert_int_equal(q, want);
	wr_clear(&p->to_server);
}

static void decide(struct pair *p, struct capf_decision d, enum capf_want want)
{
	struct err e = ERR_INIT;

	assert_int_equal(capf_conn_decide(&p->server, &d, 0, &p->to_client, &e), want);
}

static void meet(struct pair *p, const struct capf_identity *me)
{
	struct err e = ERR_INIT;
	enum capf_question q;
	size_t used;

	wr_init(&p->to_client, CAPF_FRAME_MAX);
	wr_init(&p->to_server, CAPF_FRAME_MAX);
	capf_client_init(&p->client, me);
	capf_conn_init(&p->server, 0xdeadbeef, 0);
	assert_int_equal(capf_conn_step(&p->server, (struct view){0}, 0, &used, &q, &p->to_client, &e), CAPF_WANT_WRITE);
	pump_to_client(p, CAPF_CLIENT_WRITE);
	pump_to_server(p, CAPF_ASK_AUTH);
}

static void installs_through_both_machines(void **state)
{
	struct cert *lsc = golden_cert_file("certs/device2048.pem");
	struct err e = ERR_INIT;

	(void)state;
	for (uint8_t version = 2; version <= 3; version++) {
		const struct capf_identity me = {.device = "SEP001122334455", .version = version};
		struct pair p;
		meet(&p, &me);
		assert_int_equal(p.server.version, version);
		decide(&p, (struct capf_decision){.action = CAPF_DO_GENERATE, .key_bits = 2048}, CAPF_WANT_WRITE);
		pump_to_client(&p, CAPF_CLIENT_GENERATE);
		assert_int_equal(p.client.key_bits, 2048);
		assert_ok(capf_client_key(&p.client, cert_spki(lsc), &p.to_server, &e), &e);
		pump_to_server(&p, CAPF_ASK_KEY);
		decide(&p, (struct capf_decision){.action = CAPF_DO_STORE, .certificate = cert_der(lsc)}, CAPF_WANT_WRITE);
		pump_to_client(&p, CAPF_CLIENT_STORE);
		assert_true(view_eq(p.client.certificate, cert_der(lsc)));
		wr_clear(&p.to_client);
		assert_ok(capf_client_done(&p.client, true, &p.to_server, &e), &e);
		pump_to_server(&p, CAPF_ASK_STORED);
		decide(&p, (struct capf_decision){.action = CAPF_DO_END, .reason = CAPF_REASON_SUCCESS}, CAPF_WANT_CLOSE);
		pump_to_client(&p, CAPF_CLIENT_END);
		assert_int_equal(p.client.reason, CAPF_REASON_SUCCESS);
		assert_int_equal(p.client.last, CAPF_CLIENT_STORE);
	}
	cert_unref(lsc);
}

static void fetches_deletes_and_waits(void **state)
{
	const struct capf_identity me = {.device = "SEP001122334455", .version = 3};
	struct err e = ERR_INIT;
	struct pair p;

	(void)state;
	meet(&p, &me);
	decide(&p, (struct capf_decision){.action = CAPF_DO_FETCH}, CAPF_WANT_WRITE);
	pump_to_client(&p, CAPF_CLIENT_FETCH);
	assert_ok(capf_client_certificate(&p.client, NULL, 0, &p.to_server, &e), &e);
	pump_to_server(&p, CAPF_ASK_FETCHED);
	decide(&p, (struct capf_decision){.action = CAPF_DO_END}, CAPF_WANT_CLOSE);
	pump_to_client(&p, CAPF_CLIENT_END);

	meet(&p, &me);
	decide(&p, (struct capf_decision){.action = CAPF_DO_DELETE}, CAPF_WANT_WRITE);
	pump_to_client(&p, CAPF_CLIENT_DELETE);
	assert_ok(capf_client_done(&p.client, false, &p.to_server, &e), &e);
	pump_to_server(&p, CAPF_ASK_DELETED);
	decide(&p, (struct capf_decision){.action = CAPF_DO_RETRY, .retry_s = 30}, CAPF_WANT_CLOSE);
	pump_to_client(&p, CAPF_CLIENT_END);
	assert_true(p.client.retry);
	assert_int_equal(p.client.retry_s, 30);
}

static void a_server_that_lies_is_left(void **state)
{
	static const char store[] = "\x55\x09\0\0\0\1\0\4\3\0\1\1";
	const struct capf_identity me = {.device = "SEP001122334455", .version = 3};
	struct err e = ERR_INIT;
	struct capf_client c;
	struct wr out;
	size_t used;

	(void)state;
	wr_init(&out, CAPF_FRAME_MAX);
	capf_client_init(&c, &me);
	assert_int_equal(capf_client_step(&c, (struct view){(const uint8_t *)store, 12}, &used, &out, &e), CAPF_CLIENT_FAIL);
	assert_string_equal(e.rule, "unexpected-message");
	wr_clear(&out);
}

/* One operation per connection: nothing after a store, fetch or deletion, and two keys at most. */
static void no_second_operation(void **state)
{
	static const struct {
		enum capf_client_want last;
		unsigned n_keys;
		uint8_t command;
		bool allowed;
	} cases[] = {
		{CAPF_CLIENT_READ, 0, CAPF_KEY_GENERATE_REQUEST, true},
		{CAPF_CLIENT_GENERATE, 1, CAPF_KEY_GENERATE_REQUEST, true},
		{CAPF_CLIENT_GENERATE, CAPF_CLIENT_KEYS, CAPF_KEY_GENERATE_REQUEST, false},
		{CAPF_CLIENT_READ, 0, CAPF_STORE_CERTIFICATE_REQUEST, true},
		{CAPF_CLIENT_GENERATE, 1, CAPF_STORE_CERTIFICATE_REQUEST, true},
		{CAPF_CLIENT_STORE, 1, CAPF_STORE_CERTIFICATE_REQUEST, false},
		{CAPF_CLIENT_STORE, 1, CAPF_DELETE_CERTIFICATE_REQUEST, false},
		{CAPF_CLIENT_GENERATE, 1, CAPF_FETCH_CERTIFICATE_REQUEST, false},
		{CAPF_CLIENT_READ, 0, CAPF_FETCH_CERTIFICATE_REQUEST, true},
		{CAPF_CLIENT_DELETE, 0, CAPF_KEY_GENERATE_REQUEST, false},
		{CAPF_CLIENT_FETCH, 0, CAPF_FETCH_CERTIFICATE_REQUEST, false},
		{CAPF_CLIENT_STORE, 1, CAPF_END_SESSION, true},
	};
	const struct capf_identity me = {.device = "SEP001122334455", .version = 3};
	struct cert *lsc = golden_cert_file("certs/device2048.pem");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct capf_msg m = {
			.command = cases[i].command, .session = 7, .has_reason = true,
			.has_key_size = true, .key_bits = 2048, .certificate = cert_der(lsc),
			.certificate_type = CAPF_CERT_LSC,
		};
		struct capf_client c;
		struct err e = ERR_INIT;
		struct wr in, out;
		size_t used;
		wr_init(&in, CAPF_FRAME_MAX);
		wr_init(&out, CAPF_FRAME_MAX);
		assert_ok(capf_msg_write(&m, &in, &e), &e);
		capf_client_init(&c, &me);
		c.greeted = true;
		c.asked = CAPF_CLIENT_READ;
		c.session = 7;
		c.last = cases[i].last;
		c.n_keys = (uint8_t)cases[i].n_keys;
		enum capf_client_want want = capf_client_step(&c, wr_view_all(&in), &used, &out, &e);
		assert_int_equal(want != CAPF_CLIENT_FAIL, cases[i].allowed);
		if (!cases[i].allowed)
			assert_string_equal(e.rule, "one-operation");
		wr_clear(&in);
		wr_clear(&out);
	}
	cert_unref(lsc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_as_recorded),
		cmocka_unit_test(installs_through_both_machines),
		cmocka_unit_test(fetches_deletes_and_waits),
		cmocka_unit_test(a_server_that_lies_is_left),
		cmocka_unit_test(no_second_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
