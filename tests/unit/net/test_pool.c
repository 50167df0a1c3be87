#include "../testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/pool.h"

struct test_conn {
	struct net_conn conn;
	struct net_pool *pool;
	bool gone;
};

static void evict(struct net_conn *c)
{
	struct test_conn *t = (struct test_conn *)c;

	net_pool_leave(t->pool, c);
	t->gone = true;
}

static bool admit(struct net_pool *pool, struct test_conn *t, const char *ip)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	*t = (struct test_conn){.conn.evict = evict, .pool = pool};
	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		return net_pool_admit(pool, &t->conn, (struct sockaddr *)&in, sizeof(in));
	assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
	return net_pool_admit(pool, &t->conn, (struct sockaddr *)&in6, sizeof(in6));
}

static void test_share_of_an_address(void **state)
{
	struct net_pool *pool = NULL;
	struct err e = ERR_INIT;
	struct test_conn t[8];

	(void)state;
	assert_ok(net_pool_new(100, 2, &pool, &e), &e);
	assert_true(admit(pool, &t[0], "192.0.2.1"));
	assert_true(admit(pool, &t[1], "::ffff:192.0.2.1")); /* the same, seen through an IPv6 socket */
	assert_false(admit(pool, &t[2], "192.0.2.1"));
	assert_true(admit(pool, &t[2], "192.0.2.2"));
	/* IPv6 counts by /64. */
	assert_true(admit(pool, &t[3], "2001:db8:0:1::1"));
	assert_true(admit(pool, &t[4], "2001:db8:0:1:ffff::2"));
	assert_false(admit(pool, &t[5], "2001:db8:0:1::3"));
	assert_true(admit(pool, &t[5], "2001:db8:0:2::1"));
	assert_true(admit(pool, &t[6], "::1"));
	assert_int_equal(net_pool_stats(pool)->current, 7);
	assert_int_equal(net_pool_stats(pool)->refused_address, 2);
	net_pool_leave(pool, &t[0].conn);
	assert_true(admit(pool, &t[0], "192.0.2.1"));
	net_pool_evict_all(pool);
	assert_int_equal(net_pool_stats(pool)->current, 0);
	net_pool_free(pool);
}

static void test_idle_make_room(void **state)
{
	struct net_pool *pool = NULL;
	struct err e = ERR_INIT;
	struct test_conn t[6];

	(void)state;
	assert_ok(net_pool_new(3, 10, &pool, &e), &e);
	for (int i = 0; i < 3; i++)
		assert_true(admit(pool, &t[i], "192.0.2.1"));
	net_pool_busy(pool, &t[0].conn);
	net_pool_waiting(pool, &t[1].conn); /* it moved: now 2 has waited longest */
	assert_true(admit(pool, &t[3], "192.0.2.9"));
	assert_true(t[2].gone && !t[0].gone && !t[1].gone);
	assert_int_equal(net_pool_stats(pool)->evicted, 1);
	/* When all are being worked for, the new one is refused. */
	net_pool_busy(pool, &t[1].conn);
	net_pool_busy(pool, &t[3].conn);
	assert_false(admit(pool, &t[4], "192.0.2.9"));
	assert_int_equal(net_pool_stats(pool)->refused_full, 1);
	net_pool_evict_all(pool);
	assert_int_equal(net_pool_stats(pool)->current, 3);
	for (int i = 0; i < 4; i++)
		if (!t[i].gone)
			net_pool_leave(pool, &t[i].conn);
	net_pool_free(pool);
}

/* The table against a plain array, through many comings and goings. */
static void test_many_addresses(void **state)
{
	enum { CONNS = 200, ADDRESSES = 60, SHARE = 4 };
	static struct test_conn t[CONNS];
	static bool in[CONNS];
	static int address[CONNS], count[ADDRESSES];
	struct net_pool *pool = NULL;
	struct err e = ERR_INIT;
	unsigned current = 0;

	(void)state;
	srand(1);
	assert_ok(net_pool_new(CONNS, SHARE, &pool, &e), &e);
	for (int round = 0; round < 100000; round++) {
		int i = rand() % CONNS;
		if (in[i]) {
			net_pool_leave(pool, &t[i].conn);
			count[address[i]]--;
			in[i] = false;
			current--;
		} else {
			char ip[32];
			address[i] = rand() % ADDRESSES;
			snprintf(ip, sizeof(ip), "198.51.100.%d", address[i]);
			in[i] = admit(pool, &t[i], ip);
			assert_int_equal(in[i], count[address[i]] < SHARE);
			count[address[i]] += in[i];
			current += in[i];
		}
		assert_int_equal(net_pool_stats(pool)->current, current);
	}
	net_pool_evict_all(pool);
	net_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share_of_an_address),
		cmocka_unit_test(test_idle_make_room),
		cmocka_unit_test(test_many_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
