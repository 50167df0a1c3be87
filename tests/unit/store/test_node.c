#include "testing.h"

#include "fixture.h"

static struct store_node node_of(struct store *s, const char *name)
{
	struct store_node n = {0};
	struct err e = ERR_INIT;
	bool found = false;

	assert_ok(store_node_get(s, name, &n, &found, &e), &e);
	assert_true(found);
	return n;
}

static void nodes_are_listed_in_the_order_of_adding(void **state)
{
	struct fixture *f = *state;
	struct store_node *list = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	assert_ok(store_node_list(f->s, &list, &n, &e), &e);
	assert_int_equal(n, 0);
	free(list);
	add_node(f->s, "zulu", "192.0.2.1", STORE_NODE_PUBLISHER);
	add_node(f->s, "alpha", "192.0.2.2", STORE_NODE_SUBSCRIBER);
	assert_ok(store_node_list(f->s, &list, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "zulu");
	assert_int_equal(list[0].role, STORE_NODE_PUBLISHER);
	assert_string_equal(list[1].name, "alpha");
	assert_string_equal(list[1].address, "192.0.2.2");
	assert_int_equal(list[1].role, STORE_NODE_SUBSCRIBER);
	free(list);
}

static void a_name_is_found_in_any_case_and_taken_once(void **state)
{
	struct fixture *f = *state;
	struct store_node n = {.name = "CUCM-A", .role = STORE_NODE_SUBSCRIBER};
	struct err e = ERR_INIT;
	bool found = true;

	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	assert_string_equal(node_of(f->s, "Cucm-A").name, "cucm-a");
	assert_err(store_node_add(f->s, &n, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(store_node_get(f->s, "cucm", &n, &found, &e), &e);
	assert_false(found);
}

static void what_a_node_cannot_be(void **state)
{
	struct fixture *f = *state;
	static const struct store_node wrong[] = {
		{.name = ""},
		{.name = "a\nb"},
		{.name = "a", .address = "192.0.2"},
		{.name = "a", .address = "2001:db8::1"},
		{.name = "a", .address6 = "192.0.2.1"},
		{.name = "second", .role = STORE_NODE_PUBLISHER},
	};

	add_node(f->s, "first", "", STORE_NODE_PUBLISHER);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(store_node_add(f->s, &wrong[i], &e), ERR_USAGE);
	}
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 1);
}

static void a_cluster_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct store_node one_more = {.name = "one-more", .role = STORE_NODE_SUBSCRIBER};
	struct err e = ERR_INIT;

	for (int i = 0; i < STORE_MAX_NODES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "node-%d", i);
		add_node(f->s, name, "", i ? STORE_NODE_SUBSCRIBER : STORE_NODE_PUBLISHER);
	}
	assert_err(store_node_add(f->s, &one_more, &e), ERR_LIMIT);
}

static void a_node_is_renamed_with_what_hangs_on_it(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	add_node(f->s, "cucm-a", "192.0.2.1", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "192.0.2.2", STORE_NODE_SUBSCRIBER);
	struct store_node n = node_of(f->s, "cucm-b");
	unsigned id = n.id;
	strcpy(n.name, "cucm-c");
	strcpy(n.address6, "2001:db8::2");
	strcpy(n.description, "the spare");
	assert_ok(store_node_set(f->s, "cucm-b", &n, &e), &e);
	n = node_of(f->s, "cucm-c");
	assert_int_equal(n.id, id);
	assert_string_equal(n.address6, "2001:db8::2");
	assert_string_equal(n.description, "the spare");

	strcpy(n.name, "CUCM-C"); /* only its case */
	assert_ok(store_node_set(f->s, "cucm-c", &n, &e), &e);
	strcpy(n.name, "cucm-a");
	assert_err(store_node_set(f->s, "cucm-c", &n, &e), ERR_USAGE);
	err_clear(&e);
	n = node_of(f->s, "cucm-c");
	n.role = STORE_NODE_PUBLISHER;
	assert_err(store_node_set(f->s, "cucm-c", &n, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_node_set(f->s, "nobody", &n, &e), ERR_USAGE);
}

static void a_deleted_node_is_gone_and_its_id_too(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	unsigned id = node_of(f->s, "cucm-b").id;
	assert_ok(store_node_delete(f->s, "cucm-b", &e), &e);
	assert_err(store_node_delete(f->s, "cucm-b", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_node_delete(f->s, "cucm-a", &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "publisher"));
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	assert_true(node_of(f->s, "cucm-b").id > id);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(nodes_are_listed_in_the_order_of_adding),
		WITH_STORE(a_name_is_found_in_any_case_and_taken_once),
		WITH_STORE(what_a_node_cannot_be),
		WITH_STORE(a_cluster_is_bounded),
		WITH_STORE(a_node_is_renamed_with_what_hangs_on_it),
		WITH_STORE(a_deleted_node_is_gone_and_its_id_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
