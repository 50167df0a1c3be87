#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/mode.h"
#include "cluster/param.h"
#include "cluster/phone_reset.h"
#include "cluster/strand.h"
#include "pki/template.h"

/* Subject parts of the certificate that is replaced: a regenerated one has the same, but for its CN. */
struct old_subject {
	char ou[256], o[256], l[256], st[256], c[256];
	struct subject subject;
};

static const char *part(const X509_NAME *name, int nid, char out[256])
{
	unsigned char *utf8 = NULL;
	int i = X509_NAME_get_index_by_NID(name, nid, -1);

	if (i < 0)
		return NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
	if (len < 0)
		return NULL;
	snprintf(out, 256, "%.*s", len, (const char *)utf8);
	OPENSSL_free(utf8);
	return out;
}

static void subject_of(const struct cert *cert, struct old_subject *s)
{
	const X509_NAME *name = X509_get_subject_name(cert_x509(cert));

	s->subject = (struct subject){
		.ou = part(name, NID_organizationalUnitName, s->ou),
		.o = part(name, NID_organizationName, s->o),
		.l = part(name, NID_localityName, s->l),
		.st = part(name, NID_stateOrProvinceName, s->st),
		.c = part(name, NID_countryName, s->c),
	};
}

static const struct unit_rule *rule_for(const char *unit, struct err *e)
{
	const struct unit_rule *rule = unit_rule(unit);

	if (!rule)
		err_set(e, ERR_USAGE, "there is no certificate unit '%s' that can be regenerated", unit);
	return rule;
}

static int require_publisher(struct cluster *c, const struct unit_rule *rule, struct err *e)
{
	struct store_node node;
	bool found;
	int rc = store_node_get(c->store, c->node, &node, &found, e);

	if (rc || !rule->cluster_wide || (found && node.role == STORE_NODE_PUBLISHER))
		return rc;
	return err_set(e, ERR_USAGE, "the %s certificate is the publisher's: regenerate it there", rule->unit);
}

/* The certificate whose subject the new one takes over: the unit's own, or CallManager's when the unit has none. */
static int model_of(struct cluster *c, const char *unit, struct cert **cert, struct err *e)
{
	int rc = cluster_own_cert(c, NULL, unit, cert, e);

	if (!rc && !*cert)
		rc = cluster_own_cert(c, NULL, "CallManager", cert, e);
	if (!rc && !*cert)
		rc = err_set(e, ERR_USAGE, "%s has no certificate to take the subject from", c->node);
	return rc;
}

struct regen {
	const struct unit_rule *rule;
	struct cert *old, *new; /* old: the model */
	char key[KEY_NAME_MAX];
};

static void regen_clear(struct regen *r)
{
	cert_unref(r->old);
	cert_unref(r->new);
}

static int issue(struct cluster *c, struct regen *r, struct err *e)
{
	enum compose_generation g;
	struct old_subject s;
	struct cert_template t;
	struct store_node row;
	bool found;
	int rc = param_generation(c, &g, e);

	/* "Regenerate" keeps the key length (behaviour.md 2.4). */
	unsigned bits = cert_key_type(r->old) == CERT_KEY_RSA ? cert_key_bits(r->old) : 0;
	if (!rc)
		rc = template_get(r->rule->unit, compose_generation_name(g), bits, &t, e);
	if (!rc)
		rc = store_node_get(c->store, c->node, &row, &found, e);
	if (rc)
		return rc;
	subject_of(r->old, &s);
	const char *const ip[] = { row.address[0] ? row.address : NULL, row.address6[0] ? row.address6 : NULL, NULL };
	struct template_node node = { .name = row.name, .ip = ip[0] ? ip : ip + 1, .subject = s.subject };
	cluster_step(c, "key");
	return template_issue(c->keys, &t, &node, c->clock, c->random, r->key, &r->new, e);
}

static int record(struct cluster *c, void *ctx, struct err *e)
{
	struct regen *r = ctx;

	return unit_record(c, r->rule, c->node, r->new, e);
}

static int note_next_steps(struct cluster *c, const char *who, const struct unit_rule *rule, struct notes *notes,
			   struct err *e)
{
	enum compose_generation g;
	bool has_ctl, in_recovery = rule->number == STORE_UNIT_ITLRECOVERY || rule->number == STORE_UNIT_CALLMANAGER ||
				    rule->number == STORE_UNIT_CAPF;
	int rc = cluster_has_ctl(c, &has_ctl, e);

	if (!rc)
		rc = param_generation(c, &g, e);
	if (!rc && has_ctl && compose_names_unit(g, LIST_CTL, rule->unit))
		rc = notes_add(notes, e,
			       "The CTL file still names the former %s certificate: run 'utils ctl update CTLFile' when phones "
			       "have taken the new ITL.", rule->unit);
	if (!rc && in_recovery)
		rc = notes_add(notes, e, "The last recovery export does not hold the new key: run 'ringfence recovery export'.");
	if (!rc)
		rc = notes_add(notes, e, "Restart %s.", rule->restart);
	return rc ? rc : phones_after_certificate_change(c, who, rule->unit, notes, NULL, e);
}

int cluster_regen(struct cluster *c, const char *who, const char *unit, struct notes *notes, struct cert **cert,
		  struct err *e)
{
	AUTO(regen_clear) struct regen r = { .rule = rule_for(unit, e) };
	char before[65], after[65], command[64], object[STORE_NAME_SIZE + 64];

	if (!r.rule)
		return ERR_USAGE;
	int rc = require_publisher(c, r.rule, e);
	if (!rc)
		rc = model_of(c, r.rule->unit, &r.old, e);
	if (!rc)
		rc = issue(c, &r, e);
	if (rc)
		return rc;
	snprintf(command, sizeof(command), "set cert regen %s", r.rule->unit);
	snprintf(object, sizeof(object), "certificate %s on %s", r.rule->unit, c->node);
	text_hex(before, sizeof(before), (struct view){ cert_sha256(r.old), 32 }, '\0', false);
	text_hex(after, sizeof(after), (struct view){ cert_sha256(r.new), 32 }, '\0', false);
	struct change ch = { .who = who, .command = command, .object = object, .before = before, .after = after,
			     .notes = notes, .apply = record, .ctx = &r };
	rc = change_run(c, &ch, NULL, e);
	if (rc) {
		/* Best effort: a key that no certificate names is harmless. */
		(void)c->keys->ops->remove(c->keys, r.key, NULL);
		return rc;
	}
	if (cert)
		*cert = cert_ref(r.new);
	return note_next_steps(c, who, r.rule, notes, e);
}

/* --- before asking --- */

/*
 * Who signs the ITL and who vouches for its signer decide whether phones take it. CallManager signs the configurations too,
 * also where it does not sign the ITL: a phone that cannot take the next ITL would lose them as well.
 */
static int warn_reach(struct cluster *c, const struct unit_rule *rule, enum compose_generation g, struct notes *notes,
		      struct err *e)
{
	bool is_signer = text_same(rule->unit, compose_signer_unit(g)), is_tvs = rule->number == STORE_UNIT_TVS;
	struct cert *signer = NULL, *tvs = NULL;
	int rc = 0;

	if (!is_signer && !is_tvs && rule->number != STORE_UNIT_CALLMANAGER)
		return 0;
	if (!is_signer)
		rc = cluster_own_cert(c, NULL, compose_signer_unit(g), &signer, e);
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
	const struct unit_rule *rule = rule_for(unit, e);
	enum compose_generation g;
	bool mixed;

	if (!rule)
		return ERR_USAGE;
	int rc = param_generation(c, &g, e);
	if (!rc)
		rc = cluster_is_mixed(c, &mixed, e);
	if (!rc)
		rc = warn_reach(c, rule, g, notes, e);
	if (!rc && mixed && rule->number == STORE_UNIT_CALLMANAGER)
		rc = notes_add(notes, e,
			       "The cluster is in mixed mode: secure phones register with the new certificate only after 'utils ctl "
			       "update CTLFile', a restart of the services and a reset of the phones.");
	if (!rc && rule->number == STORE_UNIT_CAPF)
		rc = notes_add(notes, e,
			       "Certificates that phones got from the former CAPF stay valid as long as it is in CallManager-trust; "
			       "renew them before it is deleted there.");
	return rc;
}
