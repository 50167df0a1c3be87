#include "pki/chain.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <openssl/x509_vfy.h>

#include "base/cleanup.h"

OSSL_AUTO(auto_store, X509_STORE, X509_STORE_free)
OSSL_AUTO(auto_store_ctx, X509_STORE_CTX, X509_STORE_CTX_free)

static int no_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_NOMEM, "chain of certificates: out of memory");
}

static struct cert *find(struct cert *const *trusted, size_t n, const X509 *x)
{
	for (size_t i = 0; x && i < n; i++)
		if (X509_cmp(cert_x509(trusted[i]), x) == 0)
			return cert_ref(trusted[i]);
	return NULL;
}

static void name_of(const X509 *x, char *out, size_t size)
{
	struct cert *c = NULL;

	out[0] = '\0';
	if (x && cert_from_x509((X509 *)(uintptr_t)x, &c, NULL) == 0)
		snprintf(out, size, "%s", cert_subject(c));
	cert_unref(c);
}

/* The last certificate that a path was found to: its issuer is the one that is missing. */
static void missing_issuer(X509_STORE_CTX *ctx, const struct cert *cert, struct chain *chain)
{
	struct cert *last = NULL;
	X509 *x = X509_STORE_CTX_get_current_cert(ctx);

	if (!x || cert_from_x509(x, &last, NULL) != 0)
		snprintf(chain->missing, sizeof(chain->missing), "%s", cert_issuer(cert));
	else
		snprintf(chain->missing, sizeof(chain->missing), "%s", cert_issuer(last));
	cert_unref(last);
}

static bool is_about_issuer(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
	       error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

static void conclude(X509_STORE_CTX *ctx, const struct cert *cert, struct chain *chain)
{
	int error = X509_STORE_CTX_get_error(ctx);
	char whose[150];

	if (is_about_issuer(error)) {
		chain->state = CHAIN_NO_ISSUER;
		missing_issuer(ctx, cert, chain);
		return;
	}
	chain->state = CHAIN_BROKEN;
	name_of(X509_STORE_CTX_get_current_cert(ctx), whose, sizeof(whose));
	snprintf(chain->why, sizeof(chain->why), "%s%s%s", X509_verify_cert_error_string(error), whose[0] ? ": " : "", whose);
}

static int fill(X509_STORE *store, struct cert *const *trusted, size_t n, int64_t now, struct err *e)
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

	for (size_t i = 0; i < n; i++)
		if (!X509_STORE_add_cert(store, cert_x509(trusted[i])))
			return no_memory(e);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	return 0;
}

int chain_build(const struct cert *cert, struct cert *const *trusted, size_t n, int64_t now, struct chain *chain,
		struct err *e)
{
	AUTO(auto_store) X509_STORE *store = X509_STORE_new();
	AUTO(auto_store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int rc = store && ctx ? 0 : no_memory(e);

	*chain = (struct chain){.state = CHAIN_WHOLE};
	/* One that signed itself needs nobody. */
	if (cert_is_self_issued(cert))
		rc = rc ? rc : (X509_STORE_add_cert(store, cert_x509(cert)) ? 0 : no_memory(e));
	if (!rc)
		rc = fill(store, trusted, n, now, e);
	if (rc)
		return rc;
	if (!X509_STORE_CTX_init(ctx, store, cert_x509(cert), NULL))
		return no_memory(e);
	if (X509_verify_cert(ctx) != 1)
		conclude(ctx, cert, chain);
	STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
	chain->issuer = find(trusted, n, sk_X509_num(path) > 1 ? sk_X509_value(path, 1) : NULL);
	ERR_clear_error();
	return 0;
}

void chain_clear(struct chain *chain)
{
	cert_unref(chain->issuer);
	chain->issuer = NULL;
}
