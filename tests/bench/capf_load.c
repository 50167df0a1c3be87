/*
 * Both ends of run_capf.py that are not the node: a bare TLS server that signs once for each connection, and phones.
 *
 *     capf_load bare PORT CERT KEY PROCESSES            SSL_accept and an RSA signature, until killed
 *     capf_load handshake PORT CLIENTS COUNT            so many new TLS connections by each client
 *     capf_load enrol PORT CLIENTS COUNT KEY FIRST      each client's COUNT phones install an LSC by null string, with a key
 *                                                       that is ready; their names count up from SEP and FIRST, in hex
 */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "proto/capf_client.h"
#include "tls_load.h"

struct phones {
	unsigned long count;
	unsigned long long first;
	struct view spki; /* empty: the handshake is all */
};

static void send_out(SSL *s, struct wr *out)
{
	if (SSL_write(s, out->p, (int)out->len) != (int)out->len)
		load_die("sending");
	out->len = 0;
}

static bool answer(struct capf_client *c, enum capf_client_want want, struct view spki, SSL *s, struct wr *out)
{
	struct err e = ERR_INIT;

	switch (want) {
	case CAPF_CLIENT_GENERATE: bench_check(capf_client_key(c, spki, out, &e), &e, "key"); break;
	case CAPF_CLIENT_STORE: bench_check(capf_client_done(c, true, out, &e), &e, "stored"); break;
	case CAPF_CLIENT_WRITE: break;
	default: return false;
	}
	send_out(s, out);
	return true;
}

/* One installation; 1 when it was one. */
static unsigned long enrol(SSL *s, const struct capf_identity *me, struct view spki)
{
	static uint8_t in[65536];
	size_t have = 0, used;
	struct capf_client c;
	struct err e = ERR_INIT;
	struct wr out;

	wr_init(&out, CAPF_FRAME_MAX);
	capf_client_init(&c, me);
	for (;;) {
		enum capf_client_want want = capf_client_step(&c, (struct view){in, have}, &used, &out, &e);
		if (want == CAPF_CLIENT_END || want == CAPF_CLIENT_FAIL)
			break;
		if (want == CAPF_CLIENT_READ) {
			int n = SSL_read(s, in + have, (int)(sizeof(in) - have));
			if (n <= 0)
				break;
			have += (size_t)n;
		} else {
			answer(&c, want, spki, s, &out);
			memmove(in, in + used, have -= used);
		}
	}
	wr_clear(&out);
	return c.reason == CAPF_REASON_SUCCESS && c.last == CAPF_CLIENT_STORE;
}

static unsigned long client(void *ctx, int number)
{
	const struct phones *p = ctx;
	SSL_CTX *ssl = load_client_ctx();
	unsigned long n = 0;
	char device[32];

	for (unsigned long i = 0; i < p->count; i++) {
		struct capf_identity me = {.device = device, .version = 3};
		SSL *s = load_dial(ssl, 0);
		snprintf(device, sizeof(device), "SEP%012llX", p->first + (unsigned)number * p->count + i);
		n += p->spki.len ? enrol(s, &me, p->spki) : 1;
		load_hang_up(s);
	}
	return n;
}

static struct view spki_of(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	unsigned char *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : -1;

	if (len <= 0)
		load_die(path);
	return (struct view){der, (size_t)len};
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct phones p = {0};

	load_server(argc > 2 ? argv[2] : "0");
	if (strcmp(what, "bare") == 0 && argc == 6)
		return load_bare(argv + 3, true);
	if (strcmp(what, "handshake") == 0 && argc == 5) {
		p.count = strtoul(argv[4], NULL, 10);
		return load_run(atoi(argv[3]), client, &p);
	}
	if (strcmp(what, "enrol") == 0 && argc == 7) {
		p = (struct phones){strtoul(argv[4], NULL, 10), strtoull(argv[6], NULL, 16), spki_of(argv[5])};
		return load_run(atoi(argv[3]), client, &p);
	}
	fprintf(stderr, "see the head of capf_load.c\n");
	return 3;
}
