#pragma once

#include "pki/cert.h"

/*
 * Recovery bundle: PKCS#12 to a passphrase that holds several private keys with their certificates, so that a site
 * that lost its node gets its signing keys back. AES-256-CBC, PBKDF2, HMAC-SHA-256; OpenSSL's command line reads it.
 */
#define BUNDLE_MAX_ENTRIES 64
#define BUNDLE_MAX_DER (1024 * 1024)
#define BUNDLE_MIN_PASSPHRASE 8 /* octets */

struct bundle_entry {
	const char *name;        /* friendlyName: the key's name */
	struct view pkcs8;       /* PKCS#8 DER */
	const struct cert *cert;
};

/*
 * bundle_write: all entries to one file.
 * Out:    *der, *len: heap buffer; everything private in it is encrypted.
 * Errors: ERR_USAGE no entries, a key that is not its certificate's, passphrase too short; ERR_CRYPTO.
 */
int bundle_write(const struct bundle_entry *entries, size_t n, const char *passphrase, uint8_t **der, size_t *len,
		 struct err *e) MUST_CHECK;

/*
 * bundle_read: call cb for each key in the file, with the certificate of its public key. Files of other programs are
 * read too; a key without friendlyName has the name "".
 * In:     cb gets views that end with the call; when it returns non-zero, reading stops and that is returned.
 * Errors: ERR_AUTH wrong passphrase (or altered file: the two cannot be told apart); ERR_PROTO not a bundle, or a key
 *         without its certificate; ERR_LIMIT; ERR_USAGE a kind of key that a keystore does not take.
 */
typedef int bundle_cb(void *ctx, const struct bundle_entry *entry);
int bundle_read(struct view der, const char *passphrase, bundle_cb *cb, void *ctx, struct err *e) MUST_CHECK;
