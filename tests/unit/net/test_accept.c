#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/accept.h"

struct taken {
	struct event_base *base;
	int fd[16];
	int n;
};

static void take(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct taken *t = ctx;
	int on = 0;
	socklen_t on_len = sizeof(on);

	assert_int_equal(peer->sa_family, AF_INET);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &on_len), 0);
	assert_true(on);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(t->n < 16);
	t->fd[t->n++] = fd;
}

/* Bound to a port that is named, as the supervisor does it; the kernel keeps only such a port over acceptor_stop. */
static int bound(struct sockaddr_in *in)
{
	socklen_t len = sizeof(*in);
	int fd = -1;

	*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < 2; i++) {
		if (fd >= 0)
			close(fd);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fd >= 0);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
		assert_int_equal(bind(fd, (struct sockaddr *)in, sizeof(*in)), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)in, &len), 0);
	}
	return fd;
}

static int dial(const struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (connect(fd, (const struct sockaddr *)in, sizeof(*in)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void wait_for(struct taken *t, int n)
{
	while (t->n < n)
		assert_int_equal(event_base_loop(t->base, EVLOOP_ONCE), 0);
}

static void test_start_and_stop(void **state)
{
	struct taken t = {.base = event_base_new()};
	struct acceptor *a = NULL;
	struct err e = ERR_INIT;
	struct sockaddr_in in;
	int fd = bound(&in), clients[4];

	(void)state;
	assert_ok(acceptor_new(t.base, fd, take, &t, &a, &e), &e);
	assert_int_equal(dial(&in), -1); /* not before it is started */
	assert_int_equal(errno, ECONNREFUSED);
	acceptor_stop(a);
	for (int i = 0; i < 3; i++) {
		char octet = 0;
		assert_ok(acceptor_start(a, &e), &e);
		clients[i] = dial(&in);
		assert_true(clients[i] >= 0);
		wait_for(&t, i + 1);
		/* A stop before must not have reached the connections of now. */
		assert_int_equal(recv(t.fd[i], &octet, 1, 0), -1);
		assert_int_equal(errno, EAGAIN);
		acceptor_stop(a);
		acceptor_stop(a);
		assert_int_equal(dial(&in), -1);
		assert_int_equal(errno, ECONNREFUSED);
	}
	/* The port is still ours. */
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, (struct sockaddr *)&in, sizeof(in)), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(other);
	for (int i = 0; i < 3; i++) {
		close(clients[i]);
		close(t.fd[i]);
	}
	acceptor_free(a);
	event_base_free(t.base);
}

/* pitfalls.md D-3: no descriptors left must neither spin nor lose who waits. */
static void test_no_descriptors_left(void **state)
{
	struct taken t = {.base = event_base_new()};
	struct rlimit before, low;
	struct acceptor *a = NULL;
	struct err e = ERR_INIT;
	struct sockaddr_in in;
	int fd = bound(&in);

	(void)state;
	assert_ok(acceptor_new(t.base, fd, take, &t, &a, &e), &e);
	assert_ok(acceptor_start(a, &e), &e);
	int client = dial(&in), top = dup(client);
	assert_true(client >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)top; /* descriptors up to client are taken, none above may be */
	close(top);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (acceptor_pauses(a) == 0)
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
	assert_int_equal(t.n, 0);
	/* While it pauses the loop sleeps: only the timer wakes it, and each time counts one pause. */
	for (int i = 0; i < 3; i++) {
		unsigned long pauses = acceptor_pauses(a);
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
		assert_int_equal(event_base_loop(t.base, EVLOOP_ONCE), 0);
		assert_true(acceptor_pauses(a) <= pauses + 2);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	wait_for(&t, 1);
	close(t.fd[0]);
	close(client);
	acceptor_free(a);
	event_base_free(t.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_and_stop),
		cmocka_unit_test(test_no_descriptors_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
