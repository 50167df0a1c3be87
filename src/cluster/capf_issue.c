#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/param.h"
#include "pki/lsc.h"

/* C-6: nobody gets a certificate for a key of ours, be it an old one. Key names say whose they are. */
struct own_key {
	const char *digits;
	bool found;
};

static int compare_key(void *ctx, const char *name)
{
	struct own_key *own = ctx;
	const char *dot = strrchr(name, '.');

	own->found = own->found || (dot && strcmp(dot + 1, own->digits) == 0);
	return 0;
}

static int check_not_ours(struct cluster *c, struct view spki, struct err *e)
{
	char name[KEY_NAME_MAX];
	int rc = key_name("CAPF", spki, name, e);

	if (rc)
		return rc;
	struct own_key own = { .digits = strrchr(name, '.') + 1 };
	rc = c->keys->ops->list(c->keys, compare_key, &own, e);
	return !rc && own.found ? err_set(e, ERR_AUTH, "the phone sent a public key of this node") : rc;
}

static int digest_of(struct cluster *c, enum digest *digest, struct err *e)
{
	AUTO(auto_free) char *name = NULL;
	int rc = param_get(c, PARAM_CAPF_LSC_DIGEST, &name, e);

	for (unsigned d = DIGEST_SHA1; !rc && d <= DIGEST_SHA512; d++)
		if (strcmp(digest_name(d), name) == 0)
			*digest = d;
	return rc;
}

static int usages_of(struct cluster *c, struct lsc_template *t, struct err *e)
{
	AUTO(auto_free) char *usage = NULL;
	AUTO(auto_free) char *purposes = NULL;
	int rc = param_get(c, PARAM_CAPF_LSC_KEY_USAGE, &usage, e);

	if (!rc)
		rc = param_get(c, PARAM_CAPF_LSC_EXT_KEY_USAGE, &purposes, e);
	if (rc)
		return rc;
	if (!strstr(usage, "keyEncipherment"))
		t->key_usage &= ~(unsigned)KU_KEY_ENCIPHERMENT;
	t->ext_key_usage = (strstr(purposes, "serverAuth") ? CERT_EKU_SERVER : 0u) |
			   (strstr(purposes, "clientAuth") ? CERT_EKU_CLIENT : 0u) |
			   (strstr(purposes, "ipsecEndSystem") ? CERT_EKU_IPSEC : 0u);
	return 0;
}

/* The LSC as parameters want it. */
static int template_of(struct cluster *c, struct lsc_template *t, struct err *e)
{
	uint32_t days;
	int rc = param_get_number(c, PARAM_CAPF_VALIDITY, &days, e);

	*t = lsc_template_default;
	if (!rc)
		rc = param_get_bool(c, PARAM_CAPF_LSC_ALT_NAME, &t->alt_name, e);
	if (!rc)
		rc = digest_of(c, &t->digest, e);
	if (!rc)
		rc = usages_of(c, t, e);
	if (!rc)
		t->days = days;
	return rc;
}

static int issue(struct capf_turn *t, const struct cert *issuer, struct cert **lsc, struct err *e)
{
	struct cluster *c = t->a->c;
	struct lsc_template template;
	char key[KEY_NAME_MAX];
	int rc = template_of(c, &template, e);

	if (!rc)
		rc = key_name("CAPF", cert_spki(issuer), key, e);
	if (!rc)
		rc = lsc_issue(c->keys, key, issuer, t->device, t->m.public_key, &template, c->clock, c->random, lsc, e);
	if (!rc)
		rc = phone_lsc_issued(c, t->device, *lsc, t->now, e);
	return rc;
}

static void issue_here(struct capf_turn *t, struct capf_session *s)
{
	struct cert *issuer = NULL, *lsc = NULL;
	struct err e = ERR_INIT;
	enum device_failure why = DEVICE_FAILED_CA_REJECTED;
	int rc = cluster_own_cert(t->a->c, NULL, "CAPF", &issuer, &e);

	if (!rc && !issuer)
		rc = err_set(&e, ERR_USAGE, "this node has no CAPF certificate; phones enrol at the publisher");
	if (!rc)
		rc = lsc_issuer_check(issuer, t->now, &e);
	if (!rc) {
		why = DEVICE_FAILED_CA_COMMUNICATION;
		rc = issue(t, issuer, &lsc, &e);
	}
	cert_unref(issuer);
	if (!rc) {
		capf_give(t, s, lsc);
		return;
	}
	cert_unref(lsc);
	capf_fail(t, why, CAPF_FAILED, "no LSC can be issued: %s", e.text);
}

void capf_key_arrived(struct capf_turn *t, struct capf_session *s)
{
	struct err e = ERR_INIT;
	bool offline = false;

	if (!t->m.public_key.len && s->rsa_backup) {
		s->rsa_backup = false;
		s->asked = (struct key_spec){ KEY_RSA, t->task.device.rsa_bits };
		capf_ask_key(t, s);
		return;
	}
	if (!t->m.public_key.len) {
		capf_fail(t, DEVICE_FAILED_KEY, CAPF_REFUSED, "it could not make a key, reason %u", t->m.reason);
		return;
	}
	int rc = lsc_key_check(t->m.public_key, s->asked, &e);
	if (!rc)
		rc = check_not_ours(t->a->c, t->m.public_key, &e);
	if (!rc)
		rc = capf_is_offline(t->a->c, &offline, &e);
	if (rc)
		capf_fail(t, rc == ERR_AUTH ? DEVICE_FAILED_KEY : DEVICE_FAILED, rc == ERR_AUTH ? CAPF_REFUSED : CAPF_FAILED,
			  "its key is not accepted: %s", e.text);
	else if (offline)
		capf_offline_collect(t);
	else
		issue_here(t, s);
}
