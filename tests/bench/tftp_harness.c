/*
 * A TFTP service without the rest of a node: the server and the content of a folder, in so many processes.
 *
 * usage: tftp_harness HOST PORT WORKERS PROVISIONING [PUBLISHED]
 *
 * PORT 0 takes a free one. Prints "ready PORT PID..." and serves until SIGTERM; each worker then prints its counters.
 * Signed files are not made: a request for one finds what lies in PROVISIONING.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "proto/phone_index.h"
#include "server/content_tftp.h"

#define MAX_WORKERS 64

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "tftp_harness: %s: %s\n", what, e ? e->text : strerror(errno));
	exit(1);
}

static void no_signer(void *ctx, const char *base, const char *file_name, content_signed *done, void *done_ctx)
{
	struct err e = ERR_INIT;

	(void)ctx;
	(void)base;
	errno = ENOENT;
	int code = err_sys(&e, ERR_IO, "%s: this harness does not sign", file_name);
	done(done_ctx, code, NULL, &e);
}

static int bound_socket(const char *host, uint16_t *port)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};
	socklen_t len = sizeof(a.v4);
	int on = 1;

	if (strchr(host, ':')) {
		len = sizeof(a.v6);
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(*port);
		if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) != 1)
			die(host, NULL);
	} else {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(*port);
		if (inet_pton(AF_INET, host, &a.v4.sin_addr) != 1)
			die(host, NULL);
	}
	int fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, &a.sa, len) < 0 ||
	    getsockname(fd, &a.sa, &len) < 0)
		die("socket", NULL);
	*port = ntohs(a.sa.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return fd;
}

static void on_term(evutil_socket_t sig, short what, void *ctx)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(ctx);
}

static void print_counters(struct tftp_server *srv, struct content *c)
{
	const struct tftp_server_stats *s = tftp_server_stats(srv);
	const struct content_stats *cs = content_stats(c);

	fprintf(stderr,
		"worker %d: requests %lu completed %lu absent %lu refused %lu failed %lu malformed %lu repeated %lu "
		"dropped %lu+%lu abandoned %lu evicted %lu retransmitted %lu unsent %lu strangers %lu octets %" PRIu64
		" from-memory %lu memory %zu\n",
		(int)getpid(), s->requests, s->completed, s->absent, s->refused, s->failed, s->malformed, s->repeated,
		s->dropped_full, s->dropped_address, s->abandoned, s->evicted, s->retransmitted, s->unsent, s->strangers,
		s->octets, cs->from_memory, cs->memory);
}

static void work(int fd, const sigset_t *term_signals, const char *provisioning, const char *published)
{
	const struct content_signer signer = {.request = no_signer};
	struct event_base *base = event_base_new();
	struct tftp_server *srv;
	struct content *content = NULL;
	struct event *term;
	struct err e = ERR_INIT;
	int dirs[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!base || file_open_dir(AT_FDCWD, published, &dirs[0], &e) < 0 ||
	    file_open_dir(AT_FDCWD, provisioning, &dirs[1], &e) < 0 ||
	    content_new(dirs[0], dirs[1], &signer, &content, &e) < 0)
		die("content", &e);
	struct tftp_content tc = content_for_tftp(content);
	if (tftp_server_new(base, &clock_system, &tc, NULL, &srv, &e) < 0 || tftp_server_listen(srv, fd, &e) < 0)
		die("server", &e);
	term = evsignal_new(base, SIGTERM, on_term, base);
	if (!term || event_add(term, NULL) < 0)
		die("signal", NULL);
	/* One that came since the fork is taken now. */
	sigprocmask(SIG_UNBLOCK, term_signals, NULL);
	event_base_dispatch(base);
	print_counters(srv, content);
	tftp_server_free(srv);
	content_free(content);
	event_free(term);
	event_base_free(base);
	exit(0);
}

static pid_t pids[MAX_WORKERS];
static int n_workers;

static void end_all(int sig)
{
	for (int i = 0; i < n_workers; i++)
		if (pids[i] > 0)
			kill(pids[i], sig);
}

/* No phone's configuration is encrypted here, and the workers are to know it. */
static void put_phone_index(const char *published)
{
	struct phone_index ix = {0};
	struct err e = ERR_INIT;
	char path[4096];
	uint8_t *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/" PHONE_INDEX_FILE, published);
	if (phone_index_build(&ix, &data, &len, &e) < 0 ||
	    file_replace(AT_FDCWD, path, (struct view){data, len}, 0644, &e) < 0)
		die("index of phones", &e);
	free(data);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int fds[MAX_WORKERS];
	uint16_t port;

	if (argc < 5 || atoi(argv[3]) < 1 || atoi(argv[3]) > MAX_WORKERS) {
		fprintf(stderr, "usage: tftp_harness HOST PORT WORKERS PROVISIONING [PUBLISHED]\n");
		return 3;
	}
	port = (uint16_t)atoi(argv[2]);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int wanted = atoi(argv[3]);
	put_phone_index(argc > 5 ? argv[5] : argv[4]);
	for (int i = 0; i < wanted; i++)
		fds[i] = bound_socket(argv[1], &port);
	/* A worker that is told to end before it can hear it would die of it. */
	sigset_t term_signals;
	sigemptyset(&term_signals);
	sigaddset(&term_signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &term_signals, NULL);
	for (int i = 0; i < wanted; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork", NULL);
		if (pids[i] == 0) {
			for (int k = 0; k < wanted; k++)
				if (k != i)
					close(fds[k]);
			work(fds[i], &term_signals, argv[4], argc > 5 ? argv[5] : argv[4]);
		}
		n_workers = i + 1;
	}
	for (int i = 0; i < wanted; i++)
		close(fds[i]);
	signal(SIGTERM, end_all);
	signal(SIGINT, end_all);
	sigprocmask(SIG_UNBLOCK, &term_signals, NULL);
	printf("ready %u", port);
	for (int i = 0; i < n_workers; i++)
		printf(" %d", (int)pids[i]);
	printf("\n");
	fflush(stdout);
	int status, worst = 0;
	for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;)
		if (pid > 0 && status)
			worst = 1;
	return worst;
}
