#include "pki/borrow_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>

#include "base/cleanup.h"
#include "pki/ossl.h"

/*
 * OpenSSL 3 as of Debian 12 can leave a private key elsewhere in two ways: an RSA_METHOD, which cannot carry TLS RSA
 * key exchange (its padding exists only in providers), and a provider. This is the smallest provider that does: a key
 * that answers all questions about its public half by a key of OpenSSL's own provider, and hands private operations to
 * the keystore. It lives in a library context of its own, so that nothing else in the process can come upon it by
 * fetching "RSA"; OpenSSL uses it for the keys made here because they refuse to be exported with their private half.
 */
#define PROVIDER "ringfence"
#define PARAM_ORIGIN "ringfence-origin" /* octet pointer to struct origin: only key_borrow sends it */

struct origin {
	struct keystore *ks;
	const char *name;
};

struct borrowed *borrowed_ref(struct borrowed *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

void borrowed_unref(struct borrowed *b)
{
	if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	EVP_PKEY_free(b->pub);
	free(b);
}

int borrowed_run(struct borrowed *b, const struct key_sign *req, uint8_t *sig, size_t *len)
{
	struct err e = ERR_INIT;

	if (!b->ks) {
		ERR_raise(ERR_LIB_PROV, ERR_R_PASSED_INVALID_ARGUMENT);
		return 0;
	}
	if (b->ks->ops->sign(b->ks, b->name, req, sig, len, &e)) {
		ERR_raise_data(ERR_LIB_PROV, ERR_R_OPERATION_FAIL, "%s", e.text);
		return 0;
	}
	return 1;
}

/* --- key management --- */

static struct borrowed *new_key(bool ec)
{
	struct borrowed *b = calloc(1, sizeof(*b));

	if (b) {
		atomic_init(&b->refs, 1);
		b->ec = ec;
	}
	return b;
}

static void *rsa_new(void *provctx)
{
	(void)provctx;
	return new_key(false);
}

static void *ec_new(void *provctx)
{
	(void)provctx;
	return new_key(true);
}

static void key_free(void *keydata)
{
	borrowed_unref(keydata);
}

static int key_has(const void *keydata, int selection)
{
	const struct borrowed *b = keydata;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return b->ks != NULL;
	return b->pub != NULL;
}

static int key_match(const void *keydata1, const void *keydata2, int selection)
{
	const struct borrowed *a = keydata1;
	const struct borrowed *b = keydata2;

	if (!a->pub || !b->pub)
		return 0;
	if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR)
		return EVP_PKEY_eq(a->pub, b->pub) == 1;
	return EVP_PKEY_parameters_eq(a->pub, b->pub) == 1;
}

static int take_origin(struct borrowed *b, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_ORIGIN);
	const void *ptr;
	size_t len;

	if (!p)
		return 1;
	if (!OSSL_PARAM_get_octet_ptr(p, &ptr, &len) || len != sizeof(struct origin))
		return 0;
	const struct origin *origin = ptr;
	b->ks = origin->ks;
	memcpy(b->name, origin->name, strlen(origin->name) + 1);
	return 1;
}

static int key_import(void *keydata, int selection, const OSSL_PARAM params[])
{
	struct borrowed *b = keydata;
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, b->ec ? "EC" : "RSA", NULL);

	(void)selection;
	return ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
	       EVP_PKEY_fromdata(ctx, &b->pub, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)(uintptr_t)params) > 0 &&
	       take_origin(b, params);
}

/* Without the private half only: so OpenSSL, which asks for everything, keeps the operations of this key here. */
static int key_export(void *keydata, int selection, OSSL_CALLBACK *cb, void *cbarg)
{
	const struct borrowed *b = keydata;
	OSSL_PARAM *params = NULL;

	if (!b->pub || (b->ks && selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) ||
	    EVP_PKEY_todata(b->pub, EVP_PKEY_PUBLIC_KEY, &params) <= 0)
		return 0;
	int ok = cb(params, cbarg);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *rsa_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static const OSSL_PARAM *ec_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int key_get_params(void *keydata, OSSL_PARAM params[])
{
	const struct borrowed *b = keydata;

	return b->pub && EVP_PKEY_get_params(b->pub, params);
}

static const OSSL_PARAM *key_gettable(void *provctx)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provctx;
	return gettable;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define KEY_FUNCTIONS                                                                                                  \
	BORROW_FN(OSSL_FUNC_KEYMGMT_FREE, key_free), BORROW_FN(OSSL_FUNC_KEYMGMT_HAS, key_has),                        \
	BORROW_FN(OSSL_FUNC_KEYMGMT_MATCH, key_match), BORROW_FN(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                \
	BORROW_FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export), BORROW_FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),      \
	BORROW_FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_functions[] = {
	BORROW_FN(OSSL_FUNC_KEYMGMT_NEW, rsa_new),
	BORROW_FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, rsa_types),
	BORROW_FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, rsa_types),
	KEY_FUNCTIONS,
	BORROW_END,
};

static const OSSL_DISPATCH ec_functions[] = {
	BORROW_FN(OSSL_FUNC_KEYMGMT_NEW, ec_new),
	BORROW_FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, ec_types),
	BORROW_FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, ec_types),
	BORROW_FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	KEY_FUNCTIONS,
	BORROW_END,
};

/* --- the provider --- */

#define PROPERTIES "provider=" PROVIDER

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
		{"RSA:rsaEncryption", PROPERTIES, rsa_functions, NULL},
		{"EC:id-ecPublicKey", PROPERTIES, ec_functions, NULL},
		{NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM signatures[] = {
		{"RSA:rsaEncryption", PROPERTIES, borrow_sign_functions, NULL},
		{"ECDSA", PROPERTIES, borrow_sign_functions, NULL},
		{NULL, NULL, NULL, NULL},
	};
	static const OSSL_ALGORITHM ciphers[] = {
		{"RSA:rsaEncryption", PROPERTIES, borrow_decrypt_functions, NULL},
		{NULL, NULL, NULL, NULL},
	};

	(void)provctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT: return keys;
	case OSSL_OP_SIGNATURE: return signatures;
	case OSSL_OP_ASYM_CIPHER: return ciphers;
	default: return NULL;
	}
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **out,
			 void **provctx)
{
	static const OSSL_DISPATCH functions[] = {
		BORROW_FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		BORROW_END,
	};

	(void)core;
	*out = functions;
	*provctx = (void *)(uintptr_t)handle;
	return 1;
}

static pthread_once_t context_once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *context; /* NULL: could not be made */

static void make_context(void)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

	if (ctx && OSSL_PROVIDER_add_builtin(ctx, PROVIDER, provider_init) && OSSL_PROVIDER_load(ctx, PROVIDER))
		context = ctx;
	else
		OSSL_LIB_CTX_free(ctx);
}

int key_borrow(struct keystore *ks, const char *name, EVP_PKEY *pub, EVP_PKEY **key, struct err *e)
{
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
	struct origin origin = {.ks = ks, .name = name};
	void *ptr = &origin;
	OSSL_PARAM extra[] = {
		OSSL_PARAM_construct_octet_ptr(PARAM_ORIGIN, &ptr, sizeof(origin)),
		OSSL_PARAM_construct_end(),
	};
	OSSL_PARAM *params = NULL;
	EVP_PKEY *k = NULL;

	if (!key_name_ok(name))
		return err_set(e, ERR_USAGE, "not a key's name");
	pthread_once(&context_once, make_context);
	const char *type = EVP_PKEY_is_a(pub, "EC") ? "EC" : "RSA";
	if (!EVP_PKEY_is_a(pub, type))
		return err_set(e, ERR_USAGE, "%s: only RSA and elliptic curve keys can be borrowed", name);
	ctx = context ? EVP_PKEY_CTX_new_from_name(context, type, PROPERTIES) : NULL;
	if (!ctx || EVP_PKEY_todata(pub, EVP_PKEY_PUBLIC_KEY, &params) <= 0)
		return err_openssl(e, ERR_CRYPTO, "key cannot be borrowed");
	OSSL_PARAM *all = OSSL_PARAM_merge(params, extra);
	bool ok = all && EVP_PKEY_fromdata_init(ctx) > 0 && EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_KEYPAIR, all) > 0;
	OSSL_PARAM_free(all);
	OSSL_PARAM_free(params);
	if (!ok)
		return err_openssl(e, ERR_CRYPTO, "key cannot be borrowed");
	*key = k;
	return 0;
}
