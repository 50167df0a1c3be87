#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "format/tlv.h"
#include "proto/tvs_index.h"
#include "testing.h"

/* One connection to a server that knows at most one certificate. */
struct session {
	struct tvs_conn conn;
	struct tvs_lookup lookup;
	struct tvs_counters counters;
	struct tvs_index ix;
	uint8_t *index;
	struct wr out;
	struct tvs_event ev;
	struct err e;
};

static size_t load(const char *folder, const char *name, uint8_t **data)
{
	char path[512];
	struct err e = ERR_INIT;
	size_t len;

	snprintf(path, sizeof path, "%s/%s/%s", getenv("GOLDEN"), folder, name);
	assert_ok(file_read(AT_FDCWD, path, 65536, data, &len, &e), &e);
	return len;
}

static void start(struct session *s, const char *certificate, uint32_t roles)
{
	struct tvs_index_item item = {NULL, roles, TVS_TTL_DEFAULT};
	struct cert *c = NULL;
	size_t len;

	memset(s, 0, sizeof *s);
	s->e = ERR_INIT;
	if (certificate) {
		AUTO(auto_free) uint8_t *der = NULL;
		size_t der_len = load("certs", certificate, &der);

		assert_ok(cert_from_der((struct view){der, der_len}, &c, &s->e), &s->e);
	}
	item.cert = c;
	assert_ok(tvs_index_build(&item, c != NULL, &s->index, &len, &s->e), &s->e);
	assert_ok(tvs_index_open((struct view){s->index, len}, &s->ix, &s->e), &s->e);
	cert_unref(c);
	s->lookup = tvs_index_lookup(&s->ix);
	wr_init(&s->out, 1 << 20);
	tvs_conn_init(&s->conn, &s->lookup, &s->counters, 1000);
}

static void stop(struct session *s)
{
	wr_clear(&s->out);
	free(s->index);
}

static enum tvs_want step(struct session *s, const uint8_t *p, size_t n, uint64_t now, size_t *used)
{
	s->e = ERR_INIT;
	return tvs_conn_step(&s->conn, (struct view){p, n}, now, used, &s->out, &s->ev, &s->e);
}

/* request from a file; the answer must be the file `answer`, or NULL: the connection must close without one. */
static void exchange(const char *certificate, uint32_t roles, const char *request, const char *answer)
{
	AUTO(auto_free) uint8_t *in = NULL, *wanted = NULL;
	size_t n = load("tvs", request, &in), used, len;
	struct session s;

	start(&s, certificate, roles);
	if (!answer) {
		assert_int_equal(step(&s, in, n, 1000, &used), TVS_WANT_CLOSE);
		assert_int_equal(s.out.len, 0);
		assert_int_equal(s.counters.malformed, 1);
		assert_int_not_equal(s.e.code, 0);
	} else {
		len = load("tvs", answer, &wanted);
		wanted[3] = 0;
		assert_int_equal(step(&s, in, n, 1000, &used), TVS_WANT_WRITE);
		assert_int_equal(used, n);
		assert_int_equal(s.out.len, len);
		assert_memory_equal(s.out.p, wanted, len);
	}
	stop(&s);
}

/* formats-and-protocols.md, table 6.6 */
static void the_table_of_reactions(void **state)
{
	const uint32_t https = TVS_ROLE(FUNCTION_CCM) | TVS_ROLE(FUNCTION_APP_SERVER);
	const uint32_t signer = TVS_ROLE(FUNCTION_SAST) | TVS_ROLE(FUNCTION_TFTP);

	(void)state;
	exchange("tftp2048.der", https, "verify-request.bin", "verify-response-valid.bin");
	exchange(NULL, 0, "verify-request.bin", "verify-response-invalid.bin");
	exchange("tvs.der", https, "verify-request.bin", "verify-response-invalid.bin");
	exchange("tftp2048.der", signer, "query-request.bin", "query-response-found.bin");
	exchange("tftp2048.der", signer, "query-request-tac-trace.bin", "query-response-notfound.bin");
	exchange("tftp2048.der", https, "bad-protocol-id.bin", NULL);
	exchange("tftp2048.der", https, "bad-version-2.bin", NULL);
	exchange("tftp2048.der", https, "bad-element-overrun.bin", NULL);
	exchange("tftp2048.der", https, "bad-no-certificate.bin", NULL);
	exchange("tftp2048.der", https, "verify-response-valid.bin", NULL);
}

static void answers_without_a_device_name(void **state)
{
	AUTO(auto_free) uint8_t *in = NULL;
	size_t n = load("tvs", "bad-no-device-name.bin", &in), used;
	struct session s;

	(void)state;
	start(&s, "tftp2048.der", TVS_ROLE(FUNCTION_CCM));
	assert_int_equal(step(&s, in, n, 1000, &used), TVS_WANT_WRITE);
	assert_true(s.ev.known);
	assert_string_equal(s.ev.device, "");
	stop(&s);
}

/* What cannot be decoded as a certificate is no question that "no" would answer. */
static void closes_on_an_undecodable_certificate(void **state)
{
	AUTO(auto_free) uint8_t *in = NULL;
	size_t n = load("tvs", "verify-request.bin", &in), used;
	struct session s;

	(void)state;
	start(&s, NULL, 0);
	memset(in + n - 700, 0xff, 300);
	assert_int_equal(step(&s, in, n, 1000, &used), TVS_WANT_CLOSE);
	assert_int_equal(s.counters.malformed, 1);
	assert_int_equal(s.counters.verify_invalid, 0);
	stop(&s);
}

static void frames_arrive_in_any_pieces(void **state)
{
	AUTO(auto_free) uint8_t *verify = NULL, *query = NULL;
	size_t nv = load("tvs", "verify-request.bin", &verify), nq = load("tvs", "query-request.bin", &query), used;
	struct session s;

	(void)state;
	start(&s, "tftp2048.der", TVS_ROLE(FUNCTION_CCM));
	for (size_t n = 0; n < nv; n++) {
		assert_int_equal(step(&s, verify, n, 1000, &used), TVS_WANT_READ);
		assert_int_equal(used, 0);
	}
	assert_int_equal(step(&s, verify, nv, 1000, &used), TVS_WANT_WRITE);
	stop(&s);

	/* and several in one piece, each with its own session number */
	start(&s, "tftp2048.der", TVS_ROLE(FUNCTION_CCM));
	uint8_t *both = malloc(nv + nq + 5);
	memcpy(both, query, nq);
	memcpy(both + nq, verify, nv);
	memcpy(both + nq + nv, query, 5);
	assert_int_equal(step(&s, both, nv + nq + 5, 1000, &used), TVS_WANT_WRITE);
	assert_int_equal(used, nq);
	assert_int_equal(s.ev.type, TVS_QUERY_REQUEST);
	assert_int_equal(s.out.p[6] << 8 | s.out.p[7], 1001);
	size_t first = s.out.len;
	assert_int_equal(step(&s, both + used, nv + 5, 1000, &used), TVS_WANT_WRITE);
	assert_int_equal(used, nv);
	assert_string_equal(s.ev.device, "CP-7841-SEP001122334455");
	assert_int_equal(s.out.p[first + 7], 1);
	assert_int_equal(step(&s, both + nq + nv, 5, 1000, &used), TVS_WANT_READ);
	assert_int_equal(s.counters.query_found, 1);
	assert_int_equal(s.counters.verify_valid, 1);
	free(both);
	stop(&s);
}

/* One octet a second does not keep a connection; an answered request gives it ten seconds more. */
static void slow_clients_are_timed_out(void **state)
{
	AUTO(auto_free) uint8_t *in = NULL;
	size_t n = load("tvs", "verify-request.bin", &in), used;
	struct session s;

	(void)state;
	start(&s, "tftp2048.der", TVS_ROLE(FUNCTION_CCM));
	assert_int_equal(tvs_conn_deadline(&s.conn), 11000);
	for (size_t second = 0; second < 10; second++)
		assert_int_equal(step(&s, in, second, 1000 + second * 1000, &used), TVS_WANT_READ);
	assert_int_equal(step(&s, in, 10, 11000, &used), TVS_WANT_CLOSE);
	assert_int_equal(s.e.code, ERR_AGAIN);
	assert_int_equal(s.counters.timed_out, 1);
	assert_int_equal(s.counters.malformed, 0);
	stop(&s);

	start(&s, "tftp2048.der", TVS_ROLE(FUNCTION_CCM));
	assert_int_equal(step(&s, in, n, 10900, &used), TVS_WANT_WRITE);
	assert_int_equal(step(&s, NULL, 0, 20899, &used), TVS_WANT_READ);
	assert_int_equal(step(&s, NULL, 0, 20900, &used), TVS_WANT_CLOSE);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_of_reactions),
		cmocka_unit_test(answers_without_a_device_name),
		cmocka_unit_test(closes_on_an_undecodable_certificate),
		cmocka_unit_test(frames_arrive_in_any_pieces),
		cmocka_unit_test(slow_clients_are_timed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
