#include "cluster/csr.h"

#include "cluster/authority.h"
#include "cluster/cert_plan.h"
#include "store/certificate.h"

static struct node node;
static struct authority ca;
static struct err e;

static int setup(void **state)
{
	err_clear(&e);
	node_init(&node, *state);
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

static int count(void *ctx, const char *name)
{
	(void)name;
	++*(unsigned *)ctx;
	return 0;
}

static unsigned n_keys(void)
{
	unsigned n = 0;

	assert_ok(node.keys->ops->list(node.keys, count, &n, &e), &e);
	return n;
}

static int import(const char *unit, const struct cert *c, struct notes *notes)
{
	struct csr_import in = { .file = cert_der(c) };

	err_clear(&e);
	return cluster_import_own(node.cluster, "test", unit, &in, notes, &e);
}

static void refuse(const char *unit, struct cert *c, const char *text)
{
	assert_err(import(unit, c, NULL), ERR_USAGE);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
	err_clear(&e);
	cert_unref(c);
}

static struct cert *own(const char *unit)
{
	struct cert *c;

	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	return c;
}

static struct cert *issue(const struct request *r, int64_t begin, int64_t end, bool ca_cert)
{
	return authority_sign(NULL, "x", r, ca.sub, ca.sub_key, begin, end, ca_cert);
}

/* Every unit that may have a certificate of an authority, from the request to the lists. */
static void test_every_unit(void **state)
{
	(void)state;
	for (const char *const *unit = template_units; *unit; unit++) {
		struct csr_wish wish = { 0 };
		if (strcmp(*unit, "ITLRecovery") == 0) {
			assert_err(cluster_csr_gen(node.cluster, "test", *unit, &wish, NULL, &e), ERR_USAGE);
			err_clear(&e);
			continue;
		}
		bool capf = strcmp(*unit, "CAPF") == 0, in_itl = compose_names_unit(COMPOSE_12_0, LIST_ITL, *unit);
		authority_upload(&ca, &node, strcmp(*unit, "tomcat-ECDSA") == 0	     ? "tomcat-trust" :
					     strcmp(*unit, "CallManager-ECDSA") == 0 ? "CallManager" :
										       *unit);
		struct request *r = node_csr(&node, *unit);
		node.now += 100;
		struct cert *c = issue(r, node.now - 10, node.now + 86400, capf);
		uint64_t before = node_generation(&node);
		assert_ok(import(*unit, c, NULL), &e);
		assert_int_equal(node_generation(&node), before + in_itl);
		struct cert *now = own(*unit);
		assert_true(cert_same(now, c));
		cert_unref(now);
		struct trust_list *itl = node_list(&node, LIST_ITL);
		bool named = false;
		for (size_t i = 0; i < itl->n_records; i++)
			named |= list_record_is_cert(&itl->records[i], c);
		assert_int_equal(named, in_itl);
		list_free(itl);
		cert_unref(c);
		request_free(r);
	}
}

static void test_refusals(void **state)
{
	struct request *r = node_csr(&node, "CAPF");
	int64_t begin = node.now - 10, end = node.now + 86400;
	uint64_t before = node_generation(&node);
	struct cert *was = own("CAPF");

	(void)state;
	refuse("tomcat", issue(r, begin, end, true), "/usr/local/platform/.security/tomcat/keys/tomcat.csr does not exist");
	refuse("CAPF", issue(r, begin, end, true), "CA certificate is not available in the trust-store");
	authority_upload(&ca, &node, "CAPF");
	refuse("CAPF", issue(r, begin, end, false), "CA:TRUE");
	refuse("CAPF", issue(r, begin, node.now - 1, true), "has expired");
	refuse("CAPF", issue(r, node.now + 60, end, true), "not valid yet");
	refuse("CAPF", cert_ref(ca.sub), "CSR Public Key and Certificate Public Key do not match");
	refuse("CAPF", authority_sign(NULL, "x", r, ca.sub, ca.root_key, begin, end, true), "");  /* nobody's signature */
	/* Keys that were lost with a folder, but not the store. */
	char key[KEY_NAME_MAX];
	assert_ok(key_name("CAPF", request_spki(r), key, &e), &e);
	assert_ok(node.keys->ops->remove(node.keys, key, &e), &e);
	struct cert *good = issue(r, begin, end, true);
	assert_err(import("CAPF", good, NULL), ERR_AUTH);
	assert_non_null(strstr(e.text, "set csr gen CAPF"));
	err_clear(&e);
	struct cert *is = own("CAPF");
	assert_true(cert_same(is, was));
	assert_int_equal(node_generation(&node), before);
	cert_unref(is);
	cert_unref(was);
	cert_unref(good);
	request_free(r);
}

/* behaviour.md 2.5, 2.7: the name is the request's, and a former CAPF certificate stays as long as LSCs need it. */
static void test_common_name(void **state)
{
	struct request *r = node_csr(&node, "CAPF");
	int64_t begin = node.now - 10, end = node.now + 86400;
	struct cert *was = own("CAPF");

	(void)state;
	authority_upload(&ca, &node, "CAPF");
	refuse("CAPF", authority_sign_as(NULL, cert_cn(was), true, r, ca.sub, ca.sub_key, begin, end, true), "Common Name");
	refuse("CAPF", authority_sign_as(NULL, NULL, true, r, ca.sub, ca.sub_key, begin, end, true), "the certificate for none");
	request_free(r);
	r = node_csr(&node, "CallManager");
	refuse("CallManager", authority_sign_as(NULL, "quite-another-host", true, r, ca.sub, ca.sub_key, begin, end, false), "Common Name");
	request_free(r);
	/* However it came to that name: a key that vouches for LSCs is not pushed out by another one. */
	struct cert *alike = authority_sign(ca.sub_key, cert_cn(was), NULL, NULL, ca.sub_key, begin, end, true);
	assert_err(unit_record(node.cluster, unit_rule("CAPF"), "cucm-1051-a-pub", alike, STORE_DIST_THIS_SERVER, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "with another key"));
	err_clear(&e);
	cert_unref(alike);
	cert_unref(was);
}

static void refuse_wish(const char *unit, struct csr_wish wish)
{
	wish.dry = true;
	assert_err(cluster_csr_gen(node.cluster, "test", unit, &wish, NULL, &e), ERR_USAGE);
	err_clear(&e);
}

/* What would be refused is refused in a dry run, and what would not leaves nothing behind. */
static void test_dry(void **state)
{
	struct csr_wish fine = { .dry = true, .names = "a.example.org", .bits = 4096 };
	unsigned before = n_keys();
	uint64_t generation = node_generation(&node);
	struct csr_entry entry;

	(void)state;
	refuse_wish("CallManager", (struct csr_wish){ .bits = 257 });
	refuse_wish("CallManager", (struct csr_wish){ .hash = "MD5" });
	refuse_wish("CallManager", (struct csr_wish){ .names = "*.x" });
	refuse_wish("CallManager-ECDSA", (struct csr_wish){ .bits = 521 });
	refuse_wish("ITLRecovery", (struct csr_wish){ 0 });
	refuse_wish("AUTHZ", (struct csr_wish){ 0 });
	assert_ok(cluster_csr_gen(node.cluster, "test", "CallManager", &fine, NULL, &e), &e);
	assert_err(csr_find(node.cluster, "CallManager", &entry, &e), ERR_USAGE);
	err_clear(&e);
	assert_int_equal(n_keys(), before);

	authority_upload(&ca, &node, "TVS");
	struct request *r = node_csr(&node, "TVS");
	struct cert *c = issue(r, node.now - 10, node.now + 86400, false), *was = own("TVS");
	struct csr_import in = { .file = cert_der(c), .dry = true };
	assert_ok(cluster_import_own(node.cluster, "test", "TVS", &in, NULL, &e), &e);
	struct cert *is = own("TVS");
	assert_true(cert_same(is, was));
	assert_int_equal(node_generation(&node), generation);
	assert_ok(import("TVS", c, NULL), &e);
	cert_unref(is);
	cert_unref(was);
	cert_unref(c);
	request_free(r);
}

/* A request that another takes the place of takes its key along; one that was used leaves its key to the certificate. */
static void test_keys(void **state)
{
	unsigned before = n_keys();
	struct request *first = node_csr(&node, "TVS"), *second = node_csr(&node, "TVS");

	(void)state;
	assert_int_equal(n_keys(), before + 1);
	authority_upload(&ca, &node, "TVS");
	struct cert *late = issue(first, node.now - 1, node.now + 86400, false);
	refuse("TVS", late, "CSR Public Key");
	struct cert *c = issue(second, node.now - 1, node.now + 86400, false);
	assert_ok(import("TVS", c, NULL), &e);
	assert_int_equal(n_keys(), before + 1);
	/* The next certificate has the size of the key of this one, and is no longer the authority's. */
	assert_ok(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), &e);
	struct cert *new = own("TVS");
	assert_true(cert_is_self_issued(new));
	assert_int_equal(cert_key_bits(new), cert_key_bits(c));
	cert_unref(new);
	cert_unref(c);
	request_free(first);
	request_free(second);
}

/* An EC certificate keeps the length of its key too, and its digest goes with that (behaviour.md 2.4). */
static void test_ec_length(void **state)
{
	struct csr_wish wish = { .bits = 256 };
	struct csr_entry entry;

	(void)state;
	authority_upload(&ca, &node, "CallManager");
	assert_ok(cluster_csr_gen(node.cluster, "test", "CallManager-ECDSA", &wish, NULL, &e), &e);
	assert_ok(csr_find(node.cluster, "CallManager-ECDSA/CallManager-ECDSA.csr", &entry, &e), &e);
	struct cert *c = issue(entry.request, node.now - 1, node.now + 86400, false);
	assert_ok(import("CallManager-ECDSA", c, NULL), &e);
	struct cert *new;
	assert_ok(cluster_regen(node.cluster, "test", "CallManager-ECDSA", NULL, &new, &e), &e);
	assert_int_equal(cert_key_bits(new), 256);
	assert_int_equal(X509_get_signature_nid(cert_x509(new)), NID_ecdsa_with_SHA256);
	csr_entry_clear(&entry);
	cert_unref(c);
	cert_unref(new);
}

/* --- what is said before --- */

static void assert_plan(const char *unit, const char *const *parts)
{
	struct notes plan = NOTES_INIT;
	size_t at = 0;

	assert_ok(cert_plan(node.cluster, unit, false, &plan, &e), &e);
	for (; *parts; parts++) {
		while (at < plan.n && !strstr(plan.text[at], *parts))
			at++;
		if (at++ == plan.n)
			fail_msg("%s: '%s' is not said, or not in its place", unit, *parts);
	}
	notes_clear(&plan);
}

/* Source: behaviour.md 2.7. */
static void test_plan(void **state)
{
	(void)state;
	assert_plan("CallManager", (const char *[]){ "CallManager-trust", "signed by ITLRecovery.", "CTLFile.tlv: there is none",
						     "take the new ITL", "Cisco CallManager, Cisco Trust", NULL });
	assert_plan("tomcat", (const char *[]){ "tomcat-trust", "ITLFile.tlv: stays", "nothing changes for them", "nothing needs a restart", NULL });
	assert_plan("ITLRecovery", (const char *[]){ "signed by ITLRecovery with the new key", "First 'utils itl reset localkey'", NULL });
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_plan("CAPF", (const char *[]){ "CAPF-trust, beside", "CallManager-trust, beside", "made anew", "utils ctl update CTLFile",
					      "Certificate Authority Proxy Function", NULL });
	assert_plan("TVS", (const char *[]){ "made anew", "CTLFile.tlv: stays as it is.", NULL });
	/* Scenario 13: the other signer first. */
	assert_plan("ITLRecovery", (const char *[]){ "until 'utils ctl reset localkey'", "First 'utils ctl reset localkey'", NULL });
	/* Another name than the former one: beside it. */
	struct csr_wish all = { .multi_server = true };
	assert_ok(cluster_csr_gen(node.cluster, "test", "CallManager", &all, NULL, &e), &e);
	struct notes plan = NOTES_INIT;
	assert_ok(cert_plan(node.cluster, "CallManager", true, &plan, &e), &e);
	assert_non_null(strstr(plan.text[0], "beside the former certificate, which has another name (cucm-1051-a-pub)"));
	notes_clear(&plan);
	assert_plan("CallManager", (const char *[]){ "CallManager-trust, in place of the former one of the same name, cucm-1051-a-pub", NULL });
	assert_err(cert_plan(node.cluster, "tomcat", true, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cert_plan(node.cluster, "nothing", false, NULL, &e), ERR_USAGE);
	err_clear(&e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_unit),
		TEST(test_refusals),
		TEST(test_common_name),
		TEST(test_dry),
		TEST(test_keys),
		TEST(test_ec_length),
		TEST(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
