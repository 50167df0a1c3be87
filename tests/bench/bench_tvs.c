/*
 * TVS: new TLS connection, one verification, close; against the bare TLS handshake of the same run and the same client. Both
 * servers run in a process of their own with RSA-2048, the client here keeps `parallel` connections going. The yardstick
 * is a server that does SSL_accept and nothing else in a loop over its connections, as s_server would, one process.
 * Also: what 5,000 idle connections take.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "bench.h"
#include "net/accept.h"
#include "net/tls.h"
#include "net/tvs_service.h"

#define SECONDS 6.0
#define TURNS 6
#define IDLE 5000

static struct cert *tvs_cert;
static EVP_PKEY *tvs_key;
static uint8_t *request;
static size_t request_len;

static void load(void)
{
	char path[512];
	struct err e = ERR_INIT;
	FILE *f;

	bench_path(path, sizeof(path), "certs/tvs.der");
	bench_check(cert_load(AT_FDCWD, path, &tvs_cert, &e), &e, path);
	bench_path(path, sizeof(path), "keys/tvs2048.key");
	f = fopen(path, "r");
	tvs_key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (!tvs_key) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	bench_path(path, sizeof(path), "tvs/verify-request.bin");
	bench_check(file_read(AT_FDCWD, path, 65536, &request, &request_len, &e), &e, path);
}

static int listen_on(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)) || getsockname(fd, (struct sockaddr *)at, &len) ||
	    listen(fd, 1024)) {
		perror("listen");
		exit(1);
	}
	return fd;
}

/* ---- the two servers ---- */

static void tvs_server(int fd)
{
	struct tvs_index_item item = {NULL, TVS_ROLE(7), 86400};
	struct event_base *base = event_base_new();
	struct acceptor *acceptor;
	struct tvs_service *service;
	struct net_pool *pool;
	struct tvs_index ix;
	struct err e = ERR_INIT;
	struct cert *known;
	char path[512];
	uint8_t *data;
	size_t len;
	SSL_CTX *ctx;

	bench_path(path, sizeof(path), "certs/tftp2048.der");
	bench_check(cert_load(AT_FDCWD, path, &known, &e), &e, path);
	item.cert = known;
	bench_check(tvs_index_build(&item, 1, &data, &len, &e), &e, "index");
	bench_check(tvs_index_open((struct view){data, len}, &ix, &e), &e, "index");
	bench_check(net_pool_new(20000, 20000, &pool, &e), &e, "pool");
	bench_check(tls_server_new(tvs_cert, tvs_key, &ctx, &e), &e, "tls");
	bench_check(tvs_service_new(base, pool, NULL, NULL, &service, &e), &e, "service");
	tls_service_set_tls(tvs_service_tls(service), ctx);
	tvs_service_set_index(service, &ix);
	bench_check(acceptor_new(base, fd, tls_service_accept, tvs_service_tls(service), &acceptor, &e), &e, "acceptor");
	bench_check(acceptor_start(acceptor, &e), &e, "acceptor");
	event_base_dispatch(base);
}

#define BARE_MAX 256

/* Handshakes and nothing else: poll and SSL_accept. */
static void bare_server(int fd)
{
	struct pollfd fds[BARE_MAX + 1] = {{fd, POLLIN, 0}};
	SSL *ssl[BARE_MAX + 1] = {0};
	struct err e = ERR_INIT;
	nfds_t n = 1;
	SSL_CTX *ctx;

	bench_check(tls_server_new(tvs_cert, tvs_key, &ctx, &e), &e, "tls");
	for (;;) {
		poll(fds, n, -1);
		if (fds[0].revents && n <= BARE_MAX) {
			int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
			if (c >= 0) {
				ssl[n] = SSL_new(ctx);
				SSL_set_fd(ssl[n], c);
				SSL_set_accept_state(ssl[n]);
				fds[n++] = (struct pollfd){c, POLLIN, 0};
			}
		}
		for (nfds_t i = n - 1; i >= 1; i--) {
			char byte;
			int got;

			if (!fds[i].revents)
				continue;
			got = SSL_is_init_finished(ssl[i]) ? SSL_read(ssl[i], &byte, 1) : SSL_accept(ssl[i]);
			if (got > 0 || SSL_get_error(ssl[i], got) == SSL_ERROR_WANT_READ)
				continue;
			SSL_free(ssl[i]);
			close(fds[i].fd);
			fds[i] = fds[--n];
			ssl[i] = ssl[n];
		}
	}
}

static pid_t serve(void (*server)(int), int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		server(fd);
		_exit(1);
	}
	close(fd);
	return pid;
}

/* ---- the client ---- */

static int dial(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		perror("connect");
		exit(1);
	}
	return fd;
}

static SSL *handshake(SSL_CTX *ctx, int fd)
{
	SSL *s = SSL_new(ctx);

	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1) {
		fprintf(stderr, "SSL_connect failed\n");
		exit(1);
	}
	return s;
}

static void once(SSL_CTX *ctx, const struct sockaddr_in *to, bool ask)
{
	int fd = dial(to);
	SSL *s = handshake(ctx, fd);
	uint8_t answer[64];

	if (ask && (SSL_write(s, request, (int)request_len) != (int)request_len ||
		    SSL_read(s, answer, sizeof(answer)) < 14 ||
		    answer[13] != 0)) {
		fprintf(stderr, "no answer\n");
		exit(1);
	}
	SSL_free(s);
	close(fd);
}

/* Processes that ask as fast as they are answered, for `seconds`; the rate they reach together. */
static double load_with(unsigned clients, const struct sockaddr_in *to, bool ask, double seconds)
{
	double start = bench_now(), end;
	unsigned long total = 0, n;
	int p[2];

	if (pipe(p))
		exit(1);
	for (unsigned i = 0; i < clients; i++)
		if (fork() == 0) {
			SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
			SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
			SSL_CTX_set_security_level(ctx, 1);
			for (n = 0; bench_now() - start < seconds; n++)
				once(ctx, to, ask);
			_exit(write(p[1], &n, sizeof(n)) != sizeof(n));
		}
	for (unsigned i = 0; i < clients; i++) {
		if (read(p[0], &n, sizeof(n)) != sizeof(n))
			exit(1);
		total += n;
	}
	end = bench_now();
	close(p[0]);
	close(p[1]);
	while (clients--)
		wait(NULL);
	return (double)total / (end - start);
}

/* CPU seconds of a server and of the clients so far. A busy machine disturbs these less than it does rates. */
static double cpu_seconds(pid_t server)
{
	struct rusage u;
	struct timespec t = {0};
	clockid_t clock;

	getrusage(RUSAGE_CHILDREN, &u);
	if (!clock_getcpuclockid(server, &clock))
		clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9 + (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct side {
	pid_t pid;
	struct sockaddr_in at;
	bool ask;
	double best, cpu, units;
};

static void turn(struct side *s)
{
	double before = cpu_seconds(s->pid), rate = load_with(4, &s->at, s->ask, SECONDS / TURNS);

	s->cpu += cpu_seconds(s->pid) - before;
	s->units += rate * SECONDS / TURNS;
	s->best = rate > s->best ? rate : s->best;
}

static long resident_kib(pid_t pid)
{
	char path[64], line[128];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void idle(pid_t pid, const struct sockaddr_in *to)
{
	static SSL *s[IDLE];
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	long before = resident_kib(pid), after;
	double start = bench_now();

	SSL_CTX_set_security_level(ctx, 1);
	for (int i = 0; i < IDLE; i++)
		s[i] = handshake(ctx, dial(to));
	after = resident_kib(pid);
	printf("%d idle connections (opened in %.1f s, each living 10 s): %.1f MiB resident in the server, %.1f before\n",
	       IDLE, bench_now() - start, (double)after / 1024, (double)before / 1024);
	for (int i = 0; i < IDLE; i++)
		SSL_free(s[i]);
	SSL_CTX_free(ctx);
}

static void raise_descriptors(void)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l)) {
		l.rlim_cur = l.rlim_max < 20000 ? l.rlim_max : 20000;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(void)
{
	struct side tvs = {.ask = true}, bare = {.ask = false};
	int tvs_fd = listen_on(&tvs.at), bare_fd = listen_on(&bare.at);

	bench_machine();
	raise_descriptors();
	load();
	tvs.pid = serve(tvs_server, tvs_fd);
	bare.pid = serve(bare_server, bare_fd);
	for (int i = 0; i < TURNS; i++) {
		turn(&bare);
		turn(&tvs);
	}
	printf("bare TLS 1.3 handshakes, RSA-2048: %.0f a second, %.0f us of CPU each, both ends\n", bare.best,
	       bare.cpu / bare.units * 1e6);
	printf("TVS, new connection + verify:      %.0f a second (%.2f), %.0f us of CPU each (%.2f); request of %zu octets, 4 clients\n",
	       tvs.best, tvs.best / bare.best, tvs.cpu / tvs.units * 1e6, bare.cpu / bare.units / (tvs.cpu / tvs.units),
	       request_len);
	idle(tvs.pid, &tvs.at);
	kill(tvs.pid, SIGKILL);
	kill(bare.pid, SIGKILL);
	return 0;
}
