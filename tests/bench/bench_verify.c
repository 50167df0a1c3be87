/*
 * Reading and verifying a trust list of 5 KB (three records, RSA-2048 signer, as CUCM writes it), against the bare
 * RSA-2048 verification of the same run. The yardstick is made as `openssl speed rsa2048` makes it: one EVP_PKEY_CTX with
 * its key ready, EVP_PKEY_verify in a loop. Our side keeps the signer's key ready too (rsa_pub_get), but hashes the file,
 * which with SHA-512 alone takes 0.4 of a verification.
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "bench.h"
#include "format/list.h"

struct bench {
	struct view file;
	EVP_PKEY_CTX *ctx;
	struct view sig;
	uint8_t hash[DIGEST_MAX];
	size_t hash_len;
};

static void parse_and_verify(void *arg)
{
	struct bench *b = arg;
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	bench_check(list_parse(b->file, LIST_CTL, &l, &e), &e, "list_parse");
	bench_check(list_verify_self(l, &e), &e, "list_verify_self");
	list_free(l);
}

static void parse_only(void *arg)
{
	struct bench *b = arg;
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	bench_check(list_parse(b->file, LIST_CTL, &l, &e), &e, "list_parse");
	list_free(l);
}

static void bare_verify(void *arg)
{
	struct bench *b = arg;

	if (EVP_PKEY_verify(b->ctx, b->sig.p, b->sig.len, b->hash, b->hash_len) != 1) {
		fprintf(stderr, "EVP_PKEY_verify failed\n");
		exit(1);
	}
}

/* The same signature, key and digest for the yardstick. */
static void yardstick_init(struct bench *b, const struct trust_list *l)
{
	struct cert *c = NULL;
	struct view parts[2];
	struct err e = ERR_INIT;
	enum digest d = (enum digest)l->header.digest;

	bench_check(cert_from_der(l->records[l->signer].certificate, &c, &e), &e, "certificate");
	tlv_signed_views(b->file, &l->header, parts);
	bench_check(digest_views(d, parts, 2, b->hash, &e), &e, "digest");
	b->hash_len = digest_len(d);
	struct rd r;
	rd_init(&r, b->file.p, b->file.len);
	rd_skip(&r, l->header.sig_offset + 3);
	rd_view(&r, l->header.signature.len, &b->sig);
	b->ctx = EVP_PKEY_CTX_new(X509_get0_pubkey(cert_x509(c)), NULL);
	if (!b->ctx || EVP_PKEY_verify_init(b->ctx) <= 0 || EVP_PKEY_CTX_set_rsa_padding(b->ctx, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(b->ctx, digest_evp(d)) <= 0)
		exit(1);
	cert_unref(c);
}

static struct cert *load_cert(const char *name)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;
	char path[512];

	bench_path(path, sizeof(path), name);
	bench_check(cert_load(AT_FDCWD, path, &c, &e), &e, path);
	return c;
}

static int evp_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(ctx, NULL);
	size_t n = KEY_SIG_MAX;

	bool ok = c && EVP_PKEY_sign_init(c) > 0 && EVP_PKEY_CTX_set_signature_md(c, digest_evp(d)) > 0 &&
		  EVP_PKEY_sign(c, sig, &n, hash, digest_len(d)) > 0;
	EVP_PKEY_CTX_free(c);
	if (!ok)
		return err_openssl(e, ERR_CRYPTO, "sign");
	*len = n;
	return 0;
}

static EVP_PKEY *load_key(const char *name)
{
	EVP_PKEY *key = NULL;
	char path[512];

	bench_path(path, sizeof(path), name);
	FILE *f = fopen(path, "r");
	if (f) {
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
	}
	if (!key) {
		perror(path);
		exit(1);
	}
	return key;
}

static struct view make_list(enum digest d)
{
	struct cert *pub = load_cert("certs/pub2048.der");
	struct cert *capf = load_cert("certs/capf1024.der");
	EVP_PKEY *key = load_key("keys/pub2048.key");
	struct record_spec records[] = {
		{.function = FUNCTION_SAST, .cert = pub, .dns_name = "cucm-1051-a-pub", .has_ip = true},
		{.function = FUNCTION_CCM_TFTP, .cert = pub, .dns_name = "cucm-1051-a-pub", .has_ip = true},
		{.function = FUNCTION_CAPF, .cert = capf, .dns_name = "cucm-1051-a-pub", .has_ip = true},
	};
	struct list_spec spec = {.digest = d, .signer = pub, .timestamp = 1700000000, .records = records, .n_records = 3};
	struct list_signer signer = {evp_sign, key};
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;

	bench_check(list_build(&spec, &signer, &data, &len, &e), &e, "list_build");
	EVP_PKEY_free(key);
	cert_unref(pub);
	cert_unref(capf);
	return (struct view){data, len};
}

static void run(enum digest d)
{
	struct bench b = {.file = make_list(d)};
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	bench_check(list_parse(b.file, LIST_CTL, &l, &e), &e, "list_parse");
	bench_check(list_verify_self(l, &e), &e, "list_verify_self");
	yardstick_init(&b, l);
	struct bench_rates r = bench_compare(parse_and_verify, bare_verify, &b);
	double parse = bench_turn(parse_only, &b, 0.2);
	printf("list of %zu octets, %zu records, %s, signer RSA-%zu\n", b.file.len, l->n_records, digest_name(d),
	       l->header.signature.len * 8);
	printf("  parse and verify  %9.0f /s\n  parse alone       %9.0f /s\n  bare RSA verify   %9.0f /s\n  ratio             %9.2f\n",
	       r.a, parse, r.b, r.a / r.b);
	EVP_PKEY_CTX_free(b.ctx);
	list_free(l);
	free((void *)(uintptr_t)b.file.p);
}

int main(void)
{
	bench_machine();
	run(DIGEST_SHA1);
	run(DIGEST_SHA512);
	return 0;
}
