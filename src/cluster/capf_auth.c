#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "proto/capf_proof.h"
#include "store/enrolment.h"

/* --- by authentication string --- */

static bool by_string(struct capf_turn *t)
{
	enum phone_string_answer answer = PHONE_STRING_ABSENT;
	struct err e = ERR_INIT;

	/* Nobody has typed anything: that is no guess, and must not lock a phone that comes by itself. */
	if (!t->m.password.len) {
		capf_fail(t, DEVICE_FAILED_STRING, CAPF_REFUSED, "it sent no authentication string");
		return false;
	}
	if (phone_string_check(t->a->c, t->device, t->m.password, t->now, &answer, &e)) {
		capf_fail(t, DEVICE_FAILED, CAPF_FAILED, "the authentication string cannot be checked: %s", e.text);
		return false;
	}
	switch (answer) {
	case PHONE_STRING_RIGHT: return true;
	case PHONE_STRING_WRONG: /* which has set the status already */
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "wrong authentication string");
		break;
	case PHONE_STRING_LOCKED:
		capf_fail(t, DEVICE_FAILED_STRING, CAPF_REFUSED, "locked out after too many wrong authentication strings");
		break;
	case PHONE_STRING_ABSENT:
		capf_fail(t, DEVICE_FAILED_STRING, CAPF_REFUSED, "no authentication string was given to the device");
		break;
	}
	capf_count_failure(t);
	return false;
}

/* --- by existing certificate --- */

/* The worker chooses session ids, and a SUDI proof holds for the one it was made for: no id counts twice. */
static bool sudi_session_used(struct capf *a, uint32_t session)
{
	size_t n = a->n_sudi < CAPF_SUDI_REMEMBERED ? a->n_sudi : CAPF_SUDI_REMEMBERED;

	for (size_t i = 0; i < n; i++)
		if (a->sudi_sessions[i] == session)
			return true;
	a->sudi_sessions[a->n_sudi++ % CAPF_SUDI_REMEMBERED] = session;
	return false;
}

/* Its dates do not matter: a phone whose MIC has expired shows it together with an LSC that has not, and needs the next. */
static int check_sudi(struct capf_turn *t, struct err *e)
{
	struct cluster *c = t->a->c;
	struct cert *sudi = NULL;
	enum capf_cert_is is = CAPF_IS_LSC;
	bool expired, required;
	int rc = param_get_bool(c, PARAM_CAPF_SUDI, &required, e);

	if (rc || (!t->m.sudi_data.len && !required))
		return rc;
	if (!t->m.sudi_data.len)
		return err_set(e, ERR_AUTH, "SUDI_DATA is missing, which %s asks for", PARAM_CAPF_SUDI);
	rc = capf_sudi_verify(t->ask->session, t->m.sudi_data, &sudi, e);
	if (!rc && sudi_session_used(t->a, t->ask->session))
		rc = err_set(e, ERR_AUTH, "SUDI_DATA was used before");
	if (!rc)
		rc = capf_cert_check(c, &t->task.device, sudi, t->now, &is, &expired, e);
	if (!rc && is != CAPF_IS_MIC)
		rc = err_set(e, ERR_AUTH, "an LSC in SUDI_DATA");
	cert_unref(sudi);
	err_prefix(e, "SUDI_DATA");
	return rc;
}

/* An expired MIC counts where the operator listed the device, until that has installed one LSC, and for nothing else. */
static int check_expired_mic(struct capf_turn *t, struct err *e)
{
	bool allowed = false;
	int rc = store_expiredmic_get(t->a->c->store, t->device, &allowed, e);

	if (rc)
		return rc;
	if (allowed && t->task.device.operation != DEVICE_INSTALL)
		return err_set(e, ERR_AUTH, "it has expired, and is allowed for '%s' only", device_operation_names[DEVICE_INSTALL]);
	t->expired_mic = allowed;
	return allowed ? 0 : err_set(e, ERR_AUTH, "it has expired");
}

/*
 * An LSC that has ended only because its CAPF certificate has still gets the next one, as long as it would have lived
 * otherwise: its phone keeps its key, and nothing else could renew it by itself (behaviour.md 5.4, scenario 10).
 */
static int check_expired_lsc(struct capf_turn *t, const struct cert *lsc, struct err *e)
{
	bool cut = false;
	uint32_t days;
	int rc = param_get_number(t->a->c, PARAM_CAPF_VALIDITY, &days, e);

	if (!rc && t->task.device.operation == DEVICE_INSTALL && t->now < cert_not_before(lsc) + (int64_t)days * 86400)
		rc = capf_cert_is_cut(t->a->c, lsc, &cut, e);
	return rc || cut ? rc : err_set(e, ERR_AUTH, "it has expired");
}

/* What the certificate has shown goes into the inventory. A failure to write that down is none of the phone. */
static int remember(struct capf_turn *t, enum capf_cert_is is, const struct cert *cert, struct err *e)
{
	struct cluster *c = t->a->c;
	char sha256[65];

	if (is == CAPF_IS_MIC)
		return phone_mic_seen(c, t->device, cert, t->now, e);
	text_hex(sha256, sizeof(sha256), (struct view){ cert_sha256(cert), 32 }, '\0', false);
	int rc = strcmp(sha256, t->task.device.lsc.sha256) == 0 ?
			 0 :
			 store_devicecert_put(c->store, t->device, DEVICECERT_LSC, DEVICECERT_STORED, cert, t->now, e);
	return rc ? rc : phone_lsc_proven(c, t->device, cert, t->now, e);
}

static enum device_failure failure_of(enum capf_cert_is is)
{
	return is == CAPF_IS_LSC ? DEVICE_FAILED_LSC : DEVICE_FAILED_MIC;
}

static bool refuse_cert(struct capf_turn *t, int rc, enum device_failure why, const struct err *e)
{
	bool ours = rc == ERR_STORE || rc == ERR_NOMEM || rc == ERR_IO;

	capf_fail(t, ours ? DEVICE_FAILED : why, ours ? CAPF_FAILED : CAPF_REFUSED, "its certificate is not accepted: %s", e->text);
	if (!ours)
		capf_count_failure(t);
	return false;
}

/* Which one it shows, LSC or MIC, is the phone's choice by its configuration; the mode says what is missing when there is
 * none. */
static bool by_certificate(struct capf_turn *t)
{
	enum capf_cert_is is = device_auth_due(&t->task.device) == DEVICE_AUTH_MIC ? CAPF_IS_MIC : CAPF_IS_LSC;
	struct cert *cert = NULL;
	struct err e = ERR_INIT;
	bool expired = false;

	if (!t->m.certificate.len) {
		capf_fail(t, failure_of(is), CAPF_REFUSED, "it sent no certificate to authenticate with");
		return false;
	}
	int rc = cert_from_der(t->m.certificate, &cert, &e);
	if (!rc)
		rc = capf_proof_verify(t->m.device, cert, t->m.signed_data, t->m.sha2_signed_data, &e);
	enum device_failure why = rc ? DEVICE_FAILED_CREDENTIALS : DEVICE_FAILED;
	if (!rc) {
		rc = capf_cert_check(t->a->c, &t->task.device, cert, t->now, &is, &expired, &e);
		if (!rc && expired)
			rc = is == CAPF_IS_MIC ? check_expired_mic(t, &e) : check_expired_lsc(t, cert, &e);
		why = failure_of(is);
	}
	if (!rc) {
		rc = check_sudi(t, &e);
		why = DEVICE_FAILED_CREDENTIALS;
	}
	if (!rc)
		rc = remember(t, is, cert, &e);
	cert_unref(cert);
	return rc ? refuse_cert(t, rc, why, &e) : true;
}

bool capf_authenticate(struct capf_turn *t)
{
	switch (device_auth_due(&t->task.device)) {
	case DEVICE_AUTH_NULL: return true;
	case DEVICE_AUTH_STRING: return by_string(t);
	case DEVICE_AUTH_LSC:
	case DEVICE_AUTH_MIC: return by_certificate(t);
	}
	capf_end(t, CAPF_FAILED, CAPF_REASON_INVALID, "its authentication mode is unknown");
	return false;
}
