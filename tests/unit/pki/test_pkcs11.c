#include "testing.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/ossl.h"
#include "pki/pkcs11_internal.h"
#include "softhsm.h"

struct fixture {
	struct softhsm hsm;
	struct pkcs11 *p;
	struct pkcs11_session *s;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	softhsm_make(&f->hsm);
	assert_ok(pkcs11_open(SOFTHSM_MODULE, &f->p, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pkcs11_session_free(f->s);
	pkcs11_free(f->p);
	softhsm_remove(&f->hsm);
	free(f);
	return 0;
}

static void open_session(struct fixture *f)
{
	struct err e = ERR_INIT;

	assert_ok(pkcs11_session_open(f->p, NULL, true, &f->s, &e), &e);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
}

static struct pkcs11_uri *uri(const char *text)
{
	struct pkcs11_uri *u = NULL;
	struct err e = ERR_INIT;

	assert_ok(pkcs11_uri_parse(text, &u, &e), &e);
	return u;
}

static void uris(void **state)
{
	struct pkcs11_uri *u = uri("pkcs11:token=My%20token;object=CAPF.1;id=%01%02?module-path=/lib/x.so&pin-source=file:/etc/pin");
	struct pkcs11_want w = pkcs11_want_of(u);
	struct err e = ERR_INIT;

	(void)state;
	assert_string_equal(pkcs11_uri_module(u), "/lib/x.so");
	assert_string_equal(pkcs11_uri_pin_file(u), "/etc/pin");
	assert_string_equal(w.label, "CAPF.1");
	assert_int_equal(w.id.len, 2);
	assert_null(pkcs11_uri_pin(u));
	pkcs11_uri_free(u);
	u = uri("pkcs11:?pin-value=1234");
	assert_string_equal(pkcs11_uri_pin(u), "1234");
	assert_null(pkcs11_uri_module(u));
	assert_null(pkcs11_uri_object(u));
	pkcs11_uri_free(u);
	assert_err(pkcs11_uri_parse("file:/x", &u, &e), ERR_USAGE);
	assert_err(pkcs11_uri_parse("pkcs11:colour=red", &u, NULL), ERR_USAGE);
	assert_err(pkcs11_uri_parse("pkcs11:token=%zz?pin-value=9999", &u, NULL), ERR_USAGE);
	assert_null(strstr(e.text, "9999"));
	pkcs11_uri_free(NULL);
}

static void pins_in_files(void **state)
{
	struct fixture *f = *state;
	char path[128], *pin = NULL;
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/pin", f->hsm.dir.path);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "12 34\r\nmore\n", 12), 12);
	close(fd);
	assert_ok(pkcs11_pin_read(AT_FDCWD, path, &pin, &e), &e);
	assert_string_equal(pin, "12 34");
	secret_free(pin, PKCS11_PIN_MAX);
	chmod(path, 0640);
	assert_err(pkcs11_pin_read(AT_FDCWD, path, &pin, NULL), ERR_AUTH);
	chmod(path, 0600);
	assert_int_equal(truncate(path, 0), 0);
	assert_err(pkcs11_pin_read(AT_FDCWD, path, &pin, NULL), ERR_USAGE);
	unlink(path);
	assert_err(pkcs11_pin_read(AT_FDCWD, path, &pin, NULL), ERR_IO);
}

/* As the shell's <(...) gives it: the writer is there, and not yet done. */
static void pin_in_a_pipe(void **state)
{
	char path[128], *pin = NULL;
	struct err e = ERR_INIT;
	struct fixture *f = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	pid_t writer = fork();
	if (writer == 0) {
		usleep(100000);
		_exit(write(ends[1], "1234\n", 5) != 5);
	}
	close(ends[1]);
	assert_ok(pkcs11_pin_read(AT_FDCWD, path, &pin, &e), &e);
	assert_string_equal(pin, "1234");
	secret_free(pin, PKCS11_PIN_MAX);
	close(ends[0]);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	/* Nobody has it open for writing, and nobody is waited for. */
	snprintf(path, sizeof(path), "%s/fifo", f->hsm.dir.path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_err(pkcs11_pin_read(AT_FDCWD, path, &pin, NULL), ERR_USAGE);
}

static void modules(void **state)
{
	struct pkcs11 *p;
	struct err e = ERR_INIT;

	(void)state;
	assert_err(pkcs11_open("/nonexistent/module.so", &p, &e), ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent/module.so"));
	pkcs11_free(NULL);
}

static int keep_initialized(void *ctx, const struct pkcs11_token *t)
{
	if (t->initialized)
		*(struct pkcs11_token *)ctx = *t;
	return 0;
}

static void tokens(void **state)
{
	struct fixture *f = *state;
	struct pkcs11_token t = {0};
	char text[512];
	struct err e = ERR_INIT;

	assert_ok(pkcs11_tokens(f->p, keep_initialized, &t, &e), &e);
	assert_string_equal(t.label, "ringfence");
	assert_string_equal(t.manufacturer, "SoftHSM project");
	assert_string_equal(t.model, "SoftHSM v2");
	assert_int_equal(strlen(t.serial), 16);
	assert_true(t.login_required && t.pin_set && !t.pin_locked && !t.write_protected);
	assert_ok(pkcs11_token_uri(&t, text, sizeof(text), &e), &e);
	struct pkcs11_uri *u = uri(text);
	assert_ok(pkcs11_session_open(f->p, u, false, &f->s, &e), &e);
	pkcs11_uri_free(u);
	assert_err(pkcs11_token_uri(&t, text, 10, NULL), ERR_LIMIT);
}

static void which_token(void **state)
{
	struct fixture *f = *state;
	struct pkcs11_uri *u = uri("pkcs11:token=other");
	struct err e = ERR_INIT;

	assert_err(pkcs11_session_open(f->p, u, false, &f->s, &e), ERR_IO);
	assert_true(pkcs11_is(&e, PKCS11_REMOVED));
	softhsm_add_token(&f->hsm, "other");
	pkcs11_free(f->p);
	err_clear(&e);
	assert_ok(pkcs11_open(SOFTHSM_MODULE, &f->p, &e), &e);
	assert_err(pkcs11_session_open(f->p, NULL, false, &f->s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "serial="));
	err_clear(&e);
	assert_ok(pkcs11_session_open(f->p, u, false, &f->s, &e), &e);
	pkcs11_uri_free(u);
}

static void login(void **state)
{
	struct fixture *f = *state;
	struct pkcs11_token t;
	struct err e = ERR_INIT;

	assert_ok(pkcs11_session_open(f->p, NULL, false, &f->s, &e), &e);
	assert_err(pkcs11_login(f->s, "9999", true, &e), ERR_AUTH);
	assert_true(pkcs11_is(&e, PKCS11_PIN_INCORRECT));
	assert_null(strstr(e.text, "9999"));
	err_clear(&e);
	assert_ok(pkcs11_session_token(f->s, &t, &e), &e);
	assert_true(t.pin_low);
	assert_err(pkcs11_login(f->s, NULL, true, NULL), ERR_USAGE);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	assert_ok(pkcs11_logout(f->s, &e), &e);
	assert_ok(pkcs11_logout(f->s, &e), &e);
}

static void generate(struct fixture *f, enum key_type type, unsigned bits, bool may_decrypt, struct pkcs11_object *key,
		     EVP_PKEY **pub)
{
	struct key_spec spec = {.type = type, .bits = bits};
	struct err e = ERR_INIT;

	assert_ok(pkcs11_key_generate(f->s, spec, may_decrypt, "unit", key, pub, &e), &e);
	assert_int_equal(EVP_PKEY_get_bits(*pub), (int)bits);
}

static void verify(EVP_PKEY *pub, enum key_scheme scheme, int nid, struct view digest, struct view sig)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);

	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	if (scheme != KEY_SCHEME_ECDSA)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, scheme == KEY_SCHEME_PSS ? RSA_PKCS1_PSS_PADDING
											    : RSA_PKCS1_PADDING), 1);
	if (nid)
		assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbynid(nid)), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, sig.p, sig.len, digest.p, digest.len), 1);
}

static void check_signature(struct fixture *f, struct pkcs11_object key, EVP_PKEY *pub, enum key_scheme scheme, int nid)
{
	uint8_t sig[KEY_SIG_MAX], hash[EVP_MAX_MD_SIZE];
	size_t len = 0;
	unsigned n = 20;
	struct err e = ERR_INIT;
	struct key_sign req = {.scheme = scheme, .md_nid = nid, .input = view_str("message"), .message = nid != 0};

	memset(hash, 7, sizeof(hash));
	if (nid)
		assert_int_equal(EVP_Digest("message", 7, hash, &n, EVP_get_digestbynid(nid), NULL), 1);
	else
		req.input = (struct view){hash, n};
	assert_ok(pkcs11_sign(f->s, key, &req, sig, &len, &e), &e);
	verify(pub, scheme, nid, (struct view){hash, n}, (struct view){sig, len});
	req = (struct key_sign){.scheme = scheme, .md_nid = nid, .input = {hash, n}};
	assert_ok(pkcs11_sign(f->s, key, &req, sig, &len, &e), &e);
	verify(pub, scheme, nid, (struct view){hash, n}, (struct view){sig, len});
	if (nid) {
		req.input.len--;
		assert_err(pkcs11_sign(f->s, key, &req, sig, &len, NULL), ERR_USAGE);
	}
}

static void signatures(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct pkcs11_object key;
	static const int pkcs1[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512, NID_md5_sha1, 0};

	open_session(f);
	generate(f, KEY_RSA, 2048, false, &key, &pub);
	for (size_t i = 0; i < sizeof(pkcs1) / sizeof(pkcs1[0]); i++)
		check_signature(f, key, pub, KEY_SCHEME_PKCS1, pkcs1[i]);
	check_signature(f, key, pub, KEY_SCHEME_PSS, NID_sha256);
	check_signature(f, key, pub, KEY_SCHEME_PSS, NID_sha384);
}

static void wrong_requests(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct pkcs11_object key;
	uint8_t sig[KEY_SIG_MAX], hash[32] = {1};
	size_t len = 77;
	struct key_sign req = {.scheme = KEY_SCHEME_PSS, .input = {hash, 32}};

	open_session(f);
	generate(f, KEY_RSA, 1024, false, &key, &pub);
	assert_err(pkcs11_sign(f->s, key, &req, sig, &len, NULL), ERR_USAGE); /* PSS without a digest */
	req.md_nid = NID_md5;
	assert_err(pkcs11_sign(f->s, key, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_ECDSA, .md_nid = NID_sha256, .input = {hash, 32}};
	assert_int_not_equal(pkcs11_sign(f->s, key, &req, sig, &len, NULL), 0);
	req = (struct key_sign){.scheme = KEY_SCHEME_RSA_DECRYPT, .input = {hash, 3}};
	assert_err(pkcs11_sign(f->s, key, &req, sig, &len, NULL), ERR_USAGE);
	req.input.len = 32; /* the key was made without permission to decrypt */
	assert_err(pkcs11_sign(f->s, key, &req, sig, &len, NULL), ERR_USAGE);
	assert_int_equal(len, 77);
	struct key_spec odd = {.type = KEY_EC, .bits = 111};
	assert_err(pkcs11_key_generate(f->s, odd, false, "x", &key, &pub, NULL), ERR_USAGE);
}

static void elliptic_curves(void **state)
{
	struct fixture *f = *state;
	static const unsigned bits[] = {256, 384, 521};

	open_session(f);
	for (size_t i = 0; i < 3; i++) {
		AUTO(auto_pkey) EVP_PKEY *pub = NULL;
		struct pkcs11_object key;
		generate(f, KEY_EC, bits[i], false, &key, &pub);
		check_signature(f, key, pub, KEY_SCHEME_ECDSA, NID_sha384);
	}
}

static void exchange(struct fixture *f, struct pkcs11_object key, EVP_PKEY *pub, const uint8_t *secret, size_t n,
		     uint8_t out[KEY_PREMASTER_LEN])
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	uint8_t in[4 + 256] = {3, 1, 3, 1}, sig[KEY_SIG_MAX];
	size_t len = 256;
	struct err e = ERR_INIT;

	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, in + 4, &len, secret, n), 1);
	struct key_sign req = {.scheme = KEY_SCHEME_RSA_DECRYPT, .input = {in, 4 + len}};
	assert_ok(pkcs11_sign(f->s, key, &req, sig, &len, &e), &e);
	assert_int_equal(len, KEY_PREMASTER_LEN);
	memcpy(out, sig, len);
}

static void tls_key_exchange(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct pkcs11_object key;
	uint8_t secret[KEY_PREMASTER_LEN] = {3, 1, 9, 9}, out[KEY_PREMASTER_LEN], again[KEY_PREMASTER_LEN];

	open_session(f);
	generate(f, KEY_RSA, 2048, true, &key, &pub);
	exchange(f, key, pub, secret, sizeof(secret), out);
	assert_memory_equal(out, secret, sizeof(out));
	/* A wrong length or version: octets that nobody knows, other ones each time. */
	exchange(f, key, pub, secret, sizeof(secret) - 1, out);
	exchange(f, key, pub, secret, sizeof(secret) - 1, again);
	assert_memory_not_equal(out, again, sizeof(out));
	secret[1] = 3;
	exchange(f, key, pub, secret, sizeof(secret), out);
	assert_memory_not_equal(out, secret, sizeof(out));
}

static int count_key(void *ctx, const struct pkcs11_found *found)
{
	(void)found;
	++*(int *)ctx;
	return 0;
}

static void names_and_removal(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	AUTO(auto_pkey) EVP_PKEY *again = NULL;
	AUTO(auto_pkey) EVP_PKEY *third = NULL;
	struct pkcs11_object key, got, other;
	struct pkcs11_want w = {.label = "CAPF.0011223344556677"};
	struct err e = ERR_INIT;
	bool found;
	int n = 0;

	open_session(f);
	generate(f, KEY_RSA, 1024, false, &key, &pub);
	generate(f, KEY_RSA, 1024, false, &other, &third);
	assert_ok(pkcs11_key_find(f->s, &w, &found, &got, &e), &e);
	assert_false(found);
	assert_ok(pkcs11_key_name(f->s, key, w.label, view_str("\1\2\3"), &e), &e);
	w.id = view_str("\1\2\3");
	assert_ok(pkcs11_key_find(f->s, &w, &found, &got, &e), &e);
	assert_true(found);
	assert_ok(pkcs11_key_public(f->s, got, &again, &e), &e);
	assert_int_equal(EVP_PKEY_eq(pub, again), 1);
	assert_ok(pkcs11_keys(f->s, NULL, count_key, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_err(pkcs11_key_find(f->s, &(struct pkcs11_want){0}, &found, &got, NULL), ERR_USAGE);
	assert_ok(pkcs11_key_remove(f->s, key, &e), &e);
	assert_ok(pkcs11_key_find(f->s, &w, &found, &got, &e), &e);
	assert_false(found);
}

struct seen {
	int n;
	struct pkcs11_found last;
	struct cert *cert;
};

static int see_cert(void *ctx, const struct pkcs11_found *found, struct cert *cert)
{
	struct seen *seen = ctx;

	seen->n++;
	seen->last = *found;
	cert_unref(seen->cert);
	seen->cert = cert_ref(cert);
	return 0;
}

static void certificates(void **state)
{
	struct fixture *f = *state;
	struct cert *cert = NULL;
	struct seen seen = {0};
	char path[512];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/certs/etoken1.pem", getenv("GOLDEN"));
	assert_ok(cert_load(AT_FDCWD, path, &cert, &e), &e);
	open_session(f);
	assert_ok(pkcs11_cert_write(f->s, "a certificate", view_str("\7"), cert, &e), &e);
	assert_ok(pkcs11_logout(f->s, &e), &e); /* everybody may read it */
	assert_ok(pkcs11_certs(f->s, NULL, see_cert, &seen, &e), &e);
	assert_int_equal(seen.n, 1);
	assert_true(cert_same(seen.cert, cert));
	assert_string_equal(seen.last.label, "a certificate");
	assert_int_equal(seen.last.id_len, 1);
	struct pkcs11_want w = {.label = "another"};
	assert_ok(pkcs11_certs(f->s, &w, see_cert, &seen, &e), &e);
	assert_int_equal(seen.n, 1);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	assert_ok(pkcs11_object_remove(f->s, seen.last.object, &e), &e);
	assert_ok(pkcs11_certs(f->s, NULL, see_cert, &seen, &e), &e);
	assert_int_equal(seen.n, 1);
	cert_unref(seen.cert);
	cert_unref(cert);
}

static void what_a_session_may_not(void **state)
{
	struct fixture *f = *state;
	struct key_spec spec = {.type = KEY_RSA, .bits = 1024};
	struct pkcs11_object key;
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	assert_ok(pkcs11_session_open(f->p, NULL, true, &f->s, &e), &e);
	assert_err(pkcs11_key_generate(f->s, spec, false, "x", &key, &pub, &e), ERR_AUTH);
	assert_true(pkcs11_is(&e, PKCS11_NO_LOGIN));
	pkcs11_session_free(f->s);
	f->s = NULL;
	err_clear(&e);
	assert_ok(pkcs11_session_open(f->p, NULL, false, &f->s, &e), &e);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	assert_err(pkcs11_key_generate(f->s, spec, false, "x", &key, &pub, &e), ERR_USAGE);
	assert_true(pkcs11_is(&e, PKCS11_PROTECTED));
}

static void answers(void **state)
{
	static const struct { ck_rv_t rv; int code; const char *rule; bool lost; } all[] = {
		{CKR_DEVICE_MEMORY, ERR_LIMIT, PKCS11_FULL, false},
		{CKR_PIN_LOCKED, ERR_AUTH, PKCS11_PIN_LOCKED, false},
		{CKR_DEVICE_REMOVED, ERR_IO, PKCS11_REMOVED, true},
		{CKR_SESSION_HANDLE_INVALID, ERR_IO, PKCS11_SESSION_LOST, true},
		{CKR_TOKEN_WRITE_PROTECTED, ERR_USAGE, PKCS11_PROTECTED, false},
		{CKR_SESSION_COUNT, ERR_LIMIT, PKCS11_SESSIONS, false},
		{CKR_MECHANISM_INVALID, ERR_USAGE, PKCS11_CANNOT, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct pkcs11_session s = {.label = "tok"};
		struct err e = ERR_INIT;
		assert_int_equal(pkcs11_fail(&s, all[i].rv, "signing", &e), all[i].code);
		assert_true(pkcs11_is(&e, all[i].rule));
		assert_int_equal(pkcs11_session_lost(&s), all[i].lost);
		assert_memory_equal(e.text, "tok: signing: ", 14);
	}
	struct err e = ERR_INIT;
	assert_int_equal(pkcs11_fail(NULL, CKR_VENDOR_DEFINED + 7, "signing", &e), ERR_CRYPTO);
	assert_non_null(strstr(e.text, "0x80000007"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris),
		cmocka_unit_test_setup_teardown(pins_in_files, setup, teardown),
		cmocka_unit_test_setup_teardown(pin_in_a_pipe, setup, teardown),
		cmocka_unit_test(answers),
		cmocka_unit_test(modules),
		cmocka_unit_test_setup_teardown(tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(which_token, setup, teardown),
		cmocka_unit_test_setup_teardown(login, setup, teardown),
		cmocka_unit_test_setup_teardown(signatures, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(elliptic_curves, setup, teardown),
		cmocka_unit_test_setup_teardown(tls_key_exchange, setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_removal, setup, teardown),
		cmocka_unit_test_setup_teardown(certificates, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_session_may_not, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
