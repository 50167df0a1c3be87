/*
 * Signing configurations of 6 KB with a key of the file keystore, against the bare RSA-2048 signature of the same run and
 * the same key, made as `openssl speed rsa2048` makes it: one EVP_PKEY_CTX, EVP_PKEY_sign in a loop.
 */
#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/secret.h"
#include "bench.h"
#include "format/sgn.h"
#include "pki/issue.h"

#define PAYLOAD 6144

struct bench {
	struct keystore *ks;
	struct keystore_signer keystore_signer;
	struct list_signer signer;
	struct sgn_spec spec;
	struct view payload;
	EVP_PKEY *key;
	EVP_PKEY_CTX *ctx;
};

static void sign_file(void *arg)
{
	struct bench *b = arg;
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;

	bench_check(sgn_build(&b->spec, &b->signer, b->payload, &data, &len, &e), &e, "sgn_build");
	free(data);
}

static void bare_sign(void *arg)
{
	static const uint8_t hash[64] = {1};
	struct bench *b = arg;
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	if (EVP_PKEY_sign(b->ctx, sig, &len, hash, digest_len(b->spec.digest)) <= 0) {
		fprintf(stderr, "EVP_PKEY_sign failed\n");
		exit(1);
	}
}

static void yardstick_init(struct bench *b)
{
	uint8_t *pkcs8 = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	bench_check(b->ks->ops->export(b->ks, b->keystore_signer.name, &pkcs8, &len, &e), &e, "export");
	const uint8_t *p = pkcs8;
	b->key = d2i_AutoPrivateKey(NULL, &p, (long)len);
	secret_free(pkcs8, len);
	b->ctx = EVP_PKEY_CTX_new(b->key, NULL);
	if (!b->ctx || EVP_PKEY_sign_init(b->ctx) <= 0 || EVP_PKEY_CTX_set_rsa_padding(b->ctx, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(b->ctx, digest_evp(b->spec.digest)) <= 0)
		exit(1);
}

static void run(struct bench *b, enum digest d)
{
	b->spec.digest = d;
	yardstick_init(b);
	struct bench_rates r = bench_compare(sign_file, bare_sign, b);
	printf("file of %d octets, %s, RSA-2048\n", PAYLOAD, digest_name(d));
	printf("  signed files      %9.0f /s\n  bare RSA sign     %9.0f /s\n  ratio             %9.2f\n", r.a, r.b, r.a / r.b);
	EVP_PKEY_CTX_free(b->ctx);
	EVP_PKEY_free(b->key);
}

/* The keys of a benchmark are worth nothing, but they go away all the same. */
static void remove_folder(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *f; d && (f = readdir(d));) {
		char name[512];
		snprintf(name, sizeof(name), "%s/%s", path, f->d_name);
		if (f->d_name[0] != '.' || f->d_type == DT_REG)
			unlink(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

int main(void)
{
	static uint8_t payload[PAYLOAD];
	char folder[] = "/tmp/bench-sign-XXXXXX";
	struct bench b = {.payload = {payload, sizeof(payload)}};
	struct subject subject = {.cn = "cucm-1051-a-pub", .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL"};
	struct cert_profile profile = {.days = 1, .digest = DIGEST_SHA256};
	struct cert *c = NULL;
	EVP_PKEY *pub = NULL;
	struct err e = ERR_INIT;

	memset(payload, '<', sizeof(payload));
	if (!mkdtemp(folder)) {
		perror(folder);
		return 1;
	}
	bench_check(keystore_file_open(folder, &b.ks, &e), &e, folder);
	bench_check(b.ks->ops->generate(b.ks, "CallManager", (struct key_spec){KEY_RSA, 2048}, b.keystore_signer.name, &pub, &e), &e,
		    "generate");
	EVP_PKEY_free(pub);
	bench_check(issue_self_signed(b.ks, b.keystore_signer.name, &subject, &profile, &clock_system, &random_system,
				      &c, &e), &e,
		    "issue_self_signed");
	b.keystore_signer.ks = b.ks;
	b.signer = list_keystore_signer(&b.keystore_signer);
	b.spec = (struct sgn_spec){.signer = c, .timestamp = 1700000000, .file_name = "SEP001122334455.cnf.xml.sgn"};
	bench_machine();
	run(&b, DIGEST_SHA1);
	run(&b, DIGEST_SHA512);
	cert_unref(c);
	keystore_free(b.ks);
	remove_folder(folder);
	return 0;
}
