#include "net/tls_dialog.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "net/tls_client.h"

struct tls_dialog {
	SSL_CTX *ctx;
	SSL *ssl;
	struct cert *server;
	int fd;
};

/* The addresses of a host, one after the other, until one answers. */
static int connect_one(const struct addrinfo *list, int *out)
{
	const struct timeval wait = {TLS_DIALOG_MS / 1000, 0};
	int why = ECONNREFUSED;

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
		    connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
			*out = fd;
			return 0;
		}
		why = errno == EINPROGRESS ? ETIMEDOUT : errno;
		if (fd >= 0)
			close(fd);
	}
	return why;
}

static int connect_to(const char *host, uint16_t port, int *fd, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	int rc = getaddrinfo(host, service, &hints, &list);
	if (rc)
		return err_set(e, ERR_IO, "%s: %s", host, gai_strerror(rc));
	errno = connect_one(list, fd);
	rc = errno ? err_sys(e, ERR_IO, "%s port %u", host, port) : 0;
	freeaddrinfo(list);
	return rc;
}

/* Why the last call on the connection came to nothing. */
static int failed(struct tls_dialog *d, int ret, const char *what, struct err *e)
{
	int saved = errno;

	switch (SSL_get_error(d->ssl, ret)) {
	case SSL_ERROR_ZERO_RETURN: return err_set(e, ERR_CLOSED, "the server ended the connection");
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return err_set(e, ERR_IO, "%s: no answer within %d s", what, TLS_DIALOG_MS / 1000);
	case SSL_ERROR_SYSCALL:
		if (!saved || saved == ECONNRESET || saved == EPIPE)
			return err_set(e, ERR_CLOSED, "the server broke the connection off");
		errno = saved;
		return err_sys(e, ERR_IO, "%s", what);
	default: break;
	}
	/* The other side was cut off without a word. */
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return err_set(e, ERR_CLOSED, "the server broke the connection off");
	}
	return err_openssl(e, ERR_CRYPTO, what);
}

static int handshake(struct tls_dialog *d, const char *host, struct err *e)
{
	int rc = tls_client_new(false, &d->ctx, e);

	if (rc)
		return rc;
	SSL_CTX_set_security_level(d->ctx, 1); /* no phone from yesteryear is at the other end */
	d->ssl = SSL_new(d->ctx);
	if (!d->ssl || SSL_set_fd(d->ssl, d->fd) != 1)
		return err_openssl(e, ERR_CRYPTO, "TLS: making a connection");
	ERR_clear_error();
	errno = 0;
	int ret = SSL_connect(d->ssl);
	if (ret != 1)
		return failed(d, ret, host, e);
	X509 *x = SSL_get1_peer_certificate(d->ssl);
	rc = x ? cert_from_x509(x, &d->server, e) : err_set(e, ERR_CRYPTO, "%s shows no certificate", host);
	X509_free(x);
	return rc;
}

int tls_dialog_open(const char *host, uint16_t port, struct tls_dialog **out, struct err *e)
{
	struct tls_dialog *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(e, ERR_NOMEM, "no memory for a connection");
	d->fd = -1;
	rc = connect_to(host, port, &d->fd, e);
	if (!rc)
		rc = handshake(d, host, e);
	if (rc) {
		tls_dialog_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void tls_dialog_close(struct tls_dialog *d)
{
	if (!d)
		return;
	if (d->server)
		SSL_shutdown(d->ssl);
	cert_unref(d->server);
	SSL_free(d->ssl);
	SSL_CTX_free(d->ctx);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

const struct cert *tls_dialog_server(const struct tls_dialog *d)
{
	return d->server;
}

int tls_dialog_send(struct tls_dialog *d, struct view octets, struct err *e)
{
	ERR_clear_error();
	errno = 0;
	int ret = SSL_write(d->ssl, octets.p, (int)octets.len);

	return ret > 0 ? 0 : failed(d, ret, "sending", e);
}

int tls_dialog_receive(struct tls_dialog *d, struct wr *in, struct err *e)
{
	uint8_t some[16384];

	ERR_clear_error();
	errno = 0;
	int ret = SSL_read(d->ssl, some, sizeof(some));
	if (ret <= 0)
		return failed(d, ret, "waiting for the server", e);
	if (!wr_bytes(in, some, (size_t)ret))
		return err_set(e, in->failed, "the server's answer is too long");
	return 0;
}
