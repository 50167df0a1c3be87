#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/list_reset.h"
#include "cluster/publish.h"
#include "store/service.h"

/*
 * `utils itl reset`. Source: behaviour.md 1.4. CUCM fetches the file of a remote key from an SFTP server; here it is a file
 * of whoever asks, which the client sends.
 */

static const char question[] = "This operation resets the ITLFile. Do you want to continue? (y/n):";

static int warnings(struct command_run *r, const struct itl_remote *remote, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = itl_reset_warnings(r->host->cluster, remote, &notes, e);

	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

static int rehearse(struct command_run *r, const struct itl_remote *remote, struct err *e)
{
	uint64_t generation;
	int rc = publish_generation(r->host->cluster, &generation, e);

	if (rc < 0)
		return rc;
	fprintf(r->out,
		"Nothing was changed. With this command the ITL would be made anew, signed with %s, and published as generation %llu.\n",
		remote ? "the key of the file" : "the other key that phones know", (unsigned long long)generation + 1);
	return warnings(r, remote, e);
}

/* In CUCM's words, as far as they are true: the only TFTP server that a node can speak of is its own. */
static int report(struct command_run *r, struct err *e)
{
	const char *node = cluster_node(r->host->cluster);
	struct store_service tftp;
	int rc = store_service_get(r->host->store, node, "Cisco Tftp", &tftp, e);

	if (rc < 0)
		return rc;
	bool active = tftp.activated && tftp.started;
	fputs("The reset ITL file was generated successfully\n"
	      "Locating active Tftp servers in the cluster.....\n"
	      "Following is the list of Active tftp servers in the cluster\n"
	      "====================\n", r->out);
	if (active)
		fprintf(r->out, "%s\n", node);
	fprintf(r->out, "=====================\nNumber of Active TFTP servers in the cluster : %d\n", active);
	if (active)
		fprintf(r->out,
			"Transferring new reset ITL file to the TFTP server nodes in the cluster.........\n"
			"Successfully transferred reset ITL to node %s\n", node);
	return 0;
}

static int reset(struct command_run *r, const struct itl_remote *remote, struct err *e)
{
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run"))
		return rehearse(r, remote, e);
	fputs("Generating the reset ITL file.....\n", r->out);
	int rc = remote ? cluster_itl_reset_remote(r->host->cluster, r->peer->actor, remote, &notes, e) :
			  cluster_itl_reset(r->host->cluster, r->peer->actor, &notes, e);
	if (rc == 0) {
		r->audited = true;
		rc = report(r, e);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

int cmd_itl_local_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = warnings(r, NULL, e);
	if (rc == 0)
		command_confirm(r, "%s", question);
	return rc;
}

int cmd_itl_local(struct command_run *r, struct err *e)
{
	return reset(r, NULL, e);
}

static struct itl_remote remote_of(const struct command_run *r)
{
	return (struct itl_remote){ r->upload, command_answer(r, 0) };
}

/* The passphrase first: it shows whose key it is, and so what there is to be warned of. */
int cmd_itl_remote_ask(struct command_run *r, struct err *e)
{
	struct itl_remote remote = remote_of(r);

	if (command_answers(r) == 0)
		command_question(r, true, "Passphrase of %s: ", command_arg(r, 0));
	if (command_answers(r) != 1)
		return 0;
	int rc = warnings(r, &remote, e);
	if (rc == 0)
		command_confirm(r, "%s", question);
	return rc;
}

int cmd_itl_remote(struct command_run *r, struct err *e)
{
	struct itl_remote remote = remote_of(r);

	return reset(r, &remote, e);
}
