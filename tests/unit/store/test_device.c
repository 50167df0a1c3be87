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

static void every_field_is_kept(void **state)
{
	struct fixture *f = *state;
	struct store_device got, d = {
		.name = "SEP001122334455",
		.security = DEVICE_ENCRYPTED,
		.transport = DEVICE_TLS,
		.encrypt_config = true,
		.operation = DEVICE_TROUBLESHOOT,
		.auth = DEVICE_AUTH_MIC,
		.key_order = DEVICE_EC_PREFERRED,
		.rsa_bits = 4096,
		.ec_bits = 521,
		.complete_by = 1790000000,
		.status = DEVICE_STATUS_PENDING,
		.renewal = true,
	};
	struct err e = ERR_INIT;
	bool found = false;

	add(f->s, d.name, "");
	assert_ok(store_device_set(f->s, &d, &e), &e);
	assert_ok(store_device_get(f->s, d.name, &got, &found, &e), &e);
	assert_int_equal(strlen(got.operation_id), STORE_PKID_SIZE - 1);
	memcpy(d.operation_id, got.operation_id, sizeof(d.operation_id)); /* is the store's own */
	assert_memory_equal(&got, &d, sizeof(d));
	snprintf(d.name, sizeof(d.name), "SEP001122334456");
	assert_err(store_device_set(f->s, &d, &e), ERR_USAGE);
}

/* Another whenever what CAPF has to do, or how the phone shows who it is, was set anew, and only then. */
static void an_operation_has_an_id(void **state)
{
	struct fixture *f = *state;
	struct store_device d = {.name = "SEP001122334455", .operation = DEVICE_INSTALL}, got;
	char last[STORE_PKID_SIZE] = "";
	struct err e = ERR_INIT;
	bool found;

	add(f->s, d.name, "");
	for (int i = 0; i < 12; i++) {
		switch (i) {
		case 0: break;
		case 1: d.operation = DEVICE_DELETE; break;
		case 2: d.auth = DEVICE_AUTH_LSC; break;
		case 3: d.key_order = DEVICE_EC_ONLY; break;
		case 4: d.rsa_bits = 4096; break;
		case 5: d.ec_bits = 256; break;
		case 6: d.renewal = true; break;
		case 7: assert_ok(store_device_string_set(f->s, d.name, "derived", &e), &e); break;
		case 8: assert_ok(store_device_delete(f->s, d.name, &e), &e); add(f->s, d.name, ""); break;
		case 9: snprintf(d.status, sizeof(d.status), "%s", "Delete Failed"); break;
		case 10: d.complete_by = 1790000000; break;
		case 11: assert_ok(store_device_attempts_set(f->s, d.name, 3, 0, &e), &e); break;
		}
		assert_ok(store_device_set(f->s, &d, &e), &e);
		assert_ok(store_device_get(f->s, d.name, &got, &found, &e), &e);
		if (i < 9)
			assert_string_not_equal(got.operation_id, last);
		else
			assert_string_equal(got.operation_id, last);
		strcpy(last, got.operation_id);
	}
}

static void values_that_nobody_has_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct store_device wrong[] = {
		{.name = "SEP1", .rsa_bits = 1536},
		{.name = "SEP1", .ec_bits = 512},
		{.name = "SEP1", .status = "Upgrade Failed: bored"},
		{.name = "SEP1", .status = "Troubleshoot Failed: CA Communication Failure"},
		{.name = "SEP1", .security = DEVICE_ENCRYPTED},
		{.name = "SEP1", .transport = DEVICE_TLS},
		{.name = "SEP1", .description = "two\nlines"},
		{.name = "SEP1", .model = "\xff"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err e = ERR_INIT;
		assert_err(store_device_add(f->s, &wrong[i], &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "SEP1"));
	}
	assert_int_equal(query_number(f->s, "select count(*) from device"), 0);
}

/* behaviour.md 5.1: each operation fails bare or for 9 reasons, Troubleshoot not for 2 of them; EC only is Upgrade's. */
static void statuses_are_those_of_axl(void **state)
{
	size_t n = 0;

	(void)state;
	for (enum device_operation op = DEVICE_NO_OPERATION; op <= DEVICE_TROUBLESHOOT; op++)
		for (enum device_failure why = DEVICE_FAILED; why <= DEVICE_FAILED_EC_ONLY; why++)
			n += device_status_failed(op, why) != NULL;
	assert_int_equal(n, 11 + 10 + 8);
	assert_string_equal(device_status_failed(DEVICE_INSTALL, DEVICE_FAILED_KEY),
			    "Upgrade Failed: Key Generation Failed/Timeout");
	assert_string_equal(device_status_failed(DEVICE_DELETE, DEVICE_FAILED), "Delete Failed");
	assert_string_equal(device_status_success(DEVICE_TROUBLESHOOT), "Troubleshoot Success");
	assert_null(device_status_success(DEVICE_NO_OPERATION));
	assert_null(device_status_failed(DEVICE_TROUBLESHOOT, DEVICE_FAILED_CA_REJECTED));
}

static void a_string_is_set_counted_and_forgotten(void **state)
{
	struct fixture *f = *state;
	char derived[DEVICE_STRING_SIZE];
	struct store_device d;
	struct err e = ERR_INIT;
	bool found;

	add(f->s, "SEP001122334455", "");
	assert_ok(store_device_string_get(f->s, "SEP001122334455", derived, &e), &e);
	assert_string_equal(derived, "");
	assert_ok(store_device_string_set(f->s, "SEP001122334455", "derived", &e), &e);
	assert_ok(store_device_attempts_set(f->s, "SEP001122334455", 5, 1780000900, &e), &e);
	assert_ok(store_device_get(f->s, "SEP001122334455", &d, &found, &e), &e);
	assert_true(d.has_string);
	assert_int_equal(d.failures, 5);
	assert_int_equal(d.locked_until, 1780000900);
	assert_ok(store_device_set(f->s, &d, &e), &e); /* leaves it alone */
	assert_ok(store_device_string_get(f->s, "SEP001122334455", derived, &e), &e);
	assert_string_equal(derived, "derived");
	assert_ok(store_device_string_set(f->s, "SEP001122334455", NULL, &e), &e);
	assert_ok(store_device_get(f->s, "SEP001122334455", &d, &found, &e), &e);
	assert_false(d.has_string);
	assert_int_equal(d.failures, 0);
	assert_int_equal(d.locked_until, 0);
	assert_err(store_device_string_set(f->s, "SEP9", "x", &e), ERR_USAGE);
	err_clear(&e);
	assert_err(store_device_attempts_set(f->s, "SEP9", 1, 0, &e), ERR_USAGE);
}

static void contact_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct store_device d = {.name = "SEP001122334455"};
	struct err e = ERR_INIT;
	bool known = true, found;

	assert_ok(store_device_seen(f->s, d.name, "8861", "10.1.2.3", 1780000000, &known, &e), &e);
	assert_false(known);
	assert_ok(store_device_add(f->s, &d, &e), &e);
	assert_ok(store_device_seen(f->s, d.name, "8861", "10.1.2.3", 1780000000, &known, &e), &e);
	assert_true(known);
	assert_ok(store_device_seen(f->s, d.name, "7970", NULL, 1780000005, &known, &e), &e);
	assert_ok(store_device_get(f->s, d.name, &d, &found, &e), &e);
	assert_string_equal(d.model, "8861");
	assert_string_equal(d.last_address, "10.1.2.3");
	assert_int_equal(d.last_seen, 1780000005);

	/* That its encrypted configuration was fetched counts when it has one. */
	assert_ok(store_device_fetched(f->s, d.name, 1780000006, &e), &e);
	assert_ok(store_device_get(f->s, d.name, &d, &found, &e), &e);
	assert_int_equal(d.encrypted_fetched, 0);
	d.encrypt_config = true;
	assert_ok(store_device_set(f->s, &d, &e), &e);
	assert_ok(store_device_fetched(f->s, d.name, 1780000007, &e), &e);
	assert_ok(store_device_get(f->s, d.name, &d, &found, &e), &e);
	assert_int_equal(d.encrypted_fetched, 1780000007);
}

static void old_tls_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct store_device d = {.name = "SEP001122334455"};
	struct err e = ERR_INIT;
	uint64_t n = 9;
	bool found;

	assert_ok(store_device_add(f->s, &d, &e), &e);
	assert_ok(store_device_add(f->s, &(struct store_device){.name = "SEP001122334466"}, &e), &e);
	assert_ok(store_device_count_old_tls(f->s, &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(store_device_old_tls(f->s, d.name, 1780000008, &e), &e);
	assert_ok(store_device_old_tls(f->s, "SEP001122334477", 1780000008, &e), &e); /* nobody */
	assert_ok(store_device_count_old_tls(f->s, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_ok(store_device_get(f->s, d.name, &d, &found, &e), &e);
	assert_int_equal(d.old_tls_seen, 1780000008);
	assert_ok(store_device_set(f->s, &d, &e), &e); /* leaves it alone */
	assert_ok(store_device_get(f->s, d.name, &d, &found, &e), &e);
	assert_int_equal(d.old_tls_seen, 1780000008);
}

static int count(void *ctx, const struct store_device *d)
{
	(void)d;
	++*(int *)ctx;
	return 0;
}

static void late_operations_are_found(void **state)
{
	struct fixture *f = *state;
	const struct store_device devices[] = {
		{.name = "SEP1", .operation = DEVICE_INSTALL, .complete_by = 100},
		{.name = "SEP2", .operation = DEVICE_DELETE, .complete_by = 200},
		{.name = "SEP3", .operation = DEVICE_TROUBLESHOOT},
		{.name = "SEP4", .complete_by = 100},
	};
	struct err e = ERR_INIT;
	int n = 0;

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		assert_ok(store_device_add(f->s, &devices[i], &e), &e);
	assert_ok(store_device_list_late(f->s, 100, 0, count, &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(store_device_list_late(f->s, 101, 0, count, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_ok(store_device_list_late(f->s, 1000, 0, count, &n, &e), &e);
	assert_int_equal(n, 3);
	assert_ok(store_device_list_late(f->s, 1000, 1, count, &n, &e), &e);
	assert_int_equal(n, 4);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_device_comes_back_as_it_was_added),
		WITH_STORE(names_become_files_and_are_checked),
		WITH_STORE(the_list_goes_page_by_page),
		WITH_STORE(every_field_is_kept),
		WITH_STORE(an_operation_has_an_id),
		WITH_STORE(values_that_nobody_has_are_refused),
		cmocka_unit_test(statuses_are_those_of_axl),
		WITH_STORE(a_string_is_set_counted_and_forgotten),
		WITH_STORE(contact_is_remembered),
		WITH_STORE(old_tls_is_remembered),
		WITH_STORE(late_operations_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
