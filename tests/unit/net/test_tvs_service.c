#include "net/tvs_service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "format/vectors.h"
#include "net/accept.h"
#include "net/tls.h"

/* The service on a loop here, and a client that blocks, in a thread. */
struct fixture {
	struct event_base *base;
	struct net_pool *pool;
	struct tvs_service *service;
	struct acceptor *acceptor;
	struct sockaddr_in at;
	struct tvs_index ix, other;
	uint8_t *data, *other_data;
	unsigned answers, ends;
	char last_end[128];
	/* the client's */
	void (*play)(struct fixture *f);
	struct event *done_event;
	int done[2];
	int swap[2];         /* the client asks the loop to put the other index in force */
	struct event *swap_event;
};

static void on_log(void *ctx, const struct sockaddr *peer, const struct tvs_event *ev, const char *why)
{
	struct fixture *f = ctx;

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

static void on_done(evutil_socket_t fd, short what, void *ctx)
{
	struct fixture *f = ctx;
	char byte;

	(void)what;
	assert_int_equal(read(fd, &byte, 1), 1);
	event_base_loopbreak(f->base);
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

static void *client_main(void *arg)
{
	struct fixture *f = arg;

	f->play(f);
	if (write(f->done[1], "x", 1) != 1)
		abort();
	return NULL;
}

static void start(struct fixture *f, unsigned per_address)
{
	struct cert *c = golden_cert("tvs");
	EVP_PKEY *key = golden_key("tvs2048");
	struct err e = ERR_INIT;
	socklen_t len = sizeof f->at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SSL_CTX *ctx;

	*f = (struct fixture){.base = event_base_new()};
	f->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&f->at, sizeof f->at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&f->at, &len), 0);
	f->data = index_of("tftp2048", &f->ix);
	f->other_data = index_of("tvs", &f->other);
	assert_ok(net_pool_new(64, per_address, &f->pool, &e), &e);
	assert_ok(tvs_service_new(f->base, f->pool, on_log, f, &f->service, &e), &e);
	assert_ok(tls_server_new(c, key, &ctx, &e), &e);
	tvs_service_set_tls(f->service, ctx);
	tvs_service_set_index(f->service, &f->ix);
	SSL_CTX_free(ctx);
	cert_unref(c);
	EVP_PKEY_free(key);
	assert_ok(acceptor_new(f->base, fd, tvs_service_accept, f->service, &f->acceptor, &e), &e);
	assert_ok(acceptor_start(f->acceptor, &e), &e);
	assert_int_equal(pipe(f->done), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f->swap), 0);
	f->done_event = event_new(f->base, f->done[0], EV_READ, on_done, f);
	f->swap_event = event_new(f->base, f->swap[1], EV_READ | EV_PERSIST, on_swap, f);
	event_add(f->done_event, NULL);
	event_add(f->swap_event, NULL);
}

static void play(struct fixture *f, void (*client)(struct fixture *f))
{
	pthread_t thread;

	f->play = client;
	assert_int_equal(pthread_create(&thread, NULL, client_main, f), 0);
	event_base_dispatch(f->base);
	pthread_join(thread, NULL);
	event_base_loop(f->base, EVLOOP_NONBLOCK); /* what the client did last */
}

static void stop(struct fixture *f)
{
	acceptor_free(f->acceptor);
	tvs_service_free(f->service);
	assert_int_equal(net_pool_stats(f->pool)->current, 0);
	net_pool_free(f->pool);
	event_free(f->done_event);
	event_free(f->swap_event);
	for (int i = 0; i < 2; i++) {
		close(f->done[i]);
		close(f->swap[i]);
	}
	event_base_free(f->base);
	free(f->data);
	free(f->other_data);
}

/* ---- what clients do; in their thread nothing may fail quietly, so abort() ---- */

static void must(bool ok)
{
	if (!ok)
		abort();
}

static SSL *dial(const struct fixture *f)
{
	struct timeval patience = {60, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *s;

	must(connect(fd, (const struct sockaddr *)&f->at, sizeof f->at) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	s = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(s, fd);
	if (SSL_connect(s) == 1)
		return s;
	SSL_free(s);
	close(fd);
	return NULL;
}

static void hang_up(SSL *s)
{
	int fd = SSL_get_fd(s);

	SSL_free(s);
	close(fd);
}

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
	SSL *s = dial(f);

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
	hang_up(s);
}

static void answers_several_requests(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	play(&f, several_requests);
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
	SSL *s = dial(f);

	must(s != NULL);
	for (int i = 0; i < 300; i++)
		must(SSL_write(s, query, (int)nq) == (int)nq);
	for (int i = 0; i < 300; i++)
		must(answer(s) == TVS_STATUS_OK);
	hang_up(s);
}

static void a_client_that_asks_faster_than_it_reads(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	play(&f, many_requests);
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
		SSL *s = dial(f);

		must(s && SSL_write(s, message, (int)n) == (int)n);
		must(answer(s) == -1);
		hang_up(s);
	}
}

static void closes_on_malformed_requests(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	play(&f, malformed);
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
	must(connect(fd, (const struct sockaddr *)&f->at, sizeof f->at) == 0);
	must(send(fd, octets, sizeof octets, MSG_NOSIGNAL) != 0);
	recv(fd, octets, sizeof octets, 0);
	close(fd);
	hang_up(dial(f)); /* and the next one is served */
}

static void noise_in_place_of_a_handshake(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	play(&f, noise);
	assert_int_equal(tvs_service_stats(f.service)->handshakes_failed, 1);
	assert_int_equal(tvs_service_stats(f.service)->requests.connections, 1);
	stop(&f);
}

static void three_of_two(struct fixture *f)
{
	SSL *a = dial(f), *b = dial(f);

	must(a && b);
	must(!dial(f));
	hang_up(a);
	hang_up(b);
}

static void an_address_has_its_share(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 2);
	play(&f, three_of_two);
	assert_int_equal(net_pool_stats(f.pool)->refused_address, 1);
	stop(&f);
}

static void ask_without_index(struct fixture *f)
{
	uint8_t verify[1024];
	size_t nv = load("verify-request.bin", verify);
	SSL *s = dial(f);

	must(s && SSL_write(s, verify, (int)nv) == (int)nv);
	must(answer(s) == -1);
	hang_up(s);
}

static void dial_only(struct fixture *f)
{
	must(!dial(f));
}

/* Without an index a "no" would be a lie that phones act on; draining takes nobody new. */
static void neither_index_nor_service(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 8);
	tvs_service_set_index(f.service, NULL);
	play(&f, ask_without_index);
	assert_string_equal(f.last_end, "there is no index yet");
	assert_true(tvs_service_drain(f.service));
	event_add(f.done_event, NULL);
	play(&f, dial_only);
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
