#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/monitor.h"
#include "cluster/param.h"
#include "store/notice.h"

/* `show cert monitor`, `utils cert monitor test`: CUCM has a web page for the first; both are Ringfence's own. */

struct view_of {
	int64_t now;
	struct monitor_list list;
	struct store_monitor state;
	bool mail;
};

static int gather(struct command_run *r, struct view_of *v, struct err *e)
{
	const struct admin_host *h = r->host;
	int rc = param_get_bool(h->cluster, PARAM_NOTICE_MAIL, &v->mail, e);

	v->now = clock_wall_s(h->clock);
	if (!rc)
		rc = store_monitor_get(h->store, cluster_node(h->cluster), &v->state, e);
	return rc ? rc : monitor_look(h->cluster, &v->list, e);
}

static const char *when(int64_t t, char out[PRINT_TIME_MAX])
{
	return t ? print_time(t, out) : "never";
}

static void text(FILE *out, const struct view_of *v)
{
	char a[PRINT_TIME_MAX], b[PRINT_TIME_MAX], waiting[CAPF_WAITING_TEXT_MAX];
	const struct store_monitor *s = &v->state;

	fprintf(out, "Last run    %s\nNext run    %s\n", when(s->last_run, a), s->next_run ? when(s->next_run, b) : "not planned yet");
	fprintf(out, "E-mail      %s; last sent %s\n", v->mail ? "on" : "off (" PARAM_NOTICE_MAIL ")", when(s->mail_sent, a));
	if (s->mail_error[0])
		fprintf(out, "NOT SENT    %s: %s\n", when(s->mail_tried, a), s->mail_error);
	if (s->mail_error[0] && s->mail_retry)
		fprintf(out, "            tried again %s, after %u failure%s\n", when(s->mail_retry, a), s->mail_failures,
			s->mail_failures == 1 ? "" : "s");
	fputc('\n', out);
	for (size_t i = 0; i < v->list.n; i++) {
		const struct monitor_entry *entry = &v->list.entries[i];
		fprintf(out, "%s/%s: %s, %lld days, %s; alarm %s, e-mail %s\n", entry->unit, entry->name, print_time(entry->not_after, a),
			(long long)((entry->not_after - v->now) / 86400), monitor_state_name(entry->state),
			entry->told.alarmed ? "raised" : "none", entry->told.mailed ? print_time(entry->told.mailed, b) : "none");
		if (entry->waiting.n) {
			capf_waiting_text(&entry->waiting, waiting);
			fprintf(out, "  %s %s\n", waiting, CAPF_WAITING_REMEDY);
		}
	}
	if (v->list.n_lsc > MONITOR_LSC_MAX)
		fprintf(out, "%llu LSCs end, of which the first %d are listed\n", (unsigned long long)v->list.n_lsc, MONITOR_LSC_MAX);
}

static json_t *json(const struct view_of *v)
{
	const struct store_monitor *s = &v->state;
	json_t *certs = json_array();

	for (size_t i = 0; i < v->list.n; i++) {
		const struct monitor_entry *entry = &v->list.entries[i];
		json_array_append_new(certs, json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "name", entry->name, "unit", entry->unit,
						       "type", entry->type, "not_after", (json_int_t)entry->not_after, "state",
						       monitor_state_name(entry->state), "alarmed", (json_int_t)entry->told.alarmed,
						       "mailed", (json_int_t)entry->told.mailed, "lsc_renewals_waiting",
						       (json_int_t)entry->waiting.n));
	}
	return json_pack("{s:I, s:I, s:{s:b, s:I, s:I, s:I, s:i, s:s}, s:I, s:o}", "last_run", (json_int_t)s->last_run, "next_run",
			 (json_int_t)s->next_run, "mail", "enabled", v->mail, "tried", (json_int_t)s->mail_tried, "sent",
			 (json_int_t)s->mail_sent, "retry", (json_int_t)s->mail_retry, "failures", (int)s->mail_failures, "error",
			 s->mail_error, "lscs", (json_int_t)v->list.n_lsc, "certificates", certs);
}

int cmd_cert_monitor(struct command_run *r, struct err *e)
{
	struct view_of v = {0};
	int rc = gather(r, &v, e);

	if (rc == 0 && command_option(r, "--json"))
		rc = print_json(r->out, json(&v), e);
	else if (rc == 0)
		text(r->out, &v);
	monitor_list_clear(&v.list);
	return rc;
}

static int dry_test(struct command_run *r, struct err *e)
{
	struct monitor_mail m;
	int rc = monitor_mail_test(r->host->cluster, &m, e);

	if (rc < 0)
		return rc;
	fprintf(r->out, "Nothing was sent. An e-mail from %s to %s would be given to %s, port %u, security %s.\n", m.sender,
		m.recipients, m.server, (unsigned)m.port, m.security);
	monitor_mail_clear(&m);
	return 0;
}

int cmd_cert_monitor_test(struct command_run *r, struct err *e)
{
	AUTO(auto_free) char *to = NULL;

	if (command_option(r, "--dry-run"))
		return dry_test(r, e);
	int rc = r->host->mail_test(r->host->ctx, &to, e);

	snprintf(r->object, sizeof(r->object), "test e-mail%s%.500s", to ? " to " : "", to ? to : "");
	if (rc == 0)
		fprintf(r->out, "A test e-mail to %s is on its way: 'show cert monitor' says how it went.\n", to);
	return rc;
}
