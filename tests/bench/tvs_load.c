/*
 * Both ends of run_tvs.py that are not the node: a bare TLS server to measure against, and clients.
 *
 *     tvs_load bare CERT KEY PORT PROCESSES        SSL_accept and nothing else, until killed
 *     tvs_load handshake PORT CLIENTS SECONDS      new TLS connections; prints how many
 *     tvs_load verify PORT CLIENTS SECONDS CERT    each with one verification, which must be answered valid
 *     tvs_load idle PORT N                         N connections of many addresses, held until standard input ends
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

#include "bench.h"
#include "net/tls.h"
#include "proto/tvs.h"

static struct sockaddr_in server;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the yardstick ---- */

#define BARE_MAX 1024

struct bare {
	struct pollfd fds[BARE_MAX + 1];
	SSL *ssl[BARE_MAX + 1];
	nfds_t n;
	SSL_CTX *ctx;
};

static void bare_accept(struct bare *b)
{
	int on = 1;
	int fd = b->n <= BARE_MAX ? accept4(b->fds[0].fd, NULL, NULL, SOCK_NONBLOCK) : -1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	b->ssl[b->n] = SSL_new(b->ctx);
	SSL_set_fd(b->ssl[b->n], fd);
	SSL_set_accept_state(b->ssl[b->n]);
	b->fds[b->n++] = (struct pollfd){fd, POLLIN, 0};
}

static void bare_step(struct bare *b, nfds_t i)
{
	SSL *s = b->ssl[i];
	char byte;
	int got = SSL_is_init_finished(s) ? SSL_read(s, &byte, 1) : SSL_accept(s);

	if (got > 0 || SSL_get_error(s, got) == SSL_ERROR_WANT_READ)
		return;
	SSL_free(s);
	close(b->fds[i].fd);
	b->fds[i] = b->fds[--b->n];
	b->ssl[i] = b->ssl[b->n];
}

static void bare_loop(int fd, struct cert *cert, EVP_PKEY *key)
{
	static struct bare b;
	struct err e = ERR_INIT;

	bench_check(tls_server_new(cert, key, &b.ctx, &e), &e, "tls");
	b.fds[0] = (struct pollfd){fd, POLLIN, 0};
	b.n = 1;
	for (;;) {
		poll(b.fds, b.n, -1);
		if (b.fds[0].revents)
			bare_accept(&b);
		for (nfds_t i = b.n - 1; i >= 1; i--)
			if (b.fds[i].revents)
				bare_step(&b, i);
	}
}

static int bare(char **argv)
{
	struct err e = ERR_INIT;
	struct cert *cert;
	FILE *f = fopen(argv[1], "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (!key)
		die(argv[1]);
	bench_check(cert_load(AT_FDCWD, argv[0], &cert, &e), &e, argv[0]);
	for (int i = atoi(argv[3]); i > 0; i--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&server, sizeof(server)) || listen(fd, 4096))
			die("listen");
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			bare_loop(fd, cert, key);
		}
		close(fd);
	}
	pause();
	return 0;
}

/* ---- clients ---- */

static SSL_CTX *client_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

/* host: the last octets of the own address in 127.0.0.0/8; 0: any. */
static SSL *dial(SSL_CTX *ctx, unsigned host)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U + host)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	SSL *s = SSL_new(ctx);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (host && bind(fd, (struct sockaddr *)&own, sizeof(own)))
		die("bind");
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		die("connect");
	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1) {
		fprintf(stderr, "the handshake failed\n");
		exit(1);
	}
	return s;
}

static void hang_up(SSL *s)
{
	int fd = SSL_get_fd(s);

	SSL_free(s);
	close(fd);
}

static void ask(SSL *s, struct view request)
{
	uint8_t answer[64];
	struct tvs_msg m;
	struct err e = ERR_INIT;
	int n;

	if (SSL_write(s, request.p, (int)request.len) != (int)request.len ||
	    (n = SSL_read(s, answer, sizeof(answer))) <= 0) {
		fprintf(stderr, "no answer\n");
		exit(1);
	}
	bench_check(tvs_msg_read((struct view){answer, (size_t)n}, &m, &e), &e, "answer");
	if (m.status != TVS_STATUS_OK) {
		fprintf(stderr, "answered not valid\n");
		exit(1);
	}
}

static struct wr request_for(const char *path)
{
	struct tvs_msg m = {.type = TVS_VERIFY_REQUEST, .session = 1001, .device = view_str("CP-8861-SEPB000B4BA0AEE")};
	struct err e = ERR_INIT;
	struct cert *cert;
	struct wr w;

	bench_check(cert_load(AT_FDCWD, path, &cert, &e), &e, path);
	m.certificate = cert_der(cert);
	wr_init(&w, TVS_FRAME_MAX);
	bench_check(tvs_msg_write(&m, &w, &e), &e, "request");
	return w;
}

static unsigned long client(double end, struct view request)
{
	SSL_CTX *ctx = client_ctx();
	unsigned long n = 0;

	for (; bench_now() < end; n++) {
		SSL *s = dial(ctx, 0);
		if (request.len)
			ask(s, request);
		hang_up(s);
	}
	return n;
}

static int load(int clients, double seconds, struct view request)
{
	double start = bench_now();
	unsigned long total = 0, n;
	int p[2], failed = 0, status;

	if (pipe(p))
		die("pipe");
	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			n = client(start + seconds, request);
			_exit(write(p[1], &n, sizeof(n)) != sizeof(n));
		}
	close(p[1]);
	while (read(p[0], &n, sizeof(n)) == sizeof(n))
		total += n;
	while (wait(&status) > 0)
		failed += status != 0;
	printf("%lu %.6f %d\n", total, bench_now() - start, failed);
	return failed != 0;
}

#define DIALLERS 4
#define PER_ADDRESS 200 /* a node gives one address a share only */

/* Several at once, because a server ends what says nothing for ten seconds. */
static int idle(int n)
{
	struct rlimit l = {(rlim_t)n + 64, (rlim_t)n + 64};
	SSL_CTX *ctx = client_ctx();
	int p[2], share = n / DIALLERS;
	char done;

	setrlimit(RLIMIT_NOFILE, &l);
	if (pipe(p))
		die("pipe");
	for (unsigned d = 0; d < DIALLERS; d++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (int i = 0; i < share; i++)
				(void)dial(ctx, (d + 1) << 8 | (unsigned)(1 + i / PER_ADDRESS));
			if (write(p[1], "", 1) == 1)
				pause();
			_exit(1);
		}
	close(p[1]);
	for (int d = 0; d < DIALLERS; d++)
		if (read(p[0], &done, 1) != 1)
			return 1;
	printf("%d\n", share * DIALLERS);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct view nothing = {0};

	server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	server.sin_port = htons((uint16_t)atoi(strcmp(what, "bare") == 0 && argc == 6 ? argv[4] : argc > 2 ? argv[2] : "0"));
	if (strcmp(what, "bare") == 0 && argc == 6)
		return bare(argv + 2);
	if (strcmp(what, "handshake") == 0 && argc == 5)
		return load(atoi(argv[3]), atof(argv[4]), nothing);
	if (strcmp(what, "verify") == 0 && argc == 6) {
		struct wr w = request_for(argv[5]);
		return load(atoi(argv[3]), atof(argv[4]), wr_view_all(&w));
	}
	if (strcmp(what, "idle") == 0 && argc == 4)
		return idle(atoi(argv[3]));
	fprintf(stderr, "see the head of tvs_load.c\n");
	return 3;
}
