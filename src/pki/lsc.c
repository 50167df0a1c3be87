#include "pki/lsc.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/issue_internal.h"

#define RSA_EXPONENT_MIN 65537
#define RSA_EXPONENT_BITS_MAX 64 /* larger ones only make verifying slow */

OSSL_AUTO(auto_akid, AUTHORITY_KEYID, AUTHORITY_KEYID_free)
OSSL_AUTO(auto_basic, BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
OSSL_AUTO(auto_general_names, GENERAL_NAMES, GENERAL_NAMES_free)

const struct lsc_template lsc_template_default = {
	.days = LSC_DAYS_MAX,
	.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT,
	.ext_key_usage = CERT_EKU_SERVER | CERT_EKU_CLIENT | CERT_EKU_IPSEC,
	.alt_name = true,
	.digest = DIGEST_SHA256,
};

/* --- the key --- */

/* What an EC key looks like when its curve is named and its point uncompressed: the length says both. */
static const struct curve {
	unsigned bits;
	const char *group;
	size_t spki_len;
} curves[] = {
	{ 256, "prime256v1", 91 },
	{ 384, "secp384r1", 120 },
	{ 521, "secp521r1", 158 },
};

static int wrong_key(struct key_spec asked, const char *got, struct err *e)
{
	return err_set(e, ERR_AUTH, "the phone was asked for %s%u and sent %s", asked.type == KEY_RSA ? "RSA-" : "EC P-",
		       asked.bits, got);
}

static int check_rsa(EVP_PKEY *key, struct key_spec asked, struct err *e)
{
	AUTO(auto_bn) BIGNUM *exponent = NULL;
	AUTO(auto_bn) BIGNUM *modulus = NULL;
	char got[32];

	if (EVP_PKEY_get_bits(key) != (int)asked.bits) {
		snprintf(got, sizeof(got), "RSA-%d", EVP_PKEY_get_bits(key));
		return wrong_key(asked, got, e);
	}
	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) ||
	    !EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus))
		return err_openssl(e, ERR_CRYPTO, "the phone's key");
	if (!BN_is_odd(modulus))
		return wrong_key(asked, "an even RSA modulus", e);
	if (!BN_is_odd(exponent) || BN_num_bits(exponent) > RSA_EXPONENT_BITS_MAX ||
	    BN_get_word(exponent) < RSA_EXPONENT_MIN)
		return wrong_key(asked, "an RSA key with an exponent that is not accepted; 65537 is usual", e);
	return 0;
}

static int check_ec(EVP_PKEY *key, struct view spki, struct key_spec asked, struct err *e)
{
	const struct curve *c = curves;
	char group[32] = "";

	while (c < curves + sizeof(curves) / sizeof(curves[0]) && c->bits != asked.bits)
		c++;
	if (c == curves + sizeof(curves) / sizeof(curves[0]))
		return err_set(e, ERR_BUG, "there is no curve of %u bits", asked.bits);
	if (!EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) || strcmp(group, c->group) != 0)
		return wrong_key(asked, *group ? group : "another curve", e);
	if (spki.len != c->spki_len)
		return wrong_key(asked, "an unusual encoding of it", e);
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx || EVP_PKEY_public_check(ctx) != 1) {
		ERR_clear_error();
		return wrong_key(asked, "a point that is not on the curve", e);
	}
	return 0;
}

/* One encoding only: what OpenSSL would write for this key. */
static bool is_canonical(EVP_PKEY *key, struct view spki)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	bool same = len > 0 && view_eq(spki, (struct view){ der, (size_t)len });

	OPENSSL_free(der);
	return same;
}

int lsc_key_check(struct view spki, struct key_spec asked, struct err *e)
{
	const uint8_t *p = spki.p;
	AUTO(auto_pkey) EVP_PKEY *key = spki.len && spki.len <= CERT_MAX_DER ? d2i_PUBKEY(NULL, &p, (long)spki.len) : NULL;
	const char *type = asked.type == KEY_RSA ? "RSA" : "EC";

	if (!key) {
		ERR_clear_error();
		return wrong_key(asked, "something that is no public key", e);
	}
	if (!EVP_PKEY_is_a(key, type)) {
		const char *name = EVP_PKEY_get0_type_name(key);
		return wrong_key(asked, name ? name : "another kind of key", e);
	}
	int r = asked.type == KEY_RSA ? check_rsa(key, asked, e) : check_ec(key, spki, asked, e);
	if (!r && !is_canonical(key, spki))
		r = wrong_key(asked, "an unusual encoding of it", e);
	return r;
}

/* --- the issuer --- */

static void day(int64_t t, char out[32])
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(out, 32, "%" PRId64, t);
}

int lsc_issuer_check(const struct cert *issuer, int64_t now, struct err *e)
{
	char when[32];

	if (now < cert_not_before(issuer)) {
		day(cert_not_before(issuer), when);
		return err_set(e, ERR_AUTH, "the CAPF certificate is not valid before %s: check the clock", when);
	}
	if (now > cert_not_after(issuer)) {
		day(cert_not_after(issuer), when);
		return err_set(e, ERR_AUTH, "the CAPF certificate expired on %s: run 'set cert regen CAPF'", when);
	}
	/* basicConstraints, or without it keyCertSign, as CAPF certificates before 11.5 have it */
	if (!X509_check_ca(cert_x509(issuer)))
		return err_set(e, ERR_AUTH,
			       "the CAPF certificate says that it is no certificate authority: have it signed with a "
			       "subordinate CA template, or run 'set cert regen CAPF'");
	return 0;
}

/* --- the certificate --- */

static bool is_of_site(int nid)
{
	return nid == NID_organizationName || nid == NID_organizationalUnitName || nid == NID_localityName ||
	       nid == NID_stateOrProvinceName || nid == NID_countryName;
}

/* CN, then what the issuer says of the site, entry by entry as it says it (several OUs, string types). */
static int set_subject(X509 *x, const char *device, const X509_NAME *site, struct err *e)
{
	AUTO(auto_x509_name) X509_NAME *name = X509_NAME_new();

	if (!name || !X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const uint8_t *)device, -1, -1, 0))
		return issue_no_memory(e);
	for (int i = 0; i < X509_NAME_entry_count(site); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(site, i);
		if (is_of_site(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) && !X509_NAME_add_entry(name, entry, -1, 0))
			return issue_no_memory(e);
	}
	return X509_set_subject_name(x, name) ? 0 : issue_no_memory(e);
}

static int set_validity(X509 *x, const struct cert *issuer, int64_t now, unsigned days, struct err *e)
{
	int64_t until = now + (int64_t)days * ISSUE_DAY_S - 1;

	if (until > cert_not_after(issuer))
		until = cert_not_after(issuer);
	if (!ASN1_TIME_set(X509_getm_notBefore(x), now) || !ASN1_TIME_set(X509_getm_notAfter(x), until))
		return err_openssl(e, ERR_USAGE, "certificate: the clock gives no time that a certificate can hold");
	return 0;
}

static int add_no_ca(X509 *x, struct err *e)
{
	AUTO(auto_basic) BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();

	return b ? issue_add_extension(x, NID_basic_constraints, b, true, e) : issue_no_memory(e);
}

static int add_authority_key_id(X509 *x, X509 *issuer, struct err *e)
{
	AUTO(auto_akid) AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *known = X509_get0_subject_key_id(issuer);
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!id)
		return issue_no_memory(e);
	if (known)
		id->keyid = ASN1_OCTET_STRING_dup(known);
	else if ((id->keyid = ASN1_OCTET_STRING_new()) &&
		 (!X509_pubkey_digest(issuer, digest_evp(DIGEST_SHA1), hash, &len) ||
		  !ASN1_OCTET_STRING_set(id->keyid, hash, (int)len)))
		return issue_no_memory(e);
	return id->keyid ? issue_add_extension(x, NID_authority_key_identifier, id, false, e) : issue_no_memory(e);
}

static int add_alt_name(X509 *x, const char *device, struct err *e)
{
	AUTO(auto_general_names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	ASN1_IA5STRING *uri = names ? ASN1_IA5STRING_new() : NULL;

	if (!uri || !ASN1_STRING_set(uri, device, -1)) {
		ASN1_IA5STRING_free(uri);
		return issue_no_memory(e);
	}
	int r = issue_push_name(names, GEN_URI, uri, e);
	return r ? r : issue_add_extension(x, NID_subject_alt_name, names, false, e);
}

static int add_extensions(X509 *x, const struct cert *issuer, const char *device, const struct lsc_template *t,
			  struct err *e)
{
	int r = add_no_ca(x, e);

	if (!r && t->key_usage)
		r = issue_add_key_usage(x, t->key_usage, true, e);
	if (!r && t->ext_key_usage)
		r = issue_add_ext_key_usage(x, t->ext_key_usage, e);
	if (!r)
		r = issue_add_subject_key_id(x, e);
	if (!r)
		r = add_authority_key_id(x, cert_x509(issuer), e);
	return !r && t->alt_name ? add_alt_name(x, device, e) : r;
}

static int fill_in(X509 *x, const struct cert *issuer, const char *device, struct view spki, const struct lsc_template *t,
		   const struct clock *clock, const struct random_source *rnd, struct err *e)
{
	const uint8_t *p = spki.p;
	AUTO(auto_pkey) EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.len);

	if (!key)
		return err_openssl(e, ERR_USAGE, "the phone's key");
	/* The issuer's subject, not its issuer: otherwise a chain through an intermediate CA would not verify (C-3). */
	if (!X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, key) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(cert_x509(issuer))))
		return issue_no_memory(e);
	int r = set_subject(x, device, X509_get_subject_name(cert_x509(issuer)), e);
	if (!r)
		r = issue_set_serial(x, rnd, e);
	if (!r)
		r = set_validity(x, issuer, clock_wall_s(clock), t->days, e);
	return r ? r : add_extensions(x, issuer, device, t, e);
}

int lsc_issue(struct keystore *ks, const char *name, const struct cert *issuer, const char *device, struct view spki,
	      const struct lsc_template *t, const struct clock *clock, const struct random_source *rnd, struct cert **lsc,
	      struct err *e)
{
	EVP_PKEY *pub = X509_get0_pubkey(cert_x509(issuer));
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_x509) X509 *x = X509_new();

	if (!x || !pub)
		return issue_no_memory(e);
	if (!text_is_device_name(device))
		return err_set(e, ERR_USAGE, "an LSC is issued to a device; this is no device's name");
	if (t->days < 1 || t->days > LSC_DAYS_MAX)
		return err_set(e, ERR_USAGE, "an LSC is valid for 1 to %d days", LSC_DAYS_MAX);
	int r = lsc_issuer_check(issuer, clock_wall_s(clock), e);
	if (!r)
		r = fill_in(x, issuer, device, spki, t, clock, rnd, e);
	if (!r)
		r = key_borrow(ks, name, pub, &key, e);
	if (r)
		return r;
	if (!X509_sign(x, key, digest_evp(t->digest)))
		return err_openssl(e, ERR_CRYPTO, "the LSC cannot be signed");
	return cert_from_x509(x, lsc, e);
}
