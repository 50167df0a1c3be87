#pragma once

/*
 * What load generators share: a bare TLS server to measure against, and clients of 127.0.0.1. Whatever goes wrong ends the
 * program.
 */
#include <openssl/ssl.h>
#include <stdbool.h>

#include "bench.h"

void load_server(const char *port); /* where clients connect to, and the bare server listens */
void load_die(const char *what) __attribute__((noreturn));

/* load_bare: CERT KEY PROCESSES: SSL_accept until killed, and nothing else; with `sign` an RSA signature for each. */
int load_bare(char **argv, bool sign);

SSL_CTX *load_client_ctx(void);
/* load_dial: a new connection, its handshake done. host: the last octets of the own address in 127.0.0.0/8; 0: any. */
SSL *load_dial(SSL_CTX *ctx, unsigned host);
void load_hang_up(SSL *s);

/* load_run: so many processes at once; prints the sum of what they counted, the seconds, and how many failed. */
int load_run(int clients, unsigned long (*client)(void *ctx, int number), void *ctx);
