#include "cmd/init/adopt_report.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/expired.h"
#include "cmd/json.h"
#include "store/unit.h"

/* Names of files are the operator's and whoever's made them. */
static const char *shown(const char *text, char *out, size_t size)
{
	text_escape(out, size, view_str(text));
	return out;
}

static void print_notes(const char *head, const struct notes *n)
{
	char line[2048];

	if (n->n)
		printf("\n%s\n", head);
	for (size_t i = 0; i < n->n; i++)
		printf("  * %s\n", shown(n->text[i], line, sizeof(line)));
}

static void print_units(const struct adopt *a)
{
	char line[1024], until[EXPIRED_DATE_MAX];

	printf("Units:\n");
	for (size_t i = 0; i < a->n_units; i++) {
		const struct adopt_unit *u = &a->units[i];

		if (u->from == SIZE_MAX) {
			printf("  %-18s made anew\n", u->unit);
			continue;
		}
		const struct adopt_cert *c = &a->certs[u->from];
		expired_date(c->cert, until);
		printf("  %-18s from %s", u->unit, shown(c->file, line, sizeof(line)));
		printf(" (%s, until %s)\n", shown(cert_subject(c->cert), line, sizeof(line)), until);
	}
}

static void stores_of(uint32_t stores, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned unit = 0; unit < 32; unit++)
		if (stores & STORE_UNIT_BIT(unit))
			used = text_append(out, size, used, "%s%s", used ? ", " : "", store_unit_name((enum store_unit)unit));
}

static bool is_trusted(const struct adopt_cert *c)
{
	return !c->unit && c->stores;
}

static void print_trust(const struct adopt *a)
{
	char file[1024], stores[200], roles[100];
	bool head = false;

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];

		if (!is_trusted(c))
			continue;
		if (!head)
			printf("\nTrust stores:\n");
		head = true;
		stores_of(c->stores, stores, sizeof(stores));
		adopt_roles(c->roles, roles, sizeof(roles));
		printf("  %s into %s%s%s\n", shown(c->file, file, sizeof(file)), stores, roles[0] ? " as " : "", roles);
	}
}

#define PHONES_NAMED 10

static void print_orphans(const struct adopt *a, const struct adopt_cert *c)
{
	char file[1024];
	size_t n = 0;

	printf("    %zu phone%s an LSC for which nothing else vouches:", c->n_lsc, c->n_lsc == 1 ? " has" : "s have");
	for (size_t i = 0; i < a->n_devices && n <= PHONES_NAMED; i++)
		if (adopt_is_orphan(a, &a->devices[i]) && &a->certs[a->devices[i].issuer] == c && n++ < PHONES_NAMED)
			printf(" %s", a->devices[i].row.name);
	printf("%s\n    A new one comes by null string or authentication string ('phone set').\n",
	       n > PHONES_NAMED ? " ..." : "");
	if (c->filed)
		printf("    For renewal by that LSC: --adopt-as CAPF-trust=%s\n", shown(c->file, file, sizeof(file)));
}

/* Each store with what stops; --adopt-as, which keeps it, names files. */
static void print_dropped(const struct adopt *a, bool oversized)
{
	char file[1024], subject[1024], stores[200], why[ADOPT_WHY_MAX];
	bool head = false;

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];

		if (!c->dropped || adopt_is_oversized(c) != oversized)
			continue;
		if (!head)
			printf("\nDropped, because %s:\n", oversized ? "their keys are too large" : "they have expired");
		head = true;
		stores_of(c->dropped, stores, sizeof(stores));
		adopt_dropped_why(c, why, sizeof(why));
		printf("  %s out of %s: ", shown(c->file, file, sizeof(file)), stores);
		printf("%s, %s\n", shown(cert_subject(c->cert), subject, sizeof(subject)), why + strlen("it ") * !oversized);
		for (unsigned unit = 0; unit < 32; unit++)
			if (c->dropped & STORE_UNIT_BIT(unit))
				printf("    %s\n", expired_means((enum store_unit)unit));
		if (c->n_lsc)
			print_orphans(a, c);
	}
}

static void print_lists(const struct adopt *a)
{
	char line[1024];

	printf("\nTrust lists of generation %s, %s, signed by %s; names in form %s%s.\n", adopt_generation(a),
	       digest_name(a->digest), compose_signer_unit(a->generation), a->names == NAME_FORM_C ? "C" : "A",
	       a->advanced ? "; signer version 1.1" : "");
	for (size_t i = 0; i < a->n_lists; i++) {
		const struct trust_list *l = a->lists[i].list;

		printf("  %s: %s, signed by ", shown(a->lists[i].file, line, sizeof(line)), list_type_name(a->lists[i].type));
		text_escape(line, sizeof(line), tlv_text(l->header.signer_name));
		printf("%s\n", line);
	}
}

static void print_phones(const struct adopt *a)
{
	static const char *const verdicts[] = {
		[ADOPT_FOLLOWS] = "follow",
		[ADOPT_BY_TVS] = "follow only while they reach TVS here, under the address that they have for it",
		[ADOPT_STRANDED] = "STRANDED: they keep what they have, and refuse what this node gives them",
	};
	char line[1024];

	printf("\nPhones: %zu known, %zu with an LSC, %zu with a pending CAPF operation.\n", a->n_devices, a->n_lsc, a->n_pending);
	if (a->n_unknown_model)
		printf("  Of %zu the model is not known; they may be of any family below.\n", a->n_unknown_model);
	for (size_t i = 0; i < a->n_phones; i++) {
		const struct adopt_phones *p = &a->phones[i];

		printf("  holding %s: %s\n", shown(p->holds, line, sizeof(line)), verdicts[p->verdict]);
		printf("    models: %s (%zu of the known phones)\n", p->families, p->n_devices);
		printf("    why: %s\n", shown(p->why, line, sizeof(line)));
	}
}

void adopt_report_text(const struct adopt *a)
{
	char file[1024], why[1024];

	print_units(a);
	print_trust(a);
	print_dropped(a, false);
	print_dropped(a, true);
	print_lists(a);
	print_phones(a);
	if (a->n_left)
		printf("\nNot taken:\n");
	for (size_t i = 0; i < a->n_left; i++)
		printf("  %s: %s\n", shown(a->left[i].file, file, sizeof(file)), shown(a->left[i].why, why, sizeof(why)));
	print_notes("To be known:", &a->notes);
	print_notes("In the way:", &a->problems);
}

/* --- JSON --- */

static json_t *text(const char *s)
{
	return json_text(view_str(s));
}

static json_t *list_of_notes(const struct notes *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->n; i++)
		json_array_append_new(list, text(n->text[i]));
	return list;
}

static json_t *json_units(const struct adopt *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_units; i++) {
		const struct adopt_unit *u = &a->units[i];
		const struct adopt_cert *c = u->from == SIZE_MAX ? NULL : &a->certs[u->from];
		json_t *o = json_object();

		json_object_set_new(o, "unit", json_string(u->unit));
		json_object_set_new(o, "file", c ? text(c->file) : json_null());
		json_object_set_new(o, "subject", c ? text(cert_subject(c->cert)) : json_null());
		json_object_set_new(o, "not_after", c ? json_integer(cert_not_after(c->cert)) : json_null());
		json_object_set_new(o, "sha256", c ? json_hex((struct view){ cert_sha256(c->cert), 32 }) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *json_trust(const struct adopt *a)
{
	json_t *list = json_array();
	char stores[200], roles[100];

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];
		json_t *o;

		if (!is_trusted(c))
			continue;
		stores_of(c->stores, stores, sizeof(stores));
		adopt_roles(c->roles, roles, sizeof(roles));
		o = json_object();
		json_object_set_new(o, "file", text(c->file));
		json_object_set_new(o, "subject", text(cert_subject(c->cert)));
		json_object_set_new(o, "stores", json_string(stores));
		json_object_set_new(o, "roles", json_string(roles));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *json_orphans(const struct adopt *a, const struct adopt_cert *c)
{
	json_t *list = json_array();

	for (size_t i = 0; c->n_lsc && i < a->n_devices; i++)
		if (adopt_is_orphan(a, &a->devices[i]) && &a->certs[a->devices[i].issuer] == c)
			json_array_append_new(list, text(a->devices[i].row.name));
	return list;
}

static json_t *json_stops(uint32_t stores)
{
	json_t *list = json_array();

	for (unsigned unit = 0; unit < 32; unit++)
		if (stores & STORE_UNIT_BIT(unit))
			json_array_append_new(list, json_string(expired_means((enum store_unit)unit)));
	return list;
}

static json_t *json_dropped(const struct adopt *a)
{
	json_t *list = json_array();
	char stores[200];

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];
		char why[ADOPT_WHY_MAX];
		json_t *o;

		if (!c->dropped)
			continue;
		adopt_dropped_why(c, why, sizeof(why));
		stores_of(c->dropped, stores, sizeof(stores));
		o = json_object();
		json_object_set_new(o, "file", text(c->file));
		json_object_set_new(o, "subject", text(cert_subject(c->cert)));
		json_object_set_new(o, "stores", json_string(stores));
		json_object_set_new(o, "not_after", json_integer(cert_not_after(c->cert)));
		json_object_set_new(o, "why", json_string(why));
		json_object_set_new(o, "stops", json_stops(c->dropped));
		json_object_set_new(o, "phones", json_orphans(a, c));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *json_lists(const struct adopt *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_lists; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "file", text(a->lists[i].file));
		json_object_set_new(o, "type", json_string(list_type_name(a->lists[i].type)));
		json_object_set_new(o, "signer", json_text(a->lists[i].list->header.signer_name));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *json_phones(const struct adopt *a)
{
	static const char *const verdicts[] = {
		[ADOPT_FOLLOWS] = "follows", [ADOPT_BY_TVS] = "by-tvs", [ADOPT_STRANDED] = "stranded",
	};
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_phones; i++) {
		const struct adopt_phones *p = &a->phones[i];
		json_t *o = json_object();

		json_object_set_new(o, "holds", text(p->holds));
		json_object_set_new(o, "verdict", json_string(verdicts[p->verdict]));
		json_object_set_new(o, "families", text(p->families));
		json_object_set_new(o, "devices", json_integer((json_int_t)p->n_devices));
		json_object_set_new(o, "why", text(p->why));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *json_left(const struct adopt *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_left; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "file", text(a->left[i].file));
		json_object_set_new(o, "why", text(a->left[i].why));
		json_array_append_new(list, o);
	}
	return list;
}

int adopt_report_json(const struct adopt *a, bool refused, bool dry_run, struct err *e)
{
	json_t *o = json_object();

	json_object_set_new(o, "refused", json_boolean(refused));
	json_object_set_new(o, "dry_run", json_boolean(dry_run));
	json_object_set_new(o, "generation", json_string(adopt_generation(a)));
	json_object_set_new(o, "signer", json_string(compose_signer_unit(a->generation)));
	json_object_set_new(o, "digest", json_string(digest_name(a->digest)));
	json_object_set_new(o, "names", json_string(a->names == NAME_FORM_C ? "C" : "A"));
	json_object_set_new(o, "advanced", json_boolean(a->advanced));
	json_object_set_new(o, "units", json_units(a));
	json_object_set_new(o, "trust", json_trust(a));
	json_object_set_new(o, "dropped", json_dropped(a));
	json_object_set_new(o, "lists", json_lists(a));
	json_object_set_new(o, "devices", json_integer((json_int_t)a->n_devices));
	json_object_set_new(o, "lscs", json_integer((json_int_t)a->n_lsc));
	json_object_set_new(o, "unknown_model", json_integer((json_int_t)a->n_unknown_model));
	json_object_set_new(o, "pending", json_integer((json_int_t)a->n_pending));
	json_object_set_new(o, "phones", json_phones(a));
	json_object_set_new(o, "stranded", json_boolean(a->stranded));
	json_object_set_new(o, "not_taken", json_left(a));
	json_object_set_new(o, "notes", list_of_notes(&a->notes));
	json_object_set_new(o, "problems", list_of_notes(&a->problems));
	return json_print(o, e);
}
