#include "cluster/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/param.h"
#include "cluster/token_ctl.h"
#include "store/devicecert.h"

#define FORGET_S (400 * 86400) /* longer than the longest Notification Frequency */

const char *monitor_state_name(enum monitor_state s)
{
	static const char *const names[] = { "valid", "ending", "less than 7 days", "expired" };

	return names[s];
}

void monitor_list_clear(struct monitor_list *l)
{
	free(l->entries);
	*l = (struct monitor_list){ 0 };
}

/* --- looking --- */

struct look {
	struct cluster *c;
	struct monitor_list *l;
	int64_t now, window_s;
	struct capf_waiting waiting;
	size_t room;
	struct err *e;
};

static enum monitor_state state_of(const struct look *k, int64_t not_after)
{
	int64_t left = not_after - k->now;

	if (left <= 0)
		return MONITOR_EXPIRED;
	if (left < MONITOR_WEEK_S)
		return MONITOR_WEEK;
	return left < k->window_s ? MONITOR_ENDING : MONITOR_VALID;
}

static int add(struct look *k, struct monitor_entry *entry)
{
	struct monitor_list *l = k->l;

	if (l->n == k->room) {
		size_t room = k->room ? 2 * k->room : 64;
		struct monitor_entry *more = realloc(l->entries, room * sizeof(*more));
		if (!more)
			return err_set(k->e, ERR_NOMEM, "out of memory");
		l->entries = more;
		k->room = room;
	}
	entry->state = state_of(k, entry->not_after);
	if (entry->waiting.n && entry->state == MONITOR_VALID)
		entry->state = MONITOR_ENDING;
	l->entries[l->n++] = *entry;
	return 0;
}

static int add_cert(void *ctx, const struct certs_entry *from)
{
	struct monitor_entry entry = { .type = "own-cert", .not_after = cert_not_after(from->cert) };
	size_t len = strlen(from->file);

	/* tomcat.pem is tomcat.der in alarms. */
	snprintf(entry.name, sizeof(entry.name), "%.*s.der", (int)(text_ends(from->file, ".pem") ? len - 4 : len), from->file);
	snprintf(entry.unit, sizeof(entry.unit), "%s", from->unit);
	text_hex(entry.sha256, sizeof(entry.sha256), (struct view){ cert_sha256(from->cert), 32 }, '\0', false);
	if (strcmp(from->unit, "CAPF") == 0)
		entry.waiting = ((const struct look *)ctx)->waiting;
	return add(ctx, &entry);
}

static int add_token(struct look *k, const struct cert *cert)
{
	struct monitor_entry entry = { .unit = "CTLFile", .type = "token", .not_after = cert_not_after(cert) };

	snprintf(entry.name, sizeof(entry.name), "%.100s.der", cert_cn(cert));
	text_hex(entry.sha256, sizeof(entry.sha256), (struct view){ cert_sha256(cert), 32 }, '\0', false);
	return add(k, &entry);
}

/* A CTL that cannot be read is another's business, and must not silence the monitor. */
static int add_tokens(struct look *k)
{
	struct err why = ERR_INIT;
	struct compose_tokens t;
	int rc = 0;

	if (cluster_ctl_tokens(k->c, &t, &why))
		return 0;
	for (size_t i = 0; i < t.n && !rc; i++)
		rc = add_token(k, t.certs[i]);
	token_ctl_tokens_clear(&t);
	return rc;
}

static int add_lsc(void *ctx, const struct store_devicecert *dc)
{
	struct monitor_entry entry = { .unit = "LSC", .type = "LSC", .not_after = dc->not_after };

	snprintf(entry.name, sizeof(entry.name), "%.100s.der", dc->device);
	memcpy(entry.sha256, dc->sha256, sizeof(entry.sha256));
	return add(ctx, &entry);
}

static int by_end(const void *a, const void *b)
{
	const struct monitor_entry *x = a, *y = b;

	return x->not_after != y->not_after ? (x->not_after > y->not_after) - (x->not_after < y->not_after) :
					      strcmp(x->unit, y->unit);
}

/* Of a certificate in one of its places. */
static void notice_name(const struct monitor_entry *entry, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", entry->unit, entry->name);
}

static int read_told(struct look *k)
{
	int rc = 0;

	for (size_t i = 0; i < k->l->n && !rc; i++) {
		struct monitor_entry *entry = &k->l->entries[i];
		char name[STORE_NAME_SIZE + 64];

		notice_name(entry, name, sizeof(name));
		rc = store_notice_get(k->c->store, k->c->node, name, entry->sha256, &entry->told, k->e);
	}
	return rc;
}

int monitor_look(struct cluster *c, struct monitor_list *l, struct err *e)
{
	struct monitor_list got = { 0 };
	struct look k = { .c = c, .l = &got, .now = clock_wall_s(c->clock), .e = e };
	uint32_t days;
	int rc = param_get_number(c, PARAM_NOTICE_START, &days, e);

	k.window_s = (int64_t)days * 86400;
	int64_t before = k.now + (k.window_s > MONITOR_WEEK_S ? k.window_s : MONITOR_WEEK_S);
	if (!rc)
		rc = capf_renewals_waiting(c, k.now, &k.waiting, e);
	if (!rc)
		rc = certs_list(c, CERTS_OWN, add_cert, &k, e);
	if (!rc)
		rc = certs_list(c, CERTS_TRUST, add_cert, &k, e);
	if (!rc)
		rc = add_tokens(&k);
	if (!rc)
		rc = store_devicecert_list_ending(c->store, k.now, before, MONITOR_LSC_MAX, &got.n_lsc, add_lsc, &k, e);
	if (!rc)
		rc = read_told(&k);
	if (rc) {
		monitor_list_clear(&got);
		return rc;
	}
	if (got.n)
		qsort(got.entries, got.n, sizeof(*got.entries), by_end);
	*l = got;
	return 0;
}

/* --- alarms --- */

/* Source: behaviour.md 7, letter for letter. */
void monitor_alarm_text(const struct monitor_entry *entry, const char *node, char out[MONITOR_ALARM_MAX], int *severity)
{
	bool expired = entry->state == MONITOR_EXPIRED;
	time_t t = (time_t)entry->not_after;
	char when[64];
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(when, sizeof(when), "%a %b %d %H:%M:%S %Z %Y", &tm))
		snprintf(when, sizeof(when), "%lld", (long long)entry->not_after);
	*severity = expired ? 0 : 2;
	snprintf(out, MONITOR_ALARM_MAX,
		 "%%UC_CERT-%d-%s: %%[Message=Certificate expiration Notification. Certificate name:%s Unit:%s Type:%s "
		 "Expiration:%s][AppID=Cisco Certificate Monitor][ClusterID=][NodeID=%s]: %s",
		 *severity, expired ? "CertExpired" : "CertValidfor7days", entry->name, entry->unit, entry->type, when, node,
		 expired ? "Certificate has Expired and needs to be changed at the earliest" :
			   "Alarm to indicate that Certificate has Expired or Expires in less than seven days");
}

static int tell(struct cluster *c, const struct monitor_entry *entry, const struct store_notice *told, struct err *e)
{
	char name[STORE_NAME_SIZE + 64];

	notice_name(entry, name, sizeof(name));
	return store_notice_set(c->store, c->node, name, entry->sha256, told, e);
}

static bool is_urgent(const struct monitor_entry *entry, int64_t now)
{
	return entry->not_after - now <= 86400;
}

static int raise_alarms(struct cluster *c, const struct monitor_list *l, int64_t now, monitor_alarm_fn *alarm, void *ctx,
			struct err *e)
{
	char text[MONITOR_ALARM_MAX];
	int severity, rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++) {
		const struct monitor_entry *entry = &l->entries[i];
		struct store_notice told = entry->told;
		int64_t pause = is_urgent(entry, now) ? MONITOR_URGENT_S : MONITOR_RUN_S;

		if (entry->state < MONITOR_WEEK || (told.alarmed <= now && now - told.alarmed < pause))
			continue;
		monitor_alarm_text(entry, c->node, text, &severity);
		alarm(ctx, severity, text);
		told.alarmed = now;
		rc = tell(c, entry, &told, e);
	}
	return rc;
}

static int plan(struct cluster *c, const struct monitor_list *l, int64_t now, struct store_monitor *m, struct err *e)
{
	m->last_run = now;
	m->next_run = now + MONITOR_RUN_S;
	if (l->n && is_urgent(&l->entries[0], now)) /* the first to end */
		m->next_run = now + MONITOR_URGENT_S;
	return store_monitor_set(c->store, c->node, m, e);
}

static int run_now(struct cluster *c, struct store_monitor *m, monitor_alarm_fn *alarm, void *ctx, struct err *e)
{
	int64_t now = clock_wall_s(c->clock);
	struct monitor_list l;
	int rc = monitor_look(c, &l, e);

	if (rc)
		return rc;
	rc = store_begin(c->store, e);
	if (!rc)
		rc = raise_alarms(c, &l, now, alarm, ctx, e);
	if (!rc)
		rc = store_notice_forget(c->store, c->node, now - FORGET_S, e);
	if (!rc)
		rc = plan(c, &l, now, m, e);
	if (!rc)
		rc = store_commit(c->store, e);
	if (rc)
		store_rollback(c->store);
	monitor_list_clear(&l);
	return rc;
}

int monitor_run(struct cluster *c, monitor_alarm_fn *alarm, void *ctx, struct err *e)
{
	struct store_monitor m;
	int rc = store_monitor_get(c->store, c->node, &m, e);

	if (rc)
		return rc;
	int64_t now = clock_wall_s(c->clock);
	if (!m.next_run)
		return monitor_restarted(c, e);
	/* A clock that was set back must not silence the monitor. */
	if (now < m.next_run && m.next_run - now <= MONITOR_RUN_S)
		return 0;
	return run_now(c, &m, alarm, ctx, e);
}

int monitor_restarted(struct cluster *c, struct err *e)
{
	struct store_monitor m;
	int rc = store_monitor_get(c->store, c->node, &m, e);

	if (rc)
		return rc;
	m.next_run = clock_wall_s(c->clock) + MONITOR_RUN_S;
	return store_monitor_set(c->store, c->node, &m, e);
}
