#include "cluster/csr.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/csr_internal.h"
#include "store/request.h"

/* --- what may be wished for --- */

int csr_unit(struct cluster *c, const char *unit, const struct unit_rule **rule, struct err *e)
{
	int rc = unit_find(c, unit, rule, e);

	if (!rc && (*rule)->trust == STORE_UNIT_NONE)
		return err_set(e, ERR_USAGE, "the %s certificate is always self-signed: there is no request for it", (*rule)->unit);
	return rc;
}

static int choose_bits(struct cert_template *t, unsigned bits, struct err *e)
{
	bool ec = t->key.type == KEY_EC;

	if (!bits)
		return 0;
	/* 521 is for LSCs alone (behaviour.md 2.4). */
	if (ec ? bits != 256 && bits != 384 : bits != 1024 && bits != 2048 && bits != 3072 && bits != 4096)
		return err_set(e, ERR_USAGE, "%s has a key of %s bits, not of %u", t->unit, ec ? "256 or 384" : "1024, 2048, 3072 or 4096",
			       bits);
	/* The lists and configurations that it signs have no code for that length (behaviour.md 3.4, tag 11). */
	if (bits == 3072 && text_same(t->unit, "CallManager"))
		return err_set(e, ERR_USAGE, "trust lists have no code for signatures of 3072 bits; use 2048 (phones may refuse 4096)");
	t->key.bits = bits;
	return 0;
}

/* EC 384 is not signed with SHA-256 (behaviour.md 2.4). */
static int choose_hash(struct cert_template *t, const char *hash, struct err *e)
{
	static const struct { const char *name; enum digest digest; } known[] = {
		{ "SHA256", DIGEST_SHA256 }, { "SHA384", DIGEST_SHA384 }, { "SHA512", DIGEST_SHA512 },
	};
	bool ec384 = t->key.type == KEY_EC && t->key.bits == 384;

	for (size_t i = 0; hash && i < sizeof(known) / sizeof(known[0]); i++) {
		if (!text_same(known[i].name, hash))
			continue;
		if (ec384 && known[i].digest == DIGEST_SHA256)
			return err_set(e, ERR_USAGE, "an EC key of 384 bits takes SHA384 or SHA512");
		t->profile.digest = known[i].digest;
		return 0;
	}
	if (hash)
		return err_set(e, ERR_USAGE, "'%.32s' is no digest of a request: SHA256, SHA384 or SHA512", hash);
	if (t->key.type == KEY_EC)
		t->profile.digest = template_ec_digest(t->key.bits);
	return 0;
}

/* --- names --- */

struct names {
	char *text;                       /* what the others point into */
	struct store_node *nodes;
	const char *dns[STORE_MAX_NODES + 101];
	size_t n;
};

static void names_clear(struct names *n)
{
	free(n->text);
	free(n->nodes);
}

static int split(struct names *n, const char *wish, struct err *e)
{
	n->text = strdup(wish);
	if (!n->text)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (char *save, *name = strtok_r(n->text, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		if (strchr(name, '*'))
			return err_set(e, ERR_USAGE, "'%.64s': phones and servers here have no wildcard names", name);
		if (n->n == 100)
			return err_set(e, ERR_LIMIT, "a request has at most 100 names");
		n->dns[n->n++] = name;
	}
	return 0;
}

static int all_nodes(struct cluster *c, struct names *n, struct err *e)
{
	size_t count = 0;
	int rc = store_node_list(c->store, &n->nodes, &count, e);

	for (size_t i = 0; !rc && i < count && i < STORE_MAX_NODES; i++)
		n->dns[n->n++] = n->nodes[i].name;
	return rc;
}

/* --- the request --- */

struct making {
	const struct unit_rule *rule;
	struct store_request row;
	char *pem;
};

static int put(struct cluster *c, void *ctx, struct err *e)
{
	const struct making *m = ctx;

	return store_request_put(c->store, c->node, &m->row, m->pem, e);
}

/* With a key that is forgotten. Which one makes no difference to what can be refused; this kind is made in no time. */
static int try_request(struct cluster *c, struct unit_making *how, const struct template_request *more, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	struct keystore *memory = NULL;
	char key[KEY_NAME_MAX];
	int rc = keystore_memory_new(&memory, e);

	how->t.key = (struct key_spec){ .type = KEY_EC, .bits = 256 };
	if (!rc)
		rc = template_request(memory, &how->t, &how->node, more, c->random, key, &pem, e);
	keystore_free(memory);
	return rc;
}

static int make(struct cluster *c, struct making *m, const struct csr_wish *wish, char key[KEY_NAME_MAX], struct err *e)
{
	AUTO(names_clear) struct names names = { 0 };
	AUTO(unit_making_clear) struct unit_making how = { 0 };
	struct cert *model = NULL;
	int rc = unit_model(c, m->rule, &model, e);

	if (!rc)
		rc = unit_making_init(c, m->rule, model, &how, e);
	cert_unref(model);
	if (!rc)
		rc = choose_bits(&how.t, wish->bits, e);
	if (!rc)
		rc = choose_hash(&how.t, wish->hash, e);
	if (!rc && wish->names)
		rc = split(&names, wish->names, e);
	if (!rc && wish->multi_server)
		rc = all_nodes(c, &names, e);
	if (rc)
		return rc;
	struct template_request more = { .multi_server = wish->multi_server, .dns = names.n ? names.dns : NULL };
	if (wish->dry)
		return try_request(c, &how, &more, e);
	cluster_step(c, "key");
	return template_request(c->keys, &how.t, &how.node, &more, c->random, key, &m->pem, e);
}

/* The key of a request that nobody waits for any more. Best effort: a key that no certificate names is harmless. */
void csr_forget_key(struct cluster *c, const struct unit_rule *rule, const char *pem)
{
	struct request *r = NULL;
	char key[KEY_NAME_MAX];

	if (pem && request_from_pem(view_str(pem), &r, NULL) == 0 && key_name(rule->unit, request_spki(r), key, NULL) == 0)
		(void)c->keys->ops->remove(c->keys, key, NULL);
	request_free(r);
}

static int check_wish(const struct unit_rule *rule, const struct csr_wish *wish, struct err *e)
{
	if (wish->multi_server && !rule->multi_server)
		return err_set(e, ERR_USAGE, "a %s certificate is for one server: multi-server certificates are for tomcat, CallManager "
			       "and TVS", rule->unit);
	return 0;
}

static int replace(struct cluster *c, const char *who, struct making *m, const char *key, struct notes *notes, struct err *e)
{
	char command[64], object[STORE_NAME_SIZE + 64];

	snprintf(command, sizeof(command), "set csr gen %s", m->rule->unit);
	snprintf(object, sizeof(object), "certificate request %s on %s", m->rule->unit, c->node);
	struct change ch = { .who = who, .command = command, .object = object, .after = key, .notes = notes,
			     .apply = put, .ctx = m };
	return change_run(c, &ch, NULL, e);
}

int cluster_csr_gen(struct cluster *c, const char *who, const char *unit, const struct csr_wish *wish, struct notes *notes,
		    struct err *e)
{
	AUTO(auto_free) char *before = NULL;
	struct making m = { 0 };
	char key[KEY_NAME_MAX] = "";
	int rc = csr_unit(c, unit, &m.rule, e);

	if (!rc)
		rc = check_wish(m.rule, wish, e);
	if (!rc)
		rc = store_request_get(c->store, c->node, m.rule->number, &m.row, &before, e);
	if (!rc)
		rc = make(c, &m, wish, key, e);
	if (rc || wish->dry)
		return rc;
	m.row = (struct store_request){
		.unit = m.rule->number,
		.distribution = wish->multi_server ? STORE_DIST_MULTI_SERVER : STORE_DIST_THIS_SERVER,
		.created = clock_wall_s(c->clock),
	};
	rc = replace(c, who, &m, key, notes, e);
	csr_forget_key(c, m.rule, rc ? m.pem : before);
	if (!rc && before)
		rc = notes_add(notes, e, "The request before this one is no longer valid: no certificate for it can be imported.");
	free(m.pem);
	return rc;
}

/* --- listing --- */

void csr_entry_clear(struct csr_entry *entry)
{
	free(entry->pem);
	request_free(entry->request);
	*entry = (struct csr_entry){ 0 };
}

int csr_get(struct cluster *c, const char *unit, struct csr_entry *entry, bool *found, struct err *e)
{
	struct store_request row;
	int rc = store_request_get(c->store, c->node, store_unit_from_name(unit), &row, &entry->pem, e);

	*found = !rc && entry->pem;
	if (!*found)
		return rc;
	entry->unit = unit;
	entry->created = row.created;
	entry->multi_server = row.distribution == STORE_DIST_MULTI_SERVER;
	rc = request_from_pem(view_str(entry->pem), &entry->request, e);
	if (rc)
		csr_entry_clear(entry);
	return rc;
}

int csr_list(struct cluster *c, int (*cb)(void *ctx, const struct csr_entry *entry), void *ctx, struct err *e)
{
	int rc = 0;

	for (const char *const *unit = template_units; *unit && !rc; unit++) {
		struct csr_entry entry = { 0 };
		bool found;

		rc = csr_get(c, *unit, &entry, &found, e);
		if (!rc && found)
			rc = cb(ctx, &entry);
		csr_entry_clear(&entry);
	}
	return rc;
}

int csr_find(struct cluster *c, const char *name, struct csr_entry *entry, struct err *e)
{
	size_t len = strcspn(name, "/");
	char unit[64], file[80];
	bool found;

	snprintf(unit, sizeof(unit), "%.*s", (int)(len < sizeof(unit) ? len : sizeof(unit) - 1), name);
	const struct unit_rule *rule = unit_rule(unit);
	if (!rule)
		return err_set(e, ERR_USAGE, "there is no certificate unit '%s'", unit);
	snprintf(file, sizeof(file), "%s.csr", rule->unit);
	if (name[len] && !text_same(name + len + 1, file))
		return err_set(e, ERR_USAGE, "the request of %s is %s/%s", rule->unit, rule->unit, file);
	*entry = (struct csr_entry){ 0 };
	int rc = csr_get(c, rule->unit, entry, &found, e);
	return rc || found ? rc : csr_none(rule, e);
}

/* CUCM's words. Source: behaviour.md 2.6. */
int csr_none(const struct unit_rule *rule, struct err *e)
{
	return err_set(e, ERR_USAGE, "File %s/.security/%s/keys/%s.csr does not exist: 'set csr gen %s' makes a request",
		       rule->folder, rule->unit, rule->unit, rule->unit);
}
