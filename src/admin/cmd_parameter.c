#include <stdlib.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/cleanup.h"
#include "cluster/param.h"

/* `show parameter`, `set parameter`: CUCM has a web page for them, so these commands are Ringfence's own. */

static json_t *json_of(const struct param_def *d, const char *value)
{
	json_t *choices = json_array();

	for (size_t i = 0; d->choices && d->choices[i]; i++)
		json_array_append_new(choices, json_string(d->choices[i]));
	for (size_t i = 0; d->type == PARAM_BOOL && i < 2; i++)
		json_array_append_new(choices, json_string(i ? "False" : "True"));
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s?, s:b}", "name", d->name, "service", d->service, "type",
			      param_type_name(d->type), "value", value, "default", d->initial, "display_only", d->display_only,
			      "help", d->help, "restart", d->restart, "reset_phones", d->reset);
	if (j && d->type == PARAM_NUMBER)
		json_object_update_new(j, json_pack("{s:i, s:i}", "minimum", (int)d->min, "maximum", (int)d->max));
	if (!j || json_object_set_new(j, "choices", choices) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static void allowed(FILE *out, const struct param_def *d)
{
	char text[512];

	param_allowed(d, text, sizeof(text));
	fprintf(out, "  allowed: %s; default: %s\n", text, d->initial);
}

/* Everything about one. */
static void text_one(FILE *out, const struct param_def *d, const char *value)
{
	fprintf(out, "%s = %s\n  %s\n  of: %s\n", d->name, value, d->help, d->service);
	if (d->display_only) {
		fputs("  display only: a command sets it\n", out);
		return;
	}
	allowed(out, d);
	fprintf(out, "  in force: %s%s%s\n", d->restart ? "after a restart of " : "at once", d->restart ? d->restart : "",
		d->reset ? "; phones learn of it at their next reset" : "");
}

static int show_one(struct command_run *r, const char *name, struct err *e)
{
	AUTO(auto_free) char *value = NULL;
	const struct param_def *d = param_find(name);
	int rc = param_get(r->host->cluster, name, &value, e);

	if (rc < 0)
		return rc;
	if (command_option(r, "--json"))
		return print_json(r->out, json_of(d, value), e);
	text_one(r->out, d, value);
	return 0;
}

static int show_all(struct command_run *r, struct err *e)
{
	bool json = command_option(r, "--json") != NULL;
	json_t *all = json_array();
	int rc = 0;

	for (const struct param_def *d = param_table; rc == 0 && d->name; d++) {
		AUTO(auto_free) char *value = NULL;
		rc = param_get(r->host->cluster, d->name, &value, e);
		if (rc == 0 && json)
			json_array_append_new(all, json_of(d, value));
		else if (rc == 0)
			fprintf(r->out, "%-50s %s\n", d->name, value);
	}
	if (rc == 0 && json)
		return print_json(r->out, all, e);
	json_decref(all);
	return rc;
}

int cmd_show_parameter(struct command_run *r, struct err *e)
{
	const char *name = command_arg(r, 0);

	return name ? show_one(r, name, e) : show_all(r, e);
}

/* What it would do to phones, behind `before`; nothing when it is refused. */
static int warnings(struct command_run *r, const char *before, struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = param_warnings(r->host->cluster, command_arg(r, 0), command_arg(r, 1), &notes, e);

	if (rc == 0) {
		fputs(before, r->out);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

static int rehearse(struct command_run *r, struct err *e)
{
	AUTO(auto_free) char *text = NULL;

	if (asprintf(&text, "Nothing was changed. With this command %s would be %s.\n", command_arg(r, 0), command_arg(r, 1)) < 0) {
		text = NULL;
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	return warnings(r, text, e);
}

int cmd_set_parameter_ask(struct command_run *r, struct err *e)
{
	if (command_answers(r))
		return 0;
	int rc = warnings(r, "", e);
	if (rc == 0)
		command_confirm(r, "This operation sets %s to %s. Do you want to continue? (y/n):", command_arg(r, 0),
				command_arg(r, 1));
	return rc;
}

int cmd_set_parameter(struct command_run *r, struct err *e)
{
	const char *name = command_arg(r, 0), *value = command_arg(r, 1);
	struct notes notes = NOTES_INIT;

	if (command_option(r, "--dry-run"))
		return rehearse(r, e);
	int rc = param_set(r->host->cluster, r->peer->actor, name, value, &notes, e);
	if (rc == 0) {
		r->audited = true;
		fprintf(r->out, "%s set to %s\n", name, value);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}
