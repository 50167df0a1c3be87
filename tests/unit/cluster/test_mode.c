#include "cluster/mode.h"

#include "cluster/node.h"
#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "pki/template.h"
#include "store/audit.h"

static struct node node;
static struct err e;

static int setup_10_0(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, "10.0");
	return 0;
}

static int setup_12_0(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

/* The seeds' subscriber, whose certificate a key of its own makes. */
static struct cert *subscriber_cert(void)
{
	char dir[] = "/tmp/ringfence-keys-XXXXXX", key[KEY_NAME_MAX];
	struct template_node sub = { .name = "cucm-1051-a-sub1",
				     .subject = { .ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL" } };
	struct cert_template t;
	struct keystore *keys;
	struct cert *c;

	assert_non_null(mkdtemp(dir));
	assert_ok(keystore_file_open(dir, &keys, &e), &e);
	assert_ok(template_get("CallManager", "10.0", 1024, &t, &e), &e);
	assert_ok(template_issue(keys, &t, &sub, &node.clock, &random_system, key, &c, &e), &e);
	keystore_free(keys);
	assert_ok(folder_remove(AT_FDCWD, dir, &e), &e);
	return c;
}

static void add_subscriber(struct notes *notes)
{
	struct cert *cm = subscriber_cert();

	assert_ok(cluster_node_add(node.cluster, "test", "cucm-1051-a-sub1", "10.48.47.156", notes, &e), &e);
	assert_ok(cluster_node_certificate(node.cluster, "test", "cucm-1051-a-sub1", "CallManager", cm, notes, &e), &e);
	cert_unref(cm);
}

/* Seed 000: file 4947, header 336, records 1156, 1156, 1138, 1161. */
static void test_octet_counts_of_the_seed(void **state)
{
	(void)state;
	add_subscriber(NULL);
	assert_null(node_list(&node, LIST_CTL));
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	struct trust_list *l = node_list(&node, LIST_CTL);
	assert_non_null(l);
	assert_int_equal(l->len, 4947);
	assert_int_equal(l->header.header_len, 336);
	assert_int_equal(l->n_records, 4);
	assert_int_equal(l->records[0].raw.len, 1156);
	assert_int_equal(l->records[1].raw.len, 1156);
	assert_int_equal(l->records[2].raw.len, 1138);
	assert_int_equal(l->records[3].raw.len, 1161);
	assert_int_equal(l->signer, 0);
	list_free(l);
}

static void test_non_secure_shrinks_to_33(void **state)
{
	bool mixed;

	(void)state;
	add_subscriber(NULL);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_is_mixed(node.cluster, &mixed, &e), &e);
	assert_true(mixed);
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_is_mixed(node.cluster, &mixed, &e), &e);
	assert_false(mixed);
	struct trust_list *l = node_list(&node, LIST_CTL);
	assert_int_equal(l->len, 336 + 1156 + 33 + 1138 + 33);
	assert_int_equal(l->records[1].raw.len, 33);
	assert_int_equal(l->records[3].raw.len, 33);
	list_free(l);
}

static void test_update(void **state)
{
	(void)state;
	assert_err(cluster_ctl_update(node.cluster, "test", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "not in mixed mode"));
	err_clear(&e);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	uint64_t before = node_generation(&node);
	struct notes notes = NOTES_INIT;
	add_subscriber(&notes);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "utils ctl update CTLFile"));
	notes_clear(&notes);
	/* An ITL of 10.0 does not name the other nodes' CallManager, and the CTL waits for the command. */
	assert_int_equal(node_generation(&node), before);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_int_equal(node_generation(&node), before + 1);
	struct trust_list *l = node_list(&node, LIST_CTL);
	assert_int_equal(l->n_records, 4);
	list_free(l);
}

static void test_delete(void **state)
{
	bool found = true;

	(void)state;
	assert_ok(cluster_ctl_delete(node.cluster, "test", &found, &e), &e);
	assert_false(found);
	assert_int_equal(node_generation(&node), 1);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_ctl_delete(node.cluster, "test", &found, &e), &e);
	assert_true(found);
	assert_null(node_list(&node, LIST_CTL));
	assert_int_equal(node_generation(&node), 3);
	/* The earlier generation is kept. */
	assert_true(node_has(&node, "published/generation-000002/CTLFile.tlv"));
}

static void test_default_generation_signs_with_itlrecovery(void **state)
{
	struct cert *recovery;

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_own_cert(node.cluster, NULL, "ITLRecovery", &recovery, &e), &e);
	for (int type = LIST_CTL; type <= LIST_ITL; type++) {
		struct trust_list *l = node_list(&node, (enum list_type)type);

		assert_ok(list_verify_cert(l, recovery, &e), &e);
		list_free(l);
	}
	cert_unref(recovery);
}

static void test_8_0_knows_no_tokenless_ctl(void **state)
{
	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "8.0", NULL, &e), &e);
	assert_err(cluster_set_mixed(node.cluster, "test", NULL, &e), ERR_USAGE);
	assert_null(node_list(&node, LIST_CTL));
	bool mixed;
	assert_ok(cluster_is_mixed(node.cluster, &mixed, &(struct err){ 0 }), &e);
	assert_false(mixed);
}

static int last_audit(void *ctx, const struct store_audit *a)
{
	char *out = ctx;

	snprintf(out, 400, "%s|%s|%s|%s|%s|%s", a->who, a->command, a->object, a->before ? a->before : "-",
		 a->after ? a->after : "-", a->outcome);
	return 0;
}

static void test_every_change_is_audited(void **state)
{
	char line[400] = "";

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "root (uid 0)", NULL, &e), &e);
	assert_ok(store_audit_list(node.store, 0, 1, last_audit, line, &e), &e);
	assert_string_equal(line, "root (uid 0)|utils ctl set-cluster mixed-mode|ClusterSecurityMode|non-secure|mixed|done");
	/* What was refused too. */
	assert_ok(cluster_set_non_secure(node.cluster, "root (uid 0)", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "root (uid 0)", PARAM_GENERATION, "8.0", NULL, &e), &e);
	assert_err(cluster_set_mixed(node.cluster, "root (uid 0)", NULL, &e), ERR_USAGE);
	assert_ok(store_audit_list(node.store, 0, 1, last_audit, line, &e), &e);
	assert_non_null(strstr(line, "|refused: trust list generation 8.0 knows a CTL only with hardware tokens"));
	err_clear(&e);
}

static void test_warnings(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_NON_SECURE, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "already in non-secure mode"));
	notes_clear(&notes);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_UPDATE, &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_MIXED, &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "already in mixed mode"));
	notes_clear(&notes);
	/* CallManager signs the CTL of 10.0: phones know the next signer only from TVS. Behaviour.md 9 scenario 7. */
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, NULL, &e), &e);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_UPDATE, &notes, &e), &e);
	assert_int_equal(notes.n, 0); /* the ITL in force names it by now */
	notes_clear(&notes);
	assert_ok(cluster_mode_warnings(node.cluster, MODE_DELETE, &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "phones keep the CTL"));
	notes_clear(&notes);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_octet_counts_of_the_seed, setup_10_0),
		TEST(test_non_secure_shrinks_to_33, setup_10_0),
		TEST(test_update, setup_10_0),
		TEST(test_delete, setup_10_0),
		TEST(test_default_generation_signs_with_itlrecovery, setup_12_0),
		TEST(test_8_0_knows_no_tokenless_ctl, setup_10_0),
		TEST(test_every_change_is_audited, setup_10_0),
		TEST(test_warnings, setup_10_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
