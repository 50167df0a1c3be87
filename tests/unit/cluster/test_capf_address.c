#include "testing.h"

#include <stdio.h>

#include "cluster/capf_internal.h"

static const struct capf_limit three = { .failures = 3, .ms = 60000 };

static void third_failure_locks(void **state)
{
	struct capf_addresses a = { 0 };

	(void)state;
	assert_false(capf_address_locked(&a, "10.0.0.1", 0));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 1000));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 2000));
	assert_false(capf_address_failed(&a, "10.0.0.2", three, 2000));
	assert_false(capf_address_locked(&a, "10.0.0.1", 2000));
	assert_true(capf_address_failed(&a, "10.0.0.1", three, 3000));
	assert_true(capf_address_locked(&a, "10.0.0.1", 62999));
	assert_true(capf_address_locked(&a, "::ffff:10.0.0.1", 3000)); /* the same */
	assert_false(capf_address_locked(&a, "10.0.0.2", 3000));
	assert_false(capf_address_locked(&a, "10.0.0.1", 63000));
	assert_false(capf_address_failed(&a, "10.0.0.1", three, 63000)); /* counted anew */
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
	assert_false(capf_address_locked(&a, "10.0.0.1", 50));
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
	assert_true(capf_address_locked(&a, "2001:db8::4", 1));
	assert_false(capf_address_locked(&a, "2001:db8:0:1::4", 1));
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
	assert_true(capf_address_locked(&a, "192.0.2.1", 20000));
	capf_addresses_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(third_failure_locks), cmocka_unit_test(failures_are_forgotten),
		cmocka_unit_test(zero_never_locks),
		cmocka_unit_test(ipv6_by_network),     cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
