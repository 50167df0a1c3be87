#include "net/tls.h"

#include <unistd.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "pki/ossl.h"

/* TLS 1.3 has its own, all of them good. */
#define CIPHERS_12 SERVED_CIPHERS
#define GROUPS "X25519:P-256:P-384:P-521"

/* 7900 phones choose AES256-SHA: RSA key exchange. Source: formats-and-protocols.md 6.7 */
#define CIPHERS_INSECURE_LEGACY CIPHERS_12 ":AES256-SHA:AES128-SHA"

/* What every server here has in common. Phones do not resume sessions (6.7), so none are kept and no tickets sent. */
static int common(SSL_CTX *ctx, struct err *e)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			      SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (SSL_CTX_set1_groups_list(ctx, GROUPS) != 1)
		return err_openssl(e, ERR_CRYPTO, "TLS: choosing groups");
	return 0;
}

static int identity(SSL_CTX *ctx, const struct cert *c, EVP_PKEY *key, struct err *e)
{
	if (SSL_CTX_use_certificate(ctx, cert_x509(c)) != 1)
		return err_openssl(e, ERR_CRYPTO, "TLS: using the server's certificate");
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		return err_openssl(e, ERR_CRYPTO, "TLS: using the server's key");
	return 0;
}

static int versions(SSL_CTX *ctx, int lowest, int highest, const char *ciphers, struct err *e)
{
	if (SSL_CTX_set_min_proto_version(ctx, lowest) != 1 || SSL_CTX_set_max_proto_version(ctx, highest) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
		return err_openssl(e, ERR_CRYPTO, "TLS: choosing versions and ciphers");
	return 0;
}

int tls_server_new(const struct cert *c, EVP_PKEY *key, SSL_CTX **ctx, struct err *e)
{
	SSL_CTX *got = SSL_CTX_new(TLS_server_method());
	int rc;

	if (!got)
		return err_openssl(e, ERR_CRYPTO, "TLS: making a context");
	/* A site that keeps RSA-1024 for its old phones made that choice with its certificates; ciphers stay as strong. */
	if (cert_key_type(c) == CERT_KEY_RSA && cert_key_bits(c) < 2048)
		SSL_CTX_set_security_level(got, 1);
	if ((rc = versions(got, TLS1_2_VERSION, TLS1_3_VERSION, CIPHERS_12, e)) < 0 || (rc = common(got, e)) < 0 ||
	    (rc = identity(got, c, key, e)) < 0) {
		SSL_CTX_free(got);
		return rc;
	}
	*ctx = got;
	return 0;
}

int tls_server_new_insecure_legacy(const struct cert *c, EVP_PKEY *key, SSL_CTX **ctx, struct err *e)
{
	SSL_CTX *got = SSL_CTX_new(TLS_server_method());
	int rc;

	if (!got)
		return err_openssl(e, ERR_CRYPTO, "TLS: making a context");
	SSL_CTX_set_security_level(got, 0);
	if ((rc = versions(got, TLS1_VERSION, TLS1_2_VERSION, CIPHERS_INSECURE_LEGACY, e)) < 0 ||
	    (rc = common(got, e)) < 0 || (rc = identity(got, c, key, e)) < 0) {
		SSL_CTX_free(got);
		return rc;
	}
	*ctx = got;
	return 0;
}

int tls_accept(struct event_base *base, SSL_CTX *ctx, int fd, struct bufferevent **bev, struct err *e)
{
	SSL *ssl = SSL_new(ctx);
	struct bufferevent *got;

	if (!ssl) {
		close(fd);
		return err_openssl(e, ERR_CRYPTO, "TLS: beginning a connection");
	}
	got = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!got) {
		SSL_free(ssl);
		close(fd);
		return err_set(e, ERR_NOMEM, "no memory for a TLS connection");
	}
	/* Many phones close without close_notify; whoever needs to know where a message ends has a length in it. */
	bufferevent_openssl_set_allow_dirty_shutdown(got, 1);
	*bev = got;
	return 0;
}

void tls_close_notify(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	if (SSL_is_init_finished(ssl)) {
		ERR_clear_error();
		SSL_shutdown(ssl); /* one record, if the socket takes it; nobody waits for the answer */
		ERR_clear_error();
	}
}

bool tls_is_old(struct bufferevent *bev)
{
	return SSL_version(bufferevent_openssl_get_ssl(bev)) < TLS1_2_VERSION;
}

const char *tls_failure(struct bufferevent *bev)
{
	unsigned long code = bufferevent_get_openssl_error(bev);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	return reason ? reason : "the connection was closed";
}
