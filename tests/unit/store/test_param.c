#include "testing.h"

#include "fixture.h"
#include "store/param.h"

static int make(void **state)
{
	fixture_make(state);
	struct fixture *f = *state;
	add_node(f->s, "cucm-a", "", STORE_NODE_PUBLISHER);
	add_node(f->s, "cucm-b", "", STORE_NODE_SUBSCRIBER);
	return 0;
}

static const struct store_param_key everywhere = {.name = "Color"};
static const struct store_param_key service = {.name = "Color", .service = "cisco tftp"};
static const struct store_param_key on_b = {.name = "Color", .service = "Cisco Tftp", .node = "cucm-b"};

static void set(struct store *s, struct store_param_key key, const char *value)
{
	struct err e = ERR_INIT;

	assert_ok(store_param_set(s, key, value, &e), &e);
}

static void assert_value(struct store *s, struct store_param_key key, const char *want)
{
	struct err e = ERR_INIT;
	char *value = NULL;

	assert_ok(store_param_get(s, key, &value, &e), &e);
	assert_int_equal(value != NULL, want != NULL);
	if (want)
		assert_string_equal(value, want);
	free(value);
}

static void a_key_is_name_service_and_node(void **state)
{
	struct fixture *f = *state;

	assert_value(f->s, everywhere, NULL);
	set(f->s, everywhere, "red");
	set(f->s, service, "green");
	set(f->s, on_b, "");
	assert_value(f->s, everywhere, "red");
	assert_value(f->s, service, "green");
	assert_value(f->s, on_b, "");
	set(f->s, everywhere, "it's; DROP TABLE processconfig --\n\xc3\xa9");
	assert_value(f->s, everywhere, "it's; DROP TABLE processconfig --\n\xc3\xa9");
	set(f->s, service, NULL);
	set(f->s, service, NULL); /* nothing to take away */
	assert_value(f->s, service, NULL);
	assert_value(f->s, on_b, "");
	assert_int_equal(query_number(f->s, "select count(*) from processconfig"), 2);
}

static void the_list_has_them_all(void **state)
{
	struct fixture *f = *state;
	struct store_param *list = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	set(f->s, on_b, "3");
	set(f->s, service, "2");
	set(f->s, everywhere, "1");
	set(f->s, (struct store_param_key){.name = "Area"}, "0");
	assert_ok(store_param_list(f->s, &list, &n, &e), &e);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i].value[0], '0' + (int)i);
	assert_string_equal(list[0].name, "Area");
	assert_string_equal(list[1].service, "");
	assert_string_equal(list[2].service, "Cisco Tftp");
	assert_string_equal(list[2].node, "");
	assert_string_equal(list[3].node, "cucm-b");
	store_params_free(list, n);
	store_params_free(NULL, 0);
}

static void what_is_unknown_or_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *value = malloc(STORE_PARAM_MAX + 2);

	assert_non_null(value);
	assert_err(store_param_set(f->s, (struct store_param_key){.name = ""}, "x", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_param_set(f->s, (struct store_param_key){.name = "a", .service = "Cisco Lunch"}, "x", &e),
		   ERR_USAGE);
	err_clear(&e);
	assert_err(store_param_set(f->s, (struct store_param_key){.name = "a", .node = "nobody"}, "x", &e), ERR_USAGE);
	err_clear(&e);
	memset(value, 'x', STORE_PARAM_MAX + 1);
	value[STORE_PARAM_MAX + 1] = '\0';
	assert_err(store_param_set(f->s, everywhere, value, &e), ERR_LIMIT);
	err_clear(&e);
	value[STORE_PARAM_MAX] = '\0';
	set(f->s, everywhere, value);
	assert_value(f->s, everywhere, value);
	free(value);
}

static void a_nodes_own_values_go_with_it(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	set(f->s, everywhere, "red");
	set(f->s, on_b, "blue");
	assert_ok(store_node_delete(f->s, "cucm-b", &e), &e);
	assert_int_equal(query_number(f->s, "select count(*) from processconfig"), 1);
}

#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NODES(a_key_is_name_service_and_node),
		WITH_NODES(the_list_has_them_all),
		WITH_NODES(what_is_unknown_or_too_long_is_refused),
		WITH_NODES(a_nodes_own_values_go_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
