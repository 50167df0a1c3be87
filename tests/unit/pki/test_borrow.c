#include "testing.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "pki/template.h"
#include "pki/tlsmsg.h"
#include "tempdir.h"

/* A keystore in front of the file keystore that remembers what it was last asked to do. */
struct spy {
	struct keystore base;
	struct keystore *inner;
	unsigned n;
	enum key_scheme scheme;
	bool message;
	bool handshake;
};

static int spy_sign(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		    struct err *e)
{
	struct spy *s = (struct spy *)ks;

	s->n++;
	s->scheme = req->scheme;
	s->message = req->message;
	s->handshake = tls_handshake_message(req->input);
	return s->inner->ops->sign(s->inner, name, req, sig, len, e);
}

static const struct keystore_ops spy_ops = {.sign = spy_sign};

/* A unit's key and certificate, and the key borrowed through the spy. */
struct identity {
	char name[KEY_NAME_MAX];
	struct cert *cert;
	EVP_PKEY *key;
};

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
	struct spy spy;
	struct identity rsa, ec, old;
};

static void make_identity(struct fixture *f, const char *unit, const char *generation, unsigned bits,
			  struct identity *id)
{
	struct template_node node = {.name = "node.example.org", .subject = {.o = "Test"}};
	struct cert_template t;
	struct err e = ERR_INIT;

	assert_ok(template_get(unit, generation, bits, &t, &e), &e);
	assert_ok(template_issue(f->ks, &t, &node, &clock_system, &random_system, id->name, &id->cert, &e), &e);
	assert_ok(key_borrow(&f->spy.base, id->name, X509_get0_pubkey(cert_x509(id->cert)), &id->key, &e), &e);
}

static void free_identity(struct identity *id)
{
	cert_unref(id->cert);
	EVP_PKEY_free(id->key);
}

static int group_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	f->spy = (struct spy){.base = {&spy_ops}, .inner = f->ks};
	make_identity(f, "TVS", "12.0", 2048, &f->rsa);
	make_identity(f, "CallManager-ECDSA", "12.0", 0, &f->ec);
	make_identity(f, "TVS", "10.0", 1024, &f->old);
	*state = f;
	return 0;
}

static int group_teardown(void **state)
{
	struct fixture *f = *state;

	free_identity(&f->rsa);
	free_identity(&f->ec);
	free_identity(&f->old);
	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

/* --- TLS over a pair of memory BIOs --- */

struct tls_case {
	int version;
	const char *ciphers; /* NULL: the suites of TLS 1.3 */
};

static SSL_CTX *server_ctx(const struct identity *id, const struct tls_case *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, t->version), 1);
	if (t->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, t->ciphers), 1);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert_x509(id->cert)), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
	return ctx;
}

static SSL_CTX *client_ctx(const struct identity *id, const struct tls_case *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, t->version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, t->version), 1);
	if (t->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, t->ciphers), 1);
	assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert_x509(id->cert)), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

static void step(SSL *ssl)
{
	int r = SSL_do_handshake(ssl);

	if (r != 1 && SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ) {
		char text[256];
		ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
		fail_msg("%s", text);
	}
}

static void handshake(const struct identity *id, const struct tls_case *t)
{
	SSL_CTX *sctx = server_ctx(id, t);
	SSL_CTX *cctx = client_ctx(id, t);
	SSL *server = SSL_new(sctx);
	SSL *client = SSL_new(cctx);
	BIO *a = NULL;
	BIO *b = NULL;
	char got[8] = "";

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 20 && !(SSL_is_init_finished(server) && SSL_is_init_finished(client)); i++) {
		step(client);
		step(server);
	}
	assert_int_equal(SSL_version(client), t->version);
	assert_int_equal(SSL_get_verify_result(client), X509_V_OK);
	assert_int_equal(SSL_write(server, "hello", 6), 6);
	assert_int_equal(SSL_read(client, got, sizeof(got)), 6);
	assert_string_equal(got, "hello");
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(sctx);
	SSL_CTX_free(cctx);
}

static void assert_signed_a_handshake_message(struct fixture *f, const struct identity *id, int version,
					      const char *ciphers)
{
	struct tls_case t = {.version = version, .ciphers = ciphers};

	f->spy.n = 0;
	handshake(id, &t);
	assert_int_equal(f->spy.n, 1);
	assert_true(f->spy.message);
	assert_true(f->spy.handshake);
}

static void tls13(void **state)
{
	struct fixture *f = *state;

	assert_signed_a_handshake_message(f, &f->rsa, TLS1_3_VERSION, NULL);
	assert_int_equal(f->spy.scheme, KEY_SCHEME_PSS);
	assert_signed_a_handshake_message(f, &f->ec, TLS1_3_VERSION, NULL);
	assert_int_equal(f->spy.scheme, KEY_SCHEME_ECDSA);
}

static void tls12_with_ephemeral_keys(void **state)
{
	struct fixture *f = *state;

	assert_signed_a_handshake_message(f, &f->rsa, TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256");
	assert_signed_a_handshake_message(f, &f->ec, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384");
	assert_int_equal(f->spy.scheme, KEY_SCHEME_ECDSA);
}

static void tls10_with_ephemeral_keys(void **state)
{
	struct fixture *f = *state;

	assert_signed_a_handshake_message(f, &f->old, TLS1_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0");
	assert_int_equal(f->spy.scheme, KEY_SCHEME_PKCS1);
	assert_signed_a_handshake_message(f, &f->rsa, TLS1_VERSION, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0");
}

static void rsa_key_exchange(void **state)
{
	struct fixture *f = *state;
	static const struct tls_case cases[] = {
		{TLS1_2_VERSION, "AES256-SHA"},
		{TLS1_VERSION, "AES256-SHA:@SECLEVEL=0"},
	};

	for (size_t i = 0; i < 2; i++) {
		f->spy.n = 0;
		handshake(&f->rsa, &cases[i]);
		assert_int_equal(f->spy.n, 1);
		assert_int_equal(f->spy.scheme, KEY_SCHEME_RSA_DECRYPT);
	}
	handshake(&f->old, &cases[1]);
}

/* --- the pieces --- */

static int decrypt_premaster(EVP_PKEY *key, const uint8_t *in, size_t in_len, unsigned version, uint8_t out[512],
			     size_t *len)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &version),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING) > 0);
	assert_true(EVP_PKEY_CTX_set_params(ctx, params) > 0);
	*len = 512;
	return EVP_PKEY_decrypt(ctx, out, len, in, in_len);
}

/* RFC 5246 7.4.7.1: a wrong secret must look like a right one. */
static void a_wrong_premaster_becomes_a_random_one(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *enc = EVP_PKEY_CTX_new(X509_get0_pubkey(cert_x509(f->rsa.cert)), NULL);
	uint8_t secret[48] = {3, 3, 7};
	uint8_t sealed[256];
	uint8_t out[512];
	uint8_t again[512];
	size_t len = sizeof(sealed);
	size_t n;

	assert_int_equal(EVP_PKEY_encrypt_init(enc), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(enc, RSA_PKCS1_PADDING) > 0);
	assert_int_equal(EVP_PKEY_encrypt(enc, sealed, &len, secret, sizeof(secret)), 1);
	assert_int_equal(decrypt_premaster(f->rsa.key, sealed, len, 0x0303, out, &n), 1);
	assert_int_equal(n, 48);
	assert_memory_equal(out, secret, 48);
	assert_int_equal(decrypt_premaster(f->rsa.key, sealed, len, 0x0302, out, &n), 1); /* rolled back */
	assert_int_equal(n, 48);
	assert_memory_not_equal(out, secret, 48);
	sealed[100] ^= 1;
	assert_int_equal(decrypt_premaster(f->rsa.key, sealed, len, 0x0303, out, &n), 1);
	assert_int_equal(n, 48);
	assert_int_equal(decrypt_premaster(f->rsa.key, sealed, len, 0x0303, again, &n), 1);
	assert_memory_not_equal(out, again, 48);
}

static void no_other_decryption(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(f->rsa.key, NULL);
	uint8_t buf[256] = {0};
	size_t len = sizeof(buf);

	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_true(EVP_PKEY_decrypt(ctx, buf, &len, buf, sizeof(buf)) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) <= 0);
	assert_true(EVP_PKEY_decrypt(ctx, buf, &len, buf, sizeof(buf)) <= 0);
	ERR_clear_error();
}

static int verify_message(const struct identity *id, int pad, const uint8_t *sig, size_t len)
{
	AUTO(auto_md_ctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;

	assert_int_equal(EVP_DigestVerifyInit(md, &ctx, EVP_sha256(), NULL, X509_get0_pubkey(cert_x509(id->cert))), 1);
	if (pad)
		assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, pad) > 0);
	return EVP_DigestVerify(md, sig, len, (const uint8_t *)"message", 7);
}

static void a_message_in_parts(void **state)
{
	struct fixture *f = *state;
	const struct identity *ids[] = {&f->rsa, &f->ec};

	for (size_t i = 0; i < 2; i++) {
		AUTO(auto_md_ctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
		uint8_t sig[KEY_SIG_MAX];
		size_t len = 0;
		assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, ids[i]->key), 1);
		assert_int_equal(EVP_DigestSignUpdate(md, "mess", 4), 1);
		assert_int_equal(EVP_DigestSignUpdate(md, "age", 3), 1);
		assert_int_equal(EVP_DigestSignFinal(md, NULL, &len), 1);
		assert_true(len <= sizeof(sig));
		assert_int_equal(EVP_DigestSignFinal(md, sig, &len), 1);
		assert_false(f->spy.message);
		assert_int_equal(verify_message(ids[i], 0, sig, len), 1);
	}
}

static void a_message_at_once(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_md_ctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit(md, &ctx, EVP_sha256(), NULL, f->rsa.key), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
	assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0);
	assert_int_equal(EVP_DigestSign(md, sig, &len, (const uint8_t *)"message", 7), 1);
	assert_true(f->spy.message);
	assert_int_equal(verify_message(&f->rsa, RSA_PKCS1_PSS_PADDING, sig, len), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_MAX) <= 0);
	ERR_clear_error();
}

static void a_digest(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(f->rsa.key, NULL);
	uint8_t hash[DIGEST_MAX];
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	struct err e = ERR_INIT;

	assert_ok(digest_one(DIGEST_SHA256, view_str("message"), hash, &e), &e);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_true(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, hash, 32), 1);
	assert_false(f->spy.message);
	assert_int_equal(verify_message(&f->rsa, RSA_PKCS1_PADDING, sig, len), 1);
	len = 255;
	assert_true(EVP_PKEY_sign(ctx, sig, &len, hash, 32) <= 0);
	ERR_clear_error();
}

static void the_private_half_stays_away(void **state)
{
	struct fixture *f = *state;
	OSSL_PARAM *params = NULL;
	uint8_t *der = NULL;

	assert_int_equal(EVP_PKEY_todata(f->rsa.key, EVP_PKEY_KEYPAIR, &params), 0);
	assert_true(i2d_PrivateKey(f->ec.key, &der) <= 0);
	assert_null(der);
	assert_int_equal(EVP_PKEY_eq(f->rsa.key, X509_get0_pubkey(cert_x509(f->rsa.cert))), 1);
	assert_int_equal(EVP_PKEY_eq(f->ec.key, X509_get0_pubkey(cert_x509(f->ec.cert))), 1);
	assert_int_not_equal(EVP_PKEY_eq(f->rsa.key, X509_get0_pubkey(cert_x509(f->old.cert))), 1);
	assert_int_not_equal(EVP_PKEY_eq(f->rsa.key, f->ec.key), 1);
	ERR_clear_error();
}

static void nobody_else_meets_the_provider(void **state)
{
	AUTO(auto_pkey) EVP_PKEY *key = EVP_EC_gen("P-256");

	(void)state;
	assert_non_null(key);
	assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "default");
	assert_false(OSSL_PROVIDER_available(NULL, "ringfence"));
}

static void a_missing_key_is_named(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_md_ctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	struct err e = ERR_INIT;

	assert_ok(key_borrow(f->ks, "TVS.0123456789abcdef", X509_get0_pubkey(cert_x509(f->rsa.cert)), &key, &e), &e);
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
	assert_true(EVP_DigestSign(md, sig, &len, (const uint8_t *)"m", 1) <= 0);
	assert_err(err_openssl(&e, ERR_CRYPTO, "signing"), ERR_CRYPTO);
	assert_non_null(strstr(e.text, "there is no such key"));
	assert_int_equal(ERR_peek_error(), 0);
}

static void only_rsa_and_ec_can_be_borrowed(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *key = NULL;

	assert_err(key_borrow(f->ks, "TVS.0123456789abcdef", ed, &key, NULL), ERR_USAGE);
	assert_err(key_borrow(f->ks, "TVS", X509_get0_pubkey(cert_x509(f->rsa.cert)), &key, NULL), ERR_USAGE);
	assert_null(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls13),
		cmocka_unit_test(tls12_with_ephemeral_keys),
		cmocka_unit_test(tls10_with_ephemeral_keys),
		cmocka_unit_test(rsa_key_exchange),
		cmocka_unit_test(a_wrong_premaster_becomes_a_random_one),
		cmocka_unit_test(no_other_decryption),
		cmocka_unit_test(a_message_in_parts),
		cmocka_unit_test(a_message_at_once),
		cmocka_unit_test(a_digest),
		cmocka_unit_test(the_private_half_stays_away),
		cmocka_unit_test(nobody_else_meets_the_provider),
		cmocka_unit_test(a_missing_key_is_named),
		cmocka_unit_test(only_rsa_and_ec_can_be_borrowed),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
