#include "../testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "base/log.h"
#include "base/secret.h"
#include "net/tls.h"
#include "pki/key_pem.h"
#include "server/keeper.h"

/* A keeper with a real keystore on two channels, in threads of this process. */
struct fixture {
	char dir[64];
	struct keystore *keys;     /* the keeper's own */
	struct keystore *director; /* through the channels */
	struct keystore *worker;
	int director_fd[2], worker_fd[2];
	struct keeper_channel channels[2];
	uint32_t legacy;
	pthread_t thread;
};

static void *run(void *arg)
{
	struct fixture *f = arg;
	struct keeper_config cfg = {f->keys, f->channels, 2, f->legacy};
	struct err e = ERR_INIT;

	return keeper_run(&cfg, &e) == 0 ? NULL : f;
}

static struct fixture *start(uint32_t legacy)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/ringfence-keeper-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_ok(keystore_file_open(f->dir, &f->keys, &e), &e);
	assert_ok(ipc_pair(f->director_fd, &e), &e);
	assert_ok(ipc_pair(f->worker_fd, &e), &e);
	f->legacy = legacy;
	f->channels[0] = (struct keeper_channel){f->director_fd[0], KEEPER_FOR_DIRECTOR};
	f->channels[1] = (struct keeper_channel){f->worker_fd[0], KEEPER_FOR_WORKER};
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	assert_ok(keystore_keeper_open(f->director_fd[1], &f->director, &e), &e);
	assert_ok(keystore_keeper_open(f->worker_fd[1], &f->worker, &e), &e);
	return f;
}

static int remove_key(void *ctx, const char *name)
{
	struct fixture *f = ctx;
	struct err e = ERR_INIT;

	assert_ok(f->keys->ops->remove(f->keys, name, &e), &e);
	return 0;
}

static void stop(struct fixture *f)
{
	struct err e = ERR_INIT;
	void *failed = NULL;

	close(f->director_fd[1]);
	close(f->worker_fd[1]);
	pthread_join(f->thread, &failed); /* every channel is closed */
	assert_null(failed);
	close(f->director_fd[0]);
	close(f->worker_fd[0]);
	assert_ok(f->keys->ops->list(f->keys, remove_key, f, &e), &e);
	keystore_free(f->director);
	keystore_free(f->worker);
	keystore_free(f->keys);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
}

static void make(struct fixture *f, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX], EVP_PKEY **pub)
{
	struct err e = ERR_INIT;

	assert_ok(f->director->ops->generate(f->director, unit, spec, name, pub, &e), &e);
}

/* A TLS 1.3 CertificateVerify, RFC 8446 4.4.3. */
static struct view certificate_verify(void)
{
	static uint8_t m[64 + 34 + 32];

	memset(m, ' ', 64);
	memcpy(m + 64, "TLS 1.3, server CertificateVerify", 34);
	memset(m + 98, 7, 32);
	return (struct view){m, sizeof(m)};
}

static void test_director_has_the_whole_keystore(void **state)
{
	struct fixture *f = start(0);
	struct keystore *ks = f->director;
	struct err e = ERR_INIT;
	char name[KEY_NAME_MAX], again[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL, *pub2 = NULL;
	uint8_t hash[32] = {1, 2, 3}, sig[KEY_SIG_MAX], *pkcs8 = NULL;
	size_t len = 0, n = 0;

	(void)state;
	make(f, "CallManager", (struct key_spec){KEY_RSA, 2048}, name, &pub);
	assert_true(key_name_ok(name));
	assert_ok(ks->ops->public_key(ks, name, &pub2, &e), &e);
	assert_int_equal(EVP_PKEY_eq(pub, pub2), 1);
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 32}};
	assert_ok(ks->ops->sign(ks, name, &req, sig, &len, &e), &e);
	assert_int_equal(len, 256);

	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
	assert_int_equal(EVP_PKEY_verify(ctx, sig, len, hash, 32), 1);
	EVP_PKEY_CTX_free(ctx);

	assert_ok(ks->ops->export(ks, name, &pkcs8, &n, &e), &e);
	assert_ok(ks->ops->remove(ks, name, &e), &e);
	assert_err(ks->ops->public_key(ks, name, &pub2, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(ks->ops->sign(ks, name, &req, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_ok(ks->ops->import(ks, "CallManager", (struct view){pkcs8, n}, again, &e), &e);
	assert_string_equal(again, name);
	secret_free(pkcs8, n);

	/* The keeper's errors keep class and text. */
	assert_err(ks->ops->generate(ks, "no/unit", (struct key_spec){KEY_RSA, 2048}, again, &pub2, &e), ERR_USAGE);
	assert_true(strlen(e.text) > 0);
	EVP_PKEY_free(pub);
	EVP_PKEY_free(pub2);
	stop(f);
}

static int count(void *ctx, const char *name)
{
	unsigned *n = ctx;

	assert_true(key_name_ok(name));
	return ++*n == 3 ? 42 : 0;
}

static void test_list(void **state)
{
	struct fixture *f = start(0);
	struct err e = ERR_INIT;
	char name[KEY_NAME_MAX];
	unsigned n = 0;

	(void)state;
	assert_ok(f->director->ops->list(f->director, count, &n, &e), &e);
	assert_int_equal(n, 0);
	for (int i = 0; i < 4; i++) {
		EVP_PKEY *pub = NULL;
		make(f, "TVS", (struct key_spec){KEY_EC, 256}, name, &pub);
		EVP_PKEY_free(pub);
	}
	assert_int_equal(f->director->ops->list(f->director, count, &n, &e), 42);
	assert_int_equal(n, 3);
	stop(f);
}

/* More names than fit into one message. */
static int names_list(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e)
{
	int rc = 0;

	(void)ks;
	(void)e;
	for (unsigned i = 0; i < 5000 && !rc; i++) {
		char name[KEY_NAME_MAX];
		snprintf(name, sizeof(name), "TVS.%016x", i);
		rc = cb(ctx, name);
	}
	return rc;
}

static int expect_next(void *ctx, const char *name)
{
	unsigned *n = ctx;
	char want[KEY_NAME_MAX];

	snprintf(want, sizeof(want), "TVS.%016x", (*n)++);
	assert_string_equal(name, want);
	return 0;
}

static void *serve_names(void *arg)
{
	static const struct keystore_ops ops = {.list = names_list};
	struct keystore ks = {&ops};
	struct keeper_channel ch = {*(int *)arg, KEEPER_FOR_DIRECTOR};
	struct err e = ERR_INIT;

	return keeper_serve(&ks, ch, false, &e) == 0 ? NULL : arg;
}

static void test_list_in_pages(void **state)
{
	struct keystore *ks = NULL;
	struct err e = ERR_INIT;
	pthread_t t;
	void *failed;
	unsigned n = 0;
	int fd[2];

	(void)state;
	assert_ok(ipc_pair(fd, &e), &e);
	assert_int_equal(pthread_create(&t, NULL, serve_names, &fd[0]), 0);
	assert_ok(keystore_keeper_open(fd[1], &ks, &e), &e);
	assert_ok(ks->ops->list(ks, expect_next, &n, &e), &e);
	assert_int_equal(n, 5000);
	keystore_free(ks);
	close(fd[1]);
	pthread_join(t, &failed);
	assert_null(failed);
	close(fd[0]);
}

static void test_worker_only_shakes_hands(void **state)
{
	struct fixture *f = start(0);
	struct keystore *ks = f->worker;
	struct err e = ERR_INIT;
	char tvs[KEY_NAME_MAX], ccm[KEY_NAME_MAX], name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;
	uint8_t sig[KEY_SIG_MAX], hash[32] = {0};
	size_t len = 0;

	(void)state;
	make(f, "TVS", (struct key_spec){KEY_RSA, 2048}, tvs, &pub);
	EVP_PKEY_free(pub);
	make(f, "CallManager", (struct key_spec){KEY_RSA, 2048}, ccm, &pub);
	EVP_PKEY_free(pub);
	pub = NULL;

	struct key_sign good = {
		.scheme = KEY_SCHEME_PSS, .md_nid = NID_sha256, .input = certificate_verify(), .message = true};
	assert_ok(ks->ops->sign(ks, tvs, &good, sig, &len, &e), &e);
	assert_int_equal(len, 256);

	/* Not with a key that signs lists and files, not another message, not a digest, and nothing decrypted. */
	assert_err(ks->ops->sign(ks, ccm, &good, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	struct key_sign bad = good;
	bad.message = false;
	assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	bad = (struct key_sign){.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 32}};
	assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	bad.message = true;
	assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	bad = good;
	bad.md_nid = 0;
	assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;
	for (size_t n = 0; n < good.input.len; n++) {
		bad = good;
		bad.input.len = n;
		assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
		e = ERR_INIT;
	}
	bad = (struct key_sign){.scheme = KEY_SCHEME_RSA_DECRYPT, .input = {sig, 256}};
	assert_err(ks->ops->sign(ks, tvs, &bad, sig, &len, &e), ERR_AUTH);
	e = ERR_INIT;

	assert_err(ks->ops->generate(ks, "TVS", (struct key_spec){KEY_EC, 256}, name, &pub, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(ks->ops->public_key(ks, tvs, &pub, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(ks->ops->import(ks, "TVS", (struct view){hash, 32}, name, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(ks->ops->remove(ks, tvs, &e), ERR_AUTH);
	e = ERR_INIT;
	unsigned n = 0;
	assert_err(ks->ops->list(ks, count, &n, &e), ERR_AUTH);
	assert_int_equal(n, 0);
	stop(f);
}

static void test_policy(void **state)
{
	struct key_sign decrypt = {.scheme = KEY_SCHEME_RSA_DECRYPT, .input = {(const uint8_t *)"x", 1}};
	struct key_sign sign = {.scheme = KEY_SCHEME_PSS, .md_nid = NID_sha256, .input = certificate_verify(),
		.message = true};
	static const struct {
		const char *key;
		bool allowed;
		uint32_t decrypts; /* the listener that may ask for RSA key exchange with it */
	} rows[] = {
		{"TVS.0123456789abcdef", true, LISTEN_BIT(LISTEN_LEGACY_TVS)},
		{"CAPF.0123456789abcdef", true, LISTEN_BIT(LISTEN_LEGACY_CAPF)},
		{"tomcat.0123456789abcdef", true, LISTEN_BIT(LISTEN_LEGACY_HTTPS)},
		{"CallManager-ECDSA.0123456789abcdef", true, 0},
		{"CallManager.0123456789abcdef", false, 0},
		{"ITLRecovery.0123456789abcdef", false, 0},
		{"ipsec.0123456789abcdef", false, 0},
		{"TVS", false, 0},
		{"", false, 0},
		{".0123456789abcdef", false, 0},
		{"TVSx.0123456789abcdef", false, 0},
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *key = rows[i].key;
		uint32_t by = rows[i].decrypts;
		assert_int_equal(keeper_allows(KEEPER_FOR_WORKER, 0, key, &sign, &e) == 0, rows[i].allowed);
		assert_int_equal(keeper_allows(KEEPER_FOR_WORKER, UINT32_MAX, key, &decrypt, &e) == 0, by != 0);
		assert_int_equal(keeper_allows(KEEPER_FOR_WORKER, by, key, &decrypt, &e) == 0, by != 0);
		assert_err(keeper_allows(KEEPER_FOR_WORKER, ~by, key, &decrypt, &e), ERR_AUTH);
		assert_err(keeper_allows(KEEPER_FOR_WORKER, 0, key, &decrypt, &e), ERR_AUTH);
		assert_int_equal(keeper_allows(KEEPER_FOR_DIRECTOR, 0, key, &decrypt, &e), 0);
	}
}

/* A worker has TVS's key, because that does nothing but handshakes, and no other. */
static void test_lent_keys(void **state)
{
	static const char *const kept[] = {"CallManager", "ITLRecovery", "CAPF", "CallManager-ECDSA", "tomcat", "ipsec", "TVSx"};
	struct fixture *f = start(0);
	EVP_PKEY *pub = NULL, *key = NULL;
	char name[KEY_NAME_MAX];
	struct err e = ERR_INIT;
	uint8_t *out = NULL;
	size_t len = 0;

	(void)state;
	make(f, "TVS", (struct key_spec){KEY_RSA, 2048}, name, &pub);
	assert_ok(f->worker->ops->export(f->worker, name, &out, &len, &e), &e);
	assert_ok(key_from_pkcs8((struct view){out, len}, &key, &e), &e);
	assert_int_equal(EVP_PKEY_eq(pub, key), 1);
	secret_free(out, len);
	EVP_PKEY_free(key);
	EVP_PKEY_free(pub);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		char other[KEY_NAME_MAX + 32];

		snprintf(other, sizeof(other), "%s.0123456789abcdef", kept[i]);
		assert_err(keeper_lends(KEEPER_FOR_WORKER, other, &e), ERR_AUTH);
		e = ERR_INIT;
		assert_ok(keeper_lends(KEEPER_FOR_DIRECTOR, other, &e), &e);
		/* The runner has what the call control is given, and that only to place it. */
		assert_int_equal(keeper_lends(KEEPER_FOR_RUNNER, other, &e) == 0, i == 0);
		struct key_sign decrypt = {.scheme = KEY_SCHEME_RSA_DECRYPT};
		assert_err(keeper_allows(KEEPER_FOR_RUNNER, UINT32_MAX, other, &decrypt, &e), ERR_AUTH);
		e = ERR_INIT;
	}
	assert_err(keeper_lends(KEEPER_FOR_RUNNER, "TVS.0123456789abcdef", &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(keeper_lends(KEEPER_FOR_WORKER, "TVS", &e), ERR_AUTH);
	e = ERR_INIT;
	make(f, "CAPF", (struct key_spec){KEY_EC, 256}, name, &pub);
	assert_err(f->worker->ops->export(f->worker, name, &out, &len, &e), ERR_AUTH);
	EVP_PKEY_free(pub);
	stop(f);
}

/* Whatever stands in a request, it is answered with an error and the channel lives. */
static void test_malformed_requests(void **state)
{
	struct fixture *f = start(0);
	uint8_t *buf = malloc(IPC_MAX);
	struct err e = ERR_INIT;
	struct view reply;
	struct wr w;
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;

	(void)state;
	assert_non_null(buf);
	make(f, "TVS", (struct key_spec){KEY_EC, 256}, name, &pub);
	EVP_PKEY_free(pub);
	wr_init(&w, 1000);
	ipc_put_str(&w, name);
	wr_u8(&w, KEY_SCHEME_ECDSA);
	wr_u8(&w, 1);
	wr_u32(&w, NID_sha256);
	wr_open16(&w);
	wr_view(&w, certificate_verify());
	wr_close(&w);
	struct view good = wr_view_all(&w);
	assert_ok(ipc_call(f->worker_fd[1], IPC_KEY_SIGN, good, 60000, buf, &reply, &e), &e);
	for (size_t n = 0; n < good.len; n++) {
		int rc = ipc_call(f->worker_fd[1], IPC_KEY_SIGN, (struct view){good.p, n}, 60000, buf, &reply, &e);
		assert_err(rc, ERR_PROTO);
		e = ERR_INIT;
	}
	for (uint16_t type = IPC_KEY_GENERATE; type < IPC_KEY_LIST + 5; type++) {
		int rc = ipc_call(f->director_fd[1], type, view_str("\xff\xff rubbish"), 60000, buf, &reply, &e);
		assert_err(rc, ERR_PROTO);
		e = ERR_INIT;
	}
	/* Not even a message. */
	assert_int_equal(write(f->worker_fd[1], "x", 1), 1);
	assert_int_equal(write(f->worker_fd[1], "", 0), 0);
	assert_ok(ipc_call(f->worker_fd[1], IPC_KEY_SIGN, good, 60000, buf, &reply, &e), &e);
	wr_clear(&w);
	free(buf);
	stop(f);
}

/* --- a handshake with a borrowed key --- */

static struct cert *certificate(struct keystore *ks, const char *name, EVP_PKEY *pub, EVP_PKEY **borrowed)
{
	X509 *x = X509_new();
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_ok(key_borrow(ks, name, pub, borrowed, &e), &e);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"node", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_int_equal(X509_set_pubkey(x, pub), 1);
	/* The signature does not matter to the handshake: nobody verifies it here. */
	EVP_PKEY *other = EVP_EC_gen("P-256");
	assert_true(X509_sign(x, other, EVP_sha256()) > 0);
	EVP_PKEY_free(other);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_free(x);
	return c;
}

static int handshake(SSL_CTX *server, int version, const char *ciphers)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	BIO *a = NULL, *b = NULL;

	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_min_proto_version(client, version);
	SSL_CTX_set_max_proto_version(client, version);
	if (ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(client, ciphers), 1);
	SSL *s = SSL_new(server), *c = SSL_new(client);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	int rs = 0, rc = 0;
	for (int i = 0; i < 20 && (rs != 1 || rc != 1); i++) {
		rc = SSL_do_handshake(c);
		rs = SSL_do_handshake(s);
	}
	SSL_free(s);
	SSL_free(c);
	SSL_CTX_free(client);
	return rs == 1 && rc == 1;
}

static void try_handshakes(struct key_spec spec, const char *unit, uint32_t legacy)
{
	struct fixture *f = start(legacy);
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL, *borrowed = NULL;
	SSL_CTX *ctx = NULL;
	struct err e = ERR_INIT;

	make(f, unit, spec, name, &pub);
	struct cert *c = certificate(f->worker, name, pub, &borrowed);
	assert_ok(tls_server_new(c, borrowed, &ctx, &e), &e);
	assert_true(handshake(ctx, TLS1_3_VERSION, NULL));
	assert_true(handshake(ctx, TLS1_2_VERSION, NULL));
	SSL_CTX_free(ctx);
	if (spec.type == KEY_RSA) {
		assert_ok(tls_server_new_insecure_legacy(c, borrowed, &ctx, &e), &e);
		assert_int_equal(handshake(ctx, TLS1_VERSION, "AES256-SHA"), legacy != 0);
		SSL_CTX_free(ctx);
	}
	cert_unref(c);
	EVP_PKEY_free(borrowed);
	EVP_PKEY_free(pub);
	stop(f);
}

static void test_handshakes_with_a_borrowed_key(void **state)
{
	(void)state;
	try_handshakes((struct key_spec){KEY_EC, 384}, "CallManager-ECDSA", 0);
	try_handshakes((struct key_spec){KEY_RSA, 2048}, "TVS", 0);
	try_handshakes((struct key_spec){KEY_RSA, 2048}, "TVS", LISTEN_BIT(LISTEN_LEGACY_TVS));
	try_handshakes((struct key_spec){KEY_RSA, 2048}, "tomcat", LISTEN_BIT(LISTEN_LEGACY_HTTPS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_director_has_the_whole_keystore),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_in_pages),
		cmocka_unit_test(test_worker_only_shakes_hands),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_lent_keys),
		cmocka_unit_test(test_malformed_requests),
		cmocka_unit_test(test_handshakes_with_a_borrowed_key),
	};
	log_open("test_keeper", LOG_LEVEL_ERROR); /* refusals are warnings */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
