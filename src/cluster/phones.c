#include "cluster/phones.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "cluster/phone_string.h"
#include "cluster/phones_internal.h"

int phone_need(struct cluster *c, const char *name, struct store_device *d, struct err *e)
{
	bool found = false;
	int rc = store_device_get(c->store, name, d, &found, e);

	return rc || found ? rc : err_set(e, ERR_USAGE, "there is no phone %.60s", name);
}

int phones_get(struct cluster *c, const char *typed, struct store_device *d, struct err *e)
{
	char name[STORE_NAME_SIZE];
	bool found = false;
	int rc = phones_name(c, typed, name, d, &found, e);

	return rc || found ? rc : err_set(e, ERR_USAGE, "there is no phone %.60s", name);
}

/* "Model: 8861; Key Order: EC Only": the fields in which a and b differ, as a has them. */
static void differences(const struct store_device *a, const struct store_device *b, char *out, size_t size)
{
	char mine[STORE_NAME_SIZE], theirs[STORE_NAME_SIZE];
	size_t used = 0;

	out[0] = '\0';
	for (enum phone_field f = 0; f < PHONE_N_FIELDS; f++) {
		phone_field_text(a, f, mine, sizeof(mine));
		phone_field_text(b, f, theirs, sizeof(theirs));
		if (strcmp(mine, theirs) != 0)
			used = text_append(out, size, used, "%s%s: %s", used ? "; " : "", phone_field_name(f), mine);
	}
}

static void describe(struct phone_change *ch, const struct phone_edit *ed, bool new_string)
{
	if (ed->old.name[0])
		differences(&ed->old, &ed->d, ch->before, sizeof(ch->before));
	differences(&ed->d, &ed->old, ch->after, sizeof(ch->after));
	if (new_string)
		text_append(ch->after, sizeof(ch->after), strlen(ch->after), "%sa new authentication string", ch->after[0] ? "; " : "");
}

static int check_digits(const char *string, struct err *e)
{
	size_t n = strlen(string);

	if (n < PHONE_STRING_MIN || n > PHONE_STRING_MAX || strspn(string, "0123456789") != n)
		return err_set(e, ERR_USAGE, "an authentication string has %d to %d digits and nothing else", PHONE_STRING_MIN,
			       PHONE_STRING_MAX);
	return 0;
}

static int write_string(struct cluster *c, const char *name, const char *string, struct err *e)
{
	char derived[DEVICE_STRING_SIZE];
	int rc = phone_string_derive(c->random, view_str(string), derived, e);

	if (!rc)
		rc = store_device_string_set(c->store, name, derived, e);
	secret_wipe(derived, sizeof(derived));
	return rc;
}

/* What is there, or a new phone with its defaults. */
static int begin_edit(struct cluster *c, struct phone_put *p, struct phone_edit *ed, struct err *e)
{
	bool found = false;
	int rc = phones_name(c, p->typed, p->name, &ed->d, &found, e);

	if (rc)
		return rc;
	if (found && !p->may_set)
		return err_set(e, ERR_USAGE, "there is a phone %.60s already", p->name);
	if (!found && !p->may_add)
		return err_set(e, ERR_USAGE, "there is no phone %.60s", p->name);
	if (found) {
		ed->old = ed->d;
		return 0;
	}
	rc = phone_name_check(p->name, e);
	if (rc)
		return rc;
	snprintf(ed->d.name, sizeof(ed->d.name), "%s", p->name);
	snprintf(ed->d.status, sizeof(ed->d.status), "%s", DEVICE_STATUS_NONE);
	ed->d.rsa_bits = 2048;
	ed->d.ec_bits = 384;
	return 0;
}

static int edit(struct cluster *c, struct phone_put *p, struct phone_edit *ed, struct err *e)
{
	int rc = p->string ? check_digits(p->string, e) : 0;

	ed->gets_string = p->string;
	ed->lenient = p->lenient;
	if (!rc)
		rc = begin_edit(c, p, ed, e);
	for (size_t i = 0; !rc && i < p->n; i++) {
		rc = phone_field_set(&ed->d, p->v[i].field, p->v[i].value, e);
		ed->set[p->v[i].field] = true;
	}
	return rc ? rc : phone_rules_apply(c, ed, p->notes, e);
}

int phone_put_plan(struct cluster *c, struct phone_change *ch, struct phone_put *p, struct phone_edit *ed, struct err *e)
{
	int rc = edit(c, p, ed, e);

	if (rc)
		return rc;
	describe(ch, ed, p->string);
	snprintf(p->object, sizeof(p->object), "phone %s", p->name);
	ch->object = p->object;
	p->added = !ed->old.name[0];
	p->changed = !p->added && ch->after[0];
	p->dropped = ed->dropped;
	/* Scheduling what is scheduled already changes when it expires at most, and is recorded when it does. */
	ch->quiet = !p->added && !p->changed;
	return 0;
}

int phone_put_check(struct cluster *c, struct phone_put *p, struct err *e)
{
	struct phone_change ch = { 0 };
	struct phone_edit ed = { 0 };
	int rc = phone_put_plan(c, &ch, p, &ed, e);

	return rc ? rc : store_device_check(c->store, &ed.d, e);
}

int phone_put_apply(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct phone_put *p = ctx;
	struct phone_edit ed = { 0 };
	int rc = phone_put_plan(c, ch, p, &ed, e);

	if (rc)
		return rc;
	rc = p->added ? store_device_add(c->store, &ed.d, e) : store_device_set(c->store, &ed.d, e);
	if (!rc && p->string)
		rc = write_string(c, p->name, p->string, e);
	else if (!rc && ed.drops_string && ed.d.has_string)
		rc = store_device_string_set(c->store, p->name, NULL, e);
	return rc;
}

/* The audit names the phone as it was typed, until apply has found it. */
static int run(struct cluster *c, const char *who, const char *command,
	       int (*apply)(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e), struct phone_put *p,
	       struct err *e)
{
	struct phone_change ch = { .who = who, .command = command, .object = p->object, .apply = apply, .ctx = p };
	char shown[STORE_NAME_SIZE];

	text_escape(shown, sizeof(shown), view_str(p->typed));
	snprintf(p->object, sizeof(p->object), "phone %s", shown);
	return phone_change_run(c, &ch, e);
}

static int put(struct cluster *c, const char *who, const char *command, struct phone_put *p, struct err *e)
{
	return run(c, who, command, phone_put_apply, p, e);
}

int phones_add(struct cluster *c, const char *who, const char *name, const struct phone_value *v, size_t n,
	       struct notes *notes, struct err *e)
{
	return put(c, who, "phone add", &(struct phone_put){ .typed = name, .v = v, .n = n, .may_add = true, .notes = notes }, e);
}

int phones_set(struct cluster *c, const char *who, const char *name, const struct phone_value *v, size_t n,
	       struct notes *notes, struct err *e)
{
	return put(c, who, "phone set", &(struct phone_put){ .typed = name, .v = v, .n = n, .may_set = true, .notes = notes }, e);
}

int phones_check(struct cluster *c, enum phone_request what, const char *name, const struct phone_value *v, size_t n,
		 struct notes *notes, struct err *e)
{
	struct phone_put p = { .typed = name, .v = v, .n = n, .notes = notes, .may_add = what == PHONE_ADD,
			       .may_set = what != PHONE_ADD };
	struct phone_change ch = { .rehearsal = true, .apply = phone_put_apply, .ctx = &p };

	if (what == PHONE_STRING) {
		p.n = 0;
		p.string = "0000";
	}
	return phone_change_run(c, &ch, e);
}

static int delete(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct phone_put *p = ctx;
	struct store_device d;
	int rc = phones_get(c, p->typed, &d, e);

	if (rc)
		return rc;
	snprintf(p->object, sizeof(p->object), "phone %s", d.name);
	differences(&d, &(struct store_device){ 0 }, ch->before, sizeof(ch->before));
	return store_device_delete(c->store, d.name, e);
}

int phones_delete(struct cluster *c, const char *who, const char *name, struct err *e)
{
	struct phone_put p = { .typed = name };

	return run(c, who, "phone delete", delete, &p, e);
}

int phones_string_set(struct cluster *c, const char *who, const char *name, const char *string, struct err *e)
{
	return put(c, who, "phone string", &(struct phone_put){ .typed = name, .string = string, .may_set = true }, e);
}

int phones_string_generate(struct cluster *c, const char *who, const char *name, unsigned digits,
			   char string[PHONE_STRING_MAX + 1], struct err *e)
{
	char made[PHONE_STRING_MAX + 1];

	if (digits < PHONE_STRING_MIN || digits > PHONE_STRING_MAX)
		return err_set(e, ERR_USAGE, "an authentication string has %d to %d digits", PHONE_STRING_MIN, PHONE_STRING_MAX);
	int rc = phone_string_random(c->random, digits, made, sizeof(made), e);
	if (!rc)
		rc = phones_string_set(c, who, name, made, e);
	if (!rc)
		memcpy(string, made, digits + 1);
	secret_wipe(made, sizeof(made));
	return rc;
}
