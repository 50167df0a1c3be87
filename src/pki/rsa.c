#include "pki/rsa.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pki/der.h"
#include "pki/ossl.h"

#define MAX_EXPONENT_BITS 64 /* OpenSSL's own bound: a longer one only serves to keep a verifier busy */
#define MAX_OCTETS (RSA_MAX_BITS / 8)

struct rsa_pub {
	size_t len;
	BIGNUM *n;
	BIGNUM *e;
	int squarings; /* k when e is 2^k + 1, else 0 */
	BN_MONT_CTX *mont;
	BN_CTX *scratch;
};

/* DigestInfo up to the digest. Source: formats-and-protocols.md 1.10; RFC 8017 9.2. */
static const struct prefix {
	enum digest digest;
	uint8_t len;
	uint8_t der[19];
} prefixes[] = {
	{DIGEST_SHA1, 15, {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14}},
	{DIGEST_SHA256, 19, {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
			     0x05, 0x00, 0x04, 0x20}},
	{DIGEST_SHA512, 19, {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
			     0x05, 0x00, 0x04, 0x40}},
};

static int read_pkcs1(struct view pkcs1, struct view *n, struct view *exponent, struct err *e)
{
	struct rd r;
	struct rd key = {0};

	rd_init(&r, pkcs1.p, pkcs1.len);
	der_open(&r, DER_SEQUENCE, &key);
	der_unsigned(&key, n);
	der_unsigned(&key, exponent);
	if (!rd_done(&r) || !rd_done(&key))
		return err_rule(e, "rsa-public-key", (long)rd_offset(&key),
				"RSA public key: not a PKCS#1 RSAPublicKey");
	return 0;
}

static int check_numbers(const BIGNUM *n, const BIGNUM *exponent, struct err *e)
{
	if (BN_num_bits(n) < RSA_MIN_BITS || BN_num_bits(n) > RSA_MAX_BITS)
		return err_set(e, ERR_LIMIT, "RSA public key: %d bits, between %d and %d are possible", BN_num_bits(n),
			       RSA_MIN_BITS, RSA_MAX_BITS);
	if (!BN_is_odd(n) || !BN_is_odd(exponent) || BN_is_one(exponent))
		return err_rule(e, "rsa-public-key", -1, "RSA public key: no such modulus or exponent can be");
	if (BN_num_bits(exponent) > MAX_EXPONENT_BITS)
		return err_set(e, ERR_LIMIT, "RSA public key: exponent longer than %d bits", MAX_EXPONENT_BITS);
	return 0;
}

/* k when e is 2^k + 1, as the 65537 of nearly every key is; 0 otherwise. */
static int squarings_of(const BIGNUM *e)
{
	int k = BN_num_bits(e) - 1;

	for (int bit = 1; bit < k; bit++) {
		if (BN_is_bit_set(e, bit))
			return 0;
	}
	return k;
}

int rsa_pub_new(struct view pkcs1, struct rsa_pub **key, struct err *e)
{
	struct view n;
	struct view exponent;
	int r = read_pkcs1(pkcs1, &n, &exponent, e);

	if (r)
		return r;
	if (n.len > MAX_OCTETS || exponent.len > MAX_OCTETS)
		return err_set(e, ERR_LIMIT, "RSA public key: larger than %d bits", RSA_MAX_BITS);
	struct rsa_pub *k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, ERR_NOMEM, "RSA public key: out of memory");
	k->n = BN_bin2bn(n.p, (int)n.len, NULL);
	k->e = BN_bin2bn(exponent.p, (int)exponent.len, NULL);
	k->mont = BN_MONT_CTX_new();
	k->scratch = BN_CTX_new();
	if (!k->n || !k->e || !k->mont || !k->scratch)
		r = err_openssl(e, ERR_NOMEM, "RSA public key");
	else
		r = check_numbers(k->n, k->e, e);
	if (!r && !BN_MONT_CTX_set(k->mont, k->n, k->scratch))
		r = err_openssl(e, ERR_CRYPTO, "RSA public key");
	if (r) {
		rsa_pub_free(k);
		return r;
	}
	k->squarings = squarings_of(k->e);
	k->len = n.len;
	*key = k;
	return 0;
}

void rsa_pub_free(struct rsa_pub *key)
{
	if (!key)
		return;
	BN_free(key->n);
	BN_free(key->e);
	BN_MONT_CTX_free(key->mont);
	BN_CTX_free(key->scratch);
	free(key);
}

size_t rsa_pub_len(const struct rsa_pub *key)
{
	return key->len;
}

/* The block that must come out: 00 01 FF.. 00 and the digest, with or without DigestInfo. False: it does not fit. */
static bool encode(uint8_t *em, size_t k, enum rsa_padding pad, enum digest d, const uint8_t *hash)
{
	const struct prefix *p = NULL;
	size_t len = digest_len(d);

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (prefixes[i].digest == d)
			p = &prefixes[i];
	}
	size_t prefix_len = pad == RSA_PAD_DIGESTINFO && p ? p->len : 0;
	if (!p || prefix_len + len + 11 > k) /* 11: 00 01, eight FF at least, 00 */
		return false;
	size_t fill = k - prefix_len - len - 3;
	em[0] = 0x00;
	em[1] = 0x01;
	memset(em + 2, 0xff, fill);
	em[2 + fill] = 0x00;
	memcpy(em + 3 + fill, p->der, prefix_len);
	memcpy(em + 3 + fill + prefix_len, hash, len);
	return true;
}

/* m = s^e mod n. Squaring k times and one product take a seventh less time than BN_mod_exp_mont with its windows. */
static bool power(const struct rsa_pub *key, BIGNUM *m, const BIGNUM *s)
{
	if (!key->squarings)
		return BN_mod_exp_mont(m, s, key->e, key->n, key->scratch, key->mont);
	bool ok = BN_to_montgomery(m, s, key->mont, key->scratch);
	for (int i = 0; ok && i < key->squarings; i++)
		ok = BN_mod_mul_montgomery(m, m, m, key->mont, key->scratch);
	/* m is in Montgomery's form and s is not, so their product is not either */
	return ok && BN_mod_mul_montgomery(m, m, s, key->mont, key->scratch);
}

/* Does sig^e give exactly this block? As numbers below the modulus they are equal when all their octets are. */
static bool opens_to(const struct rsa_pub *key, struct view sig, const uint8_t *block)
{
	BN_CTX_start(key->scratch);
	BIGNUM *s = BN_CTX_get(key->scratch);
	BIGNUM *m = BN_CTX_get(key->scratch);
	BIGNUM *want = BN_CTX_get(key->scratch);
	bool ok = want && BN_bin2bn(sig.p, (int)sig.len, s) && BN_ucmp(s, key->n) < 0 &&
		  BN_bin2bn(block, (int)key->len, want) && power(key, m, s) && BN_cmp(m, want) == 0;
	BN_CTX_end(key->scratch);
	return ok;
}

int rsa_verify(const struct rsa_pub *key, enum rsa_padding pad, enum digest d, const uint8_t *hash, struct view sig,
	       struct err *e)
{
	uint8_t block[MAX_OCTETS];

	if (sig.len != key->len)
		return err_set(e, ERR_CRYPTO, "the signature has %zu octets, the key %zu", sig.len, key->len);
	if (!encode(block, key->len, pad, d, hash))
		return err_set(e, ERR_CRYPTO, "the key is too short for a signature with this digest");
	if (!opens_to(key, sig, block))
		return err_set(e, ERR_CRYPTO, "the signature does not verify");
	return 0;
}
