#include "pki/lsc.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/cleanup.h"
#include "pki/der.h"
#include "pki/ossl.h"

#define RSA_EXPONENT_BITS_MIN 17 /* odd, and from 65537 */
#define RSA_EXPONENT_BITS_MAX 64 /* larger ones only make verifying slow */

/* What an EC key looks like when its curve is named and its point uncompressed: the length says both. */
static const struct curve {
	unsigned bits;
	const char *group;
	size_t spki_len;
} curves[] = {
	{ 256, "prime256v1", 91 },
	{ 384, "secp384r1", 120 },
	{ 521, "secp521r1", 158 },
};

static int wrong_key(struct key_spec asked, const char *got, struct err *e)
{
	return err_set(e, ERR_AUTH, "the phone was asked for %s%u and sent %s", asked.type == KEY_RSA ? "RSA-" : "EC P-",
		       asked.bits, got);
}

/* 1.2.840.113549.1.1.1 */
static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};

static size_t bits_of(struct view magnitude)
{
	size_t bits = 8 * magnitude.len;

	if (!magnitude.len)
		return 0;
	for (uint8_t first = *magnitude.p; bits && !(first & 0x80); first = (uint8_t)(first << 1))
		if (--bits == 8 * (magnitude.len - 1))
			break;
	return bits;
}

static bool is_odd(struct view magnitude)
{
	return magnitude.len && magnitude.p[magnitude.len - 1] & 1;
}

/* RFC 8017 A.1.1, read here because OpenSSL 3.0 takes a tenth of a millisecond to make a key object of it. */
static int check_rsa(struct view spki, struct key_spec asked, struct err *e)
{
	struct view key = {0}, modulus = {0}, exponent = {0};
	struct rd r, outer = {0}, algorithm = {0}, pair = {0};
	struct view oid = {0};
	char got[48];

	rd_init(&r, spki.p, spki.len);
	der_open(&r, DER_SEQUENCE, &outer);
	der_open(&outer, DER_SEQUENCE, &algorithm);
	der_view(&algorithm, DER_OID, &oid);
	der_skip(&algorithm, DER_NULL);
	der_bit_string(&outer, &key);
	if (!rd_done(&r) || !rd_done(&outer) || algorithm.failed)
		return wrong_key(asked, "something that is no RSA key", e);
	if (!view_eq(oid, (struct view){oid_rsa, sizeof(oid_rsa)}))
		return wrong_key(asked, "another kind of key", e);
	rd_init(&r, key.p, key.len);
	der_open(&r, DER_SEQUENCE, &pair);
	der_unsigned(&pair, &modulus);
	der_unsigned(&pair, &exponent);
	if (!rd_done(&r) || !rd_done(&pair) || !rd_done(&algorithm))
		return wrong_key(asked, "an unusual encoding of it", e);
	if (bits_of(modulus) != asked.bits) {
		snprintf(got, sizeof(got), "RSA-%zu", bits_of(modulus));
		return wrong_key(asked, got, e);
	}
	if (!is_odd(modulus))
		return wrong_key(asked, "an even RSA modulus", e);
	if (!is_odd(exponent) || bits_of(exponent) > RSA_EXPONENT_BITS_MAX || bits_of(exponent) < RSA_EXPONENT_BITS_MIN)
		return wrong_key(asked, "an RSA key with an exponent that is not accepted; 65537 is usual", e);
	return 0;
}

static int check_ec(EVP_PKEY *key, struct view spki, struct key_spec asked, struct err *e)
{
	const struct curve *c = curves;
	char group[32] = "";

	while (c < curves + sizeof(curves) / sizeof(curves[0]) && c->bits != asked.bits)
		c++;
	if (c == curves + sizeof(curves) / sizeof(curves[0]))
		return err_set(e, ERR_BUG, "there is no curve of %u bits", asked.bits);
	if (!EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) || strcmp(group, c->group) != 0)
		return wrong_key(asked, *group ? group : "another curve", e);
	if (spki.len != c->spki_len)
		return wrong_key(asked, "an unusual encoding of it", e);
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	if (!ctx || EVP_PKEY_public_check(ctx) != 1) {
		ERR_clear_error();
		return wrong_key(asked, "a point that is not on the curve", e);
	}
	return 0;
}

/* One encoding only: what OpenSSL would write for this key. */
static bool is_canonical(EVP_PKEY *key, struct view spki)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	bool same = len > 0 && view_eq(spki, (struct view){ der, (size_t)len });

	OPENSSL_free(der);
	return same;
}

static int check_ec_spki(struct view spki, struct key_spec asked, struct err *e)
{
	const uint8_t *p = spki.p;
	AUTO(auto_pkey) EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.len);

	if (!key) {
		ERR_clear_error();
		return wrong_key(asked, "something that is no public key", e);
	}
	if (!EVP_PKEY_is_a(key, "EC")) {
		const char *name = EVP_PKEY_get0_type_name(key);
		return wrong_key(asked, name ? name : "another kind of key", e);
	}
	int r = check_ec(key, spki, asked, e);
	if (!r && !is_canonical(key, spki))
		r = wrong_key(asked, "an unusual encoding of it", e);
	return r;
}

int lsc_key_check(struct view spki, struct key_spec asked, struct err *e)
{
	if (!spki.len || spki.len > CERT_MAX_DER)
		return wrong_key(asked, "something that is no public key", e);
	return asked.type == KEY_RSA ? check_rsa(spki, asked, e) : check_ec_spki(spki, asked, e);
}
