#include "testing.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/issue.h"
#include "pki/keystore_pkcs11.h"
#include "pki/ossl.h"
#include "pki/pkcs11.h"
#include "softhsm.h"

#define URI "pkcs11:token=ringfence?module-path=" SOFTHSM_MODULE

struct fixture {
	struct softhsm hsm;
	struct tempdir files;
	struct keystore *ks;
};

static void open_split(struct fixture *f, const char *pin)
{
	const struct keystore_pkcs11_config cfg = {.uri = URI, .pin = pin};
	struct keystore *files = NULL, *token = NULL;
	struct err e = ERR_INIT;

	assert_ok(keystore_file_open(f->files.path, &files, &e), &e);
	assert_ok(keystore_pkcs11_open(&cfg, &token, &e), &e);
	assert_ok(keystore_split_take(files, token, "CAPF, ITLRecovery", &f->ks, &e), &e);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	softhsm_make(&f->hsm);
	tempdir_make(&f->files);
	open_split(f, SOFTHSM_PIN);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keystore_free(f->ks);
	tempdir_remove(&f->files);
	softhsm_remove(&f->hsm);
	free(f);
	return 0;
}

static EVP_PKEY *make(struct fixture *f, const char *unit, char name[KEY_NAME_MAX])
{
	struct key_spec spec = {.type = KEY_RSA, .bits = 1024};
	struct err e = ERR_INIT;
	EVP_PKEY *pub = NULL;

	assert_ok(f->ks->ops->generate(f->ks, unit, spec, name, &pub, &e), &e);
	return pub;
}

static void sign(struct fixture *f, const char *name, EVP_PKEY *pub)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	uint8_t sig[KEY_SIG_MAX], hash[32] = {5};
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 32}};
	struct err e = ERR_INIT;
	size_t len = 0;

	assert_ok(f->ks->ops->sign(f->ks, name, &req, sig, &len, &e), &e);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, sig, len, hash, 32), 1);
}

static int count(void *ctx, const char *name)
{
	char *all = ctx;

	assert_true(key_name_ok(name));
	strcat(strcat(all, name), " ");
	return 0;
}

static void units_live_where_they_are_told(void **state)
{
	struct fixture *f = *state;
	char capf[KEY_NAME_MAX], tvs[KEY_NAME_MAX], all[512] = "", wanted[512];
	AUTO(auto_pkey) EVP_PKEY *a = make(f, "CAPF", capf);
	AUTO(auto_pkey) EVP_PKEY *b = make(f, "TVS", tvs);
	AUTO(auto_pkey) EVP_PKEY *again = NULL;
	uint8_t *pkcs8 = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	sign(f, capf, a);
	sign(f, tvs, b);
	assert_ok(f->ks->ops->public_key(f->ks, capf, &again, &e), &e);
	assert_int_equal(EVP_PKEY_eq(a, again), 1);
	assert_ok(f->ks->ops->list(f->ks, count, all, &e), &e);
	snprintf(wanted, sizeof(wanted), "%s %s ", capf, tvs);
	assert_string_equal(all, wanted);
	assert_err(f->ks->ops->export(f->ks, capf, &pkcs8, &len, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(f->ks->ops->export(f->ks, tvs, &pkcs8, &len, &e), &e);
	/* Known to a new process too; a key from elsewhere goes to files, whatever its unit. */
	keystore_free(f->ks);
	open_split(f, SOFTHSM_PIN);
	sign(f, capf, a);
	assert_ok(f->ks->ops->import(f->ks, "ITLRecovery", (struct view){pkcs8, len}, tvs, &e), &e);
	sign(f, tvs, b);
	secret_free(pkcs8, len);
	assert_ok(f->ks->ops->remove(f->ks, capf, &e), &e);
	assert_err(f->ks->ops->remove(f->ks, capf, NULL), ERR_AUTH);
	assert_err(f->ks->ops->public_key(f->ks, capf, &again, NULL), ERR_AUTH);
	assert_err(f->ks->ops->export(f->ks, capf, &pkcs8, &len, NULL), ERR_AUTH);
	assert_err(f->ks->ops->public_key(f->ks, "../x", &again, NULL), ERR_AUTH);
}

static void words_of_a_list(void **state)
{
	(void)state;
	assert_true(keystore_split_has_unit("CAPF, TVS", "TVS", 3));
	assert_false(keystore_split_has_unit("CallManager-ECDSA,CAPF", "CallManager", 11));
	assert_false(keystore_split_has_unit("", "CAPF", 4));
	assert_false(keystore_split_has_unit("CAPF", "", 0));
}

/* A PIN that was refused is not given a second time: three would lock many a token. */
static void a_refused_pin_is_not_tried_again(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	struct key_spec spec = {.type = KEY_RSA, .bits = 1024};
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	keystore_free(f->ks);
	open_split(f, "9999");
	assert_err(f->ks->ops->generate(f->ks, "CAPF", spec, name, &pub, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "PIN is wrong"));
	err_clear(&e);
	assert_err(f->ks->ops->generate(f->ks, "CAPF", spec, name, &pub, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "not asked again"));
	EVP_PKEY_free(make(f, "TVS", name)); /* files need no token */
}

/* Another key under the label of one that is looked for: it would sign for the wrong certificate. */
static void a_label_proves_nothing(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = make(f, "CAPF", name);
	struct pkcs11 *p = NULL;
	struct pkcs11_session *s = NULL;
	struct pkcs11_want w = {.label = name};
	struct pkcs11_object key;
	uint8_t sig[KEY_SIG_MAX], hash[32] = {0};
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha256, .input = {hash, 32}};
	size_t len;
	bool found;
	struct err e = ERR_INIT;

	EVP_PKEY_free(pub);
	assert_ok(pkcs11_open(SOFTHSM_MODULE, &p, &e), &e);
	assert_ok(pkcs11_session_open(p, NULL, true, &s, &e), &e);
	assert_ok(pkcs11_login(s, SOFTHSM_PIN, true, &e), &e);
	assert_ok(pkcs11_key_find(s, &w, &found, &key, &e), &e);
	assert_ok(pkcs11_key_name(s, key, "CAPF.0000000000000001", view_str("\1"), &e), &e);
	assert_err(f->ks->ops->sign(f->ks, "CAPF.0000000000000001", &req, sig, &len, &e), ERR_PROTO);
	assert_string_equal(e.rule, "key-name");
	pkcs11_session_free(s);
	pkcs11_free(p);
}

struct job {
	struct fixture *f;
	const char *name;
	EVP_PKEY *pub;
};

static void *sign_much(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < 20; i++)
		sign(j->f, j->name, j->pub);
	return NULL;
}

static void several_threads(void **state)
{
	struct fixture *f = *state;
	char name[2][KEY_NAME_MAX];
	pthread_t threads[4];
	struct job jobs[4];

	AUTO(auto_pkey) EVP_PKEY *a = make(f, "CAPF", name[0]);
	AUTO(auto_pkey) EVP_PKEY *b = make(f, "ITLRecovery", name[1]);
	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job){f, name[i % 2], i % 2 ? b : a};
		assert_int_equal(pthread_create(&threads[i], NULL, sign_much, &jobs[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void certificates_by_a_token(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX];
	AUTO(auto_pkey) EVP_PKEY *pub = make(f, "CAPF", name);
	const struct subject subject = {.cn = "CAPF-00112233", .o = "O"};
	const struct cert_profile profile = {.ca = true, .days = 10, .digest = DIGEST_SHA256};
	struct cert *cert = NULL;
	struct err e = ERR_INIT;

	assert_ok(issue_self_signed(f->ks, name, &subject, &profile, &clock_system, &random_system, &cert, &e), &e);
	assert_int_equal(X509_verify(cert_x509(cert), pub), 1);
	cert_unref(cert);
}

/* The module cannot write an object any more. Nothing half made stays. */
static void a_token_without_room(void **state)
{
	struct fixture *f = *state;
	char name[KEY_NAME_MAX], all[512] = "";
	struct key_spec spec = {.type = KEY_RSA, .bits = 1024};
	EVP_PKEY *pub = NULL;
	struct rlimit before, full = {.rlim_cur = 3};
	struct err e = ERR_INIT;

	assert_ok(f->ks->ops->list(f->ks, count, all, &e), &e); /* logged in */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	full.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	int rc = f->ks->ops->generate(f->ks, "CAPF", spec, name, &pub, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_not_equal(rc, 0);
	assert_true(e.text[0]);
	assert_null(pub);
	err_clear(&e);
	assert_ok(f->ks->ops->list(f->ks, count, all, &e), &e);
	assert_string_equal(all, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(units_live_where_they_are_told, setup, teardown),
		cmocka_unit_test(words_of_a_list),
		cmocka_unit_test_setup_teardown(a_refused_pin_is_not_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_label_proves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(several_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(certificates_by_a_token, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_without_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
