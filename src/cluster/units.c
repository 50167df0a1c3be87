#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "store/certificate.h"

#define ROLE(name) STORE_ROLE_BIT(STORE_ROLE_##name)

/*
 * Roles: what TVS answers for the certificate. CUCM's TVS says 0 and 2 for CallManager (behaviour.md 4.3), and its store
 * gives it "Authentication and Authorization" too (1.2). Copies and restarts: behaviour.md 2.7; of TVS, where the sources
 * disagree whether there is a copy, none is made: its self-signed certificate is known as its own already.
 */
#define CM "/usr/local/cm"
#define PLATFORM "/usr/local/platform"

static const struct unit_rule rules[] = {
	{ "tomcat", STORE_UNIT_TOMCAT, ROLE(APPLICATION_SERVER), { STORE_TRUST_TOMCAT }, STORE_TRUST_TOMCAT, true, false, PLATFORM, NULL },
	{ "tomcat-ECDSA", STORE_UNIT_TOMCAT_ECDSA, ROLE(APPLICATION_SERVER), { STORE_TRUST_TOMCAT }, STORE_TRUST_TOMCAT, true, false,
	  PLATFORM, NULL },
	{ "ipsec", STORE_UNIT_IPSEC, ROLE(NETWORK_ELEMENT), { STORE_TRUST_IPSEC }, STORE_TRUST_IPSEC, false, false, PLATFORM, NULL },
	{ "ITLRecovery", STORE_UNIT_ITLRECOVERY, ROLE(SAST), { 0 }, STORE_UNIT_NONE, false, true, CM,
	  "Cisco Trust Verification Service and Cisco Tftp" },
	{ "CallManager-ECDSA", STORE_UNIT_CALLMANAGER_ECDSA, ROLE(CALLMANAGER) | ROLE(TFTP) | ROLE(CALLMANAGER_ECDSA),
	  { STORE_TRUST_CALLMANAGER }, STORE_TRUST_CALLMANAGER, true, false, CM, "Cisco CallManager" },
	{ "CallManager", STORE_UNIT_CALLMANAGER, ROLE(SAST) | ROLE(CALLMANAGER_TFTP) | ROLE(AUTHENTICATION),
	  { STORE_TRUST_CALLMANAGER }, STORE_TRUST_CALLMANAGER, true, false, CM,
	  "Cisco CallManager, Cisco Trust Verification Service and Cisco Tftp" },
	{ "CAPF", STORE_UNIT_CAPF, ROLE(CAPF), { STORE_TRUST_CAPF, STORE_TRUST_CALLMANAGER }, STORE_TRUST_CAPF, false, true, CM,
	  "Cisco Certificate Authority Proxy Function, Cisco Trust Verification Service and Cisco Tftp" },
	{ "TVS", STORE_UNIT_TVS, ROLE(TVS), { 0 }, STORE_TRUST_TVS, true, false, CM,
	  "Cisco Trust Verification Service and then Cisco Tftp" },
};

const struct unit_rule *unit_rule(const char *unit)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (text_same(rules[i].unit, unit))
			return &rules[i];
	return NULL;
}

int unit_find(struct cluster *c, const char *unit, const struct unit_rule **rule, struct err *e)
{
	const struct unit_rule *found = unit_rule(unit);
	struct store_node node;
	bool known;

	if (!found)
		return err_set(e, ERR_USAGE, "there is no certificate unit '%s' with a certificate of its own", unit);
	int rc = store_node_get(c->store, c->node, &node, &known, e);
	if (rc)
		return rc;
	if (found->cluster_wide && !(known && node.role == STORE_NODE_PUBLISHER))
		return err_set(e, ERR_USAGE, "the %s certificate is the publisher's: change it there", found->unit);
	*rule = found;
	return 0;
}

int unit_of_cert(struct cluster *c, const struct cert *cert, const struct unit_rule **rule, struct err *e)
{
	int rc = 0;

	*rule = NULL;
	for (const char *const *unit = template_units; *unit && !*rule && !rc; unit++) {
		struct cert *own = NULL;
		rc = cluster_own_cert(c, NULL, *unit, &own, e);
		if (!rc && own && cert_same(own, cert))
			*rule = unit_rule(*unit);
		cert_unref(own);
	}
	return rc;
}

int unit_model(struct cluster *c, const struct unit_rule *rule, struct cert **cert, struct err *e)
{
	int rc = cluster_own_cert(c, NULL, rule->unit, cert, e);

	if (!rc && !*cert)
		rc = cluster_own_cert(c, NULL, "CallManager", cert, e);
	if (!rc && !*cert)
		rc = err_set(e, ERR_USAGE, "%s has no certificate to take the subject from", c->node);
	return rc;
}

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

/* A new certificate has the subject of the one before, but for its CN. */
static struct subject subject_of(const struct cert *cert, char parts[5][256])
{
	const X509_NAME *name = X509_get_subject_name(cert_x509(cert));

	return (struct subject){
		.ou = part(name, NID_organizationalUnitName, parts[0]),
		.o = part(name, NID_organizationName, parts[1]),
		.l = part(name, NID_localityName, parts[2]),
		.st = part(name, NID_stateOrProvinceName, parts[3]),
		.c = part(name, NID_countryName, parts[4]),
	};
}

/* What an administrator has set counts more than what the former certificate says. */
static int add_web_security(struct cluster *c, const struct unit_rule *rule, struct unit_making *m, struct err *e)
{
	struct subject *s = &m->node.subject;
	int rc = web_security_read(c, &m->web, e);

	if (rc)
		return rc;
	s->ou = m->web.ou ? m->web.ou : s->ou;
	s->o = m->web.o ? m->web.o : s->o;
	s->l = m->web.l ? m->web.l : s->l;
	s->st = m->web.st ? m->web.st : s->st;
	if (rule->number == STORE_UNIT_TOMCAT || rule->number == STORE_UNIT_TOMCAT_ECDSA)
		m->node.alternate = m->web.alternate;
	return 0;
}

int unit_making_init(struct cluster *c, const struct unit_rule *rule, const struct cert *model, struct unit_making *m,
		     struct err *e)
{
	/* "Regenerate" keeps the key length (behaviour.md 2.4). */
	unsigned bits = cert_key_type(model) == CERT_KEY_RSA ? cert_key_bits(model) : 0;
	enum compose_generation g;
	size_t n = 0;
	bool found;
	int rc = param_generation(c, &g, e);

	*m = (struct unit_making){ 0 };
	if (!rc)
		rc = template_get(rule->unit, compose_generation_name(g), bits, &m->t, e);
	if (!rc)
		rc = store_node_get(c->store, c->node, &m->row, &found, e);
	if (rc)
		return rc;
	if (m->t.key.type == KEY_EC && cert_key_type(model) == CERT_KEY_EC) {
		m->t.key.bits = cert_key_bits(model);
		m->t.profile.digest = template_ec_digest(m->t.key.bits);
	}
	if (m->row.address[0])
		m->ip[n++] = m->row.address;
	if (m->row.address6[0])
		m->ip[n++] = m->row.address6;
	m->node = (struct template_node){ .name = m->row.name, .ip = m->ip, .subject = subject_of(model, m->parts) };
	return add_web_security(c, rule, m, e);
}

void unit_making_clear(struct unit_making *m)
{
	web_security_clear(&m->web);
}

int unit_next_name(struct cluster *c, const struct unit_rule *rule, char *cn, size_t size, struct err *e)
{
	AUTO(unit_making_clear) struct unit_making m = { 0 };
	struct cert *model = NULL;
	int rc = unit_model(c, rule, &model, e);

	if (!rc)
		rc = unit_making_init(c, rule, model, &m, e);
	cert_unref(model);
	return rc ? rc : template_common_name(&m.t, m.node.name, c->random, cn, size, e);
}

int trust_namesake(struct cluster *c, enum store_unit trust, const char *cn, struct cert **cert, struct err *e)
{
	struct store_certificate_filter filter = { .unit = trust };
	struct store_certificate *list = NULL;
	size_t n = 0;
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);

	*cert = NULL;
	for (size_t i = 0; i < n && !*cert; i++)
		if (strcmp(cert_cn(list[i].cert), cn) == 0)
			*cert = cert_ref(list[i].cert);
	store_certificates_free(list, n);
	return rc;
}

/*
 * A former CAPF certificate goes on vouching for the LSCs of its key, so nothing takes its place but one with that key
 * (behaviour.md 2.5, 2.7).
 */
static int keep_former_capf(struct cluster *c, const struct unit_rule *rule, const struct cert *cert, struct err *e)
{
	for (size_t i = 0; i < 3 && rule->copies[i] != STORE_UNIT_NONE; i++) {
		struct cert *former;
		int rc = trust_namesake(c, rule->copies[i], cert_cn(cert), &former, e);
		bool other_key = !rc && former && !view_eq(cert_spki(former), cert_spki(cert));

		cert_unref(former);
		if (other_key)
			return err_set(e, ERR_USAGE, "%s holds a CAPF certificate %s with another key, for which LSCs of phones are "
				       "valid: the new one needs a name of its own; make a request with 'set csr gen CAPF'",
				       store_unit_name(rule->copies[i]), cert_cn(cert));
		if (rc)
			return rc;
	}
	return 0;
}

int unit_record(struct cluster *c, const struct unit_rule *rule, const char *node, const struct cert *cert,
		enum store_distribution distribution, struct err *e)
{
	struct store_certificate_info info = {
		.roles = rule->roles,
		.distribution = distribution,
		.description = cert_is_self_issued(cert) ? "Self-signed certificate generated by system" : NULL,
	};
	int rc = rule->number == STORE_UNIT_CAPF ? keep_former_capf(c, rule, cert, e) : 0;

	if (!rc)
		rc = store_certificate_put_own(c->store, rule->number, node, cert, &info, e);

	info.server = node;
	for (size_t i = 0; i < 3 && rule->copies[i] != STORE_UNIT_NONE && !rc; i++)
		rc = store_certificate_put_trust(c->store, rule->copies[i], cert, &info, STORE_PUT_COPY, e);
	return rc;
}
