#pragma once

/* An authority for tests: a root and an intermediate below it, with EC keys, and certificates that they make of requests. */
#include <openssl/x509v3.h>

#include "cluster/csr.h"
#include "cluster/node_fixture.h"
#include "cluster/trust.h"

struct authority {
	EVP_PKEY *root_key, *sub_key;
	struct cert *root, *sub;
};

static inline void authority_add(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_true(X509_add_ext(x, ext, -1));
	X509_EXTENSION_free(ext);
}

/* subject and names of the request, or those of a plain common name when there is none; renamed: cn all the same. */
static inline struct cert *authority_sign_as(EVP_PKEY *key, const char *cn, bool renamed, const struct request *r,
					     const struct cert *issuer, EVP_PKEY *by, int64_t begin, int64_t end, bool ca)
{
	static int serial = 100;
	struct err e = ERR_INIT;
	X509 *x = X509_new();
	X509_NAME *name = X509_NAME_new();
	struct cert *c = NULL;

	if (cn)
		assert_true(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0));
	assert_true(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), serial++));
	assert_true(X509_set_subject_name(x, r && !renamed ? X509_REQ_get_subject_name(request_x509(r)) : name));
	assert_true(X509_set_issuer_name(x, issuer ? X509_get_subject_name(cert_x509(issuer)) : name));
	EVP_PKEY *pub = r ? X509_REQ_get0_pubkey((X509_REQ *)(uintptr_t)request_x509(r)) : key;
	assert_true(X509_set_pubkey(x, pub));
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)begin));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)end));
	authority_add(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
	X509_EXTENSIONS *asked = r ? X509_REQ_get_extensions((X509_REQ *)(uintptr_t)request_x509(r)) : NULL;
	int i = asked ? X509v3_get_ext_by_NID(asked, NID_subject_alt_name, -1) : -1;
	if (i >= 0)
		assert_true(X509_add_ext(x, X509v3_get_ext(asked, i), -1));
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	if (r && ca)
		authority_add(x, NID_key_usage, "digitalSignature,keyCertSign");
	assert_true(X509_sign(x, by, EVP_sha256()));
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_NAME_free(name);
	X509_free(x);
	return c;
}

static inline struct cert *authority_sign(EVP_PKEY *key, const char *cn, const struct request *r, const struct cert *issuer,
					  EVP_PKEY *by, int64_t begin, int64_t end, bool ca)
{
	return authority_sign_as(key, cn, false, r, issuer, by, begin, end, ca);
}

#define AUTHORITY_END (NODE_NOW + INT64_C(1000) * 86400)

static inline void authority_make(struct authority *a)
{
	a->root_key = EVP_EC_gen("P-256");
	a->sub_key = EVP_EC_gen("P-256");
	a->root = authority_sign(a->root_key, "Test Root", NULL, NULL, a->root_key, NODE_NOW - 100, AUTHORITY_END, true);
	a->sub = authority_sign(a->sub_key, "Test Issuing", NULL, a->root, a->root_key, NODE_NOW - 100, AUTHORITY_END, true);
}

static inline void authority_clear(struct authority *a)
{
	EVP_PKEY_free(a->root_key);
	EVP_PKEY_free(a->sub_key);
	cert_unref(a->root);
	cert_unref(a->sub);
}

/* authority_upload: both into a trust store. */
static inline void authority_upload(const struct authority *a, struct node *n, const char *store)
{
	const struct cert *const certs[] = { a->root, a->sub };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		struct trust_import in = { .file = cert_der(certs[i]) };
		assert_ok(cluster_import_trust(n->cluster, "test", store, &in, NULL, &e), &e);
	}
}

static inline struct request *node_csr(struct node *n, const char *unit)
{
	struct csr_wish wish = { 0 };
	struct csr_entry entry;
	struct request *r;
	struct err e = ERR_INIT;

	assert_ok(cluster_csr_gen(n->cluster, "test", unit, &wish, NULL, &e), &e);
	assert_ok(csr_find(n->cluster, unit, &entry, &e), &e);
	assert_ok(request_from_pem(view_str(entry.pem), &r, &e), &e);
	csr_entry_clear(&entry);
	return r;
}
