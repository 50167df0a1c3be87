#pragma once

#include "base/bytes.h"
#include "pki/cert.h"

/*
 * net/tls_link.h for a command that has nothing else to do: a loop of its own, which runs while a step is waited for. As
 * there nothing is verified: the server's certificate is handed over, and the caller decides before it sends anything.
 * Whoever uses it ignores SIGPIPE.
 */
#define TLS_DIALOG_MS 40000 /* for connection with handshake, and for each answer: longer than any server here takes */

struct tls_dialog;

/* tls_dialog_open: the addresses of host, until one answers. Errors: ERR_IO no such host, or nobody there speaks TLS. */
int tls_dialog_open(const char *host, uint16_t port, struct tls_dialog **d, struct err *e) MUST_CHECK;
void tls_dialog_close(struct tls_dialog *d); /* accepts NULL */

const struct cert *tls_dialog_server(const struct tls_dialog *d); /* borrowed */

/* Errors: ERR_CLOSED there is no connection any more, or the server does not answer. */
int tls_dialog_send(struct tls_dialog *d, struct view octets, struct err *e) MUST_CHECK;
/* tls_dialog_receive: what comes next, at least one octet, appended to in. Errors: also ERR_LIMIT it does not fit. */
int tls_dialog_receive(struct tls_dialog *d, struct wr *in, struct err *e) MUST_CHECK;
