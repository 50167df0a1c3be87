#pragma once

#include "base/bytes.h"
#include "pki/cert.h"

/*
 * One TLS connection of a command that has nothing else to do: it waits for each step. As in tls_client.h nothing is
 * verified here: the server's certificate is handed over, and the caller decides before it sends anything.
 * Whoever uses it ignores SIGPIPE.
 */
#define TLS_DIALOG_MS 40000 /* for connection, handshake and each answer: longer than any server here takes */

struct tls_dialog;

/* tls_dialog_open: Errors: ERR_IO no such host, or it does not answer; ERR_CRYPTO the handshake fails. */
int tls_dialog_open(const char *host, uint16_t port, struct tls_dialog **d, struct err *e) MUST_CHECK;
void tls_dialog_close(struct tls_dialog *d); /* accepts NULL */

const struct cert *tls_dialog_server(const struct tls_dialog *d); /* borrowed */

/* Errors: ERR_CLOSED the other end is gone; ERR_IO, also after TLS_DIALOG_MS. */
int tls_dialog_send(struct tls_dialog *d, struct view octets, struct err *e) MUST_CHECK;
/* tls_dialog_receive: what comes next, at least one octet, appended to in. */
int tls_dialog_receive(struct tls_dialog *d, struct wr *in, struct err *e) MUST_CHECK;
