#include "cluster/cert_plan.h"

#include <stdio.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/phone_reset.h"
#include "cluster/token_ctl.h"

/* Which lists a unit's certificate stands in. */
struct reach {
	const struct unit_rule *rule;
	enum compose_generation g;
	bool in_itl, in_ctl; /* in_ctl: and there is a CTL */
	bool has_ctl;
	const char *command; /* that makes the CTL anew */
	const char *signer;  /* whose key signs the ITL; NULL: a key that is not here */
};

static int look(struct cluster *c, const char *unit, struct reach *r, struct err *e)
{
	*r = (struct reach){ .rule = unit_rule(unit) };
	if (!r->rule)
		return err_set(e, ERR_USAGE, "there is no certificate unit '%s' with a certificate of its own", unit);
	int rc = param_generation(c, &r->g, e);
	if (!rc)
		rc = cluster_has_ctl(c, &r->has_ctl, e);
	if (!rc)
		rc = cluster_ctl_command(c, &r->command, e);
	if (rc)
		return rc;
	r->in_itl = compose_names_unit(r->g, LIST_ITL, r->rule->unit);
	r->in_ctl = r->has_ctl && compose_names_unit(r->g, LIST_CTL, r->rule->unit);
	return itl_signer_unit(c, &r->signer, e);
}

static int plan_copies(const struct unit_rule *rule, struct notes *plan, struct err *e)
{
	char stores[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < 3 && rule->copies[i] != STORE_UNIT_NONE; i++)
		used = text_append(stores, sizeof(stores), used, "%s%s", used ? " and " : "", store_unit_name(rule->copies[i]));
	if (!used)
		return 0;
	if (rule->number == STORE_UNIT_CAPF)
		return notes_add(plan, e, "Copies: to %s, beside the former CAPF certificate, which has another name.", stores);
	return notes_add(plan, e, "Copies: to %s, in place of the former one of the same name.", stores);
}

static int plan_lists(const struct reach *r, struct notes *plan, struct err *e)
{
	int rc;

	if (!r->in_itl)
		rc = notes_add(plan, e, "ITLFile.tlv: stays as it is.");
	else if (!r->signer)
		rc = notes_add(plan, e, "ITLFile.tlv: it is signed by a key that is not on this node and cannot be made anew: first end the "
			       "reset with 'utils service restart Cisco Tftp'.");
	else
		rc = notes_add(plan, e, "ITLFile.tlv: made anew at once, signed by %s%s.", r->signer,
			       text_same(r->rule->unit, r->signer) ? " with the new key" : "");
	if (rc)
		return rc;
	if (!r->has_ctl)
		return notes_add(plan, e, "CTLFile.tlv: there is none.");
	if (!r->in_ctl)
		return notes_add(plan, e, "CTLFile.tlv: stays as it is.");
	return notes_add(plan, e, "CTLFile.tlv: stays as it is and names the former certificate until '%s'.", r->command);
}

static int plan_phones(bool in_itl, struct notes *plan, struct err *e)
{
	if (!in_itl)
		return notes_add(plan, e, "Phones: nothing changes for them.");
	return notes_add(plan, e, "Phones: they take the new ITL when they are reset.");
}

int cert_plan(struct cluster *c, const char *unit, struct notes *plan, struct err *e)
{
	struct reach r;
	int rc = look(c, unit, &r, e);

	if (!rc)
		rc = plan_copies(r.rule, plan, e);
	if (!rc)
		rc = plan_lists(&r, plan, e);
	if (!rc)
		rc = plan_phones(r.in_itl, plan, e);
	if (!rc)
		rc = phones_before_certificate_change(c, r.rule->unit, plan, e);
	return rc ? rc : notes_add(plan, e, "Services: this node uses the new certificate at once; afterwards restart %s.", r.rule->restart);
}

/* A key that phones follow: how it is brought back on the day on which the node is lost. */
static int rest_recovery(struct cluster *c, const struct unit_rule *rule, struct notes *rest, struct err *e)
{
	char name[KEY_NAME_MAX];
	struct cert *cert = NULL;
	int rc = cluster_own_cert(c, NULL, rule->unit, &cert, e);

	if (!rc && cert)
		rc = key_name(rule->unit, cert_spki(cert), name, e);
	if (!rc && cert && cluster_key_in_file(c, name))
		rc = notes_add(rest, e, "The last recovery export does not hold the new key: run 'ringfence recovery export'.");
	else if (!rc && cert)
		rc = notes_add(rest, e, "The new key is on the token and never leaves it: only a copy of the token brings it back.");
	cert_unref(cert);
	return rc;
}

int cert_plan_rest(struct cluster *c, const char *unit, struct notes *rest, struct err *e)
{
	struct reach r;
	int rc = look(c, unit, &r, e);

	if (rc)
		return rc;
	bool in_recovery = r.rule->number == STORE_UNIT_ITLRECOVERY || r.rule->number == STORE_UNIT_CALLMANAGER ||
			   r.rule->number == STORE_UNIT_CAPF;
	if (r.in_ctl)
		rc = notes_add(rest, e,
			       "The CTL file still names the former %s certificate: run '%s' when phones have taken the "
			       "new ITL.", r.rule->unit, r.command);
	if (!rc && in_recovery)
		rc = rest_recovery(c, r.rule, rest, e);
	if (!rc)
		rc = notes_add(rest, e, "Restart %s.", r.rule->restart);
	return rc ? rc : phones_after_certificate_change(c, r.rule->unit, rest, e);
}
