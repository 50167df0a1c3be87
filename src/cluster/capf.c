#include "cluster/capf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "store/audit.h"
#include "store/enrolment.h"

#define RETRY_S 60               /* when too many are at it at once */
#define GRACE_MS 60000           /* a worker tells us when a connection ends; only a lost one does not */
#define AUDIT_BURST 60           /* rows that strangers may cause at once, */
#define AUDIT_EVERY_MS 10000     /* and one more in this time */

/* --- the object --- */

int capf_new(struct cluster *c, struct capf **a, struct err *e)
{
	struct capf *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "out of memory");
	got->c = c;
	got->audit_left = AUDIT_BURST;
	got->audit_ms = clock_mono_ms(c->clock);
	*a = got;
	return 0;
}

void capf_free(struct capf *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		cert_unref(a->sessions[i].lsc);
	free(a->sessions);
	capf_addresses_clear(&a->addresses);
	free(a);
}

size_t capf_sessions(const struct capf *a)
{
	return a->n;
}

void capf_answer_clear(struct capf_answer *answer)
{
	free(answer->certificate);
	answer->certificate = NULL;
	answer->decision.certificate = (struct view){ 0 };
}

/* --- sessions --- */

static struct capf_session *session_of(struct capf *a, uint64_t conn)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->sessions[i].conn == conn)
			return &a->sessions[i];
	return NULL;
}

static void session_drop(struct capf *a, struct capf_session *s)
{
	cert_unref(s->lsc);
	*s = a->sessions[--a->n];
}

static void session_wait(struct capf_session *s, enum capf_question next, uint64_t now_ms)
{
	s->next = next;
	s->until_ms = now_ms + (next == CAPF_ASK_KEY ? CAPF_KEY_MS : CAPF_IDLE_MS) + GRACE_MS;
}

static bool make_room(struct capf *a)
{
	size_t room = a->room ? 2 * a->room : 64;

	if (a->n < a->room)
		return true;
	struct capf_session *grown = realloc(a->sessions, room * sizeof(*grown));
	if (!grown)
		return false;
	a->sessions = grown;
	a->room = room;
	return true;
}

/* A device has one session: a phone whose connection broke comes back before we hear of it. NULL: too many at once. */
static struct capf_session *session_begin(struct capf_turn *t)
{
	struct capf *a = t->a;

	for (size_t i = a->n; i-- > 0;)
		if (a->sessions[i].conn == t->ask->conn || strcmp(a->sessions[i].device, t->device) == 0)
			session_drop(a, &a->sessions[i]);
	if (a->n == CAPF_SESSIONS_MAX || !make_room(a))
		return NULL;
	struct capf_session *s = &a->sessions[a->n++];
	*s = (struct capf_session){
		.conn = t->ask->conn,
		.id = t->ask->session,
		.version = t->m.version < CAPF_VERSION ? t->m.version : CAPF_VERSION,
		.operation = t->task.device.operation,
		.expired_mic = t->expired_mic,
	};
	memcpy(s->operation_id, t->task.device.operation_id, sizeof(s->operation_id));
	snprintf(s->device, sizeof(s->device), "%s", t->device);
	snprintf(s->peer, sizeof(s->peer), "%s", t->ask->peer);
	return s;
}

/* --- what strangers leave in the audit: no more than fits on a disk --- */

static bool audit_allowed(struct capf *a)
{
	uint64_t now = clock_mono_ms(a->c->clock), earned = (now - a->audit_ms) / AUDIT_EVERY_MS;

	a->audit_ms += earned * AUDIT_EVERY_MS;
	a->audit_left = earned >= AUDIT_BURST - a->audit_left ? AUDIT_BURST : a->audit_left + (unsigned)earned;
	if (!a->audit_left) {
		a->audit_dropped++;
		return false;
	}
	a->audit_left--;
	return true;
}

static void audit(struct capf_turn *t, const char *how, const char *text)
{
	char outcome[sizeof(t->out->text) + 64], object[CAPF_DEVICE_MAX + STORE_ADDRESS_SIZE + 16];
	struct capf *a = t->a;
	struct err e = ERR_INIT;

	if (!audit_allowed(a))
		return;
	size_t used = text_append(outcome, sizeof(outcome), 0, "%s: %s", how, text);
	if (a->audit_dropped)
		text_append(outcome, sizeof(outcome), used, " (%u more were not recorded)", a->audit_dropped);
	snprintf(object, sizeof(object), "%s%s%s", t->device, *t->device ? " at " : "", t->ask->peer);
	const struct store_audit row = { .time = t->now, .who = "CAPF", .command = "session", .object = object, .outcome = outcome };
	if (!store_audit_append(a->c->store, &row, &e))
		a->audit_dropped = 0;
	else
		a->audit_dropped++;
}

/* --- answers --- */

static void __attribute__((format(printf, 2, 0))) say(struct capf_turn *t, const char *fmt, va_list args)
{
	char *out = t->out->text;
	size_t size = sizeof(t->out->text);
	size_t used = text_append(out, size, 0, *t->device ? "%s at %s: " : "%s%s: ", t->device, t->ask->peer);

	vsnprintf(out + used, size - used, fmt, args);
}

static void conclude(struct capf_turn *t, enum capf_verdict verdict, enum capf_reason reason)
{
	t->out->decision = (struct capf_decision){ .action = CAPF_DO_END, .reason = reason };
	t->out->verdict = verdict;
	t->out->encrypted = verdict == CAPF_SUCCEEDED && t->task.device.encrypt_config;
	if (verdict == CAPF_REFUSED || verdict == CAPF_FAILED)
		audit(t, verdict == CAPF_REFUSED ? "refused" : "failed", t->out->text);
}

void capf_end(struct capf_turn *t, enum capf_verdict verdict, enum capf_reason reason, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(t, fmt, args);
	va_end(args);
	conclude(t, verdict, reason);
}

void capf_go_on(struct capf_turn *t, enum capf_action action, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(t, fmt, args);
	va_end(args);
	t->out->decision = (struct capf_decision){ .action = action };
	t->out->verdict = CAPF_GOING_ON;
}

/* The status of a pending operation; once is enough, or a stranger could keep the disk busy. */
static int set_failed(struct capf *a, const struct store_device *d, enum device_failure why, int64_t now, struct err *e)
{
	const char *status = device_status_failed(d->operation, why);

	if (!status) {
		why = DEVICE_FAILED;
		status = device_status_failed(d->operation, why);
	}
	if (d->operation == DEVICE_NO_OPERATION || (status && strcmp(d->status, status) == 0))
		return 0;
	return phone_operation_failed(a->c, d->name, why, false, now, e);
}

void capf_fail(struct capf_turn *t, enum device_failure why, enum capf_verdict verdict, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	va_list args;

	va_start(args, fmt);
	say(t, fmt, args);
	va_end(args);
	if (set_failed(t->a, &t->task.device, why, t->now, &e)) {
		size_t used = strlen(t->out->text);
		text_append(t->out->text, sizeof(t->out->text), used, "; its status could not be recorded: %s", e.text);
		verdict = CAPF_FAILED;
	}
	conclude(t, verdict, CAPF_REASON_INVALID);
}

/* --- an AUTH_RESPONSE --- */

/* C-10: what the answer may give away is the operator's choice; see docs/capf.md. */
static void unknown(struct capf_turn *t)
{
	char *value = NULL, shown[80];
	struct err e = ERR_INIT;
	bool conceal = param_get(t->a->c, PARAM_CAPF_UNKNOWN, &value, &e) == 0 && strcmp(value, "No Action") == 0;

	free(value);
	text_escape(shown, sizeof(shown), t->m.device);
	capf_end(t, CAPF_REFUSED, conceal ? CAPF_REASON_NO_ACTION : CAPF_REASON_UNKNOWN_DEVICE, "there is no device \"%s\"", shown);
}

/* The device's record as it is now. False: the turn has ended. */
static bool load(struct capf_turn *t)
{
	struct err e = ERR_INIT;

	if (!phone_task_get(t->a->c, t->device, t->now, &t->task, &e))
		return true;
	capf_end(t, CAPF_FAILED, CAPF_REASON_INVALID, "the device's record cannot be read: %s", e.text);
	return false;
}

/* An imported certificate waits for the phone, or it has to make a key. */
static void begin_install(struct capf_turn *t, struct capf_session *s)
{
	const struct store_device *d = &t->task.device;
	bool ec = d->key_order != DEVICE_RSA_ONLY;

	if (ec && s->version < 3 && d->key_order == DEVICE_EC_ONLY) {
		capf_fail(t, DEVICE_FAILED_EC_ONLY, CAPF_REFUSED, "it is to have an EC key and speaks CAPF version %u, which has none",
			  s->version);
		return;
	}
	ec = ec && s->version >= 3;
	s->rsa_backup = ec && d->key_order == DEVICE_EC_PREFERRED;
	s->asked = ec ? (struct key_spec){ KEY_EC, d->ec_bits } : (struct key_spec){ KEY_RSA, d->rsa_bits };
	capf_ask_key(t, s);
}

static uint8_t curve_of(unsigned bits)
{
	if (bits == 256)
		return CAPF_CURVE_P256;
	return bits == 384 ? CAPF_CURVE_P384 : CAPF_CURVE_P521;
}

void capf_ask_key(struct capf_turn *t, struct capf_session *s)
{
	bool ec = s->asked.type == KEY_EC;

	session_wait(s, CAPF_ASK_KEY, t->now_ms);
	capf_go_on(t, CAPF_DO_GENERATE, "asked for an %s%u key", ec ? "EC P-" : "RSA-", s->asked.bits);
	t->out->decision.key_type = ec ? CAPF_KEY_EC : CAPF_KEY_RSA;
	t->out->decision.key_bits = (uint16_t)(ec ? 0 : s->asked.bits);
	t->out->decision.curve = curve_of(s->asked.bits);
}

void capf_give(struct capf_turn *t, struct capf_session *s, struct cert *lsc)
{
	struct view der = cert_der(lsc);
	uint8_t *copy = malloc(der.len);

	if (!copy) {
		cert_unref(lsc);
		capf_fail(t, DEVICE_FAILED, CAPF_FAILED, "out of memory");
		return;
	}
	memcpy(copy, der.p, der.len);
	cert_unref(s->lsc);
	s->lsc = lsc;
	session_wait(s, CAPF_ASK_STORED, t->now_ms);
	capf_go_on(t, CAPF_DO_STORE, "issued an LSC");
	t->out->certificate = copy;
	t->out->certificate_len = der.len;
	t->out->decision.certificate = (struct view){ copy, der.len };
}

static void begin(struct capf_turn *t)
{
	struct capf_session *s = session_begin(t);

	if (!s) {
		capf_go_on(t, CAPF_DO_RETRY, "too many phones at once, it is to come back later");
		t->out->decision.retry_s = RETRY_S;
		return;
	}
	switch (s->operation) {
	case DEVICE_INSTALL:
		if (!capf_offline_give(t, s))
			begin_install(t, s);
		return;
	case DEVICE_TROUBLESHOOT:
		session_wait(s, CAPF_ASK_FETCHED, t->now_ms);
		capf_go_on(t, CAPF_DO_FETCH, "asked for its certificate");
		return;
	case DEVICE_DELETE:
		session_wait(s, CAPF_ASK_DELETED, t->now_ms);
		capf_go_on(t, CAPF_DO_DELETE, "told to delete its LSC");
		return;
	case DEVICE_NO_OPERATION: break;
	}
	capf_end(t, CAPF_NOTHING, CAPF_REASON_NO_ACTION, "nothing is scheduled");
}

static void on_auth(struct capf_turn *t)
{
	if (capf_locked_out(t)) {
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "locked out after too many failures from this address");
		return;
	}
	if (!*t->device) {
		unknown(t);
		return;
	}
	if (!load(t))
		return;
	if (!t->task.known)
		unknown(t);
	else if (t->task.device.operation == DEVICE_NO_OPERATION)
		capf_end(t, CAPF_NOTHING, CAPF_REASON_NO_ACTION, "nothing is scheduled");
	else if (!t->m.has_version || !t->m.version)
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "it names no version of CAPF");
	else if (t->m.has_reason && t->m.reason != CAPF_REASON_SUCCESS)
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "it declined, reason %u", t->m.reason);
	else if (capf_authenticate(t))
		begin(t);
}

/* --- the other answers of a phone, all within a session --- */

static bool is_its_operation(const struct phone_task *task, const struct capf_session *s)
{
	return task->known && task->device.operation == s->operation &&
	       strcmp(task->device.operation_id, s->operation_id) == 0;
}

/*
 * Is what the session is for still to be done? An administrator may have changed his mind meanwhile: the same operation with
 * another key, or with another proof of who the phone is, is another one, and so is one that was cancelled in between.
 */
static bool still_pending(struct capf_turn *t, const struct capf_session *s)
{
	bool allowed = true;
	struct err e = ERR_INIT;

	if (!load(t))
		return false;
	if (!is_its_operation(&t->task, s))
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "the operation was changed or ended while it ran");
	else if (s->expired_mic && store_expiredmic_get(t->a->c->store, t->device, &allowed, &e))
		capf_end(t, CAPF_FAILED, CAPF_REASON_INVALID, "what is allowed of its MIC cannot be read: %s", e.text);
	else if (!allowed)
		capf_fail(t, DEVICE_FAILED_MIC, CAPF_REFUSED, "its expired MIC was allowed no longer while it ran");
	else
		return true;
	return false;
}

static bool did_it(const struct capf_turn *t)
{
	return t->m.has_reason && t->m.reason == CAPF_REASON_SUCCESS;
}

static void could_not_record(struct capf_turn *t, const struct err *e)
{
	capf_fail(t, DEVICE_FAILED, CAPF_FAILED, "the phone is done, but that could not be recorded: %s", e->text);
}

static void on_stored(struct capf_turn *t, const struct capf_session *s)
{
	struct err e = ERR_INIT;

	if (!did_it(t)) {
		capf_fail(t, DEVICE_FAILED, CAPF_REFUSED, "it did not store the LSC, reason %u", t->m.reason);
		return;
	}
	if (phone_installed(t->a->c, t->device, s->lsc, t->now, &e))
		could_not_record(t, &e);
	else
		capf_end(t, CAPF_SUCCEEDED, CAPF_REASON_SUCCESS, "LSC installed");
}

static void on_deleted(struct capf_turn *t)
{
	struct err e = ERR_INIT;

	if (!did_it(t))
		capf_fail(t, DEVICE_FAILED, CAPF_REFUSED, "it did not delete its LSC, reason %u", t->m.reason);
	else if (phone_deleted(t->a->c, t->device, t->now, &e))
		could_not_record(t, &e);
	else
		capf_end(t, CAPF_SUCCEEDED, CAPF_REASON_SUCCESS, "LSC deleted");
}

/* What is not provably its own is kept in the trace, beside what is, and nowhere else (C-11). */
static void take_foreign(struct capf_turn *t, const struct cert *cert, enum capf_cert_is is, const struct err *why)
{
	bool ours = why->code == ERR_STORE || why->code == ERR_NOMEM;
	enum device_failure failure = is == CAPF_IS_MIC ? DEVICE_FAILED_MIC : DEVICE_FAILED_LSC;
	struct err e = ERR_INIT;

	if (capf_trace(t->a->c, t->device, CAPF_TRACE_FOREIGN, cert, &e))
		could_not_record(t, &e);
	else
		capf_fail(t, ours ? DEVICE_FAILED : failure, ours ? CAPF_FAILED : CAPF_REFUSED,
			  "what it sent is not taken for its %s, and only kept as " CAPF_TRACE_FOLDER "/%s-" CAPF_TRACE_FOREIGN ".pem: %s",
			  is == CAPF_IS_MIC ? "MIC" : "LSC", t->device, why->text);
}

static void take_fetched(struct capf_turn *t, const struct cert *cert)
{
	struct err e = ERR_INIT;
	enum capf_cert_is is = t->m.certificate_type == CAPF_CERT_MIC ? CAPF_IS_MIC : CAPF_IS_LSC;
	bool expired;

	if (capf_cert_check(t->a->c, &t->task.device, cert, t->now, &is, &expired, &e)) {
		take_foreign(t, cert, is, &e);
		return;
	}
	const char *kind = is == CAPF_IS_MIC ? "MIC" : "LSC";
	int rc = capf_trace(t->a->c, t->device, kind, cert, &e);
	if (!rc)
		rc = phone_fetched(t->a->c, t->device, is == CAPF_IS_LSC ? cert : NULL, is == CAPF_IS_MIC ? cert : NULL,
				   t->now, &e);
	if (rc)
		could_not_record(t, &e);
	else
		capf_end(t, CAPF_SUCCEEDED, CAPF_REASON_NO_ACTION, "sent its %s%s", kind, expired ? ", which has expired" : "");
}

static void on_fetched(struct capf_turn *t)
{
	struct cert *cert = NULL;
	struct err e = ERR_INIT;

	if (!did_it(t) || !t->m.certificate.len)
		capf_fail(t, DEVICE_FAILED, CAPF_REFUSED, "it sent no certificate, reason %u", t->m.reason);
	else if (cert_from_der(t->m.certificate, &cert, &e))
		capf_fail(t, DEVICE_FAILED, CAPF_REFUSED, "what it sent is no certificate: %s", e.text);
	else
		take_fetched(t, cert);
	t->out->decision.reason = CAPF_REASON_NO_ACTION; /* 7.8: a session that fetched ends with it in any case */
	cert_unref(cert);
}

static void on_answer(struct capf_turn *t)
{
	struct capf_session *s = session_of(t->a, t->ask->conn);

	if (!s || s->next != t->ask->question || s->id != t->ask->session) {
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "no session of it is running that this message belongs to");
		return;
	}
	memcpy(t->device, s->device, sizeof(t->device));
	memcpy(t->out->device, s->device, sizeof(t->out->device));
	if (!still_pending(t, s))
		return;
	switch (t->ask->question) {
	case CAPF_ASK_KEY: capf_key_arrived(t, s); return;
	case CAPF_ASK_STORED: on_stored(t, s); return;
	case CAPF_ASK_FETCHED: on_fetched(t); return;
	case CAPF_ASK_DELETED: on_deleted(t); return;
	case CAPF_ASK_AUTH: return; /* never: it begins a session */
	}
}

/* --- from outside --- */

/* The name becomes part of questions to the store, of texts and of file names: only what can be one gets that far. */
static void take_name(struct capf_turn *t)
{
	char name[CAPF_DEVICE_MAX];

	if (!t->m.device.len || t->m.device.len >= sizeof(name) || memchr(t->m.device.p, 0, t->m.device.len))
		return;
	memcpy(name, t->m.device.p, t->m.device.len);
	name[t->m.device.len] = '\0';
	if (!text_is_device_name(name))
		return;
	memcpy(t->device, name, sizeof(name));
	memcpy(t->out->device, name, sizeof(name));
}

static bool answers(enum capf_question question, uint8_t command)
{
	switch (question) {
	case CAPF_ASK_AUTH: return command == CAPF_AUTH_RESPONSE;
	case CAPF_ASK_KEY: return command == CAPF_KEY_GENERATE_RESPONSE;
	case CAPF_ASK_STORED: return command == CAPF_STORE_CERTIFICATE_RESPONSE;
	case CAPF_ASK_FETCHED: return command == CAPF_FETCH_CERTIFICATE_RESPONSE;
	case CAPF_ASK_DELETED: return command == CAPF_DELETE_CERTIFICATE_RESPONSE;
	}
	return false;
}

static void decide(struct capf_turn *t)
{
	struct err e = ERR_INIT;

	if (capf_msg_read(t->ask->frame, &t->m, &e)) {
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "a malformed message: %s", e.text);
		return;
	}
	if (!answers(t->ask->question, t->m.command) || t->m.session != t->ask->session) {
		capf_end(t, CAPF_REFUSED, CAPF_REASON_INVALID, "a message that does not belong to its session");
		return;
	}
	if (t->ask->question != CAPF_ASK_AUTH) {
		on_answer(t);
		return;
	}
	take_name(t);
	on_auth(t);
}

void capf_decide(struct capf *a, const struct capf_ask *ask, struct capf_answer *answer)
{
	struct capf_turn t = {
		.a = a,
		.ask = ask,
		.out = answer,
		.now = clock_wall_s(a->c->clock),
		.now_ms = clock_mono_ms(a->c->clock),
	};

	*answer = (struct capf_answer){ 0 };
	decide(&t);
	struct capf_session *s = session_of(a, ask->conn);
	if (s && (answer->decision.action == CAPF_DO_END || answer->decision.action == CAPF_DO_RETRY))
		session_drop(a, s);
}

void capf_refused(struct capf *a, uint64_t conn, const char *peer, const char *why, struct capf_answer *answer)
{
	struct capf_session *s = session_of(a, conn);
	struct capf_ask ask = { .conn = conn, .peer = peer };
	struct capf_turn t = { .a = a, .ask = &ask, .out = answer, .now = clock_wall_s(a->c->clock) };
	struct err e = ERR_INIT;
	char shown[200];

	*answer = (struct capf_answer){ 0 };
	text_escape(shown, sizeof(shown), view_str(why));
	if (s) {
		memcpy(t.device, s->device, sizeof(t.device));
		memcpy(answer->device, s->device, sizeof(answer->device));
	}
	if (s && !phone_task_get(a->c, t.device, t.now, &t.task, &e) && is_its_operation(&t.task, s))
		capf_fail(&t, DEVICE_FAILED_COMMUNICATION, CAPF_REFUSED, "a bad message: %s", shown);
	else
		capf_end(&t, CAPF_REFUSED, CAPF_REASON_INVALID, "a bad message: %s", shown);
	if (s)
		session_drop(a, s);
}

static void session_lost(struct capf *a, struct capf_session *s, enum device_failure why)
{
	struct capf_answer ignored = { 0 };
	struct capf_ask ask = { .conn = s->conn, .peer = s->peer, .session = s->id };
	struct capf_turn t = { .a = a, .ask = &ask, .out = &ignored, .now = clock_wall_s(a->c->clock) };
	struct err e = ERR_INIT;

	memcpy(t.device, s->device, sizeof(t.device));
	if (!phone_task_get(a->c, t.device, t.now, &t.task, &e) && is_its_operation(&t.task, s))
		capf_fail(&t, why, CAPF_REFUSED, "the connection ended before the phone was done");
	session_drop(a, s);
}

void capf_gone(struct capf *a, uint64_t conn, enum capf_end how)
{
	struct capf_session *s = session_of(a, conn);

	if (s)
		session_lost(a, s, how == CAPF_END_TIMEOUT && s->next == CAPF_ASK_KEY ? DEVICE_FAILED_KEY :
											DEVICE_FAILED_COMMUNICATION);
}

void capf_gone_between(struct capf *a, uint64_t first, uint64_t last)
{
	for (size_t i = a->n; i-- > 0;)
		if (a->sessions[i].conn >= first && a->sessions[i].conn <= last)
			session_lost(a, &a->sessions[i], DEVICE_FAILED_COMMUNICATION);
}

int capf_step(struct capf *a, struct err *e)
{
	uint64_t now_ms = clock_mono_ms(a->c->clock);
	int64_t now = clock_wall_s(a->c->clock);
	size_t n;

	for (size_t i = a->n; i-- > 0;)
		if (now_ms >= a->sessions[i].until_ms)
			session_lost(a, &a->sessions[i],
				     a->sessions[i].next == CAPF_ASK_KEY ? DEVICE_FAILED_KEY : DEVICE_FAILED_COMMUNICATION);
	int rc = phones_expire(a->c, now, &n, e);
	return rc ? rc : capf_renewals_step(a, now, e);
}
