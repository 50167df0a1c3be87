#include "pki/lsc.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/text.h"
#include "pki/der.h"
#include "pki/issue_internal.h"

/*
 * The certificate is written here and not by OpenSSL, whose way there (3.0: decode the key, encode it, copy, decode again)
 * took a third of an enrolment. That OpenSSL reads and verifies what comes out is what the tests are for.
 */

/* The last octet of 2.5.29.x */
enum {
	EXT_SUBJECT_KEY_ID = 14,
	EXT_KEY_USAGE = 15,
	EXT_SUBJECT_ALT_NAME = 17,
	EXT_BASIC_CONSTRAINTS = 19,
	EXT_AUTHORITY_KEY_ID = 35,
	EXT_EXT_KEY_USAGE = 37,
};

struct signing {
	enum key_scheme scheme;
	enum digest digest;
	struct view oid;
};

const struct lsc_template lsc_template_default = {
	.days = LSC_DAYS_MAX,
	.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT,
	.ext_key_usage = CERT_EKU_SERVER | CERT_EKU_CLIENT | CERT_EKU_IPSEC,
	.alt_name = true,
	.digest = DIGEST_SHA256,
};

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

/* --- the certificate: RFC 5280 4.1, written from the inside out --- */

/* 2.5.4: C, L, ST, O, OU. */
static bool is_of_site(struct view oid)
{
	return oid.len == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x04 &&
	       memchr("\x06\x07\x08\x0a\x0b", oid.p[2], 5) != NULL;
}

static void put_algorithm(struct wr *w, const struct signing *s)
{
	size_t from = w->len;

	der_put(w, DER_OID, s->oid);
	if (s->scheme == KEY_SCHEME_PKCS1)
		der_put(w, DER_NULL, (struct view){0});
	der_wrap(w, DER_SEQUENCE, from);
}

/* CN, then what the issuer says of the site, entry by entry as it says it (several OUs, string types). */
static void put_subject(struct wr *w, const char *device, struct view issuer)
{
	static const uint8_t cn[] = {0x55, 0x04, 0x03};
	size_t name = w->len;
	struct rd r, rdns = {0}, rdn = {0}, pair = {0};
	struct view entry, oid = {0};

	der_put(w, DER_OID, (struct view){cn, sizeof(cn)});
	der_put(w, DER_UTF8_STRING, view_str(device));
	der_wrap(w, DER_SEQUENCE, name);
	der_wrap(w, DER_SET, name);
	rd_init(&r, issuer.p, issuer.len);
	der_open(&r, DER_SEQUENCE, &rdns);
	while (der_open(&rdns, DER_SET, &rdn)) {
		while (der_whole(&rdn, DER_SEQUENCE, &entry)) {
			struct rd one;
			rd_init(&one, entry.p, entry.len);
			if (der_open(&one, DER_SEQUENCE, &pair) && der_view(&pair, DER_OID, &oid) && is_of_site(oid))
				der_put(w, DER_SET, entry);
		}
	}
	der_wrap(w, DER_SEQUENCE, name);
}

/* extnID, critical, extnValue: the octets written since `from`. */
static void end_extension(struct wr *w, uint8_t id, bool critical, size_t from)
{
	static const uint8_t yes = 0xff;
	const uint8_t oid[] = {DER_OID, 3, 0x55, 0x1d, id};
	const uint8_t flag[] = {DER_BOOLEAN, 1, yes};

	der_wrap(w, DER_OCTET_STRING, from);
	if (critical)
		wr_insert(w, from, flag, sizeof(flag));
	wr_insert(w, from, oid, sizeof(oid));
	der_wrap(w, DER_SEQUENCE, from);
}

/* The bits of RFC 5280 4.2.1.3, as OpenSSL numbers them: digitalSignature is 0x80; named bits, so no zeros at the end. */
static void put_key_usage(struct wr *w, unsigned usage)
{
	size_t from = w->len;
	uint8_t unused = 0;

	while (unused < 7 && !(usage & 1u << unused))
		unused++;
	wr_u8(w, unused);
	wr_u8(w, (uint8_t)usage);
	der_wrap(w, DER_BIT_STRING, from);
	end_extension(w, EXT_KEY_USAGE, true, from);
}

static void put_ext_key_usage(struct wr *w, unsigned usage)
{
	static const struct {
		unsigned bit;
		uint8_t purpose; /* below 1.3.6.1.5.5.7.3 */
	} purposes[] = {{CERT_EKU_SERVER, 1}, {CERT_EKU_CLIENT, 2}, {CERT_EKU_IPSEC, 5}};
	uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0};
	size_t from = w->len;

	for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
		if (!(usage & purposes[i].bit))
			continue;
		oid[sizeof(oid) - 1] = purposes[i].purpose;
		der_put(w, DER_OID, (struct view){oid, sizeof(oid)});
	}
	der_wrap(w, DER_SEQUENCE, from);
	end_extension(w, EXT_EXT_KEY_USAGE, false, from);
}

/* SHA-1 over the octets of the public key: RFC 5280 4.2.1.2 (1). */
static int key_id(struct view spki, uint8_t out[DIGEST_MAX], struct err *e)
{
	struct rd r, outer = {0};
	struct view octets = {0};

	rd_init(&r, spki.p, spki.len);
	der_open(&r, DER_SEQUENCE, &outer);
	der_skip(&outer, DER_SEQUENCE);
	if (!der_bit_string(&outer, &octets) || !rd_done(&outer) || !rd_done(&r))
		return err_set(e, ERR_USAGE, "the phone's key is malformed");
	return digest_one(DIGEST_SHA1, octets, out, e);
}

static int put_key_ids(struct wr *w, const struct cert *issuer, struct view spki, struct err *e)
{
	const ASN1_OCTET_STRING *known = X509_get0_subject_key_id(cert_x509(issuer));
	uint8_t own[DIGEST_MAX], of_issuer[DIGEST_MAX];
	struct view id = {of_issuer, digest_len(DIGEST_SHA1)};
	size_t from = w->len;
	int rc = key_id(spki, own, e);

	if (!rc && known)
		id = (struct view){ASN1_STRING_get0_data(known), (size_t)ASN1_STRING_length(known)};
	else if (!rc)
		rc = key_id(cert_spki(issuer), of_issuer, e);
	if (rc)
		return rc;
	der_put(w, DER_OCTET_STRING, (struct view){own, digest_len(DIGEST_SHA1)});
	end_extension(w, EXT_SUBJECT_KEY_ID, false, from);
	from = w->len;
	der_put(w, DER_CONTEXT_PRIMITIVE_0, id);
	der_wrap(w, DER_SEQUENCE, from);
	end_extension(w, EXT_AUTHORITY_KEY_ID, false, from);
	return 0;
}

static int put_extensions(struct wr *w, const struct cert *issuer, const char *device, struct view spki,
			  const struct lsc_template *t, struct err *e)
{
	size_t all = w->len, from = all;

	der_wrap(w, DER_SEQUENCE, from); /* CA:FALSE is the default, and defaults are not written */
	end_extension(w, EXT_BASIC_CONSTRAINTS, true, from);
	if (t->key_usage)
		put_key_usage(w, t->key_usage);
	if (t->ext_key_usage)
		put_ext_key_usage(w, t->ext_key_usage);
	int rc = put_key_ids(w, issuer, spki, e);
	if (t->alt_name) {
		from = w->len;
		der_put(w, DER_CONTEXT_PRIMITIVE_6, view_str(device));
		der_wrap(w, DER_SEQUENCE, from);
		end_extension(w, EXT_SUBJECT_ALT_NAME, false, from);
	}
	der_wrap(w, DER_SEQUENCE, all);
	der_wrap(w, DER_CONTEXT_3, all);
	return rc;
}

static int put_validity(struct wr *w, const struct cert *issuer, int64_t now, unsigned days, struct err *e)
{
	int64_t until = now + (int64_t)days * ISSUE_DAY_S - 1;
	size_t from = w->len;

	if (until > cert_not_after(issuer))
		until = cert_not_after(issuer);
	if (!der_put_time(w, now) || !der_put_time(w, until))
		return err_set(e, ERR_USAGE, "certificate: the clock gives no time that a certificate can hold");
	der_wrap(w, DER_SEQUENCE, from);
	return 0;
}

static int put_tbs(struct wr *w, const struct cert *issuer, const char *device, struct view spki,
		   const struct lsc_template *t, const struct signing *s, const struct clock *clock,
		   const struct random_source *rnd, struct err *e)
{
	static const uint8_t version_3[] = {DER_CONTEXT_0, 3, DER_INTEGER, 1, 2};
	uint8_t serial[ISSUE_SERIAL_OCTETS];
	int rc = issue_serial(serial, rnd, e);

	if (rc)
		return rc;
	wr_bytes(w, version_3, sizeof(version_3));
	der_put_unsigned(w, (struct view){serial, sizeof(serial)});
	put_algorithm(w, s);
	/* The issuer's subject, not its issuer: otherwise a chain through an intermediate CA would not verify (C-3). */
	wr_view(w, cert_subject_der(issuer));
	rc = put_validity(w, issuer, clock_wall_s(clock), t->days, e);
	if (rc)
		return rc;
	put_subject(w, device, cert_subject_der(issuer));
	wr_view(w, spki);
	rc = put_extensions(w, issuer, device, spki, t, e);
	der_wrap(w, DER_SEQUENCE, 0);
	return rc;
}

/* --- its signature --- */

static int choose_signing(const struct cert *issuer, enum digest digest, struct signing *s, struct err *e)
{
	/* 1.2.840.113549.1.1 and 1.2.840.10045.4 */
	static const uint8_t rsa[][9] = {
		{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05},
		{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b},
		{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d},
	};
	static const uint8_t ec_sha1[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01};
	static const uint8_t ec_sha2[][8] = {
		{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02},
		{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04},
	};

	if (!digest_known(digest))
		return err_set(e, ERR_USAGE, "an LSC is signed with SHA-1, SHA-256 or SHA-512");
	s->digest = digest;
	s->scheme = cert_key_type(issuer) == CERT_KEY_RSA ? KEY_SCHEME_PKCS1 : KEY_SCHEME_ECDSA;
	if (s->scheme == KEY_SCHEME_PKCS1)
		s->oid = (struct view){rsa[digest - DIGEST_SHA1], sizeof(rsa[0])};
	else if (digest == DIGEST_SHA1)
		s->oid = (struct view){ec_sha1, sizeof(ec_sha1)};
	else
		s->oid = (struct view){ec_sha2[digest - DIGEST_SHA256], sizeof(ec_sha2[0])};
	return 0;
}

static int sign_tbs(struct keystore *ks, const char *name, const struct signing *s, struct wr *w, struct err *e)
{
	uint8_t digest[DIGEST_MAX], sig[KEY_SIG_MAX];
	size_t len = 0;
	int rc = digest_one(s->digest, wr_view_all(w), digest, e);
	struct key_sign req = {.scheme = s->scheme, .md_nid = EVP_MD_get_type(digest_evp(s->digest)),
			       .input = {digest, digest_len(s->digest)}};

	if (!rc)
		rc = ks->ops->sign(ks, name, &req, sig, &len, e);
	if (rc) {
		err_prefix(e, "the LSC cannot be signed");
		return rc;
	}
	put_algorithm(w, s);
	size_t from = w->len;
	wr_u8(w, 0);
	wr_bytes(w, sig, len);
	der_wrap(w, DER_BIT_STRING, from);
	der_wrap(w, DER_SEQUENCE, 0);
	return 0;
}

int lsc_issue(struct keystore *ks, const char *name, const struct cert *issuer, const char *device, struct view spki,
	      const struct lsc_template *t, const struct clock *clock, const struct random_source *rnd, struct cert **lsc,
	      struct err *e)
{
	struct signing s = {0};
	struct wr w;

	if (!text_is_device_name(device))
		return err_set(e, ERR_USAGE, "an LSC is issued to a device; this is no device's name");
	if (t->days < 1 || t->days > LSC_DAYS_MAX)
		return err_set(e, ERR_USAGE, "an LSC is valid for 1 to %d days", LSC_DAYS_MAX);
	int rc = lsc_issuer_check(issuer, clock_wall_s(clock), e);
	if (!rc)
		rc = choose_signing(issuer, t->digest, &s, e);
	if (rc)
		return rc;
	wr_init(&w, CERT_MAX_DER);
	rc = put_tbs(&w, issuer, device, spki, t, &s, clock, rnd, e);
	if (!rc)
		rc = sign_tbs(ks, name, &s, &w, e);
	if (!rc && w.failed)
		rc = err_set(e, w.failed, "the LSC does not fit");
	if (!rc)
		rc = cert_from_own_der(wr_view_all(&w), lsc, e);
	wr_clear(&w);
	return rc;
}
