#include "testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/keystore.h"
#include "pki/ossl.h"
#include "pki/rsa.h"
#include "tempdir.h"

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

static void path_of(const struct fixture *f, const char *name, char out[256])
{
	snprintf(out, 256, "%s/%s.key", f->dir.path, name);
}

static void make(struct fixture *f, const char *unit, enum key_type type, unsigned bits, char name[KEY_NAME_MAX])
{
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	struct key_spec spec = {.type = type, .bits = bits};
	struct err e = ERR_INIT;

	assert_ok(f->ks->ops->generate(f->ks, unit, spec, name, &pub, &e), &e);
	assert_int_equal(EVP_PKEY_get_bits(pub), (int)bits);
}

static void reopen(struct fixture *f)
{
	struct err e = ERR_INIT;

	keystore_free(f->ks);
	f->ks = NULL;
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
}

static void a_generated_key_is_a_private_file(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char path[256];
	struct stat st;

	make(f, "CallManager", KEY_RSA, 1024, name);
	assert_true(key_name_ok(name));
	path_of(f, name, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
}

static int verify(EVP_PKEY *pub, int pad, const EVP_MD *md, struct view hash, struct view sig)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);

	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	if (pad)
		assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, pad) > 0);
	assert_true(EVP_PKEY_CTX_set_signature_md(ctx, md) > 0);
	return EVP_PKEY_verify(ctx, sig.p, sig.len, hash.p, hash.len);
}

static void signs_in_every_scheme(void **state)
{
	struct fixture *f = *state;
	char rsa[KEY_NAME_MAX];
	char ec[KEY_NAME_MAX];
	AUTO(auto_pkey) EVP_PKEY *rsa_pub = NULL;
	AUTO(auto_pkey) EVP_PKEY *ec_pub = NULL;
	uint8_t sig[KEY_SIG_MAX];
	uint8_t hash[DIGEST_MAX];
	size_t len;
	struct err e = ERR_INIT;

	make(f, "TVS", KEY_RSA, 2048, rsa);
	make(f, "CallManager-ECDSA", KEY_EC, 384, ec);
	reopen(f);
	assert_ok(f->ks->ops->public_key(f->ks, rsa, &rsa_pub, &e), &e);
	assert_ok(f->ks->ops->public_key(f->ks, ec, &ec_pub, &e), &e);
	assert_ok(digest_one(DIGEST_SHA256, view_str("message"), hash, &e), &e);
	struct view h = {hash, 32};
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = h};
	for (int i = 0; i < 2; i++) { /* the second time with what the first prepared */
		req.scheme = KEY_SCHEME_PKCS1;
		assert_ok(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, &e), &e);
		assert_int_equal(len, 256);
		assert_int_equal(verify(rsa_pub, RSA_PKCS1_PADDING, EVP_sha256(), h, (struct view){sig, len}), 1);
		req.scheme = KEY_SCHEME_PSS;
		assert_ok(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, &e), &e);
		assert_int_equal(verify(rsa_pub, RSA_PKCS1_PSS_PADDING, EVP_sha256(), h, (struct view){sig, len}), 1);
		req.scheme = KEY_SCHEME_ECDSA;
		assert_ok(f->ks->ops->sign(f->ks, ec, &req, sig, &len, &e), &e);
		assert_int_equal(verify(ec_pub, 0, EVP_sha256(), h, (struct view){sig, len}), 1);
	}
	struct key_sign whole = {
		.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = view_str("message"), .message = true};
	assert_ok(f->ks->ops->sign(f->ks, rsa, &whole, sig, &len, &e), &e);
	assert_int_equal(verify(rsa_pub, RSA_PKCS1_PADDING, EVP_sha256(), h, (struct view){sig, len}), 1);
}

static void pads_bare_octets(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	uint8_t hash[DIGEST_MAX];
	uint8_t sig[KEY_SIG_MAX];
	uint8_t *pkcs1 = NULL;
	size_t len;
	struct rsa_pub *key = NULL;
	struct err e = ERR_INIT;

	make(f, "CAPF", KEY_RSA, 1024, name);
	assert_ok(f->ks->ops->public_key(f->ks, name, &pub, &e), &e);
	assert_ok(digest_one(DIGEST_SHA1, view_str("message"), hash, &e), &e);
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .input = {hash, 20}};
	assert_ok(f->ks->ops->sign(f->ks, name, &req, sig, &len, &e), &e);
	int n = i2d_PublicKey(pub, &pkcs1);
	assert_ok(rsa_pub_new((struct view){pkcs1, (size_t)n}, &key, &e), &e);
	assert_ok(rsa_verify(key, RSA_PAD_BARE, DIGEST_SHA1, hash, (struct view){sig, len}, &e), &e);
	rsa_pub_free(key);
	OPENSSL_free(pkcs1);
}

static void refuses_what_makes_no_sense(void **state)
{
	struct fixture *f = *state;
	char rsa[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;
	uint8_t sig[KEY_SIG_MAX];
	uint8_t hash[32] = {0};
	size_t len;
	struct err e = ERR_INIT;

	make(f, "TVS", KEY_RSA, 1024, rsa);
	struct key_sign req = {.scheme = KEY_SCHEME_ECDSA, .md_nid = NID_sha256, .input = {hash, 32}};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_PSS, .input = {hash, 32}};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 20}};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_PKCS1, .md_nid = 999999, .input = {hash, 20}};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_PKCS1, .input = {hash, 20}, .message = true};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_RSA_DECRYPT, .input = {hash, 3}};
	assert_err(f->ks->ops->sign(f->ks, rsa, &req, sig, &len, NULL), ERR_USAGE);
	req = (struct key_sign){.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 32}};
	assert_err(f->ks->ops->sign(f->ks, "TVS.0123456789abcdef", &req, sig, &len, &e), ERR_AUTH);
	assert_err(f->ks->ops->sign(f->ks, "../../etc/passwd", &req, sig, &len, NULL), ERR_AUTH);
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, NULL), ERR_AUTH);
	assert_null(pub);
	struct key_spec odd = {.type = KEY_RSA, .bits = 1000};
	assert_err(f->ks->ops->generate(f->ks, "TVS", odd, rsa, &pub, NULL), ERR_USAGE);
	odd = (struct key_spec){.type = KEY_EC, .bits = 192};
	assert_err(f->ks->ops->generate(f->ks, "TVS", odd, rsa, &pub, NULL), ERR_USAGE);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char path[256];
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	make(f, "TVS", KEY_RSA, 1024, name);
	reopen(f);
	path_of(f, name, path);
	assert_int_equal(chmod(path, 0640), 0);
	assert_err(f->ks->ops->public_key(f->ks, name, &pub, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	err_clear(&e);
	assert_ok(f->ks->ops->public_key(f->ks, name, &pub, &e), &e);
	EVP_PKEY_free(pub);
}

static void a_folder_that_others_may_enter_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keystore *ks = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(chmod(f->dir.path, 0750), 0);
	assert_err(keystore_file_open(f->dir.path, &ks, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "chmod 700"));
	assert_int_equal(chmod(f->dir.path, 0700), 0);
	assert_err(keystore_file_open("/nonexistent/keys", &ks, NULL), ERR_IO);
	assert_null(ks);
}

static void links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char path[256];
	char link[256];
	EVP_PKEY *pub = NULL;

	make(f, "TVS", KEY_RSA, 1024, name);
	path_of(f, name, path);
	path_of(f, "TVS.0123456789abcdef", link);
	assert_int_equal(symlink(path, link), 0);
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, NULL), ERR_IO);
}

static void a_file_must_hold_the_key_it_is_named_after(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char path[256];
	char other[256];
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	make(f, "TVS", KEY_RSA, 1024, name);
	path_of(f, name, path);
	path_of(f, "TVS.0123456789abcdef", other);
	assert_int_equal(rename(path, other), 0);
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, &e), ERR_PROTO);
	assert_string_equal(e.rule, "key-name");
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void damaged_and_encrypted_files(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	AUTO(auto_pkey) EVP_PKEY *key = EVP_RSA_gen(1024);
	char path[256];
	char text[4096];
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	path_of(f, "TVS.0123456789abcdef", path);
	put_file(path, "");
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, &e), ERR_PROTO);
	assert_string_equal(e.rule, "private-key");
	assert_non_null(strstr(e.text, "TVS.0123456789abcdef.key"));
	put_file(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, NULL), ERR_PROTO);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
	int n = BIO_read(bio, text, sizeof(text) - 1);
	text[n] = '\0';
	put_file(path, text);
	err_clear(&e);
	assert_err(f->ks->ops->public_key(f->ks, "TVS.0123456789abcdef", &pub, &e), ERR_PROTO);
	assert_non_null(strstr(e.text, "passphrase"));
}

static void export_and_import(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char again[KEY_NAME_MAX];
	uint8_t *pkcs8 = NULL;
	size_t len = 0;
	struct stat before;
	struct stat after;
	char path[256];
	struct err e = ERR_INIT;

	make(f, "ITLRecovery", KEY_RSA, 2048, name);
	path_of(f, name, path);
	assert_ok(f->ks->ops->export(f->ks, name, &pkcs8, &len, &e), &e);
	assert_int_equal(stat(path, &before), 0);
	assert_ok(f->ks->ops->import(f->ks, "ITLRecovery", (struct view){pkcs8, len}, again, &e), &e);
	assert_string_equal(again, name);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* never overwritten */
	assert_ok(f->ks->ops->remove(f->ks, name, &e), &e);
	assert_err(f->ks->ops->remove(f->ks, name, NULL), ERR_AUTH);
	assert_ok(f->ks->ops->import(f->ks, "ITLRecovery", (struct view){pkcs8, len}, again, &e), &e);
	assert_string_equal(again, name);
	assert_err(f->ks->ops->import(f->ks, "ITLRecovery", (struct view){pkcs8, len - 1}, again, NULL), ERR_PROTO);
	assert_err(f->ks->ops->import(f->ks, "ITL/Recovery", (struct view){pkcs8, len}, again, NULL), ERR_USAGE);
	assert_err(f->ks->ops->import(f->ks, "ITLRecovery", view_str("junk"), again, NULL), ERR_PROTO);
	secret_free(pkcs8, len);
}

static void foreign_kinds_of_keys_are_not_imported(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	AUTO(auto_pkey) EVP_PKEY *koblitz = EVP_EC_gen("secp256k1");
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *keys[] = {ed, koblitz};
	char name[KEY_NAME_MAX];

	for (size_t i = 0; i < 2; i++) {
		uint8_t *der;
		BIO_reset(bio);
		assert_int_equal(i2d_PKCS8PrivateKey_bio(bio, keys[i], NULL, NULL, 0, NULL, NULL), 1);
		long len = BIO_get_mem_data(bio, (char **)&der);
		assert_err(f->ks->ops->import(f->ks, "TVS", (struct view){der, (size_t)len}, name, NULL), ERR_USAGE);
	}
}

struct listed {
	char text[256];
	int stop_after;
	int n;
};

static int take_name(void *ctx, const char *name)
{
	struct listed *l = ctx;

	strncat(l->text, name, strcspn(name, "."));
	strcat(l->text, " ");
	return ++l->n == l->stop_after ? 7 : 0;
}

static void lists_keys_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	char path[256];
	struct listed l = {0};
	struct err e = ERR_INIT;

	make(f, "TVS", KEY_EC, 256, name);
	make(f, "CAPF", KEY_EC, 256, name);
	snprintf(path, sizeof(path), "%s/notes.key", f->dir.path);
	put_file(path, "x");
	snprintf(path, sizeof(path), "%s/.TVS.0123456789abcdef.key.new", f->dir.path);
	put_file(path, "half");
	assert_ok(f->ks->ops->list(f->ks, take_name, &l, &e), &e);
	assert_string_equal(l.text, "CAPF TVS ");
	l = (struct listed){.stop_after = 1};
	assert_int_equal(f->ks->ops->list(f->ks, take_name, &l, &e), 7);
	assert_string_equal(l.text, "CAPF ");
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct key_spec spec = {.type = KEY_EC, .bits = 256};
	struct rlimit old;
	struct rlimit none = {0};
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;
	struct listed l = {0};
	struct err e = ERR_INIT;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int r = f->ks->ops->generate(f->ks, "TVS", spec, name, &pub, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, ERR_IO);
	assert_null(pub);
	assert_ok(f->ks->ops->list(f->ks, take_name, &l, &e), &e);
	assert_string_equal(l.text, "");
	make(f, "TVS", KEY_EC, 256, name);
}

struct signer {
	struct keystore *ks;
	const char *name;
	struct view pkcs1;
	bool ok;
};

static void *sign_often(void *arg)
{
	struct signer *s = arg;
	uint8_t hash[DIGEST_MAX] = {1};
	uint8_t sig[KEY_SIG_MAX];
	size_t len;
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha1, .input = {hash, 20}};
	const struct rsa_pub *pub;

	s->ok = rsa_pub_get(s->pkcs1, &pub, NULL) == 0; /* each thread has its own */
	for (int i = 0; s->ok && i < 50; i++)
		s->ok = s->ks->ops->sign(s->ks, s->name, &req, sig, &len, NULL) == 0 &&
			rsa_verify(pub, RSA_PAD_DIGESTINFO, DIGEST_SHA1, hash, (struct view){sig, len}, NULL) == 0;
	return NULL;
}

static void threads_sign_at_once(void **state)
{
	struct fixture *f = *state;
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	char name[KEY_NAME_MAX];
	uint8_t *pkcs1 = NULL;
	pthread_t threads[4];
	struct signer signers[4];
	struct err e = ERR_INIT;

	make(f, "CallManager", KEY_RSA, 1024, name);
	assert_ok(f->ks->ops->public_key(f->ks, name, &pub, &e), &e);
	int n = i2d_PublicKey(pub, &pkcs1);
	assert_true(n > 0);
	for (int i = 0; i < 4; i++) {
		signers[i] = (struct signer){.ks = f->ks, .name = name, .pkcs1 = {pkcs1, (size_t)n}};
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &signers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(signers[i].ok);
	}
	OPENSSL_free(pkcs1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_generated_key_is_a_private_file, setup, teardown),
		cmocka_unit_test_setup_teardown(signs_in_every_scheme, setup, teardown),
		cmocka_unit_test_setup_teardown(pads_bare_octets, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_that_others_may_read_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_that_others_may_enter_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(links_are_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_must_hold_the_key_it_is_named_after, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_and_encrypted_files, setup, teardown),
		cmocka_unit_test_setup_teardown(export_and_import, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_kinds_of_keys_are_not_imported, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_keys_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_sign_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
