#include "../testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/listeners.h"

struct collected {
	char text[8][512];
	unsigned n;
};

static void collect(void *ctx, const char *file, int line, const char *text)
{
	struct collected *c = ctx;

	(void)file;
	(void)line;
	assert_true(c->n < 8);
	snprintf(c->text[c->n++], sizeof(c->text[0]), "%s", text);
}

/* A socket on a port that the kernel chose. */
static int take_port(int type, uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static uint16_t free_port(int type)
{
	uint16_t port;

	close(take_port(type, &port));
	return port;
}

static void configure(struct config *c, uint16_t tftp, uint16_t http)
{
	struct err e = ERR_INIT;
	char text[64];

	config_default(c, true);
	for (int s = 0; s < LISTEN_COUNT; s++)
		c->listen[s].n = 0;
	if (tftp) {
		snprintf(text, sizeof(text), "tftp=127.0.0.1:%u", tftp);
		assert_ok(config_set_listen(c, text, &e), &e);
	}
	if (http) {
		snprintf(text, sizeof(text), "http=127.0.0.1:%u", http);
		assert_ok(config_set_listen(c, text, &e), &e);
	}
}

static void test_one_socket_for_each_worker(void **state)
{
	struct listeners *ls = NULL;
	struct config c;
	struct err e = ERR_INIT;
	char text[120], want[120];
	uint16_t tftp = free_port(SOCK_DGRAM), http = free_port(SOCK_STREAM);

	(void)state;
	configure(&c, tftp, http);
	assert_ok(config_set_listen(&c, "web=127.0.0.1:1", &e), &e); /* not served by this version: not bound */
	assert_ok(listeners_open(&c, 3, NULL, NULL, &ls, &e), &e);
	assert_int_equal(ls->n, 2);
	for (size_t i = 0; i < 2; i++)
		for (int w = 0; w < 3; w++) {
			int on = 0;
			socklen_t len = sizeof(on);
			assert_int_equal(getsockopt(ls->l[i].fd[w], SOL_SOCKET, SO_REUSEPORT, &on, &len), 0);
			assert_true(on);
		}
	listener_text(&ls->l[0], text, sizeof(text));
	snprintf(want, sizeof(want), "tftp 127.0.0.1:%u", tftp);
	assert_string_equal(text, want);
	listeners_free(ls);
}

static void test_all_that_is_taken_is_told(void **state)
{
	struct collected got = {.n = 0};
	struct config_report report = {collect, &got};
	struct listeners *ls = NULL;
	struct config c;
	struct err e = ERR_INIT;
	uint16_t tftp, http;
	int udp = take_port(SOCK_DGRAM, &tftp), tcp = take_port(SOCK_STREAM, &http);

	(void)state;
	configure(&c, tftp, http);
	assert_err(listeners_open(&c, 2, NULL, &report, &ls, &e), ERR_IO);
	assert_null(ls);
	assert_int_equal(e.sys_errno, EADDRINUSE);
	assert_int_equal(got.n, 2);
	assert_non_null(strstr(got.text[0], "UDP port"));
	assert_non_null(strstr(got.text[0], "ss -ulnp"));
	assert_non_null(strstr(got.text[1], "TCP port"));
	close(udp);
	close(tcp);
	e = ERR_INIT;
	assert_ok(config_set_listen(&c, "http=192.0.2.1:80", &e), &e);
	assert_err(listeners_open(&c, 2, NULL, NULL, &ls, &e), ERR_IO);
	assert_int_equal(e.sys_errno, EADDRNOTAVAIL);
	assert_non_null(strstr(e.text, "does not have that address"));
	/* SO_REUSEPORT must not let two nodes share a port. */
	struct listeners *first = NULL;
	e = ERR_INIT;
	configure(&c, tftp, http);
	assert_ok(listeners_open(&c, 2, NULL, NULL, &first, &e), &e);
	assert_err(listeners_open(&c, 2, NULL, NULL, &ls, &e), ERR_IO);
	listeners_free(first);
}

static void test_what_stays_is_taken_over(void **state)
{
	struct listeners *old = NULL, *new = NULL, *failed = NULL;
	struct config c;
	struct err e = ERR_INIT;
	uint16_t tftp = free_port(SOCK_DGRAM), http = free_port(SOCK_STREAM), taken;
	int tcp;

	(void)state;
	configure(&c, tftp, http);
	assert_ok(listeners_open(&c, 2, NULL, NULL, &old, &e), &e);
	int tftp_fd = old->l[0].fd[1], http_fd = old->l[1].fd[1];

	/* A change that fails leaves everything as it was. */
	tcp = take_port(SOCK_STREAM, &taken);
	configure(&c, tftp, taken);
	assert_err(listeners_open(&c, 2, old, NULL, &failed, &e), ERR_IO);
	assert_int_equal(old->l[0].fd[1], tftp_fd);
	assert_int_equal(old->l[1].fd[1], http_fd);
	close(tcp);

	e = ERR_INIT;
	assert_ok(listeners_open(&c, 2, old, NULL, &new, &e), &e);
	assert_int_equal(new->l[0].fd[1], tftp_fd);
	assert_int_equal(old->l[0].fd[1], -1);
	assert_int_equal(old->l[1].fd[1], http_fd); /* nobody wants it any more */
	listeners_free(old);
	listeners_free(new);
}

static void test_star_is_both_families(void **state)
{
	struct listeners *ls = NULL;
	struct config c;
	struct err e = ERR_INIT;
	char text[64];

	(void)state;
	configure(&c, 0, 0);
	snprintf(text, sizeof(text), "http=*:%u", free_port(SOCK_STREAM));
	assert_ok(config_set_listen(&c, text, &e), &e);
	assert_ok(listeners_open(&c, 1, NULL, NULL, &ls, &e), &e);
	assert_in_range(ls->n, 1, 2); /* a machine may have no IPv6 */
	assert_int_equal(ls->l[0].addr.ss_family, AF_INET);
	if (ls->n == 2)
		assert_int_equal(ls->l[1].addr.ss_family, AF_INET6);
	listeners_free(ls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_socket_for_each_worker),
		cmocka_unit_test(test_all_that_is_taken_is_told),
		cmocka_unit_test(test_what_stays_is_taken_over),
		cmocka_unit_test(test_star_is_both_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
