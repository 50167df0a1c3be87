#include "cluster/cert_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/csr.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_reset.h"
#include "cluster/token_ctl.h"

/* Which lists a unit's certificate stands in. */
struct reach {
	const struct unit_rule *rule;
	enum compose_generation g;
	bool in_itl, in_ctl; /* in_ctl: and there is a CTL */
	bool has_ctl;
	bool tokens, mixed;  /* tokens: in the CTL */
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
		rc = cluster_ctl_has_tokens(c, &r->tokens, e);
	if (!rc)
		rc = cluster_is_mixed(c, &r->mixed, e);
	if (!rc)
		rc = cluster_ctl_command(c, &r->command, e);
	if (rc)
		return rc;
	r->in_itl = compose_names_unit(r->g, LIST_ITL, r->rule->unit);
	r->in_ctl = r->has_ctl && compose_names_unit(r->g, LIST_CTL, r->rule->unit);
	return itl_signer_unit(c, &r->signer, e);
}

static int plan_copy(struct cluster *c, enum store_unit store, const struct cert *former, const char *cn, struct notes *plan,
		     struct err *e)
{
	const char *name = store_unit_name(store);
	struct cert *there;
	int rc = trust_namesake(c, store, cn, &there, e);

	if (!rc && there)
		rc = notes_add(plan, e, "Copies: to %s, in place of the former one of the same name, %s.", name, cn);
	else if (!rc && former && strcmp(cert_cn(former), cn) != 0)
		rc = notes_add(plan, e, "Copies: to %s, beside the former certificate, which has another name (%s) and stays.", name,
			       cert_cn(former));
	else if (!rc)
		rc = notes_add(plan, e, "Copies: to %s.", name);
	cert_unref(there);
	return rc;
}

static int plan_copies(struct cluster *c, const struct unit_rule *rule, const char *cn, struct notes *plan, struct err *e)
{
	struct cert *former;
	int rc = cluster_own_cert(c, NULL, rule->unit, &former, e);

	for (size_t i = 0; i < 3 && rule->copies[i] != STORE_UNIT_NONE && !rc; i++)
		rc = plan_copy(c, rule->copies[i], former, cn, plan, e);
	cert_unref(former);
	return rc;
}

/* The key that signs the lists has no other list to vouch for it: the other signer must, and only then it can follow. */
static bool needs_list_reset(const struct reach *r)
{
	/* A CTL of tokens has no other signer, and one that is left over in non-secure mode is made anew as it is. */
	if (r->in_ctl && (r->tokens || !r->mixed))
		return false;
	return r->rule->number == STORE_UNIT_ITLRECOVERY && text_same(compose_signer_unit(r->g), r->rule->unit) &&
	       compose_other_signer(r->g, r->in_ctl ? LIST_CTL : LIST_ITL);
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
	if (needs_list_reset(r))
		return notes_add(plan, e, "CTLFile.tlv: stays as it is and names the former certificate until 'utils ctl reset localkey'.");
	return notes_add(plan, e, "CTLFile.tlv: stays as it is and names the former certificate until '%s'.", r->command);
}

static int plan_phones(const struct reach *r, struct notes *plan, struct err *e)
{
	if (!r->in_itl)
		return notes_add(plan, e, "Phones: nothing changes for them.");
	if (needs_list_reset(r))
		return notes_add(plan, e, "Phones: they do not know the new signer. First 'utils %s reset localkey', then they are reset.",
				 r->in_ctl ? "ctl" : "itl");
	return notes_add(plan, e, "Phones: they take the new ITL when they are reset.");
}

/* What is imported has the name that its request asked for (import_own.c). */
static int request_cn(struct cluster *c, const struct unit_rule *rule, char *cn, size_t size, struct err *e)
{
	struct csr_entry entry = { 0 };
	int rc = csr_find(c, rule->unit, &entry, e);

	if (!rc && !name_get(view_str(request_subject(entry.request)), "CN", cn, size))
		cn[0] = '\0';
	csr_entry_clear(&entry);
	return rc;
}

int cert_plan(struct cluster *c, const char *unit, bool of_request, struct notes *plan, struct err *e)
{
	char cn[256];
	struct reach r;
	int rc = look(c, unit, &r, e);

	if (!rc)
		rc = of_request ? request_cn(c, r.rule, cn, sizeof(cn), e) : unit_next_name(c, r.rule, cn, sizeof(cn), e);
	if (!rc)
		rc = plan_copies(c, r.rule, cn, plan, e);
	if (!rc)
		rc = plan_lists(&r, plan, e);
	if (!rc)
		rc = plan_phones(&r, plan, e);
	if (!rc && !needs_list_reset(&r))
		rc = phones_before_certificate_change(c, r.rule->unit, plan, e);
	if (!rc && !r.rule->restart)
		rc = notes_add(plan, e, "Services: this node uses the new certificate at once; nothing needs a restart.");
	else if (!rc)
		rc = notes_add(plan, e, "Services: this node uses the new certificate at once; afterwards restart %s.", r.rule->restart);
	return rc;
}

int cert_plan_resets(struct cluster *c, const char *unit, bool *resets, struct err *e)
{
	struct reach r;
	int rc = look(c, unit, &r, e);

	if (!rc)
		*resets = phones_look_at(r.rule->unit) && !needs_list_reset(&r);
	return rc;
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

/* Source: behaviour.md 9, scenarios 12 and 13. */
static int rest_of_list_reset(const struct reach *r, struct notes *rest, struct err *e)
{
	int rc;

	if (r->in_ctl)
		rc = notes_add(rest, e, "Phones do not know the new signer, and the CTL file names the former one. In this order: 'utils ctl "
			       "reset localkey', which CallManager signs; 'phone reset all', until all phones have registered; 'utils "
			       "ctl update CTLFile'; 'phone reset all' a second time.");
	else
		rc = notes_add(rest, e, "Phones do not know the new signer. In this order: 'utils itl reset localkey', which CallManager "
			       "signs; 'phone reset all', until all phones have registered; 'utils service restart Cisco Tftp', which "
			       "ends it; 'phone reset all' a second time.");
	return rc ? rc : notes_add(rest, e, "No phone is reset now, whatever '" PARAM_PHONE_INTERACTION "' says.");
}

int cert_plan_rest(struct cluster *c, const char *unit, struct notes *rest, struct err *e)
{
	struct reach r;
	int rc = look(c, unit, &r, e);

	if (rc)
		return rc;
	bool in_recovery = r.rule->number == STORE_UNIT_ITLRECOVERY || r.rule->number == STORE_UNIT_CALLMANAGER ||
			   r.rule->number == STORE_UNIT_CAPF;
	bool list_reset = needs_list_reset(&r);
	if (list_reset)
		rc = rest_of_list_reset(&r, rest, e);
	else if (r.in_ctl)
		rc = notes_add(rest, e,
			       "The CTL file still names the former %s certificate: run '%s' when phones have taken the "
			       "new ITL.", r.rule->unit, r.command);
	if (!rc && in_recovery)
		rc = rest_recovery(c, r.rule, rest, e);
	if (!rc && r.rule->restart)
		rc = notes_add(rest, e, "Restart %s.", r.rule->restart);
	else if (!rc)
		rc = notes_add(rest, e, "On this node nothing needs a restart; other programs that read the certificate do.");
	return rc || list_reset ? rc : phones_after_certificate_change(c, r.rule->unit, rest, e);
}
