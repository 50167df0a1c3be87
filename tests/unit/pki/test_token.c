#include "testing.h"

#include <string.h>
#include <sys/stat.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "pki/name.h"
#include "pki/rsa.h"
#include "pki/token.h"
#include "softhsm.h"

struct fixture {
	struct softhsm hsm;
	struct pkcs11 *p;
	struct pkcs11_session *s;
	struct token_ca ca;
	enum pkcs11_key_seen seen[4]; /* of the certificates on the token */
	size_t n_seen;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	softhsm_make(&f->hsm);
	assert_ok(pkcs11_open(SOFTHSM_MODULE, &f->p, &e), &e);
	assert_ok(pkcs11_session_open(f->p, NULL, true, &f->s, &e), &e);
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	assert_ok(token_ca_make(NULL, &clock_system, &random_system, &f->ca, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	token_ca_clear(&f->ca);
	pkcs11_session_free(f->s);
	pkcs11_free(f->p);
	softhsm_remove(&f->hsm);
	free(f);
	return 0;
}

static void make(struct fixture *f, struct token_identity *t)
{
	const struct token_request req = {0};
	struct err e = ERR_INIT;

	assert_ok(token_make(f->s, &f->ca, &req, &clock_system, &random_system, t, &e), &e);
}

/* The name in a CTL is, octet for octet, as long and as cut as those of formats-and-protocols.md 1.12. */
static void the_name_in_a_ctl(void **state)
{
	struct fixture *f = *state;
	struct token_identity t = {0};
	char name[NAME_MAX_LEN], wanted[NAME_MAX_LEN];
	struct err e = ERR_INIT;

	make(f, &t);
	assert_ok(name_from_der(cert_subject_der(t.cert), NAME_FORM_B, name, sizeof(name), &e), &e);
	snprintf(wanted, sizeof(wanted), "cn=\"%s        \";ou=IPCBU;o=\"Cisco Systems", t.label);
	assert_string_equal(name, wanted);
	assert_int_equal(strlen(name) + 1, 56);
	assert_int_equal(X509_verify(cert_x509(t.cert), f->ca.key), 1);
	assert_true(!cert_is_self_issued(t.cert));
	assert_int_equal(X509_check_issued(cert_x509(f->ca.cert), cert_x509(t.cert)), X509_V_OK);
	token_identity_clear(&t);
}

static void find_and_sign(void **state)
{
	struct fixture *f = *state;
	struct token_identity made = {0}, t = {0};
	uint8_t hash[DIGEST_MAX] = {1, 2}, sig[KEY_SIG_MAX];
	static const enum digest digests[] = {DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512};
	struct rsa_pub *pub = NULL;
	size_t len;
	struct err e = ERR_INIT;

	assert_err(token_find(f->s, NULL, &t, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "init-token"));
	err_clear(&e);
	make(f, &made);
	assert_ok(token_find(f->s, NULL, &t, &e), &e);
	assert_true(cert_same(t.cert, made.cert));
	assert_string_equal(t.label, made.label);
	assert_ok(rsa_pub_new(cert_public_key(t.cert), &pub, &e), &e);
	for (size_t i = 0; i < 3; i++) {
		assert_ok(token_sign(&t, digests[i], hash, sig, &len, &e), &e);
		assert_ok(rsa_verify(pub, RSA_PAD_DIGESTINFO, digests[i], hash, (struct view){sig, len}, &e), &e);
	}
	rsa_pub_free(pub);
	token_identity_clear(&t);
	token_identity_clear(&made);
}

static int count_key(void *ctx, const struct pkcs11_found *found)
{
	(void)found;
	++*(int *)ctx;
	return 0;
}

static void what_is_refused(void **state)
{
	struct fixture *f = *state;
	struct token_identity t = {0};
	struct token_request req = {.key_bits = 3072};
	struct err e = ERR_INIT;
	int n = 0;

	assert_err(token_make(f->s, &f->ca, &req, &clock_system, &random_system, &t, NULL), ERR_USAGE);
	req = (struct token_request){.cn = ""};
	assert_err(token_make(f->s, &f->ca, &req, &clock_system, &random_system, &t, NULL), ERR_USAGE);
	/* A subject that no certificate can hold shows when the key is there already: it is taken away again. */
	req = (struct token_request){.o = "an organisation whose name has more than the sixty-four characters it may have"};
	assert_err(token_make(f->s, &f->ca, &req, &clock_system, &random_system, &t, NULL), ERR_USAGE);
	assert_ok(pkcs11_keys(f->s, NULL, count_key, &n, &e), &e);
	assert_int_equal(n, 0);
	make(f, &t);
	req = (struct token_request){0};
	assert_err(token_make(f->s, &f->ca, &req, &clock_system, &random_system, &t, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, t.label));
	token_identity_clear(&t);
}

static int look_for_key(void *ctx, const struct pkcs11_found *found, struct cert *cert)
{
	struct fixture *f = ctx;
	struct err e = ERR_INIT;

	assert_ok(pkcs11_cert_key(f->s, found, cert, &f->seen[f->n_seen++], &e), &e);
	return 0;
}

static void look_for_keys(struct fixture *f)
{
	struct err e = ERR_INIT;

	f->n_seen = 0;
	assert_ok(pkcs11_certs(f->s, NULL, look_for_key, f, &e), &e);
}

/* The certificate of somebody else has no key here, whatever its id says. */
static void whose_key_is_there(void **state)
{
	struct fixture *f = *state;
	struct token_identity t = {0};
	struct err e = ERR_INIT;
	int n = 0;

	assert_ok(pkcs11_cert_write(f->s, "CA", view_str("\7"), f->ca.cert, &e), &e);
	look_for_keys(f);
	assert_int_equal(f->n_seen, 1);
	assert_int_equal(f->seen[0], PKCS11_KEY_HIDDEN);
	assert_ok(token_check_empty(f->s, &e), &e);
	make(f, &t);
	assert_err(token_check_empty(f->s, NULL), ERR_USAGE);
	assert_ok(pkcs11_logout(f->s, &e), &e);
	look_for_keys(f);
	assert_int_equal(f->n_seen, 2);
	assert_true((f->seen[0] == PKCS11_KEY_THERE) != (f->seen[1] == PKCS11_KEY_THERE));
	assert_true((f->seen[0] == PKCS11_KEY_MISSING) != (f->seen[1] == PKCS11_KEY_MISSING));
	/* And it goes again, with nothing else. */
	assert_ok(pkcs11_login(f->s, SOFTHSM_PIN, true, &e), &e);
	token_identity_clear(&t);
	assert_ok(token_find(f->s, NULL, &t, &e), &e); /* the logout took the handle of the key */
	token_take_back(&t);
	assert_null(t.cert);
	assert_ok(pkcs11_keys(f->s, NULL, count_key, &n, &e), &e);
	assert_int_equal(n, 0);
	look_for_keys(f);
	assert_int_equal(f->n_seen, 1);
	assert_int_equal(f->seen[0], PKCS11_KEY_HIDDEN);
}

static void files_of_the_ca(void **state)
{
	struct fixture *f = *state;
	char cert[128], key[128];
	struct token_ca again = {0};
	struct err e = ERR_INIT;
	struct stat st;

	snprintf(cert, sizeof(cert), "%s/ca.pem", f->hsm.dir.path);
	snprintf(key, sizeof(key), "%s/ca.key", f->hsm.dir.path);
	assert_err(token_ca_load(cert, key, &again, NULL), ERR_IO);
	assert_ok(token_ca_save(&f->ca, cert, key, &e), &e);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_err(token_ca_save(&f->ca, cert, key, NULL), ERR_IO); /* never over another */
	assert_ok(token_ca_load(cert, key, &again, &e), &e);
	assert_true(cert_same(again.cert, f->ca.cert));
	token_ca_clear(&again);
	chmod(key, 0644);
	assert_err(token_ca_load(cert, key, &again, NULL), ERR_AUTH);
	chmod(key, 0600);
	/* The key of another CA. */
	unlink(key);
	unlink(cert);
	assert_ok(token_ca_make("Other CA", &clock_system, &random_system, &again, &e), &e);
	assert_ok(token_ca_save(&again, cert, key, &e), &e);
	token_ca_clear(&again);
	unlink(cert);
	snprintf(key, sizeof(key), "%s/ca2.key", f->hsm.dir.path);
	assert_ok(token_ca_save(&f->ca, cert, key, &e), &e);
	snprintf(key, sizeof(key), "%s/ca.key", f->hsm.dir.path);
	assert_err(token_ca_load(cert, key, &again, NULL), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_name_in_a_ctl, setup, teardown),
		cmocka_unit_test_setup_teardown(find_and_sign, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(whose_key_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(files_of_the_ca, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
