#include "testing.h"

#include "fixture.h"
#include "store/group.h"

static int make(void **state)
{
	fixture_make(state);
	struct fixture *f = *state;
	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	add_node(f->s, "cucm-c", "", STORE_NODE_SUBSCRIBER);
	return 0;
}

static void put(struct store *s, const struct store_group *g)
{
	struct err e = ERR_INIT;

	assert_ok(store_group_put(s, g, &e), &e);
}

static void members_keep_their_order(void **state)
{
	struct fixture *f = *state;
	const struct store_group g = {.name = "Default", .n = 3, .members = {"cucm-c", "CUCM-A", "cucm-b"}};
	const struct store_group shorter = {.name = "Default", .n = 1, .members = {"cucm-b"}};
	const struct store_group empty = {.name = "Empty"};
	struct store_group got = {0};
	struct store_group *list = NULL;
	struct err e = ERR_INIT;
	bool found = false;
	size_t n = 0;

	put(f->s, &g);
	assert_ok(store_group_get(f->s, "Default", &got, &found, &e), &e);
	assert_true(found);
	assert_int_equal(got.n, 3);
	assert_string_equal(got.members[0], "cucm-c");
	assert_string_equal(got.members[1], "cucm-a");
	assert_string_equal(got.members[2], "cucm-b");
	put(f->s, &empty);
	assert_ok(store_group_list(f->s, &list, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].n, 3);
	assert_string_equal(list[1].name, "Empty");
	assert_int_equal(list[1].n, 0);
	free(list);
	put(f->s, &shorter);
	assert_ok(store_group_get(f->s, "Default", &got, &found, &e), &e);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.members[0], "cucm-b");
	assert_ok(store_group_get(f->s, "default", &got, &found, &e), &e);
	assert_false(found);
}

static void a_group_that_cannot_be_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct store_group good = {.name = "Default", .n = 1, .members = {"cucm-b"}};
	const struct store_group twice = {.name = "Default", .n = 2, .members = {"cucm-a", "CUCM-A"}};
	const struct store_group unknown = {.name = "Default", .n = 2, .members = {"cucm-a", "nobody"}};
	const struct store_group too_many = {.name = "Default", .n = 4};
	const struct store_group nameless = {.n = 1, .members = {"cucm-a"}};
	struct store_group got = {0};
	struct err e = ERR_INIT;
	bool found = false;

	put(f->s, &good);
	assert_err(store_group_put(f->s, &twice, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_group_put(f->s, &unknown, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_group_put(f->s, &too_many, &e), ERR_LIMIT);
	err_clear(&e);
	assert_err(store_group_put(f->s, &nameless, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(store_group_get(f->s, "Default", &got, &found, &e), &e);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.members[0], "cucm-b");
}

static void groups_and_nodes_are_deleted_apart(void **state)
{
	struct fixture *f = *state;
	const struct store_group g = {.name = "Default", .n = 3, .members = {"cucm-a", "cucm-b", "cucm-c"}};
	struct store_group got = {0};
	struct err e = ERR_INIT;
	bool found = false;

	put(f->s, &g);
	assert_ok(store_node_delete(f->s, "cucm-b", &e), &e);
	assert_ok(store_group_get(f->s, "Default", &got, &found, &e), &e);
	assert_int_equal(got.n, 2);
	assert_string_equal(got.members[1], "cucm-c");
	assert_ok(store_group_delete(f->s, "Default", &e), &e);
	assert_err(store_group_delete(f->s, "Default", &e), ERR_USAGE);
	assert_int_equal(query_number(f->s, "select count(*) from callmanagergroupmember"), 0);
	assert_int_equal(query_number(f->s, "select count(*) from processnode"), 2);
}

#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NODES(members_keep_their_order),
		WITH_NODES(a_group_that_cannot_be_changes_nothing),
		WITH_NODES(groups_and_nodes_are_deleted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
