#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "cluster/capf_internal.h"
#include "proto/capf_proof.h"
#include "store/certificate.h"

/*
 * Certificates that phones show. CAPF-trust is what decides: a CAPF certificate in there, also a former or an expired one,
 * vouches for its LSCs until it is removed (behaviour.md 5.4, 9 scenarios 9 and 10), and a manufacturer's for MICs. Whoever
 * put a certificate in there trusts it by itself, so no chain above it is asked for.
 */

/* Both names equal, and the signature holds. A certificate that says it is no CA, or may not sign certificates, did not
 * issue anything (C-4); one of version 1 or without basicConstraints may have, as old roots do. */
static bool issued_by(const struct cert *cert, const struct cert *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(issuer));

	if (!view_eq(cert_issuer_der(cert), cert_subject_der(issuer)) || !key || !X509_check_ca(cert_x509(issuer)))
		return false;
	bool holds = X509_verify(cert_x509(cert), key) == 1;
	ERR_clear_error();
	return holds;
}

/* Is the issuer a CAPF? The store says so of those this cluster made; the keys say it of those whose roles were lost. */
static int is_capf(struct cluster *c, const struct store_certificate *issuer, bool *yes, struct err *e)
{
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub = NULL;

	*yes = (issuer->roles & STORE_ROLE_BIT(STORE_ROLE_CAPF)) || strncmp(cert_cn(issuer->cert), "CAPF-", 5) == 0;
	if (*yes)
		return 0;
	int rc = key_name("CAPF", cert_spki(issuer->cert), name, e);
	if (!rc && c->keys->ops->public_key(c->keys, name, &pub, NULL) == 0)
		*yes = true;
	EVP_PKEY_free(pub);
	return rc;
}

static int find_issuer(struct cluster *c, const struct cert *cert, enum capf_cert_is *is, struct err *e)
{
	const struct store_certificate_filter filter = { .unit = STORE_TRUST_CAPF };
	struct store_certificate *list = NULL;
	size_t n = 0, i = 0;
	bool capf = false;
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);

	if (rc)
		return rc;
	while (i < n && !issued_by(cert, list[i].cert))
		i++;
	if (i < n)
		rc = is_capf(c, &list[i], &capf, e);
	else
		rc = err_set(e, ERR_AUTH, "it was issued by %.128s, which is not in CAPF-trust", cert_issuer(cert));
	if (!rc)
		*is = capf ? CAPF_IS_LSC : CAPF_IS_MIC;
	store_certificates_free(list, n);
	return rc;
}

int capf_cert_is_cut(struct cluster *c, const struct cert *cert, bool *cut, struct err *e)
{
	const struct store_certificate_filter filter = { .unit = STORE_TRUST_CAPF };
	struct store_certificate *list = NULL;
	size_t n = 0;
	int rc = store_certificate_list(c->store, &filter, &list, &n, e);

	*cut = false;
	for (size_t i = 0; !rc && i < n; i++)
		*cut = *cut || (cert_not_after(cert) == cert_not_after(list[i].cert) && issued_by(cert, list[i].cert));
	store_certificates_free(list, n);
	return rc;
}

/* What a phone's certificate may be used for, where it says so. */
static int check_use(const struct cert *cert, struct err *e)
{
	X509 *x = cert_x509(cert);
	uint32_t flags = X509_get_extension_flags(x);

	if (flags & EXFLAG_INVALID)
		return err_set(e, ERR_AUTH, "its extensions cannot be read");
	if (flags & EXFLAG_CA)
		return err_set(e, ERR_AUTH, "it is a certificate authority's");
	if (flags & EXFLAG_KUSAGE && !(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE))
		return err_set(e, ERR_AUTH, "its key is not for signatures");
	if (flags & EXFLAG_XKUSAGE && !(X509_get_extended_key_usage(x) & (XKU_SSL_CLIENT | XKU_ANYEKU)))
		return err_set(e, ERR_AUTH, "its key is not for clients");
	return 0;
}

/*
 * C-4: an LSC that the phone has exchanged for a later one proves nothing any longer. One that we do not know of is taken
 * when we know of no later one: phones bring those from the cluster they come from, or the store is an older copy of itself.
 */
static int check_current(struct cluster *c, const struct store_device *d, const struct cert *cert,
			 const struct store_devicecert *known, struct err *e)
{
	struct store_devicecert current;
	bool has;

	if (known && known->state == DEVICECERT_STORED)
		return 0;
	int rc = store_devicecert_get(c->store, d->name, d->lsc.sha256, &current, NULL, &has, e);
	if (rc)
		return rc;
	if (known && known->state == DEVICECERT_DELETED)
		return err_set(e, ERR_AUTH, "the phone has deleted this LSC");
	if ((known && known->state == DEVICECERT_SUPERSEDED) || (has && cert_not_before(cert) <= current.not_before))
		return err_set(e, ERR_AUTH, "it is superseded by a later LSC of the phone");
	return 0;
}

/* What we know of it. An authority elsewhere that issues LSCs looks like a manufacturer; what it issued is remembered. */
static int look_up(struct cluster *c, const struct store_device *d, const struct cert *cert, struct store_devicecert *known,
		   bool *found, struct err *e)
{
	char sha256[65];

	text_hex(sha256, sizeof(sha256), (struct view){ cert_sha256(cert), 32 }, '\0', false);
	return store_devicecert_get(c->store, d->name, sha256, known, NULL, found, e);
}

int capf_cert_check(struct cluster *c, const struct store_device *d, const struct cert *cert, int64_t now,
		    enum capf_cert_is *is, bool *expired, struct err *e)
{
	struct store_devicecert known;
	bool found = false;
	char shown[80];
	int rc = find_issuer(c, cert, is, e);

	if (!rc)
		rc = look_up(c, d, cert, &known, &found, e);
	if (!rc && found)
		*is = known.kind == DEVICECERT_LSC ? CAPF_IS_LSC : CAPF_IS_MIC;
	if (!rc && !capf_cert_is_device(cert, view_str(d->name))) {
		text_escape(shown, sizeof(shown), view_str(cert_cn(cert)));
		rc = err_set(e, ERR_AUTH, "it is the certificate of \"%s\"", shown);
	}
	if (!rc)
		rc = check_use(cert, e);
	if (!rc && now < cert_not_before(cert))
		rc = err_set(e, ERR_AUTH, "it is not valid yet: check the clock");
	if (!rc && *is == CAPF_IS_LSC)
		rc = check_current(c, d, cert, found ? &known : NULL, e);
	if (!rc)
		*expired = now > cert_not_after(cert);
	return rc;
}
