/*
 * Both ends of run_tvs.py that are not the node: a bare TLS server to measure against, and clients.
 *
 *     tvs_load bare PORT CERT KEY PROCESSES        SSL_accept and nothing else, until killed
 *     tvs_load handshake PORT CLIENTS SECONDS      new TLS connections; prints how many
 *     tvs_load verify PORT CLIENTS SECONDS CERT    each with one verification, which must be answered valid
 *     tvs_load idle PORT N                         N connections of many addresses, held until standard input ends
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pki/cert.h"
#include "proto/tvs.h"
#include "tls_load.h"

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

struct turn {
	double end;
	struct view request; /* empty: the handshake is all */
};

static unsigned long client(void *ctx, int number)
{
	const struct turn *t = ctx;
	SSL_CTX *ssl = load_client_ctx();
	unsigned long n = 0;

	(void)number;
	for (; bench_now() < t->end; n++) {
		SSL *s = load_dial(ssl, 0);
		if (t->request.len)
			ask(s, t->request);
		load_hang_up(s);
	}
	return n;
}

static int load(int clients, double seconds, struct view request)
{
	struct turn t = {bench_now() + seconds, request};

	return load_run(clients, client, &t);
}

#define DIALLERS 4
#define PER_ADDRESS 200 /* a node gives one address a share only */

/* Several at once, because a server ends what says nothing for ten seconds. */
static int idle(int n)
{
	struct rlimit l = {(rlim_t)n + 64, (rlim_t)n + 64};
	SSL_CTX *ctx = load_client_ctx();
	int p[2], share = n / DIALLERS;
	char done;

	setrlimit(RLIMIT_NOFILE, &l);
	if (pipe(p))
		load_die("pipe");
	for (unsigned d = 0; d < DIALLERS; d++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (int i = 0; i < share; i++)
				(void)load_dial(ctx, (d + 1) << 8 | (unsigned)(1 + i / PER_ADDRESS));
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

	load_server(argc > 2 ? argv[2] : "0");
	if (strcmp(what, "bare") == 0 && argc == 6)
		return load_bare(argv + 3, false);
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
