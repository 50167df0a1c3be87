#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/text.h"
#include "cluster/capf.h"
#include "cluster/capf_admin.h"
#include "cluster/param.h"

/* `utils capf`. Source: behaviour.md 1.8, 5.3. */

struct listing {
	FILE *out;       /* NULL: into json */
	json_t *json;
	bool stale_only; /* of keys */
	size_t n;
};

/* --- keys that wait for an authority elsewhere --- */

static const char *state_of(const struct store_csr *csr)
{
	if (csr->replaced)
		return csr->has_certificate ? "stale" : "replaced";
	return csr->has_certificate ? "signed" : "waiting";
}

static int list_one(void *ctx, const struct store_csr *csr, struct view spki)
{
	struct listing *l = ctx;
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

static struct listing begin_list(const struct command_run *r)
{
	bool json = command_option(r, "--json") != NULL;

	return (struct listing){.out = json ? NULL : r->out, .json = json ? json_array() : NULL};
}

/* rc: what the listing came to. */
static int end_list(struct command_run *r, struct listing *l, int rc, const char *none, struct err *e)
{
	if (rc == 0 && !l->out)
		return print_json(r->out, l->json, e);
	json_decref(l->json);
	if (rc == 0 && l->n == 0)
		fprintf(r->out, "%s\n", none);
	return rc < 0 ? err_set(e, rc, "out of memory") : 0;
}

static int list(struct command_run *r, bool stale_only, const char *none, struct err *e)
{
	struct listing l = begin_list(r);

	l.stale_only = stale_only;
	return end_list(r, &l, store_csr_list(r->host->store, list_one, &l, e), none, e);
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

/* NULL: all. */
static const char *unless_all(const char *word)
{
	return text_same(word, "all") ? NULL : word;
}

int cmd_capf_csr_delete_ask(struct command_run *r, struct err *e)
{
	char name[STORE_NAME_SIZE];
	const char *device = unless_all(cmd_phones_name(r, name));
	size_t n;
	int rc = capf_csr_delete(r->host->cluster, r->peer->actor, device, true, &n, e);

	if (rc == 0 && !command_answers(r))
		command_confirm(r, "This operation deletes %s%s. The phone has to make another key. Do you want to continue? (y/n):",
				device ? "the keys of " : "every key that waits for a certificate", device ? device : "");
	return rc;
}

int cmd_capf_csr_delete(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	char name[STORE_NAME_SIZE];
	const char *device = unless_all(cmd_phones_name(r, name));
	size_t n;
	int rc = capf_csr_delete(r->host->cluster, r->peer->actor, device, dry, &n, e);

	r->audited = !dry;
	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. With this command %zu keys of %s would be deleted.\n", n,
			device ? device : "all phones");
	else if (rc == 0)
		fprintf(r->out, "Keys deleted: %zu\n", n);
	return rc;
}

int cmd_capf_stale_delete(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	size_t n;
	int rc = capf_stale_delete(r->host->cluster, r->peer->actor, dry, &n, e);

	r->audited = !dry;
	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. With this command %zu keys that phones have replaced would be deleted.\n", n);
	else if (rc == 0)
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

static int dry_keep_alive(struct command_run *r, struct err *e)
{
	const struct param_def *def = param_find(PARAM_CAPF_KEEP_ALIVE);
	uint32_t now;
	int rc = param_check(def, command_arg(r, 0), NULL, e);

	if (rc == 0)
		rc = param_get_number(r->host->cluster, PARAM_CAPF_KEEP_ALIVE, &now, e);
	if (rc == 0)
		fprintf(r->out, "Nothing was changed. This command would set %s to %s; it is %u.\n", def->name, command_arg(r, 0), now);
	return rc;
}

int cmd_capf_keep_alive(struct command_run *r, struct err *e)
{
	if (command_option(r, "--dry-run"))
		return dry_keep_alive(r, e);
	int rc = param_set(r->host->cluster, r->peer->actor, PARAM_CAPF_KEEP_ALIVE, command_arg(r, 0), NULL, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "keep_alive set to %s minutes\n", command_arg(r, 0));
	}
	return rc;
}

/* --- addresses that are locked out --- */

static int list_lockout(void *ctx, const struct capf_lockout *lockout)
{
	struct listing *l = ctx;
	char text[PRINT_TIME_MAX];

	l->n++;
	if (l->out)
		fprintf(l->out, "%-44s %u failures, until %s\n", lockout->address, lockout->failures, print_time(lockout->until, text));
	else if (json_array_append_new(l->json, json_pack("{s:s, s:I, s:I}", "address", lockout->address, "failures",
							  (json_int_t)lockout->failures, "until", (json_int_t)lockout->until)) < 0)
		return ERR_NOMEM;
	return 0;
}

int cmd_capf_lockout_list(struct command_run *r, struct err *e)
{
	struct listing l = begin_list(r);

	return end_list(r, &l, capf_lockouts(r->host->capf, list_lockout, &l, e), "No address is locked out.", e);
}

int cmd_capf_lockout_delete(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	size_t n;
	int rc = capf_lockout_delete(r->host->capf, r->peer->actor, unless_all(command_arg(r, 0)), dry, &n, e);

	r->audited = !dry;
	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. With this command %zu lock-outs would be deleted.\n", n);
	else if (rc == 0)
		fprintf(r->out, "Lock-outs deleted: %zu\n", n);
	return rc;
}

/* --- expired MICs --- */

static int list_mic(void *ctx, const char *device, int64_t when)
{
	struct listing *l = ctx;
	char text[PRINT_TIME_MAX];

	l->n++;
	if (l->out)
		fprintf(l->out, "%-24s allowed since %s\n", device, print_time(when, text));
	else if (json_array_append_new(l->json, json_pack("{s:s, s:I}", "device", device, "allowed", (json_int_t)when)) < 0)
		return ERR_NOMEM;
	return 0;
}

int cmd_capf_mic_list(struct command_run *r, struct err *e)
{
	struct listing l = begin_list(r);
	int rc = store_expiredmic_list(r->host->store, list_mic, &l, e);

	return end_list(r, &l, rc, "No device's expired MIC authenticates it.", e);
}

static int set_mic(struct command_run *r, bool allow, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	char name[STORE_NAME_SIZE];
	int rc = capf_expired_mic(r->host->cluster, r->peer->actor, cmd_phones_name(r, name), allow, dry, e);

	r->audited = !dry;
	if (rc == 0)
		fprintf(r->out,
			allow ? "%sThe expired MIC of %s authenticates its next Install/Upgrade, once.\n" :
				"%sThe expired MIC of %s authenticates nothing.\n",
			dry ? "Nothing was changed. With this command: " : "", name);
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
