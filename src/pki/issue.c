#include "pki/issue.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "pki/issue_internal.h"
#include "pki/ossl.h"


OSSL_AUTO(auto_bit_string, ASN1_BIT_STRING, ASN1_BIT_STRING_free)
OSSL_AUTO(auto_octet_string, ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
OSSL_AUTO(auto_eku, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
OSSL_AUTO(auto_basic, BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
OSSL_AUTO(auto_general_names, GENERAL_NAMES, GENERAL_NAMES_free)

int issue_no_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "certificate: out of memory");
}

/* --- subject --- */

static int add_attribute(X509_NAME *name, int nid, const char *value, struct err *e)
{
	if (!value || !*value)
		return 0;
	if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const uint8_t *)value, -1, -1, 0))
		return 0;
	char what[96];
	char shown[48];
	text_escape(shown, sizeof(shown), view_str(value));
	snprintf(what, sizeof(what), "subject: %s=%s", OBJ_nid2sn(nid), shown);
	return err_openssl(e, ERR_USAGE, what);
}

/* Two capital letters, whatever case they came in. */
static int add_country(X509_NAME *name, const char *country, struct err *e)
{
	char c[3];

	if (!country || !*country)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		char up = country[i] >= 'a' && country[i] <= 'z' ? (char)(country[i] - 'a' + 'A') : country[i];
		if (up < 'A' || up > 'Z')
			return err_set(e, ERR_USAGE, "subject: the country is two letters, as in PL");
		c[i] = up;
	}
	if (country[2])
		return err_set(e, ERR_USAGE, "subject: the country is two letters, as in PL");
	c[2] = '\0';
	return add_attribute(name, NID_countryName, c, e);
}

int issue_set_names(X509 *x, const struct subject *s, struct err *e)
{
	const struct { int nid; const char *value; } rest[] = {
		{NID_organizationName, s->o},	    {NID_organizationalUnitName, s->ou}, {NID_commonName, s->cn},
		{NID_stateOrProvinceName, s->st},   {NID_localityName, s->l},
	};
	AUTO(auto_x509_name) X509_NAME *name = X509_NAME_new();

	if (!name)
		return issue_no_memory(e);
	if (!s->cn || !*s->cn)
		return err_set(e, ERR_USAGE, "subject: a certificate needs a common name");
	int r = add_country(name, s->c, e);
	for (size_t i = 0; !r && i < sizeof(rest) / sizeof(rest[0]); i++)
		r = add_attribute(name, rest[i].nid, rest[i].value, e);
	if (r)
		return r;
	return X509_set_subject_name(x, name) && X509_set_issuer_name(x, name) ? 0 : issue_no_memory(e);
}

/* --- serial number and validity --- */

/* Sixteen octets in the certificate and in trust lists alike: no sign octet before them, no zero to be stripped. */
int issue_serial(uint8_t serial[ISSUE_SERIAL_OCTETS], const struct random_source *rnd, struct err *e)
{
	int r = random_fill(rnd, serial, ISSUE_SERIAL_OCTETS, e);

	if (r)
		return r;
	serial[0] &= 0x7f;
	if (serial[0] == 0)
		serial[0] = 1;
	return 0;
}

int issue_set_serial(X509 *x, const struct random_source *rnd, struct err *e)
{
	uint8_t octets[ISSUE_SERIAL_OCTETS];
	AUTO(auto_bn) BIGNUM *n = NULL;
	int r = issue_serial(octets, rnd, e);

	if (r)
		return r;
	n = BN_bin2bn(octets, sizeof(octets), NULL);
	return n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) ? 0 : issue_no_memory(e);
}

int issue_set_validity(X509 *x, const struct clock *clock, unsigned days, struct err *e)
{
	int64_t now = clock_wall_s(clock);

	if (!ASN1_TIME_set(X509_getm_notBefore(x), now) ||
	    !ASN1_TIME_set(X509_getm_notAfter(x), now + (int64_t)days * ISSUE_DAY_S - 1))
		return err_openssl(e, ERR_USAGE, "certificate: the clock gives no time that a certificate can hold");
	return 0;
}

/* --- extensions --- */

int issue_add_extension(X509 *x, int nid, void *value, bool critical, struct err *e)
{
	return X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_APPEND) == 1 ? 0 : issue_no_memory(e);
}

int issue_add_ca(X509 *x, struct err *e)
{
	AUTO(auto_basic) BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();

	if (!b || !(b->pathlen = ASN1_INTEGER_new()) || !ASN1_INTEGER_set(b->pathlen, 0))
		return issue_no_memory(e);
	b->ca = 0xff;
	return issue_add_extension(x, NID_basic_constraints, b, true, e);
}

int issue_add_key_usage(X509 *x, unsigned usage, bool critical, struct err *e)
{
	AUTO(auto_bit_string) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	uint8_t octet = (uint8_t)usage;

	if (!bits || !ASN1_BIT_STRING_set(bits, &octet, 1))
		return issue_no_memory(e);
	return issue_add_extension(x, NID_key_usage, bits, critical, e);
}

int issue_add_ext_key_usage(X509 *x, unsigned usage, struct err *e)
{
	static const struct { unsigned bit; int nid; } purposes[] = {
		{CERT_EKU_SERVER, NID_server_auth},
		{CERT_EKU_CLIENT, NID_client_auth},
		{CERT_EKU_IPSEC, NID_ipsecEndSystem},
	};
	AUTO(auto_eku) EXTENDED_KEY_USAGE *eku = sk_ASN1_OBJECT_new_null();

	for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
		if (usage & purposes[i].bit && (!eku || !sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(purposes[i].nid))))
			return issue_no_memory(e);
	}
	return issue_add_extension(x, NID_ext_key_usage, eku, false, e);
}

int issue_add_subject_key_id(X509 *x, struct err *e)
{
	AUTO(auto_octet_string) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!id || !X509_pubkey_digest(x, digest_evp(DIGEST_SHA1), hash, &len) ||
	    !ASN1_OCTET_STRING_set(id, hash, (int)len))
		return issue_no_memory(e);
	return issue_add_extension(x, NID_subject_key_identifier, id, false, e);
}

static int push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value, struct err *e)
{
	GENERAL_NAME *n = value ? GENERAL_NAME_new() : NULL;

	if (!n) {
		ASN1_STRING_free(value);
		return issue_no_memory(e);
	}
	GENERAL_NAME_set0_value(n, type, value);
	if (sk_GENERAL_NAME_push(names, n))
		return 0;
	GENERAL_NAME_free(n);
	return issue_no_memory(e);
}

static int push_dns(GENERAL_NAMES *names, const char *dns, struct err *e)
{
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	for (const char *p = dns; *p; p++) {
		if (*p > ' ' && *p < 0x7f)
			continue;
		ASN1_IA5STRING_free(s);
		return err_set(e, ERR_USAGE, "subjectAltName: a host name has letters, digits, hyphens and dots only");
	}
	if (s && !ASN1_STRING_set(s, dns, -1)) {
		ASN1_IA5STRING_free(s);
		s = NULL;
	}
	return push_name(names, GEN_DNS, s, e);
}

static int push_ip(GENERAL_NAMES *names, const char *ip, struct err *e)
{
	ASN1_OCTET_STRING *s = a2i_IPADDRESS(ip);

	if (s)
		return push_name(names, GEN_IPADD, s, e);
	ERR_clear_error();
	return err_set(e, ERR_USAGE, "subjectAltName: %.64s is no IP address", ip);
}

static int add_alt_names(X509 *x, const struct cert_profile *p, struct err *e)
{
	AUTO(auto_general_names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	int r = names ? 0 : issue_no_memory(e);

	for (const char *const *dns = p->dns; !r && dns && *dns; dns++)
		r = push_dns(names, *dns, e);
	for (const char *const *ip = p->ip; !r && ip && *ip; ip++)
		r = push_ip(names, *ip, e);
	if (!r && sk_GENERAL_NAME_num(names) > 0)
		r = issue_add_extension(x, NID_subject_alt_name, names, false, e);
	return r;
}

int issue_add_profile(X509 *x, const struct cert_profile *p, bool key_id, struct err *e)
{
	int r = p->ca ? issue_add_ca(x, e) : 0;

	if (!r && p->key_usage)
		r = issue_add_key_usage(x, p->key_usage, false, e);
	if (!r && p->ext_key_usage)
		r = issue_add_ext_key_usage(x, p->ext_key_usage, e);
	if (!r && key_id)
		r = issue_add_subject_key_id(x, e);
	return r ? r : add_alt_names(x, p, e);
}

int issue_self_signed(struct keystore *ks, const char *name, const struct subject *s, const struct cert_profile *p,
		      const struct clock *clock, const struct random_source *rnd, struct cert **c, struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *pub = NULL;
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	AUTO(auto_x509) X509 *x = X509_new();
	int r = ks->ops->public_key(ks, name, &pub, e);

	if (!r)
		r = key_borrow(ks, name, pub, &key, e);
	if (r)
		return r;
	if (!x || !X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, pub))
		return issue_no_memory(e);
	r = issue_set_names(x, s, e);
	if (!r)
		r = issue_set_serial(x, rnd, e);
	if (!r)
		r = issue_set_validity(x, clock, p->days, e);
	if (!r)
		r = issue_add_profile(x, p, true, e);
	if (r)
		return r;
	if (!X509_sign(x, key, digest_evp(p->digest)))
		return err_openssl(e, ERR_CRYPTO, "certificate cannot be signed");
	return cert_from_x509(x, c, e);
}
