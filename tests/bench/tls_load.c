#include "tls_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/tls.h"

static struct sockaddr_in server;

void load_server(const char *port)
{
	server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	server.sin_port = htons((uint16_t)atoi(port));
}

void load_die(const char *what)
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
	EVP_PKEY *sign; /* NULL: nothing is signed */
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

static void sign_one(EVP_PKEY *key)
{
	static const uint8_t digest[32] = {1};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	uint8_t sig[512];
	size_t len = sizeof(sig);

	if (!ctx || EVP_PKEY_sign_init(ctx) != 1 || EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1 ||
	    EVP_PKEY_sign(ctx, sig, &len, digest, sizeof(digest)) != 1)
		load_die("signing");
	EVP_PKEY_CTX_free(ctx);
}

static void bare_step(struct bare *b, nfds_t i)
{
	SSL *s = b->ssl[i];
	char byte;
	bool done = SSL_is_init_finished(s);
	int got = done ? SSL_read(s, &byte, 1) : SSL_accept(s);

	if (!done && got == 1 && b->sign)
		sign_one(b->sign);

	if (got > 0 || SSL_get_error(s, got) == SSL_ERROR_WANT_READ)
		return;
	SSL_free(s);
	close(b->fds[i].fd);
	b->fds[i] = b->fds[--b->n];
	b->ssl[i] = b->ssl[b->n];
}

static void bare_loop(int fd, struct cert *cert, EVP_PKEY *key, bool sign)
{
	static struct bare b;
	struct err e = ERR_INIT;

	bench_check(tls_server_new(cert, key, &b.ctx, &e), &e, "tls");
	b.sign = sign ? key : NULL;
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

int load_bare(char **argv, bool sign)
{
	struct err e = ERR_INIT;
	struct cert *cert;
	FILE *f = fopen(argv[1], "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (!key)
		load_die(argv[1]);
	bench_check(cert_load(AT_FDCWD, argv[0], &cert, &e), &e, argv[0]);
	for (int i = atoi(argv[2]); i > 0; i--) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&server, sizeof(server)) || listen(fd, 4096))
			load_die("listen");
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			bare_loop(fd, cert, key, sign);
		}
		close(fd);
	}
	pause();
	return 0;
}

/* ---- clients ---- */

SSL_CTX *load_client_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

SSL *load_dial(SSL_CTX *ctx, unsigned host)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000U + host)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	SSL *s = SSL_new(ctx);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (host && bind(fd, (struct sockaddr *)&own, sizeof(own)))
		load_die("bind");
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		load_die("connect");
	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1) {
		fprintf(stderr, "the handshake failed\n");
		exit(1);
	}
	return s;
}

void load_hang_up(SSL *s)
{
	int fd = SSL_get_fd(s);

	SSL_free(s);
	close(fd);
}

int load_run(int clients, unsigned long (*client)(void *ctx, int number), void *ctx)
{
	double start = bench_now();
	unsigned long total = 0, n;
	int p[2], failed = 0, status;

	if (pipe(p))
		load_die("pipe");
	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			n = client(ctx, i);
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
