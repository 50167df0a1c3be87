#include "net/tvs_service.h"

#include <string.h>

#include "net/stage_ssl.h"

/* The service on a loop here, and a client that blocks, in a thread. */
struct fixture {
	struct stage stage;
	struct tvs_service *service;
	struct tvs_index ix, other;
	uint8_t *data, *other_data;
	unsigned answers, ends;
	char last_end[128];
	int swap[2];         /* the client asks the loop to put the other index in force */
	struct event *swap_event;
};

static void on_log(void *ctx, const struct sockaddr *peer, bool old_tls, const struct tvs_event *ev, const char *why)
{
	struct fixture *f = ctx;

	assert_false(old_tls);
	assert_int_equal(peer->sa_family, AF_INET);
	if (why) {
		f->ends++;
		snprintf(f->last_end, sizeof f->last_end, "%s", why);
	} else {
		assert_true(ev->type == TVS_VERIFY_REQUEST || ev->type == TVS_QUERY_REQUEST);
		f->answers++;
	}
}

static uint8_t *index_of(const char *name, struct tvs_index *ix)
{
	struct cert *c = golden_cert(name);
	struct tvs_index_item item = {c, TVS_ROLE(FUNCTION_APP_SERVER), 60};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(tvs_index_build(&item, 1, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){data, len}, ix, &e), &e);
	cert_unref(c);
	return data;
}

static void on_swap(evutil_socket_t fd, short what, void *ctx)
{
	struct fixture *f = ctx;
	char byte;

	(void)what;
	assert_int_equal(read(fd, &byte, 1), 1);
	tvs_service_set_index(f->service, &f->other);
	assert_int_equal(write(f->swap[1], "x", 1), 1);
}

static void start(struct fixture *f, unsigned per_address)
{
	struct err e = ERR_INIT;

	*f = (struct fixture){0};
	stage_open(&f->stage, per_address);
	f->data = index_of("tftp2048", &f->ix);
	f->other_data = index_of("tvs", &f->other);
	assert_ok(tvs_service_new(f->stage.base, f->stage.pool, on_log, f, &f->service, &e), &e);
	stage_serve(&f->stage, tvs_service_tls(f->service));
	tvs_service_set_index(f->service, &f->ix);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f->swap), 0);
	f->swap_event = event_new(f->stage.base, f->swap[1], EV_READ | EV_PERSIST, on_swap, f);
	event_add(f->swap_event, NULL);
}

static void stop(struct fixture *f)
{
	stage_shut(&f->stage);
	tvs_service_free(f->service);
	event_free(f->swap_event);
	for (int i = 0; i < 2; i++) {
		close(f->swap[i]);
	}
	stage_close(&f->stage);
	free(f->data);
	free(f->other_data);
}

/* ---- what clients do ---- */

static size_t load(const char *name, uint8_t *out)
{
	char path[128];
	struct view v;

	snprintf(path, sizeof path, "tvs/%s", name);
	v = golden(path);
	memcpy(out, v.p, v.len);
	golden_free(v);
	return v.len;
}

/* The status in the next answer on s. */
static int answer(SSL *s)
{
	uint8_t head[10], body[4096];
	size_t n = 0, len;
	int got;

	for (; n < sizeof head; n += (size_t)got)
		if ((got = SSL_read(s, head + n, (int)(sizeof head - n))) <= 0)
			return -1;
	len = (size_t)head[8] << 8 | head[9];
	must(len >= 4 && len <= sizeof body);
	for (n = 0; n < len; n += (size_t)got)
		must((got = SSL_read(s, body + n, (int)(len - n))) > 0);
	return body[3];
}

static void several_requests(struct fixture *f)
{
	uint8_t verify[1024], query[1024], both[4096];
	size_t nv = load("verify-request.bin", verify), nq = load("query-request.bin", query);
	SSL *s = stage_dial(&f->stage);

	must(s != NULL);
	must(SSL_write(s, verify, (int)nv) == (int)nv);
	must(answer(s) == TVS_STATUS_OK);
	for (size_t i = 0; i < nq; i++) /* each octet in a record of its own */
		must(SSL_write(s, query + i, 1) == 1);
	must(answer(s) == TVS_STATUS_OK);
	memcpy(both, query, nq);
	memcpy(both + nq, verify, nv);
	must(SSL_write(s, both, (int)(nq + nv)) == (int)(nq + nv));
	must(answer(s) == TVS_STATUS_OK && answer(s) == TVS_STATUS_OK);
	/* a change of certificates counts for the next request of a connection that is there already */
	must(write(f->swap[0], "x", 1) == 1 && read(f->swap[0], both, 1) == 1);
	must(SSL_write(s, verify, (int)nv) == (int)nv);
	must(answer(s) == TVS_STATUS_NO);
	stage_hang_up(s);
}

static void answers_several_requests(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	stage_play(&f.stage, &f, several_requests);
	assert_int_equal(f.answers, 5);
	assert_int_equal(tvs_service_stats(f.service)->requests.connections, 1);
	assert_int_equal(tvs_service_stats(f.service)->requests.query_found, 2);
	stop(&f);
}

/* More requests at once than answers that may wait: all are answered, in order. */
static void many_requests(struct fixture *f)
{
	uint8_t query[1024];
	size_t nq = load("query-request.bin", query);
	SSL *s = stage_dial(&f->stage);

	must(s != NULL);
	for (int i = 0; i < 300; i++)
		must(SSL_write(s, query, (int)nq) == (int)nq);
	for (int i = 0; i < 300; i++)
		must(answer(s) == TVS_STATUS_OK);
	stage_hang_up(s);
}

static void a_client_that_asks_faster_than_it_reads(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	stage_play(&f.stage, &f, many_requests);
	assert_int_equal(f.answers, 300);
	stop(&f);
}

static void malformed(struct fixture *f)
{
	static const char *const bad[] = {"bad-protocol-id.bin", "bad-version-2.bin", "bad-element-overrun.bin",
					  "bad-no-certificate.bin"};
	uint8_t message[1024];

	for (size_t i = 0; i < 4; i++) {
		size_t n = load(bad[i], message);
		SSL *s = stage_dial(&f->stage);

		must(s && SSL_write(s, message, (int)n) == (int)n);
		must(answer(s) == -1);
		stage_hang_up(s);
	}
}

static void closes_on_malformed_requests(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	stage_play(&f.stage, &f, malformed);
	assert_int_equal(f.answers, 0);
	assert_int_equal(f.ends, 4);
	assert_int_equal(tvs_service_stats(f.service)->requests.malformed, 4);
	assert_int_equal(tvs_service_stats(f.service)->current, 0);
	stop(&f);
}

static void noise(struct fixture *f)
{
	char octets[65536];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(octets, 0x16, sizeof octets);
	must(connect(fd, (const struct sockaddr *)&f->stage.at, sizeof f->stage.at) == 0);
	must(send(fd, octets, sizeof octets, MSG_NOSIGNAL) != 0);
	recv(fd, octets, sizeof octets, 0);
	close(fd);
	stage_hang_up(stage_dial(&f->stage)); /* and the next one is served */
}

static void noise_in_place_of_a_handshake(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	stage_play(&f.stage, &f, noise);
	assert_int_equal(tvs_service_stats(f.service)->handshakes_failed, 1);
	assert_int_equal(tvs_service_stats(f.service)->requests.connections, 1);
	stop(&f);
}

static void three_of_two(struct fixture *f)
{
	SSL *a = stage_dial(&f->stage), *b = stage_dial(&f->stage);

	must(a && b);
	must(!stage_dial(&f->stage));
	stage_hang_up(a);
	stage_hang_up(b);
}

static void an_address_has_its_share(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 2);
	stage_play(&f.stage, &f, three_of_two);
	assert_int_equal(net_pool_stats(f.stage.pool)->refused_address, 1);
	stop(&f);
}

static void ask_without_index(struct fixture *f)
{
	uint8_t verify[1024];
	size_t nv = load("verify-request.bin", verify);
	SSL *s = stage_dial(&f->stage);

	must(s && SSL_write(s, verify, (int)nv) == (int)nv);
	must(answer(s) == -1);
	stage_hang_up(s);
}

static void dial_only(struct fixture *f)
{
	must(!stage_dial(&f->stage));
}

/* Without an index a "no" would be a lie that phones act on; draining takes nobody new. */
static void neither_index_nor_service(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	tvs_service_set_index(f.service, NULL);
	stage_play(&f.stage, &f, ask_without_index);
	assert_string_equal(f.last_end, "there is no index yet");
	assert_true(tls_service_drain(tvs_service_tls(f.service)));
	stage_play(&f.stage, &f, dial_only);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_several_requests),
		cmocka_unit_test(a_client_that_asks_faster_than_it_reads),
		cmocka_unit_test(closes_on_malformed_requests),
		cmocka_unit_test(noise_in_place_of_a_handshake),
		cmocka_unit_test(an_address_has_its_share),
		cmocka_unit_test(neither_index_nor_service),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
