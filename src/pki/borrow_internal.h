#pragma once

#include <stdatomic.h>

#include <openssl/core.h>
#include <openssl/evp.h>

#include "pki/keystore.h"

/*
 * The provider behind key_borrow, for its own files: borrow.c has the keys (key management), borrow_sign.c the
 * signatures, borrow_decrypt.c TLS RSA key exchange.
 */
struct borrowed {
	atomic_uint refs;
	struct keystore *ks;       /* NULL: only a public key, made to be compared with */
	char name[KEY_NAME_MAX];
	EVP_PKEY *pub;             /* of OpenSSL's own provider: answers every question about the public half */
	bool ec;
};

struct borrowed *borrowed_ref(struct borrowed *b);
void borrowed_unref(struct borrowed *b); /* accepts NULL */

/* borrowed_run: ask the keystore. Out: 1 and *len, or 0 with the reason in OpenSSL's queue. sig: KEY_SIG_MAX octets. */
int borrowed_run(struct borrowed *b, const struct key_sign *req, uint8_t *sig, size_t *len);

extern const OSSL_DISPATCH borrow_sign_functions[];
extern const OSSL_DISPATCH borrow_decrypt_functions[];

/* A function of any type as a dispatch table wants it. */
#define BORROW_FN(id, fn) {(id), (void (*)(void))(fn)}
#define BORROW_END {0, NULL}
