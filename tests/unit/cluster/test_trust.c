#include "cluster/trust.h"

#include "cluster/authority.h"
#include "cluster/expired.h"

static struct node node;
static struct authority ca;
static struct err e;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	authority_make(&ca);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	authority_clear(&ca);
	node_remove(&node);
	return 0;
}

static void test_names(void **state)
{
	enum store_unit store;

	(void)state;
	assert_ok(trust_store("tomcat", &store, &e), &e);
	assert_int_equal(store, STORE_TRUST_TOMCAT);
	assert_ok(trust_store("Phone-SAST-TRUST", &store, &e), &e);
	assert_int_equal(store, STORE_TRUST_PHONE_SAST);
	assert_err(trust_store("nothing", &store, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(trust_store("ITLRecovery", &store, &e), ERR_USAGE);
	err_clear(&e);
}

static int in_store(void *ctx, const struct certs_entry *entry)
{
	const char *wanted = ctx;
	char name[600];

	snprintf(name, sizeof(name), "%s/%s", entry->unit, entry->file);
	return strcmp(name, wanted) == 0;
}

static bool there(const char *name)
{
	int rc = certs_list(node.cluster, CERTS_TRUST, in_store, (void *)(uintptr_t)name, &e);

	assert_true(rc >= 0);
	return rc == 1;
}

static int import(const struct cert *c, const char *by)
{
	struct trust_import in = { .file = cert_der(c), .ca = by };

	err_clear(&e);
	return cluster_import_trust(node.cluster, "test", "Phone-trust", &in, NULL, &e);
}

/* As an administrator's trust store may hold it after years. */
static void put_expired(const char *cn)
{
	struct store_certificate_info info = { .distribution = STORE_DIST_CLUSTER_WIDE };
	struct cert *c = authority_sign(ca.sub_key, cn, NULL, NULL, ca.sub_key, NODE_NOW - 100, NODE_NOW - 1, true);

	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_PHONE_VPN, c, &info, STORE_PUT_UPLOAD, &e), &e);
	cert_unref(c);
}

static void test_expired_are_named(void **state)
{
	struct notes notes = NOTES_INIT;
	char cn[32];

	(void)state;
	assert_ok(expired_warnings(node.cluster, &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	put_expired("Old");
	assert_ok(expired_warnings(node.cluster, &notes, &e), &e);
	assert_int_equal(notes.n, 2);
	assert_non_null(strstr(notes.text[0], "Phone-VPN-trust/Old.pem expired on 2026-05-28. When nothing needs it: 'set cert delete "
					      "Phone-VPN-trust Old.pem'. Without it: Phones cannot verify the VPN gateway"));
	assert_non_null(strstr(notes.text[1], "drops certificates of trust stores"));
	notes_clear(&notes);
	for (int i = 0; i < 22; i++) {
		snprintf(cn, sizeof(cn), "Old %d", i);
		put_expired(cn);
	}
	assert_ok(expired_warnings(node.cluster, &notes, &e), &e);
	assert_int_equal(notes.n, 22);
	assert_non_null(strstr(notes.text[20], "3 more have expired"));
	notes_clear(&notes);
	/* Own ones are regenerated, and their copies with them. */
	node.now += INT64_C(6) * 365 * 86400;
	assert_ok(expired_warnings(node.cluster, &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "'set cert regen "));
	for (size_t i = 0; i < notes.n; i++)
		assert_null(strstr(notes.text[i], "copy"));
	notes_clear(&notes);
}

static void test_import(void **state)
{
	(void)state;
	struct cert *expired = authority_sign(ca.sub_key, "Old", NULL, NULL, ca.sub_key, NODE_NOW - 100, NODE_NOW - 1, true);
	struct cert *reserved = authority_sign(ca.sub_key, "CAPF-root", NULL, NULL, ca.sub_key, NODE_NOW - 1, AUTHORITY_END, true);
	struct cert *capf = authority_sign(ca.sub_key, "CAPF-0a1b2c3d", NULL, NULL, ca.sub_key, NODE_NOW - 1, AUTHORITY_END, true);

	assert_err(import(expired, NULL), ERR_USAGE);
	assert_err(import(reserved, NULL), ERR_USAGE);
	assert_ok(import(capf, NULL), &e);
	assert_true(there("Phone-trust/CAPF-0a1b2c3d.pem"));
	assert_err(import(ca.sub, "Test_Root.pem"), ERR_USAGE);
	assert_ok(import(ca.root, NULL), &e);
	assert_ok(import(ca.sub, "Test_Root.pem"), &e);
	assert_true(node_has(&node, "certs/Phone-trust/Test_Issuing.pem"));
	assert_int_equal(node_generation(&node), 1);
	cert_unref(expired);
	cert_unref(reserved);
	cert_unref(capf);
}

/* The rule of common names, with the file names that come of it. */
static void test_one_of_a_name(void **state)
{
	(void)state;
	struct cert *later = authority_sign(ca.sub_key, "Test Root", NULL, NULL, ca.sub_key, NODE_NOW - 50, AUTHORITY_END, true);
	struct cert *alike = authority_sign(ca.sub_key, "Test?Root", NULL, NULL, ca.sub_key, NODE_NOW - 50, AUTHORITY_END, true);

	assert_ok(import(later, NULL), &e);
	assert_err(import(ca.root, NULL), ERR_USAGE);
	assert_ok(import(later, NULL), &e);
	assert_ok(import(alike, NULL), &e);
	char hex[64], serial[100];
	text_hex(hex, sizeof(hex), cert_serial(alike), '\0', false);
	snprintf(serial, sizeof(serial), "Phone-trust/Test_Root_%s.pem", hex);
	assert_true(there("Phone-trust/Test_Root.pem"));
	assert_true(there(serial));
	cert_unref(later);
	cert_unref(alike);
}

/* A dry run refuses what the command does: by the rule of names too, and for copies of own certificates. */
static void test_dry(void **state)
{
	struct cert *later = authority_sign(ca.sub_key, "Test Root", NULL, NULL, ca.sub_key, NODE_NOW - 50, AUTHORITY_END, true);
	struct cert *impostor = authority_sign(ca.sub_key, "cucm-1051-a-pub", NULL, NULL, ca.sub_key, NODE_NOW + 50, AUTHORITY_END, false);
	struct trust_import in = { .file = cert_der(later), .dry = true };
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(cluster_import_trust(node.cluster, "test", "Phone-trust", &in, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	notes_clear(&notes);
	assert_false(there("Phone-trust/Test_Root.pem"));
	assert_ok(import(later, NULL), &e);
	in.file = cert_der(ca.root);
	assert_err(cluster_import_trust(node.cluster, "test", "Phone-trust", &in, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "delete that one first"));
	err_clear(&e);
	in.file = cert_der(impostor);
	assert_err(cluster_import_trust(node.cluster, "test", "ipsec", &in, NULL, &e), ERR_USAGE);
	err_clear(&e);
	in.dry = false;
	assert_err(cluster_import_trust(node.cluster, "test", "CallManager", &in, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_import_trust(node.cluster, "test", "ipsec", &in, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_trust_delete(node.cluster, "test", "ipsec", "cucm-1051-a-pub.pem", NULL, &e), ERR_USAGE);
	err_clear(&e);
	cert_unref(later);
	cert_unref(impostor);
}

static int look_at(void *ctx, const struct certs_entry *entry)
{
	char *found = ctx;

	if (strcmp(entry->file, "named.pem") == 0)
		snprintf(found, 100, "%.99s", entry->description);
	return 0;
}

/* An authority without a common name is still not the certificate itself. */
static void test_issuer_without_cn(void **state)
{
	static const struct { const char *type, *value, *said; } names[] = {
		{ "O", "Example", "Certificate Signed by Example" }, { "OU", "Voice", "Certificate Signed by OU=Voice" },
		{ "DC", "org", "Certificate Signed by DC=org" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct cert *c = authority_sign(ca.sub_key, "named", NULL, NULL, ca.sub_key, NODE_NOW - 50 + (int64_t)i, AUTHORITY_END, false);
		X509 *x = X509_dup(cert_x509(c));
		X509_NAME *name = X509_NAME_new();
		struct cert *signed_by;
		char said[100] = "";
		const uint8_t *value = (const uint8_t *)names[i].value;
		assert_true(X509_NAME_add_entry_by_txt(name, names[i].type, MBSTRING_ASC, value, -1, -1, 0));
		assert_true(X509_set_issuer_name(x, name) && X509_sign(x, ca.sub_key, EVP_sha256()));
		assert_ok(cert_from_x509(x, &signed_by, &e), &e);
		assert_ok(import(signed_by, NULL), &e);
		assert_ok(certs_list(node.cluster, CERTS_TRUST, look_at, said, &e), &e);
		assert_string_equal(said, names[i].said);
		X509_NAME_free(name);
		X509_free(x);
		cert_unref(signed_by);
		cert_unref(c);
	}
}

static size_t chain_warnings(const char *store, const char *file)
{
	struct notes notes = NOTES_INIT;
	size_t n = 0;

	assert_ok(trust_delete_warnings(node.cluster, store, file, &notes, &e), &e);
	for (size_t i = 0; i < notes.n; i++)
		n += strstr(notes.text[i], "above this node's own CallManager certificate") != NULL;
	notes_clear(&notes);
	return n;
}

static void test_delete_above_own(void **state)
{
	struct request *r = node_csr(&node, "CallManager");
	struct cert *c = authority_sign(NULL, "x", r, ca.sub, ca.sub_key, node.now - 10, node.now + 86400, false);
	struct csr_import in = { .file = cert_der(c) };

	(void)state;
	authority_upload(&ca, &node, "CallManager");
	authority_upload(&ca, &node, "Phone-trust");
	assert_int_equal(chain_warnings("CallManager", "Test_Issuing.pem"), 0);
	assert_ok(cluster_import_own(node.cluster, "test", "CallManager", &in, NULL, &e), &e);
	assert_int_equal(chain_warnings("CallManager", "Test_Issuing.pem"), 1);
	assert_int_equal(chain_warnings("CallManager", "Test_Root.pem"), 1);
	assert_int_equal(chain_warnings("Phone-trust", "Test_Issuing.pem"), 0);
	request_free(r);
	cert_unref(c);
}

static void test_delete(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(import(ca.root, NULL), &e);
	assert_err(cluster_trust_delete(node.cluster, "test", "Phone-trust", "nothing", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "it holds: Test_Root.pem"));
	err_clear(&e);
	assert_ok(trust_delete_warnings(node.cluster, "tomcat", "cucm-1051-a-pub.pem", &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "own tomcat certificate"));
	notes_clear(&notes);
	assert_ok(cluster_trust_delete(node.cluster, "test", "Phone-trust", "Phone-trust/Test_Root.pem", NULL, &e), &e);
	assert_false(there("Phone-trust/Test_Root.pem"));
	assert_err(cluster_trust_delete(node.cluster, "test", "ipsec", "cucm-1051-a-pub.pem", NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(trust_delete_warnings(node.cluster, "ipsec", "cucm-1051-a-pub.pem", NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_int_equal(node_generation(&node), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_expired_are_named),
		TEST(test_import),
		TEST(test_one_of_a_name),
		TEST(test_dry),
		TEST(test_issuer_without_cn),
		TEST(test_delete_above_own),
		TEST(test_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
