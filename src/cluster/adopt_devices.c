/* Adoption: phones, their LSCs, and what CAPF had still to do with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/secret.h"
#include "cluster/adopt_internal.h"
#include "cluster/phone_string.h"
#include "store/devicecert.h"
#include "store/unit.h"

#define EXPIRES_DAYS 10 /* as the parameter of a new node has it */

#define TRUSTS_LSCS STORE_UNIT_BIT(STORE_TRUST_CAPF)

/* Is it a CAPF of the site, whatever became of it? */
static bool is_capf(const struct adopt_cert *c)
{
	return (c->roles & FUNCTION_BIT(FUNCTION_CAPF)) || ((c->stores | c->dropped) & TRUSTS_LSCS) ||
	       (c->unit && strcmp(c->unit, "CAPF") == 0);
}

/* The CAPF that issued it, rather one that is kept; SIZE_MAX: none. The key decides: some tools write another issuer's
 * name (pitfalls C-3). */
static size_t issuer_of(const struct adopt *a, const struct cert *lsc)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < a->n_certs; i++) {
		const struct adopt_cert *c = &a->certs[i];
		EVP_PKEY *key = is_capf(c) ? X509_get0_pubkey(cert_x509(c->cert)) : NULL;

		if (key && X509_verify(cert_x509(lsc), key) == 1) {
			found = i;
			if (!(c->dropped & TRUSTS_LSCS))
				break;
		}
		ERR_clear_error();
	}
	return found;
}

static int take_lsc(struct adopt_scan *s, const struct adopt_lsc *l, struct err *e)
{
	struct adopt_device *d;
	size_t issuer = issuer_of(s->a, l->cert);

	if (issuer == SIZE_MAX)
		return adopt_leave(s, l->file, e,
				   "a certificate of the phone %s that no CAPF certificate in the folder has issued (its issuer is %s)",
				   l->device, cert_issuer(l->cert));
	int rc = adopt_add_device(s, l->device, &d, e);
	if (rc)
		return rc;
	snprintf(d->row.model, sizeof(d->row.model), "%s", l->model);
	d->lsc = cert_ref(l->cert);
	d->issuer = issuer;
	return 0;
}

bool adopt_is_orphan(const struct adopt *a, const struct adopt_device *d)
{
	return d->lsc && (a->certs[d->issuer].dropped & TRUSTS_LSCS);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct adopt_device *)a)->row.name, ((const struct adopt_device *)b)->row.name);
}

/* More about a device that is known already. The later certificate is the one that the phone has. */
static void merge(struct adopt_device *into, struct adopt_device *from)
{
	if (!into->row.model[0])
		memcpy(into->row.model, from->row.model, sizeof(into->row.model));
	if (into->row.operation == DEVICE_NO_OPERATION && from->row.operation != DEVICE_NO_OPERATION) {
		into->row.operation = from->row.operation;
		into->row.auth = from->row.auth;
		memcpy(into->string, from->string, sizeof(into->string));
	}
	if (from->lsc && (!into->lsc || cert_not_before(from->lsc) > cert_not_before(into->lsc))) {
		struct cert *older = into->lsc;

		into->lsc = from->lsc;
		into->issuer = from->issuer;
		from->lsc = older;
	}
	cert_unref(from->lsc);
	secret_wipe(from->string, sizeof(from->string));
}

static void merge_all(struct adopt *a)
{
	size_t kept = 0;

	if (a->n_devices)
		qsort(a->devices, a->n_devices, sizeof(*a->devices), by_name);
	for (size_t i = 0; i < a->n_devices; i++) {
		if (kept && by_name(&a->devices[kept - 1], &a->devices[i]) == 0)
			merge(&a->devices[kept - 1], &a->devices[i]);
		else if (kept++ != i)
			a->devices[kept - 1] = a->devices[i];
	}
	a->n_devices = kept;
}

static int tell(struct adopt *a, size_t n_open, struct err *e)
{
	int rc = 0;

	if (n_open)
		rc = notes_add(&a->notes, e,
			       "%zu phones have a pending CAPF operation without an authentication string, as before: whoever uses the "
			       "phone's name first gets its certificate. Set a string with 'phone set' where that matters.", n_open);
	if (!rc && a->n_expired_lsc)
		rc = notes_add(&a->notes, e, "%zu LSCs have expired. They are adopted all the same; those phones need new ones.",
			       a->n_expired_lsc);
	return rc;
}

int adopt_devices(struct adopt_scan *s, const struct init_env *env, struct err *e)
{
	struct adopt *a = s->a;
	int64_t now = clock_wall_s(env->clock);
	size_t n_open = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n_lscs && !rc; i++)
		rc = take_lsc(s, &s->lscs[i], e);
	if (rc)
		return rc;
	merge_all(a);
	for (size_t i = 0; i < a->n_devices; i++) {
		struct adopt_device *d = &a->devices[i];

		a->n_unknown_model += d->row.model[0] == '\0';
		a->n_lsc += d->lsc != NULL;
		a->n_expired_lsc += d->lsc && cert_not_after(d->lsc) < now;
		if (adopt_is_orphan(a, d))
			a->certs[d->issuer].n_lsc++;
		if (d->row.operation == DEVICE_NO_OPERATION)
			continue;
		a->n_pending++;
		n_open += d->row.auth == DEVICE_AUTH_NULL;
		d->row.complete_by = now + INT64_C(86400) * EXPIRES_DAYS;
		snprintf(d->row.status, sizeof(d->row.status), "%s", DEVICE_STATUS_PENDING);
	}
	return tell(a, n_open, e);
}

/* --- into the store --- */

int adopt_record_devices(struct cluster *c, const struct adopt *a, struct err *e)
{
	int64_t now = clock_wall_s(c->clock);
	int rc = 0;

	for (size_t i = 0; i < a->n_devices && !rc; i++) {
		const struct adopt_device *d = &a->devices[i];
		char derived[DEVICE_STRING_SIZE];

		rc = store_device_add(c->store, &d->row, e);
		if (!rc && d->string[0]) {
			rc = phone_string_derive(c->random, view_str(d->string), derived, e);
			if (!rc)
				rc = store_device_string_set(c->store, d->row.name, derived, e);
			secret_wipe(derived, sizeof(derived));
		}
		if (!rc && d->lsc)
			rc = store_devicecert_put(c->store, d->row.name, DEVICECERT_LSC, DEVICECERT_STORED, d->lsc, now, e);
	}
	return rc;
}
