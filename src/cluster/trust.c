#include "cluster/trust.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cluster_internal.h"
#include "cluster/sast_trust.h"
#include "pki/cert_list.h"
#include "pki/chain.h"

const char *trust_short_name(size_t i)
{
	static const char *const names[] = { "tomcat", "ipsec", "CallManager", "CAPF", "TVS", "Phone", "Phone-VPN", "Phone-SAST",
					     "Phone-CTL", "Phone-CTL-ASA", "Phone-Edge", "directory", "userlicensing" };

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

int trust_store(const char *name, enum store_unit *store, struct err *e)
{
	char trust[64];

	*store = store_unit_from_name(name);
	if (*store != STORE_UNIT_NONE && store_unit_is_trust(*store))
		return 0;
	snprintf(trust, sizeof(trust), "%.48s-trust", text_same(name, "cucm") ? "CallManager" : name);
	*store = store_unit_from_name(trust);
	return *store ? 0 : err_set(e, ERR_USAGE, "there is no trust store '%.48s'", name);
}

static const struct store_unit_row *row_of(enum store_unit store)
{
	const struct store_unit_row *u = store_units;

	while (u->name && u->unit != store)
		u++;
	return u;
}

/* --- what is taken in --- */

static bool has_wildcard(const struct cert *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert_x509(cert), NID_subject_alt_name, NULL, NULL);
	bool found = strchr(cert_cn(cert), '*') != NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *dns = n->type == GEN_DNS ? n->d.dNSName : NULL;
		found |= dns && memchr(ASN1_STRING_get0_data(dns), '*', (size_t)ASN1_STRING_length(dns));
	}
	GENERAL_NAMES_free(names);
	return found;
}

int trust_cert_check(const struct cert *cert, int64_t now, struct err *e)
{
	char when[64];
	time_t end = (time_t)cert_not_after(cert);
	struct tm tm;

	if (cert_not_after(cert) < now) {
		strftime(when, sizeof(when), "%Y-%m-%d", gmtime_r(&end, &tm));
		return err_set(e, ERR_USAGE, "the certificate of %.128s has expired on %s", cert_subject(cert), when);
	}
	if (cert_key_type(cert) == CERT_KEY_OTHER)
		return err_set(e, ERR_USAGE, "the certificate of %.128s has neither an RSA nor an EC key: phones know no other",
			       cert_subject(cert));
	if (cert_key_bits(cert) > TRUST_KEY_BITS_MAX)
		return err_set(e, ERR_USAGE, "the certificate of %.128s has a key of %u bits: more than %d are not taken",
			       cert_subject(cert), cert_key_bits(cert), TRUST_KEY_BITS_MAX);
	if (has_wildcard(cert))
		return err_set(e, ERR_USAGE, "the certificate of %.128s has a wildcard name: those are not taken", cert_subject(cert));
	return 0;
}

/* "CAPF-" and eight digits is what a CAPF certificate is called; no other authority may look like one (behaviour.md 2.5). */
static int check_reserved(const struct cert *cert, struct err *e)
{
	const char *cn = cert_cn(cert);
	bool capf = strncmp(cn, "CAPF-", 5) == 0 && strlen(cn) == 13;

	for (size_t i = 5; capf && i < 13; i++)
		capf = text_hex_digit(cn[i]) >= 0;
	if (strstr(cn, "CAPF-") && !capf)
		return err_set(e, ERR_USAGE, "the common name %.64s holds CAPF-, which is reserved for CAPF certificates", cn);
	return 0;
}

/* --- paths --- */

struct ca_search {
	const char *file;
	const struct cert *issuer;
	bool is_it;
};

static int match_ca(void *ctx, const struct certs_entry *entry)
{
	struct ca_search *s = ctx;
	char pem[420];

	snprintf(pem, sizeof(pem), "%s.pem", s->file);
	s->is_it |= (text_same(entry->file, s->file) || text_same(entry->file, pem)) && cert_same(entry->cert, s->issuer);
	return 0;
}

static int check_ca(struct cluster *c, const struct trust_path *path, const struct chain *chain, struct err *e)
{
	const char *slash = strchr(path->ca, '/');
	struct ca_search s = { .file = slash ? slash + 1 : path->ca, .issuer = chain->issuer };
	int rc = chain->issuer ? certs_list_store(c, row_of(path->store), match_ca, &s, e) : 0;

	if (!rc && !s.is_it)
		return err_set(e, ERR_USAGE, "%.128s was not signed by %s of %s, but by %.128s", cert_subject(path->cert), s.file,
			       store_unit_name(path->store), cert_issuer(path->cert));
	return rc;
}

static int judge(struct cluster *c, const struct trust_path *path, const struct chain *chain, struct err *e)
{
	/* CUCM's words. Source: behaviour.md 2.6. */
	if (chain->state == CHAIN_NO_ISSUER)
		return err_set(e, ERR_USAGE, "CA certificate is not available in the trust-store: upload that of %.150s with 'set cert "
			       "import trust %s' first", chain->missing, store_unit_name(path->store));
	if (chain->state == CHAIN_BROKEN)
		return err_set(e, ERR_USAGE, "the authorities above %.100s do not hold: %s", cert_subject(path->cert), chain->why);
	return path->ca ? check_ca(c, path, chain, e) : 0;
}

int trust_path_check(struct cluster *c, const struct trust_path *path, struct err *e)
{
	struct store_certificate_filter filter = { .unit = path->store };
	struct store_certificate *list = NULL;
	struct chain chain = { 0 };
	size_t n = 0;
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);
	struct cert **all = rc ? NULL : calloc(n + path->n_more + 1, sizeof(struct cert *));

	if (!rc && !all)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; !rc && i < n; i++)
		all[i] = list[i].cert;
	for (size_t i = 0; !rc && i < path->n_more; i++)
		all[n + i] = path->more[i];
	if (!rc)
		rc = chain_build(path->cert, all, n + path->n_more, clock_wall_s(c->clock), &chain, e);
	if (!rc)
		rc = judge(c, path, &chain, e);
	chain_clear(&chain);
	free(all);
	store_certificates_free(list, n);
	return rc;
}

/* --- import --- */

struct import {
	enum store_unit store;
	struct cert **certs;
	size_t n;
};

static int put_all(struct cluster *c, void *ctx, struct err *e)
{
	const struct import *m = ctx;
	struct store_certificate_info info = { .distribution = STORE_DIST_CLUSTER_WIDE };
	int rc = 0;

	for (size_t i = 0; i < m->n && !rc; i++)
		rc = store_certificate_put_trust(c->store, m->store, m->certs[i], &info, STORE_PUT_UPLOAD, e);
	return rc;
}

static int check_all(struct cluster *c, const struct import *m, const char *ca, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < m->n && !rc; i++) {
		struct trust_path path = { m->store, m->certs[i], m->certs, m->n, ca };

		rc = trust_cert_check(m->certs[i], clock_wall_s(c->clock), e);
		if (!rc)
			rc = check_reserved(m->certs[i], e);
		if (!rc && ca)
			rc = trust_path_check(c, &path, e);
	}
	return rc;
}

static int note_taken(const struct import *m, bool dry, struct notes *notes, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < m->n && !rc; i++)
		rc = notes_add(notes, e, "%s: %s%s", store_unit_name(m->store), cert_subject(m->certs[i]),
			       dry ? " would be taken in" : "");
	return rc;
}

int cluster_import_trust(struct cluster *c, const char *who, const char *store, const struct trust_import *in,
			 struct notes *notes, struct err *e)
{
	struct import m = { 0 };
	char command[96], object[96];
	int rc = trust_store(store, &m.store, e);

	if (!rc)
		rc = cert_list_read(in->file, &m.certs, &m.n, e);
	if (!rc)
		rc = check_all(c, &m, in->ca, e);
	if (!rc) {
		snprintf(command, sizeof(command), "set cert import trust %s", store_unit_name(m.store));
		snprintf(object, sizeof(object), "%zu certificate%s of %s", m.n, m.n == 1 ? "" : "s", store_unit_name(m.store));
		struct change ch = { .who = who, .command = command, .object = object, .after = cert_subject(m.certs[0]),
				     .notes = in->dry ? NULL : notes, .rehearsal = in->dry, .apply = put_all, .ctx = &m };
		rc = change_run(c, &ch, NULL, e);
	}
	if (!rc)
		rc = note_taken(&m, in->dry, notes, e);
	if (!rc && m.store == STORE_TRUST_PHONE_SAST)
		rc = sast_trust_put_notes(c, m.certs, m.n, notes, e);
	cert_list_free(m.certs, m.n);
	return rc;
}

/* --- delete --- */

struct victim {
	enum store_unit store;
	const char *file;
	char pkid[STORE_PKID_SIZE];
	char name[500];       /* "CallManager-trust/CAPF-0a1b2c3d.pem" */
	struct cert *cert;
	char known[160];      /* for the error */
	size_t used;
};

static int match_victim(void *ctx, const struct certs_entry *entry)
{
	struct victim *v = ctx;
	char pem[420];

	snprintf(pem, sizeof(pem), "%s.pem", v->file);
	if (text_same(entry->file, v->file) || text_same(entry->file, pem)) {
		v->cert = cert_ref(entry->cert);
		snprintf(v->pkid, sizeof(v->pkid), "%s", entry->pkid);
		snprintf(v->name, sizeof(v->name), "%s/%s", entry->unit, entry->file);
		return 1;
	}
	v->used = text_append(v->known, sizeof(v->known), v->used, "%s%s", v->used ? ", " : "", entry->file);
	return 0;
}

/* Own certificates by their own names: CUCM's administrators may try. */
static int refuse_own(const char *store, const char *file, struct err *e)
{
	const struct unit_rule *rule = unit_rule(store);
	char own[80];

	if (!rule)
		return 0;
	snprintf(own, sizeof(own), "%s.pem", rule->unit);
	if (!text_same(file, own) && !text_same(file, rule->unit))
		return 0;
	return err_set(e, ERR_USAGE, "only certificates of trust stores can be deleted; 'set cert regen %s' replaces the unit's own",
		       rule->unit);
}

static int find(struct cluster *c, const char *store, const char *file, struct victim *v, struct err *e)
{
	const char *slash = strchr(file, '/');

	*v = (struct victim){ .file = slash ? slash + 1 : file };
	int rc = trust_store(store, &v->store, e);
	if (!rc)
		rc = certs_list_store(c, row_of(v->store), match_victim, v, e);
	if (rc < 0)
		return rc;
	if (v->cert)
		return 0;
	rc = refuse_own(store, v->file, e);
	return rc ? rc : err_set(e, ERR_USAGE, "%s holds no %s; it holds: %s", store_unit_name(v->store), v->file,
				 v->used ? v->known : "nothing");
}

static const char *restart_after(enum store_unit store)
{
	switch (store) {
	case STORE_TRUST_CAPF:
		return "Cisco Certificate Authority Proxy Function";
	case STORE_TRUST_CALLMANAGER:
		return "Cisco CallManager";
	default:
		return NULL;
	}
}

static int refuse_ipsec(const struct victim *v, const struct unit_rule *own, struct err *e)
{
	if (v->store != STORE_TRUST_IPSEC || !own || own->number != STORE_UNIT_IPSEC)
		return 0;
	return err_set(e, ERR_USAGE, "%s is this node's own ipsec certificate: without it backup and restore stop", v->name);
}

#define CHAIN_MAX 10

/* Does the path of an own certificate lead over the victim? As the call control is given it (call_control.c). */
static bool is_above(const struct cert *own, const struct cert *victim, const struct store_certificate *list, size_t n)
{
	for (int depth = 0; depth < CHAIN_MAX && !cert_is_self_issued(own); depth++) {
		const struct cert *issuer = NULL;

		for (size_t i = 0; i < n && !issuer; i++) {
			const struct cert *c = list[i].cert;

			if (!cert_same(c, own) && X509_check_issued(cert_x509(c), cert_x509(own)) == X509_V_OK)
				issuer = c;
		}
		if (!issuer)
			return false;
		if (cert_same(issuer, victim))
			return true;
		own = issuer;
	}
	return false;
}

/* A unit goes on with its certificate, but nobody can follow its path any more. */
static int warn_chain(struct cluster *c, const struct victim *v, struct notes *notes, struct err *e)
{
	struct store_certificate_filter filter = { .unit = v->store };
	struct store_certificate *list = NULL;
	size_t n = 0;
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);

	for (const char *const *unit = template_units; *unit && !rc; unit++) {
		struct cert *own = NULL;

		if (unit_rule(*unit)->trust == v->store)
			rc = cluster_own_cert(c, NULL, *unit, &own, e);
		if (!rc && own && is_above(own, v->cert, list, n))
			rc = notes_add(notes, e, "It is an authority above this node's own %s certificate, which is in use: without it the "
				       "chain that call control and servers give ends below it, and who trusts the root alone no longer "
				       "trusts the node.", *unit);
		cert_unref(own);
	}
	store_certificates_free(list, n);
	return rc;
}

int trust_delete_warnings(struct cluster *c, const char *store, const char *file, struct notes *notes, struct err *e)
{
	struct victim v;
	const struct unit_rule *own = NULL;
	int rc = find(c, store, file, &v, e);

	if (rc)
		return rc;
	rc = unit_of_cert(c, v.cert, &own, e);
	if (!rc)
		rc = refuse_ipsec(&v, own, e);
	if (!rc && own)
		rc = notes_add(notes, e, "It is the copy of this node's own %s certificate. The unit keeps its certificate, and TVS "
			       "answers for it all the same.", own->unit);
	if (!rc)
		rc = warn_chain(c, &v, notes, e);
	bool capf = strncmp(cert_cn(v.cert), "CAPF-", 5) == 0;
	if (!rc && capf && (v.store == STORE_TRUST_CAPF || v.store == STORE_TRUST_CALLMANAGER))
		rc = notes_add(notes, e, "Phones that have an LSC from it can no longer %s with it: renew those first.",
			       v.store == STORE_TRUST_CAPF ? "authenticate themselves to CAPF" : "register securely");
	if (!rc)
		rc = notes_add(notes, e, "Trust lists and phones are not touched; TVS no longer answers for it unless another store or "
			       "the CTL has it.");
	if (!rc && v.store == STORE_TRUST_PHONE_SAST)
		rc = sast_trust_drop_notes(c, v.cert, notes, e);
	if (!rc && restart_after(v.store))
		rc = notes_add(notes, e, "Afterwards restart %s.", restart_after(v.store));
	cert_unref(v.cert);
	return rc;
}

static int drop(struct cluster *c, void *ctx, struct err *e)
{
	const struct victim *v = ctx;

	return store_certificate_drop_trust(c->store, v->store, v->pkid, e);
}

int cluster_trust_delete(struct cluster *c, const char *who, const char *store, const char *file, struct notes *notes,
			 struct err *e)
{
	const struct unit_rule *own = NULL;
	struct victim v;
	char before[65];
	int rc = find(c, store, file, &v, e);

	if (rc)
		return rc;
	rc = unit_of_cert(c, v.cert, &own, e);
	if (!rc)
		rc = refuse_ipsec(&v, own, e);
	if (!rc) {
		text_hex(before, sizeof(before), (struct view){ cert_sha256(v.cert), 32 }, '\0', false);
		struct change ch = { .who = who, .command = "set cert delete", .object = v.name, .before = before,
				     .notes = notes, .apply = drop, .ctx = &v };
		rc = change_run(c, &ch, NULL, e);
	}
	if (!rc && v.store == STORE_TRUST_PHONE_SAST)
		rc = sast_trust_drop_notes(c, v.cert, notes, e);
	cert_unref(v.cert);
	return rc;
}
