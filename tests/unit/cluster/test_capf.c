#include "capf_fixture.h"

#include <openssl/x509v3.h>

/* The sequences of formats-and-protocols.md 7.8, with what they leave in the store. */

static void installs_by_null_string(void **state)
{
	struct site *s = *state;
	char key[KEY_NAME_MAX];
	struct cert *issuer = capf_cert(s, key);
	struct visit v = { .key = s->rsa1024, .progress = 3 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_true(v.ended);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_int_equal(v.key_bits, 1024);
	assert_int_equal(v.verdict, CAPF_SUCCEEDED);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	struct store_device d = phone(s, PHONE);
	char sha256[65];
	text_hex(sha256, sizeof(sha256), (struct view){ cert_sha256(v.lsc), 32 }, '\0', false);
	assert_string_equal(d.lsc.sha256, sha256);
	assert_int_equal(d.lsc.not_after, cert_not_after(v.lsc));
	assert_int_equal(X509_verify(cert_x509(v.lsc), X509_get0_pubkey(cert_x509(issuer))), 1);
	assert_true(capf_cert_is_device(v.lsc, view_str(PHONE)));
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert_x509(v.lsc)), s->rsa1024), 1);
	assert_true(audited(s, "Upgrade Success") > 0);

	/* nothing is left to do */
	visit_clear(&v);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	assert_int_equal(v.verdict, CAPF_NOTHING);
	assert_int_equal(capf_sessions(s->a), 0);
	visit_clear(&v);
	cert_unref(issuer);
}

static void installs_with_version_2(void **state)
{
	struct site *s = *state;
	struct visit v = { .device = "CSFalice", .key = s->rsa1024, .version = 2 };

	add_phone(s, "CSFalice", DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_state(s, "CSFalice", DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
}

static void installs_ec(void **state)
{
	struct site *s = *state;
	struct visit v = { .ec_key = s->p384 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	set_phone(s, PHONE, PHONE_KEY_ORDER, "EC Only");
	set_phone(s, PHONE, PHONE_EC_BITS, "384");
	visit(s, &v);
	assert_int_equal(v.key_type, CAPF_KEY_EC);
	assert_int_equal(v.curve, CAPF_CURVE_P384);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
}

static void ec_only_needs_version_3(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024, .ec_key = s->p384, .version = 2 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	set_phone(s, PHONE, PHONE_KEY_ORDER, "EC Only");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_null(v.lsc);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: No Support for EC only in CAPF version 3");

	/* the same phone with RSA as a backup */
	set_phone(s, PHONE, PHONE_KEY_ORDER, "EC Preferred, RSA Backup");
	visit(s, &v);
	assert_int_equal(v.key_type, CAPF_KEY_RSA);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
}

static void rsa_backs_up_ec(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 }; /* makes no EC key */

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	set_phone(s, PHONE, PHONE_KEY_ORDER, "EC Preferred, RSA Backup");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_int_equal(v.key_type, CAPF_KEY_RSA);
	visit_clear(&v);

	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	v = (struct visit){ .key = s->rsa1024, .ec_key = s->p384 };
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_int_equal(v.key_type, CAPF_KEY_EC);
	visit_clear(&v);
}

static void key_failure_keeps_the_operation(void **state)
{
	struct site *s = *state;
	struct visit v = { 0 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Key Generation Failed/Timeout");
	visit_clear(&v);
}

static void refused_certificate_is_not_installed(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024, .refuse = true };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed");
	assert_string_equal(phone(s, PHONE).lsc.sha256, "");
	visit_clear(&v);
}

static bool traced(struct site *s, const char *file, const struct cert *wanted)
{
	char path[256];
	struct cert *c = NULL;

	snprintf(path, sizeof(path), "%s/" CAPF_TRACE_FOLDER "/%s", s->n.dir, file);
	bool same = cert_load(AT_FDCWD, path, &c, NULL) == 0 && cert_same(c, wanted);
	cert_unref(c);
	return same;
}

static void fetches(void **state)
{
	struct site *s = *state;
	struct manufacturer known = make_manufacturer(s, "Manufacturing CA", true), forger = make_manufacturer(s, "Forger", false);
	struct cert *mic = make_cert(s, known.key, known.ca, PHONE, s->rsa2048, 1000);
	struct cert *others = make_cert(s, known.key, known.ca, OTHER_PHONE, s->rsa2048, 1000);
	struct cert *forged = make_cert(s, forger.key, forger.ca, PHONE, s->rsa2048, 1000);
	struct visit v = { .fetch = mic, .fetch_type = CAPF_CERT_MIC };

	add_phone(s, PHONE, DEVICE_TROUBLESHOOT, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Troubleshoot Success");
	struct store_device d = phone(s, PHONE);
	assert_int_equal(d.mic.not_after, cert_not_after(mic));
	assert_string_equal(d.lsc.sha256, "");
	assert_true(traced(s, PHONE "-MIC.pem", mic));

	/* C-11: what is not provably the phone's own is kept in the trace, and nowhere else */
	const struct cert *strange[] = { others, forged };
	for (size_t i = 0; i < 2; i++) {
		set_phone(s, PHONE, PHONE_OPERATION, "Troubleshoot");
		v.fetch = strange[i];
		v.fetch_type = CAPF_CERT_LSC;
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
		assert_state(s, PHONE, DEVICE_TROUBLESHOOT, i ? "Troubleshoot Failed: Invalid LSC" : "Troubleshoot Failed: Invalid MIC");
		assert_int_equal(audited(s, i ? "-foreign.pem: it was issued by CN=Forger" :
						"-foreign.pem: it is the certificate of \"" OTHER_PHONE "\""), 1);
		assert_string_equal(phone(s, PHONE).lsc.sha256, "");
		assert_string_equal(phone(s, PHONE).mic.sha256, d.mic.sha256);
	}
	assert_true(traced(s, PHONE "-foreign.pem", forged));
	assert_true(traced(s, PHONE "-MIC.pem", mic)); /* is not overwritten */
	assert_false(node_has(&s->n, CAPF_TRACE_FOLDER "/" PHONE "-LSC.pem"));

	set_phone(s, PHONE, PHONE_OPERATION, "Troubleshoot");
	v.fetch = NULL;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	assert_state(s, PHONE, DEVICE_TROUBLESHOOT, "Troubleshoot Failed");
	visit_clear(&v);
	cert_unref(mic);
	cert_unref(others);
	cert_unref(forged);
	cert_unref(known.ca);
	cert_unref(forger.ca);
}

static void deletes(void **state)
{
	struct site *s = *state;
	struct visit v = { .refuse = true };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	cert_unref(enrol(s, PHONE, s->rsa1024));
	set_phone(s, PHONE, PHONE_OPERATION, "Delete");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_DELETE, "Delete Failed");
	assert_string_not_equal(phone(s, PHONE).lsc.sha256, "");
	v.refuse = false;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_SUCCESS);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Delete Success");
	assert_string_equal(phone(s, PHONE).lsc.sha256, "");
	visit_clear(&v);
}

static void nothing_scheduled_and_unknown(void **state)
{
	struct site *s = *state;
	struct visit v = { 0 };

	add_phone(s, PHONE, DEVICE_NO_OPERATION, DEVICE_AUTH_NULL);
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	v.device = OTHER_PHONE;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_UNKNOWN_DEVICE);
	assert_int_equal(v.verdict, CAPF_REFUSED);
	/* C-10: or strangers cannot tell the two apart */
	set_param(s, PARAM_CAPF_UNKNOWN, "No Action");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	visit_clear(&v);
}

static void operation_expires(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	s->n.now += 11 * 86400;
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_NO_ACTION);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Failed: User Initiated Request Late/Timedout");
	visit_clear(&v);
}

/* --- connections that break --- */

/* After each message of each kind of operation the state is as if nothing had happened; then the phone comes back. */
static void dropped_at_every_message(void **state)
{
	static const enum device_operation ops[] = { DEVICE_INSTALL, DEVICE_TROUBLESHOOT, DEVICE_DELETE };
	struct site *s = *state;
	struct manufacturer m = make_manufacturer(s, "Manufacturing CA", true);
	struct cert *mic = make_cert(s, m.key, m.ca, PHONE, s->rsa2048, 1000);

	add_phone(s, PHONE, DEVICE_NO_OPERATION, DEVICE_AUTH_NULL);
	for (size_t i = 0; i < 3; i++) {
		struct visit v = { .key = s->rsa1024, .fetch = mic, .fetch_type = CAPF_CERT_MIC };
		struct store_device before = phone(s, PHONE);
		set_phone(s, PHONE, PHONE_OPERATION, device_operation_names[ops[i]]);
		for (v.drop_before = 1;; v.drop_before++) {
			visit(s, &v);
			if (!v.dropped)
				break;
			struct store_device after = phone(s, PHONE);
			assert_int_equal(after.operation, ops[i]);
			assert_string_equal(after.lsc.sha256, before.lsc.sha256);
			assert_string_equal(after.mic.sha256, before.mic.sha256);
			assert_int_equal(capf_sessions(s->a), 0);
			if (v.drop_before > 1)
				assert_string_equal(after.status, device_status_failed(ops[i], DEVICE_FAILED_COMMUNICATION));
			visit_clear(&v);
		}
		assert_int_equal(v.drop_before, ops[i] == DEVICE_INSTALL ? 4 : 3);
		assert_int_equal(v.verdict, CAPF_SUCCEEDED);
		assert_state(s, PHONE, DEVICE_NO_OPERATION, device_status_success(ops[i]));
		visit_clear(&v);
	}
	assert_true(audited(s, "the connection ended before the phone was done") >= 4);
	cert_unref(mic);
	cert_unref(m.ca);
}

/* The worker died with the connection, and nobody says so. */
static void lost_sessions_are_swept(void **state)
{
	struct site *s = *state;
	struct visit v = { .key = s->rsa1024 };
	struct capf_answer answer;
	struct err e = ERR_INIT;
	struct wr frame;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	const struct capf_msg m = { .command = CAPF_AUTH_RESPONSE, .session = 7, .has_version = true, .version = 3,
				    .device = view_str(PHONE) };
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	capf_decide(s->a, &(struct capf_ask){ 99, PEER, 7, CAPF_ASK_AUTH, wr_view_all(&frame) }, &answer);
	assert_int_equal(answer.decision.action, CAPF_DO_GENERATE);
	assert_int_equal(capf_sessions(s->a), 1);
	s->n.now += CAPF_KEY_MS / 1000;
	assert_ok(capf_step(s->a, &e), &e);
	assert_int_equal(capf_sessions(s->a), 1);
	s->n.now += 120;
	assert_ok(capf_step(s->a, &e), &e);
	assert_int_equal(capf_sessions(s->a), 0);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Key Generation Failed/Timeout");
	wr_clear(&frame);
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
}

/* --- the issuer --- */

static void issuer_that_may_not(void **state)
{
	struct site *s = *state;
	char key[KEY_NAME_MAX];
	struct cert *capf = capf_cert(s, key);
	struct visit v = { .key = s->rsa1024 };

	add_phone(s, PHONE, DEVICE_NO_OPERATION, DEVICE_AUTH_NULL);
	s->n.now = cert_not_after(capf) + 1;
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	visit(s, &v);
	assert_int_equal(v.reason, CAPF_REASON_INVALID);
	assert_int_equal(v.verdict, CAPF_FAILED);
	assert_non_null(strstr(v.text, "set cert regen CAPF"));
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: CA Rejected Connection");
	cert_unref(capf);

	/* scenario 10: a new one, and the phone gets its LSC */
	struct err e = ERR_INIT;
	assert_ok(cluster_regen(s->n.cluster, "test", "CAPF", NULL, NULL, &e), &e);
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
}

static void the_template_is_parameters(void **state)
{
	struct site *s = *state;
	struct cert *lsc;
	X509 *x;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	lsc = enrol(s, PHONE, s->rsa1024);
	x = cert_x509(lsc);
	assert_int_equal(X509_get_signature_nid(x), NID_sha256WithRSAEncryption);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_true(X509_get_ext_by_NID(x, NID_subject_alt_name, -1) >= 0);
	cert_unref(lsc);

	set_param(s, PARAM_CAPF_VALIDITY, "30");
	set_param(s, PARAM_CAPF_LSC_DIGEST, "SHA-512");
	set_param(s, PARAM_CAPF_LSC_KEY_USAGE, "digitalSignature");
	set_param(s, PARAM_CAPF_LSC_EXT_KEY_USAGE, "clientAuth");
	set_param(s, PARAM_CAPF_LSC_ALT_NAME, "False");
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	lsc = enrol(s, PHONE, s->rsa1024);
	x = cert_x509(lsc);
	assert_int_equal(cert_not_after(lsc), NODE_NOW + 30 * 86400 - 1);
	assert_int_equal(X509_get_signature_nid(x), NID_sha512WithRSAEncryption);
	assert_int_equal(X509_get_key_usage(x), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_CLIENT);
	assert_int_equal(X509_get_ext_by_NID(x, NID_subject_alt_name, -1), -1);
	cert_unref(lsc);

	set_param(s, PARAM_CAPF_LSC_EXT_KEY_USAGE, "None");
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	lsc = enrol(s, PHONE, s->rsa1024);
	assert_int_equal(X509_get_ext_by_NID(cert_x509(lsc), NID_ext_key_usage, -1), -1);
	cert_unref(lsc);
}

/* C-6 */
static void keys_that_were_not_asked_for(void **state)
{
	struct site *s = *state;
	char name[KEY_NAME_MAX];
	struct cert *capf = capf_cert(s, name);
	EVP_PKEY *ours = X509_get0_pubkey(cert_x509(capf));
	EVP_PKEY *wrong[] = { s->rsa2048, s->p256, ours };

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	for (size_t i = 0; i < 3; i++) {
		struct visit v = { .key = wrong[i] };
		visit(s, &v);
		assert_int_equal(v.reason, CAPF_REASON_INVALID);
		assert_null(v.lsc);
		assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Key Generation Failed/Timeout");
		if (wrong[i] == ours)
			assert_non_null(strstr(v.text, "public key of this node"));
		visit_clear(&v);
	}
	cert_unref(capf);
}

static void changed_while_it_ran(void **state)
{
	struct site *s = *state;
	struct capf_answer answer;
	struct err e = ERR_INIT;
	struct wr frame;
	struct capf_msg m = { .command = CAPF_AUTH_RESPONSE, .session = 7, .has_version = true, .version = 3,
			      .device = view_str(PHONE) };

	add_phone(s, PHONE, DEVICE_TROUBLESHOOT, DEVICE_AUTH_NULL);
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	capf_decide(s->a, &(struct capf_ask){ 99, PEER, 7, CAPF_ASK_AUTH, wr_view_all(&frame) }, &answer);
	assert_int_equal(answer.decision.action, CAPF_DO_FETCH);
	wr_clear(&frame);

	set_phone(s, PHONE, PHONE_OPERATION, "Delete");
	m = (struct capf_msg){ .command = CAPF_FETCH_CERTIFICATE_RESPONSE, .session = 7, .has_reason = true, .reason = 1 };
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	capf_decide(s->a, &(struct capf_ask){ 99, PEER, 7, CAPF_ASK_FETCHED, wr_view_all(&frame) }, &answer);
	assert_int_equal(answer.decision.action, CAPF_DO_END);
	assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	assert_state(s, PHONE, DEVICE_DELETE, "Operation Pending");
	wr_clear(&frame);
}

/* --- an operation that is scheduled anew while a session runs --- */

/* The phone's message in a session of its own, and what is decided. */
static enum capf_action say(struct site *s, uint64_t conn, enum capf_question question, struct capf_msg m)
{
	struct capf_answer answer;
	struct err e = ERR_INIT;
	struct wr frame;

	m.session = 7;
	wr_init(&frame, CAPF_FRAME_MAX);
	assert_ok(capf_msg_write(&m, &frame, &e), &e);
	capf_decide(s->a, &(struct capf_ask){ conn, PEER, 7, question, wr_view_all(&frame) }, &answer);
	enum capf_action action = answer.decision.action;
	if (action == CAPF_DO_END)
		assert_int_equal(answer.decision.reason, CAPF_REASON_INVALID);
	capf_answer_clear(&answer);
	wr_clear(&frame);
	return action;
}

/* What a worker refuses by itself is in the audit too, escaped and with its device where one was at it. */
static void refused_by_the_worker(void **state)
{
	const struct capf_msg auth = { .command = CAPF_AUTH_RESPONSE, .has_version = true, .version = 3,
				       .device = view_str(PHONE) };
	struct site *s = *state;
	struct capf_answer answer;

	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	capf_refused(s->a, 1, PEER, "GET\nfake: line", &answer);
	assert_int_equal(answer.verdict, CAPF_REFUSED);
	assert_string_equal(answer.text, PEER ": a bad message: GET\\x0afake: line");
	assert_int_equal(audited(s, "refused: " PEER ": a bad message"), 1);
	assert_state(s, PHONE, DEVICE_INSTALL, "Operation Pending");

	assert_int_equal(say(s, 2, CAPF_ASK_AUTH, auth), CAPF_DO_GENERATE);
	capf_refused(s->a, 2, PEER, "an element runs past the end", &answer);
	assert_int_equal(audited(s, "refused: " PHONE " at " PEER ": a bad message"), 1);
	assert_state(s, PHONE, DEVICE_INSTALL, "Upgrade Failed: Phone Communication Failure");
	assert_int_equal(capf_sessions(s->a), 0);
	capf_gone(s->a, 2, CAPF_END_CLOSED); /* comes after it, and says nothing new */
	assert_int_equal(audited(s, "the connection ended"), 0);
}

static void secured_while_it_ran(void **state)
{
	static const enum phone_field fields[] = { PHONE_AUTH, PHONE_RSA_BITS, PHONE_KEY_ORDER, PHONE_OPERATION };
	static const char *const values[] = { "By Existing Certificate (Precedence to LSC)", "4096", "EC Only", NULL };
	const struct capf_msg auth = { .command = CAPF_AUTH_RESPONSE, .has_version = true, .version = 3,
				       .device = view_str(PHONE) };
	struct site *s = *state;
	struct err e = ERR_INIT;
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(s->rsa1024, &der);
	const struct capf_msg key = { .command = CAPF_KEY_GENERATE_RESPONSE, .public_key = { der, (size_t)len } };

	add_phone(s, PHONE, DEVICE_NO_OPERATION, DEVICE_AUTH_NULL);
	for (size_t i = 0; i < 5; i++) {
		set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_NULL]);
		set_phone(s, PHONE, PHONE_KEY_ORDER, "RSA Only");
		set_phone(s, PHONE, PHONE_RSA_BITS, "1024");
		set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
		assert_int_equal(say(s, i, CAPF_ASK_AUTH, auth), CAPF_DO_GENERATE);
		if (i == 3) {
			set_phone(s, PHONE, PHONE_OPERATION, "No Pending Operation"); /* cancelled, and scheduled again as it was */
			set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
		} else if (i == 4) {
			set_phone(s, PHONE, PHONE_OPERATION, "No Pending Operation");
			set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_STRING]);
			assert_ok(phones_string_set(s->n.cluster, "test", PHONE, "4711", &e), &e);
			set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
		} else {
			set_phone(s, PHONE, fields[i], values[i]);
		}
		assert_int_equal(say(s, i, CAPF_ASK_KEY, key), CAPF_DO_END);
		assert_state(s, PHONE, DEVICE_INSTALL, "Operation Pending");
		assert_string_equal(phone(s, PHONE).lsc.sha256, "");
		assert_int_equal(audited(s, "was changed or ended while it ran"), i + 1);
		assert_int_equal(capf_sessions(s->a), 0);
	}
	/* What is not of CAPF ends nothing; and after the certificate was given it is the same. */
	assert_int_equal(audited(s, "issued by"), 0);
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_NULL]);
	assert_int_equal(say(s, 9, CAPF_ASK_AUTH, auth), CAPF_DO_GENERATE);
	set_phone(s, PHONE, PHONE_DESCRIPTION, "not of CAPF");
	assert_int_equal(say(s, 9, CAPF_ASK_KEY, key), CAPF_DO_STORE);
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_LSC]);
	const struct capf_msg stored = { .command = CAPF_STORE_CERTIFICATE_RESPONSE, .has_reason = true, .reason = 1 };
	assert_int_equal(say(s, 9, CAPF_ASK_STORED, stored), CAPF_DO_END);
	assert_string_equal(phone(s, PHONE).lsc.sha256, "");
	OPENSSL_free(der);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, site_make, site_drop)
	const struct CMUnitTest tests[] = {
		TEST(installs_by_null_string),
		TEST(installs_with_version_2),
		TEST(installs_ec),
		TEST(ec_only_needs_version_3),
		TEST(rsa_backs_up_ec),
		TEST(key_failure_keeps_the_operation),
		TEST(refused_certificate_is_not_installed),
		TEST(fetches),
		TEST(deletes),
		TEST(nothing_scheduled_and_unknown),
		TEST(operation_expires),
		TEST(dropped_at_every_message),
		TEST(lost_sessions_are_swept),
		TEST(issuer_that_may_not),
		TEST(the_template_is_parameters),
		TEST(keys_that_were_not_asked_for),
		TEST(changed_while_it_ran),
		TEST(refused_by_the_worker),
		TEST(secured_while_it_ran),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
