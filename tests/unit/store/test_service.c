#include "testing.h"

#include "fixture.h"
#include "store/service.h"

static int make(void **state)
{
	fixture_make(state);
	struct fixture *f = *state;
	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	return 0;
}

static void assert_state(struct store *s, const char *node, const char *name, bool activated, bool started)
{
	struct store_service svc;
	struct err e = ERR_INIT;

	assert_ok(store_service_get(s, node, name, &svc, &e), &e);
	assert_int_equal(svc.activated, activated);
	assert_int_equal(svc.started, started);
}

static void services_begin_as_their_kind_does(void **state)
{
	struct fixture *f = *state;

	assert_state(f->s, "cucm-a", "Cisco Tftp", false, true);
	assert_state(f->s, "cucm-a", "cisco trust verification SERVICE", true, true);
}

static void each_node_has_its_own_state(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(store_service_activate(f->s, "cucm-a", "cisco tftp", true, &e), &e);
	assert_state(f->s, "cucm-a", "Cisco Tftp", true, true);
	assert_state(f->s, "cucm-b", "Cisco Tftp", false, true);
	assert_ok(store_service_start(f->s, "cucm-a", "Cisco Tftp", false, &e), &e);
	assert_state(f->s, "cucm-a", "Cisco Tftp", true, false);
	reopen(f);
	assert_state(f->s, "cucm-a", "Cisco Tftp", true, false);
	assert_ok(store_service_activate(f->s, "cucm-a", "Cisco Tftp", false, &e), &e);
	assert_ok(store_service_start(f->s, "cucm-a", "Cisco Tftp", true, &e), &e);
	assert_state(f->s, "cucm-a", "Cisco Tftp", false, true);
	assert_int_equal(
		query_number(f->s, "select count(*) from processnodeservice where isactive = 'f' and enable = 't'"), 1);
}

static void network_services_are_always_active(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_err(store_service_activate(f->s, "cucm-a", "Cisco Tomcat", false, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(store_service_activate(f->s, "cucm-a", "Cisco Tomcat", true, &e), &e);
	assert_ok(store_service_start(f->s, "cucm-a", "Cisco Tomcat", false, &e), &e);
	assert_state(f->s, "cucm-a", "Cisco Tomcat", true, false);
}

static void unknown_names_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_service svc;
	struct err e = ERR_INIT;

	assert_err(store_service_get(f->s, "nobody", "Cisco Tftp", &svc, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_service_activate(f->s, "cucm-a", "Cisco Lunch", true, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "utils service list"));
}

static void the_list_has_every_service(void **state)
{
	struct fixture *f = *state;
	struct store_service *list = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;
	size_t known = 0;

	while (store_services[known].name)
		known++;
	assert_ok(store_service_activate(f->s, "cucm-b", "Cisco CallManager", true, &e), &e);
	assert_ok(store_service_list(f->s, "cucm-b", &list, &n, &e), &e);
	assert_int_equal(n, known);
	assert_string_equal(list[0].name, "Cisco CallManager");
	assert_string_equal(list[0].node, "cucm-b");
	assert_true(list[0].feature && list[0].activated);
	assert_false(list[1].activated);
	free(list);
	assert_err(store_service_list(f->s, "nobody", &list, &n, &e), ERR_USAGE);
}

#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NODES(services_begin_as_their_kind_does), WITH_NODES(each_node_has_its_own_state),
		WITH_NODES(network_services_are_always_active), WITH_NODES(unknown_names_are_refused),
		WITH_NODES(the_list_has_every_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
