#include "capf_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

/* Who a phone is, and what strangers try (issue 4, "Attacks as tests"). */

/* --- by authentication string --- */

static void string_is_good_once(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_STRING);
	visit(s, &v); /* no string at all: not counted */
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Invalid Authentication String");
	assert_int_equal(phone(s, PHONE).failures, 0);
	v.password = "4712";
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_int_equal(phone(s, PHONE).failures, 1);

	v.password = "4711";
	v.drop_before = 2; /* a broken connection does not use it up */
	visit(s, &v);
	v.drop_before = 0;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	assert_false(phone(s, PHONE).has_string);
	assert_int_equal(audited(s, "4711"), 0);
	assert_int_equal(audited(s, "4712"), 0);
	visit_clear(&v);
}

static void guessing_locks_the_device(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 };
	char guess[8], peer[32];

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_STRING);
	v.password = guess;
	v.peer = peer;
	for (unsigned i = 0; i < 200; i++) { /* each from an address of its own, a new connection each time */
		snprintf(guess, sizeof(guess), "%04u", 4600 + i);
		snprintf(peer, sizeof(peer), "10.2.%u.%u", i / 100, i % 100);
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_INVALID);
	}
	assert_int_equal(phone(s, PHONE).failures, 5);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Invalid Authentication String");
	assert_null(v.lsc);
	assert_true(audited(s, "wrong authentication string") > 0);

	s->n.now += 15 * 60 + 1;
	v.password = "4711";
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
}

static int keep_lockout(void *ctx, const struct capf_lockout *l)
{
	struct capf_lockout *seen = ctx;

	*seen = *l;
	return 0;
}

static void guessing_locks_the_address(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024, .password = "0000" };
	char name[32];

	set_param(s, PARAM_CAPF_ADDRESS_FAILURES, "6");
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "SEP00112233440%u", i);
		add_phone(s, name, DEVICE_INSTALL, i == 7 ? DEVICE_AUTH_NULL : DEVICE_AUTH_STRING);
		v.device = name;
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_INVALID);
	}
	assert_non_null(strstr(v.text, "locked out"));
	assert_int_equal(phone(s, "SEP001122334406").failures, 0); /* the seventh was not even looked at */
	/* the administrator sees it, and lets it in again */
	struct err e = ERR_INIT;
	size_t n = 0;
	struct capf_lockout seen = { .failures = 0 };
	assert_ok(capf_lockouts(s->a, keep_lockout, &seen, &e), &e);
	assert_string_equal(seen.address, PEER);
	assert_int_equal(seen.failures, 6);
	assert_int_equal(seen.until, s->n.now + 15 * 60);
	set_param(s, PARAM_CAPF_ADDRESS_LOCK, "30");
	assert_ok(capf_lockouts(s->a, keep_lockout, &seen, &e), &e);
	assert_int_equal(seen.until, s->n.now + 30 * 60);
	set_param(s, PARAM_CAPF_ADDRESS_LOCK, "15");
	assert_err(capf_lockout_delete(s->a, "test", "10.9.9.9", false, &n, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(capf_lockout_delete(s->a, "test", "nowhere", false, &n, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(capf_lockout_delete(s->a, "test", PEER, true, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_int_equal(audited(s, "CAPF lock-out of " PEER), 0);
	assert_ok(capf_lockout_delete(s->a, "test", PEER, false, &n, &e), &e);
	assert_int_equal(audited(s, "CAPF lock-out of " PEER), 1);
	assert_err(capf_lockout_delete(s->a, "test", PEER, false, &n, &e), ERR_USAGE);
	err_clear(&e);
	for (unsigned i = 0; i < 6; i++) { /* and then it is locked anew */
		snprintf(name, sizeof(name), "SEP00112233440%u", i);
		visit(s, &v);
	}
	snprintf(name, sizeof(name), "SEP001122334407");
	visit(s, &v);
	assert_non_null(strstr(v.text, "locked out after"));
	assert_ok(capf_lockout_delete(s->a, "test", NULL, true, &n, &e), &e);
	assert_int_equal(n, 1);
	/* another address is not, and this one is not for ever */
	v.peer = "10.1.1.8";
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
	v = (struct visit){ .key = s->rsa1024, .password = "4711", .device = "SEP001122334406" };
	s->n.now += 15 * 60 + 1;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
}

/* --- by existing certificate --- */

/* A phone with an LSC by null string, and then an operation by certificate. */
static struct cert *enrolled(struct site *s, const char *name, EVP_PKEY *key)
{
	add_phone(s, name, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	struct cert *lsc = enrol(s, name, key);
	set_phone(s, name, PHONE_AUTH, device_auth_names[DEVICE_AUTH_LSC]);
	set_phone(s, name, PHONE_OPERATION, "Install/Upgrade");
	s->n.now += 3600;
	return lsc;
}

static void assert_refused(struct site *s, struct visit *v, const char *status)
{
	visit(s, v);
	assert_true(v->ended);
	assert_int_equal(v->reason, CAPF_REASON_INVALID);
	assert_int_equal(v->verdict, CAPF_REFUSED);
	assert_null(v->lsc);
	assert_state(s, v->device ? v->device : PHONE, DEVICE_INSTALL, status);
	visit_clear(v);
}

#define INVALID_LSC "Upgrade Failed: Invalid LSC"
#define INVALID_MIC "Upgrade Failed: Invalid MIC"
#define INVALID_CREDENTIALS "Upgrade Failed: Invalid Credentials"

static void renews_by_lsc(void **state)
{
	struct site *s = *state;
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024 };

	assert_int_equal(phone(s, PHONE).lsc_proven, 0);
	visit(s, &v); /* makes no key, but has shown that it uses its LSC */
	assert_int_equal(phone(s, PHONE).lsc_proven, s->n.now);
	v.key = s->rsa1024;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	assert_false(cert_same(v.lsc, lsc));

	/* C-4: the former one proves nothing any longer */
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	struct visit old = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	assert_refused(s, &old, INVALID_LSC);
	old = (struct visit){ .cert = v.lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	visit(s, &old);
	assert_int_equal(old.reason, CAPF_REASON_SUCCESS);
	visit_clear(&old);
	visit_clear(&v);
	cert_unref(lsc);
}

static void ec_lsc_authenticates(void **state)
{
	struct site *s = *state;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	set_phone(s, PHONE, PHONE_KEY_ORDER, "EC Only");
	set_phone(s, PHONE, PHONE_EC_BITS, "256");
	struct visit v = { .ec_key = s->p256 };
	visit(s, &v);
	struct cert *lsc = v.lsc;
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_LSC]);
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	v = (struct visit){ .cert = lsc, .cert_key = s->p256, .ec_key = s->p256 };
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
	cert_unref(lsc);
}

static void no_certificate(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_LSC);
	assert_refused(s, &v, INVALID_LSC);
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_MIC]);
	assert_refused(s, &v, INVALID_MIC);
}

/* C-1: a phone with a good LSC of its own asks for the certificate of another. */
static void under_anothers_name(void **state)
{
	struct site *s = *state;
	struct cert *mine = enrolled(s, OTHER_PHONE, s->rsa1024);
	struct cert *victims = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .device = PHONE, .cert = mine, .cert_key = s->rsa1024, .key = s->rsa1024 };
	struct store_device before = phone(s, PHONE);

	assert_refused(s, &v, INVALID_LSC);
	assert_true(audited(s, "it is the certificate of \"" OTHER_PHONE "\"") > 0);
	assert_string_equal(phone(s, PHONE).lsc.sha256, before.lsc.sha256);
	/* nor with the right certificate and the wrong key: the new one of the same site */
	v = (struct visit){ .cert = victims, .cert_key = s->rsa2048, .key = s->rsa1024 };
	assert_refused(s, &v, INVALID_CREDENTIALS);
	cert_unref(mine);
	cert_unref(victims);
}

/* --- replay --- */

static struct wr recorded;

static void record(struct visit *v, struct site *s, struct wr *message)
{
	(void)s;
	if (v->sent == 1) {
		wr_init(&recorded, CAPF_FRAME_MAX);
		assert_true(wr_view(&recorded, wr_view_all(message)));
	}
}

/* The thief says what the phone once said, as it was or with this session's id. */
static void replay(struct visit *v, struct site *s, struct wr *message)
{
	(void)s;
	if (v->sent != 1)
		return;
	wr_clear(message);
	wr_init(message, CAPF_FRAME_MAX);
	assert_true(wr_view(message, wr_view_all(&recorded)));
}

static void replay_with_this_session(struct visit *v, struct site *s, struct wr *message)
{
	replay(v, s, message);
	if (v->sent == 1)
		assert_true(wr_patch_u16(message, 2, (uint16_t)(v->server.session >> 16)) &&
			    wr_patch_u16(message, 4, (uint16_t)v->server.session));
}

static void replayed_auth_response(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true);
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1000);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .sudi = mic, .sudi_key = s->rsa2048, .tamper = record };

	visit(s, &v); /* makes no key, so that the operation stays */
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Key Generation Failed/Timeout");

	struct visit thief = { .key = s->rsa1024, .tamper = replay };
	visit(s, &thief);
	assert_int_equal(thief.sent, 1); /* the machine of the server refuses it: another session */
	assert_null(thief.lsc);
	thief.tamper = replay_with_this_session;
	assert_refused(s, &thief, INVALID_CREDENTIALS);
	assert_true(audited(s, "SUDI_DATA") > 0);
	wr_clear(&recorded);
	cert_unref(lsc);
	cert_unref(mic);
	cert_unref(m.ca);
}

/* A worker that lies about the session cannot have the same proof counted twice. */
static void replayed_with_its_session(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true);
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1000);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .sudi = mic, .sudi_key = s->rsa2048 };

	visit(s, &v);
	s->session--;
	assert_refused(s, &v, INVALID_CREDENTIALS);
	assert_non_null(strstr(v.text, "used before"));
	/* and what it says of a message is compared with the message */
	struct capf_msg msg = { .command = CAPF_STORE_CERTIFICATE_RESPONSE, .session = 5, .has_reason = true, .reason = 1 };
	struct capf_answer answer;
	struct err e = ERR_INIT;
	struct wr frame;
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&msg, &frame, &e), &e);
	struct capf_ask ask = { s->conn, PEER, 5, CAPF_ASK_STORED, wr_view_all(&frame) };
	capf_decide(s->a, &ask, &answer); /* without a session */
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	ask.question = CAPF_ASK_AUTH;
	capf_decide(s->a, &ask, &answer);
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	assert_int_equal(answer.verdict, CAPF_REFUSED);
	ask.question = CAPF_ASK_STORED;
	ask.session = 6;
	capf_decide(s->a, &ask, &answer);
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	assert_string_equal(phone(s, PHONE).status, INVALID_CREDENTIALS);
	wr_clear(&frame);
	cert_unref(lsc);
	cert_unref(mic);
	cert_unref(m.ca);
}

/* --- SUDI_DATA (C-5) --- */

static void sudi_of_another_device(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true), stranger = make_manufacturer(s, "Unknown CA", false);
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct cert *others = make_cert(s, m.key, m.ca, OTHER_PHONE, s->rsa2048, 1000);
	struct cert *unknown = make_cert(s, stranger.key, stranger.ca, PHONE, s->rsa2048, 1000);
	struct cert *own = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024, .sudi = others, .sudi_key = s->rsa2048 };

	assert_refused(s, &v, INVALID_CREDENTIALS);
	v.sudi = unknown;
	assert_refused(s, &v, INVALID_CREDENTIALS);
	v.sudi = lsc; /* an LSC is no SUDI certificate */
	v.sudi_key = s->rsa1024;
	assert_refused(s, &v, INVALID_CREDENTIALS);
	v.sudi = NULL;
	set_param(s, PARAM_CAPF_SUDI, "True");
	assert_refused(s, &v, INVALID_CREDENTIALS);
	assert_non_null(strstr(v.text, PARAM_CAPF_SUDI));
	/* the phone's own, which has expired meanwhile: it comes with a good LSC */
	s->n.now += 2 * 86400;
	v.sudi = own;
	v.sudi_key = s->rsa2048;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
	cert_unref(lsc);
	cert_unref(own);
	cert_unref(others);
	cert_unref(unknown);
	cert_unref(m.ca);
	cert_unref(stranger.ca);
}

/* --- MICs --- */

static void enrols_by_mic(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true), unknown = make_manufacturer(s, "Unknown CA", false);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1000);
	struct cert *forged = make_cert(s, unknown.key, unknown.ca, PHONE, s->rsa2048, 1000);
	struct visit v = { .cert = forged, .cert_key = s->rsa2048, .key = s->rsa1024 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_MIC);
	assert_refused(s, &v, INVALID_MIC);
	assert_true(audited(s, "not in CAPF-trust") > 0);
	assert_refused(s, &(struct visit){ .cert = m.ca, .cert_key = s->rsa2048 }, INVALID_CREDENTIALS);
	v.cert = mic;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_int_equal(phone(s, PHONE).mic.not_after, cert_not_after(mic));
	visit_clear(&v);
	cert_unref(mic);
	cert_unref(forged);
	cert_unref(m.ca);
	cert_unref(unknown.ca);
}

/* The administrator changes his mind when the phone has its LSC already. */
static void withdraw(struct visit *v, struct site *s, struct wr *message)
{
	struct err e = ERR_INIT;

	(void)message;
	if (v->sent == 3)
		assert_ok(store_expiredmic_set(s->n.store, PHONE, 0, &e), &e);
}

static void expired_mic_counts_once_where_allowed(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1);
	struct visit v = { .cert = mic, .cert_key = s->rsa2048, .key = s->rsa1024 };
	struct err e = ERR_INIT;

	s->n.now += 10 * 86400;
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_MIC);
	add_phone(s, OTHER_PHONE, DEVICE_INSTALL, DEVICE_AUTH_MIC);
	assert_refused(s, &v, INVALID_MIC);
	assert_non_null(strstr(v.text, "expired"));
	assert_ok(store_expiredmic_set(s->n.store, OTHER_PHONE, s->n.now, &e), &e);
	assert_refused(s, &v, INVALID_MIC);

	assert_ok(store_expiredmic_set(s->n.store, PHONE, s->n.now, &e), &e);
	v.drop_before = 3;
	visit(s, &v); /* not used up by a connection that breaks */
	v.drop_before = 0;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	visit_clear(&v);
	assert_int_equal(audited(s, "its expired MIC is allowed no longer"), 1);
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	assert_refused(s, &v, INVALID_MIC);

	/* It installs, and does nothing else. */
	assert_ok(store_expiredmic_set(s->n.store, PHONE, s->n.now, &e), &e);
	v.fetch = mic;
	v.fetch_type = CAPF_CERT_MIC;
	for (enum device_operation op = DEVICE_DELETE; op <= DEVICE_TROUBLESHOOT; op++) {
		set_phone(s, PHONE, PHONE_OPERATION, device_operation_names[op]);
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_INVALID);
		assert_state(s, PHONE, op, device_status_failed(op, DEVICE_FAILED_MIC));
		visit_clear(&v);
	}
	/* Nor when it is withdrawn while it does. */
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	v.tamper = withdraw;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_int_equal(v.sent, 3);
	assert_state(s, PHONE, DEVICE_INSTALL, INVALID_MIC);
	visit_clear(&v);
	cert_unref(mic);
	cert_unref(m.ca);
}

/* --- issuers that come and go --- */

static void former_capf_vouches_until_removed(void **state)
{
	struct site *s = *state;
	char key[KEY_NAME_MAX];
	struct cert *former = capf_cert(s, key), *lsc = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024 };
	struct store_certificate *list = NULL;
	struct err e = ERR_INIT;
	size_t n;

	assert_ok(cluster_regen(s->n.cluster, "test", "CAPF", NULL, NULL, &e), &e);
	visit(s, &v); /* authenticated, and then it makes no key */
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Key Generation Failed/Timeout");
	visit_clear(&v);

	assert_ok(store_certificate_list(s->n.store, &(struct store_certificate_filter){ STORE_TRUST_CAPF, NULL },
					 &list, &n, &e), &e);
	for (size_t i = 0; i < n; i++)
		if (cert_same(list[i].cert, former))
			assert_ok(store_certificate_drop_trust(s->n.store, STORE_TRUST_CAPF, list[i].pkid, &e), &e);
	store_certificates_free(list, n);
	assert_refused(s, &v, INVALID_LSC);
	assert_true(audited(s, "not in CAPF-trust") > 0);
	cert_unref(lsc);
	cert_unref(former);
}

static void expired_lsc(void **state)
{
	struct site *s = *state;

	set_param(s, PARAM_CAPF_VALIDITY, "1");
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	s->n.now += 2 * 86400;
	assert_refused(s, &v, INVALID_LSC);
	cert_unref(lsc);
}

/* An LSC may not issue another phone's certificate, and a certificate authority is no phone. */
/* Scenario 10 with the defaults: LSCs end with their CAPF certificate, and both are over. */
static void lsc_that_ended_with_its_capf(void **state)
{
	struct site *s = *state;
	char key[KEY_NAME_MAX];
	struct cert *capf = capf_cert(s, key);
	struct err e = ERR_INIT;

	s->n.now += 30 * 86400;
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	assert_int_equal(cert_not_after(lsc), cert_not_after(capf));
	s->n.now = cert_not_after(capf) + 29 * 86400;
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	visit(s, &v); /* known, but there is nobody to issue */
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: CA Rejected Connection");
	assert_ok(cluster_regen(s->n.cluster, "test", "CAPF", NULL, NULL, &e), &e);
	/* not for anything else, nor beyond what would have been its time */
	set_phone(s, PHONE, PHONE_OPERATION, "Delete");
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_DELETE, "Delete Failed: Invalid LSC");
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	s->n.now += 2 * 86400;
	assert_refused(s, &v, INVALID_LSC);
	s->n.now -= 2 * 86400;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	assert_true(cert_not_after(v.lsc) > s->n.now + 1800 * INT64_C(86400));
	visit_clear(&v);
	cert_unref(lsc);
	cert_unref(capf);
}

static void chain_through_an_lsc(void **state)
{
	struct site *s = *state;
	struct cert *lsc = enrolled(s, OTHER_PHONE, s->rsa1024), *c = NULL;
	struct cert *victims = enrolled(s, PHONE, s->rsa1024);
	X509 *x = X509_dup(cert_x509(victims));
	struct err e = ERR_INIT;

	assert_true(X509_set_issuer_name(x, X509_get_subject_name(cert_x509(lsc))) &&
		    X509_sign(x, s->rsa1024, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	/* even should somebody have put the LSC into CAPF-trust */
	assert_ok(store_certificate_put_trust(s->n.store, STORE_TRUST_CAPF, lsc, &(struct store_certificate_info){ 0 },
					      STORE_PUT_UPLOAD, &e), &e);
	struct visit v = { .cert = c, .cert_key = s->rsa1024, .key = s->rsa1024 };
	assert_refused(s, &v, INVALID_LSC);
	X509_free(x);
	cert_unref(c);
	cert_unref(lsc);
	cert_unref(victims);
}

/* --- a forgery of the proof without the key (C-2) --- */

/* The s with s^3 = wanted in its last n octets: for an odd number there is one, and it takes n rounds to find. */
static void cube_root_of_tail(const uint8_t *wanted, size_t n, uint8_t *root, size_t k)
{
	AUTO(auto_bn) BIGNUM *target = BN_bin2bn(wanted, (int)n, NULL);
	AUTO(auto_bn) BIGNUM *s = BN_new();
	AUTO(auto_bn) BIGNUM *cube = BN_new();
	BN_CTX *ctx = BN_CTX_new();

	BN_one(s);
	for (int bit = 1; bit < (int)n * 8; bit++) {
		assert_true(BN_sqr(cube, s, ctx) && BN_mul(cube, cube, s, ctx));
		if (BN_is_bit_set(cube, bit) != BN_is_bit_set(target, bit))
			BN_set_bit(s, bit);
	}
	assert_int_equal(BN_bn2binpad(s, root, (int)k), k);
	BN_CTX_free(ctx);
}

static EVP_PKEY *rsa_with_exponent_3(void)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	AUTO(auto_bn) BIGNUM *e = BN_new();
	EVP_PKEY *key = NULL;

	assert_true(BN_set_word(e, 3) && EVP_PKEY_keygen_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) > 0 &&
		    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) > 0 && EVP_PKEY_keygen(ctx, &key) > 0);
	return key;
}

static const struct cert *forgers_cert;

/* Replaces the proofs by cube roots: s^3 ends in the digest, which is all that a lax server looks at. */
static void forge(struct visit *v, struct site *s, struct wr *message)
{
	static const uint8_t nul;
	const struct view parts[] = { view_str(PHONE), { &nul, 1 }, cert_der(forgers_cert) };
	uint8_t digest[DIGEST_MAX], sha1[256], sha512[259] = { 3, 1, 0 };
	struct err e = ERR_INIT;
	struct capf_msg m;
	struct wr forged;

	(void)s;
	if (v->sent != 1)
		return;
	assert_ok(capf_msg_read(wr_view_all(message), &m, &e), &e);
	assert_ok(digest_views(DIGEST_SHA1, parts, 3, digest, &e), &e);
	digest[19] |= 1; /* one try in two is enough for the forger */
	cube_root_of_tail(digest, 20, sha1, 256);
	assert_ok(digest_views(DIGEST_SHA512, parts, 3, digest, &e), &e);
	digest[63] |= 1;
	cube_root_of_tail(digest, 64, sha512 + 3, 256);
	m.signed_data = (struct view){ sha1, 256 };
	m.sha2_signed_data = (struct view){ sha512, 259 };
	wr_init(&forged, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &forged, &e), &e);
	wr_clear(message);
	*message = forged;
}

static void small_exponent_forgery(void **state)
{
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true);
	EVP_PKEY *weak = rsa_with_exponent_3();
	struct cert *good = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1000);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, weak, 1000);
	const struct cert *certs[] = { mic, good };
	EVP_PKEY *keys[] = { weak, s->rsa2048 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_MIC);
	for (size_t i = 0; i < 2; i++) {
		struct visit v = { .cert = certs[i], .cert_key = keys[i], .key = s->rsa1024, .tamper = forge };
		forgers_cert = certs[i];
		assert_refused(s, &v, INVALID_CREDENTIALS);
	}
	/* nor does an honest proof by such a key prove anything */
	struct visit v = { .cert = mic, .cert_key = weak, .key = s->rsa1024 };
	assert_refused(s, &v, INVALID_CREDENTIALS);
	EVP_PKEY_free(weak);
	cert_unref(good);
	cert_unref(mic);
	cert_unref(m.ca);
}

/* Every octet of the proofs and of the certificate counts. */
static size_t flip_at;

static void flip(struct visit *v, struct site *s, struct wr *message)
{
	(void)s;
	if (v->sent == 1 && flip_at < message->len)
		message->p[flip_at] ^= 0x40;
}

static void every_octet_of_the_proof_counts(void **state)
{
	struct site *s = *state;
	struct cert *lsc = enrolled(s, PHONE, s->rsa1024);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .tamper = flip };
	struct capf_msg m;
	struct err e = ERR_INIT;

	set_param(s, PARAM_CAPF_ADDRESS_FAILURES, "0");
	v.tamper = record;
	visit(s, &v);
	assert_ok(capf_msg_read(wr_view_all(&recorded), &m, &e), &e);
	const struct view parts[] = { m.certificate, m.signed_data, m.sha2_signed_data };
	v.tamper = flip;
	for (size_t i = 0; i < 3; i++) {
		for (size_t at = 0; at < parts[i].len; at += 7) {
			flip_at = (size_t)(parts[i].p - recorded.p) + at;
			v.key_bits = 0;
			visit(s, &v);
			assert_int_equal(v.sent, 1);
			assert_int_equal(v.key_bits, 0); /* never asked for a key */
			assert_int_equal(v.reason, CAPF_REASON_INVALID);
		}
	}
	assert_int_equal(phone(s, PHONE).operation, DEVICE_INSTALL);
	wr_clear(&recorded);
	cert_unref(lsc);
}

/* --- names and sizes --- */

static void names_that_are_paths(void **state)
{
	static const char *const names[] = { "../../etc/passwd", "SEP001122334455/../x", "SEP001122334455\nfake: line", "SEP'; --" };
	struct site *s = *state;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct visit v = { .device = names[i], .key = s->rsa1024 };
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_UNKNOWN_DEVICE);
		assert_null(strchr(v.text, '\n'));
		assert_true(audited(s, "there is no device") > i);
		visit_clear(&v);
	}
	assert_false(node_has(&s->n, CAPF_TRACE_FOLDER));
	assert_state(s, PHONE, DEVICE_INSTALL, "Operation Pending");
}

static void element_of_64_kilobytes(void **state)
{
	struct site *s = *state;
	static uint8_t zeros[65000];
	struct capf_msg m = { .command = CAPF_AUTH_RESPONSE, .session = 9, .has_version = true, .version = 3,
			      .device = view_str(PHONE), .certificate = { zeros, sizeof(zeros) }, .certificate_type = 1 };
	struct capf_answer answer;
	struct err e = ERR_INIT;
	struct wr frame;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_LSC);
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	struct capf_ask ask = { 1, PEER, 9, CAPF_ASK_AUTH, wr_view_all(&frame) };
	capf_decide(s->a, &ask, &answer);
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_INSTALL, INVALID_CREDENTIALS);
	/* cut anywhere, it is malformed and nothing else */
	for (size_t n = 0; n < frame.len; n += 997) {
		ask.frame.len = n;
		capf_decide(s->a, &ask, &answer);
		assert_int_equal(answer.verdict, CAPF_REFUSED);
	}
	wr_clear(&frame);

	/* a public key of that size, in a session that is running */
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_NULL]);
	m = (struct capf_msg){ .command = CAPF_AUTH_RESPONSE, .session = 9, .has_version = true, .version = 3,
		.device = view_str(PHONE) };
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	ask.frame = wr_view_all(&frame);
	capf_decide(s->a, &ask, &answer);
	assert_int_equal(answer.decision.action, CAPF_DO_GENERATE);
	wr_clear(&frame);
	m = (struct capf_msg){ .command = CAPF_KEY_GENERATE_RESPONSE, .session = 9, .public_key = { zeros, sizeof(zeros) } };
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	ask.question = CAPF_ASK_KEY;
	ask.frame = wr_view_all(&frame);
	capf_decide(s->a, &ask, &answer);
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	assert_int_equal(capf_sessions(s->a), 0);
	wr_clear(&frame);
}

/* The audit does not grow with the number of strangers. */
static void audit_is_bounded(void **state)
{
	struct site *s = *state;
	struct visit v = { .device = OTHER_PHONE };

	for (unsigned i = 0; i < 500; i++)
		visit(s, &v);
	assert_int_equal(audited(s, "there is no device"), 60);
	s->n.now += 10;
	visit(s, &v);
	assert_int_equal(audited(s, "there is no device"), 61);
	assert_int_equal(audited(s, "440 more were not recorded"), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, site_make, site_drop)
	const struct CMUnitTest tests[] = {
		TEST(string_is_good_once),
		TEST(guessing_locks_the_device),
		TEST(guessing_locks_the_address),
		TEST(renews_by_lsc),
		TEST(ec_lsc_authenticates),
		TEST(no_certificate),
		TEST(under_anothers_name),
		TEST(replayed_auth_response),
		TEST(replayed_with_its_session),
		TEST(sudi_of_another_device),
		TEST(enrols_by_mic),
		TEST(expired_mic_counts_once_where_allowed),
		TEST(former_capf_vouches_until_removed),
		TEST(expired_lsc),
		TEST(lsc_that_ended_with_its_capf),
		TEST(chain_through_an_lsc),
		TEST(small_exponent_forgery),
		TEST(every_octet_of_the_proof_counts),
		TEST(names_that_are_paths),
		TEST(element_of_64_kilobytes),
		TEST(audit_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
