#include "proto/capf_proof.h"

#include <openssl/rsa.h>
#include <string.h>

#include "pki/der.h"
#include "pki/rsa.h"

#define PROOF_SIG_MAX 1024 /* octets of the largest signature: RSA-4096 is 512 */

/* The least public exponent of a key whose proof counts: below it, signatures can be made without the key (C-2). */
static int check_exponent(struct view pkcs1, struct err *e)
{
	struct rd r, key;
	struct view modulus, exponent;

	rd_init(&r, pkcs1.p, pkcs1.len);
	if (!der_open(&r, DER_SEQUENCE, &key) || !der_unsigned(&key, &modulus) || !der_unsigned(&key, &exponent) ||
	    !rd_done(&key) || !rd_done(&r))
		return err_set(e, ERR_AUTH, "the certificate's RSA key cannot be read");
	if (exponent.len < 3) /* 65537 is the smallest number of three octets that is in use; 65536 is even */
		return err_set(e, ERR_AUTH, "the certificate's RSA exponent is below 65537: its signatures prove nothing");
	return 0;
}

static int verify_rsa(const struct cert *c, enum digest d, const uint8_t *hash, struct view sig, struct err *e)
{
	struct rsa_pub *key = NULL;

	int code = check_exponent(cert_public_key(c), e);
	if (code)
		return code;
	code = rsa_pub_new(cert_public_key(c), &key, e);
	if (code)
		return code;
	code = rsa_verify(key, RSA_PAD_BARE, d, hash, sig, e);
	rsa_pub_free(key);
	return code;
}

static int verify_ec(const struct cert *c, enum digest d, const uint8_t *hash, struct view sig, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(c));
	EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
	int code = ERR_CRYPTO;

	if (ctx && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_verify(ctx, sig.p, sig.len, hash, digest_len(d)) == 1)
		code = 0;
	EVP_PKEY_CTX_free(ctx);
	if (code)
		err_openssl(e, ERR_CRYPTO, "the ECDSA proof does not hold");
	return code;
}

static int verify(const struct cert *c, enum digest d, const struct view *parts, size_t n, struct view sig, struct err *e)
{
	uint8_t hash[DIGEST_MAX];

	int code = digest_views(d, parts, n, hash, e);
	if (code)
		return code;
	switch (cert_key_type(c)) {
	case CERT_KEY_RSA: return verify_rsa(c, d, hash, sig, e);
	case CERT_KEY_EC: return verify_ec(c, d, hash, sig, e);
	default: return err_set(e, ERR_AUTH, "a proof needs an RSA or EC key");
	}
}

/* hash code | u16 length | signature */
static bool tagged(struct rd *r, uint8_t code, struct view *sig)
{
	uint8_t got;

	return rd_u8(r, &got) && got == code && rd_view16(r, sig) && sig->len > 0;
}

int capf_proof_verify(struct view device, const struct cert *c, struct view signed_data, struct view sha2_signed_data,
		      struct err *e)
{
	static const uint8_t nul = 0;
	const struct view parts[] = {device, {&nul, 1}, cert_der(c)};
	struct view sha2;
	struct rd r;

	if (!signed_data.len)
		return err_rule(e, "signed-data", -1, "the certificate comes without SIGNED_DATA");
	rd_init(&r, sha2_signed_data.p, sha2_signed_data.len);
	if (!sha2_signed_data.len || !tagged(&r, DIGEST_SHA512, &sha2) || !rd_done(&r))
		return err_rule(e, "sha2-signed-data", -1, "SHA2_SIGNED_DATA is missing or misshapen");
	int code = verify(c, DIGEST_SHA1, parts, 3, signed_data, e);
	return code ? code : verify(c, DIGEST_SHA512, parts, 3, sha2, e);
}

/* The session id as Cisco's server hashes it: in its host order, which is little-endian. */
static void session_octets(uint32_t session, uint8_t out[4])
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(session >> (8 * i));
}

int capf_sudi_verify(uint32_t session, struct view sudi_data, struct cert **out, struct err *e)
{
	struct view der, sha1, sha512;
	struct cert *c = NULL;
	uint8_t id[4];
	struct rd r;

	rd_init(&r, sudi_data.p, sudi_data.len);
	if (!tagged(&r, 0, &der) || !tagged(&r, DIGEST_SHA1, &sha1) || !tagged(&r, DIGEST_SHA512, &sha512) || !rd_done(&r))
		return err_rule(e, "sudi-data", -1, "SUDI_DATA is misshapen");
	int code = cert_from_der(der, &c, e);
	if (code)
		return code;
	session_octets(session, id);
	const struct view parts[] = {{id, sizeof(id)}, cert_der(c)};
	if (cert_key_type(c) != CERT_KEY_RSA)
		code = err_set(e, ERR_AUTH, "a SUDI certificate has an RSA key");
	if (!code)
		code = verify(c, DIGEST_SHA1, parts, 2, sha1, e);
	if (!code)
		code = verify(c, DIGEST_SHA512, parts, 2, sha512, e);
	if (!code) {
		*out = c;
		c = NULL;
	}
	cert_unref(c);
	return code;
}

bool capf_cert_is_device(const struct cert *c, struct view device)
{
	const char *cn = cert_cn(c);
	size_t n = strlen(cn);

	if (!device.len || n < device.len || memcmp(cn + n - device.len, device.p, device.len) != 0)
		return false;
	/* the whole name, or CP-<model>- in front of it */
	return n == device.len || (strncmp(cn, "CP-", 3) == 0 && cn[n - device.len - 1] == '-');
}

/* EVP_PKEY_sign without a digest set: RSA pads the bare octets, which is what CAPF wants (7.6). */
static int sign(EVP_PKEY *key, enum digest d, const struct view *parts, size_t n, uint8_t sig[PROOF_SIG_MAX], size_t *len,
		struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	EVP_PKEY_CTX *ctx = NULL;

	int code = digest_views(d, parts, n, hash, e);
	if (code)
		return code;
	*len = PROOF_SIG_MAX;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx || EVP_PKEY_sign_init(ctx) != 1 ||
	    (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1) ||
	    EVP_PKEY_sign(ctx, sig, len, hash, digest_len(d)) != 1)
		code = err_openssl(e, ERR_CRYPTO, "the proof cannot be signed");
	EVP_PKEY_CTX_free(ctx);
	return code;
}

static void put_tagged(struct wr *w, uint8_t code, struct view v)
{
	wr_u8(w, code);
	wr_open16(w);
	wr_view(w, v);
	wr_close(w);
}

int capf_proof_make(struct view device, const struct cert *c, EVP_PKEY *key, struct wr *out, struct wr *sha2, struct err *e)
{
	static const uint8_t nul = 0;
	const struct view parts[] = {device, {&nul, 1}, cert_der(c)};
	uint8_t sig[PROOF_SIG_MAX];
	size_t len;

	if (cert_key_type(c) == CERT_KEY_OTHER)
		return err_set(e, ERR_USAGE, "a proof needs an RSA or EC key");
	int code = sign(key, DIGEST_SHA1, parts, 3, sig, &len, e);
	if (code)
		return code;
	wr_bytes(out, sig, len);
	code = sign(key, DIGEST_SHA512, parts, 3, sig, &len, e);
	if (code)
		return code;
	put_tagged(sha2, DIGEST_SHA512, (struct view){sig, len});
	return 0;
}

int capf_sudi_make(uint32_t session, const struct cert *c, EVP_PKEY *key, struct wr *out, struct err *e)
{
	uint8_t sha1[PROOF_SIG_MAX], sha512[PROOF_SIG_MAX], id[4];
	size_t sha1_len, sha512_len;

	if (cert_key_type(c) != CERT_KEY_RSA)
		return err_set(e, ERR_USAGE, "a SUDI certificate has an RSA key");
	session_octets(session, id);
	const struct view parts[] = {{id, sizeof(id)}, cert_der(c)};
	int code = sign(key, DIGEST_SHA1, parts, 2, sha1, &sha1_len, e);
	if (!code)
		code = sign(key, DIGEST_SHA512, parts, 2, sha512, &sha512_len, e);
	if (code)
		return code;
	put_tagged(out, 0, cert_der(c));
	put_tagged(out, DIGEST_SHA1, (struct view){sha1, sha1_len});
	put_tagged(out, DIGEST_SHA512, (struct view){sha512, sha512_len});
	return 0;
}
