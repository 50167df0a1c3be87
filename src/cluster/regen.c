#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cert_plan.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_reset.h"
#include "cluster/strand.h"
#include "cluster/token_ctl.h"

struct regen {
	const struct unit_rule *rule;
	struct cert *old, *new; /* old: the model */
	const struct web_security *web;  /* NULL: the subject stays */
	char key[KEY_NAME_MAX];
};

static void regen_clear(struct regen *r)
{
	cert_unref(r->old);
	cert_unref(r->new);
}

static int issue(struct cluster *c, struct regen *r, struct err *e)
{
	AUTO(unit_making_clear) struct unit_making m = { 0 };
	int rc = unit_making_init(c, r->rule, r->old, &m, e);

	if (rc)
		return rc;
	if (r->web)
		web_security_apply(r->web, &m.node);
	cluster_step(c, "key");
	return template_issue(c->keys, &m.t, &m.node, c->clock, c->random, r->key, &r->new, e);
}

int regen_try(struct cluster *c, const char *unit, const struct web_security *w, struct err *e)
{
	AUTO(unit_making_clear) struct unit_making m = { 0 };
	AUTO(regen_clear) struct regen r = { .web = w };
	struct keystore *memory = NULL;
	int rc = unit_find(c, unit, &r.rule, e);

	if (!rc)
		rc = unit_model(c, r.rule, &r.old, e);
	if (!rc)
		rc = unit_making_init(c, r.rule, r.old, &m, e);
	if (!rc && w)
		web_security_apply(w, &m.node);
	/* Which key it is makes no difference to what can be refused; this kind is made in no time. */
	m.t.key = (struct key_spec){ .type = KEY_EC, .bits = 256 };
	if (!rc)
		rc = keystore_memory_new(&memory, e);
	if (!rc)
		rc = template_issue(memory, &m.t, &m.node, c->clock, c->random, r.key, &r.new, e);
	keystore_free(memory);
	return rc;
}

static int record(struct cluster *c, void *ctx, struct err *e)
{
	struct regen *r = ctx;

	int rc = r->web ? web_security_write(c, r->web, e) : 0;

	return rc ? rc : unit_record(c, r->rule, c->node, r->new, STORE_DIST_THIS_SERVER, e);
}

static int regen(struct cluster *c, const char *who, const char *command, struct regen *r, struct notes *notes,
		 struct err *e)
{
	char before[65], after[65], object[STORE_NAME_SIZE + 64];
	bool resets = false;
	int rc = unit_model(c, r->rule, &r->old, e);

	if (!rc)
		rc = cert_plan_resets(c, r->rule->unit, &resets, e);
	if (!rc)
		rc = issue(c, r, e);
	if (rc)
		return rc;
	snprintf(object, sizeof(object), "certificate %s on %s", r->rule->unit, c->node);
	text_hex(before, sizeof(before), (struct view){ cert_sha256(r->old), 32 }, '\0', false);
	text_hex(after, sizeof(after), (struct view){ cert_sha256(r->new), 32 }, '\0', false);
	struct change ch = { .who = who, .command = command, .object = object, .before = before, .after = after,
			     .notes = notes, .reset = resets, .apply = record, .ctx = r };
	rc = change_run(c, &ch, NULL, e);
	if (rc) {
		/* Best effort: a key that no certificate names is harmless. */
		(void)c->keys->ops->remove(c->keys, r->key, NULL);
		return rc;
	}
	return cert_plan_rest(c, r->rule->unit, notes, e);
}

int cluster_regen(struct cluster *c, const char *who, const char *unit, struct notes *notes, struct cert **cert,
		  struct err *e)
{
	AUTO(regen_clear) struct regen r = { 0 };
	char command[64];
	int rc = unit_find(c, unit, &r.rule, e);

	if (rc)
		return rc;
	snprintf(command, sizeof(command), "set cert regen %s", r.rule->unit);
	rc = regen(c, who, command, &r, notes, e);
	if (!rc && cert)
		*cert = cert_ref(r.new);
	return rc;
}

int cluster_web_security(struct cluster *c, const char *who, const struct web_security *w, struct notes *notes,
			 struct err *e)
{
	AUTO(regen_clear) struct regen r = { .web = w };
	int rc = web_security_check(c, w, e);

	if (!rc)
		rc = unit_find(c, "tomcat", &r.rule, e);
	return rc ? rc : regen(c, who, "set web-security", &r, notes, e);
}

/* --- before asking --- */

/*
 * Who signs the ITL and who vouches for its signer decide whether phones take it. CallManager signs the configurations too,
 * also where it does not sign the ITL: a phone that cannot take the next ITL would lose them as well.
 */
static int warn_reach(struct cluster *c, const struct unit_rule *rule, struct notes *notes, struct err *e)
{
	bool is_tvs = rule->number == STORE_UNIT_TVS;
	struct cert *signer = NULL, *tvs = NULL;
	const char *unit;
	int rc = itl_signer_unit(c, &unit, e);

	/* A reset by a key that is not here: the change will be refused. */
	if (rc || !unit)
		return rc;
	bool is_signer = text_same(rule->unit, unit);
	if (!is_signer && !is_tvs && rule->number != STORE_UNIT_CALLMANAGER)
		return 0;
	if (!is_signer)
		rc = cluster_own_cert(c, NULL, unit, &signer, e);
	if (!rc && !is_tvs)
		rc = cluster_own_cert(c, NULL, "TVS", &tvs, e);
	if (!rc)
		rc = strand_warnings(c, &(struct strand_change){ "the ITL", signer, tvs }, notes, e);
	cert_unref(signer);
	cert_unref(tvs);
	return rc;
}

int cluster_regen_warnings(struct cluster *c, const char *unit, struct notes *notes, struct err *e)
{
	const struct unit_rule *rule = NULL;
	const char *command;
	bool mixed;
	int rc = unit_find(c, unit, &rule, e);

	if (!rc)
		rc = regen_try(c, unit, NULL, e);
	if (!rc)
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc)
		rc = cluster_ctl_command(c, &command, e);
	if (!rc)
		rc = warn_reach(c, rule, notes, e);
	if (!rc && mixed && rule->number == STORE_UNIT_CALLMANAGER)
		rc = notes_add(notes, e,
			       "The cluster is in mixed mode: secure phones register with the new certificate only after '%s', a "
			       "restart of the services and a reset of the phones.", command);
	if (!rc && rule->number == STORE_UNIT_CAPF)
		rc = notes_add(notes, e,
			       "Certificates that phones got from the former CAPF stay valid as long as it is in CallManager-trust; "
			       "renew them before it is deleted there.");
	return rc;
}
