#include "format/enc.h"

#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/text.h"
#include "format/format_internal.h"

#define PAD_OCTET 0x0d      /* carriage returns, not PKCS#7 (5.1) */
#define KEY_ALGORITHM 1
#define MODULUS_MAX 512     /* octets: RSA-4096 */

/* Elements 16 to 27, in the order of 1.8. */
static int encryption_elements(const struct enc_spec *spec, const struct enc_secret *s, uint16_t padding, struct view plain,
			       struct wr *w, struct err *e)
{
	uint8_t hash[DIGEST_MAX];

	int code = digest_one(spec->sgn.digest, plain, hash, e);
	if (code)
		return code;
	wr_u8(w, HEADER_ENCRYPTIONINFO);
	wr_open16(w);
	wr_u8(w, HEADER_IVINFO);
	wr_open16(w);
	put_u8(w, HEADER_ENC_UNKNOWN, 0);
	put_element(w, HEADER_IV, (struct view){s->iv, ENC_IV_LEN});
	put_u16(w, HEADER_PADDINGLENGTH, padding);
	wr_close(w);
	wr_u8(w, HEADER_KEYINFO);
	wr_open16(w);
	put_u8(w, HEADER_KEY_UNKNOWN, 0);
	put_u16(w, HEADER_KEYSIZE, (uint16_t)(8 * s->wrapped.len));
	put_u8(w, HEADER_KEYALGORITHM, KEY_ALGORITHM);
	put_element(w, HEADER_WRAPPEDKEY, s->wrapped);
	wr_close(w);
	wr_close(w);
	put_u8(w, HEADER_PLAINTEXT_HASHALGORITHM, (uint8_t)spec->sgn.digest);
	put_element(w, HEADER_PLAINTEXT_HASH, (struct view){hash, digest_len(spec->sgn.digest)});
	return w->failed ? err_set(e, w->failed, "the encryption elements do not fit") : 0;
}

static int cipher_failed(EVP_CIPHER_CTX *ctx, struct err *e)
{
	EVP_CIPHER_CTX_free(ctx);
	return err_openssl(e, ERR_CRYPTO, "AES-CBC");
}

/* AES-CBC of plain and so many octets of padding into out, which has their length together. */
static int encrypt_padded(const struct enc_secret *s, struct view plain, uint16_t padding, uint8_t *out, struct err *e)
{
	uint8_t tail[ENC_IV_LEN];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;

	memset(tail, PAD_OCTET, sizeof(tail));
	if (!ctx || EVP_EncryptInit_ex2(ctx, EVP_aes_128_cbc(), s->key, s->iv, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    (plain.len && EVP_EncryptUpdate(ctx, out, &n, plain.p, (int)plain.len) != 1) ||
	    EVP_EncryptUpdate(ctx, out + n, &last, tail, padding) != 1 || (size_t)(n + last) != plain.len + padding)
		return cipher_failed(ctx, e);
	EVP_CIPHER_CTX_free(ctx);
	return 0;
}

/* AES-CBC of in, whose length is a multiple of the block, into out of the same length. */
static int decrypt(const uint8_t *key, size_t key_len, const uint8_t *iv, struct view in, uint8_t *out, struct err *e)
{
	const EVP_CIPHER *cipher = key_len == 32 ? EVP_aes_256_cbc() : key_len == 24 ? EVP_aes_192_cbc() : EVP_aes_128_cbc();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	if (!ctx || EVP_DecryptInit_ex2(ctx, cipher, key, iv, NULL) != 1 || EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    EVP_DecryptUpdate(ctx, out, &n, in.p, (int)in.len) != 1 || (size_t)n != in.len)
		return cipher_failed(ctx, e);
	EVP_CIPHER_CTX_free(ctx);
	return 0;
}

static int check_device(const struct enc_spec *spec, struct view plain, struct err *e)
{
	if (cert_key_type(spec->device) != CERT_KEY_RSA)
		return err_set(e, ERR_USAGE,
			       "%s: an encrypted configuration needs a certificate with an RSA key, and this one has none: "
			       "EC keys cannot unwrap the file's key. Give the phone an RSA LSC (key order RSA Only)",
			       cert_cn(spec->device));
	if (!text_ends(spec->sgn.file_name, ".enc.sgn"))
		return err_set(e, ERR_USAGE, "%s: the name of an encrypted file ends in .enc.sgn", spec->sgn.file_name);
	if (plain.len > ENC_PLAIN_MAX)
		return err_set(e, ERR_USAGE, "the configuration has %zu octets, phones take %d", plain.len, ENC_PLAIN_MAX);
	return 0;
}

int enc_build_with(const struct enc_spec *spec, const struct list_signer *signer, const struct enc_secret *secret,
		   struct view plain, uint8_t **data, size_t *len, struct err *e)
{
	uint16_t padding = (uint16_t)(ENC_IV_LEN - plain.len % ENC_IV_LEN);
	size_t total = plain.len + padding;
	uint8_t *cipher = NULL;
	struct wr extra, w;

	int code = check_device(spec, plain, e);
	if (code)
		return code;
	wr_init(&extra, UINT16_MAX);
	wr_init(&w, UINT16_MAX + ENC_PLAIN_MAX + ENC_IV_LEN);
	cipher = malloc(total);
	if (!cipher) {
		code = err_set(e, ERR_NOMEM, "out of memory for %zu octets", total);
		goto out;
	}
	if ((code = encrypt_padded(secret, plain, padding, cipher, e)) ||
	    (code = encryption_elements(spec, secret, padding, plain, &extra, e)))
		goto out;
	const struct header_spec header = {
		.version = {2, 0},
		.layout = spec->sgn.layout,
		.signer = spec->sgn.signer,
		.names = spec->sgn.names,
		.digest = spec->sgn.digest,
		.timestamp = spec->sgn.timestamp,
		.file_name = spec->sgn.file_name,
		.extra = wr_view_all(&extra),
	};
	if ((code = header_build(&header, signer, (struct view){cipher, total}, &w, e)))
		goto out;
	wr_bytes(&w, cipher, total);
	code = wr_finish(&w, data, len, e);
out:
	wr_clear(&w);
	wr_clear(&extra);
	free(cipher);
	return code;
}

/* RSAES-PKCS1-v1_5 of the AES key under the device's public key. */
static int wrap(const struct cert *device, const uint8_t *key, uint8_t out[MODULUS_MAX], size_t *len, struct err *e)
{
	EVP_PKEY *pub = X509_get0_pubkey(cert_x509(device));
	EVP_PKEY_CTX *ctx = NULL;
	int code = 0;

	*len = MODULUS_MAX;
	if (!pub || (size_t)EVP_PKEY_get_size(pub) > MODULUS_MAX)
		return err_set(e, ERR_USAGE, "%s: the RSA key is larger than 4096 bits", cert_cn(device));
	ctx = EVP_PKEY_CTX_new(pub, NULL);
	if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_encrypt(ctx, out, len, key, ENC_KEY_LEN) != 1)
		code = err_openssl(e, ERR_CRYPTO, "the file's key cannot be encrypted for the device");
	EVP_PKEY_CTX_free(ctx);
	return code;
}

int enc_build(const struct enc_spec *spec, const struct list_signer *signer, const struct random_source *random,
	      struct view plain, uint8_t **data, size_t *len, struct err *e)
{
	uint8_t wrapped[MODULUS_MAX];
	struct enc_secret s = {0};
	size_t wrapped_len;

	int code = check_device(spec, plain, e);
	if (!code)
		code = random_fill(random, s.key, sizeof(s.key), e);
	if (!code)
		code = random_fill(random, s.iv, sizeof(s.iv), e);
	if (!code)
		code = wrap(spec->device, s.key, wrapped, &wrapped_len, e);
	if (!code) {
		s.wrapped = (struct view){wrapped, wrapped_len};
		code = enc_build_with(spec, signer, &s, plain, data, len, e);
	}
	secret_wipe(&s, sizeof(s));
	return code;
}

/*
 * The AES key, or 16 random octets when the block does not unwrap: the hash of what comes out then decides, and
 * nobody can tell a wrong padding from a wrong key (5.3).
 */
static int unwrap(EVP_PKEY *key, struct view wrapped, uint8_t out[MODULUS_MAX], size_t *len, struct err *e)
{
	EVP_PKEY_CTX *ctx = NULL;
	uint8_t fallback[ENC_KEY_LEN];
	bool ok;

	int code = random_fill(&random_system, fallback, sizeof(fallback), e);
	if (code)
		return code;
	*len = MODULUS_MAX;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	ok = ctx && EVP_PKEY_decrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	     EVP_PKEY_decrypt(ctx, out, len, wrapped.p, wrapped.len) == 1 && (*len == 16 || *len == 24 || *len == 32);
	EVP_PKEY_CTX_free(ctx);
	if (!ok) {
		err_openssl(NULL, ERR_CRYPTO, "unwrap"); /* empties OpenSSL's queue; the cause stays untold */
		memcpy(out, fallback, sizeof(fallback));
		*len = sizeof(fallback);
	}
	return 0;
}

static int check_header(const struct tlv_header *h, struct view payload, struct err *e)
{
	if (!h->iv.p || !h->wrapped_key.p || !h->plaintext_hash.p || !h->plaintext_digest || !h->has_padding_len)
		return err_rule(e, "missing-encryption", -1, "the header lacks elements of an encrypted file");
	if (h->iv.len != ENC_IV_LEN)
		return err_rule(e, "iv-size", -1, "the IV has %zu octets instead of %d", h->iv.len, ENC_IV_LEN);
	if (!payload.len || payload.len % ENC_IV_LEN)
		return err_rule(e, "ciphertext-size", h->header_len, "the ciphertext has %zu octets, not a multiple of %d",
				payload.len, ENC_IV_LEN);
	if (h->padding_len > payload.len)
		return err_rule(e, "padding-length", -1, "%u octets of padding in %zu octets of ciphertext",
				h->padding_len, payload.len);
	if (!digest_known(h->plaintext_digest) || h->plaintext_hash.len != digest_len(h->plaintext_digest))
		return err_rule(e, "missing-encryption", -1, "the hash of the plain text is of no known kind");
	return 0;
}

int enc_decrypt(struct view file, EVP_PKEY *device_key, uint8_t **plain, size_t *len, struct err *e)
{
	uint8_t key[MODULUS_MAX], hash[DIGEST_MAX];
	struct tlv_header h;
	size_t key_len;
	uint8_t *out;

	int code = tlv_header_read(file, &h, e);
	if (code)
		return code;
	struct view payload = sgn_payload(file, &h);
	code = check_header(&h, payload, e);
	if (code)
		return code;
	if (!EVP_PKEY_is_a(device_key, "RSA"))
		return err_set(e, ERR_USAGE, "an encrypted configuration is opened with an RSA key");
	size_t plain_len = payload.len - h.padding_len;
	out = malloc(payload.len + 1);
	if (!out)
		return err_set(e, ERR_NOMEM, "out of memory for %zu octets", payload.len);
	code = unwrap(device_key, h.wrapped_key, key, &key_len, e);
	if (!code)
		code = decrypt(key, key_len, h.iv.p, payload, out, e);
	if (!code)
		code = digest_one(h.plaintext_digest, (struct view){out, plain_len}, hash, e);
	if (!code && !secret_eq(hash, h.plaintext_hash.p, h.plaintext_hash.len))
		code = err_set(e, ERR_AUTH, "the file was encrypted for another certificate, or is damaged");
	secret_wipe(key, sizeof(key));
	if (code) {
		secret_free(out, payload.len + 1);
		return code;
	}
	out[plain_len] = '\0';
	*plain = out;
	*len = plain_len;
	return 0;
}
