#include "phone/enrol.h"

#include <openssl/x509.h>

#include "phone/world.h"

/* A phone, and what it said last. */
struct pair {
	struct phone phone;
	struct enrolment n;
	struct capf_identity me;
	struct capf_client c;
	struct capf_msg answer;
	struct wr out;
};

static void begin(struct pair *t, const char *model_name)
{
	*t = (struct pair){0};
	make_phone(&t->phone, model_name, (struct view){0}, (struct view){0});
	t->n.phone = &t->phone;
	enrol_identity(&t->phone, PHONE_CAPF_NULL, NULL, &t->me);
	capf_client_init(&t->c, &t->me);
	wr_init(&t->out, CAPF_FRAME_MAX);
}

static void finish(struct pair *t)
{
	wr_clear(&t->out);
	phone_clear(&t->phone);
}

static void obey(struct pair *t, enum capf_client_want want)
{
	struct err e = ERR_INIT;

	wr_clear(&t->out);
	t->c.asked = t->c.last = want;
	assert_ok(enrol_obey(&t->n, &t->c, want, &t->out, &e), &e);
	assert_ok(capf_msg_read(wr_view_all(&t->out), &t->answer, &e), &e);
}

static void want_key(struct pair *t, uint8_t type, uint16_t bits, uint8_t curve)
{
	t->c.key_type = type;
	t->c.key_bits = bits;
	t->c.curve = curve;
	obey(t, CAPF_CLIENT_GENERATE);
}

static void store(struct pair *t, const char *name, bool good)
{
	struct cert *c = golden_cert(name);

	t->c.certificate = cert_der(c);
	obey(t, CAPF_CLIENT_STORE);
	assert_int_equal(t->answer.command, CAPF_STORE_CERTIFICATE_RESPONSE);
	assert_int_equal(t->answer.reason, good ? CAPF_REASON_SUCCESS : CAPF_REASON_INVALID);
	cert_unref(c);
}

/* formats-and-protocols.md 7.5: who shows what in which mode */
static void identities(void **state)
{
	struct capf_identity me;
	struct pair t;

	(void)state;
	begin(&t, "8861");
	assert_string_equal(t.me.device, "SEP001122334455");
	assert_int_equal(t.me.version, 3);
	assert_null(t.me.password);
	enrol_identity(&t.phone, PHONE_CAPF_STRING, "123456", &me);
	assert_string_equal(me.password, "123456");
	enrol_identity(&t.phone, PHONE_CAPF_NULL, "123456", &me); /* never told to those who did not ask for it */
	assert_null(me.password);
	for (enum phone_capf_mode mode = PHONE_CAPF_LSC; mode <= PHONE_CAPF_MIC; mode++) {
		enrol_identity(&t.phone, mode, NULL, &me); /* it has none */
		assert_null(me.cert);
		assert_null(me.sudi);
	}
	give_identity(&t.phone.mic, callmanager_new);
	enrol_identity(&t.phone, PHONE_CAPF_LSC, NULL, &me);
	assert_ptr_equal(me.cert, t.phone.mic.cert);
	assert_int_equal(me.cert_type, CAPF_CERT_MIC);
	give_identity(&t.phone.lsc, phone_lsc);
	enrol_identity(&t.phone, PHONE_CAPF_LSC, NULL, &me);
	assert_ptr_equal(me.cert, t.phone.lsc.cert);
	assert_ptr_equal(me.key, t.phone.lsc.key);
	assert_int_equal(me.cert_type, CAPF_CERT_LSC);
	assert_ptr_equal(me.sudi, t.phone.mic.cert);
	enrol_identity(&t.phone, PHONE_CAPF_MIC, NULL, &me);
	assert_ptr_equal(me.cert, t.phone.mic.cert);
	enrol_identity(&t.phone, PHONE_CAPF_NULL, NULL, &me);
	assert_null(me.cert);
	give_identity(&t.phone.mic, (struct identity){"ec384", "ec384"}); /* SUDI data is for RSA only */
	enrol_identity(&t.phone, PHONE_CAPF_MIC, NULL, &me);
	assert_ptr_equal(me.cert, t.phone.mic.cert);
	assert_null(me.sudi);
	finish(&t);
}

static void makes_keys(void **state)
{
	static const unsigned curve_bits[] = {256, 384, 521};
	EVP_PKEY *pub;
	struct pair t;

	(void)state;
	begin(&t, "8861");
	want_key(&t, CAPF_KEY_RSA, 1024, 0);
	for (uint8_t curve = 0; curve < 3; curve++) {
		const uint8_t *p;

		want_key(&t, CAPF_KEY_EC, 0, curve);
		p = t.answer.public_key.p;
		pub = d2i_PUBKEY(NULL, &p, (long)t.answer.public_key.len);
		assert_non_null(pub);
		assert_int_equal(EVP_PKEY_get_bits(pub), curve_bits[curve]);
		assert_true(EVP_PKEY_eq(pub, t.phone.lsc_next));
		EVP_PKEY_free(pub);
	}
	want_key(&t, CAPF_KEY_EC, 0, 3); /* a curve nobody knows */
	assert_null(t.answer.public_key.p);
	assert_int_equal(t.answer.reason, CAPF_REASON_INVALID);
	assert_null(t.phone.lsc_next);
	want_key(&t, CAPF_KEY_RSA, 1000, 0);
	assert_null(t.answer.public_key.p);
	assert_true(*t.n.failed);
	assert_null(t.phone.lsc.cert); /* a key is no certificate */
	finish(&t);

	begin(&t, "7975");
	want_key(&t, CAPF_KEY_EC, 0, CAPF_CURVE_P384);
	assert_null(t.answer.public_key.p);
	assert_non_null(strstr(t.n.failed, "EC key"));
	want_key(&t, CAPF_KEY_RSA, 1024, 0); /* EC preferred, RSA for those who cannot */
	assert_non_null(t.answer.public_key.p);
	assert_string_equal(t.n.failed, "");
	finish(&t);
}

static void keeps_what_belongs_to_its_key(void **state)
{
	EVP_PKEY *key = golden_key("device2048");
	char hash[PHONE_CERT_HASH_LEN + 1];
	struct pair t;

	(void)state;
	begin(&t, "8861");
	t.n.key = key;
	store(&t, "device2048", false); /* it has made no key */
	want_key(&t, CAPF_KEY_RSA, 2048, 0);
	assert_ptr_equal(t.phone.lsc_next, key);
	store(&t, "pub2048", false);
	assert_null(t.phone.lsc.cert);
	t.c.certificate = view_str("no certificate");
	obey(&t, CAPF_CLIENT_STORE);
	assert_int_equal(t.answer.reason, CAPF_REASON_INVALID);
	assert_false(t.n.installed);
	store(&t, "device2048", true);
	assert_true(t.n.installed);
	assert_null(t.phone.lsc_next);
	assert_ptr_equal(t.phone.lsc.key, key);
	phone_cert_hash(t.phone.lsc.cert, hash);
	assert_string_equal(hash, "6187e67cc9624a4ef0306449313f7de4"); /* formats-and-protocols.md 5.4 */
	assert_true(phone_has_cert(&t.phone, hash));
	store(&t, "device2048", true); /* renewed under the same key */
	finish(&t);
	EVP_PKEY_free(key);
}

static void shows_and_deletes(void **state)
{
	struct pair t;

	(void)state;
	begin(&t, "8861");
	obey(&t, CAPF_CLIENT_FETCH);
	assert_int_equal(t.answer.reason, CAPF_REASON_INVALID);
	assert_false(t.n.fetched);
	obey(&t, CAPF_CLIENT_DELETE);
	assert_int_equal(t.answer.reason, CAPF_REASON_INVALID);
	assert_false(t.n.deleted);
	give_identity(&t.phone.mic, callmanager_new);
	obey(&t, CAPF_CLIENT_FETCH);
	assert_int_equal(t.answer.certificate_type, CAPF_CERT_MIC);
	give_identity(&t.phone.lsc, phone_lsc);
	obey(&t, CAPF_CLIENT_FETCH);
	assert_int_equal(t.answer.certificate_type, CAPF_CERT_LSC);
	assert_true(view_eq(t.answer.certificate, cert_der(t.phone.lsc.cert)));
	assert_true(t.n.fetched);
	obey(&t, CAPF_CLIENT_DELETE);
	assert_int_equal(t.answer.reason, CAPF_REASON_SUCCESS);
	assert_true(t.n.deleted);
	assert_null(t.phone.lsc.cert);
	assert_null(t.phone.lsc.key);
	assert_non_null(t.phone.mic.cert); /* nobody can delete that */
	finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identities),
		cmocka_unit_test(makes_keys),
		cmocka_unit_test(keeps_what_belongs_to_its_key),
		cmocka_unit_test(shows_and_deletes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
