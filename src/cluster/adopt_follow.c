/*
 * Adoption: will the phones follow? The first ITL of the new node is composed and signed as it would be published, and
 * put before a phone of each family that holds what the site has given out.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "phone/decide.h"

static struct cert *cert_of(const struct adopt *a, const char *unit)
{
	for (size_t i = 0; i < a->n_units; i++)
		if (strcmp(a->units[i].unit, unit) == 0)
			return a->units[i].cert;
	return NULL;
}

static const char *key_of(const struct adopt *a, const char *unit)
{
	for (size_t i = 0; i < a->n_units; i++)
		if (strcmp(a->units[i].unit, unit) == 0)
			return a->units[i].key;
	return "";
}

/* --- the list --- */

static int compose_itl(struct adopt *a, const struct init_request *init, const struct init_env *env, enum digest digest,
		       uint8_t **data, size_t *len, struct err *e)
{
	AUTO(auto_free) struct composition *comp = calloc(1, sizeof(*comp));
	struct compose_node node = {
		.name = init->node,
		.address = init->ip ? init->ip : init->node,
		.call_manager = cert_of(a, "CallManager"),
		.call_manager_ec = cert_of(a, "CallManager-ECDSA"),
		.tvs = cert_of(a, "TVS"),
	};
	struct compose_input in = {
		.type = LIST_ITL,
		.generation = a->generation,
		.digest = digest,
		.advanced = a->advanced,
		.names = a->names,
		.nodes = &node,
		.n_nodes = 1,
		.capf = cert_of(a, "CAPF"),
		.itl_recovery = cert_of(a, "ITLRecovery"),
		.timestamp = (uint32_t)clock_wall_s(env->clock),
	};
	struct keystore_signer key = { .ks = a->memory };

	if (!comp)
		return err_set(e, ERR_NOMEM, "out of memory");
	snprintf(key.name, sizeof(key.name), "%s", key_of(a, compose_signer_unit(a->generation)));
	struct list_signer signer = list_keystore_signer(&key);
	int rc = compose(&in, comp, e);
	return rc ? rc : list_build(&comp->spec, &signer, data, len, e);
}

/* --- the phones --- */

struct question {
	struct adopt *a;
	const struct init_request *init;
	struct traits_table *table;
	const struct adopt_list *ctl, *itl; /* what the phones hold; NULL: none */
	struct view list, list_sha1;       /* list_sha1: for those that know no other digest; may be empty */
	size_t cap;
};

/* Could a phone like this one have come to hold these lists at all? */
static bool can_hold(struct phone *p, const struct question *q)
{
	struct trust_list *ctl = q->ctl ? q->ctl->list : NULL, *itl = q->itl ? q->itl->list : NULL;
	struct decision d = { .verdict = VERDICT_ACCEPT };

	p->ctl = p->itl = NULL;
	if (ctl)
		phone_decide_list(p, LIST_CTL, (struct view){ ctl->data, ctl->len }, &d);
	/* An ITL that its CTL does not vouch for may have come first. */
	if (d.verdict == VERDICT_ACCEPT && itl)
		phone_decide_list(p, LIST_ITL, (struct view){ itl->data, itl->len }, &d);
	p->ctl = ctl;
	p->itl = itl;
	return d.verdict == VERDICT_ACCEPT;
}

static enum adopt_verdict ask(struct phone *p, const struct question *q, struct decision *d)
{
	struct decision tvs;

	phone_decide_list(p, LIST_ITL, q->list, d);
	if (d->verdict == VERDICT_REFUSE && d->reason == REASON_DIGEST_UNSUPPORTED && q->list_sha1.len)
		phone_decide_list(p, LIST_ITL, q->list_sha1, d);
	if (d->verdict == VERDICT_ACCEPT)
		return ADOPT_FOLLOWS;
	if (d->verdict == VERDICT_REFUSE)
		return ADOPT_STRANDED;
	phone_decide_tvs_server(p, cert_of(q->a, "TVS"), &tvs);
	if (tvs.verdict == VERDICT_ACCEPT)
		return ADOPT_BY_TVS;
	*d = tvs;
	return ADOPT_STRANDED;
}

/* Whose lists they are; "": any phone's. */
static const char *device_of(const struct question *q)
{
	if (q->itl && q->itl->device[0])
		return q->itl->device;
	return q->ctl ? q->ctl->device : "";
}

/* The model of a phone that has lists of its own; "": not known. */
static const char *model_of(const struct adopt *a, const char *device)
{
	for (size_t i = 0; i < a->n_devices; i++)
		if (strcmp(a->devices[i].row.name, device) == 0)
			return a->devices[i].row.model;
	return "";
}

static size_t count_devices(const struct question *q, const struct traits *t)
{
	const char *only = device_of(q);
	size_t n = 0;

	for (size_t i = 0; i < q->a->n_devices; i++) {
		const struct store_device *row = &q->a->devices[i].row;

		n += (!*only || strcmp(row->name, only) == 0) && traits_find(q->table, row->model) == t;
	}
	return n;
}

static void describe_holding(const struct question *q, char *out, size_t size)
{
	if (*device_of(q))
		snprintf(out, size, ADOPT_OWN_LISTS);
	else
		snprintf(out, size, "%s%s%s", q->ctl ? q->ctl->file : "", q->ctl && q->itl ? " and " : "",
			 q->itl ? q->itl->file : "");
}

/* Is word one of those in list, which are separated by ", "? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ',' || p[len] == '\0'))
			return true;
	return false;
}

static int note_verdict(struct question *q, const struct traits *t, enum adopt_verdict v, const char *why, struct err *e)
{
	struct adopt *a = q->a;
	struct adopt_phones *g = NULL;
	char holds[sizeof(g->holds)];

	describe_holding(q, holds, sizeof(holds));
	for (size_t i = 0; i < a->n_phones && !g; i++)
		if (a->phones[i].verdict == v && !strcmp(a->phones[i].holds, holds) && !strcmp(a->phones[i].why, why))
			g = &a->phones[i];
	if (!g) {
		int rc = adopt_grow(&a->phones, a->n_phones, &q->cap, sizeof(*a->phones), e);
		if (rc)
			return rc;
		g = &a->phones[a->n_phones++];
		g->verdict = v;
		snprintf(g->holds, sizeof(g->holds), "%s", holds);
		snprintf(g->why, sizeof(g->why), "%s", why);
	}
	if (!has_word(g->families, t->family))
		text_append(g->families, sizeof(g->families), strlen(g->families), "%s%s", g->families[0] ? ", " : "", t->family);
	/* A phone with an ITL of its own counts once, whatever its CTL. */
	if (!q->ctl || !q->itl || !q->itl->device[0])
		g->n_devices += count_devices(q, t);
	a->stranded |= v != ADOPT_FOLLOWS;
	return 0;
}

static int ask_family(struct question *q, const struct traits *t, struct err *e)
{
	struct phone p;
	struct decision d;
	int rc = 0;

	phone_init(&p, "SEP000000000000", t->family, t);
	snprintf(p.tvs[0].host, sizeof(p.tvs[0].host), "%s", q->init->node);
	p.n_tvs = 1;
	if (can_hold(&p, q)) {
		enum adopt_verdict v = ask(&p, q, &d);
		rc = note_verdict(q, t, v, d.detail[0] ? d.detail : reason_text(d.reason), e);
	}
	p.ctl = p.itl = NULL; /* borrowed */
	phone_clear(&p);
	return rc;
}

static int ask_families(struct question *q, struct err *e)
{
	const char *model = model_of(q->a, device_of(q));
	const struct traits *t;
	int rc = 0;

	if (*model)
		return ask_family(q, traits_find(q->table, model), e);
	for (size_t i = 0; (t = traits_at(q->table, i)) && !rc; i++)
		rc = ask_family(q, t, e);
	return rc;
}

/* Could one phone have both? */
static bool go_together(const struct adopt_list *a, const struct adopt_list *b)
{
	return !a->device[0] || !b->device[0] || strcmp(a->device, b->device) == 0;
}

static int ask_with_ctls(struct question *q, struct err *e)
{
	struct adopt *a = q->a;
	int rc = 0;

	for (size_t i = 0; i < a->n_lists && !rc; i++) {
		if (a->lists[i].type != LIST_CTL || (q->itl && !go_together(&a->lists[i], q->itl)))
			continue;
		q->ctl = &a->lists[i];
		rc = ask_families(q, e);
	}
	q->ctl = NULL;
	return rc;
}

/* Each ITL alone and with each CTL; each CTL alone when there is no ITL. */
static int ask_all(struct question *q, struct err *e)
{
	struct adopt *a = q->a;
	bool any_itl = false;
	int rc = 0;

	for (size_t i = 0; i < a->n_lists && !rc; i++) {
		if (a->lists[i].type != LIST_ITL)
			continue;
		any_itl = true;
		q->itl = &a->lists[i];
		rc = ask_families(q, e);
		if (!rc)
			rc = ask_with_ctls(q, e);
	}
	q->itl = NULL;
	return rc || any_itl ? rc : ask_with_ctls(q, e);
}

static int tell_of_lists(struct adopt *a, struct err *e)
{
	if (a->n_lists == 0) {
		a->stranded = true;
		return notes_add(&a->notes, e,
				 "No trust list is in the folder: whether phones will follow cannot be said. Put there the ITLFile.tlv "
				 "(and CTLFile.tlv) that they hold.");
	}
	for (size_t i = 0; i < a->n_lists; i++)
		if (a->lists[i].type == LIST_CTL)
			return notes_add(&a->notes, e,
					 "Phones hold a CTL, and the node begins in non-secure mode, without one: they keep theirs. Run "
					 "'utils ctl set-cluster mixed-mode' when it serves, if the site uses TLS.");
	return 0;
}

int adopt_follow(struct adopt *a, const struct init_request *init, const struct init_env *env, struct err *e)
{
	struct question q = { .a = a, .init = init };
	AUTO(auto_free) uint8_t *sha1 = NULL;
	size_t sha1_len = 0;
	int rc = compose_itl(a, init, env, a->digest, &a->itl, &a->itl_len, e);

	if (!rc && a->digest != DIGEST_SHA1)
		rc = compose_itl(a, init, env, DIGEST_SHA1, &sha1, &sha1_len, e);
	if (!rc)
		rc = tell_of_lists(a, e);
	if (!rc)
		rc = traits_parse(traits_builtin(), "models", &q.table, e);
	if (rc)
		return rc;
	q.list = (struct view){ a->itl, a->itl_len };
	q.list_sha1 = (struct view){ sha1, sha1_len };
	rc = ask_all(&q, e);
	traits_free(q.table);
	return rc;
}
