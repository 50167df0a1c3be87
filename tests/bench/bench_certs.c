/*
 * A node with 1,000 trust certificates: every listing, the first one after a start too, and what a change of the ITL costs.
 * Yardstick of the same run: one RSA-2048 signature, which every list takes.
 */
#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "bench.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/init.h"

#define CERTIFICATES 1000
#define ROUNDS 7

static char folder[] = "/tmp/ringfence-bench-certs-XXXXXX";

static struct cert *make_cert(EVP_PKEY *key, long serial)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;
	char cn[32];
	X509 *x = X509_new();

	snprintf(cn, sizeof(cn), "Authority %ld", serial);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	if (X509_sign(x, key, EVP_sha256()) <= 0)
		exit(1);
	bench_check(cert_from_x509(x, &c, &e), &e, "cert_from_x509");
	X509_free(x);
	return c;
}

static void make_node(void)
{
	struct init_request req = {.data_dir = folder, .node = "cucm", .subject = {.ou = "TAC", .o = "Cisco"}};
	struct init_env env = {.clock = &clock_system, .random = &random_system};
	struct err e = ERR_INIT;

	bench_check(init_folders(&req, &e), &e, "folders");
	bench_check(init_node(&req, &env, &e), &e, "init");
}

struct opened {
	struct store *store;
	struct keystore *keys;
	struct cluster *cluster;
};

static void open_node(struct opened *o)
{
	char keys[100];
	struct err e = ERR_INIT;

	snprintf(keys, sizeof(keys), "%s/keys", folder);
	bench_check(store_open("sqlite:store.sqlite3", folder, 0, &o->store, &e), &e, "store");
	bench_check(keystore_file_open(keys, &o->keys, &e), &e, "keys");
	struct cluster_config cfg = {.data_dir = folder, .store = o->store, .keys = o->keys, .clock = &clock_system,
				     .random = &random_system, .node = "cucm"};
	bench_check(cluster_open(&cfg, &o->cluster, &e), &e, "cluster");
}

static void close_node(struct opened *o)
{
	cluster_free(o->cluster);
	keystore_free(o->keys);
	store_close(o->store);
}

static void fill(struct store *s)
{
	const struct store_certificate_info info = {.roles = STORE_ROLE_BIT(STORE_ROLE_CERTIFICATE_AUTHORITY)};
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct err e = ERR_INIT;

	bench_check(store_begin(s, &e), &e, "begin");
	for (long i = 1; i <= CERTIFICATES; i++) {
		struct cert *c = make_cert(key, i);
		bench_check(store_certificate_put_trust(s, STORE_TRUST_CALLMANAGER, c, &info, STORE_PUT_UPLOAD, &e), &e, "put");
		cert_unref(c);
	}
	bench_check(store_commit(s, &e), &e, "commit");
	EVP_PKEY_free(key);
}

static int count(void *ctx, const struct certs_entry *entry)
{
	(void)entry;
	++*(size_t *)ctx;
	return 0;
}

static double list(struct opened *o, enum certs_kind kind)
{
	struct err e = ERR_INIT;
	size_t n = 0;
	double start = bench_now();

	bench_check(certs_list(o->cluster, kind, count, &n, &e), &e, "list");
	if (kind == CERTS_TRUST && n < CERTIFICATES)
		exit(1);
	return (bench_now() - start) * 1000;
}

static double compose_itl(struct opened *o)
{
	struct list_file itl = {0};
	struct gathered *g = NULL;
	struct err e = ERR_INIT;
	double start = bench_now();

	bench_check(gather(o->cluster, &g, &e), &e, "gather");
	bench_check(lists_build(o->cluster, g, LIST_ITL, NULL, NULL, &itl, &e), &e, "build");
	gathered_free(g);
	free(itl.data);
	return (bench_now() - start) * 1000;
}

static double sign(struct opened *o)
{
	uint8_t digest[20] = {0}, sig[KEY_SIG_MAX];
	struct key_sign req = {.scheme = KEY_SCHEME_PKCS1, .md_nid = NID_sha1, .input = {digest, sizeof(digest)}};
	struct cert *cert = NULL;
	char key[KEY_NAME_MAX];
	struct err e = ERR_INIT;
	size_t len;

	bench_check(cluster_signer(o->cluster, &cert, key, &e), &e, "signer");
	double start = bench_now();
	bench_check(o->keys->ops->sign(o->keys, key, &req, sig, &len, &e), &e, "sign");
	double ms = (bench_now() - start) * 1000;
	cert_unref(cert);
	return ms;
}

static double best(double (*work)(struct opened *o), struct opened *o)
{
	double ms = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double took = work(o);
		ms = took < ms ? took : ms;
	}
	return ms;
}

static double list_trust(struct opened *o)
{
	return list(o, CERTS_TRUST);
}

static double list_own(struct opened *o)
{
	return list(o, CERTS_OWN);
}

int main(void)
{
	struct opened o = {0};
	struct err e = ERR_INIT;

	bench_machine();
	if (!mkdtemp(folder))
		return 1;
	make_node();
	open_node(&o);
	fill(o.store);
	close_node(&o);
	double start = bench_now();
	open_node(&o); /* writes certs/: afterwards it is in step */
	printf("a node with %d trust certificates opened: %.1f ms, its copies in certs/ written\n", CERTIFICATES,
	       (bench_now() - start) * 1000);
	close_node(&o);
	start = bench_now();
	open_node(&o);
	printf("opened again: %.1f ms\n", (bench_now() - start) * 1000);
	double first = list_trust(&o);
	printf("trust certificates listed: %.1f ms at first after a start, %.1f ms after that; own: %.2f ms (wanted: under 100)\n",
	       first, best(list_trust, &o), best(list_own, &o));
	printf("ITL composed and signed: %.2f ms (wanted: under 50); the signature alone: %.2f ms\n", best(compose_itl, &o),
	       best(sign, &o));
	close_node(&o);
	if (folder_remove(AT_FDCWD, folder, &e))
		return 1;
	return 0;
}
