#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/cert_plan.h"
#include "cluster/csr_internal.h"
#include "cluster/phone_reset.h"
#include "cluster/trust.h"
#include "pki/cert_list.h"
#include "pki/chain.h"
#include "store/request.h"

/* A certificate on its way into a unit. */
struct import {
	const struct unit_rule *rule;
	struct csr_entry csr;
	struct cert **certs;
	size_t n;
	struct cert *cert;         /* the one among them */
	struct cert *before;       /* NULL: the unit had none */
};

static void import_clear(struct import *m)
{
	csr_entry_clear(&m->csr);
	cert_list_free(m->certs, m->n);
	cert_unref(m->before);
}

/* --- is it the one that was asked for? --- */

/* In a file with its chain the certificate for the request's key is meant; alone it is what it is. */
static int choose(struct import *m, struct err *e)
{
	char cn[256] = "";

	for (size_t i = 0; i < m->n; i++)
		if (request_is_for_key(m->csr.request, m->certs[i]))
			m->cert = m->certs[i];
	if (!m->cert)
		return err_set(e, ERR_USAGE, "CSR Public Key and Certificate Public Key do not match: the certificate of %.128s was not "
			       "made of the request that waits", cert_subject(m->certs[0]));
	if (!name_get(view_str(request_subject(m->csr.request)), "CN", cn, sizeof(cn)) || strcmp(cn, cert_cn(m->cert)) != 0)
		return err_set(e, ERR_USAGE, "CSR Common Name and Certificate Common Name do not match: the request is for %.64s, the "
			       "certificate for %.64s; the authority must take over the common name as it is", cn,
			       cert_cn(m->cert)[0] ? cert_cn(m->cert) : "none");
	if (!request_has_names(m->csr.request, m->cert))
		return err_set(e, ERR_USAGE, "CSR SAN and Certificate SAN does not match: the authority must take over the names of the "
			       "request as they are");
	return 0;
}

/* Source: behaviour.md 2.5: what CAPF must have, otherwise TLS with phones fails. */
static int check_use(const struct unit_rule *rule, const struct cert *cert, struct err *e)
{
	X509 *x = cert_x509(cert);
	uint32_t flags = X509_get_extension_flags(x);

	if (flags & EXFLAG_INVALID)
		return err_set(e, ERR_USAGE, "the extensions of the certificate cannot be read");
	if (rule->number == STORE_UNIT_CAPF) {
		if (!(flags & EXFLAG_CA) || !(flags & EXFLAG_KUSAGE) || !(X509_get_key_usage(x) & KU_KEY_CERT_SIGN) ||
		    !(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE))
			return err_set(e, ERR_USAGE, "a CAPF certificate needs basicConstraints CA:TRUE and the key usages Digital Signature "
				       "and Certificate Sign: the authority must use a template for subordinate authorities");
		return 0;
	}
	if (flags & EXFLAG_KUSAGE && !(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE))
		return err_set(e, ERR_USAGE, "the certificate lacks the key usage Digital Signature");
	if (flags & EXFLAG_XKUSAGE && !(X509_get_extended_key_usage(x) & (XKU_SSL_SERVER | XKU_ANYEKU)))
		return err_set(e, ERR_USAGE, "the certificate lacks the extended key usage TLS Web Server Authentication");
	return 0;
}

/* The key must be where the request was made; a keystore that was restored from elsewhere may not have it. */
static int check_key(struct cluster *c, const struct import *m, struct err *e)
{
	char key[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;
	int rc = key_name(m->rule->unit, cert_spki(m->cert), key, e);

	if (!rc)
		rc = c->keys->ops->public_key(c->keys, key, &pub, e);
	EVP_PKEY_free(pub);
	if (rc == ERR_AUTH)
		err_prefix(e, "the private key of the request is gone: make a new one with 'set csr gen %s'", m->rule->unit);
	return rc;
}

static int check_chain(struct cluster *c, const struct import *m, const char *ca, struct err *e)
{
	struct trust_path path = { .store = m->rule->trust, .cert = m->cert, .ca = ca };

	/* One that signed itself would be no better than what the unit makes by itself, and nobody vouches for it. */
	if (cert_is_self_issued(m->cert))
		return err_set(e, ERR_USAGE, "the certificate is self-signed; 'set cert regen %s' makes one", m->rule->unit);
	return trust_path_check(c, &path, e);
}

static int check(struct cluster *c, struct import *m, const struct csr_import *in, struct err *e)
{
	struct err why = ERR_INIT;
	bool found;
	int rc = csr_get(c, m->rule->unit, &m->csr, &found, e);

	if (!rc && !found)
		rc = csr_none(m->rule, e);
	if (rc)
		return rc;
	rc = cert_list_read(in->file, &m->certs, &m->n, &why);
	/* CUCM's words. Source: behaviour.md 2.6. */
	if (rc)
		return err_set(e, rc, "The file /usr/local/platform/upload/certs//%s.der could not be uploaded: %s", m->rule->unit, why.text);
	rc = choose(m, e);
	if (!rc)
		rc = trust_cert_check(m->cert, clock_wall_s(c->clock), e);
	if (!rc && clock_wall_s(c->clock) < cert_not_before(m->cert))
		rc = err_set(e, ERR_USAGE, "the certificate is not valid yet: check the clock here and at the authority");
	if (!rc)
		rc = check_use(m->rule, m->cert, e);
	if (!rc)
		rc = check_chain(c, m, in->ca, e);
	return rc ? rc : check_key(c, m, e);
}

/* --- the change --- */

static int record(struct cluster *c, void *ctx, struct err *e)
{
	const struct import *m = ctx;
	int rc = unit_record(c, m->rule, c->node, m->cert,
			     m->csr.multi_server ? STORE_DIST_MULTI_SERVER : STORE_DIST_THIS_SERVER, e);

	return rc ? rc : store_request_drop(c->store, c->node, m->rule->number, e);
}

static int change(struct cluster *c, const char *who, struct import *m, bool dry, struct notes *notes, struct err *e)
{
	char before[65] = "", after[65], command[64], object[STORE_NAME_SIZE + 64];

	snprintf(command, sizeof(command), "set cert import own %s", m->rule->unit);
	snprintf(object, sizeof(object), "certificate %s on %s", m->rule->unit, c->node);
	if (m->before)
		text_hex(before, sizeof(before), (struct view){ cert_sha256(m->before), 32 }, '\0', false);
	text_hex(after, sizeof(after), (struct view){ cert_sha256(m->cert), 32 }, '\0', false);
	struct change ch = { .who = who, .command = command, .object = object, .before = before[0] ? before : NULL,
			     .after = after, .notes = dry ? NULL : notes, .reset = phones_look_at(m->rule->unit),
			     .rehearsal = dry, .apply = record, .ctx = m };
	return change_run(c, &ch, NULL, e);
}

static int note_import(const struct import *m, struct notes *notes, struct err *e)
{
	int rc = 0;

	if (m->n > 1)
		rc = notes_add(notes, e, "%zu other certificate%s in the file %s not taken: 'set cert import trust %s' takes those of "
			       "authorities.", m->n - 1, m->n > 2 ? "s" : "", m->n > 2 ? "were" : "was", store_unit_name(m->rule->trust));
	if (!rc && request_lost_usage(m->csr.request, m->cert))
		rc = notes_add(notes, e, "The authority has dropped key usages that were asked for: phones and servers may miss them.");
	if (!rc && m->rule->number == STORE_UNIT_CALLMANAGER && cert_key_bits(m->cert) > 2048)
		rc = notes_add(notes, e, "Some phones cannot use keys of more than 2048 bits, above all in mixed mode.");
	if (!rc && m->csr.multi_server)
		rc = notes_add(notes, e, "The certificate is for all nodes; this node alone has its key.");
	return rc;
}

int cluster_import_own(struct cluster *c, const char *who, const char *unit, const struct csr_import *in,
		       struct notes *notes, struct err *e)
{
	AUTO(import_clear) struct import m = { 0 };
	int rc = csr_unit(c, unit, &m.rule, e);

	if (!rc)
		rc = cluster_own_cert(c, NULL, m.rule->unit, &m.before, e);
	if (!rc)
		rc = check(c, &m, in, e);
	if (!rc)
		rc = change(c, who, &m, in->dry, notes, e);
	if (!rc)
		rc = note_import(&m, notes, e);
	return rc || in->dry ? rc : cert_plan_rest(c, m.rule->unit, notes, e);
}
