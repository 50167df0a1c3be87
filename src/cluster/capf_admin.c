#include "cluster/capf_admin.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "cluster/phones_internal.h"

/* --- keys that go to an authority elsewhere --- */

struct dump {
	FILE *out;
	size_t n;
};

static int dump_one(void *ctx, const struct store_csr *csr, struct view spki)
{
	const uint8_t *p = spki.p;
	struct dump *d = ctx;

	if (csr->replaced || csr->has_certificate)
		return 0;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.len);
	if (!key)
		return ERR_CRYPTO;
	fprintf(d->out, "# device %s\n# subject CN=%s\n", csr->device, csr->device);
	bool ok = PEM_write_PUBKEY(d->out, key) == 1;
	EVP_PKEY_free(key);
	d->n++;
	return ok ? 0 : ERR_IO;
}

int capf_csr_dump(struct cluster *c, FILE *out, size_t *n, struct err *e)
{
	struct dump d = { .out = out };
	int rc = store_csr_list(c->store, dump_one, &d, e);

	if (rc)
		return err_set(e, rc, "the keys that wait for a certificate cannot be written");
	*n = d.n;
	return 0;
}

/* --- changes --- */

struct doing {
	const char *device;
	bool flag;           /* of expired MICs: allowed; of deletions: stale ones only */
	bool rehearsal;
	struct view pem;
	struct notes *notes;
	size_t n;
};

typedef int apply_fn(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e);

static int run(struct cluster *c, const char *who, const char *command, const char *object, apply_fn *apply,
	       struct doing *d, struct err *e)
{
	struct phone_change ch = { .who = who, .command = command, .object = object, .rehearsal = d->rehearsal,
				   .apply = apply, .ctx = d };

	return phone_change_run(c, &ch, e);
}

static int delete_keys(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct doing *d = ctx;
	struct store_device device;
	int rc = d->device ? phone_need(c, d->device, &device, e) : 0;

	if (!rc)
		rc = d->flag ? store_csr_delete_stale(c->store, &d->n, e) : store_csr_delete(c->store, d->device, &d->n, e);
	if (!rc && d->device && !d->n)
		rc = err_set(e, ERR_USAGE, "no key of %s waits for a certificate: see 'utils capf csr list'", d->device);
	snprintf(ch->before, sizeof(ch->before), "%zu", d->n);
	snprintf(ch->after, sizeof(ch->after), "0");
	return rc;
}

int capf_csr_delete(struct cluster *c, const char *who, const char *device, bool rehearsal, size_t *n, struct err *e)
{
	struct doing d = { .device = device, .rehearsal = rehearsal };
	int rc = run(c, who, "utils capf csr delete", device ? device : "all keys that wait for a certificate", delete_keys, &d, e);

	if (!rc)
		*n = d.n;
	return rc;
}

int capf_stale_delete(struct cluster *c, const char *who, bool rehearsal, size_t *n, struct err *e)
{
	struct doing d = { .flag = true, .rehearsal = rehearsal };
	int rc = run(c, who, "utils capf stale-lsc delete all", "stale LSCs", delete_keys, &d, e);

	if (!rc)
		*n = d.n;
	return rc;
}

static int set_expired_mic(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	const struct doing *d = ctx;
	bool before = false;
	int rc = store_expiredmic_get(c->store, d->device, &before, e);

	if (!rc)
		rc = store_expiredmic_set(c->store, d->device, d->flag ? clock_wall_s(c->clock) : 0, e);
	snprintf(ch->before, sizeof(ch->before), "%s", before ? "allowed" : "not allowed");
	snprintf(ch->after, sizeof(ch->after), "%s", d->flag ? "allowed for one installation" : "not allowed");
	return rc;
}

int capf_expired_mic(struct cluster *c, const char *who, const char *device, bool allow, bool rehearsal, struct err *e)
{
	struct doing d = { .device = device, .flag = allow, .rehearsal = rehearsal };
	char object[STORE_NAME_SIZE + 32], shown[STORE_NAME_SIZE];

	text_escape(shown, sizeof(shown), view_str(device));
	snprintf(object, sizeof(object), "expired MIC of %s", shown);
	return run(c, who, "utils capf expired-mic", object, set_expired_mic, &d, e);
}

/* --- certificates that come back --- */

static int check_lsc(struct cluster *c, const struct store_csr *csr, const struct cert *cert, struct err *e)
{
	enum capf_cert_is is;
	struct store_device device;
	int64_t now = clock_wall_s(c->clock);
	bool expired = false;
	int rc = phone_need(c, csr->device, &device, e);

	if (!rc)
		rc = capf_cert_check(c, &device, cert, now, &is, &expired, e);
	if (!rc && expired)
		rc = err_set(e, ERR_AUTH, "it has expired");
	/* behaviour.md 5.3 */
	uint32_t usage = X509_get_key_usage(cert_x509(cert));
	if (!rc && (usage & (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)) != (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT))
		rc = err_set(e, ERR_AUTH, "an LSC needs the key usages digitalSignature and keyEncipherment");
	return rc;
}

static int import_one(struct cluster *c, const struct cert *cert, struct notes *notes, struct err *e)
{
	struct store_csr csr;
	bool found;
	int rc = store_csr_certify(c->store, cert, &csr, &found, e);

	if (!rc && !found)
		rc = err_set(e, ERR_USAGE, "no phone waits for it: it is not for a key that one has sent");
	if (!rc)
		rc = check_lsc(c, &csr, cert, e);
	if (!rc && csr.replaced)
		rc = notes_add(notes, e, "%s has sent another key since: this LSC is stale.", csr.device);
	return rc;
}

/* The next certificate in the text; at *text what is behind it. False: there is none. */
static bool next_pem(struct view *text, struct view *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const uint8_t *at = text->len ? memmem(text->p, text->len, begin, sizeof(begin) - 1) : NULL;

	if (!at)
		return false;
	struct rd r;
	rd_init(&r, text->p, text->len);
	if (!rd_skip(&r, (size_t)(at - text->p)))
		return false;
	*pem = rd_rest(&r);
	rd_init(&r, pem->p, pem->len);
	if (!rd_skip(&r, sizeof(begin) - 1))
		return false;
	*text = rd_rest(&r);
	return true;
}

static int import_all(struct cluster *c, struct phone_change *ch, void *ctx, struct err *e)
{
	struct doing *d = ctx;
	struct view text = d->pem, pem;
	int rc = 0;

	while (!rc && next_pem(&text, &pem)) {
		struct cert *cert = NULL;
		rc = cert_from_pem(pem, &cert, e);
		if (!rc)
			rc = import_one(c, cert, d->notes, e);
		if (rc)
			err_prefix(e, "certificate %zu of the file%s%s", d->n + 1, cert ? ", " : "", cert ? cert_subject(cert) : "");
		cert_unref(cert);
		d->n++;
	}
	if (!rc && !d->n)
		rc = err_set(e, ERR_USAGE, "there is no certificate in it; certificates are expected in PEM");
	snprintf(ch->after, sizeof(ch->after), "%zu imported", d->n);
	return rc == ERR_AUTH || rc == ERR_PROTO ? ERR_USAGE : rc;
}

int capf_cert_import(struct cluster *c, const char *who, struct view pem, bool rehearsal, struct notes *notes, size_t *n,
		     struct err *e)
{
	struct doing d = { .pem = pem, .rehearsal = rehearsal, .notes = notes };
	int rc = run(c, who, "utils capf cert import", "LSCs of an offline CA", import_all, &d, e);

	if (!rc)
		*n = d.n;
	return rc;
}
