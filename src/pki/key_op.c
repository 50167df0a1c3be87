#include "pki/key_op.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "pki/ossl.h"

struct key_op {
	enum key_scheme scheme;
	int md_nid;
	EVP_MD *md;        /* NULL without a digest */
	EVP_PKEY_CTX *ctx;
};

static bool key_does(EVP_PKEY *key, enum key_scheme scheme)
{
	return EVP_PKEY_is_a(key, scheme == KEY_SCHEME_ECDSA ? "EC" : "RSA");
}

static bool set_up(struct key_op *op)
{
	EVP_PKEY_CTX *ctx = op->ctx;

	switch (op->scheme) {
	case KEY_SCHEME_RSA_DECRYPT:
		return EVP_PKEY_decrypt_init(ctx) > 0 &&
		       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING) > 0;
	case KEY_SCHEME_PKCS1:
		return EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0 &&
		       (!op->md || EVP_PKEY_CTX_set_signature_md(ctx, op->md) > 0);
	case KEY_SCHEME_PSS:
		return EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_signature_md(ctx, op->md) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	case KEY_SCHEME_ECDSA:
		return EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, op->md) > 0;
	}
	return false;
}

int key_op_new(EVP_PKEY *key, enum key_scheme scheme, int md_nid, struct key_op **op, struct err *e)
{
	if (!key_does(key, scheme))
		return err_set(e, ERR_USAGE, "the key is %s, the operation is for another kind",
			       EVP_PKEY_get0_type_name(key));
	if (!md_nid && (scheme == KEY_SCHEME_PSS || scheme == KEY_SCHEME_ECDSA))
		return err_set(e, ERR_USAGE, "a signature of this kind needs a digest");
	struct key_op *o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(e, ERR_NOMEM, "signature: out of memory");
	o->scheme = scheme;
	o->md_nid = md_nid;
	o->ctx = EVP_PKEY_CTX_new(key, NULL);
	if (md_nid && OBJ_nid2sn(md_nid))
		o->md = EVP_MD_fetch(NULL, OBJ_nid2sn(md_nid), NULL);
	if (!o->ctx || (md_nid && !o->md) || !set_up(o)) {
		int code = md_nid && !o->md ? ERR_USAGE : ERR_CRYPTO;
		key_op_free(o);
		return err_openssl(e, code, "the key cannot be used for this");
	}
	*op = o;
	return 0;
}

void key_op_free(struct key_op *op)
{
	if (!op)
		return;
	EVP_PKEY_CTX_free(op->ctx);
	EVP_MD_free(op->md);
	free(op);
}

bool key_op_is(const struct key_op *op, enum key_scheme scheme, int md_nid)
{
	return op->scheme == scheme && op->md_nid == md_nid;
}

static int decrypt(struct key_op *op, struct view input, uint8_t *out, size_t *len, struct err *e)
{
	struct rd r;
	uint16_t hello = 0;
	uint16_t negotiated = 0;

	rd_init(&r, input.p, input.len);
	if (!rd_u16(&r, &hello) || !rd_u16(&r, &negotiated))
		return err_set(e, ERR_USAGE, "TLS key exchange: the versions are missing");
	struct view secret = rd_rest(&r);
	unsigned client_version = hello;
	unsigned alt_version = negotiated;
	const OSSL_PARAM versions[] = {
		OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &client_version),
		OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, &alt_version),
		OSSL_PARAM_construct_end(),
	};
	size_t n = KEY_SIG_MAX;
	if (EVP_PKEY_CTX_set_params(op->ctx, versions) <= 0 ||
	    EVP_PKEY_decrypt(op->ctx, out, &n, secret.p, secret.len) <= 0 || n != KEY_PREMASTER_LEN)
		return err_openssl(e, ERR_CRYPTO, "TLS key exchange: decryption failed");
	*len = n;
	return 0;
}

int key_op_run(struct key_op *op, const struct key_sign *req, uint8_t *sig, size_t *len, struct err *e)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct view tbs = req->input;
	unsigned hash_len;
	size_t n = KEY_SIG_MAX;

	if (op->scheme == KEY_SCHEME_RSA_DECRYPT)
		return decrypt(op, tbs, sig, len, e);
	if (req->message && !op->md)
		return err_set(e, ERR_USAGE, "a message can only be signed with a digest");
	if (req->message) {
		if (!EVP_Digest(tbs.p, tbs.len, hash, &hash_len, op->md, NULL))
			return err_openssl(e, ERR_CRYPTO, "digest failed");
		tbs = (struct view){hash, hash_len};
	}
	if (op->md && tbs.len != (size_t)EVP_MD_get_size(op->md))
		return err_set(e, ERR_USAGE, "%zu octets are no digest of this kind", tbs.len);
	if (EVP_PKEY_sign(op->ctx, sig, &n, tbs.p, tbs.len) <= 0)
		return err_openssl(e, ERR_CRYPTO, "signature failed");
	*len = n;
	return 0;
}
