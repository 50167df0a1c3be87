/*
 * Encrypting and signing 10,000 configurations, short and of 6 KB, each under a phone's own name, against the bare RSA-2048
 * of the same run and the same keys, made as `openssl speed rsa2048` makes it: the signature with the signer's key and the
 * encryption with the phone's, and the signature alone. Turn about, so that a machine whose speed drifts treats all alike.
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "bench.h"
#include "format/enc.h"
#include "pki/issue.h"

#define PAYLOAD_MAX 6144
#define PAYLOAD_SHORT 549 /* as the vectors of tests/golden/enc */
#define FILES 10000
#define TURNS 20
#define DEVICES 64 /* certificates: encrypting costs the same for all, and making keys takes long */

/* A key that the bench holds itself. */
struct key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx[2]; /* SHA-1, SHA-512 */
};

static EVP_PKEY_CTX *context(EVP_PKEY *pkey, enum digest d)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

	if (!ctx || EVP_PKEY_sign_init(ctx) <= 0 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, digest_evp(d)) <= 0)
		exit(1);
	return ctx;
}

static struct cert *certificate(EVP_PKEY *pkey, const char *cn)
{
	X509 *x = X509_new();
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	if (!x || !ASN1_INTEGER_set(X509_get_serialNumber(x), 4711) || !X509_gmtime_adj(X509_getm_notBefore(x), 0) ||
	    !X509_gmtime_adj(X509_getm_notAfter(x), 86400) || !X509_set_pubkey(x, pkey) ||
	    !X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(x)) || !X509_sign(x, pkey, EVP_sha256()))
		exit(1);
	bench_check(cert_from_x509(x, &c, &e), &e, cn);
	X509_free(x);
	return c;
}

static int sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	struct key *k = ctx;

	*len = KEY_SIG_MAX;
	if (EVP_PKEY_sign(k->ctx[d == DIGEST_SHA512], sig, len, hash, digest_len(d)) <= 0)
		return err_openssl(e, ERR_CRYPTO, "EVP_PKEY_sign");
	return 0;
}

struct bench {
	struct key key;
	struct cert *signer;
	struct cert *device[DEVICES];
	EVP_PKEY_CTX *wrap[DEVICES];
	uint8_t payload[PAYLOAD_MAX];
	size_t len;
};

static void encrypt(struct bench *b, enum digest d, unsigned i)
{
	struct list_signer signer = {sign, &b->key};
	char name[64];
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	snprintf(name, sizeof(name), "SEP%012X.cnf.xml.enc.sgn", i);
	const struct enc_spec spec = {
		.sgn = {.signer = b->signer, .digest = d, .timestamp = 1700000000, .file_name = name},
		.device = b->device[i % DEVICES],
	};
	bench_check(enc_build(&spec, &signer, &random_system, (struct view){b->payload, b->len}, &data, &len, &e), &e, name);
	free(data);
}

static void bare(struct bench *b, enum digest d)
{
	static const uint8_t hash[64] = {1};
	uint8_t sig[KEY_SIG_MAX];
	size_t len;
	struct err e = ERR_INIT;

	bench_check(sign(&b->key, d, hash, sig, &len, &e), &e, "sign");
}

static void bare_wrap(struct bench *b, unsigned i)
{
	static const uint8_t key[ENC_KEY_LEN] = {1};
	uint8_t out[KEY_SIG_MAX];
	size_t len = sizeof(out);

	if (EVP_PKEY_encrypt(b->wrap[i % DEVICES], out, &len, key, sizeof(key)) <= 0)
		exit(1);
}

static void run(struct bench *b, size_t payload, enum digest d)
{
	double encrypting = 0, signing = 0, wrapping = 0;

	b->len = payload;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		double start = bench_cpu();
		for (unsigned i = 0; i < FILES / TURNS; i++)
			encrypt(b, d, turn * (FILES / TURNS) + i);
		double encrypted = bench_cpu();
		for (unsigned i = 0; i < FILES / TURNS; i++)
			bare(b, d);
		double signed_ = bench_cpu();
		for (unsigned i = 0; i < FILES / TURNS; i++)
			bare_wrap(b, i);
		encrypting += encrypted - start;
		signing += signed_ - encrypted;
		wrapping += bench_cpu() - signed_;
	}
	printf("%d configurations of %zu octets, %s, RSA-2048 both\n", FILES, payload, digest_name(d));
	printf("  encrypted, signed       %9.0f /s\n"
	       "  bare RSA, both keys     %9.0f /s, ratio %.2f (to reach: 0.90)\n"
	       "  bare RSA, signing alone %9.0f /s, ratio %.2f\n",
	       FILES / encrypting, FILES / (signing + wrapping), (signing + wrapping) / encrypting, FILES / signing,
	       signing / encrypting);
}

int main(void)
{
	static struct bench b;

	memset(b.payload, '<', sizeof(b.payload));
	b.key.pkey = EVP_RSA_gen(2048);
	b.key.ctx[0] = context(b.key.pkey, DIGEST_SHA1);
	b.key.ctx[1] = context(b.key.pkey, DIGEST_SHA512);
	b.signer = certificate(b.key.pkey, "cucm-1051-a-pub");
	for (unsigned i = 0; i < DEVICES; i++) {
		EVP_PKEY *pkey = EVP_RSA_gen(2048);
		b.device[i] = certificate(pkey, "SEP");
		b.wrap[i] = EVP_PKEY_CTX_new(pkey, NULL);
		if (!b.wrap[i] || EVP_PKEY_encrypt_init(b.wrap[i]) <= 0 ||
		    EVP_PKEY_CTX_set_rsa_padding(b.wrap[i], RSA_PKCS1_PADDING) <= 0)
			exit(1);
		EVP_PKEY_free(pkey);
	}
	bench_machine();
	for (int i = 0; i < 2; i++) {
		run(&b, i ? PAYLOAD_MAX : PAYLOAD_SHORT, DIGEST_SHA1);
		run(&b, i ? PAYLOAD_MAX : PAYLOAD_SHORT, DIGEST_SHA512);
	}
	for (unsigned i = 0; i < DEVICES; i++) {
		EVP_PKEY_CTX_free(b.wrap[i]);
		cert_unref(b.device[i]);
	}
	cert_unref(b.signer);
	EVP_PKEY_CTX_free(b.key.ctx[0]);
	EVP_PKEY_CTX_free(b.key.ctx[1]);
	EVP_PKEY_free(b.key.pkey);
	return 0;
}
