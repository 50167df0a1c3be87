#include "cluster/capf_renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "store/audit.h"

/*
 * Renewal by itself: an LSC that is two thirds through its life gets an Install/Upgrade by existing certificate. Due times
 * of phones that were enrolled together are spread (jitter), no more than a few are scheduled in a minute (rate), and when
 * phones that did authenticate fail, nothing new is scheduled until an administrator has looked (stop). An LSC that would
 * not live longer for it waits: each renewal would gain less, and phones be reset for nothing.
 */
#define DAY_S 86400
#define WHO "CAPF renewal"

/* What an LSC that is issued now would get. */
struct prospect {
	int64_t now;
	int64_t life_s;     /* by the parameter */
	int64_t issuer_end; /* INT64_MAX: nothing here cuts it */
	struct capf_waiting waiting;
};

struct renewal {
	struct cluster *c;
	struct prospect prospect;
	int64_t now;
	uint32_t rate, jitter_days, stop;
	uint32_t failing;   /* devices whose renewal failed on our side or theirs, not for want of contact */
	char (*names)[STORE_NAME_SIZE]; /* due ones, at most rate */
	size_t n;
	struct err *e;
};

static int issuer_end(struct cluster *c, int64_t *end, struct err *e)
{
	struct cert *issuer = NULL;
	bool offline;
	int rc = capf_is_offline(c, &offline, e);

	*end = INT64_MAX;
	if (!rc && !offline)
		rc = cluster_own_cert(c, NULL, "CAPF", &issuer, e);
	if (!rc && issuer)
		*end = cert_not_after(issuer);
	cert_unref(issuer);
	return rc;
}

static int look_ahead(struct cluster *c, int64_t now, struct prospect *p, struct err *e)
{
	uint32_t days;
	int rc = param_get_number(c, PARAM_CAPF_VALIDITY, &days, e);

	*p = (struct prospect){ .now = now };
	if (rc)
		return rc;
	p->life_s = (int64_t)days * DAY_S;
	rc = issuer_end(c, &p->issuer_end, e);
	p->waiting.issuer_end = p->issuer_end;
	return rc;
}

static bool prolongs(const struct store_devicecert *dc, int64_t until)
{
	return until - dc->not_after > (dc->not_after - dc->not_before) / 10;
}

/* Is it any use to renew this one now? Counts those that wait for another CAPF certificate. */
static bool is_worth_it(struct prospect *p, const struct store_devicecert *dc)
{
	int64_t until = p->now + p->life_s;

	if (p->now > dc->not_after)
		return false;
	if (prolongs(dc, until < p->issuer_end ? until : p->issuer_end))
		return true;
	if (prolongs(dc, until) && !p->waiting.n++)
		p->waiting.first_end = dc->not_after; /* the first to end comes first */
	return false;
}

static int load(struct renewal *r)
{
	int rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_RATE, &r->rate, r->e);

	if (!rc)
		rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_JITTER, &r->jitter_days, r->e);
	if (!rc)
		rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_STOP, &r->stop, r->e);
	return rc ? rc : look_ahead(r->c, r->now, &r->prospect, r->e);
}

/* The same for a certificate whenever it is asked: from its digest. At most half of what is left after two thirds. */
static int64_t jitter_of(const struct renewal *r, const struct store_devicecert *dc)
{
	int64_t span = (dc->not_after - dc->not_before) / 6, wanted = (int64_t)r->jitter_days * DAY_S;
	uint8_t octets[8];
	uint64_t n = 0;
	size_t len;
	char digits[17];

	memcpy(digits, dc->sha256, 16);
	digits[16] = '\0';
	if (wanted < span)
		span = wanted;
	if (span <= 0 || !text_unhex(digits, octets, sizeof(octets), &len))
		return 0;
	for (size_t i = 0; i < len; i++)
		n = n << 8 | octets[i];
	return (int64_t)(n % (uint64_t)span);
}

/* Failures that say something is wrong, and that only a phone which has authenticated can cause: a stranger cannot stop
 * everybody's renewal. */
static bool is_alarming(const char *status)
{
	static const enum device_failure alarming[] = { DEVICE_FAILED, DEVICE_FAILED_KEY, DEVICE_FAILED_CA_COMMUNICATION,
							DEVICE_FAILED_CA_REJECTED, DEVICE_FAILED_EC_ONLY };

	for (size_t i = 0; i < sizeof(alarming) / sizeof(alarming[0]); i++)
		if (strcmp(status, device_status_failed(DEVICE_INSTALL, alarming[i])) == 0)
			return true;
	return false;
}

static int look_at(void *ctx, const struct store_devicecert *dc)
{
	struct renewal *r = ctx;
	struct store_device d;
	bool found;
	bool worth_it = is_worth_it(&r->prospect, dc);
	int rc = store_device_get(r->c->store, dc->device, &d, &found, r->e);

	if (rc || !found)
		return rc;
	if (is_alarming(d.status)) {
		r->failing++;
		return 0;
	}
	int64_t due = dc->not_before + (dc->not_after - dc->not_before) / 3 * 2 + jitter_of(r, dc);
	if (worth_it && d.operation == DEVICE_NO_OPERATION && r->now >= due && r->n < r->rate)
		memcpy(r->names[r->n++], d.name, sizeof(d.name));
	return 0;
}

static int note(const struct renewal *r, const char *outcome)
{
	const struct store_audit row = { .time = r->now, .who = WHO, .command = "renew", .outcome = outcome };

	return store_audit_append(r->c->store, &row, r->e);
}

/* Once for each time that some begin to wait, and when none does any longer. */
static int note_waiting(struct capf *a, const struct renewal *r)
{
	const struct capf_waiting *w = &r->prospect.waiting;
	char outcome[CAPF_WAITING_TEXT_MAX + sizeof(CAPF_WAITING_REMEDY)] = "renewals go on: no LSC waits for another CAPF certificate";

	if (a->renewals_wait == (w->n > 0))
		return 0;
	if (w->n) {
		capf_waiting_text(w, outcome);
		text_append(outcome, sizeof(outcome), strlen(outcome), " %s", CAPF_WAITING_REMEDY);
	}
	int rc = note(r, outcome);
	if (!rc)
		a->renewals_wait = w->n > 0;
	return rc;
}

/* Once for each time that it stops: the row stays the latest word until scheduling goes on. */
static int note_stop(struct capf *a, const struct renewal *r, bool stopped)
{
	char outcome[160];

	if (stopped == a->renewals_stopped)
		return 0;
	if (stopped)
		snprintf(outcome, sizeof(outcome), "renewals have stopped: %u phones failed, see their Certificate Operation Status",
			 r->failing);
	else
		snprintf(outcome, sizeof(outcome), "renewals go on: %u phones have failed", r->failing);
	int rc = note(r, outcome);
	if (!rc)
		a->renewals_stopped = stopped;
	return rc;
}

int capf_renewals_step(struct capf *a, int64_t now, struct err *e)
{
	struct cluster *c = a->c;
	struct renewal r = { .c = c, .now = now, .e = e };
	int rc = load(&r);

	if (rc || !r.rate)
		return rc;
	r.names = calloc(r.rate, sizeof(*r.names));
	if (!r.names)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = phones_expiry(c, now, 0, look_at, &r, e);
	bool stopped = r.stop && r.failing >= r.stop;
	if (!rc)
		rc = note_stop(a, &r, stopped);
	if (!rc)
		rc = note_waiting(a, &r);
	for (size_t i = 0; !rc && !stopped && i < r.n; i++)
		rc = phone_renewal_begin(c, r.names[i], now, e);
	free(r.names);
	return rc;
}

/* --- for those who want to know --- */

static int count_waiting(void *ctx, const struct store_devicecert *dc)
{
	(void)is_worth_it(ctx, dc);
	return 0;
}

int capf_renewals_waiting(struct cluster *c, int64_t now, struct capf_waiting *w, struct err *e)
{
	struct prospect p;
	int rc = look_ahead(c, now, &p, e);

	if (!rc)
		rc = phones_expiry(c, now, 0, count_waiting, &p, e);
	if (!rc)
		*w = p.waiting;
	return rc;
}

static void day(int64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d", &tm))
		snprintf(out, 32, "%lld", (long long)when);
}

void capf_waiting_text(const struct capf_waiting *w, char out[CAPF_WAITING_TEXT_MAX])
{
	char first[32], issuer[32];

	day(w->first_end, first);
	day(w->issuer_end, issuer);
	snprintf(out, CAPF_WAITING_TEXT_MAX,
		 "%llu LSC%s due for renewal and wait%s (the first ends on %s): a new one would live no longer, because the CAPF "
		 "certificate ends on %s.", (unsigned long long)w->n, w->n == 1 ? " is" : "s are", w->n == 1 ? "s" : "", first, issuer);
}
