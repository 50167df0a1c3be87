#include "pki/bundle.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/key_pem.h"
#include "pki/ossl.h"

/* PBKDF2 with HMAC-SHA-256 as of today's advice: a guess at the passphrase costs a third of a second. */
#define ITERATIONS 600000
#define MAX_ITERATIONS 20000000 /* of a file that is read */

typedef STACK_OF(PKCS12_SAFEBAG) bag_stack;
typedef STACK_OF(PKCS7) safe_stack;

static void bags_free(bag_stack *bags)
{
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

static void safes_free(safe_stack *safes)
{
	sk_PKCS7_pop_free(safes, PKCS7_free);
}

OSSL_AUTO(auto_bags, bag_stack, bags_free)
OSSL_AUTO(auto_safes, safe_stack, safes_free)
OSSL_AUTO(auto_p12, PKCS12, PKCS12_free)

static int failed(struct err *e)
{
	return err_openssl(e, ERR_CRYPTO, "recovery bundle");
}

static bool is_key_of(EVP_PKEY *key, const struct cert *c)
{
	uint8_t *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);
	bool same = len > 0 && view_eq((struct view){spki, (size_t)len}, cert_spki(c));

	OPENSSL_free(spki);
	return same;
}

/* --- writing --- */

static bool label(PKCS12_SAFEBAG *bag, const struct bundle_entry *entry)
{
	uint8_t id[32];

	memcpy(id, cert_sha256(entry->cert), sizeof(id));
	return bag && PKCS12_add_friendlyname_utf8(bag, entry->name, -1) && PKCS12_add_localkeyid(bag, id, sizeof(id));
}

static int add_entry(bag_stack **keys, bag_stack **certs, const struct bundle_entry *entry, const char *passphrase,
		     struct err *e)
{
	AUTO(auto_pkey) EVP_PKEY *key = NULL;
	int r = key_from_pkcs8(entry->pkcs8, &key, e);

	if (r)
		return r;
	if (!is_key_of(key, entry->cert))
		return err_set(e, ERR_USAGE, "%s: the key is not the one of its certificate", entry->name);
	if (!label(PKCS12_add_key(keys, key, 0, ITERATIONS, NID_aes_256_cbc, passphrase), entry) ||
	    !label(PKCS12_add_cert(certs, cert_x509(entry->cert)), entry))
		return failed(e);
	return 0;
}

static int encode(safe_stack *safes, const char *passphrase, uint8_t **der, size_t *len, struct err *e)
{
	AUTO(auto_p12) PKCS12 *p12 = PKCS12_add_safes(safes, 0);
	uint8_t *encoded = NULL;

	if (!p12 || !PKCS12_set_mac(p12, passphrase, -1, NULL, 0, ITERATIONS, EVP_sha256()))
		return failed(e);
	int n = i2d_PKCS12(p12, &encoded);
	if (n < 0)
		return failed(e);
	uint8_t *copy = malloc((size_t)n);
	if (copy)
		memcpy(copy, encoded, (size_t)n);
	OPENSSL_free(encoded);
	if (!copy)
		return err_set(e, ERR_NOMEM, "recovery bundle: out of memory");
	*der = copy;
	*len = (size_t)n;
	return 0;
}

int bundle_write(const struct bundle_entry *entries, size_t n, const char *passphrase, uint8_t **der, size_t *len,
		 struct err *e)
{
	AUTO(auto_bags) bag_stack *keys = NULL;
	AUTO(auto_bags) bag_stack *certs = NULL;
	AUTO(auto_safes) safe_stack *safes = NULL;

	if (n == 0 || n > BUNDLE_MAX_ENTRIES)
		return err_set(e, ERR_USAGE, "recovery bundle: 1 to %d keys", BUNDLE_MAX_ENTRIES);
	if (strlen(passphrase) < BUNDLE_MIN_PASSPHRASE)
		return err_set(e, ERR_USAGE, "recovery bundle: the passphrase needs %d characters at least",
			       BUNDLE_MIN_PASSPHRASE);
	for (size_t i = 0; i < n; i++) {
		int r = add_entry(&keys, &certs, &entries[i], passphrase, e);
		if (r)
			return r;
	}
	/* The keys are encrypted one by one, the certificates together. */
	if (!PKCS12_add_safe(&safes, certs, NID_aes_256_cbc, ITERATIONS, passphrase) ||
	    !PKCS12_add_safe(&safes, keys, -1, 0, NULL))
		return failed(e);
	return encode(safes, passphrase, der, len, e);
}

/* --- reading --- */

struct contents {
	const char *passphrase;
	struct { EVP_PKEY *key; char *name; } keys[BUNDLE_MAX_ENTRIES];
	struct cert *certs[BUNDLE_MAX_ENTRIES];
	size_t n_keys, n_certs;
};

static void contents_clear(struct contents *c)
{
	for (size_t i = 0; i < c->n_keys; i++) {
		EVP_PKEY_free(c->keys[i].key);
		OPENSSL_free(c->keys[i].name);
	}
	for (size_t i = 0; i < c->n_certs; i++)
		cert_unref(c->certs[i]);
}

static int too_many(struct err *e)
{
	return err_set(e, ERR_LIMIT, "recovery bundle: more than %d keys or certificates", BUNDLE_MAX_ENTRIES);
}

static int take_key(struct contents *c, const PKCS12_SAFEBAG *bag, const PKCS8_PRIV_KEY_INFO *info, struct err *e)
{
	EVP_PKEY *key = info ? EVP_PKCS82PKEY(info) : NULL;

	if (!key) {
		ERR_clear_error();
		return err_rule(e, "bundle-key", -1, "recovery bundle: a private key cannot be read");
	}
	if (c->n_keys == BUNDLE_MAX_ENTRIES) {
		EVP_PKEY_free(key);
		return too_many(e);
	}
	c->keys[c->n_keys].key = key;
	c->keys[c->n_keys].name = PKCS12_get_friendlyname((PKCS12_SAFEBAG *)(uintptr_t)bag);
	c->n_keys++;
	return 0;
}

static int take_cert(struct contents *c, const PKCS12_SAFEBAG *bag, struct err *e)
{
	AUTO(auto_x509) X509 *x = PKCS12_SAFEBAG_get1_cert(bag);

	if (!x) {
		ERR_clear_error();
		return err_rule(e, "bundle-certificate", -1, "recovery bundle: a certificate cannot be read");
	}
	if (c->n_certs == BUNDLE_MAX_ENTRIES)
		return too_many(e);
	int r = cert_from_x509(x, &c->certs[c->n_certs], e);
	if (!r)
		c->n_certs++;
	return r;
}

static int take_bag(struct contents *c, const PKCS12_SAFEBAG *bag, struct err *e)
{
	PKCS8_PRIV_KEY_INFO *info;
	int r;

	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		return take_key(c, bag, PKCS12_SAFEBAG_get0_p8inf(bag), e);
	case NID_pkcs8ShroudedKeyBag:
		info = PKCS12_decrypt_skey(bag, c->passphrase, -1);
		r = take_key(c, bag, info, e);
		PKCS8_PRIV_KEY_INFO_free(info);
		return r;
	case NID_certBag:
		return PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate ? take_cert(c, bag, e) : 0;
	default:
		return 0; /* whatever else others keep in such a file */
	}
}

static int take_safe(struct contents *c, PKCS7 *safe, struct err *e)
{
	AUTO(auto_bags) bag_stack *bags = NULL;
	int r = 0;

	if (PKCS7_type_is_data(safe))
		bags = PKCS12_unpack_p7data(safe);
	else if (PKCS7_type_is_encrypted(safe))
		bags = PKCS12_unpack_p7encdata(safe, c->passphrase, -1);
	if (!bags) {
		ERR_clear_error();
		return err_rule(e, "bundle", -1, "recovery bundle: a part of it cannot be read");
	}
	for (int i = 0; !r && i < sk_PKCS12_SAFEBAG_num(bags); i++)
		r = take_bag(c, sk_PKCS12_SAFEBAG_value(bags, i), e);
	return r;
}

static PKCS12 *decode(struct view der, struct err *e)
{
	const uint8_t *p = der.p;
	PKCS12 *p12 = der.len <= BUNDLE_MAX_DER ? d2i_PKCS12(NULL, &p, (long)der.len) : NULL;

	if (p12 && p == der.p + der.len && PKCS12_mac_present(p12))
		return p12;
	PKCS12_free(p12);
	ERR_clear_error();
	err_rule(e, "bundle", -1, "recovery bundle: not a PKCS#12 file with a passphrase");
	return NULL;
}

/* The MAC covers everything, so nothing that is decrypted later has been written without the passphrase. */
static int check_mac(PKCS12 *p12, const char *passphrase, struct err *e)
{
	const ASN1_INTEGER *iterations = NULL;

	PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
	if (iterations && (ASN1_INTEGER_get(iterations) < 1 || ASN1_INTEGER_get(iterations) > MAX_ITERATIONS))
		return err_set(e, ERR_LIMIT, "recovery bundle: asks for more than %d rounds of key derivation",
			       MAX_ITERATIONS);
	if (PKCS12_verify_mac(p12, passphrase, -1))
		return 0;
	ERR_clear_error();
	return err_set(e, ERR_AUTH, "recovery bundle: wrong passphrase, or the file was altered");
}

static int hand_over(const struct contents *c, size_t i, bundle_cb *cb, void *ctx, struct err *e)
{
	struct bundle_entry entry = {.name = c->keys[i].name ? c->keys[i].name : ""};
	uint8_t *pkcs8 = NULL;
	size_t len = 0;

	for (size_t j = 0; j < c->n_certs && !entry.cert; j++) {
		if (is_key_of(c->keys[i].key, c->certs[j]))
			entry.cert = c->certs[j];
	}
	if (!entry.cert)
		return err_rule(e, "bundle-certificate", -1, "recovery bundle: a key has no certificate");
	int r = key_to_pkcs8(c->keys[i].key, &pkcs8, &len, e);
	if (r)
		return r;
	entry.pkcs8 = (struct view){pkcs8, len};
	r = cb(ctx, &entry);
	secret_free(pkcs8, len);
	return r;
}

int bundle_read(struct view der, const char *passphrase, bundle_cb *cb, void *ctx, struct err *e)
{
	AUTO(auto_p12) PKCS12 *p12 = decode(der, e);
	AUTO(auto_safes) safe_stack *safes = NULL;
	struct contents c = {.passphrase = passphrase};

	if (!p12)
		return ERR_PROTO;
	int r = check_mac(p12, passphrase, e);
	if (r)
		return r;
	safes = PKCS12_unpack_authsafes(p12);
	if (!safes) {
		ERR_clear_error();
		return err_rule(e, "bundle", -1, "recovery bundle: its contents cannot be read");
	}
	for (int i = 0; !r && i < sk_PKCS7_num(safes); i++)
		r = take_safe(&c, sk_PKCS7_value(safes, i), e);
	if (!r && !c.n_keys)
		r = err_rule(e, "bundle-key", -1, "recovery bundle: there is no private key in it");
	for (size_t i = 0; !r && i < c.n_keys; i++)
		r = hand_over(&c, i, cb, ctx, e);
	contents_clear(&c);
	return r;
}
