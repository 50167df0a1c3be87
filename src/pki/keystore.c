#include "pki/keystore.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "pki/ossl.h"

#define HASH_OCTETS 8 /* of SHA-256 over the SubjectPublicKeyInfo, in a key's name */
#define UNIT_MAX (KEY_NAME_MAX - 2 * HASH_OCTETS - 2)

static size_t unit_len(const char *s)
{
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");
}

int key_name(const char *unit, struct view spki, char name[KEY_NAME_MAX], struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	char hex[2 * HASH_OCTETS + 1];
	size_t len = unit_len(unit);

	if (!len || unit[len] || len > UNIT_MAX)
		return err_set(e, ERR_USAGE, "a key's unit is 1 to %d letters and hyphens", UNIT_MAX);
	int r = digest_one(DIGEST_SHA256, spki, hash, e);
	if (r)
		return r;
	text_hex(hex, sizeof(hex), (struct view){hash, HASH_OCTETS}, '\0', false);
	snprintf(name, KEY_NAME_MAX, "%s.%s", unit, hex);
	return 0;
}

int key_name_of(const char *unit, EVP_PKEY *key, char name[KEY_NAME_MAX], struct err *e)
{
	uint8_t *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);

	if (len < 0)
		return err_openssl(e, ERR_CRYPTO, "public key cannot be encoded");
	int r = key_name(unit, (struct view){spki, (size_t)len}, name, e);
	OPENSSL_free(spki);
	return r;
}

bool key_name_ok(const char *name)
{
	size_t len = unit_len(name);

	return len && len <= UNIT_MAX && name[len] == '.' && strlen(name + len + 1) == 2 * HASH_OCTETS &&
	       strspn(name + len + 1, "0123456789abcdef") == 2 * HASH_OCTETS;
}

void keystore_free(struct keystore *ks)
{
	if (ks)
		ks->ops->free(ks);
}
