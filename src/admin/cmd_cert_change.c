#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "cluster/call_control.h"
#include "cluster/cert_bulk.h"
#include "cluster/cert_plan.h"
#include "cluster/certs.h"
#include "cluster/csr.h"
#include "cluster/trust.h"
#include "cluster/web_security.h"

/* `set cert`. Source: behaviour.md 1.5, 2.6 to 2.8. */

/*
 * What would be stranded, and then what changes where: before the question, and all that --dry-run shows. When it cannot be,
 * nothing is printed, not even the head.
 */
static int plan(struct command_run *r, const char *unit, bool regen, const char *head, struct err *e)
{
	struct notes warnings = NOTES_INIT, plan = NOTES_INIT;
	int rc = cluster_regen_warnings(r->host->cluster, unit, &warnings, e);

	if (rc == 0)
		rc = cert_plan(r->host->cluster, unit, !regen, &plan, e);
	if (rc == 0)
		rc = call_control_plan(r->host->cluster, unit, &plan, e);
	if (rc == 0) {
		fputs(head, r->out);
		print_notes(r->out, &warnings);
		fprintf(r->out, "%s%s\n", warnings.n ? "\n" : "",
			regen ? "Certificate: a new key and a new self-signed certificate." :
				"Certificate: the one that was given, with the key that was made for its request.");
		print_notes(r->out, &plan);
	}
	notes_clear(&warnings);
	notes_clear(&plan);
	return rc;
}

/* --- regen --- */

/* Two blanks, as CUCM has it. */
static void overwrite_warning(FILE *out, const char *unit)
{
	fprintf(out, "\nWARNING: This operation will overwrite any CA signed certificate previously imported for  %s\n", unit);
}

int cmd_cert_regen_ask(struct command_run *r, struct err *e)
{
	const char *unit = command_arg(r, 0);

	if (command_answers(r))
		return 0;
	int rc = plan(r, unit, true, "", e);
	if (rc < 0)
		return rc;
	overwrite_warning(r->out, unit);
	if (strcmp(unit, "ITLRecovery") == 0)
		fprintf(r->out,
			"WARNING: If you are using a tokenless CTL and if the CallManager certificate is recently generated, "
			"please ensure that the CTL File already has the new CallManager certificate and is updated to the "
			"endpoints, before generating the ITL Recovery certificate. Are you sure want to proceed?\n");
	command_confirm(r, "Proceed with regeneration (yes|no)? ");
	return 0;
}

int cmd_cert_regen(struct command_run *r, struct err *e)
{
	const char *unit = command_arg(r, 0);
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run")) {
		char head[128];
		snprintf(head, sizeof(head), "Nothing was changed. `set cert regen %s` would make a new key and certificate.\n", unit);
		return plan(r, unit, true, head, e);
	}
	int rc = cluster_regen(r->host->cluster, r->peer->actor, unit, &notes, NULL, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out,
			"Successfully Regenerated Certificate for %s.\n"
			"You must restart services related to %s for the regenerated certificates to become active.\n",
			unit, unit);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

/* What the call control gets of a change of this trust store. */
static int store_plan(struct command_run *r, const char *store, struct err *e)
{
	struct notes plan = NOTES_INIT;
	enum store_unit number;
	int rc = trust_store(store, &number, e);

	if (rc == 0)
		rc = call_control_plan(r->host->cluster, store_unit_name(number), &plan, e);
	if (rc == 0)
		print_notes(r->out, &plan);
	notes_clear(&plan);
	return rc;
}

/* --- import --- */

static int import_own(struct command_run *r, bool dry, struct notes *notes, struct err *e)
{
	const struct csr_import in = {.file = r->upload, .ca = command_arg(r, 1), .dry = dry};

	return cluster_import_own(r->host->cluster, r->peer->actor, command_arg(r, 0), &in, notes, e);
}

/* What cannot be is said before anybody is asked. */
int cmd_cert_import_own_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = import_own(r, true, NULL, e);
	if (rc == 0)
		rc = plan(r, command_arg(r, 0), false, "", e);
	if (rc == 0)
		command_confirm(r, "\nProceed with import (yes|no)? ");
	return rc;
}

static void imported(struct command_run *r, const char *what)
{
	r->audited = true;
	fprintf(r->out,
		"Successfully imported certificate for %s.\n"
		"Please restart services related to %s for the new certificate to become active.\n",
		what, what);
}

int cmd_cert_import_own(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	struct notes notes = NOTES_INIT;
	int rc = import_own(r, dry, &notes, e);

	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. The certificate can be imported for %s.\n", command_arg(r, 0));
	else if (rc == 0)
		imported(r, command_arg(r, 0));
	if (rc == 0)
		print_notes(r->out, &notes);
	if (rc == 0 && dry)
		rc = plan(r, command_arg(r, 0), false, "", e);
	notes_clear(&notes);
	return rc;
}

int cmd_cert_import_trust(struct command_run *r, struct err *e)
{
	const char *store = command_arg(r, 0);
	const struct trust_import in = {.file = r->upload, .ca = command_arg(r, 1), .dry = command_option(r, "--dry-run") != NULL};
	struct notes notes = NOTES_INIT;
	int rc = cluster_import_trust(r->host->cluster, r->peer->actor, store, &in, &notes, e);

	if (rc == 0 && in.dry)
		fputs("Nothing was changed. Trust lists and phones would not be touched; TVS would answer for it.\n", r->out);
	else if (rc == 0)
		imported(r, store);
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc == 0 && in.dry ? store_plan(r, store, e) : rc;
}

/* --- delete --- */

static int delete_warnings(struct command_run *r, bool dry, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = trust_delete_warnings(r->host->cluster, command_arg(r, 0), command_arg(r, 1), &notes, e);

	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. `set cert delete %s %s` would take it out of the trust store.\n", command_arg(r, 0),
			command_arg(r, 1));
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc ? rc : store_plan(r, command_arg(r, 0), e);
}

int cmd_cert_delete_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = delete_warnings(r, false, e);
	if (rc == 0)
		command_confirm(r, "\nyou are about to permanently delete this certificate: %s of %s.\nProceed with deletion (yes|no)? ",
				command_arg(r, 1), command_arg(r, 0));
	return rc;
}

int cmd_cert_delete(struct command_run *r, struct err *e)
{
	const char *store = command_arg(r, 0), *name = command_arg(r, 1);
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run"))
		return delete_warnings(r, true, e);
	int rc = cluster_trust_delete(r->host->cluster, r->peer->actor, store, name, &notes, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "Successfully deleted certificate %s of %s.\n", name, store);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

/* --- web-security --- */

static struct web_security web_of(const struct command_run *r)
{
	return (struct web_security){.ou = command_arg(r, 0),
				     .o = command_arg(r, 1),
				     .l = command_arg(r, 2),
				     .st = command_arg(r, 3),
				     .c = command_arg(r, 4),
				     .alternate = command_arg(r, 5)};
}

#define WEB_PLAN \
	"The tomcat certificate is made anew with this subject. Certificates of other units keep the subject they have until " \
	"they are regenerated.\n"

static int web_plan(struct command_run *r, const char *head, struct err *e)
{
	const struct web_security w = web_of(r);
	int rc = web_security_check(r->host->cluster, &w, e);

	return rc ? rc : plan(r, "tomcat", true, head, e);
}

int cmd_web_security_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = web_plan(r, WEB_PLAN, e);
	if (rc == 0) {
		overwrite_warning(r->out, "tomcat");
		command_confirm(r, "Proceed with regeneration (yes|no)? ");
	}
	return rc;
}

int cmd_web_security(struct command_run *r, struct err *e)
{
	const struct web_security w = web_of(r);
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run"))
		return web_plan(r, "Nothing was changed.\n" WEB_PLAN, e);
	int rc = cluster_web_security(r->host->cluster, r->peer->actor, &w, &notes, e);
	if (rc == 0) {
		r->audited = true;
		fputs("Successfully Regenerated Certificate for tomcat.\n"
		      "You must restart services related to tomcat for the regenerated certificates to become active.\n",
		      r->out);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

/* --- bulk --- */

typedef int bulk_operation(struct cluster *c, struct cert_bulk *b, struct err *e);

/* In CUCM's words, which has an SFTP server where we have a folder. */
static int bulk(struct command_run *r, bulk_operation *run, const char *verb, const char *where, struct err *e)
{
	struct notes notes = NOTES_INIT;
	struct cert_bulk b = {.who = r->peer->actor,
			      .type = command_arg(r, 0),
			      .dry = command_option(r, "--dry-run") != NULL,
			      .notes = &notes};
	int rc = run(r->host->cluster, &b, e);

	r->audited = rc == 0;
	if (rc == 0 && b.dry)
		fprintf(r->out, "Nothing was changed. Certificates that would be %s: %zu.\n", verb, b.n);
	else if (rc == 0)
		fprintf(r->out, "Successfully %s %s certificate%s%s.\nCertificates: %zu.\n", verb, b.type,
			run == cert_bulk_export ? "(s)" : "s", where, b.n);
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

int cmd_cert_bulk_export(struct command_run *r, struct err *e)
{
	return bulk(r, cert_bulk_export, "exported", " to the folder " CERT_BULK_FOLDER, e);
}

int cmd_cert_bulk_consolidate(struct command_run *r, struct err *e)
{
	return bulk(r, cert_bulk_consolidate, "consolidated", " in the folder " CERT_BULK_FOLDER, e);
}

int cmd_cert_bulk_import(struct command_run *r, struct err *e)
{
	return bulk(r, cert_bulk_import, "imported", "", e);
}
