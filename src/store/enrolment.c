#include "store/enrolment.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "store/device_row.h"
#include "store/store_internal.h"

#define SPKI_MAX 2048 /* octets; RSA-4096 takes 550 */

/* --- expired MICs --- */

int store_expiredmic_set(struct store *s, const char *device, int64_t when, struct err *e)
{
	char pkid[STORE_PKID_SIZE];
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	rc = store_device_need(s, device, pkid, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "DELETE FROM expiredmic WHERE fkdevice = $1", VALUES(value_text(pkid)));
	if (!rc && when)
		rc = store_db_exec(s, NULL, e, "INSERT INTO expiredmic (fkdevice, allowed) VALUES ($1, $2)",
				   VALUES(value_text(pkid), value_int(when)));
	return store_scope_end(s, rc, e);
}

int store_expiredmic_get(struct store *s, const char *device, bool *allowed, struct err *e)
{
	int64_t when;
	bool found = false;
	int rc = store_db_int(s, &when, &found, e,
			      "SELECT x.allowed FROM expiredmic AS x JOIN device AS d ON d.pkid = x.fkdevice WHERE d.name = $1",
			      VALUES(value_text(device)));

	if (!rc)
		*allowed = found;
	return rc;
}

struct mic_listing {
	int (*cb)(void *ctx, const char *device, int64_t when);
	void *ctx;
};

static int give_mic(void *ctx, const struct store_row *r, struct err *e)
{
	const struct mic_listing *l = ctx;

	(void)e;
	return l->cb(l->ctx, row_text(r, 0), row_int(r, 1));
}

int store_expiredmic_list(struct store *s, int (*cb)(void *ctx, const char *device, int64_t when), void *ctx, struct err *e)
{
	struct mic_listing l = {cb, ctx};

	return store_db_query(s, give_mic, &l, e,
			      "SELECT d.name, x.allowed FROM expiredmic AS x JOIN device AS d ON d.pkid = x.fkdevice ORDER BY d.name",
			      NO_VALUES);
}

/* --- keys that wait for a certificate --- */

#define SELECT_CSR                                                                                                     \
	"SELECT d.name, x.sha256, x.replaced, x.created, x.certificate, x.publickey"                                   \
	" FROM capfcsr AS x JOIN device AS d ON d.pkid = x.fkdevice"

static int take(const struct store_row *r, struct store_csr *csr, struct err *e)
{
	int rc = ROW_COPY(r, 0, csr->device, e);

	if (!rc)
		rc = ROW_COPY(r, 1, csr->sha256, e);
	if (rc)
		return rc;
	csr->replaced = row_bool(r, 2);
	csr->created = row_int(r, 3);
	csr->has_certificate = *row_text(r, 4) != '\0';
	return 0;
}

static int spki_digest(struct view spki, char out[65], struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	int rc = digest_one(DIGEST_SHA256, spki, hash, e);

	if (!rc)
		text_hex(out, 65, (struct view){hash, 32}, '\0', false);
	return rc;
}

int store_csr_put(struct store *s, const char *device, struct view spki, int64_t when, struct err *e)
{
	char pkid[STORE_PKID_SIZE], sha256[65], hex[2 * SPKI_MAX + 1];
	int rc = spki_digest(spki, sha256, e);

	if (!rc && spki.len > SPKI_MAX)
		rc = err_set(e, ERR_LIMIT, "a public key of %zu octets", spki.len);
	if (!rc)
		rc = store_scope_begin(s, e);
	if (rc)
		return rc;
	text_hex(hex, sizeof(hex), spki, '\0', false);
	rc = store_device_need(s, device, pkid, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "UPDATE capfcsr SET replaced = 't' WHERE fkdevice = $1 AND sha256 <> $2",
				   VALUES(value_text(pkid), value_text(sha256)));
	if (!rc)
		rc = store_db_exec(s, NULL, e,
				   "INSERT INTO capfcsr (fkdevice, sha256, publickey, replaced, created) VALUES ($1, $2, $3, 'f', $4)"
				   " ON CONFLICT (fkdevice, sha256) DO UPDATE SET replaced = 'f'",
				   VALUES(value_text(pkid), value_text(sha256), value_text(hex), value_int(when)));
	return store_scope_end(s, rc, e);
}

struct getting {
	struct store_csr csr;
	struct cert *cert;
	bool found;
};

static int take_one(void *ctx, const struct store_row *r, struct err *e)
{
	struct getting *g = ctx;
	int rc = take(r, &g->csr, e);

	g->found = true;
	if (rc || !g->csr.has_certificate)
		return rc;
	return cert_from_pem(view_str(row_text(r, 4)), &g->cert, e);
}

int store_csr_current(struct store *s, const char *device, struct store_csr *csr, struct cert **cert, bool *found,
		      struct err *e)
{
	struct getting g = {0};
	int rc = store_db_query(s, take_one, &g, e, SELECT_CSR " WHERE d.name = $1 AND x.replaced = 'f'",
				VALUES(value_text(device)));

	if (rc || !cert)
		cert_unref(g.cert);
	if (rc)
		return rc;
	*found = g.found;
	if (g.found && csr)
		*csr = g.csr;
	if (cert)
		*cert = g.cert;
	return 0;
}

struct csr_listing {
	int (*cb)(void *ctx, const struct store_csr *csr, struct view spki);
	void *ctx;
};

static int give_csr(void *ctx, const struct store_row *r, struct err *e)
{
	const struct csr_listing *l = ctx;
	struct store_csr csr;
	uint8_t spki[SPKI_MAX];
	size_t len;
	int rc = take(r, &csr, e);

	if (!rc && !text_unhex(row_text(r, 5), spki, sizeof(spki), &len))
		rc = err_set(e, ERR_STORE, "the store's public key of %s cannot be read", csr.device);
	return rc ? rc : l->cb(l->ctx, &csr, (struct view){spki, len});
}

int store_csr_list(struct store *s, int (*cb)(void *ctx, const struct store_csr *csr, struct view spki), void *ctx,
		   struct err *e)
{
	struct csr_listing l = {cb, ctx};

	return store_db_query(s, give_csr, &l, e, SELECT_CSR " ORDER BY d.name, x.replaced, x.created DESC, x.sha256", NO_VALUES);
}

static int certify(struct store *s, const struct cert *cert, struct getting *g, struct err *e)
{
	AUTO(auto_free) char *pem = NULL;
	char pkid[STORE_PKID_SIZE], sha256[65];
	int rc = spki_digest(cert_spki(cert), sha256, e);

	if (!rc)
		rc = store_db_query(s, take_one, g, e,
				    SELECT_CSR " WHERE x.sha256 = $1 ORDER BY d.name LIMIT 1", VALUES(value_text(sha256)));
	if (rc || !g->found)
		return rc;
	rc = cert_to_pem(cert, &pem, e);
	if (!rc)
		rc = store_device_need(s, g->csr.device, pkid, e);
	if (!rc)
		rc = store_db_exec(s, NULL, e, "UPDATE capfcsr SET certificate = $3 WHERE fkdevice = $1 AND sha256 = $2",
				   VALUES(value_text(pkid), value_text(sha256), value_text(pem)));
	g->csr.has_certificate = true;
	return rc;
}

int store_csr_certify(struct store *s, const struct cert *cert, struct store_csr *csr, bool *found, struct err *e)
{
	struct getting g = {0};
	int rc = store_scope_begin(s, e);

	if (rc)
		return rc;
	rc = store_scope_end(s, certify(s, cert, &g, e), e);
	cert_unref(g.cert);
	if (rc)
		return rc;
	*found = g.found;
	if (g.found)
		*csr = g.csr;
	return 0;
}

int store_csr_delete(struct store *s, const char *device, size_t *n, struct err *e)
{
	int64_t changed = 0;
	int rc;

	if (device)
		rc = store_db_exec(s, &changed, e,
				   "DELETE FROM capfcsr WHERE fkdevice IN (SELECT pkid FROM device WHERE name = $1)",
				   VALUES(value_text(device)));
	else
		rc = store_db_exec(s, &changed, e, "DELETE FROM capfcsr", NO_VALUES);
	if (!rc)
		*n = (size_t)changed;
	return rc;
}

int store_csr_delete_stale(struct store *s, size_t *n, struct err *e)
{
	int64_t changed = 0;
	int rc = store_db_exec(s, &changed, e, "DELETE FROM capfcsr WHERE replaced = 't'", NO_VALUES);

	if (!rc)
		*n = (size_t)changed;
	return rc;
}
