#include "cluster/node.h"

#include "cluster/list_check.h"
#include "cluster/node_fixture.h"
#include "pki/template.h"

static struct node node;
static struct err e;

static int setup(void **state)
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

/* Certificates as a further node would bring them. Each call makes new keys in a folder of their own. */
static struct cert *issue(const char *unit, const char *name, unsigned bits)
{
	char dir[] = "/tmp/ringfence-keys-XXXXXX", key[KEY_NAME_MAX];
	struct template_node sub = { .name = name, .subject = { .ou = "TAC", .o = "Cisco", .c = "PL" } };
	struct cert_template t;
	struct keystore *keys;
	struct cert *c;

	assert_non_null(mkdtemp(dir));
	assert_ok(keystore_file_open(dir, &keys, &e), &e);
	assert_ok(template_get(unit, "12.0", bits, &t, &e), &e);
	assert_ok(template_issue(keys, &t, &sub, &node.clock, &random_system, key, &c, &e), &e);
	keystore_free(keys);
	assert_ok(folder_remove(AT_FDCWD, dir, &e), &e);
	return c;
}

static void test_itl_names_its_tvs_at_once(void **state)
{
	struct cert *tvs = issue("TVS", "cucm-1051-a-sub1", 1024);
	bool named = false;

	(void)state;
	assert_ok(cluster_node_add(node.cluster, "test", "cucm-1051-a-sub1", "10.48.47.156", NULL, &e), &e);
	assert_int_equal(node_generation(&node), 1);
	assert_ok(cluster_node_certificate(node.cluster, "test", "CUCM-1051-a-sub1", "tvs", tvs, NULL, &e), &e);
	assert_int_equal(node_generation(&node), 2);
	struct trust_list *l = node_list(&node, LIST_ITL);
	for (size_t i = 0; i < l->n_records; i++)
		named |= l->records[i].function == FUNCTION_TVS && list_record_is_cert(&l->records[i], tvs);
	assert_true(named);
	list_free(l);
	cert_unref(tvs);
}

static void stale(enum list_type type, const char *said)
{
	struct trust_list *l = node_list(&node, type);
	struct notes notes = NOTES_INIT;

	assert_ok(list_stale(node.cluster, l, type, &notes, &e), &e);
	assert_int_equal(notes.n, said != NULL);
	if (said && !strstr(notes.text[0], said))
		fail_msg("'%s' is not in '%s'", said, notes.text[0]);
	notes_clear(&notes);
	list_free(l);
}

/* The CTL follows by command only: until then it is said what it lacks of other nodes, and whom it names in vain. */
static void test_ctl_of_others(void **state)
{
	struct cert *first = issue("CallManager", "cucm-1051-a-sub1", 1024), *second = issue("CallManager", "cucm-1051-a-sub1", 1024);

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(cluster_node_add(node.cluster, "test", "cucm-1051-a-sub1", "10.48.47.156", NULL, &e), &e);
	stale(LIST_CTL, NULL);
	assert_ok(cluster_node_certificate(node.cluster, "test", "cucm-1051-a-sub1", "CallManager", first, NULL, &e), &e);
	stale(LIST_CTL, "does not name the CallManager certificate of cucm-1051-a-sub1: run 'utils ctl update CTLFile'");
	stale(LIST_ITL, NULL);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	stale(LIST_CTL, NULL);
	assert_ok(cluster_node_certificate(node.cluster, "test", "cucm-1051-a-sub1", "CallManager", second, NULL, &e), &e);
	stale(LIST_CTL, "does not name the CallManager certificate of cucm-1051-a-sub1");
	assert_ok(cluster_node_delete(node.cluster, "test", "cucm-1051-a-sub1", NULL, &e), &e);
	stale(LIST_CTL, "names cucm-1051-a-sub1, which is no node of the cluster any more");
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	stale(LIST_CTL, NULL);
	cert_unref(first);
	cert_unref(second);
}

static void test_deleted_with_its_certificates(void **state)
{
	struct cert *tvs = issue("TVS", "sub", 1024), *cm = issue("CallManager", "sub", 1024);
	struct notes notes = NOTES_INIT;
	struct cert *left;

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	struct trust_list *before = node_list(&node, LIST_ITL);
	assert_ok(cluster_node_add(node.cluster, "test", "sub", "2001:db8::2", NULL, &e), &e);
	assert_ok(cluster_node_certificate(node.cluster, "test", "sub", "TVS", tvs, NULL, &e), &e);
	assert_ok(cluster_node_certificate(node.cluster, "test", "sub", "CallManager", cm, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "does not name this certificate of sub yet"));
	notes_clear(&notes);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	struct trust_list *ctl = node_list(&node, LIST_CTL);
	bool named = false;
	for (size_t i = 0; i < ctl->n_records; i++)
		named |= list_record_is_cert(&ctl->records[i], cm);
	assert_true(named);
	list_free(ctl);

	assert_ok(cluster_node_delete(node.cluster, "test", "SUB", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_string_equal(notes.text[0], "The CTL file still names sub: run 'utils ctl update CTLFile'.");
	notes_clear(&notes);
	struct trust_list *after = node_list(&node, LIST_ITL);
	assert_int_equal(after->n_records, before->n_records);
	assert_ok(cluster_own_cert(node.cluster, "cucm-1051-a-pub", "TVS", &left, &e), &e);
	assert_non_null(left);
	cert_unref(left);
	assert_err(cluster_node_delete(node.cluster, "test", "sub", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no node sub"));
	list_free(before);
	list_free(after);
	cert_unref(tvs);
	cert_unref(cm);
}

static void test_refusals(void **state)
{
	struct cert *cm = issue("CallManager", "sub", 1024);

	(void)state;
	assert_err(cluster_node_add(node.cluster, "test", "bad name", NULL, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_node_add(node.cluster, "test", "sub", "10.1.2", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no IPv4 or IPv6 address"));
	err_clear(&e);
	assert_err(cluster_node_add(node.cluster, "test", "CUCM-1051-A-PUB", NULL, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_node_certificate(node.cluster, "test", "sub", "CallManager", cm, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no node sub"));
	err_clear(&e);
	assert_ok(cluster_node_add(node.cluster, "test", "sub", NULL, NULL, &e), &e);
	assert_err(cluster_node_certificate(node.cluster, "test", "sub", "CAPF", cm, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_node_certificate(node.cluster, "test", "sub", "CallManager-ECDSA", cm, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "EC key"));
	err_clear(&e);
	for (int i = 0; i < 2; i++) {
		const char *self = "cucm-1051-a-pub";
		assert_err(i ? cluster_node_certificate(node.cluster, "test", self, "CallManager", cm, NULL, &e) :
			       cluster_node_delete(node.cluster, "test", self, NULL, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "is this node"));
		err_clear(&e);
	}
	assert_int_equal(node_generation(&node), 1);
	cert_unref(cm);
}

/* Phones load 64 KiB: the certificate that would make the ITL larger is refused, and nothing of it stays. */
static void test_itl_may_not_outgrow_phones(void **state)
{
	struct notes notes = NOTES_INIT;
	unsigned added = 0;
	int rc = 0;

	(void)state;
	while (!rc) {
		char name[32];

		assert_in_range(added, 0, 60);
		snprintf(name, sizeof(name), "sub%u", added);
		struct cert *tvs = issue("TVS", name, 1024);
		assert_ok(cluster_node_add(node.cluster, "test", name, NULL, NULL, &e), &e);
		rc = cluster_node_certificate(node.cluster, "test", name, "TVS", tvs, &notes, &e);
		cert_unref(tvs);
		added += !rc;
	}
	assert_int_equal(rc, ERR_LIMIT);
	assert_non_null(strstr(e.text, "phones load at most 65536"));
	assert_non_null(strstr(e.text, "certificates"));
	err_clear(&e);
	assert_true(added > 40);
	assert_int_equal(node_generation(&node), 1 + added);
	struct trust_list *l = node_list(&node, LIST_ITL);
	assert_int_equal(l->n_records, 6 + added);
	assert_true(l->len <= LIST_PHONE_LIMIT);
	list_free(l);
	/* 7.2 KB at the beginning: from 16 KB on each addition says how large it is by now. */
	assert_true(notes.n > 20);
	assert_non_null(strstr(notes.text[0], "The ITL file is "));
	notes_clear(&notes);
	char name[32];
	struct cert *kept;
	snprintf(name, sizeof(name), "sub%u", added);
	assert_ok(cluster_own_cert(node.cluster, name, "TVS", &kept, &e), &e);
	assert_null(kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_itl_names_its_tvs_at_once),
		TEST(test_ctl_of_others),
		TEST(test_deleted_with_its_certificates),
		TEST(test_refusals),
		TEST(test_itl_may_not_outgrow_phones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
