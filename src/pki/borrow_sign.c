#include "pki/borrow_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "pki/ossl.h"

/* Signatures of borrowed keys: of a digest, of a message at once, of a message in parts. */
struct sign_ctx {
	struct borrowed *key;
	EVP_MD *md;          /* NULL: the octets are signed as they are */
	EVP_MD_CTX *stream;  /* while a message comes in parts */
	bool pss;
};

static void *sign_new(void *provctx, const char *propq)
{
	(void)provctx;
	(void)propq;
	return calloc(1, sizeof(struct sign_ctx));
}

static void sign_free(void *vctx)
{
	struct sign_ctx *c = vctx;

	if (!c)
		return;
	borrowed_unref(c->key);
	EVP_MD_free(c->md);
	EVP_MD_CTX_free(c->stream);
	free(c);
}

static void *sign_dup(void *vctx)
{
	const struct sign_ctx *from = vctx;
	struct sign_ctx *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pss = from->pss;
	if (from->key)
		c->key = borrowed_ref(from->key);
	if (from->md && EVP_MD_up_ref(from->md))
		c->md = from->md;
	if (from->stream) {
		c->stream = EVP_MD_CTX_new();
		if (!c->stream || !EVP_MD_CTX_copy_ex(c->stream, from->stream)) {
			sign_free(c);
			return NULL;
		}
	}
	return c;
}

static int refuse(void)
{
	ERR_raise(ERR_LIB_PROV, ERR_R_PASSED_INVALID_ARGUMENT);
	return 0;
}

/* --- parameters --- */

static int set_digest(struct sign_ctx *c, const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

	if (!md)
		return 0;
	EVP_MD_free(c->md);
	c->md = md;
	return 1;
}

static int set_padding(struct sign_ctx *c, const OSSL_PARAM *p)
{
	const char *word = "";
	int mode = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		OSSL_PARAM_get_utf8_string_ptr(p, &word);
		mode = strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
		     : strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0	 ? RSA_PKCS1_PSS_PADDING : 0;
	} else if (!OSSL_PARAM_get_int(p, &mode)) {
		return 0;
	}
	if (mode != RSA_PKCS1_PADDING && mode != RSA_PKCS1_PSS_PADDING)
		return refuse();
	c->pss = mode == RSA_PKCS1_PSS_PADDING;
	return 1;
}

/* The salt is always as long as the digest, as TLS 1.3 wants it. */
static int check_salt(const struct sign_ctx *c, const OSSL_PARAM *p)
{
	const char *word = "";
	int len = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		OSSL_PARAM_get_utf8_string_ptr(p, &word);
		return strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0 ? 1 : refuse();
	}
	if (!OSSL_PARAM_get_int(p, &len))
		return 0;
	if (len == RSA_PSS_SALTLEN_DIGEST || (c->md && len == EVP_MD_get_size(c->md)))
		return 1;
	return refuse();
}

static int check_mgf1(const struct sign_ctx *c, const OSSL_PARAM *p)
{
	const char *name;

	if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
		return 0;
	return c->md && EVP_MD_is_a(c->md, name) ? 1 : refuse();
}

static int sign_set_params(void *vctx, const OSSL_PARAM params[])
{
	struct sign_ctx *c = vctx;
	const OSSL_PARAM *p;
	const char *name;

	if (!params)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
	if (p && (!OSSL_PARAM_get_utf8_string_ptr(p, &name) || !set_digest(c, name)))
		return 0;
	if (!c->key || c->key->ec)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p && !set_padding(c, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	if (p && !check_salt(c, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
	return !p || check_mgf1(c, p);
}

static const OSSL_PARAM *sign_settable(void *vctx, void *provctx)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)vctx;
	(void)provctx;
	return settable;
}

/* The AlgorithmIdentifier of a certificate signed with this: RSA has NULL parameters, ECDSA none (RFC 4055, 5758). */
static int put_algorithm(const struct sign_ctx *c, OSSL_PARAM *p)
{
	int nid = NID_undef;
	uint8_t *der = NULL;

	if (!c->md || c->pss ||
	    !OBJ_find_sigid_by_algs(&nid, EVP_MD_get_type(c->md), c->key->ec ? EVP_PKEY_EC : EVP_PKEY_RSA))
		return refuse();
	X509_ALGOR *a = X509_ALGOR_new();
	if (!a || !X509_ALGOR_set0(a, OBJ_nid2obj(nid), c->key->ec ? V_ASN1_UNDEF : V_ASN1_NULL, NULL)) {
		X509_ALGOR_free(a);
		return 0;
	}
	int len = i2d_X509_ALGOR(a, &der);
	X509_ALGOR_free(a);
	int ok = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len);
	OPENSSL_free(der);
	return ok;
}

static int sign_get_params(void *vctx, OSSL_PARAM params[])
{
	const struct sign_ctx *c = vctx;
	OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);

	if (p && (!c->key || !put_algorithm(c, p)))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
	return !p || OSSL_PARAM_set_utf8_string(p, c->md ? EVP_MD_get0_name(c->md) : "");
}

static const OSSL_PARAM *sign_gettable(void *vctx, void *provctx)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)vctx;
	(void)provctx;
	return gettable;
}

/* --- operations --- */

static int sign_init(void *vctx, void *provkey, const OSSL_PARAM params[])
{
	struct sign_ctx *c = vctx;

	if (provkey) {
		borrowed_unref(c->key);
		c->key = borrowed_ref(provkey);
	}
	if (!c->key)
		return refuse();
	return sign_set_params(c, params);
}

static int run(struct sign_ctx *c, struct view input, bool message, uint8_t *sig, size_t *sig_len, size_t size)
{
	struct key_sign req = {.input = input, .message = message};
	uint8_t out[KEY_SIG_MAX];
	size_t len;

	if (!sig) {
		*sig_len = (size_t)EVP_PKEY_get_size(c->key->pub);
		return 1;
	}
	req.scheme = c->key->ec ? KEY_SCHEME_ECDSA : c->pss ? KEY_SCHEME_PSS : KEY_SCHEME_PKCS1;
	req.md_nid = c->md ? EVP_MD_get_type(c->md) : 0;
	if (!borrowed_run(c->key, &req, out, &len))
		return 0;
	if (len > size)
		return refuse();
	memcpy(sig, out, len);
	*sig_len = len;
	return 1;
}

static int sign_digest(void *vctx, unsigned char *sig, size_t *sig_len, size_t size, const unsigned char *tbs,
		       size_t tbs_len)
{
	return run(vctx, (struct view){tbs, tbs_len}, false, sig, sig_len, size);
}

static int message_init(void *vctx, const char *md_name, void *provkey, const OSSL_PARAM params[])
{
	struct sign_ctx *c = vctx;
	char def[32] = "";

	if (!sign_init(c, provkey, params))
		return 0;
	if ((!md_name || !*md_name) && !c->md) {
		if (EVP_PKEY_get_default_digest_name(c->key->pub, def, sizeof(def)) <= 0)
			return 0;
		md_name = def;
	}
	EVP_MD_CTX_free(c->stream);
	c->stream = NULL;
	return !md_name || !*md_name || set_digest(c, md_name);
}

static int message_update(void *vctx, const unsigned char *data, size_t len)
{
	struct sign_ctx *c = vctx;

	if (!c->stream) {
		c->stream = EVP_MD_CTX_new();
		if (!c->stream || !EVP_DigestInit_ex2(c->stream, c->md, NULL))
			return 0;
	}
	return EVP_DigestUpdate(c->stream, data, len);
}

static int message_final(void *vctx, unsigned char *sig, size_t *sig_len, size_t size)
{
	struct sign_ctx *c = vctx;
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (sig &&
	    ((!c->stream && !message_update(c, (const uint8_t *)"", 0)) || !EVP_DigestFinal_ex(c->stream, hash, &len)))
		return 0;
	return run(c, (struct view){hash, len}, false, sig, sig_len, size);
}

static int message_at_once(void *vctx, unsigned char *sig, size_t *sig_len, size_t size, const unsigned char *data,
			   size_t len)
{
	return run(vctx, (struct view){data, len}, true, sig, sig_len, size);
}

const OSSL_DISPATCH borrow_sign_functions[] = {
	BORROW_FN(OSSL_FUNC_SIGNATURE_NEWCTX, sign_new),
	BORROW_FN(OSSL_FUNC_SIGNATURE_FREECTX, sign_free),
	BORROW_FN(OSSL_FUNC_SIGNATURE_DUPCTX, sign_dup),
	BORROW_FN(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init),
	BORROW_FN(OSSL_FUNC_SIGNATURE_SIGN, sign_digest),
	BORROW_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, message_init),
	BORROW_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, message_update),
	BORROW_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, message_final),
	BORROW_FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, message_at_once),
	BORROW_FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, sign_set_params),
	BORROW_FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, sign_settable),
	BORROW_FN(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, sign_get_params),
	BORROW_FN(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, sign_gettable),
	BORROW_END,
};
