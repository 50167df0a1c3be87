#include "testing.h"

#include "fixture.h"
#include "store/device.h"
#include "store/group.h"

static void add(struct store *s, const char *name, const char *group)
{
	struct store_device d = {.description = "Lobby", .model = "8861", .pool = "Default"};
	struct err e = ERR_INIT;

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.group, sizeof(d.group), "%s", group);
	assert_ok(store_device_add(s, &d, &e), &e);
}

static void a_device_comes_back_as_it_was_added(void **state)
{
	struct fixture *f = *state;
	const struct store_group g = {.name = "Branch"};
	struct store_device d;
	struct err e = ERR_INIT;
	bool found = false;

	assert_ok(store_group_put(f->s, &g, &e), &e);
	add(f->s, "SEP001122334455", "Branch");
	assert_ok(store_device_get(f->s, "SEP001122334455", &d, &found, &e), &e);
	assert_true(found);
	assert_string_equal(d.description, "Lobby");
	assert_string_equal(d.model, "8861");
	assert_string_equal(d.pool, "Default");
	assert_string_equal(d.group, "Branch");
	assert_ok(store_group_delete(f->s, "Branch", &e), &e);
	assert_ok(store_device_get(f->s, "SEP001122334455", &d, &found, &e), &e);
	assert_string_equal(d.group, "");
	assert_ok(store_device_delete(f->s, "SEP001122334455", &e), &e);
	assert_err(store_device_delete(f->s, "SEP001122334455", &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(store_device_get(f->s, "SEP001122334455", &d, &found, &e), &e);
	assert_false(found);
}

static void names_become_files_and_are_checked(void **state)
{
	struct fixture *f = *state;
	static const struct store_device wrong[] = {
		{.name = ""},
		{.name = "sep001122334455"},
		{.name = "SEP001122334455\n"},
		{.name = "SEP/../../x"},
		{.name = "SEP000000000001", .group = "nobody"},
		{.name = "SEP001122334455"},
	};

	add(f->s, "SEP001122334455", "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(store_device_add(f->s, &wrong[i], &e), ERR_USAGE);
	}
	assert_int_equal(query_number(f->s, "select count(*) from device"), 1);
}

struct page {
	struct store *s;
	size_t n;
	char last[STORE_NAME_SIZE];
};

static int take(void *ctx, const struct store_device *d)
{
	struct page *p = ctx;
	struct store_device again;
	struct err e = ERR_INIT;
	bool found = false;

	assert_true(strcmp(d->name, p->last) > 0);
	strcpy(p->last, d->name);
	p->n++;
	assert_ok(store_device_get(p->s, d->name, &again, &found, &e), &e); /* reading within the list */
	assert_true(found);
	return 0;
}

static int stop(void *ctx, const struct store_device *d)
{
	(void)d;
	++*(int *)ctx;
	return ERR_CLOSED;
}

static void the_list_goes_page_by_page(void **state)
{
	struct fixture *f = *state;
	struct page p = {.s = f->s};
	struct err e = ERR_INIT;
	uint64_t count = 0;
	int calls = 0;

	assert_ok(store_begin(f->s, &e), &e);
	for (int i = 0; i < 250; i++) {
		char name[32];
		snprintf(name, sizeof(name), "SEP%012X", i * 7919 % 250);
		add(f->s, name, "");
	}
	assert_ok(store_commit(f->s, &e), &e);
	assert_ok(store_device_count(f->s, &count, &e), &e);
	assert_int_equal(count, 250);
	for (size_t want = 100; want <= 250; want += want == 200 ? 50 : 100) {
		char after[STORE_NAME_SIZE];
		strcpy(after, p.last);
		assert_ok(store_device_list(f->s, after, 100, take, &p, &e), &e);
		assert_int_equal(p.n, want);
	}
	p = (struct page){.s = f->s};
	assert_ok(store_device_list(f->s, NULL, 0, take, &p, &e), &e);
	assert_int_equal(p.n, 250);
	assert_err(store_device_list(f->s, NULL, 0, stop, &calls, &e), ERR_CLOSED);
	assert_int_equal(calls, 1);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_device_comes_back_as_it_was_added),
		WITH_STORE(names_become_files_and_are_checked),
		WITH_STORE(the_list_goes_page_by_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
