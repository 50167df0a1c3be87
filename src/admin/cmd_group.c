#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/phone_group.h"

/* `group`: CallManager groups. CUCM has a web page for them, so these commands are Ringfence's own. */

static int devices_of(struct command_run *r, const struct store_group *g, size_t *n, struct err *e)
{
	return store_group_devices(r->host->store, g->name, NULL, 0, n, e);
}

static int list_json(struct command_run *r, const struct store_group *list, size_t n, struct err *e)
{
	json_t *all = json_array();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		json_t *nodes = json_array();
		size_t phones = 0;

		for (size_t k = 0; k < list[i].n; k++)
			json_array_append_new(nodes, json_string(list[i].members[k]));
		rc = devices_of(r, &list[i], &phones, e);
		if (json_array_append_new(all, json_pack("{s:s, s:o, s:I}", "name", list[i].name, "nodes", nodes, "phones",
							 (json_int_t)phones)) < 0 && rc == 0)
			rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	if (rc == 0)
		return print_json(r->out, all, e);
	json_decref(all);
	return rc;
}

static int list_text(struct command_run *r, const struct store_group *list, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		size_t phones = 0;

		rc = devices_of(r, &list[i], &phones, e);
		fprintf(r->out, "%-24s %6zu phone%s  ", list[i].name, phones, phones == 1 ? " " : "s");
		for (size_t k = 0; k < list[i].n; k++)
			fprintf(r->out, "%s%s", k ? ", " : "", list[i].members[k]);
		fputs(list[i].n ? "\n" : "no node\n", r->out);
	}
	fprintf(r->out, "%zu group%s\n", n, n == 1 ? "" : "s");
	return rc;
}

int cmd_group_list(struct command_run *r, struct err *e)
{
	AUTO(auto_free) struct store_group *list = NULL;
	size_t n = 0;
	int rc = store_group_list(r->host->store, &list, &n, e);

	if (rc < 0)
		return rc;
	return command_option(r, "--json") ? list_json(r, list, n, e) : list_text(r, list, n, e);
}

static int name_into(char out[STORE_NAME_SIZE], const char *name, struct err *e)
{
	if (strlen(name) >= STORE_NAME_SIZE)
		return err_set(e, ERR_USAGE, "a name has at most %d octets", STORE_NAME_SIZE - 1);
	strcpy(out, name);
	return 0;
}

int cmd_group_set(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL, added = false;
	struct notes notes = NOTES_INIT;
	struct store_group g = {0};
	int rc = name_into(g.name, command_arg(r, 0), e);

	for (const char *node; rc == 0 && (node = command_arg(r, 1 + g.n));) {
		if (g.n == STORE_GROUP_MAX)
			return err_set(e, ERR_USAGE, "a CallManager group has at most %d nodes", STORE_GROUP_MAX);
		rc = name_into(g.members[g.n++], node, e);
	}
	r->audited = rc == 0;
	if (rc == 0)
		rc = phone_group_set(r->host->cluster, r->peer->actor, &g, dry, &added, &notes, e);
	if (rc == 0 && dry)
		fprintf(r->out, "Nothing was changed. With this command CallManager group %s would be %s.\n", g.name,
			added ? "made" : "changed");
	else if (rc == 0)
		fprintf(r->out, "CallManager group %s %s\n", g.name, added ? "made" : "set");
	if (rc == 0)
		print_notes(r->out, &notes);
	notes_clear(&notes);
	return rc;
}

int cmd_group_delete_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = phone_group_delete(r->host->cluster, r->peer->actor, command_arg(r, 0), true, e);
	if (rc == 0)
		command_confirm(r, "This operation deletes CallManager group %s. Do you want to continue? (y/n):", command_arg(r, 0));
	return rc;
}

int cmd_group_delete(struct command_run *r, struct err *e)
{
	bool dry = command_option(r, "--dry-run") != NULL;
	int rc = phone_group_delete(r->host->cluster, r->peer->actor, command_arg(r, 0), dry, e);

	r->audited = true;
	if (rc == 0)
		fprintf(r->out, dry ? "Nothing was changed. With this command CallManager group %s would be deleted.\n"
				    : "CallManager group %s deleted\n", command_arg(r, 0));
	return rc;
}
