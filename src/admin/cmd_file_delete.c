#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "admin/served.h"
#include "cluster/mode.h"
#include "format/list.h"

/*
 * `file delete`: only the published CTL can be deleted. The ITL is made by the node itself, and the operator's files are
 * the operator's. Source: behaviour.md 1.6, 9 scenarios 4, 21, 23.
 */

static int may_delete(const struct served_file *f, struct err *e)
{
	const char *name = served_base(f);

	if (!f->published)
		return err_set(e, ERR_USAGE,
			       "%s is a file of yours: Ringfence never writes in the provisioning folder; remove it there", f->name);
	if (strcmp(name, list_type_file_name(LIST_CTL)) != 0)
		return err_set(e, ERR_USAGE, "%s is kept by the node itself: phones could believe nothing without it", f->name);
	return 0;
}

/* Is the CTL, and nothing else, what the command names? *found: it is there. */
static int check(struct command_run *r, enum served_place place, bool *found, struct err *e)
{
	struct served_set set = {0};
	bool mixed = false;
	int rc = served_find(r->host, place, command_arg(r, 0), &set, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < set.n; i++)
		rc = may_delete(&set.files[i], e);
	*found = set.n > 0;
	served_set_clear(&set);
	if (rc == 0 && *found && place == SERVED_ACTIVELOG)
		rc = cluster_is_mixed(r->host->cluster, &mixed, e);
	if (rc == 0 && mixed)
		rc = err_set(e, ERR_USAGE,
			     "the cluster is in mixed mode, and its phones need the CTL; first: utils ctl set-cluster "
			     "non-secure-mode");
	return rc;
}

static int warnings(struct command_run *r, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = cluster_mode_warnings(r->host->cluster, MODE_DELETE, &notes, e);

	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

static int ask(struct command_run *r, enum served_place place, struct err *e)
{
	bool found;

	if (command_answers(r))
		return 0;
	int rc = check(r, place, &found, e);
	if (rc < 0 || !found)
		return rc;
	rc = warnings(r, e);
	if (rc == 0 && !command_option(r, "noconfirm"))
		command_confirm(r, "Delete the File %s?\nEnter \"y\" followed by return to continue: ", command_arg(r, 0));
	return rc;
}

static int delete(struct command_run *r, enum served_place place, struct err *e)
{
	bool found, deleted = false;
	int rc = check(r, place, &found, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--dry-run")) {
		fprintf(r->out, "Nothing was changed. files: found = %d\n", found);
		return found ? warnings(r, e) : 0;
	}
	snprintf(r->object, sizeof(r->object), "CTLFile.tlv");
	if (found)
		rc = cluster_ctl_delete(r->host->cluster, r->peer->actor, &deleted, e);
	if (rc < 0)
		return rc;
	if (deleted && command_option(r, "detail"))
		fprintf(r->out, "deleted: %s\n", command_arg(r, 0));
	fprintf(r->out, "files: found = %d, deleted = %d\n", found, deleted);
	r->audited = true; /* by the operation; and where nothing was found nothing was changed */
	r->status = !found;
	return 0;
}

int cmd_file_delete_tftp_ask(struct command_run *r, struct err *e)
{
	return ask(r, SERVED_TFTP, e);
}

int cmd_file_delete_tftp(struct command_run *r, struct err *e)
{
	return delete(r, SERVED_TFTP, e);
}

int cmd_file_delete_activelog_ask(struct command_run *r, struct err *e)
{
	return ask(r, SERVED_ACTIVELOG, e);
}

int cmd_file_delete_activelog(struct command_run *r, struct err *e)
{
	return delete(r, SERVED_ACTIVELOG, e);
}
