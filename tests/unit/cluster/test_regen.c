#include "cluster/certs.h"

#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "cluster/strand.h"
#include "phone/phone.h"
#include "store/certificate.h"

static struct node node;
static struct err e;

static int setup(void **state)
{
	err_clear(&e);
	node_init(&node, *state);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static struct cert *own(const char *unit)
{
	struct cert *c;

	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	assert_non_null(c);
	return c;
}

static bool itl_names(const struct cert *c)
{
	struct trust_list *l = node_list(&node, LIST_ITL);
	bool named = false;

	for (size_t i = 0; i < l->n_records; i++)
		named |= list_record_is_cert(&l->records[i], c);
	list_free(l);
	return named;
}

static void regen(const char *unit)
{
	node.now += 3600;
	assert_ok(cluster_regen(node.cluster, "test", unit, NULL, NULL, &e), &e);
}

static void test_callmanager(void **state)
{
	struct notes notes = NOTES_INIT;
	struct cert *old = own("CallManager"), *new;
	char key[KEY_NAME_MAX];
	EVP_PKEY *pub;

	(void)state;
	node.now += 3600;
	assert_ok(cluster_regen(node.cluster, "test", "callmanager", &notes, &new, &e), &e);
	struct cert *now = own("CallManager");
	assert_true(cert_same(now, new));
	assert_false(cert_same(now, old));
	/* Same subject, same key length, another key; the ITL follows by itself. */
	assert_string_equal(cert_subject(new), cert_subject(old));
	assert_int_equal(cert_key_bits(new), 1024);
	assert_false(view_eq(cert_spki(new), cert_spki(old)));
	assert_true(itl_names(new));
	assert_false(itl_names(old));
	assert_int_equal(node_generation(&node), 2);
	/* The old key stays for the lists that need it. */
	assert_ok(key_name("CallManager", cert_spki(old), key, &e), &e);
	assert_ok(node.keys->ops->public_key(node.keys, key, &pub, &e), &e);
	EVP_PKEY_free(pub);
	assert_int_equal(notes.n, 3);
	assert_non_null(strstr(notes.text[0], "recovery export"));
	assert_non_null(strstr(notes.text[1], "Restart Cisco CallManager"));
	assert_non_null(strstr(notes.text[2], "Then reset the phones"));
	notes_clear(&notes);
	cert_unref(old);
	cert_unref(new);
	cert_unref(now);
}

static void test_files_follow(void **state)
{
	(void)state;
	/* A stray file that looks like a trust certificate, and one that is no certificate file. */
	char stray[160], note[160];
	snprintf(stray, sizeof(stray), "%s/certs/CallManager-trust/evil.pem", node.dir);
	snprintf(note, sizeof(note), "%s/certs/CallManager-trust/README", node.dir);
	assert_ok(file_replace(AT_FDCWD, stray, view_str("x"), 0644, &e), &e);
	assert_ok(file_replace(AT_FDCWD, note, view_str("x"), 0644, &e), &e);
	struct cert *old = own("CAPF");
	char old_file[300], path[400];
	snprintf(old_file, sizeof(old_file), "%s.pem", cert_cn(old));
	regen("CAPF");
	struct cert *new = own("CAPF");
	char new_file[300];
	snprintf(new_file, sizeof(new_file), "%s.pem", cert_cn(new));
	assert_string_not_equal(old_file, new_file);
	/* The old CAPF stays valid, in both stores (behaviour.md 2.7). */
	static const char *const stores[] = { "CAPF-trust", "CallManager-trust" };
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "certs/%s/%s", stores[i], old_file);
		assert_true(node_has(&node, path));
		snprintf(path, sizeof(path), "certs/%s/%s", stores[i], new_file);
		assert_true(node_has(&node, path));
	}
	assert_false(node_has(&node, "certs/CallManager-trust/evil.pem"));
	assert_true(node_has(&node, "certs/CallManager-trust/README"));
	cert_unref(old);
	cert_unref(new);
}

static void test_units(void **state)
{
	(void)state;
	for (const char *const *unit = template_units; *unit; unit++) {
		struct cert *old = own(*unit), *new;
		uint64_t before = node_generation(&node);
		bool in_itl = compose_names_unit(COMPOSE_12_0, LIST_ITL, *unit);

		assert_non_null(unit_rule(*unit));
		regen(*unit);
		new = own(*unit);
		assert_false(cert_same(old, new));
		assert_int_equal(node_generation(&node), before + in_itl);
		assert_int_equal(itl_names(new), in_itl);
		cert_unref(old);
		cert_unref(new);
	}
	assert_err(cluster_regen(node.cluster, "test", "nonsense", NULL, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_regen(node.cluster, "test", "CallManager-trust", NULL, NULL, &e), ERR_USAGE);
	err_clear(&e);
}

/* --- warnings --- */

static void assert_warning(const char *unit, const char *part)
{
	struct notes notes = NOTES_INIT;
	bool there = false;

	assert_ok(cluster_regen_warnings(node.cluster, unit, &notes, &e), &e);
	for (size_t i = 0; i < notes.n; i++)
		there |= strstr(notes.text[i], part) != NULL;
	if (!there)
		fail_msg("%s: no '%s' among %zu warnings%s%s", unit, part, notes.n, notes.n ? ": " : "",
			 notes.n ? notes.text[0] : "");
	notes_clear(&notes);
}

static void assert_no_warning(const char *unit)
{
	struct notes notes = NOTES_INIT;

	assert_ok(cluster_regen_warnings(node.cluster, unit, &notes, &e), &e);
	if (notes.n)
		fail_msg("%s: %s", unit, notes.text[0]);
}

/* Scenario 6 and 8 of behaviour.md 9: CallManager signs, TVS carries; both in a row strand who missed the first. */
static void test_warnings_of_10_0(void **state)
{
	(void)state;
	assert_no_warning("TVS");
	assert_no_warning("tomcat");
	assert_warning("CallManager", "Those that ask TVS take it");
	regen("TVS");
	assert_warning("CallManager", "Phones that have not loaded the ITL since 2026-");
	regen("CallManager");
	assert_warning("TVS", "would be stranded");
}

/* Scenario 11 and 12: ITLRecovery signs, so CallManager and TVS are harmless. */
static void test_warnings_of_12_0(void **state)
{
	(void)state;
	assert_no_warning("CallManager");
	assert_no_warning("TVS");
	assert_warning("ITLRecovery", "Those that ask TVS take it");
	assert_warning("CAPF", "stay valid");
	regen("CallManager");
	regen("TVS");
	assert_no_warning("CallManager");
	assert_warning("ITLRecovery", "would be stranded");
	regen("ITLRecovery");
	assert_warning("CallManager", "would be stranded"); /* who missed both has had its configurations until now */
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_warning("CallManager", "mixed mode");
	assert_err(cluster_regen_warnings(node.cluster, "nonsense", NULL, &e), ERR_USAGE);
	err_clear(&e);
}

static void test_reach(void **state)
{
	struct trust_list *itl = node_list(&node, LIST_ITL);
	struct cert *cm = own("CallManager"), *recovery = own("ITLRecovery"), *tvs = own("TVS"), *capf = own("CAPF");

	(void)state;
	assert_int_equal(strand_reach(NULL, NULL, NULL, NULL), STRAND_DIRECT);
	assert_int_equal(strand_reach(NULL, itl, recovery, NULL), STRAND_DIRECT);
	assert_int_equal(strand_reach(NULL, itl, cm, NULL), STRAND_DIRECT);
	assert_int_equal(strand_reach(itl, NULL, cm, NULL), STRAND_DIRECT);
	/* Named, but not as SAST. */
	assert_int_equal(strand_reach(NULL, itl, capf, NULL), STRAND_LOST);
	assert_int_equal(strand_reach(NULL, itl, capf, tvs), STRAND_TVS);
	assert_int_equal(strand_reach(NULL, itl, NULL, tvs), STRAND_TVS);
	assert_int_equal(strand_reach(NULL, itl, NULL, capf), STRAND_LOST);
	list_free(itl);
	cert_unref(cm);
	cert_unref(recovery);
	cert_unref(tvs);
	cert_unref(capf);
}

static void set_rollback(const char *value)
{
	assert_ok(param_set(node.cluster, "test", PARAM_ROLLBACK, value, NULL, &e), &e);
}

/* behaviour.md 9, scenarios 17 and 31: what would lock phones out does not, once they have the blank ITL. */
static void test_blank_itl(void **state)
{
	(void)state;
	node.now += 3600;
	set_rollback("True");
	struct trust_list *blank = node_list(&node, LIST_ITL);
	assert_true(phone_itl_is_blank(blank));
	assert_ok(list_verify_self(blank, &e), &e);
	assert_int_equal(strand_reach(NULL, blank, NULL, NULL), STRAND_DIRECT);
	struct cert *cm = own("CallManager");
	/* A CTL decides for itself. */
	assert_int_equal(strand_reach(blank, blank, cm, NULL), STRAND_DIRECT);
	assert_int_equal(strand_reach(blank, blank, NULL, NULL), STRAND_LOST);
	cert_unref(cm);
	list_free(blank);
	/* Who has not loaded it is not forgotten: what it holds knows nobody of those to come. */
	regen("TVS");
	assert_warning("CallManager", "Phones that have not loaded the ITL since ");
	regen("CallManager");
	set_rollback("False");
	assert_warning("TVS", "Phones that have not loaded the ITL since ");
	struct trust_list *full = node_list(&node, LIST_ITL);
	assert_false(phone_itl_is_blank(full));
	list_free(full);
}

static void test_blank_itl_warnings(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(param_warnings(node.cluster, PARAM_ROLLBACK, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "accept any file from any server"));
	notes_clear(&notes);
	/* Phones that do not trust the signer do not take the blank one either. */
	regen("CallManager");
	regen("TVS");
	assert_ok(param_warnings(node.cluster, PARAM_ROLLBACK, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 2);
	assert_non_null(strstr(notes.text[1], "would be stranded"));
	notes_clear(&notes);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(param_warnings(node.cluster, PARAM_ROLLBACK, "True", &notes, &e), &e);
	assert_non_null(strstr(notes.text[1], "does not empty the CTL"));
	notes_clear(&notes);
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e);
	assert_ok(param_warnings(node.cluster, PARAM_ROLLBACK, "True", &notes, &e), &e);
	assert_non_null(strstr(notes.text[1], "earlier mixed mode"));
	notes_clear(&notes);
	assert_ok(param_set(node.cluster, "test", PARAM_ROLLBACK, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 3);
	assert_non_null(strstr(notes.text[0], "Restart Cisco Trust Verification Service and Cisco Tftp on all nodes"));
	notes_clear(&notes);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], PARAM_ROLLBACK));
	notes_clear(&notes);
}

/* --- listings --- */

static int print_entry(void *ctx, const struct certs_entry *entry)
{
	char *out = ctx;

	text_append(out, 4096, strlen(out), "%s/%s: %s\n", entry->unit, entry->file, entry->description);
	return 0;
}

/* Source: behaviour.md 1.5, the order of CUCM 15. */
static void test_listing(void **state)
{
	char out[4096] = "";

	(void)state;
	assert_ok(certs_list(node.cluster, CERTS_OWN, print_entry, out, &e), &e);
#define SELF ": Self-signed certificate generated by system\n"
	assert_string_equal(out, "tomcat/tomcat.pem" SELF "tomcat-ECDSA/tomcat-ECDSA.pem" SELF "ipsec/ipsec.pem" SELF
				 "ITLRecovery/ITLRecovery.pem" SELF "CallManager-ECDSA/CallManager-ECDSA.pem" SELF
				 "CallManager/CallManager.pem" SELF "CAPF/CAPF.pem" SELF "TVS/TVS.pem" SELF);
	out[0] = '\0';
	assert_ok(certs_list(node.cluster, CERTS_TRUST, print_entry, out, &e), &e);
	assert_non_null(strstr(out, "CallManager-trust/cucm-1051-a-pub.pem: "));
	assert_non_null(strstr(out, "CallManager-trust/CAPF-"));
	assert_non_null(strstr(out, "CAPF-trust/CAPF-"));
	assert_non_null(strstr(out, "tomcat-trust/cucm-1051-a-pub.pem: "));
	assert_null(strstr(out, "ITLRECOVERY"));
}

static void test_find(void **state)
{
	struct cert *c, *wanted = own("CallManager");
	static const char *const names[] = { "CallManager", "callmanager", "CallManager/CallManager.pem",
					     "CallManager/CallManager" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_ok(certs_find(node.cluster, CERTS_OWN, names[i], &c, &e), &e);
		assert_true(cert_same(c, wanted));
		cert_unref(c);
	}
	assert_ok(certs_find(node.cluster, CERTS_TRUST, "CallManager-trust/cucm-1051-a-pub.pem", &c, &e), &e);
	cert_unref(c);
	assert_ok(certs_find(node.cluster, CERTS_TRUST, "tomcat/cucm-1051-a-pub", &c, &e), &e);
	cert_unref(c);
	assert_err(certs_find(node.cluster, CERTS_OWN, "tomcat/other.pem", &c, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "tomcat/tomcat.pem"));
	err_clear(&e);
	assert_err(certs_find(node.cluster, CERTS_TRUST, "CallManager-trust", &c, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(certs_find(node.cluster, CERTS_OWN, "/", &c, &e), ERR_USAGE);
	err_clear(&e);
	cert_unref(wanted);
}

#define TEST(name, generation)                                                                                         \
	cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, (void *)(uintptr_t)(generation))

static const char gen_10_0[] = "10.0";

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_callmanager, NULL),
		TEST(test_files_follow, NULL),
		TEST(test_units, NULL),
		TEST(test_warnings_of_10_0, gen_10_0),
		TEST(test_warnings_of_12_0, NULL),
		TEST(test_reach, NULL),
		TEST(test_blank_itl, gen_10_0),
		TEST(test_blank_itl_warnings, gen_10_0),
		TEST(test_listing, NULL),
		TEST(test_find, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
