#include "cluster/phone_capf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/param.h"
#include "cluster/phone_string.h"
#include "cluster/phones_internal.h"
#include "store/enrolment.h"

#define EXPIRE_MAX 1000      /* operations that one transaction ends */
#define LOCK_DOUBLINGS_MAX 10 /* of 15 minutes: ten days, as long as an operation lives */

/* One thing that CAPF does to one phone. */
struct doing {
	const char *name;
	int64_t now;
	const struct cert *lsc, *mic;
	enum device_failure why;
	bool over;
	struct view string;
	enum phone_string_answer answer;
};

typedef int doing_fn(struct cluster *c, struct phone_change *ch, void *doing, struct err *e);

static int run(struct cluster *c, const char *command, doing_fn *apply, struct doing *d, struct err *e)
{
	char object[STORE_NAME_SIZE + 8], shown[STORE_NAME_SIZE];
	struct phone_change ch = { .who = "CAPF", .command = command, .object = object, .apply = apply, .ctx = d };

	text_escape(shown, sizeof(shown), view_str(d->name));
	snprintf(object, sizeof(object), "phone %s", shown);
	return phone_change_run(c, &ch, e);
}

static void sha256_text(const struct cert *cert, char out[65])
{
	text_hex(out, 65, (struct view){ cert_sha256(cert), 32 }, '\0', false);
}

int phone_operation_end(struct cluster *c, struct store_device *d, const char *status, struct err *e)
{
	bool uses_string = d->has_string && !d->renewal;

	d->operation = DEVICE_NO_OPERATION;
	d->renewal = false;
	d->complete_by = 0;
	snprintf(d->status, sizeof(d->status), "%s", status);
	int rc = store_device_set(c->store, d, e);
	if (!rc && uses_string)
		rc = store_device_string_set(c->store, d->name, NULL, e);
	if (!rc && uses_string)
		d->has_string = false;
	return rc;
}

/* --- renewals by themselves --- */

static int renew(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	int rc = phone_need(c, w->name, &d, e);

	ch->quiet = !rc && d.operation != DEVICE_NO_OPERATION;
	if (rc || ch->quiet)
		return rc;
	snprintf(ch->before, sizeof(ch->before), "%s: %s", device_operation_names[d.operation], d.status);
	d.operation = DEVICE_INSTALL;
	d.renewal = true;
	rc = phone_operation_begin(c, &d, e);
	if (!rc)
		rc = store_device_set(c->store, &d, e);
	snprintf(ch->after, sizeof(ch->after), "%s, %s, this once", device_operation_names[DEVICE_INSTALL],
		 device_auth_names[device_auth_due(&d)]);
	return rc;
}

int phone_renewal_begin(struct cluster *c, const char *name, int64_t now, struct err *e)
{
	return run(c, "LSC renewal", renew, &(struct doing){ .name = name, .now = now }, e);
}

/* --- operations that fail --- */

static const char *failure_text(enum device_operation op, enum device_failure why)
{
	const char *text = device_status_failed(op, why);

	return text ? text : device_status_failed(op, DEVICE_FAILED);
}

static int failed(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	int rc = phone_need(c, w->name, &d, e);

	ch->quiet = !rc && d.operation == DEVICE_NO_OPERATION;
	if (rc || ch->quiet)
		return rc;
	const char *status = failure_text(d.operation, w->why);
	snprintf(ch->before, sizeof(ch->before), "%s: %s", device_operation_names[d.operation], d.status);
	snprintf(ch->after, sizeof(ch->after), "%s%s", status, w->over ? "" : "; may be tried again");
	snprintf(ch->outcome, sizeof(ch->outcome), "failed: %s", status);
	if (w->over)
		return phone_operation_end(c, &d, status, e);
	snprintf(d.status, sizeof(d.status), "%s", status);
	return store_device_set(c->store, &d, e);
}

int phone_operation_failed(struct cluster *c, const char *name, enum device_failure why, bool over, int64_t now,
			   struct err *e)
{
	return run(c, "operation", failed, &(struct doing){ .name = name, .why = why, .over = over, .now = now }, e);
}

static bool is_late(const struct store_device *d, int64_t now)
{
	return d->operation != DEVICE_NO_OPERATION && d->complete_by && now > d->complete_by;
}

int phone_task_get(struct cluster *c, const char *name, int64_t now, struct phone_task *t, struct err *e)
{
	struct phone_task got = { 0 };
	int rc = store_device_get(c->store, name, &got.device, &got.known, e);

	if (!rc && got.known && is_late(&got.device, now)) {
		rc = phone_operation_failed(c, name, DEVICE_FAILED_LATE, true, now, e);
		if (!rc)
			rc = store_device_get(c->store, name, &got.device, &got.known, e);
	}
	if (!rc)
		*t = got;
	return rc;
}

struct late {
	int64_t now;
	struct store_device *devices;
	size_t n;
};

static int keep(void *ctx, const struct store_device *d)
{
	struct late *l = ctx;

	l->devices[l->n++] = *d;
	return 0;
}

static int expire_one(struct cluster *c, const struct phone_change *ch, struct store_device *d, struct err *e)
{
	const char *status = failure_text(d->operation, DEVICE_FAILED_LATE);
	struct phone_change record = { .who = ch->who, .command = ch->command };
	char object[STORE_NAME_SIZE + 8];

	snprintf(object, sizeof(object), "phone %s", d->name);
	record.object = object;
	snprintf(record.before, sizeof(record.before), "%s: %s", device_operation_names[d->operation], d->status);
	snprintf(record.after, sizeof(record.after), "%s", status);
	int rc = phone_operation_end(c, d, status, e);
	return rc ? rc : phone_audit(c, &record, "failed: it was to be completed before", e);
}

static int expire(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct late *l = ctx;
	int rc = store_device_list_late(c->store, l->now, EXPIRE_MAX, keep, l, e);

	for (size_t i = 0; !rc && i < l->n; i++)
		rc = expire_one(c, ch, &l->devices[i], e);
	ch->quiet = true; /* each phone has its own record */
	return rc;
}

static int found_one(void *ctx, const struct store_device *d)
{
	(void)d;
	*(bool *)ctx = true;
	return 0;
}

int phones_expire(struct cluster *c, int64_t now, size_t *n, struct err *e)
{
	bool any = false;
	int rc = store_device_list_late(c->store, now, 1, found_one, &any, e);

	if (rc || !any) { /* nearly always: no transaction */
		if (!rc)
			*n = 0;
		return rc;
	}
	AUTO(auto_free) struct store_device *devices = calloc(EXPIRE_MAX, sizeof(*devices));
	struct late l = { .now = now, .devices = devices };
	struct phone_change ch = { .who = "CAPF", .command = "operation expires", .apply = expire, .ctx = &l };
	if (!devices)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = phone_change_run(c, &ch, e);
	if (!rc)
		*n = l.n;
	return rc;
}

/* --- authentication strings --- */

/* How long the device is locked with this many failures; 0: it may go on. */
static int lock_seconds(struct cluster *c, unsigned failures, int64_t *seconds, struct err *e)
{
	uint32_t attempts, minutes;
	int rc = param_get_number(c, PARAM_STRING_ATTEMPTS, &attempts, e);

	if (!rc)
		rc = param_get_number(c, PARAM_STRING_LOCKOUT, &minutes, e);
	if (rc)
		return rc;
	unsigned times = failures % attempts ? 0 : failures / attempts;
	unsigned doublings = times > LOCK_DOUBLINGS_MAX ? LOCK_DOUBLINGS_MAX : times - 1;
	*seconds = times ? (INT64_C(60) * minutes) << doublings : 0;
	return 0;
}

static int count_failure(struct cluster *c, struct phone_change *ch, const struct doing *w, struct store_device *d,
			 struct err *e)
{
	const char *status = device_status_failed(d->operation, DEVICE_FAILED_STRING);
	int64_t seconds;
	int rc = lock_seconds(c, d->failures + 1, &seconds, e);

	if (rc)
		return rc;
	snprintf(ch->outcome, sizeof(ch->outcome), "refused: wrong authentication string, the %u. since it was given%s",
		 d->failures + 1, seconds ? "; none is tried for a while" : "");
	rc = store_device_attempts_set(c->store, d->name, d->failures + 1, seconds ? w->now + seconds : 0, e);
	if (rc || !status)
		return rc;
	snprintf(d->status, sizeof(d->status), "%s", status);
	return store_device_set(c->store, d, e);
}

static int check_string(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct doing *w = ctx;
	char derived[DEVICE_STRING_SIZE];
	struct store_device d;
	bool found = false, matches = false;
	int rc = store_device_get(c->store, w->name, &d, &found, e);

	ch->quiet = true;
	w->answer = PHONE_STRING_ABSENT;
	if (rc || !found || !d.has_string)
		return rc;
	w->answer = PHONE_STRING_LOCKED;
	if (d.locked_until > w->now)
		return 0;
	rc = store_device_string_get(c->store, w->name, derived, e);
	if (!rc)
		rc = phone_string_matches(w->string, derived, &matches, e);
	secret_wipe(derived, sizeof(derived));
	if (rc)
		return rc;
	w->answer = matches ? PHONE_STRING_RIGHT : PHONE_STRING_WRONG;
	ch->quiet = matches;
	return matches ? 0 : count_failure(c, ch, w, &d, e);
}

int phone_string_check(struct cluster *c, const char *name, struct view string, int64_t now,
		       enum phone_string_answer *answer, struct err *e)
{
	struct doing w = { .name = name, .string = string, .now = now };
	int rc = run(c, "authenticate", check_string, &w, e);

	if (!rc)
		*answer = w.answer;
	return rc;
}

/* --- operations that the phone has done --- */

static int need_operation(struct cluster *c, const struct doing *w, enum device_operation op, struct store_device *d,
			  struct err *e)
{
	int rc = phone_need(c, w->name, d, e);

	if (!rc && d->operation != op)
		rc = err_set(e, ERR_USAGE, "phone %s: '%s' is not pending, but '%s'", w->name, device_operation_names[op],
			     device_operation_names[d->operation]);
	return rc;
}

static int succeed(struct cluster *c, struct phone_change *ch, struct store_device *d, struct err *e)
{
	const char *status = device_status_success(d->operation);

	snprintf(ch->before, sizeof(ch->before), "%s: %s", device_operation_names[d->operation], d->status);
	snprintf(ch->after, sizeof(ch->after), "%s", status);
	return phone_operation_end(c, d, status, e);
}

static void name_cert(struct phone_change *ch, const char *kind, const struct cert *cert)
{
	char sha256[65];

	sha256_text(cert, sha256);
	text_append(ch->after, sizeof(ch->after), strlen(ch->after), "; %s %.16s, issued by %.200s", kind, sha256, cert_issuer(cert));
}

static int issued(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	int rc = need_operation(c, w, DEVICE_INSTALL, &d, e);

	if (!rc)
		rc = store_devicecert_put(c->store, w->name, DEVICECERT_LSC, DEVICECERT_ISSUED, w->lsc, w->now, e);
	snprintf(ch->after, sizeof(ch->after), "issued");
	name_cert(ch, "LSC", w->lsc);
	return rc;
}

int phone_lsc_issued(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e)
{
	return run(c, "issue LSC", issued, &(struct doing){ .name = name, .lsc = lsc, .now = now }, e);
}

/*
 * What the LSC makes needless: the permission of an expired MIC, whether it was used or not (one that is used up too early
 * can be given again; one that stays is a hole), and keys that wait for an authority elsewhere.
 */
static int use_up(struct cluster *c, struct phone_change *ch, const char *name, struct err *e)
{
	bool allowed = false;
	size_t n;
	int rc = store_expiredmic_get(c->store, name, &allowed, e);

	if (!rc && allowed)
		rc = store_expiredmic_set(c->store, name, 0, e);
	if (!rc && allowed)
		text_append(ch->after, sizeof(ch->after), strlen(ch->after), "; its expired MIC is allowed no longer");
	return rc ? rc : store_csr_delete(c->store, name, &n, e);
}

static int installed(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	struct store_devicecert dc;
	char sha256[65];
	bool found = false;
	int rc = need_operation(c, w, DEVICE_INSTALL, &d, e);

	sha256_text(w->lsc, sha256);
	if (!rc)
		rc = store_devicecert_get(c->store, w->name, sha256, &dc, NULL, &found, e);
	if (!rc && (!found || dc.kind != DEVICECERT_LSC || dc.state != DEVICECERT_ISSUED))
		rc = err_set(e, ERR_USAGE, "phone %s: no such LSC was issued to it", w->name);
	if (!rc)
		rc = store_devicecert_state(c->store, w->name, sha256, DEVICECERT_STORED, w->now, &found, e);
	if (!rc)
		rc = succeed(c, ch, &d, e);
	if (rc)
		return rc;
	name_cert(ch, "LSC", w->lsc);
	return use_up(c, ch, w->name, e);
}

int phone_installed(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e)
{
	return run(c, "Install/Upgrade", installed, &(struct doing){ .name = name, .lsc = lsc, .now = now }, e);
}

static int deleted(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	bool found;
	int rc = need_operation(c, w, DEVICE_DELETE, &d, e);

	if (!rc && d.lsc.sha256[0])
		rc = store_devicecert_state(c->store, w->name, d.lsc.sha256, DEVICECERT_DELETED, w->now, &found, e);
	return rc ? rc : succeed(c, ch, &d, e);
}

int phone_deleted(struct cluster *c, const char *name, int64_t now, struct err *e)
{
	return run(c, "Delete", deleted, &(struct doing){ .name = name, .now = now }, e);
}

static int store_cert(struct cluster *c, struct phone_change *ch, const struct doing *w, enum devicecert_kind kind,
		      const struct cert *cert, struct err *e)
{
	int rc = cert ? store_devicecert_put(c->store, w->name, kind, DEVICECERT_STORED, cert, w->now, e) : 0;

	if (!rc && cert)
		name_cert(ch, devicecert_kind_names[kind], cert);
	return rc;
}

static int fetched(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;
	struct store_device d;
	int rc = need_operation(c, w, DEVICE_TROUBLESHOOT, &d, e);

	if (!rc)
		rc = succeed(c, ch, &d, e);
	if (!rc)
		rc = store_cert(c, ch, w, DEVICECERT_LSC, w->lsc, e);
	return rc ? rc : store_cert(c, ch, w, DEVICECERT_MIC, w->mic, e);
}

int phone_fetched(struct cluster *c, const char *name, const struct cert *lsc, const struct cert *mic, int64_t now,
		  struct err *e)
{
	return run(c, "Troubleshoot", fetched, &(struct doing){ .name = name, .lsc = lsc, .mic = mic, .now = now }, e);
}

/* --- what is learned of certificates beside operations --- */

static int mic_seen(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *w = ctx;

	snprintf(ch->after, sizeof(ch->after), "seen");
	return store_cert(c, ch, w, DEVICECERT_MIC, w->mic, e);
}

int phone_mic_seen(struct cluster *c, const char *name, const struct cert *mic, int64_t now, struct err *e)
{
	struct store_device d;
	char sha256[65];
	int rc = phone_need(c, name, &d, e);

	sha256_text(mic, sha256);
	if (rc || strcmp(d.mic.sha256, sha256) == 0)
		return rc;
	return run(c, "MIC", mic_seen, &(struct doing){ .name = name, .mic = mic, .now = now }, e);
}

int phone_lsc_proven(struct cluster *c, const char *name, const struct cert *lsc, int64_t now, struct err *e)
{
	char sha256[65];

	sha256_text(lsc, sha256);
	return store_device_proven(c->store, name, sha256, now, e);
}

int phones_expiry(struct cluster *c, int64_t now, size_t limit,
		  int (*cb)(void *ctx, const struct store_devicecert *dc), void *ctx, struct err *e)
{
	return store_devicecert_list_due(c->store, now, limit, cb, ctx, e);
}
