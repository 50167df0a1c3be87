#include "cluster/administrator.h"

#include "cluster/node_fixture.h"
#include "store/administrator.h"
#include "store/audit.h"

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

static struct administrator_ticket ticket;

static bool holds(void)
{
	bool yes;

	assert_ok(administrator_holds(node.cluster, &ticket, &yes, &e), &e);
	return yes;
}

static bool login(const char *name, const char *password)
{
	bool right = false;

	assert_ok(administrator_login(node.cluster, view_str(name), view_str(password), "192.0.2.9", &right, &ticket, &e), &e);
	return right;
}

static void test_accounts(void **state)
{
	struct store_administrator *list;
	size_t n;

	(void)state;
	assert_ok(administrator_add(node.cluster, "test", "admin", "Cisco123", &e), &e);
	assert_err(administrator_add(node.cluster, "test", "admin", "Cisco123", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(administrator_add(node.cluster, "test", "a b", "Cisco123", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(administrator_add(node.cluster, "test", "other", "Cisco12", &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "8 to 128"));
	err_clear(&e);
	assert_err(administrator_password(node.cluster, "test", "other", "Cisco123", &e), ERR_USAGE);
	err_clear(&e);
	assert_true(login("admin", "Cisco123"));
	assert_false(login("admin", "cisco123"));
	assert_false(login("Admin", "Cisco123"));
	assert_false(login("", "Cisco123"));
	assert_ok(administrator_password(node.cluster, "test", "admin", "another1", &e), &e);
	assert_false(login("admin", "Cisco123"));
	assert_true(login("admin", "another1"));
	assert_ok(store_administrator_list(node.store, &list, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].last_login, NODE_NOW);
	assert_null(strstr(list[0].derived, "another1"));
	free(list);
	assert_ok(administrator_delete(node.cluster, "test", "admin", &e), &e);
	assert_err(administrator_delete(node.cluster, "test", "admin", &e), ERR_USAGE);
	err_clear(&e);
	assert_false(login("admin", "another1"));
}

/* A login is worth as much as its account, also when the new password is the old one or the account comes back. */
static void test_ticket(void **state)
{
	(void)state;
	assert_ok(administrator_add(node.cluster, "test", "admin", "Cisco123", &e), &e);
	assert_ok(administrator_add(node.cluster, "test", "other", "Cisco123", &e), &e);
	assert_true(login("admin", "Cisco123"));
	assert_true(holds());
	for (int i = 0; i < ADMINISTRATOR_ATTEMPTS; i++)
		assert_false(login("admin", "wrong"));
	assert_true(holds());
	assert_ok(administrator_password(node.cluster, "test", "other", "another1", &e), &e);
	assert_true(holds());
	assert_ok(administrator_password(node.cluster, "test", "admin", "Cisco123", &e), &e);
	assert_false(holds());
	assert_true(login("admin", "Cisco123"));
	assert_true(holds());
	assert_ok(administrator_delete(node.cluster, "test", "admin", &e), &e);
	assert_false(holds());
	assert_ok(administrator_add(node.cluster, "test", "admin", "Cisco123", &e), &e);
	assert_false(holds());
}

static void test_lock(void **state)
{
	(void)state;
	assert_ok(administrator_add(node.cluster, "test", "admin", "Cisco123", &e), &e);
	for (int i = 1; i < ADMINISTRATOR_ATTEMPTS; i++)
		assert_false(login("admin", "wrong"));
	assert_true(login("admin", "Cisco123")); /* which forgives */
	for (int i = 0; i < ADMINISTRATOR_ATTEMPTS; i++)
		assert_false(login("admin", "wrong"));
	assert_false(login("admin", "Cisco123"));
	node_close(&node);
	node_open(&node); /* a restart does not */
	node.now += ADMINISTRATOR_LOCKOUT_S - 1;
	assert_false(login("admin", "Cisco123"));
	node.now += 1;
	assert_false(login("admin", "wrong")); /* one more guess, and it is locked again */
	node.now += 1;
	assert_false(login("admin", "Cisco123"));
	assert_ok(administrator_password(node.cluster, "test", "admin", "Cisco123", &e), &e);
	assert_true(login("admin", "Cisco123"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ticket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
