#include "testing.h"

#include "fixture.h"
#include "store/request.h"

static struct err e;

static int make(void **state)
{
	fixture_make(state);
	struct fixture *f = *state;
	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	return 0;
}

static void put(struct fixture *f, const char *node, enum store_unit unit, const char *pem)
{
	struct store_request r = {.unit = unit, .distribution = STORE_DIST_MULTI_SERVER, .created = 1780000000};

	assert_ok(store_request_put(f->s, node, &r, pem, &e), &e);
}

static void assert_request(struct fixture *f, const char *node, enum store_unit unit, const char *wanted)
{
	struct store_request r = {0};
	char *pem;

	assert_ok(store_request_get(f->s, node, unit, &r, &pem, &e), &e);
	if (!wanted) {
		assert_null(pem);
		return;
	}
	assert_string_equal(pem, wanted);
	assert_int_equal(r.unit, unit);
	assert_int_equal(r.distribution, STORE_DIST_MULTI_SERVER);
	assert_int_equal(r.created, 1780000000);
	free(pem);
}

static void one_for_each_unit_of_a_node(void **state)
{
	struct fixture *f = *state;

	assert_request(f, "cucm-a", STORE_UNIT_TOMCAT, NULL);
	put(f, "cucm-a", STORE_UNIT_TOMCAT, "one");
	put(f, "CUCM-A", STORE_UNIT_TOMCAT, "two");
	put(f, "cucm-a", STORE_UNIT_CAPF, "three");
	put(f, "cucm-b", STORE_UNIT_TOMCAT, "four");
	reopen(f);
	assert_request(f, "cucm-a", STORE_UNIT_TOMCAT, "two");
	assert_request(f, "cucm-a", STORE_UNIT_CAPF, "three");
	assert_request(f, "cucm-b", STORE_UNIT_TOMCAT, "four");
	assert_ok(store_request_drop(f->s, "cucm-a", STORE_UNIT_TOMCAT, &e), &e);
	assert_ok(store_request_drop(f->s, "cucm-a", STORE_UNIT_TOMCAT, &e), &e);
	assert_request(f, "cucm-a", STORE_UNIT_TOMCAT, NULL);
	/* A node that goes takes its own along. */
	assert_ok(store_node_delete(f->s, "cucm-b", &e), &e);
	assert_int_equal(query_number(f->s, "select count(*) from certificaterequest"), 1);
}

static void what_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_request r = {.unit = STORE_TRUST_CAPF, .distribution = STORE_DIST_THIS_SERVER};

	assert_err(store_request_put(f->s, "cucm-a", &r, "x", &e), ERR_USAGE);
	err_clear(&e);
	r.unit = STORE_UNIT_CAPF;
	assert_err(store_request_put(f->s, "nobody", &r, "x", &e), ERR_USAGE);
	err_clear(&e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_for_each_unit_of_a_node),
		TEST(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
