#pragma once

#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"

/* err_openssl: record the oldest entry of OpenSSL's error queue under code and drain the queue. */
int err_openssl_at(struct err *e, int code, const char *file, int line, const char *what);
#define err_openssl(e, code, what) err_openssl_at((e), (code), __FILE__, __LINE__, (what))

/* What TLS servers here take of TLS 1.2: forward secrecy only; CBC for phones that have no GCM. */
#define SERVED_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"

/* For AUTO(): OpenSSL's own release functions behind the address of a local. */
#define OSSL_AUTO(name, type, release)                                                                                 \
	static inline void name(type **p)                                                                              \
	{                                                                                                              \
		release(*p);                                                                                           \
	}

OSSL_AUTO(auto_bio, BIO, BIO_free_all)
OSSL_AUTO(auto_bn, BIGNUM, BN_free)
OSSL_AUTO(auto_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
OSSL_AUTO(auto_pkey, EVP_PKEY, EVP_PKEY_free)
OSSL_AUTO(auto_pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OSSL_AUTO(auto_x509, X509, X509_free)
OSSL_AUTO(auto_x509_name, X509_NAME, X509_NAME_free)
