#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "admin/services.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster.h"
#include "cluster/list_reset.h"
#include "store/service.h"

/* `utils service`. Source: behaviour.md 1.9. */

#define TFTP "Cisco Tftp"

const char *service_state(const struct admin_host *host, const struct store_service *s, const char **why)
{
	const char *absent = host->service_absent(host->ctx, s->name);

	*why = absent ? absent : !s->activated ? "Service Not Activated" : !s->started ? "Commanded Out of Service" : NULL;
	if (*why)
		return "STOPPED";
	*why = host->service_trouble ? host->service_trouble(host->ctx, s->name) : NULL;
	return "STARTED";
}

int service_list(const struct admin_host *host, struct store_service **list, size_t *n, struct err *e)
{
	return store_service_list(host->store, cluster_node(host->cluster), list, n, e);
}

json_t *service_json(const struct admin_host *host, const struct store_service *list, size_t n)
{
	json_t *all = json_array();

	for (size_t i = 0; all && i < n; i++) {
		const char *why, *state = service_state(host, &list[i], &why);
		json_t *row = json_pack("{s:s, s:s, s:s?, s:b, s:b}", "name", list[i].name, "state", state, "reason", why,
					"feature", list[i].feature, "activated", list[i].activated);
		if (json_array_append_new(all, row) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

void service_print(FILE *out, const struct admin_host *host, const struct store_service *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *why, *state = service_state(host, &list[i], &why);
		fprintf(out, "%s[%s]%s%s\n", list[i].name, state, why ? "  " : "", why ? why : "");
	}
}

int cmd_service_list(struct command_run *r, struct err *e)
{
	AUTO(auto_free) struct store_service *list = NULL;
	size_t n;
	int rc = service_list(r->host, &list, &n, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json"))
		return print_json(r->out, service_json(r->host, list, n), e);
	fputs("Requesting service status, please wait...\n", r->out);
	service_print(r->out, r->host, list, n);
	return 0;
}

/* CUCM's services whose work needs no process here: guides ask for their restart. Source: behaviour.md 1.9, 2.7. */
static const char *needless(const char *service)
{
	static const struct { const char *service, *why; } rows[] = {
		{"Cisco Tomcat", "what is served over HTTPS has a new tomcat certificate at once"},
		{"Cisco DRF Master", "the backup of keys is 'ringfence recovery export', which does not use the ipsec certificate"},
		{"Cisco DRF Local", "the backup of keys is 'ringfence recovery export', which does not use the ipsec certificate"},
		{"Cisco Certificate Change Notification", "each change of a certificate is in force on this node at once"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (text_same(rows[i].service, service))
			return rows[i].why;
	return NULL;
}

int cmd_ipsec_restart(struct command_run *r, struct err *e)
{
	(void)e;
	fputs("Nothing was changed: IPsec is the system's, and no process of this node uses the ipsec certificate.\n", r->out);
	return 0;
}

/* Changes: what the store then says of the service, and what the node makes of it, go together. */


static int refuse(const struct command_run *r, const struct store_service *s, enum admin_service_action a, struct err *e)
{
	const char *absent = r->host->service_absent(r->host->ctx, s->name);
	bool activation = a == ADMIN_SERVICE_ACTIVATE || a == ADMIN_SERVICE_DEACTIVATE;

	if (activation && !s->feature)
		return err_set(e, ERR_USAGE, "%s is a network service: it is always active; use start and stop", s->name);
	if (absent && a != ADMIN_SERVICE_STOP && a != ADMIN_SERVICE_DEACTIVATE)
		return err_set(e, ERR_USAGE, "%s cannot run here: %s", s->name, absent);
	if (!activation && !s->activated)
		return err_set(e, ERR_USAGE, "%s: Service Not Activated; first: utils service activate %s", s->name, s->name);
	return 0;
}

static int record(struct command_run *r, const struct store_service *s, enum admin_service_action a, struct err *e)
{
	struct store *store = r->host->store;
	const char *node = cluster_node(r->host->cluster);

	if (a == ADMIN_SERVICE_DEACTIVATE)
		return store_service_activate(store, node, s->name, false, e);
	if (a == ADMIN_SERVICE_ACTIVATE) {
		int rc = store_service_activate(store, node, s->name, true, e);
		if (rc < 0)
			return rc;
	}
	return store_service_start(store, node, s->name, a != ADMIN_SERVICE_STOP, e);
}

static void describe(const struct admin_host *host, const struct store_service *s, char *out, size_t size)
{
	const char *why, *state = service_state(host, s, &why);

	snprintf(out, size, "%s%s%s", state, why ? ": " : "", why ? why : "");
}

/* In one transaction: the store, the audit, and last what can fail for other reasons, the node itself. */
static int apply(struct command_run *r, const struct store_service *before, enum admin_service_action a, struct err *e)
{
	const struct admin_host *h = r->host;
	struct store_service now;
	int rc = store_begin(h->store, e);

	if (rc < 0)
		return rc;
	rc = record(r, before, a, e);
	if (rc == 0)
		rc = store_service_get(h->store, cluster_node(h->cluster), before->name, &now, e);
	if (rc == 0) {
		describe(h, &now, r->after, sizeof(r->after));
		rc = command_audit(r, "done", e);
	}
	if (rc == 0)
		rc = h->service_apply(h->ctx, before->name, a, e);
	if (rc == 0)
		rc = store_commit(h->store, e);
	if (rc < 0) {
		store_rollback(h->store);
		r->audited = false;
		r->after[0] = '\0';
	}
	return rc;
}

static void report(struct command_run *r, const char *name, enum admin_service_action a)
{
	fputs("Service Manager is running\n", r->out);
	if (a == ADMIN_SERVICE_RESTART)
		fprintf(r->out, "%s[STOPPING]\n", name);
	if (a == ADMIN_SERVICE_STOP || a == ADMIN_SERVICE_RESTART)
		fprintf(r->out, "Commanded Out of Service\n%s[NOTRUNNING]\n", name);
	if (a == ADMIN_SERVICE_DEACTIVATE)
		fprintf(r->out, "%s[NOTRUNNING]\nService Not Activated\n", name);
	if (a == ADMIN_SERVICE_START || a == ADMIN_SERVICE_RESTART || a == ADMIN_SERVICE_ACTIVATE)
		fprintf(r->out, "%s[STARTING]\n%s[STARTED]\n", name, name);
}

/*
 * TFTP signs with the usual key again when it is started: here ends a reset of the ITL. Source: behaviour.md 1.4.
 */
static bool ends_reset(const char *service, enum admin_service_action a)
{
	return strcmp(service, TFTP) == 0 && a != ADMIN_SERVICE_STOP && a != ADMIN_SERVICE_DEACTIVATE;
}

static int end_reset(struct command_run *r, struct err *e)
{
	bool changed;
	int rc = cluster_itl_normal(r->host->cluster, r->peer->actor, &changed, e);

	if (rc == 0 && changed)
		fputs("The reset of the ITL has ended: its usual signer has signed it again. Reset all phones a second time.\n", r->out);
	return rc;
}

int cmd_service_ask(struct command_run *r, struct err *e)
{
	struct notes notes = NOTES_INIT;

	if (command_answers(r) || !text_same(command_arg(r, 0), TFTP))
		return 0;
	int rc = itl_normal_warnings(r->host->cluster, &notes, e);
	if (rc == 0 && notes.n) {
		print_notes(r->out, &notes);
		command_confirm(r, "This ends the reset of the ITL. Do you want to continue? (y/n):");
	}
	notes_clear(&notes);
	return rc;
}

static int change(struct command_run *r, enum admin_service_action a, const char *word, struct err *e)
{
	const char *name = command_arg(r, 0);
	struct store_service s;
	int rc = store_service_get(r->host->store, cluster_node(r->host->cluster), name, &s, e);

	if (rc < 0)
		return rc;
	snprintf(r->object, sizeof(r->object), "service %s on %s", s.name, s.node);
	describe(r->host, &s, r->before, sizeof(r->before));
	if (needless(s.name) && (a == ADMIN_SERVICE_START || a == ADMIN_SERVICE_RESTART)) {
		fprintf(r->out, "Nothing was changed: no process stands behind %s here; %s.\n", s.name, needless(s.name));
		return 0;
	}
	rc = refuse(r, &s, a, e);
	if (rc < 0)
		return rc;
	if (command_option(r, "--dry-run")) {
		fprintf(r->out, "Nothing was changed. %s is %s and would be %s.\n", s.name, r->before, word);
		return 0;
	}
	rc = apply(r, &s, a, e);
	if (rc == 0)
		report(r, s.name, a);
	return rc == 0 && ends_reset(s.name, a) ? end_reset(r, e) : rc;
}

int cmd_service_start(struct command_run *r, struct err *e)
{
	return change(r, ADMIN_SERVICE_START, "started", e);
}

int cmd_service_stop(struct command_run *r, struct err *e)
{
	return change(r, ADMIN_SERVICE_STOP, "stopped", e);
}

int cmd_service_restart(struct command_run *r, struct err *e)
{
	return change(r, ADMIN_SERVICE_RESTART, "restarted", e);
}

int cmd_service_activate(struct command_run *r, struct err *e)
{
	return change(r, ADMIN_SERVICE_ACTIVATE, "activated", e);
}

int cmd_service_deactivate(struct command_run *r, struct err *e)
{
	return change(r, ADMIN_SERVICE_DEACTIVATE, "deactivated", e);
}
