#include "pki/borrow_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "base/secret.h"
#include "pki/ossl.h"

/* TLS RSA key exchange with a borrowed key; no other decryption is on offer. */
struct decrypt_ctx {
	struct borrowed *key;
	bool tls_padding;
	unsigned client_version, negotiated_version;
};

static int refuse(void)
{
	ERR_raise(ERR_LIB_PROV, ERR_R_PASSED_INVALID_ARGUMENT);
	return 0;
}

static void *decrypt_new(void *provctx)
{
	(void)provctx;
	return calloc(1, sizeof(struct decrypt_ctx));
}

static void decrypt_free(void *vctx)
{
	struct decrypt_ctx *c = vctx;

	if (!c)
		return;
	borrowed_unref(c->key);
	free(c);
}

static void *decrypt_dup(void *vctx)
{
	const struct decrypt_ctx *from = vctx;
	struct decrypt_ctx *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = *from;
	if (c->key)
		borrowed_ref(c->key);
	return c;
}

static int set_padding(struct decrypt_ctx *c, const OSSL_PARAM *p)
{
	int mode = 0;

	c->tls_padding = p->data_type != OSSL_PARAM_UTF8_STRING && OSSL_PARAM_get_int(p, &mode) &&
			 mode == RSA_PKCS1_WITH_TLS_PADDING;
	return c->tls_padding ? 1 : refuse();
}

static int decrypt_set_params(void *vctx, const OSSL_PARAM params[])
{
	struct decrypt_ctx *c = vctx;
	const OSSL_PARAM *p;

	if (!params)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_ASYM_CIPHER_PARAM_PAD_MODE);
	if (p && !set_padding(c, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION);
	if (p && !OSSL_PARAM_get_uint(p, &c->client_version))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION);
	return !p || OSSL_PARAM_get_uint(p, &c->negotiated_version);
}

static const OSSL_PARAM *decrypt_settable(void *vctx, void *provctx)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_int(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, NULL),
		OSSL_PARAM_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, NULL),
		OSSL_PARAM_uint(OSSL_ASYM_CIPHER_PARAM_TLS_NEGOTIATED_VERSION, NULL),
		OSSL_PARAM_END,
	};

	(void)vctx;
	(void)provctx;
	return settable;
}

static int decrypt_init(void *vctx, void *provkey, const OSSL_PARAM params[])
{
	struct decrypt_ctx *c = vctx;

	if (!provkey)
		return refuse();
	borrowed_unref(c->key);
	c->key = borrowed_ref(provkey);
	return decrypt_set_params(c, params);
}

static int ask(struct decrypt_ctx *c, struct view secret, uint8_t out[KEY_SIG_MAX], size_t *len)
{
	struct wr w;
	int ok = 0;

	wr_init(&w, 4 + KEY_SIG_MAX);
	wr_u16(&w, (uint16_t)c->client_version);
	wr_u16(&w, (uint16_t)c->negotiated_version);
	if (wr_view(&w, secret)) {
		struct key_sign req = {.scheme = KEY_SCHEME_RSA_DECRYPT, .input = wr_view_all(&w)};
		ok = borrowed_run(c->key, &req, out, len);
	}
	wr_clear(&w);
	return ok;
}

static int decrypt(void *vctx, unsigned char *out, size_t *out_len, size_t size, const unsigned char *in, size_t in_len)
{
	struct decrypt_ctx *c = vctx;
	uint8_t premaster[KEY_SIG_MAX];
	size_t len = 0;

	if (!c->tls_padding)
		return refuse();
	if (!out) {
		*out_len = KEY_PREMASTER_LEN;
		return 1;
	}
	int ok = ask(c, (struct view){in, in_len}, premaster, &len);
	if (ok && (len != KEY_PREMASTER_LEN || len > size))
		ok = refuse();
	if (ok) {
		memcpy(out, premaster, len);
		*out_len = len;
	}
	secret_wipe(premaster, sizeof(premaster));
	return ok;
}

const OSSL_DISPATCH borrow_decrypt_functions[] = {
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_NEWCTX, decrypt_new),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_FREECTX, decrypt_free),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_DUPCTX, decrypt_dup),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_DECRYPT_INIT, decrypt_init),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_DECRYPT, decrypt),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_SET_CTX_PARAMS, decrypt_set_params),
	BORROW_FN(OSSL_FUNC_ASYM_CIPHER_SETTABLE_CTX_PARAMS, decrypt_settable),
	BORROW_END,
};
