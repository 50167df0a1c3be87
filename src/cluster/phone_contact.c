/* Phones that make themselves known. Names, models and addresses come from the network. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phones_internal.h"

#define MODEL_MAX 32
#define MODEL_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-+. "

struct contacts {
	const struct phone_contact *contacts;
	size_t n, created;
	int allowed;           /* -1: not looked up yet */
	uint64_t count, max;   /* phones that there are, and may be */
};

static int look_up(struct cluster *c, struct contacts *k, struct err *e)
{
	AUTO(auto_free) char *mode = NULL;
	bool mixed = false;
	uint32_t max;
	int rc = param_get(c, PARAM_AUTO_REGISTRATION, &mode, e);

	if (!rc)
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc)
		rc = param_get_number(c, PARAM_AUTO_REGISTRATION_MAX, &max, e);
	if (!rc)
		rc = store_device_count(c->store, &k->count, e);
	if (rc)
		return rc;
	k->max = max;
	k->allowed = strcmp(mode, AUTO_REGISTRATION_ALWAYS) == 0 ||
		     (strcmp(mode, AUTO_REGISTRATION_NON_SECURE) == 0 && !mixed);
	return 0;
}

/* Only what a phone is called: anything else would let strangers fill the store with their words. */
static bool is_phone(const char *name)
{
	return strlen(name) == 15 && strncmp(name, "SEP", 3) == 0 && strspn(name + 3, "0123456789ABCDEF") == 12;
}

static int create(struct cluster *c, struct phone_change *ch, const struct phone_contact *p, struct err *e)
{
	struct store_device d = { 0 };
	struct phone_change record = { .who = ch->who, .command = ch->command };
	char object[STORE_NAME_SIZE + 8];

	snprintf(d.name, sizeof(d.name), "%s", p->name);
	int rc = store_device_add(c->store, &d, e);
	snprintf(object, sizeof(object), "phone %s", d.name);
	record.object = object;
	snprintf(record.after, sizeof(record.after), "first contact from %s", p->address ? p->address : "an unknown address");
	return rc ? rc : phone_audit(c, &record, "done", e);
}

/* *known false, and nothing done: there is no such phone. */
static int remember(struct cluster *c, const struct phone_contact *p, bool *known, struct err *e)
{
	int rc = store_device_seen(c->store, p->name, p->model, p->address, p->when, known, e);

	if (!rc && *known && p->encrypted)
		rc = store_device_fetched(c->store, p->name, p->when, e);
	if (!rc && *known && p->old_tls)
		rc = store_device_old_tls(c->store, p->name, p->when, e);
	return rc;
}

static int contact(struct cluster *c, struct phone_change *ch, struct contacts *k, const struct phone_contact *p,
		   struct err *e)
{
	struct phone_contact q = *p;
	bool known = false;

	if (!text_is_device_name(q.name))
		return 0;
	if (q.model && (strlen(q.model) > MODEL_MAX || strspn(q.model, MODEL_CHARS) != strlen(q.model)))
		q.model = NULL;
	if (q.address && strlen(q.address) >= STORE_ADDRESS_SIZE)
		q.address = NULL;
	int rc = remember(c, &q, &known, e);
	if (rc || known || !is_phone(q.name))
		return rc;
	if (k->allowed < 0)
		rc = look_up(c, k, e);
	if (rc || !k->allowed || k->count >= k->max)
		return rc;
	rc = create(c, ch, &q, e);
	if (!rc)
		rc = remember(c, &q, &known, e);
	k->count++;
	k->created++;
	return rc;
}

static int all(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct contacts *k = ctx;
	int rc = 0;

	for (size_t i = 0; !rc && i < k->n; i++)
		rc = contact(c, ch, k, &k->contacts[i], e);
	ch->quiet = true; /* each new phone has its own record */
	return rc;
}

int phones_contact(struct cluster *c, const struct phone_contact *contacts, size_t n, size_t *created, struct err *e)
{
	struct contacts k = { .contacts = contacts, .n = n, .allowed = -1 };
	struct phone_change ch = { .who = "ringfence", .command = "auto-registration", .apply = all, .ctx = &k };
	int rc = phone_change_run(c, &ch, e);

	if (!rc && created)
		*created = k.created;
	return rc;
}
