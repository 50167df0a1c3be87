/*
 * Listing what a large site has: 1,000 trust certificates, 100,000 devices, 10,000 audit rows. Yardsticks of the same
 * run: OpenSSL decoding the same certificates, SQLite alone stepping through the same rows.
 */
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <sqlite3.h>
#include <unistd.h>

#include "bench.h"
#include "store/audit.h"
#include "store/certificate.h"
#include "store/device_row.h"

#define CERTIFICATES 1000
#define DEVICES 100000
#define AUDIT_ROWS 10000
#define ROUNDS 7

static char folder[] = "/tmp/ringfence-bench-store-XXXXXX";

static struct cert *make_cert(EVP_PKEY *key, long serial)
{
	struct cert *c = NULL;
	struct err e = ERR_INIT;
	char cn[32];
	X509 *x = X509_new();

	snprintf(cn, sizeof(cn), "Authority %ld", serial);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Example", -1, -1, 0);
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

static void fill_certificates(struct store *s)
{
	const struct store_certificate_info info = {.roles = STORE_ROLE_BIT(STORE_ROLE_CERTIFICATE_AUTHORITY)};
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct err e = ERR_INIT;
	double took = 0;

	for (long i = 1; i <= CERTIFICATES; i++) {
		struct cert *c = make_cert(key, i);
		double start = bench_now();
		bench_check(store_certificate_put_trust(s, STORE_TRUST_CALLMANAGER, c, &info, STORE_PUT_UPLOAD, &e), &e,
			    "put");
		took += bench_now() - start;
		cert_unref(c);
	}
	printf("%d trust certificates put, a durable transaction each: %.2f ms each\n", CERTIFICATES,
	       took * 1000 / CERTIFICATES);
	EVP_PKEY_free(key);
}

static void fill_devices(struct store *s)
{
	struct err e = ERR_INIT;
	double start = bench_now();

	bench_check(store_begin(s, &e), &e, "begin");
	for (int i = 0; i < DEVICES; i++) {
		struct store_device d = {.description = "A phone on a desk", .model = "8861", .pool = "Default"};
		snprintf(d.name, sizeof(d.name), "SEP%012X", (unsigned)(i * 7919u % DEVICES));
		bench_check(store_device_add(s, &d, &e), &e, "device");
	}
	bench_check(store_commit(s, &e), &e, "commit");
	printf("%d devices added in one transaction: %.2f s\n", DEVICES, bench_now() - start);
}

static void fill_audit(struct store *s)
{
	const struct store_audit a = {.who = "root (uid 0)", .command = "set cert regen TVS", .outcome = "done"};
	struct err e = ERR_INIT;

	bench_check(store_begin(s, &e), &e, "begin");
	for (int i = 0; i < AUDIT_ROWS; i++)
		bench_check(store_audit_append(s, &a, &e), &e, "audit");
	bench_check(store_commit(s, &e), &e, "commit");
}

/* Best of some rounds, in milliseconds. */
static double best(void (*work)(void *), void *ctx)
{
	double ms = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double start = bench_now();
		work(ctx);
		double took = (bench_now() - start) * 1000;
		if (took < ms)
			ms = took;
	}
	return ms;
}

static void list_certificates(void *ctx)
{
	const struct store_certificate_filter filter = {STORE_TRUST_CALLMANAGER, NULL};
	struct store_certificate *list = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	bench_check(store_certificate_list(ctx, &filter, &list, &n, &e), &e, "list");
	if (n != CERTIFICATES)
		exit(1);
	store_certificates_free(list, n);
}

struct ders {
	struct store_certificate *list;
	size_t n;
};

static void decode_only(void *ctx)
{
	const struct ders *d = ctx;

	for (size_t i = 0; i < d->n; i++) {
		struct view der = cert_der(d->list[i].cert);
		const unsigned char *p = der.p;
		X509 *x = d2i_X509(NULL, &p, (long)der.len);
		if (!x)
			exit(1);
		X509_free(x);
	}
}

static int count_device(void *ctx, const struct store_device *d)
{
	(void)d;
	++*(size_t *)ctx;
	return 0;
}

static void list_devices(void *ctx)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	bench_check(store_device_list(ctx, NULL, 0, count_device, &n, &e), &e, "devices");
	if (n != DEVICES)
		exit(1);
}

static void list_page(void *ctx)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	bench_check(store_device_list(ctx, "SEP00000000C350", 100, count_device, &n, &e), &e, "page");
}

static void get_device(void *ctx)
{
	struct store_device d;
	struct err e = ERR_INIT;
	bool found = false;

	bench_check(store_device_get(ctx, "SEP00000000C350", &d, &found, &e), &e, "get");
}

static int count_audit(void *ctx, const struct store_audit *a)
{
	(void)a;
	++*(size_t *)ctx;
	return 0;
}

static void list_audit(void *ctx)
{
	struct err e = ERR_INIT;
	size_t n = 0;

	bench_check(store_audit_list(ctx, 0, 100, count_audit, &n, &e), &e, "audit");
}

static void step_devices(void *ctx)
{
	sqlite3_stmt *stmt = NULL;
	size_t octets = 0;

	if (sqlite3_prepare_v2(ctx, DEVICE_ROW_SELECT " ORDER BY d.name", -1, &stmt, NULL))
		exit(1);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *text = (const char *)sqlite3_column_text(stmt, i);
			octets += text ? strlen(text) : 0;
		}
	sqlite3_finalize(stmt);
	if (!octets)
		exit(1);
}

static void measure(struct store *s, sqlite3 *raw)
{
	const struct store_certificate_filter all = {0};
	struct ders d = {0};
	struct err e = ERR_INIT;

	double start = bench_now();
	bench_check(store_certificate_list(s, &all, &d.list, &d.n, &e), &e, "list");
	double first = (bench_now() - start) * 1000;
	double ms = best(list_certificates, s);
	double bare = best(decode_only, &d);
	printf("%d trust certificates listed: %.1f ms at first, %.1f ms after that (wanted: under 100); "
	       "OpenSSL decoding them: %.1f ms\n",
	       CERTIFICATES, first, ms, bare);
	store_certificates_free(d.list, d.n);
	ms = best(list_devices, s);
	bare = best(step_devices, raw);
	printf("%d devices listed: %.0f ms; SQLite alone, the same statement: %.0f ms\n", DEVICES, ms, bare);
	printf("a page of 100 devices: %.3f ms; one device: %.3f ms\n", best(list_page, s), best(get_device, s));
	printf("the 100 newest of %d audit rows: %.3f ms\n", AUDIT_ROWS, best(list_audit, s));
}

int main(void)
{
	struct store *s = NULL;
	struct err e = ERR_INIT;
	sqlite3 *raw = NULL;
	char path[128];

	if (!mkdtemp(folder))
		return 1;
	bench_machine();
	bench_check(store_open("sqlite:store.sqlite3", folder, STORE_CREATE, &s, &e), &e, "open");
	fill_certificates(s);
	fill_devices(s);
	fill_audit(s);
	snprintf(path, sizeof(path), "%s/store.sqlite3", folder);
	if (sqlite3_open_v2(path, &raw, SQLITE_OPEN_READONLY, NULL))
		return 1;
	measure(s, raw);
	sqlite3_close(raw);
	store_close(s);
	unlink(path);
	rmdir(folder);
	return 0;
}
