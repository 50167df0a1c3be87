#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/http.h"
#include "net/tls.h"

/* A server whose files are "small" (5 octets), "big" (1 MiB), "empty", "short" (says more than it has); "later" is
 * answered by hand; all else is 404. */
struct fixture {
	struct event_base *base;
	struct net_pool *pool;
	struct http_server *srv;
	struct http_exchange *later;
	unsigned gone;
	char last_path[256];
	enum http_method last_method;
};

#define BIG (1024 * 1024)

static int file_of(size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint8_t *octets = malloc(size + 1);

	assert_true(fd >= 0);
	assert_non_null(octets);
	for (size_t i = 0; i < size; i++)
		octets[i] = (uint8_t)(i * 7 + i / 251);
	if (size == 5)
		memcpy(octets, "hello", 5);
	assert_int_equal(write(fd, octets, size), (ssize_t)size);
	free(octets);
	return fd;
}

static void on_request(void *ctx, struct http_exchange *x, const struct http_request *req)
{
	struct fixture *f = ctx;

	snprintf(f->last_path, sizeof(f->last_path), "%s", req->path);
	f->last_method = req->method;
	assert_int_equal(req->peer->sa_family, AF_INET);
	http_exchange_set(x, f);
	assert_ptr_equal(http_exchange_get(x), f);
	if (strcmp(req->path, "/small") == 0)
		http_reply_file(x, file_of(5), 5, "text/xml");
	else if (strcmp(req->path, "/big") == 0)
		http_reply_file(x, file_of(BIG), BIG, "application/octet-stream");
	else if (strcmp(req->path, "/empty") == 0)
		http_reply_file(x, file_of(0), 0, "text/xml");
	else if (strcmp(req->path, "/short") == 0)
		http_reply_file(x, file_of(5), 6, "text/xml");
	else if (strcmp(req->path, "/later") == 0)
		f->later = x;
	else
		http_reply_status(x, strcmp(req->path, "/forbidden") == 0 ? 403 : 404);
}

static void on_gone(void *ctx, struct http_exchange *x)
{
	struct fixture *f = ctx;

	assert_ptr_equal(x, f->later);
	f->later = NULL;
	f->gone++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct http_handler h = {on_request, on_gone, f};
	struct err e = ERR_INIT;

	assert_non_null(f);
	f->base = event_base_new();
	assert_ok(net_pool_new(4, 3, &f->pool, &e), &e);
	assert_ok(http_server_new(f->base, f->pool, &h, &f->srv, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->srv);
	assert_int_equal(net_pool_stats(f->pool)->current, 0);
	net_pool_free(f->pool);
	event_base_free(f->base);
	free(f);
	return 0;
}

/* A connected client from 192.0.2.<host>. */
static int dial(struct fixture *f, int host)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200U + (unsigned)host)};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
	http_server_accept(f->srv, fd[0], (struct sockaddr *)&in, sizeof(in));
	return fd[1];
}

static void put(struct fixture *f, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (int i = 0; i < 3; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

/* What the client gets until it ends with `end`, or to the close when end is NULL. The caller frees it. */
static char *get(struct fixture *f, int fd, const char *end, size_t *len)
{
	char *out = calloc(1, 2 * BIG);
	size_t n = 0;

	assert_non_null(out);
	for (int idle = 0; idle < 1000;) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		ssize_t got = recv(fd, out + n, 2 * BIG - n - 1, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			break;
		if (got < 0) {
			struct pollfd p = {.fd = fd, .events = POLLIN};
			poll(&p, 1, 5);
			idle++;
			continue;
		}
		n += (size_t)got;
		if (end && n >= strlen(end) && memcmp(out + n - strlen(end), end, strlen(end)) == 0)
			break;
	}
	if (len)
		*len = n;
	return out;
}

static void expect(struct fixture *f, const char *request, const char *status_line, const char *contains, bool closes)
{
	int fd = dial(f, 1);

	put(f, fd, request);
	char *got = get(f, fd, closes ? NULL : "", NULL);
	if (strncmp(got, status_line, strlen(status_line)) != 0 || !strstr(got, contains))
		fail_msg("%s got %s", request, got);
	if (closes)
		assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
	free(got);
	close(fd);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void test_answers(void **state)
{
	struct fixture *f = *state;

	expect(f, "GET /small HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", true);
	assert_string_equal(f->last_path, "/small");
	expect(f, "GET /small HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello", true);
	expect(f, "GET /empty HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n", true);
	expect(f, "GET /none HTTP/1.0\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "Content-Length: 14\r\n", true);
	expect(f, "GET /forbidden HTTP/1.0\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n", "403 Forbidden\n", true);
	expect(f, "GET /%00 HTTP/1.0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "", true);
	expect(f, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 Method Not Allowed\r\n",
	       "Allow: GET, HEAD\r\n", true);
	expect(f, "GET /small HTTP/3.0\r\n\r\n", "HTTP/1.1 505 ", "", true);
	expect(f, "nonsense\n", "HTTP/1.1 400 ", "", true);
	expect(f, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "Connection: keep-alive\r\n", false);
	assert_int_equal(http_server_stats(f->srv)->requests, 10);
	assert_int_equal(http_server_stats(f->srv)->served, 4);
	assert_int_equal(http_server_stats(f->srv)->refused, 6);
}

static void test_head_has_no_body(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, 1);

	put(f, fd, "HEAD /big HTTP/1.0\r\n\r\n");
	char *got = get(f, fd, NULL, NULL);
	assert_non_null(strstr(got, "Content-Length: 1048576\r\n"));
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(f->last_method, HTTP_HEAD);
	free(got);
	close(fd);
	fd = dial(f, 1);
	put(f, fd, "HEAD /none HTTP/1.0\r\n\r\n");
	got = get(f, fd, NULL, NULL);
	assert_non_null(strstr(got, "Content-Length: 14\r\n"));
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
	free(got);
	close(fd);
}

static void test_keep_alive_and_pipelining(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, 1);

	for (int i = 0; i < 5; i++) {
		put(f, fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
		free(get(f, fd, "hello", NULL));
	}
	/* Three at once, a byte split in the fourth, and the end told by the client. */
	put(f, fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"
		   "GET /small HTTP/1.1\r\nHost: x\r\n\r\nGE");
	put(f, fd, "T /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	char *got = get(f, fd, NULL, NULL);
	unsigned n = 0;
	for (char *p = got; (p = strstr(p, "HTTP/1.1 ")); p++)
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(http_server_stats(f->srv)->requests, 9);
	free(got);
	close(fd);
}

static void test_half_closed_client_is_answered(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, 1);

	assert_true(send(fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n", 32, 0) > 0);
	shutdown(fd, SHUT_WR);
	char *got = get(f, fd, NULL, NULL);
	assert_non_null(strstr(got, "hello"));
	free(got);
	close(fd);
}

static void test_octet_by_octet(void **state)
{
	static const char request[] = "GET /small HTTP/1.1\r\nHost: x\r\n\r\n";
	struct fixture *f = *state;
	int fd = dial(f, 1);

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		char one[2] = {request[i]};
		put(f, fd, one);
	}
	char *got = get(f, fd, "hello", NULL);
	assert_non_null(strstr(got, "200 OK"));
	free(got);
	close(fd);
}

static void test_large_file(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, 1);
	size_t len;

	put(f, fd, "GET /big HTTP/1.0\r\n\r\n");
	char *got = get(f, fd, NULL, &len);
	char *body = strstr(got, "\r\n\r\n") + 4;
	assert_int_equal(len - (size_t)(body - got), BIG);
	for (size_t i = 0; i < BIG; i += 4099)
		assert_int_equal((uint8_t)body[i], (uint8_t)(i * 7 + i / 251));
	free(got);
	close(fd);
	/* A file that got shorter: a cut connection, never a wrong end. */
	fd = dial(f, 1);
	put(f, fd, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n");
	got = get(f, fd, NULL, NULL);
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\nhello");
	free(got);
	close(fd);
}

static void test_answered_later(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f, 1);

	put(f, fd, "GET /later HTTP/1.0\r\n\r\n");
	assert_non_null(f->later);
	http_reply_status(f->later, 503);
	f->later = NULL;
	char *got = get(f, fd, NULL, NULL);
	assert_non_null(strstr(got, "503 Service Unavailable"));
	free(got);
	close(fd);
	/* Over the kernel's head: the client resets. */
	fd = dial(f, 1);
	put(f, fd, "GET /later HTTP/1.0\r\n\r\n");
	assert_non_null(f->later);
	http_server_free(f->srv);
	assert_int_equal(f->gone, 1);
	struct http_handler h = {on_request, on_gone, f};
	struct err e = ERR_INIT;
	assert_ok(http_server_new(f->base, f->pool, &h, &f->srv, &e), &e);
	close(fd);
}

static void test_caps(void **state)
{
	struct fixture *f = *state;
	int fd[8];

	for (int i = 0; i < 4; i++)
		fd[i] = dial(f, 1 + i / 2);
	/* A fifth, from elsewhere, costs the one its place that has waited longest. */
	fd[4] = dial(f, 3);
	free(get(f, fd[0], NULL, NULL));
	put(f, fd[4], "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	char *got = get(f, fd[4], "hello", NULL);
	assert_non_null(strstr(got, "200 OK"));
	free(got);
	assert_int_equal(net_pool_stats(f->pool)->evicted, 1);
	/* An address that has its share is refused and costs nobody anything. */
	for (int i = 5; i < 8; i++) {
		fd[i] = dial(f, 2);
		assert_int_equal(net_pool_stats(f->pool)->refused_address, i - 5);
	}
	got = get(f, fd[7], NULL, NULL);
	assert_string_equal(got, "");
	free(got);
	assert_int_equal(net_pool_stats(f->pool)->evicted, 2);
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

/* Every phase ends by itself. Each client moves too little; the loop runs until the server has closed it. */
static void test_deadlines(void **state)
{
	struct fixture *f = *state;
	struct http_times t = {1, 1, 1, 1, 1};
	int fd;

	http_server_set_times(f->srv, &t);
	static const char *const says[] = {"", "GET /sm",
					   "GET /small HTTP/1.1\r\nHost: x\r\n\r\n", "GET /big HTTP/1.0\r\n\r\n"};
	for (size_t i = 0; i < 4; i++) {
		fd = dial(f, 1);
		put(f, fd, says[i]);
		while (net_pool_stats(f->pool)->current)
			event_base_loop(f->base, EVLOOP_ONCE);
		assert_int_equal(http_server_stats(f->srv)->timed_out, i + 1);
		close(fd);
	}
	/* A handshake that never comes. */
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	http_server_set_tls(f->srv, ctx);
	SSL_CTX_free(ctx);
	fd = dial(f, 1);
	while (net_pool_stats(f->pool)->current)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(http_server_stats(f->srv)->timed_out, 5);
	close(fd);
}

static void test_drain(void **state)
{
	struct fixture *f = *state;
	int idle = dial(f, 1), busy = dial(f, 2);

	put(f, busy, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_false(http_server_drain(f->srv));
	free(get(f, idle, NULL, NULL));
	http_reply_file(f->later, file_of(5), 5, "text/xml");
	f->later = NULL;
	char *got = get(f, busy, NULL, NULL);
	assert_non_null(strstr(got, "hello"));
	assert_non_null(strstr(got, "Connection: close"));
	free(got);
	close(busy);
	close(idle);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_true(http_server_drain(f->srv));
}

/* --- TLS --- */

static SSL_CTX *server_context(bool legacy, bool ec)
{
	EVP_PKEY *key = ec ? EVP_EC_gen("P-384") : EVP_RSA_gen(2048);
	X509 *x = X509_new();
	SSL_CTX *ctx = NULL;
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_non_null(key);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"node", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	if (legacy)
		assert_ok(tls_server_new_insecure_legacy(c, key, &ctx, &e), &e);
	else
		assert_ok(tls_server_new(c, key, &ctx, &e), &e);
	cert_unref(c);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

/* One request over TLS; returns the version that was agreed on, 0 when the handshake failed. */
static int tls_request(struct fixture *f, int max_version, const char *ciphers)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = dial(f, 1), version = 0;
	char got[4096] = "";

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	if (ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, ciphers), 1);
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	for (int i = 0, rc = 0; i < 1000 && rc != 1; i++) {
		rc = SSL_connect(ssl);
		int why = SSL_get_error(ssl, rc);
		if (rc != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			break;
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		if (rc == 1)
			version = SSL_version(ssl);
	}
	if (version) {
		static const char request[] = "GET /small HTTP/1.0\r\n\r\n";
		size_t n = 0;
		assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), (int)sizeof(request) - 1);
		for (int i = 0; i < 1000; i++) {
			event_base_loop(f->base, EVLOOP_NONBLOCK);
			int rc = SSL_read(ssl, got + n, (int)(sizeof(got) - n - 1));
			if (rc > 0)
				n += (size_t)rc;
			else if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
				break;
		}
		assert_non_null(strstr(got, "\r\n\r\nhello"));
		assert_int_equal(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
		assert_null(SSL_get0_session(ssl) && SSL_SESSION_has_ticket(SSL_get0_session(ssl)) ? ssl : NULL);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	return version;
}

static void test_tls(void **state)
{
	struct fixture *f = *state;
	SSL_CTX *ctx = server_context(false, true);

	http_server_set_tls(f->srv, ctx);
	SSL_CTX_free(ctx);
	assert_int_equal(tls_request(f, TLS1_3_VERSION, NULL), TLS1_3_VERSION);
	assert_int_equal(tls_request(f, TLS1_2_VERSION, NULL), TLS1_2_VERSION);
	assert_int_equal(tls_request(f, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"), TLS1_2_VERSION);
	assert_int_equal(tls_request(f, TLS1_1_VERSION, NULL), 0);
	assert_int_equal(http_server_stats(f->srv)->tls_failed, 1);
	/* A new certificate serves from the next connection on. */
	ctx = server_context(false, false);
	http_server_set_tls(f->srv, ctx);
	SSL_CTX_free(ctx);
	assert_int_equal(tls_request(f, TLS1_3_VERSION, NULL), TLS1_3_VERSION);
	/* Old phones' RSA key exchange is not for everybody. */
	assert_int_equal(tls_request(f, TLS1_2_VERSION, "AES256-SHA"), 0);
	assert_int_equal(tls_request(f, TLS1_VERSION, "AES256-SHA"), 0);
	/* Plain HTTP into a TLS port. */
	int fd = dial(f, 1);
	put(f, fd, "GET /small HTTP/1.0\r\n\r\n");
	char *got = get(f, fd, NULL, NULL);
	assert_null(strstr(got, "hello"));
	free(got);
	close(fd);
}

static void test_tls_insecure_legacy(void **state)
{
	struct fixture *f = *state;
	SSL_CTX *ctx = server_context(true, false);

	http_server_set_tls(f->srv, ctx);
	SSL_CTX_free(ctx);
	assert_int_equal(tls_request(f, TLS1_VERSION, "AES256-SHA"), TLS1_VERSION);
	assert_int_equal(tls_request(f, TLS1_2_VERSION, NULL), TLS1_2_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_has_no_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keep_alive_and_pipelining, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_closed_client_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_octet_by_octet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answered_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadlines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls_insecure_legacy, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
