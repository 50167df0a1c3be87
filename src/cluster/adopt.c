/* Adoption from beginning to end: reading, deciding, and handing over to init. */
#include "cluster/adopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt_internal.h"
#include "cluster/expired.h"
#include "cluster/param.h"
#include "store/audit.h"
#include "store/certificate.h"
#include "store/param.h"

static int check_as(const struct adopt_request *req, struct err *e)
{
	for (size_t i = 0; i < req->n_as; i++) {
		const char *eq = strchr(req->as[i], '=');

		if (!eq || eq == req->as[i] || !eq[1])
			return err_set(e, ERR_USAGE, "--adopt-as %s: it is UNIT=FILE, as CAPF=keys/ca.pem", req->as[i]);
	}
	return 0;
}

static int read_and_decide(struct adopt_scan *s, const struct init_request *init, const struct init_env *env, struct err *e)
{
	struct adopt *a = s->a;
	int rc = adopt_scan_folder(s, e);

	if (!rc && !a->n_certs && !a->n_keys && !a->n_lists && !a->n_devices && !s->n_lscs && !a->problems.n)
		rc = err_set(e, ERR_USAGE, "%s holds no certificate, key, trust list or database: nothing can be adopted",
			     s->req->dir);
	if (!rc)
		rc = adopt_listed(s, e);
	adopt_habits(a);
	if (!rc)
		rc = adopt_units(s, init, env, e);
	if (!rc)
		rc = adopt_devices(s, env, e);
	if (!rc && !a->problems.n)
		rc = adopt_follow(a, init, env, e);
	return rc;
}

int adopt_plan(const struct adopt_request *req, const struct init_request *init, const struct init_env *env,
	       struct adopt **out, struct err *e)
{
	AUTO(adopt_scan_clear) struct adopt_scan s = { .req = req };
	struct adopt *a = calloc(1, sizeof(*a));
	int rc = check_as(req, e);

	s.a = a;
	s.as_used = calloc(req->n_as + 1, sizeof(*s.as_used));
	if (!a || !s.as_used)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (!rc)
		rc = keystore_memory_new(&a->memory, e);
	if (!rc)
		rc = read_and_decide(&s, init, env, e);
	if (rc) {
		adopt_free(a);
		return rc;
	}
	*out = a;
	return 0;
}

static void free_found(struct adopt *a)
{
	for (size_t i = 0; i < a->n_keys; i++) {
		free(a->keys[i].file);
		EVP_PKEY_free(a->keys[i].key);
		OPENSSL_free(a->keys[i].spki);
	}
	for (size_t i = 0; i < a->n_certs; i++) {
		free(a->certs[i].file);
		cert_unref(a->certs[i].cert);
	}
	for (size_t i = 0; i < a->n_lists; i++) {
		free(a->lists[i].file);
		list_free(a->lists[i].list);
	}
	for (size_t i = 0; i < a->n_left; i++) {
		free(a->left[i].file);
		free(a->left[i].why);
	}
}

void adopt_free(struct adopt *a)
{
	if (!a)
		return;
	free_found(a);
	for (size_t i = 0; i < a->n_devices; i++) {
		cert_unref(a->devices[i].lsc);
		secret_wipe(a->devices[i].string, sizeof(a->devices[i].string));
	}
	for (size_t i = 0; i < a->n_units; i++)
		cert_unref(a->units[i].cert);
	free(a->keys);
	free(a->certs);
	free(a->left);
	free(a->lists);
	free(a->devices);
	free(a->phones);
	free(a->itl);
	notes_clear(&a->notes);
	notes_clear(&a->problems);
	keystore_free(a->memory);
	free(a);
}

/* --- carrying out --- */

int adopt_hand_over(const struct adopt *a, const char *unit, struct keystore *ks, struct cert **cert, struct err *e)
{
	const struct adopt_unit *u = NULL;
	char name[KEY_NAME_MAX];
	uint8_t *der = NULL;
	size_t len = 0;

	for (size_t i = 0; i < a->n_units; i++)
		if (strcmp(a->units[i].unit, unit) == 0 && a->units[i].cert)
			u = &a->units[i];
	if (!u)
		return err_set(e, ERR_BUG, "the plan has no certificate of %s", unit);
	int rc = a->memory->ops->export(a->memory, u->key, &der, &len, e);
	if (!rc)
		rc = ks->ops->import(ks, unit, (struct view){ der, len }, name, e);
	secret_free(der, len);
	if (!rc)
		*cert = cert_ref(u->cert);
	return rc;
}

static int record_param(struct cluster *c, const char *name, const char *value, struct err *e)
{
	return store_param_set(c->store, param_key(param_find(name)), value, e);
}

static int record_params(struct cluster *c, const struct adopt *a, struct err *e)
{
	int rc = record_param(c, PARAM_GENERATION, adopt_generation(a), e);

	if (!rc)
		rc = record_param(c, PARAM_DIGEST, digest_name(a->digest), e);
	if (!rc)
		rc = record_param(c, PARAM_NAME_FORM, a->names == NAME_FORM_C ? "C" : "A", e);
	return rc ? rc : record_param(c, PARAM_ADVANCED, a->advanced ? "True" : "False", e);
}

static int record_trust(struct cluster *c, const struct adopt_cert *ac, struct err *e)
{
	struct store_certificate_info info = {
		.roles = ac->issuer ? STORE_ROLE_BIT(STORE_ROLE_CERTIFICATE_AUTHORITY) : ac->roles,
		.distribution = STORE_DIST_CLUSTER_WIDE,
		.ttl_s = ac->ttl_s,
		.description = "Adopted with the site",
	};
	int rc = 0;

	for (unsigned unit = STORE_TRUST_TOMCAT; unit < 32 && !rc; unit++) {
		struct err why = ERR_INIT;

		if (!(ac->stores & STORE_UNIT_BIT(unit)))
			continue;
		rc = store_certificate_put_trust(c->store, (enum store_unit)unit, ac->cert, &info, STORE_PUT_UPLOAD, &why);
		/* A later one of that name is there: the report has said that it stays. */
		if (rc == ERR_USAGE)
			rc = 0;
		else if (rc)
			err_set(e, rc, "%s", why.text);
	}
	return rc;
}

/* The report is gone once it was read. */
static int record_dropped(struct cluster *c, const struct adopt_cert *ac, struct err *e)
{
	char object[600], sha256[65], outcome[ADOPT_WHY_MAX + 8], why[ADOPT_WHY_MAX];
	int rc = 0;

	text_hex(sha256, sizeof(sha256), (struct view){ cert_sha256(ac->cert), 32 }, '\0', false);
	adopt_dropped_why(ac, why, sizeof(why));
	snprintf(outcome, sizeof(outcome), "done: %s", why);
	for (unsigned unit = STORE_TRUST_TOMCAT; unit < 32 && !rc; unit++) {
		struct store_audit row = { .time = clock_wall_s(c->clock), .who = "ringfence init", .command = adopt_is_oversized(ac) ? "drop oversized certificate" : "drop expired certificate",
					   .object = object, .before = sha256, .outcome = outcome };

		if (!(ac->dropped & STORE_UNIT_BIT(unit)))
			continue;
		snprintf(object, sizeof(object), "%s: %.500s", store_unit_name((enum store_unit)unit), cert_subject(ac->cert));
		rc = store_audit_append(c->store, &row, e);
	}
	return rc;
}

int adopt_record(struct cluster *c, const struct adopt *a, struct err *e)
{
	int rc = record_params(c, a, e);

	for (size_t i = 0; i < a->n_certs && !rc; i++)
		if (!a->certs[i].unit)
			rc = record_trust(c, &a->certs[i], e);
	for (size_t i = 0; i < a->n_certs && !rc; i++)
		rc = record_dropped(c, &a->certs[i], e);
	return rc ? rc : adopt_record_devices(c, a, e);
}
