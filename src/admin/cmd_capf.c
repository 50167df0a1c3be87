#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/text.h"
#include "cluster/capf_admin.h"
#include "cluster/param.h"

/* `utils capf`. Source: behaviour.md 1.8, 5.3. */

/* --- keys that wait for an authority elsewhere --- */

struct csr_listing {
	FILE *out;       /* NULL: into json */
	json_t *json;
	bool stale_only;
	size_t n;
};

static const char *state_of(const struct store_csr *csr)
{
	if (csr->replaced)
		return csr->has_certificate ? "stale" : "replaced";
	return csr->has_certificate ? "signed" : "waiting";
}

static int list_one(void *ctx, const struct store_csr *csr, struct view spki)
{
	struct csr_listing *l = ctx;
	char when[PRINT_TIME_MAX];

	(void)spki;
	if (l->stale_only && !(csr->replaced && csr->has_certificate))
		return 0;
	l->n++;
	if (!l->out)
		return json_array_append_new(l->json, json_pack("{s:s, s:s, s:s, s:I}", "device", csr->device, "state", state_of(csr),
								"sha256", csr->sha256, "created", (json_int_t)csr->created)) < 0 ?
			       ERR_NOMEM :
			       0;
	fprintf(l->out, "%-24s %-9s %.16s  %s\n", csr->device, state_of(csr), csr->sha256, print_time(csr->created, when));
	return 0;
}

static int list(struct command_run *r, bool stale_only, const char *none, struct err *e)
{
	bool json = command_option(r, "--json") != NULL;
	struct csr_listing l = {.out = json ? NULL : r->out, .json = json ? json_array() : NULL, .stale_only = stale_only};
	int rc = store_csr_list(r->host->store, list_one, &l, e);

	if (rc == 0 && json)
		return print_json(r->out, l.json, e);
	json_decref(l.json);
	if (rc == 0 && l.n == 0)
		fprintf(r->out, "%s\n", none);
	return rc < 0 ? err_set(e, rc, "out of memory") : 0;
}

int cmd_capf_csr_list(struct command_run *r, struct err *e)
{
	return list(r, false, "No key of a phone waits for a certificate.", e);
}

int cmd_capf_stale_list(struct command_run *r, struct err *e)
{
	return list(r, true, "There are no stale LSCs.", e);
}

int cmd_capf_csr_dump(struct command_run *r, struct err *e)
{
	size_t n;

	return capf_csr_dump(r->host->cluster, r->out, &n, e);
}

int cmd_capf_csr_delete_ask(struct command_run *r, struct err *e)
{
	char name[STORE_NAME_SIZE];
	const char *whose = cmd_phones_name(r, name);

	(void)e;
	if (!command_answers(r))
		command_confirm(r, "This operation deletes %s%s. The phone has to make another key. Do you want to continue? (y/n):",
				text_same(whose, "all") ? "every key that waits for a certificate" : "the keys of ",
				text_same(whose, "all") ? "" : whose);
	return 0;
}

static int would(struct command_run *r, const char *what)
{
	fprintf(r->out, "Nothing was changed. This command %s.\n", what);
	return 0;
}

int cmd_capf_csr_delete(struct command_run *r, struct err *e)
{
	char name[STORE_NAME_SIZE];
	const char *whose = cmd_phones_name(r, name);
	size_t n;

	if (command_option(r, "--dry-run"))
		return would(r, "deletes what 'utils capf csr list' shows of it");
	int rc = capf_csr_delete(r->host->cluster, r->peer->actor, text_same(whose, "all") ? NULL : whose, &n, e);
	r->audited = true;
	if (rc == 0)
		fprintf(r->out, "Keys deleted: %zu\n", n);
	return rc;
}

int cmd_capf_stale_delete(struct command_run *r, struct err *e)
{
	size_t n;

	if (command_option(r, "--dry-run"))
		return would(r, "deletes what 'utils capf stale-lsc list' shows");
	int rc = capf_stale_delete(r->host->cluster, r->peer->actor, &n, e);
	r->audited = true;
	if (rc == 0)
		fprintf(r->out, "Keys deleted that phones have replaced: %zu\n", n);
	return rc;
}

int cmd_capf_cert_import(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	struct notes notes = NOTES_INIT;
	size_t n;
	int rc = capf_cert_import(r->host->cluster, r->peer->actor, r->upload, dry, &notes, &n, e);

	r->audited = true;
	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. This command imports %zu certificates.\n", n);
	else if (rc == 0)
		fprintf(r->out, "Certificates imported: %zu\nPhones take them when they come to CAPF next: reset them.\n", n);
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

/* --- keep-alive --- */

int cmd_capf_keep_alive(struct command_run *r, struct err *e)
{
	if (command_option(r, "--dry-run"))
		return would(r, "sets " PARAM_CAPF_KEEP_ALIVE);
	int rc = param_set(r->host->cluster, r->peer->actor, PARAM_CAPF_KEEP_ALIVE, command_arg(r, 0), NULL, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "keep_alive set to %s minutes\n", command_arg(r, 0));
	}
	return rc;
}

/* --- expired MICs --- */

static int print_mic(void *ctx, const char *device, int64_t when)
{
	char text[PRINT_TIME_MAX];

	fprintf(ctx, "%-24s allowed since %s\n", device, print_time(when, text));
	return 0;
}

int cmd_capf_mic_list(struct command_run *r, struct err *e)
{
	return store_expiredmic_list(r->host->store, print_mic, r->out, e);
}

static int set_mic(struct command_run *r, bool allow, struct err *e)
{
	char name[STORE_NAME_SIZE];

	if (command_option(r, "--dry-run"))
		return would(r, "changes what 'utils capf expired-mic list' shows");
	int rc = capf_expired_mic(r->host->cluster, r->peer->actor, cmd_phones_name(r, name), allow, e);
	r->audited = true;
	if (rc == 0)
		fprintf(r->out, allow ? "The expired MIC of %s authenticates its next Install/Upgrade, once.\n" :
					"The expired MIC of %s authenticates nothing.\n", name);
	return rc;
}

int cmd_capf_mic_allow(struct command_run *r, struct err *e)
{
	return set_mic(r, true, e);
}

int cmd_capf_mic_withdraw(struct command_run *r, struct err *e)
{
	return set_mic(r, false, e);
}
