#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/compose.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/publish.h"

/* `utils ctl`. Source: behaviour.md 1.3; formats-and-protocols.md 3.6. */

typedef int operation(struct cluster *c, const char *who, struct notes *notes, struct err *e);

struct ctl_change {
	enum mode_change change;
	const char *question;
	const char *begins, *done;
	const char *effect;  /* for --dry-run */
	operation *run;
};

static const struct ctl_change mixed = {
	MODE_MIXED,
	"This operation sets the cluster to Mixed mode. Do you want to continue? (y/n):",
	"Moving Cluster to Mixed Mode",
	"Cluster set to Mixed Mode",
	"ClusterSecurityMode would be 1, and a CTL with the certificates of all nodes would be signed and published",
	cluster_set_mixed,
};

static const struct ctl_change non_secure = {
	MODE_NON_SECURE,
	"This operation will set the cluster to non secure mode. Do you want to continue? (y/n):",
	"Moving Cluster to Non Secure Mode",
	"Cluster set to Non Secure Mode",
	"ClusterSecurityMode would be 0, and a CTL without the certificates of CCM+TFTP would be signed and published",
	cluster_set_non_secure,
};

static const struct ctl_change update = {
	MODE_UPDATE,
	"This operation updates the CTLFile. Do you want to continue? (y/n):",
	"Updating CTL file",
	"CTL file Updated",
	"the CTL would be made anew from the current certificates, signed and published",
	cluster_ctl_update,
};

static const struct ctl_change reset = {
	MODE_RESET,
	"This operation resets the CTLFile. Do you want to continue? (y/n):",
	"Generating the reset CTL file.....",
	"The reset CTL file was generated successfully",
	"the CTL would be made anew from the current certificates, signed with the other key that phones know, and published",
	cluster_ctl_reset,
};

static int warnings(struct command_run *r, const struct ctl_change *c, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = cluster_mode_warnings(r->host->cluster, c->change, &notes, e);

	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

static int ask(struct command_run *r, const struct ctl_change *c, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = warnings(r, c, e);
	if (rc == 0)
		command_confirm(r, "%s", c->question);
	return rc;
}

static int dry_run(struct command_run *r, const struct ctl_change *c, struct err *e)
{
	uint64_t generation;
	int rc = publish_generation(r->host->cluster, &generation, e);

	if (rc < 0)
		return rc;
	fprintf(r->out, "Nothing was changed. With this command %s as generation %llu.\n", c->effect,
		(unsigned long long)generation + 1);
	return warnings(r, c, e);
}

/*
 * What to do next, in the words of the release whose lists are made.
 * Source: behaviour.md 1.3, Restart text: 10.x, and 11.6 and later.
 */
static int restart_text(struct command_run *r, struct err *e)
{
	AUTO(auto_free) char *name = NULL;
	enum compose_generation g = COMPOSE_DEFAULT;
	int rc = param_get(r->host->cluster, PARAM_GENERATION, &name, e);

	if (rc < 0)
		return rc;
	compose_generation_find(name, &g);
	if (g < COMPOSE_12_0)
		fputs("Please Restart the TFTP and Cisco CallManager services on all nodes in the cluster that run these "
		      "services\n",
		      r->out);
	else
		fputs("You must reset all phones to ensure they received the updated CTL file.\n"
		      "You must restart Cisco CTIManager services on all the nodes in the cluster that have the service "
		      "activated.\n",
		      r->out);
	return 0;
}

static int change(struct command_run *r, const struct ctl_change *c, struct err *e)
{
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run"))
		return dry_run(r, c, e);
	fprintf(r->out, "%s\n", c->begins);
	int rc = c->run(r->host->cluster, r->peer->actor, &notes, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "%s\n", c->done);
		rc = restart_text(r, e);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

int cmd_ctl_mixed_ask(struct command_run *r, struct err *e)
{
	return ask(r, &mixed, e);
}

int cmd_ctl_mixed(struct command_run *r, struct err *e)
{
	return change(r, &mixed, e);
}

int cmd_ctl_non_secure_ask(struct command_run *r, struct err *e)
{
	return ask(r, &non_secure, e);
}

int cmd_ctl_non_secure(struct command_run *r, struct err *e)
{
	return change(r, &non_secure, e);
}

int cmd_ctl_update_ask(struct command_run *r, struct err *e)
{
	return ask(r, &update, e);
}

int cmd_ctl_update(struct command_run *r, struct err *e)
{
	return change(r, &update, e);
}

int cmd_ctl_reset_ask(struct command_run *r, struct err *e)
{
	return ask(r, &reset, e);
}

int cmd_ctl_reset(struct command_run *r, struct err *e)
{
	return change(r, &reset, e);
}
