#include "cluster/sast_trust.h"

#include "cluster/authority.h"
#include "cluster/list_check.h"
#include "cluster/param.h"
#include "cluster/phones.h"
#include "format/vectors.h"
#include "store/audit.h"

/* Signers of another cluster: those of the vectors stand for them. */
static struct node node;
static struct err e;
static struct notes notes;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	notes = NOTES_INIT;
	node_init(&node, NULL);
	return 0;
}

static int setup_10_0(void **state)
{
	(void)state;
	err_clear(&e);
	notes = NOTES_INIT;
	node_init(&node, "10.0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	notes_clear(&notes);
	node_remove(&node);
	return 0;
}

/* Past the rules of an upload, which refuses what has expired. */
static void put(const char *name, uint32_t roles)
{
	struct store_certificate_info info = { .roles = roles };
	struct cert *c = golden_cert(name);

	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_PHONE_SAST, c, &info, STORE_PUT_COPY, &e), &e);
	cert_unref(c);
}

static bool noted(const char *words)
{
	for (size_t i = 0; i < notes.n; i++)
		if (strstr(notes.text[i], words))
			return true;
	return false;
}

static void assert_noted(const char *words)
{
	if (noted(words))
		return;
	for (size_t i = 0; i < notes.n; i++)
		print_message("note: %s\n", notes.text[i]);
	fail_msg("no note says: %s", words);
}

/* Functions and common names of the SAST records of a list in force. */
static void assert_sast(enum list_type type, const char *wanted)
{
	struct trust_list *l = node_list(&node, type);
	char got[400] = "";
	size_t used = 0;

	assert_non_null(l);
	for (size_t i = 0; i < l->n_records; i++) {
		struct cert *c;

		if (l->records[i].function != FUNCTION_SAST)
			continue;
		assert_ok(cert_from_der(l->records[i].certificate, &c, &e), &e);
		used = text_append(got, sizeof(got), used, "%s%s", used ? " " : "", cert_cn(c));
		cert_unref(c);
	}
	list_free(l);
	assert_string_equal(got, wanted);
}

static void show_ctl(void)
{
	struct trust_list *l = node_list(&node, LIST_CTL);

	notes_clear(&notes);
	assert_ok(list_notes(node.cluster, l, LIST_CTL, &notes, &e), &e);
	list_free(l);
}

#define RECOVERY "ITLRECOVERY_cucm-1051-a-pub"
#define PUB "cucm-1051-a-pub"

/* Scenario 27: behind the cluster's own, in the order of file names; not in the ITL. */
static void test_records(void **state)
{
	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB);
	struct trust_list *before = node_list(&node, LIST_CTL);
	show_ctl();
	assert_int_equal(notes.n, 0);
	put("sast2048", 0); /* SAST.pem */
	put("tftp2048", 0); /* Asterisk.pem */
	show_ctl();
	assert_int_equal(notes.n, 2);
	assert_noted("does not name Asterisk.pem of Phone-SAST-trust: run 'utils ctl update CTLFile'");
	/* Any change but that of the command leaves the CTL alone. */
	assert_ok(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB " Asterisk SAST");
	assert_sast(LIST_ITL, RECOVERY " " PUB);
	show_ctl();
	assert_int_equal(notes.n, 0);
	struct trust_list *l = node_list(&node, LIST_CTL);
	/* What was there stands where it stood, octet for octet. */
	assert_int_equal(l->n_records, before->n_records + 2);
	for (size_t i = 0; i < before->n_records; i++)
		assert_true(view_eq(l->records[i].raw, before->records[i].raw));
	const struct tlv_record *foreign = &l->records[before->n_records];
	assert_true(view_eq(tlv_text(foreign->dns_name), view_str("Asterisk")) && foreign->signature.p);
	assert_false(list_record_is_token(foreign));
	assert_int_equal(l->n_warnings, 1);
	assert_non_null(strstr(l->warnings[0], "4 records are System Administrator Security Tokens; some phone models"));
	list_free(l);
	list_free(before);
	/* A reset and the way out of mixed mode keep them: a phone that loads those CTLs must not be lost on its way. */
	assert_ok(cluster_ctl_reset(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB " Asterisk SAST");
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB " Asterisk SAST");
}

static void test_warnings(void **state)
{
	static const struct phone_value models[] = { { PHONE_MODEL, "8861" }, { PHONE_MODEL, "6921" }, { PHONE_MODEL, "7925" } };
	char name[32];

	(void)state;
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	put("sast2048", 0);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_noted("will name signers of Phone-SAST-trust as SAST: SAST.pem.");
	assert_noted("The CTL will have 3 SAST records. Some phones are only known to work with 2: ");
	assert_noted("expect that they refuse this CTL at each restart and keep the one they have, or none.");
	assert_noted("No phone that this node knows is of such a model.");
	notes_clear(&notes);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "SEP00000000000%d", i);
		assert_ok(phones_add(node.cluster, "test", name, &models[i], 1, NULL, &e), &e);
	}
	assert_ok(phones_add(node.cluster, "test", "SEP000000000003", NULL, 0, NULL, &e), &e);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_RESET, &notes, &e), &e);
	assert_noted("3 are of such a model: SEP000000000001 (model 6921), SEP000000000002 (model 7925), SEP000000000003 (model not "
		     "known).");
	notes_clear(&notes);
	for (int i = 4; i < 8; i++) {
		snprintf(name, sizeof(name), "SEP00000000000%d", i);
		assert_ok(phones_add(node.cluster, "test", name, &models[1], 1, NULL, &e), &e);
	}
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_noted("SEP000000000005 (model 6921) and 2 more.");
}

/* The CTL of 10.0 has one SAST of its own: with one more it is what every phone is known to work with. */
static void test_two_are_for_all(void **state)
{
	(void)state;
	put("sast2048", 0);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, PUB " SAST");
	put("tftp2048", 0);
	put("itlsigner", 0);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, PUB " Asterisk CUCM8-Publisher.bbbburns.lab SAST");
}

static void test_others_are_left_out(void **state)
{
	struct store_certificate_info info = { 0 };
	struct cert *own;

	(void)state;
	put("etoken1", 0);
	put("sast2048", STORE_ROLE_BIT(STORE_ROLE_SAST)); /* as the adoption of a site leaves it */
	put("ec384", 0);
	assert_ok(cluster_own_cert(node.cluster, NULL, "CallManager", &own, &e), &e);
	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_PHONE_SAST, own, &info, STORE_PUT_UPLOAD, &e), &e);
	cert_unref(own);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_int_equal(notes.n, 4);
	assert_noted("becomes no record of the CTL: a hardware token.");
	assert_noted("SAST.pem becomes no record of the CTL: an earlier signer of this site.");
	assert_noted("becomes no record of the CTL: no RSA key, so it can sign no list.");
	assert_noted(PUB ".pem becomes no record of the CTL: this cluster's own.");
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB);
	show_ctl();
	assert_int_equal(notes.n, 0);
}

static void test_too_many(void **state)
{
	char path[256];

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	put("sast2048", 0);
	put("tftp2048", 0);
	put("itlsigner", 0);
	uint64_t before = node_generation(&node);
	assert_err(cluster_mode_warnings(node.cluster, MODE_UPDATE, &notes, &e), ERR_LIMIT);
	err_clear(&e);
	assert_err(cluster_ctl_update(node.cluster, "test", NULL, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "would have 5 SAST records"));
	assert_non_null(strstr(e.text, "Asterisk.pem, CUCM8-Publisher.bbbburns.lab.pem, SAST.pem"));
	assert_non_null(strstr(e.text, "'set cert delete Phone-SAST-trust NAME'"));
	err_clear(&e);
	assert_int_equal(node_generation(&node), before);
	/* A start must succeed when the CTL was lost meanwhile: without them. */
	snprintf(path, sizeof(path), "%s/published/generation-%06d/CTLFile.tlv", node.dir, (int)before);
	assert_int_equal(unlink(path), 0);
	assert_ok(publish_refresh(node.cluster, "test", "start", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB);
	show_ctl();
	assert_int_equal(notes.n, 3);
}

static struct cert *signer_of(const char *cn, int64_t begin)
{
	EVP_PKEY *key = EVP_RSA_gen(1024);

	assert_non_null(key);
	struct cert *c = authority_sign(key, cn, NULL, NULL, key, begin, AUTHORITY_END, false);
	EVP_PKEY_free(key);
	return c;
}

static void import(const struct cert *c, bool dry)
{
	struct trust_import in = { .file = cert_der(c), .dry = dry };

	notes_clear(&notes);
	assert_ok(cluster_import_trust(node.cluster, "test", "Phone-SAST-trust", &in, &notes, &e), &e);
}

/* What an import and a deletion say, also before they are done. */
static void test_consequences(void **state)
{
	struct cert *one = signer_of("one", NODE_NOW - 10), *two = signer_of("two", NODE_NOW - 10),
		    *three = signer_of("three", NODE_NOW - 10), *later = signer_of("two", NODE_NOW - 5);

	(void)state;
	import(one, true);
	assert_noted("only a CTL of mixed mode has signers of Phone-SAST-trust as SAST records");
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	import(one, true);
	assert_noted("CTLFile.tlv: stays as it is until 'utils ctl update CTLFile', which makes a signer of Phone-SAST-trust a SAST");
	import(one, false);
	assert_noted("CTLFile.tlv: stays as it is until");
	import(two, false);
	assert_false(noted("will refuse"));
	import(later, true); /* in place of the other one */
	assert_false(noted("will refuse"));
	import(three, true);
	assert_noted("'utils ctl' will refuse to make one: the CTL would have 5 SAST records");
	assert_noted("one.pem, two.pem, three.pem");
	struct cert *token = golden_cert("etoken1");
	notes_clear(&notes);
	assert_ok(sast_trust_put_notes(node.cluster, &token, 1, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_noted("becomes no record of a CTL: a hardware token.");
	cert_unref(token);

	notes_clear(&notes);
	assert_ok(trust_delete_warnings(node.cluster, "Phone-SAST-trust", "one", &notes, &e), &e);
	assert_false(noted("names it as SAST"));
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB " one two");
	import(one, true);
	assert_int_equal(notes.n, 1); /* it is there, and a record already */
	notes_clear(&notes);
	assert_ok(trust_delete_warnings(node.cluster, "Phone-SAST-trust", "one", &notes, &e), &e);
	assert_noted("The CTL file names it as SAST: until 'utils ctl update CTLFile'");
	notes_clear(&notes);
	assert_ok(cluster_trust_delete(node.cluster, "test", "Phone-SAST-trust", "one", &notes, &e), &e);
	assert_noted("The CTL file names it as SAST: until");
	show_ctl();
	assert_int_equal(notes.n, 1);
	assert_noted("The CTL file names one as SAST, but Phone-SAST-trust has no such signer any more");
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_sast(LIST_CTL, RECOVERY " " PUB " two");
	show_ctl();
	assert_int_equal(notes.n, 0);
	cert_unref(one);
	cert_unref(two);
	cert_unref(three);
	cert_unref(later);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_records, setup),
		TEST(test_warnings, setup),
		TEST(test_two_are_for_all, setup_10_0),
		TEST(test_others_are_left_out, setup),
		TEST(test_too_many, setup),
		TEST(test_consequences, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
