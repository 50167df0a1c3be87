#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "store/audit.h"

/*
 * Renewal by itself: an LSC that is two thirds through its life gets an Install/Upgrade by existing certificate. Due times
 * of phones that were enrolled together are spread (jitter), no more than a few are scheduled in a minute (rate), and when
 * phones that did authenticate fail, nothing new is scheduled until an administrator has looked (stop).
 */
#define DAY_S 86400
#define WHO "CAPF renewal"

struct renewal {
	struct cluster *c;
	int64_t now;
	uint32_t rate, jitter_days, stop;
	uint32_t failing;   /* devices whose renewal failed on our side or theirs, not for want of contact */
	char (*names)[STORE_NAME_SIZE]; /* due ones, at most rate */
	size_t n;
	struct err *e;
};

static int load(struct renewal *r)
{
	int rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_RATE, &r->rate, r->e);

	if (!rc)
		rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_JITTER, &r->jitter_days, r->e);
	if (!rc)
		rc = param_get_number(r->c, PARAM_CAPF_RENEWAL_STOP, &r->stop, r->e);
	return rc;
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
	int rc = store_device_get(r->c->store, dc->device, &d, &found, r->e);

	if (rc || !found)
		return rc;
	if (is_alarming(d.status)) {
		r->failing++;
		return 0;
	}
	int64_t due = dc->not_before + (dc->not_after - dc->not_before) / 3 * 2 + jitter_of(r, dc);
	if (d.operation == DEVICE_NO_OPERATION && r->now >= due && r->now <= dc->not_after && r->n < r->rate)
		memcpy(r->names[r->n++], d.name, sizeof(d.name));
	return 0;
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
	const struct store_audit row = { .time = r->now, .who = WHO, .command = "renew", .outcome = outcome };
	int rc = store_audit_append(r->c->store, &row, r->e);
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
	for (size_t i = 0; !rc && !stopped && i < r.n; i++)
		rc = phone_renewal_begin(c, r.names[i], now, e);
	free(r.names);
	return rc;
}
