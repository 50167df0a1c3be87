#include "cluster/node.h"

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
	assert_ok(cluster_node_add(node.cluster, "test", "cucm-1051-a-sub1", "10.48.47.156",
				   &(struct node_certs){ .tvs = tvs }, NULL, &e), &e);
	assert_int_equal(node_generation(&node), 2);
	struct trust_list *l = node_list(&node, LIST_ITL);
	for (size_t i = 0; i < l->n_records; i++)
		named |= l->records[i].function == FUNCTION_TVS && list_record_is_cert(&l->records[i], tvs);
	assert_true(named);
	list_free(l);
	cert_unref(tvs);
}

static void test_refusals(void **state)
{
	static const struct node_certs none;

	(void)state;
	assert_err(cluster_node_add(node.cluster, "test", "bad name", NULL, &none, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(cluster_node_add(node.cluster, "test", "sub", "10.1.2", &none, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no IPv4 address"));
	err_clear(&e);
	assert_err(cluster_node_add(node.cluster, "test", "CUCM-1051-A-PUB", NULL, &none, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_int_equal(node_generation(&node), 1);
}

/* Phones load 64 KiB: the node that would make the ITL larger is refused, and nothing of it stays. */
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
		rc = cluster_node_add(node.cluster, "test", name, NULL, &(struct node_certs){ .tvs = tvs }, &notes, &e);
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
	struct store_node row;
	bool found = true;
	snprintf(name, sizeof(name), "sub%u", added);
	assert_ok(store_node_get(node.store, name, &row, &found, &e), &e);
	assert_false(found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_itl_names_its_tvs_at_once),
		TEST(test_refusals),
		TEST(test_itl_may_not_outgrow_phones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
