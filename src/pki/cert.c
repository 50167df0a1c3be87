#include "pki/cert.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "pki/der.h"
#include "pki/name_internal.h"

#define MAX_PEM (1024 * 1024) /* octets of the largest file that is searched for a certificate */

struct cert {
	atomic_uint refs;
	X509 *_Atomic x509; /* NULL: not decoded yet, see cert_x509 */
	uint8_t *der;
	size_t der_len;
	struct view serial, issuer_der, validity, subject_der, spki, public_key, signature;
	enum cert_key_type key_type;
	int64_t not_before, not_after;
	uint8_t sha256[DIGEST_MAX];
	char *subject, *issuer, *cn;
};

/* 1.2.840.113549.1.1.1 and 1.2.840.10045.2.1 */
static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};

static int malformed(struct err *e, const char *what)
{
	return err_rule(e, "certificate-der", -1, "certificate: %s", what);
}

/* SubjectPublicKeyInfo: what kind of key, and the octets that trust lists carry for it. */
static bool take_key_apart(struct cert *c)
{
	struct rd r;
	struct rd spki = {0};
	struct rd algorithm = {0};
	struct view oid = {0};
	struct view key = {0};
	uint8_t form;

	rd_init(&r, c->spki.p, c->spki.len);
	der_open(&r, DER_SEQUENCE, &spki);
	der_open(&spki, DER_SEQUENCE, &algorithm);
	der_view(&algorithm, DER_OID, &oid);
	der_bit_string(&spki, &key);
	if (algorithm.failed || !rd_done(&spki))
		return false;
	rd_init(&r, key.p, key.len);
	c->key_type = CERT_KEY_OTHER;
	if (view_eq(oid, (struct view){oid_rsa, sizeof(oid_rsa)}))
		c->key_type = CERT_KEY_RSA;
	else if (view_eq(oid, (struct view){oid_ec, sizeof(oid_ec)}) && rd_peek_u8(&r, &form) && form == 0x04)
		c->key_type = CERT_KEY_EC;
	if (c->key_type != CERT_KEY_OTHER)
		c->public_key = key;
	return true;
}

/* RFC 5280 4.1: the fields that records quote octet for octet. */
static bool take_apart(struct cert *c)
{
	struct rd r;
	struct rd outer = {0};
	struct rd tbs = {0};
	uint8_t first;

	rd_init(&r, c->der, c->der_len);
	der_open(&r, DER_SEQUENCE, &outer);
	der_open(&outer, DER_SEQUENCE, &tbs);
	der_skip(&outer, DER_SEQUENCE);
	der_bit_string(&outer, &c->signature);
	if (rd_peek_u8(&tbs, &first) && first == DER_CONTEXT_0)
		der_skip(&tbs, DER_CONTEXT_0);
	der_view(&tbs, DER_INTEGER, &c->serial);
	der_skip(&tbs, DER_SEQUENCE);
	der_whole(&tbs, DER_SEQUENCE, &c->issuer_der);
	der_view(&tbs, DER_SEQUENCE, &c->validity);
	der_whole(&tbs, DER_SEQUENCE, &c->subject_der);
	der_whole(&tbs, DER_SEQUENCE, &c->spki);
	if (!rd_done(&r) || !rd_done(&outer) || tbs.failed || !c->serial.len)
		return false;
	c->serial = serial_strip(c->serial);
	return take_key_apart(c);
}

static bool read_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return false;
	*out = timegm(&tm);
	return true;
}

/* Its two times, without OpenSSL decoding the rest of it. */
static bool read_validity(struct cert *c)
{
	const uint8_t *p = c->validity.p, *end = p + c->validity.len;
	int64_t *const times[] = {&c->not_before, &c->not_after};
	bool good = true;

	for (size_t i = 0; i < 2 && good; i++) {
		ASN1_TIME *t = d2i_ASN1_TIME(NULL, &p, (long)(end - p));
		good = t && read_time(t, times[i]);
		ASN1_TIME_free(t);
	}
	ERR_clear_error();
	return good && p == end;
}

static int keep_names(struct cert *c, const char *subject, const char *issuer, struct err *e)
{
	char cn[NAME_MAX_LEN] = "";

	if (!name_get(view_str(subject), "CN", cn, sizeof(cn)))
		cn[0] = '\0';
	c->subject = strdup(subject);
	c->issuer = strdup(issuer);
	c->cn = strdup(cn);
	if (!c->subject || !c->issuer || !c->cn)
		return err_set(e, ERR_NOMEM, "certificate: out of memory");
	return 0;
}

static int read_names(struct cert *c, const X509 *x, struct err *e)
{
	char subject[NAME_MAX_LEN];
	char issuer[NAME_MAX_LEN];
	int r = name_from_x509(X509_get_subject_name(x), NAME_FORM_A, subject, sizeof(subject), e);

	if (!r)
		r = name_from_x509(X509_get_issuer_name(x), NAME_FORM_A, issuer, sizeof(issuer), e);
	if (r) {
		err_prefix(e, "certificate");
		return r;
	}
	return keep_names(c, subject, issuer, e);
}

static int read_names_der(struct cert *c, struct err *e)
{
	char subject[NAME_MAX_LEN];
	char issuer[NAME_MAX_LEN];
	int r = name_from_der(c->subject_der, NAME_FORM_A, subject, sizeof(subject), e);

	if (!r)
		r = name_from_der(c->issuer_der, NAME_FORM_A, issuer, sizeof(issuer), e);
	return r ? r : keep_names(c, subject, issuer, e);
}

static int fill(struct cert *c, struct err *e)
{
	const uint8_t *p = c->der;
	X509 *x = d2i_X509(NULL, &p, (long)c->der_len);

	atomic_init(&c->x509, x);
	if (!x) {
		ERR_clear_error();
		return malformed(e, "not an X.509 certificate");
	}
	if (p != c->der + c->der_len)
		return malformed(e, "octets behind its end");
	if (!take_apart(c))
		return malformed(e, "not encoded in DER");
	if (!read_time(X509_get0_notBefore(x), &c->not_before) || !read_time(X509_get0_notAfter(x), &c->not_after))
		return malformed(e, "its validity is no time");
	int r = digest_one(DIGEST_SHA256, cert_der(c), c->sha256, e);
	return r ? r : read_names(c, x, e);
}

/* One that was decoded when it was taken in: what lists and listings want of it needs no OpenSSL. */
static int fill_known(struct cert *c, const uint8_t sha256[32], struct err *e)
{
	int r = digest_one(DIGEST_SHA256, cert_der(c), c->sha256, e);

	if (r)
		return r;
	if (memcmp(c->sha256, sha256, 32) != 0)
		return malformed(e, "it is not the one that its digest names: damaged, or changed by another program");
	if (!take_apart(c))
		return malformed(e, "not encoded in DER");
	if (!read_validity(c))
		return malformed(e, "its validity is no time");
	return read_names_der(c, e);
}

/* sha256: of a known one, NULL of a stranger's. */
static int from_der(struct view der, const uint8_t *sha256, struct cert **c, struct err *e)
{
	if (der.len > CERT_MAX_DER)
		return err_set(e, ERR_LIMIT, "certificate: larger than %d octets", CERT_MAX_DER);
	struct cert *n = calloc(1, sizeof(*n));
	if (!n || !(n->der = malloc(der.len + 1))) {
		free(n);
		return err_set(e, ERR_NOMEM, "certificate: out of memory");
	}
	atomic_init(&n->refs, 1);
	if (der.len)
		memcpy(n->der, der.p, der.len);
	n->der_len = der.len;
	int r = sha256 ? fill_known(n, sha256, e) : fill(n, e);
	if (r) {
		cert_unref(n);
		return r;
	}
	*c = n;
	return 0;
}

int cert_from_der(struct view der, struct cert **c, struct err *e)
{
	return from_der(der, NULL, c, e);
}

int cert_from_x509(X509 *x, struct cert **c, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);

	if (len < 0)
		return err_openssl(e, ERR_CRYPTO, "certificate cannot be encoded");
	int r = cert_from_der((struct view){der, (size_t)len}, c, e);
	OPENSSL_free(der);
	return r;
}

/* PEM_read_bio hands over every block; private keys that stand in the same file are wiped on the way. */
static int next_pem_certificate(BIO *bio, const uint8_t *sha256, struct cert **c, bool *found, struct err *e)
{
	char *label = NULL;
	char *header = NULL;
	uint8_t *data = NULL;
	long len = 0;
	int r = 0;

	*found = false;
	if (!PEM_read_bio_ex(bio, &label, &header, &data, &len, PEM_FLAG_SECURE)) {
		ERR_clear_error();
		return err_rule(e, "certificate-pem", -1,
				"no certificate in PEM (-----BEGIN CERTIFICATE-----) or DER form");
	}
	if (strcmp(label, PEM_STRING_X509) == 0 || strcmp(label, PEM_STRING_X509_OLD) == 0) {
		*found = true;
		r = from_der((struct view){data, (size_t)len}, sha256, c, e);
	}
	OPENSSL_secure_free(label);
	OPENSSL_secure_free(header);
	OPENSSL_secure_clear_free(data, (size_t)len);
	return r;
}

/* A SEQUENCE of more than 127 octets, as every certificate is; a text may well begin with the digit 0. */
static bool looks_like_der(struct view data)
{
	struct rd r;
	uint8_t tag;
	uint8_t len;

	rd_init(&r, data.p, data.len);
	return rd_u8(&r, &tag) && tag == DER_SEQUENCE && rd_u8(&r, &len) && len & 0x80;
}

static int from_pem(struct view pem, const uint8_t *sha256, struct cert **c, struct err *e)
{
	AUTO(auto_bio) BIO *bio = NULL;
	bool found = false;
	int code = 0;

	if (pem.len > MAX_PEM)
		return err_set(e, ERR_LIMIT, "certificate: file larger than %d octets", MAX_PEM);
	bio = BIO_new_mem_buf(pem.len ? (const void *)pem.p : "", (int)pem.len);
	if (!bio)
		return err_openssl(e, ERR_NOMEM, "certificate");
	while (!code && !found)
		code = next_pem_certificate(bio, sha256, c, &found, e);
	return code;
}

int cert_from_pem(struct view pem, struct cert **c, struct err *e)
{
	return looks_like_der(pem) ? cert_from_der(pem, c, e) : from_pem(pem, NULL, c, e);
}

int cert_from_known_pem(struct view pem, const uint8_t sha256[32], struct cert **c, struct err *e)
{
	return from_pem(pem, sha256, c, e);
}

int cert_from_own_der(struct view der, struct cert **c, struct err *e)
{
	uint8_t sha256[DIGEST_MAX];
	int r = digest_one(DIGEST_SHA256, der, sha256, e);

	return r ? r : from_der(der, sha256, c, e);
}

int cert_load(int dir_fd, const char *path, struct cert **c, struct err *e)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len;
	int r = file_read(dir_fd, path, MAX_PEM, &data, &len, e);

	if (r)
		return r;
	r = cert_from_pem((struct view){data, len}, c, e);
	if (r)
		err_prefix(e, "%s", path);
	return r;
}

struct cert *cert_ref(struct cert *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void cert_unref(struct cert *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	X509_free(atomic_load(&c->x509));
	free(c->der);
	free(c->subject);
	free(c->issuer);
	free(c->cn);
	free(c);
}

/* Threads may do this at the same time: one of them wins, and all get the same. */
X509 *cert_x509(const struct cert *c)
{
	X509 *_Atomic *place = &((struct cert *)(uintptr_t)c)->x509;
	X509 *there = atomic_load(place);
	const uint8_t *p = c->der;

	if (there)
		return there;
	X509 *made = d2i_X509(NULL, &p, (long)c->der_len);
	if (!made) {
		/* Not what it was when it was taken in: with an empty one nothing verifies, and nothing is lost. */
		ERR_clear_error();
		made = X509_new();
	}
	if (atomic_compare_exchange_strong(place, &there, made))
		return made;
	X509_free(made);
	return there;
}

struct view cert_der(const struct cert *c)
{
	return (struct view){c->der, c->der_len};
}

struct view cert_serial(const struct cert *c)
{
	return c->serial;
}

struct view cert_subject_der(const struct cert *c)
{
	return c->subject_der;
}

struct view cert_issuer_der(const struct cert *c)
{
	return c->issuer_der;
}

const char *cert_subject(const struct cert *c)
{
	return c->subject;
}

const char *cert_issuer(const struct cert *c)
{
	return c->issuer;
}

const char *cert_cn(const struct cert *c)
{
	return c->cn;
}

struct view cert_public_key(const struct cert *c)
{
	return c->public_key;
}

struct view cert_spki(const struct cert *c)
{
	return c->spki;
}

struct view cert_signature(const struct cert *c)
{
	return c->signature;
}

enum cert_key_type cert_key_type(const struct cert *c)
{
	return c->key_type;
}

unsigned cert_key_bits(const struct cert *c)
{
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(c));

	if (!key)
		ERR_clear_error(); /* a key of a kind that OpenSSL does not know: listed, never used */
	return key ? (unsigned)EVP_PKEY_get_bits(key) : 0;
}

int64_t cert_not_before(const struct cert *c)
{
	return c->not_before;
}

int64_t cert_not_after(const struct cert *c)
{
	return c->not_after;
}

const uint8_t *cert_sha256(const struct cert *c)
{
	return c->sha256;
}

bool cert_same(const struct cert *a, const struct cert *b)
{
	return view_eq(cert_der(a), cert_der(b));
}

bool cert_is_self_issued(const struct cert *c)
{
	return view_eq(c->subject_der, c->issuer_der);
}

int cert_to_pem(const struct cert *c, char **pem, struct err *e)
{
	AUTO(auto_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	if (!bio || !PEM_write_bio(bio, PEM_STRING_X509, "", c->der, (long)c->der_len))
		return err_openssl(e, ERR_CRYPTO, "certificate cannot be written as PEM");
	long len = BIO_get_mem_data(bio, &text);
	char *copy = strndup(text, (size_t)len);
	if (!copy)
		return err_set(e, ERR_NOMEM, "certificate: out of memory");
	*pem = copy;
	return 0;
}
