#pragma once

#include <openssl/evp.h>

#include "base/random.h"
#include "pki/digest.h"

/*
 * Where private keys live: behind this table of functions, never in the store, never in a log. Back ends: files, a
 * hardware token (pki/keystore_pkcs11.h), both, the keeper process (server/keeper.h). A key is named by
 * <unit>.<first 16 hex digits of SHA-256 over its SubjectPublicKeyInfo>, so that a certificate finds its key by itself
 * and a unit can have its old and its next key side by side.
 */
#define KEY_NAME_MAX 64
#define KEY_SIG_MAX 512 /* octets of the largest signature: RSA-4096 */

enum key_type { KEY_RSA, KEY_EC };

struct key_spec {
	enum key_type type;
	unsigned bits; /* RSA 512, 1024, 2048, 3072, 4096; EC 256, 384, 521 */
};

enum key_scheme {
	KEY_SCHEME_PKCS1, /* RSA PKCS#1 v1.5; md 0 means: pad the octets as they are (block type 1) */
	KEY_SCHEME_PSS,   /* RSA-PSS, MGF1 and salt length as the digest (TLS 1.3) */
	KEY_SCHEME_ECDSA, /* DER ECDSA-Sig-Value */
	/*
	 * TLS RSA key exchange. The input is the version of the ClientHello (u16), the negotiated version (u16) and the
	 * encrypted premaster secret; out come 48 octets, random ones when padding or version are wrong (RFC 5246
	 * 7.4.7.1). The bare RSA operation is never given away: it would sign whatever one likes.
	 */
	KEY_SCHEME_RSA_DECRYPT,
};

#define KEY_PREMASTER_LEN 48

struct key_sign {
	enum key_scheme scheme;
	int md_nid;            /* NID_sha1, NID_sha256 ...: the digest that was made, 0 for none */
	struct view input;     /* the digest, or with `message` set the octets that are yet to be hashed */
	/* TLS handshakes send the whole message, so that the keeper can see that it is one: a worker that could have any
	 * digest signed could forge a trust list (design: processes). */
	bool message;
};

struct keystore;

/* A file keystore may be called by several threads at once; what others promise, their headers say. */
struct keystore_ops {
	/* New key; *name gets its name, *pub its public half (the caller frees). It is durable on return. */
	int (*generate)(struct keystore *ks, const char *unit, struct key_spec spec, char name[KEY_NAME_MAX],
			EVP_PKEY **pub, struct err *e);
	/* Public half. ERR_AUTH when there is no such key. */
	int (*public_key)(struct keystore *ks, const char *name, EVP_PKEY **pub, struct err *e);
	/* sig has room for KEY_SIG_MAX octets. ERR_AUTH no such key; ERR_USAGE not with this kind of key. */
	int (*sign)(struct keystore *ks, const char *name, const struct key_sign *req, uint8_t *sig, size_t *len,
		    struct err *e);
	/* Take in a private key that came from elsewhere (recovery, adoption): PKCS#8 DER. It may be there already. */
	int (*import)(struct keystore *ks, const char *unit, struct view pkcs8, char name[KEY_NAME_MAX], struct err *e);
	/* PKCS#8 DER of a key, in secret memory (secret_free with its len). ERR_USAGE when the back end never gives
	 * keys out. */
	int (*export)(struct keystore *ks, const char *name, uint8_t **pkcs8, size_t *len, struct err *e);
	int (*remove)(struct keystore *ks, const char *name, struct err *e);
	/* Calls cb for each key name, sorted, until it returns non-zero, which is then returned. */
	int (*list)(struct keystore *ks, int (*cb)(void *ctx, const char *name), void *ctx, struct err *e);
	void (*free)(struct keystore *ks);
};

struct keystore {
	const struct keystore_ops *ops;
};

void keystore_free(struct keystore *ks); /* accepts NULL */

/*
 * key_name: the name that the key with this SubjectPublicKeyInfo has for unit.
 * Errors: ERR_USAGE unit is not of A-Z a-z -, or too long.
 */
int key_name(const char *unit, struct view spki, char name[KEY_NAME_MAX], struct err *e) MUST_CHECK;
int key_name_of(const char *unit, EVP_PKEY *key, char name[KEY_NAME_MAX], struct err *e) MUST_CHECK;
bool key_name_ok(const char *name); /* unit of A-Z a-z -, a dot, 16 lower-case hex digits */

/*
 * keystore_file_open: a folder of <name>.key files, PKCS#8 PEM, 0600 in a folder 0700. A key is durable before it is
 * named, and no file is ever overwritten.
 * Errors: ERR_IO no such folder; ERR_AUTH (here and when a key is used) others may read it: the text says what to do.
 */
int keystore_file_open(const char *dir, struct keystore **ks, struct err *e) MUST_CHECK;

/*
 * keystore_memory_new: keys that are gone with the process: for trying out what keys would make, before anything is
 * written. Errors: ERR_NOMEM.
 */
int keystore_memory_new(struct keystore **ks, struct err *e) MUST_CHECK;

/*
 * keystore_split_take: files and a token as one. New keys of the named units are made on the token, all others in files; a
 * key is used where it is, so that a unit moves with its next key. What is imported goes to files. While the token is not
 * there, keys in files work, and its own are not listed.
 * In:     takes files and token, also on failure. units: "CallManager, CAPF". Several threads, when both parts allow them.
 */
int keystore_split_take(struct keystore *files, struct keystore *token, const char *units, struct keystore **ks,
			struct err *e) MUST_CHECK;
bool keystore_split_has_unit(const char *units, const char *unit, size_t len);

/*
 * key_borrow: an EVP_PKEY whose private operations go to ks. It signs certificates and carries TLS handshakes without
 * the key being in this process: a small OpenSSL provider of our own (RSA and EC; PKCS#1 v1.5, PSS, ECDSA, RSA
 * decryption of TLS key exchange). What is signed as a whole message goes to ks as a message.
 * In:  pub the public half; ks must outlive *key. Out: *key, the caller's to free.
 */
int key_borrow(struct keystore *ks, const char *name, EVP_PKEY *pub, EVP_PKEY **key, struct err *e) MUST_CHECK;
