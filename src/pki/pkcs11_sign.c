#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/ossl.h"
#include "pki/pkcs11_internal.h"

#define DIGEST_INFO_MAX 128 /* octets around and of the longest digest */

static const struct hash {
	int nid;
	size_t len;
	ck_mechanism_type_t mechanism;
	unsigned long mgf;
	uint8_t prefix[19]; /* of the DigestInfo, RFC 8017 9.2 note 1 */
	size_t prefix_len;
} hashes[] = {
	{NID_sha1, 20, CKM_SHA_1, CKG_MGF1_SHA1,
	 {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}, 15},
	{NID_sha256, 32, CKM_SHA256, CKG_MGF1_SHA256,
	 {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	 19},
	{NID_sha384, 48, CKM_SHA384, CKG_MGF1_SHA384,
	 {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	 19},
	{NID_sha512, 64, CKM_SHA512, CKG_MGF1_SHA512,
	 {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
	 19},
	{NID_md5_sha1, 36, 0, 0, {0}, 0}, /* TLS 1.0 and 1.1 sign it without a DigestInfo, RFC 4346 7.4.3 */
};

static const struct hash *find_hash(int nid)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].nid == nid)
			return &hashes[i];
	return NULL;
}

static int run(struct pkcs11_session *s, struct pkcs11_object key, struct ck_mechanism *m, struct view in, uint8_t *out,
	       size_t *len, struct err *e)
{
	unsigned long n = KEY_SIG_MAX;
	ck_rv_t rv = s->f->C_SignInit(s->h, m, key.handle);

	if (rv == CKR_OK)
		rv = s->f->C_Sign(s->h, (unsigned char *)(uintptr_t)in.p, in.len, out, &n);
	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "signing", e);
	*len = n;
	return 0;
}

static int sign_pkcs1(struct pkcs11_session *s, struct pkcs11_object key, const struct hash *h, struct view in, uint8_t *sig,
		      size_t *len, struct err *e)
{
	struct ck_mechanism m = {.mechanism = CKM_RSA_PKCS};
	uint8_t info[DIGEST_INFO_MAX];

	if (!h)
		return run(s, key, &m, in, sig, len, e);
	memcpy(info, h->prefix, h->prefix_len);
	memcpy(info + h->prefix_len, in.p, h->len);
	return run(s, key, &m, (struct view){info, h->prefix_len + h->len}, sig, len, e);
}

static int sign_pss(struct pkcs11_session *s, struct pkcs11_object key, const struct hash *h, struct view in, uint8_t *sig,
		    size_t *len, struct err *e)
{
	struct ck_rsa_pkcs_pss_params params = {.hash_alg = h->mechanism, .mgf = h->mgf, .s_len = h->len};
	struct ck_mechanism m = {.mechanism = CKM_RSA_PKCS_PSS, .parameter = &params, .parameter_len = sizeof(params)};

	return run(s, key, &m, in, sig, len, e);
}

/* The token gives r and s, one behind the other; everybody else wants them as a sequence of two numbers. */
static int sign_ecdsa(struct pkcs11_session *s, struct pkcs11_object key, struct view in, uint8_t *sig, size_t *len,
		      struct err *e)
{
	struct ck_mechanism m = {.mechanism = CKM_ECDSA};
	uint8_t raw[KEY_SIG_MAX], *out = sig;
	size_t n = 0;
	int rc = run(s, key, &m, in, raw, &n, e);

	if (rc)
		return rc;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, (int)n / 2, NULL), *t = BN_bin2bn(raw + n / 2, (int)n / 2, NULL);
	if (!pair || !r || !t || n % 2 || !ECDSA_SIG_set0(pair, r, t)) {
		BN_free(r);
		BN_free(t);
		ECDSA_SIG_free(pair);
		return err_openssl(e, ERR_CRYPTO, "token: an ECDSA signature that makes no sense");
	}
	int der = i2d_ECDSA_SIG(pair, NULL);
	if (der > 0 && der <= KEY_SIG_MAX)
		*len = (size_t)i2d_ECDSA_SIG(pair, &out);
	else
		rc = err_set(e, ERR_CRYPTO, "token: an ECDSA signature that makes no sense");
	ECDSA_SIG_free(pair);
	return rc;
}

/*
 * TLS key exchange. Whatever is wrong with the padding, the length or the version, the answer is 48 octets that nobody
 * knows, taken without a branch (RFC 5246 7.4.7.1). How long the token itself takes over a wrong padding is the token's.
 */
static int decrypt(struct pkcs11_session *s, struct pkcs11_object key, struct view in, uint8_t *out, size_t *len,
		   struct err *e)
{
	struct ck_mechanism m = {.mechanism = CKM_RSA_PKCS};
	uint8_t got[KEY_SIG_MAX] = {0}, fallback[KEY_PREMASTER_LEN];
	unsigned long n = sizeof(got);
	uint16_t hello = 0, negotiated = 0;
	struct rd r;

	rd_init(&r, in.p, in.len);
	if (!rd_u16(&r, &hello) || !rd_u16(&r, &negotiated))
		return err_set(e, ERR_USAGE, "TLS key exchange: the versions are missing");
	struct view secret = rd_rest(&r);
	if (RAND_bytes(fallback, sizeof(fallback)) != 1)
		return err_openssl(e, ERR_CRYPTO, "token: no random octets");
	ck_rv_t rv = s->f->C_DecryptInit(s->h, &m, key.handle);
	if (rv != CKR_OK)
		return pkcs11_fail(s, rv, "TLS key exchange", e);
	rv = s->f->C_Decrypt(s->h, (unsigned char *)(uintptr_t)secret.p, secret.len, got, &n);
	if (rv == CKR_DEVICE_REMOVED || rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_TOKEN_NOT_PRESENT ||
	    rv == CKR_USER_NOT_LOGGED_IN || rv == CKR_SESSION_CLOSED)
		return pkcs11_fail(s, rv, "TLS key exchange", e);
	/* Some clients put the negotiated version there: OpenSSL takes that too. */
	uint16_t version = (uint16_t)(got[0] << 8 | got[1]);
	unsigned wrong = (unsigned)(rv ^ CKR_OK) | (unsigned)(n ^ KEY_PREMASTER_LEN) |
			 ((unsigned)(version ^ hello) & (0U - (unsigned)!!(version ^ negotiated)));
	uint8_t mask = (uint8_t)(0U - (unsigned)!!wrong);
	for (size_t i = 0; i < KEY_PREMASTER_LEN; i++)
		out[i] = (uint8_t)((got[i] & ~mask) | (fallback[i] & mask));
	*len = KEY_PREMASTER_LEN;
	secret_wipe(got, sizeof(got));
	secret_wipe(fallback, sizeof(fallback));
	return 0;
}

/* The digest: given, or made of the message. */
static int digest_of(const struct key_sign *req, uint8_t hash[EVP_MAX_MD_SIZE], struct view *in, struct err *e)
{
	const EVP_MD *md = req->message ? EVP_get_digestbynid(req->md_nid) : NULL;
	unsigned len = 0;

	*in = req->input;
	if (!req->message)
		return 0;
	if (!md)
		return err_set(e, ERR_USAGE, "a message can only be signed with a digest");
	if (!EVP_Digest(req->input.p, req->input.len, hash, &len, md, NULL))
		return err_openssl(e, ERR_CRYPTO, "digest failed");
	*in = (struct view){hash, len};
	return 0;
}

int pkcs11_sign(struct pkcs11_session *s, struct pkcs11_object key, const struct key_sign *req, uint8_t *sig, size_t *len,
		struct err *e)
{
	const struct hash *h = find_hash(req->md_nid);
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct view in;

	if (req->scheme == KEY_SCHEME_RSA_DECRYPT)
		return decrypt(s, key, req->input, sig, len, e);
	if (req->md_nid && !h)
		return err_set(e, ERR_USAGE, "this digest is not one that is signed with");
	int rc = digest_of(req, hash, &in, e);
	if (rc)
		return rc;
	if (h && in.len != h->len)
		return err_set(e, ERR_USAGE, "%zu octets are no digest of this kind", in.len);
	if (req->scheme == KEY_SCHEME_PKCS1)
		return sign_pkcs1(s, key, h, in, sig, len, e);
	if (!h || !h->mechanism)
		return err_set(e, ERR_USAGE, "a signature of this kind needs a digest");
	return req->scheme == KEY_SCHEME_PSS ? sign_pss(s, key, h, in, sig, len, e) : sign_ecdsa(s, key, in, sig, len, e);
}
