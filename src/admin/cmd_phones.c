#include <stdlib.h>
#include <string.h>

#include "admin/handlers.h"
#include "admin/print.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/phones.h"

/* `phone add|set|delete|string`: CUCM has a web page for them, so these commands are Ringfence's own. */

/* What of `phone add` stands in options. */
static const struct {
	const char *option;
	enum phone_field field;
} add_options[] = {
	{"--description", PHONE_DESCRIPTION}, {"--model", PHONE_MODEL}, {"--pool", PHONE_POOL}, {"--group", PHONE_GROUP},
	{"--security", PHONE_SECURITY}, {"--transport", PHONE_TRANSPORT}, {"--encrypted-config", PHONE_ENCRYPT_CONFIG},
};

#define N_ADD_OPTIONS (sizeof(add_options) / sizeof(add_options[0]))

const char *cmd_phones_name(struct command_run *r, char name[STORE_NAME_SIZE])
{
	struct store_device d;
	bool found;

	if (phones_name(r->host->cluster, command_arg(r, 0), name, &d, &found, NULL))
		snprintf(name, STORE_NAME_SIZE, "%s", command_arg(r, 0));
	return name;
}

/* The operation records what it did, and what it refused. */
static int finish(struct command_run *r, int rc, struct notes *notes, const char *done)
{
	r->audited = true;
	if (rc == 0) {
		fprintf(r->out, "%s\n", done);
		print_notes(r->out, notes);
	}
	notes_clear(notes);
	return rc;
}

/* --dry-run: the same answers, and nothing done. */
static int rehearse(struct command_run *r, enum phone_request what, const struct phone_value *v, size_t n, const char *done,
		    struct err *e)
{
	struct notes notes = NOTES_INIT;
	int rc = phones_check(r->host->cluster, what, command_arg(r, 0), v, n, &notes, e);

	if (rc == 0) {
		fprintf(r->out, "Nothing was changed. With this command: %s\n", done);
		print_notes(r->out, &notes);
	}
	notes_clear(&notes);
	return rc;
}

int cmd_phones_add(struct command_run *r, struct err *e)
{
	struct phone_value v[N_ADD_OPTIONS];
	struct notes notes = NOTES_INIT;
	char done[STORE_NAME_SIZE + 32], name[STORE_NAME_SIZE];
	size_t n = 0;

	for (size_t i = 0; i < N_ADD_OPTIONS; i++) {
		const char *value = command_option(r, add_options[i].option);
		if (value)
			v[n++] = (struct phone_value){add_options[i].field, value};
	}
	snprintf(done, sizeof(done), "Phone %s added", cmd_phones_name(r, name));
	if (command_option(r, "--dry-run"))
		return rehearse(r, PHONE_ADD, v, n, done, e);
	return finish(r, phones_add(r->host->cluster, r->peer->actor, command_arg(r, 0), v, n, &notes, e), &notes, done);
}

/* The words behind "phone set" are the name of the field. */
int cmd_phones_set(struct command_run *r, struct err *e)
{
	static const char words[] = "phone set ";
	char name[STORE_NAME_SIZE], done[2 * STORE_NAME_SIZE + 100];
	const char *value = command_arg(r, 1);
	struct notes notes = NOTES_INIT;
	struct phone_value v = {.value = value};

	if (!text_starts(r->match->words, words) || !phone_field_find(r->match->words + strlen(words), &v.field))
		return err_set(e, ERR_BUG, "%s names no field of a phone", r->match->words);
	snprintf(done, sizeof(done), "%s of %s set to %.255s", phone_field_name(v.field), cmd_phones_name(r, name), value);
	if (command_option(r, "--dry-run"))
		return rehearse(r, PHONE_SET, &v, 1, done, e);
	return finish(r, phones_set(r->host->cluster, r->peer->actor, command_arg(r, 0), &v, 1, &notes, e), &notes, done);
}

int cmd_phones_delete_ask(struct command_run *r, struct err *e)
{
	struct store_device d;

	if (command_answers(r))
		return 0;
	int rc = phones_get(r->host->cluster, command_arg(r, 0), &d, e);
	if (rc == 0)
		command_confirm(r, "This operation deletes %s and what is known of its certificates. Do you want to continue? (y/n):",
				d.name);
	return rc;
}

int cmd_phones_delete(struct command_run *r, struct err *e)
{
	struct notes notes = NOTES_INIT;
	struct store_device d;
	char done[STORE_NAME_SIZE + 32], name[STORE_NAME_SIZE];

	if (command_option(r, "--dry-run")) {
		int rc = phones_get(r->host->cluster, command_arg(r, 0), &d, e);
		if (rc == 0)
			fprintf(r->out, "Nothing was changed. With this command %s would be deleted.\n", d.name);
		return rc;
	}
	snprintf(done, sizeof(done), "Phone %s deleted", cmd_phones_name(r, name));
	return finish(r, phones_delete(r->host->cluster, r->peer->actor, command_arg(r, 0), e), &notes, done);
}

int cmd_phones_string_ask(struct command_run *r, struct err *e)
{
	char name[STORE_NAME_SIZE];

	(void)e;
	if (command_option(r, "--enter") && command_answers(r) == 0)
		command_question(r, true, "Authentication string of %s (4 to 10 digits): ", cmd_phones_name(r, name));
	return 0;
}

static int generate(struct command_run *r, unsigned digits, struct err *e)
{
	char string[PHONE_STRING_MAX + 1], name[STORE_NAME_SIZE];
	int rc = phones_string_generate(r->host->cluster, r->peer->actor, command_arg(r, 0), digits, string, e);

	if (rc == 0)
		fprintf(r->out, "Authentication string of %s: %s\nIt is good for one operation, and nothing can show it again.\n",
			cmd_phones_name(r, name), string);
	secret_wipe(string, sizeof(string));
	return rc;
}

int cmd_phones_string(struct command_run *r, struct err *e)
{
	const char *digits = command_option(r, "--digits");
	char name[STORE_NAME_SIZE];
	uint64_t n = 6;
	int rc;

	if (digits && (command_option(r, "--enter") || !text_number(digits, PHONE_STRING_MIN, PHONE_STRING_MAX, &n)))
		return err_set(e, ERR_USAGE, "--digits is a number from %d to %d, and goes with a string that is made here",
			       PHONE_STRING_MIN, PHONE_STRING_MAX);
	if (command_option(r, "--dry-run"))
		return rehearse(r, PHONE_STRING, NULL, 0, "a new authentication string", e);
	r->audited = true;
	if (!command_option(r, "--enter"))
		return generate(r, (unsigned)n, e);
	rc = phones_string_set(r->host->cluster, r->peer->actor, command_arg(r, 0), command_answer(r, 0), e);
	if (rc == 0)
		fprintf(r->out, "Authentication string of %s set. It is good for one operation.\n", cmd_phones_name(r, name));
	return rc;
}
