#include "testing.h"

#include <stdio.h>

#include "cluster/capf_internal.h"

static const struct capf_limit three = { .failures = 3, .ms = 60000 };

static void third_failure_locks(void **state)
{
	struct capf_addresses a = { 0 };

	(void)state;
	assert_false(capf_address_locked(&a, "10.0.0.1", three, 0));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 1000));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 2000));
	assert_false(capf_address_failed(&a, "10.0.0.2", three, 2000));
	assert_false(capf_address_locked(&a, "10.0.0.1", three, 2000));
	assert_true(capf_address_failed(&a, "10.0.0.1", three, 3000));
	assert_true(capf_address_locked(&a, "10.0.0.1", three, 62999));
	assert_true(capf_address_locked(&a, "::ffff:10.0.0.1", three, 3000)); /* the same */
	assert_false(capf_address_locked(&a, "10.0.0.2", three, 3000));
	assert_false(capf_address_locked(&a, "10.0.0.1", three, 63000));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 63000)); /* counted anew */
	capf_addresses_clear(&a);
}

/* The limit of the moment counts, not that under which a lock began. */
static void another_limit_counts_at_once(void **state)
{
	const struct capf_limit four = { .failures = 4, .ms = 60000 }, shorter = { .failures = 3, .ms = 10000 },
				none = { .failures = 0, .ms = 60000 };
	struct capf_addresses a = { 0 };
	bool valid;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		(void)capf_address_failed(&a, "10.0.0.1", three, 1000);
	assert_true(capf_address_locked(&a, "10.0.0.1", three, 11000));
	assert_false(capf_address_locked(&a, "10.0.0.1", shorter, 11000));
	assert_false(capf_address_locked(&a, "10.0.0.1", none, 1000));
	assert_false(capf_address_locked(&a, "10.0.0.1", four, 1000));
	assert_true(capf_address_failed(&a, "10.0.0.1", four, 2000)); /* the fourth, and a new lock */
	assert_true(capf_address_locked(&a, "10.0.0.1", four, 61999));
	capf_address_forget(&a, capf_address_find(&a, "10.0.0.1", &valid));
	assert_false(capf_address_locked(&a, "10.0.0.1", four, 2000));
	for (unsigned i = 0; i < 3; i++)
		(void)capf_address_failed(&a, "10.0.0.1", three, 3000);
	assert_false(capf_address_failed(&a, "10.0.0.2", none, 3000));
	assert_false(capf_address_locked(&a, "10.0.0.1", three, 3000)); /* forgotten */
	capf_addresses_clear(&a);
}

static void addresses_by_their_text(void **state)
{
	static const char *const texts[] = { "10.0.0.1", "2001:db8::/64" }, *const bad[] = { "", "x", "10.0.0.1/64", "10.0.0", "/64" };
	struct capf_addresses a = { 0 };
	char text[64];
	bool valid;

	(void)state;
	(void)capf_address_failed(&a, "10.0.0.1", three, 0);
	(void)capf_address_failed(&a, "2001:db8::7:1", three, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_ptr_equal(capf_address_find(&a, texts[i], &valid), &a.list[i]);
		capf_address_text(&a.list[i], text, sizeof(text));
		assert_string_equal(text, texts[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(capf_address_find(&a, bad[i], &valid));
		assert_false(valid);
	}
	assert_null(capf_address_find(&a, "10.0.0.9", &valid));
	assert_true(valid);
	capf_addresses_clear(&a);
}

static void failures_are_forgotten(void **state)
{
	struct capf_addresses a = { 0 };

	(void)state;
	for (uint64_t t = 0; t < 20; t++)
		assert_false(capf_address_failed(&a, "10.0.0.1", three, t * 30000));
	capf_addresses_clear(&a);
}

static void zero_never_locks(void **state)
{
	struct capf_addresses a = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_false(capf_address_failed(&a, "10.0.0.1", (struct capf_limit){ 0, 60000 }, i));
	assert_false(capf_address_locked(&a, "10.0.0.1", three, 50));
	assert_false(capf_address_failed(&a, "no address", three, 0));
	capf_addresses_clear(&a);
}

/* A host has 2^64 addresses in its network; the network is what counts. */
static void ipv6_by_network(void **state)
{
	struct capf_addresses a = { 0 };

	(void)state;
	assert_false(capf_address_failed(&a, "2001:db8::1", three, 0));
	assert_false(capf_address_failed(&a, "2001:db8::2", three, 0));
	assert_true(capf_address_failed(&a, "2001:db8::ffff:3", three, 0));
	assert_true(capf_address_locked(&a, "2001:db8::4", three, 1));
	assert_false(capf_address_locked(&a, "2001:db8:0:1::4", three, 1));
	capf_addresses_clear(&a);
}

/* Floods from many addresses take no more memory, and do not open a lock. */
static void bounded(void **state)
{
	struct capf_addresses a = { 0 };
	char peer[32];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		(void)capf_address_failed(&a, "192.0.2.1", three, i);
	for (unsigned i = 0; i < 3 * CAPF_ADDRESSES_MAX; i++) {
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_false(capf_address_failed(&a, peer, three, 10 + i));
	}
	assert_int_equal(a.n, CAPF_ADDRESSES_MAX);
	assert_true(capf_address_locked(&a, "192.0.2.1", three, 20000));
	capf_addresses_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(third_failure_locks), cmocka_unit_test(failures_are_forgotten),
		cmocka_unit_test(zero_never_locks),    cmocka_unit_test(another_limit_counts_at_once),
		cmocka_unit_test(addresses_by_their_text),
		cmocka_unit_test(ipv6_by_network),     cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
