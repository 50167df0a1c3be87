#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "admin/services.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/capf.h"
#include "cluster/capf_renew.h"
#include "cluster/certs.h"
#include "cluster/list_check.h"
#include "cluster/list_reset.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_config.h"
#include "cluster/phone_reset.h"
#include "cluster/publish.h"
#include "cluster/recovery.h"
#include "store/device.h"
#include "store/notice.h"

/* `show status`: one page about the node. The same facts as JSON. */

#define STATUS_PROCESSES 64
#define STATUS_COUNTERS 128
#define STATUS_CERTS 32
#define DAY 86400

struct status_list {
	enum list_type type;
	size_t len;          /* 0: there is none */
	int64_t modified_s;
	bool verified;
	size_t records;
	bool reset;          /* not signed by its usual signer */
	char signer[NAME_MAX_LEN];
};

struct status_cert {
	char name[64];       /* "CallManager" */
	int64_t not_after;
};

#define STATUS_MODELS 64

/* Phones of a model that knows no SHA-512, as far as is known. */
struct status_model {
	char model[64];      /* "" unknown */
	uint64_t phones;
};

struct status {
	int64_t now, started_s;
	bool mixed, blank;   /* blank: the ITL is that of the rollback parameter */
	uint64_t generation;
	char *contents;      /* TrustListGeneration */
	char *digest;
	struct status_list lists[2];
	struct status_model sha1[STATUS_MODELS]; /* the last one has what found no place, too */
	size_t n_sha1;
	char lockouts[400];  /* of CAPF: "10.1.1.7 until ..., 10.1.1.8 until ..." and what more fits */
	size_t n_lockouts;
	json_t *locked_out;
	struct capf_waiting waiting; /* LSCs that cannot be renewed */
	uint64_t old_tls;    /* phones seen with TLS below 1.2 */
	struct recovery_state recovery;
	struct store_monitor monitor;
	struct store_phone_reset owed;
	struct status_cert certs[STATUS_CERTS];
	size_t n_certs;
	struct store_service *services;
	size_t n_services;
	struct admin_process processes[STATUS_PROCESSES];
	size_t n_processes;
	struct admin_counter counters[STATUS_COUNTERS];
	size_t n_counters;
	struct notes stale;  /* what is published and no longer matches what is installed */
};

static void status_free(struct status *s)
{
	free(s->contents);
	free(s->digest);
	free(s->services);
	json_decref(s->locked_out);
	notes_clear(&s->stale);
	free(s);
}

/* Gathering. */

static int gather_list(struct cluster *c, struct status_list *s, struct notes *stale, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	struct err why = ERR_INIT;
	enum store_signer by = STORE_SIGNER_NORMAL;
	int rc = publish_read(c, s->type, &data, &s->len, &s->modified_s, e);

	if (rc == 0)
		rc = list_reset_state(c, s->type, &by, e);
	s->reset = by != STORE_SIGNER_NORMAL;
	if (rc < 0 || !data) {
		s->len = 0;
		return rc;
	}
	if (list_parse((struct view){data, s->len}, s->type, &l, &why) < 0)
		return 0; /* not verified, and `show ctl` says why */
	s->verified = list_verify_self(l, &why) == 0;
	s->records = l->n_records;
	struct view name = l->header.signer_name;
	snprintf(s->signer, sizeof(s->signer), "%.*s", (int)name.len, (const char *)name.p);
	rc = list_stale(c, l, s->type, stale, e);
	list_free(l);
	return rc;
}

static int gather_cert(void *ctx, const struct certs_entry *entry)
{
	struct status *s = ctx;

	if (s->n_certs < STATUS_CERTS) {
		struct status_cert *c = &s->certs[s->n_certs++];
		snprintf(c->name, sizeof(c->name), "%s", entry->unit);
		c->not_after = cert_not_after(entry->cert);
	}
	return 0;
}

static int gather_model(void *ctx, const char *model, uint64_t n)
{
	struct status *s = ctx;
	struct status_model *m = &s->sha1[s->n_sha1 < STATUS_MODELS ? s->n_sha1++ : STATUS_MODELS - 1];

	snprintf(m->model, sizeof(m->model), "%.60s", m->phones ? "others" : model);
	m->phones += n;
	return 0;
}

static int gather_lockout(void *ctx, const struct capf_lockout *l)
{
	char when[PRINT_TIME_MAX];
	struct status *s = ctx;
	size_t used = strlen(s->lockouts);

	/* The page names some of them; the list has a command. */
	if (used + sizeof(l->address) + PRINT_TIME_MAX + 10 < sizeof(s->lockouts))
		text_append(s->lockouts, sizeof(s->lockouts), used, "%s%s until %s", used ? ", " : "", l->address,
			    print_time(l->until, when));
	s->n_lockouts++;
	json_array_append_new(s->locked_out, json_pack("{s:s, s:I}", "address", l->address, "until", (json_int_t)l->until));
	return 0;
}

static int gather(const struct admin_host *h, struct status *s, struct err *e)
{
	struct cluster *c = h->cluster;
	int rc = cluster_is_mixed(c, &s->mixed, e);

	s->locked_out = json_array();

	s->now = clock_wall_s(h->clock);
	s->started_s = h->started_s;
	s->lists[0].type = LIST_CTL;
	s->lists[1].type = LIST_ITL;
	if (rc == 0)
		rc = publish_generation(c, &s->generation, e);
	if (rc == 0)
		rc = param_get_bool(c, PARAM_ROLLBACK, &s->blank, e);
	if (rc == 0)
		rc = param_get(c, PARAM_GENERATION, &s->contents, e);
	if (rc == 0)
		rc = param_get(c, PARAM_DIGEST, &s->digest, e);
	for (size_t i = 0; rc == 0 && i < 2; i++)
		rc = gather_list(c, &s->lists[i], &s->stale, e);
	if (rc == 0)
		rc = phones_sha1(c, gather_model, s, e);
	if (rc == 0)
		rc = store_device_count_old_tls(h->store, &s->old_tls, e);
	if (rc == 0)
		rc = capf_lockouts(h->capf, gather_lockout, s, e);
	if (rc == 0)
		rc = capf_renewals_waiting(c, s->now, &s->waiting, e);
	if (rc == 0)
		rc = recovery_state(c, &s->recovery, e);
	if (rc == 0)
		rc = store_monitor_get(h->store, cluster_node(c), &s->monitor, e);
	if (rc == 0)
		rc = phones_reset_owed(c, &s->owed, e);
	if (rc == 0)
		rc = certs_list(c, CERTS_OWN, gather_cert, s, e);
	if (rc == 0)
		rc = service_list(h, &s->services, &s->n_services, e);
	s->n_processes = h->processes(h->ctx, s->processes, STATUS_PROCESSES);
	s->n_counters = h->counters(h->ctx, s->counters, STATUS_COUNTERS);
	return rc;
}

static uint64_t count_sha1(const struct status *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n_sha1; i++)
		n += s->sha1[i].phones;
	return n;
}

/* As text. */

static void text_sha1(FILE *out, const struct status *s)
{
	uint64_t n = count_sha1(s);

	if (!n)
		return;
	fprintf(out, "SHA-1 phones     %llu (", (unsigned long long)n);
	for (size_t i = 0; i < s->n_sha1; i++)
		fprintf(out, "%s%s: %llu", i ? ", " : "", s->sha1[i].model[0] ? s->sha1[i].model : "unknown model",
			(unsigned long long)s->sha1[i].phones);
	fputs("): no SHA-512 for these; they get SHA-1 whatever the parameter says\n", out);
}

static void text_list(FILE *out, const struct status_list *l)
{
	char when[PRINT_TIME_MAX];

	if (!l->len) {
		fprintf(out, "  %-12s none\n", list_type_file_name(l->type));
		return;
	}
	fprintf(out, "  %-12s %zu octets, %zu records, %s, signed by %s, %s%s\n", list_type_file_name(l->type), l->len, l->records,
		print_time(l->modified_s, when), l->signer, l->verified ? "verified" : "NOT VERIFIED",
		!l->reset ? "" : l->type == LIST_CTL ? "; RESET: ends with 'utils ctl update CTLFile'" :
						       "; RESET: ends with 'utils service restart Cisco Tftp'");
}

static void text_certs(FILE *out, const struct status *s)
{
	char when[PRINT_TIME_MAX];

	fputs("\nCertificates\n", out);
	for (size_t i = 0; i < s->n_certs; i++) {
		long long days = (s->certs[i].not_after - s->now) / DAY;
		fprintf(out, "  %-20s until %s", s->certs[i].name, print_time(s->certs[i].not_after, when));
		if (s->certs[i].not_after <= s->now)
			fputs(" (EXPIRED)\n", out);
		else
			fprintf(out, " (%lld day%s)\n", days, days == 1 ? "" : "s");
	}
}

static void text_processes(FILE *out, const struct status *s)
{
	char up[PRINT_TIME_MAX];

	fputs("\nProcesses\n", out);
	for (size_t i = 0; i < s->n_processes; i++) {
		const struct admin_process *p = &s->processes[i];
		fprintf(out, "  %-12s pid %-8d up %s", p->name, (int)p->pid, print_duration(s->now - p->started_s, up));
		if (p->restarts)
			fprintf(out, ", restarted %u time%s", p->restarts, p->restarts == 1 ? "" : "s");
		fputc('\n', out);
	}
}

static void text(FILE *out, const struct admin_host *h, const struct status *s)
{
	char when[PRINT_TIME_MAX], up[PRINT_TIME_MAX], waiting[CAPF_WAITING_TEXT_MAX];

	fprintf(out, "Node             %s\nVersion          ringfence %s\nServing since    %s (%s)\n", cluster_node(h->cluster),
		RINGFENCE_VERSION, print_time(s->started_s, when), print_duration(s->now - s->started_s, up));
	fprintf(out, "Security mode    %s (ClusterSecurityMode %d)\n", s->mixed ? "mixed" : "non-secure", s->mixed);
	fprintf(out, "Trust lists      generation %llu; contents as %s, digest %s\n", (unsigned long long)s->generation,
		s->contents, s->digest);
	text_list(out, &s->lists[0]);
	text_list(out, &s->lists[1]);
	for (size_t i = 0; i < s->stale.n; i++) {
		fputs("  ", out);
		print_safe(out, s->stale.text[i]);
		fputc('\n', out);
	}
	if (s->blank)
		fputs("  The ITL is blank (" PARAM_ROLLBACK "): phones that load it accept any file from any server\n", out);
	text_sha1(out, s);
	if (s->old_tls)
		fprintf(out, "Old TLS phones   %llu seen with TLS below 1.2, which only legacy listeners speak: 'phone list --old-tls'\n",
			(unsigned long long)s->old_tls);
	if (s->waiting.n) {
		capf_waiting_text(&s->waiting, waiting);
		fprintf(out, "LSC renewal      WAITS: %s %s\n", waiting, CAPF_WAITING_REMEDY);
	}
	if (s->n_lockouts)
		fprintf(out, "CAPF lock-outs   %zu: %s: 'utils capf lockout list'\n", s->n_lockouts, s->lockouts);
	if (s->recovery.text[0])
		fprintf(out, "Recovery export  %s\n", s->recovery.text);
	else if (s->recovery.on_token)
		fprintf(out, "Recovery export  none: the keys are on a hardware token\n");
	else
		fprintf(out, "Recovery export  verified %s\n", print_time(s->recovery.verified_s, when));
	if (s->owed.owed)
		fprintf(out, "Phone reset      owed to all phones since %s, by %s: 'phone job show' tells how far it is\n",
			print_time(s->owed.since, when), s->owed.who);
	if (s->monitor.mail_error[0])
		fprintf(out, "E-mail           NOT SENT %s: %s\n", print_time(s->monitor.mail_tried, when), s->monitor.mail_error);
	text_certs(out, s);
	fputs("\nServices\n", out);
	for (size_t i = 0; i < s->n_services; i++) {
		fputs("  ", out);
		service_print(out, h, &s->services[i], 1);
	}
	text_processes(out, s);
	if (s->n_counters)
		fputs("\nCounters\n", out);
	for (size_t i = 0; i < s->n_counters; i++)
		fprintf(out, "  %-40s %llu\n", s->counters[i].name, (unsigned long long)s->counters[i].value);
}

/* As JSON. */

static json_t *json_list(const struct status_list *l)
{
	if (!l->len)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:s, s:b, s:b}", "octets", (json_int_t)l->len, "records", (json_int_t)l->records,
			 "modified", (json_int_t)l->modified_s, "signer", l->signer, "verified", l->verified, "reset", l->reset);
}

static json_t *json_stale(const struct status *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->stale.n; i++)
		json_array_append_new(all, json_string(s->stale.text[i]));
	return all;
}

static json_t *json_certs(const struct status *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->n_certs; i++)
		json_array_append_new(all, json_pack("{s:s, s:I}", "unit", s->certs[i].name, "not_after",
						     (json_int_t)s->certs[i].not_after));
	return all;
}

static json_t *json_processes(const struct status *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->n_processes; i++)
		json_array_append_new(all, json_pack("{s:s, s:i, s:I, s:i}", "name", s->processes[i].name, "pid",
						     (int)s->processes[i].pid, "started",
						     (json_int_t)s->processes[i].started_s, "restarts",
						     (int)s->processes[i].restarts));
	return all;
}

static json_t *json_sha1(const struct status *s)
{
	json_t *models = json_object();

	for (size_t i = 0; i < s->n_sha1; i++)
		json_object_set_new(models, s->sha1[i].model, json_integer((json_int_t)s->sha1[i].phones));
	return json_pack("{s:I, s:o}", "phones", (json_int_t)count_sha1(s), "models", models);
}

static json_t *json_counters(const struct status *s)
{
	json_t *all = json_object();

	for (size_t i = 0; i < s->n_counters; i++)
		json_object_set_new(all, s->counters[i].name, json_integer((json_int_t)s->counters[i].value));
	return all;
}

static json_t *json(const struct admin_host *h, const struct status *s)
{
	json_t *recovery = json_pack("{s:b, s:I, s:s}", "verified", s->recovery.verified_s && s->recovery.current, "when",
				     (json_int_t)s->recovery.verified_s, "text", s->recovery.text);

	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:I, s:s, s:s, s:o, s:o, s:o, s:I, s:O, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:o}", "node",
			 cluster_node(h->cluster), "version", RINGFENCE_VERSION, "started", (json_int_t)s->started_s, "mixed",
			 s->mixed, "blank_itl", s->blank, "generation", (json_int_t)s->generation, "trust_list_generation", s->contents, "digest",
			 s->digest, "ctl", json_list(&s->lists[0]), "itl", json_list(&s->lists[1]), "sha1_phones", json_sha1(s),
			 "old_tls_phones", (json_int_t)s->old_tls, "capf_lockouts", s->locked_out,
			 "lsc_renewals_waiting", (json_int_t)s->waiting.n, "recovery", recovery, "certificates", json_certs(s), "services", service_json(h, s->services, s->n_services), "processes",
			 json_processes(s), "counters", json_counters(s), "mail_error", s->monitor.mail_error,
			 "phone_reset_owed", (json_int_t)s->owed.since, "stale_lists", json_stale(s));
}

int cmd_show_status(struct command_run *r, struct err *e)
{
	struct status *s = calloc(1, sizeof(*s));
	int rc = s ? gather(r->host, s, e) : err_set(e, ERR_NOMEM, "out of memory");

	if (rc == 0 && command_option(r, "--json"))
		rc = print_json(r->out, json(r->host, s), e);
	else if (rc == 0)
		text(r->out, r->host, s);
	if (s)
		status_free(s);
	return rc;
}
