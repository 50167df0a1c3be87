#include "cmd/capf/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/x509v3.h>

#include "base/file.h"
#include "golden.h"
#include "pki/key_pem.h"
#include "pki/keystore.h"
#include "pki/lsc.h"
#include "tempdir.h"

#define DEVICE "SEP001122334455"

/* A CAPF that issues for whatever it is told, and a phone that is asked as if by its connection. */
struct fixture {
	struct tempdir dir, keys;
	struct keystore *ks;
	char name[KEY_NAME_MAX], key_out[256], cert_out[256];
	struct cert *issuer;
	struct capf_client client;
	struct capf_session session;
	struct capf_msg said;       /* the phone's last answer, in frame */
	struct wr frame;
};

static const struct capf_identity phone = {.device = DEVICE, .version = 3};

static void come_for(struct fixture *f, enum capf_op op)
{
	capf_session_clear(&f->session);
	f->session = (struct capf_session){.op = op, .device = DEVICE, .cert_type = CAPF_CERT_LSC, .key_out = f->key_out,
					   .cert_out = f->cert_out};
	capf_client_init(&f->client, &phone);
	f->client.version = 3;
}

static int setup(void **state)
{
	static const struct subject capf = {.cn = "CAPF-12345678", .o = "Example"};
	static const struct cert_profile ca = {.key_usage = KU_KEY_CERT_SIGN, .ca = true, .days = 365,
					       .digest = DIGEST_SHA256};
	struct fixture *f = calloc(1, sizeof *f);
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	tempdir_make(&f->keys);
	snprintf(f->key_out, sizeof f->key_out, "%s/phone.key", f->dir.path);
	snprintf(f->cert_out, sizeof f->cert_out, "%s/phone.pem", f->dir.path);
	assert_ok(keystore_file_open(f->keys.path, &f->ks, &e), &e);
	assert_ok(f->ks->ops->generate(f->ks, "CAPF", (struct key_spec){KEY_RSA, 2048}, f->name, &pub, &e), &e);
	assert_ok(issue_self_signed(f->ks, f->name, &capf, &ca, &clock_system, &random_system, &f->issuer, &e), &e);
	EVP_PKEY_free(pub);
	wr_init(&f->frame, CAPF_FRAME_MAX);
	come_for(f, CAPF_OP_ENROLL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	capf_session_clear(&f->session);
	wr_clear(&f->frame);
	cert_unref(f->issuer);
	keystore_free(f->ks);
	tempdir_remove(&f->keys);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

static void want(struct fixture *f, enum capf_client_want w)
{
	struct err e = ERR_INIT;

	f->client.asked = f->client.last = w;
	wr_clear(&f->frame);
	assert_ok(capf_session_obey(&f->session, &f->client, w, &f->frame, &e), &e);
	assert_ok(capf_msg_read(wr_view_all(&f->frame), &f->said, &e), &e);
}

static void want_rsa(struct fixture *f, uint16_t bits)
{
	f->client.key_type = CAPF_KEY_RSA;
	f->client.key_bits = bits;
	want(f, CAPF_CLIENT_GENERATE);
}

/* Gives a certificate for this public key and device. */
static void store(struct fixture *f, struct view spki, const char *device)
{
	struct cert *lsc = NULL;
	struct err e = ERR_INIT;

	assert_ok(lsc_issue(f->ks, f->name, f->issuer, device, spki, &lsc_template_default, &clock_system, &random_system,
			    &lsc, &e), &e);
	f->client.certificate = cert_der(lsc);
	want(f, CAPF_CLIENT_STORE);
	cert_unref(lsc);
}

/* What the phone sent as its public key; the caller frees. */
static struct view sent_key(const struct fixture *f)
{
	uint8_t *p = malloc(f->said.public_key.len + 1);

	assert_int_equal(f->said.command, CAPF_KEY_GENERATE_RESPONSE);
	assert_true(f->said.public_key.len > 0);
	memcpy(p, f->said.public_key.p, f->said.public_key.len);
	return (struct view){p, f->said.public_key.len};
}

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static void nothing_was_kept(const struct fixture *f, const char *why)
{
	assert_non_null(strstr(f->session.declined, why));
	assert_true(f->said.has_reason && f->said.reason == CAPF_REASON_INVALID);
	assert_false(exists(f->key_out));
	assert_false(exists(f->cert_out));
	assert_null(f->session.lsc);
	assert_false(f->session.obeyed);
	assert_false(capf_session_done(&f->session, &f->client));
}

static EVP_PKEY *load_key(const char *path)
{
	EVP_PKEY *key = NULL;
	uint8_t *pem = NULL;
	size_t len;
	struct err e = ERR_INIT;

	assert_ok(file_read(AT_FDCWD, path, 65536, &pem, &len, &e), &e);
	assert_ok(key_from_pem((struct view){pem, len}, &key, &e), &e);
	free(pem);
	return key;
}

static void keeps_key_and_certificate(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	want_rsa(f, 1024);
	assert_false(exists(f->key_out));
	struct view spki = sent_key(f);
	store(f, spki, DEVICE);
	assert_int_equal(f->said.command, CAPF_STORE_CERTIFICATE_RESPONSE);
	assert_int_equal(f->said.reason, CAPF_REASON_SUCCESS);
	assert_string_equal(f->session.declined, "");
	assert_int_equal(stat(f->key_out, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	EVP_PKEY *key = load_key(f->key_out);
	assert_ok(cert_load(AT_FDCWD, f->cert_out, &c, &e), &e);
	assert_int_equal(X509_check_private_key(cert_x509(c), key), 1);
	assert_int_equal(cert_key_bits(c), 1024);
	f->client.reason = CAPF_REASON_SUCCESS;
	assert_true(capf_session_done(&f->session, &f->client));
	f->client.reason = CAPF_REASON_INVALID;
	assert_false(capf_session_done(&f->session, &f->client));
	EVP_PKEY_free(key);
	cert_unref(c);
	free((void *)spki.p);
}

static void makes_what_is_asked_for(void **state)
{
	static const struct key_spec curves[] = {{KEY_EC, 256}, {KEY_EC, 384}, {KEY_EC, 521}};
	static const uint16_t bits[] = {512, 1024, 2048};
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	for (uint8_t i = 0; i < 3; i++) {
		f->client.key_type = CAPF_KEY_EC;
		f->client.curve = i;
		want(f, CAPF_CLIENT_GENERATE);
		assert_ok(lsc_key_check(f->said.public_key, curves[i], &e), &e);
		want_rsa(f, bits[i]);
		assert_ok(lsc_key_check(f->said.public_key, (struct key_spec){KEY_RSA, bits[i]}, &e), &e);
	}
	want_rsa(f, 2047);
	nothing_was_kept(f, "cannot be given");
	f->client.key_type = CAPF_KEY_EC;
	f->client.curve = 3;
	want(f, CAPF_CLIENT_GENERATE);
	nothing_was_kept(f, "curve number 3");
}

static void another_ones_certificate_is_not_kept(void **state)
{
	struct fixture *f = *state;

	want_rsa(f, 1024);
	struct view spki = sent_key(f);
	store(f, spki, "SEP001122334456");
	nothing_was_kept(f, "another device");
	store(f, cert_spki(f->issuer), DEVICE);
	nothing_was_kept(f, "another key");
	f->client.certificate = (struct view){(const uint8_t *)"\x30\x03\x02\x01\x00", 5};
	want(f, CAPF_CLIENT_STORE);
	nothing_was_kept(f, "was not kept");
	free((void *)spki.p);
}

static void both_files_or_neither(void **state)
{
	struct fixture *f = *state;

	snprintf(f->cert_out, sizeof f->cert_out, "%s/no/such/folder.pem", f->dir.path);
	want_rsa(f, 1024);
	struct view spki = sent_key(f);
	store(f, spki, DEVICE);
	nothing_was_kept(f, "was not kept");
	free((void *)spki.p);
}

static void a_given_key_must_be_the_one_asked_for(void **state)
{
	struct fixture *f = *state;

	f->session.given_key = golden_key_file("keys/device2048.key");
	want_rsa(f, 1024);
	nothing_was_kept(f, "cannot be given");
	want_rsa(f, 2048);
	assert_string_equal(f->session.declined, "");
	struct view spki = sent_key(f);
	store(f, spki, DEVICE);
	assert_true(f->session.obeyed);
	assert_true(exists(f->cert_out));
	assert_false(exists(f->key_out));
	EVP_PKEY_free(f->session.given_key);
	free((void *)spki.p);
}

/* An authority elsewhere: the key is sent in one session and the certificate comes in a later one. */
static void a_key_waits_for_its_certificate(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	want_rsa(f, 1024);
	struct view spki = sent_key(f);
	f->client.retry = true;
	assert_ok(capf_session_end(&f->session, &f->client, &e), &e);
	assert_true(f->session.key_waits);
	assert_false(capf_session_done(&f->session, &f->client));

	come_for(f, CAPF_OP_ENROLL);
	f->session.given_key = load_key(f->key_out);
	store(f, spki, DEVICE);
	assert_true(f->session.obeyed);
	EVP_PKEY_free(f->session.given_key);

	come_for(f, CAPF_OP_ENROLL);
	store(f, spki, DEVICE);
	assert_non_null(strstr(f->session.declined, "--use-key"));
	assert_false(f->session.obeyed);
	free((void *)spki.p);
}

static void does_only_what_it_came_for(void **state)
{
	static const enum capf_client_want wants[] = {CAPF_CLIENT_GENERATE, CAPF_CLIENT_STORE, CAPF_CLIENT_FETCH,
						      CAPF_CLIENT_DELETE};
	static const enum capf_op right[] = {CAPF_OP_ENROLL, CAPF_OP_ENROLL, CAPF_OP_FETCH, CAPF_OP_DELETE};
	struct fixture *f = *state;

	for (enum capf_op op = CAPF_OP_ENROLL; op <= CAPF_OP_DELETE; op++) {
		for (size_t i = 0; i < 4; i++) {
			if (right[i] == op)
				continue;
			come_for(f, op);
			f->session.cert = f->issuer;
			f->client.certificate = cert_der(f->issuer);
			want(f, wants[i]);
			nothing_was_kept(f, "the server wants to");
			assert_false(f->said.certificate.p || f->said.public_key.p);
		}
	}
	come_for(f, CAPF_OP_FETCH);
	f->session.cert = f->issuer;
	f->session.cert_type = CAPF_CERT_MIC;
	want(f, CAPF_CLIENT_FETCH);
	assert_true(view_eq(f->said.certificate, cert_der(f->issuer)));
	assert_int_equal(f->said.certificate_type, CAPF_CERT_MIC);
	assert_true(capf_session_done(&f->session, &f->client)); /* the server ends a fetch with reason 0 (7.4) */
	come_for(f, CAPF_OP_DELETE);
	want(f, CAPF_CLIENT_DELETE);
	assert_int_equal(f->said.command, CAPF_DELETE_CERTIFICATE_RESPONSE);
	assert_int_equal(f->said.reason, CAPF_REASON_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_key_and_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(makes_what_is_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(another_ones_certificate_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(both_files_or_neither, setup, teardown),
		cmocka_unit_test_setup_teardown(a_given_key_must_be_the_one_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_waits_for_its_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(does_only_what_it_came_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
