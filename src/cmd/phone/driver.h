#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "phone/boot.h"

#define DRIVER_CAPF_RETRY_S 30 /* between two tries to reach CAPF (formats-and-protocols.md 7.9) */

/* Boots phones on one loop, against one server: what phone/boot.h wants done is done here with real sockets. */
enum driver_transport { DRIVER_BY_MODEL, DRIVER_TFTP, DRIVER_HTTP };

struct driver {
	struct event_base *base;
	SSL_CTX *tls, *tls10;
	struct sockaddr_storage tftp, http;
	socklen_t tftp_len, http_len;
	uint16_t https_port;
	enum driver_transport transport;
	char server[PHONE_HOST_MAX]; /* as phones name it in their logs */
	unsigned capf_retry_s;
	const char *capf_string;     /* typed on the phones, or NULL; borrowed */
	EVP_PKEY *capf_key;          /* that phones offer CAPF instead of making one, or NULL; borrowed */
	bool old_firmware;           /* without CAPF and encrypted configurations */
};

/* The one server that has the files. */
struct driver_server {
	char host[PHONE_HOST_MAX];
	uint16_t tftp_port, http_port, https_port;
};
#define DRIVER_SERVER_DEFAULT {.tftp_port = 69, .http_port = 6970, .https_port = 6971}

/* driver_init: the host is resolved once; the rest is set afterwards. Errors: ERR_IO, ERR_CRYPTO, ERR_NOMEM. */
int driver_init(struct driver *d, const struct driver_server *server, enum driver_transport t, struct err *e) MUST_CHECK;
void driver_clear(struct driver *d);

/* Called from the loop when a phone is through; boot lives until it returns. */
typedef void driver_done(void *ctx, const struct boot *boot);

/* driver_boot: start the boot of p. p and con live until done was called. */
int driver_boot(struct driver *d, struct phone *p, struct console *con, driver_done *done, void *ctx,
		struct err *e) MUST_CHECK;
