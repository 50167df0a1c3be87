#include "testing.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/tftp_table.h"

/* Ports of ours: the table looks only at their addresses. */
static char ports[4];
#define TID(i) ((struct tftp_tid *)(void *)&ports[i])

static union udp_addr v4(uint32_t host, uint16_t port)
{
	union udp_addr a = {0};

	a.v4.sin_family = AF_INET;
	a.v4.sin_addr.s_addr = htonl(host);
	a.v4.sin_port = htons(port);
	return a;
}

static union udp_addr v6(const char *host, uint16_t port)
{
	union udp_addr a = {0};

	a.v6.sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, host, &a.v6.sin6_addr), 1);
	a.v6.sin6_port = htons(port);
	return a;
}

static struct tftp_table *new_table(unsigned max, unsigned max_per_address)
{
	const struct tftp_table_limits limits = {max, max_per_address};
	struct tftp_table *t;
	struct err e = ERR_INIT;

	assert_ok(tftp_table_new(&limits, 42, &t, &e), &e);
	return t;
}

static struct tftp_entry *add(struct tftp_table *t, struct tftp_tid *tid, union udp_addr peer)
{
	struct tftp_entry *entry;
	struct err e = ERR_INIT;

	assert_ok(tftp_table_add(t, tid, &peer, &entry, &e), &e);
	return entry;
}

static void found_by_client_and_port(void **state)
{
	struct tftp_table *t = new_table(10000, 10000);
	union udp_addr a = v4(1, 1000), b = v4(1, 1001), c = v6("2001:db8::1", 1000);

	(void)state;
	struct tftp_entry *ea = add(t, TID(0), a), *eb = add(t, TID(0), b), *ea1 = add(t, TID(1), a),
		*ec = add(t, TID(0), c);
	assert_ptr_equal(tftp_table_find(t, TID(0), &a), ea);
	assert_ptr_equal(tftp_table_find(t, TID(1), &a), ea1);
	assert_ptr_equal(tftp_table_find(t, TID(0), &b), eb);
	assert_ptr_equal(tftp_table_find(t, TID(0), &c), ec);
	assert_null(tftp_table_find(t, TID(1), &b));
	tftp_table_remove(t, ea);
	assert_false(ea->live);
	assert_null(tftp_table_find(t, TID(0), &a));
	assert_ptr_equal(tftp_table_find(t, TID(1), &a), ea1);
	assert_int_equal(tftp_table_count(t), 3);
	tftp_table_free(t);
}

static void thousands(void **state)
{
	enum { N = 10000 };
	static struct tftp_entry *entries[N];
	struct tftp_table *t = new_table(N, N);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < N; i++)
			entries[i] = add(t, TID(i % 4), v4(7, i));
		for (uint16_t i = 0; i < N; i++) {
			union udp_addr a = v4(7, i);

			assert_ptr_equal(tftp_table_find(t, TID(i % 4), &a), entries[i]);
			tftp_table_remove(t, entries[i]);
		}
		assert_int_equal(tftp_table_count(t), 0);
		assert_null(tftp_table_any(t));
	}
	tftp_table_free(t);
}

static void room_in_total_and_by_address(void **state)
{
	struct tftp_table *t = new_table(4, 2);
	union udp_addr a = v4(1, 1), b = v4(2, 1), c = v4(3, 1);

	(void)state;
	struct tftp_entry *first = add(t, TID(0), a);
	add(t, TID(1), a);
	assert_int_equal(tftp_table_room(t, &a), TFTP_ROOM_ADDRESS);
	assert_int_equal(tftp_table_room(t, &b), TFTP_ROOM);
	add(t, TID(0), b);
	add(t, TID(1), b);
	assert_int_equal(tftp_table_room(t, &a), TFTP_ROOM_ADDRESS);
	assert_int_equal(tftp_table_room(t, &c), TFTP_ROOM_FULL);
	tftp_table_remove(t, first);
	assert_int_equal(tftp_table_room(t, &a), TFTP_ROOM);
	assert_int_equal(tftp_table_room(t, &c), TFTP_ROOM);
	tftp_table_free(t);
}

/* A host has a whole /64, and IPv4 in IPv6 is IPv4. */
static void what_counts_as_one_address(void **state)
{
	struct tftp_table *t = new_table(10, 1);
	union udp_addr a = v6("2001:db8:0:1::1", 1), same = v6("2001:db8:0:1:ffff::2", 2), other = v6("2001:db8:0:2::1", 1);
	union udp_addr plain = v4(0xc0000201, 1), mapped = v6("::ffff:192.0.2.1", 9);

	(void)state;
	add(t, TID(0), a);
	assert_int_equal(tftp_table_room(t, &same), TFTP_ROOM_ADDRESS);
	assert_int_equal(tftp_table_room(t, &other), TFTP_ROOM);
	add(t, TID(0), plain);
	assert_int_equal(tftp_table_room(t, &mapped), TFTP_ROOM_ADDRESS);
	tftp_table_free(t);
}

static void the_oldest_silent_client_makes_room(void **state)
{
	struct tftp_table *t = new_table(10, 10);

	(void)state;
	struct tftp_entry *a = add(t, TID(0), v4(1, 1)), *b = add(t, TID(0), v4(2, 1)), *c = add(t, TID(0), v4(3, 1));
	assert_null(tftp_table_oldest(t)); /* their files are being looked for */
	tftp_table_open(t, b);
	tftp_table_open(t, c);
	tftp_table_open(t, a);
	assert_ptr_equal(tftp_table_oldest(t), b);
	tftp_table_confirm(t, b);
	assert_ptr_equal(tftp_table_oldest(t), c);
	tftp_table_remove(t, c);
	assert_ptr_equal(tftp_table_oldest(t), a);
	tftp_table_confirm(t, a);
	assert_null(tftp_table_oldest(t));
	tftp_table_remove(t, a);
	tftp_table_remove(t, b);
	assert_null(tftp_table_any(t));
	tftp_table_free(t);
}

static void repetitions(void **state)
{
	struct tftp_table *t = new_table(10, 10);
	union udp_addr a = v4(1, 1), b = v4(1, 2);

	(void)state;
	struct tftp_entry *entry = add(t, TID(0), a);
	entry->name_hash = 7;
	assert_true(tftp_table_repeated(t, &a, 7));
	assert_false(tftp_table_repeated(t, &a, 8));
	assert_false(tftp_table_repeated(t, &b, 7));
	tftp_table_open(t, entry);
	assert_true(tftp_table_repeated(t, &a, 7));
	tftp_table_confirm(t, entry);
	assert_false(tftp_table_repeated(t, &a, 7));
	tftp_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_client_and_port),
		cmocka_unit_test(thousands),
		cmocka_unit_test(room_in_total_and_by_address),
		cmocka_unit_test(what_counts_as_one_address),
		cmocka_unit_test(the_oldest_silent_client_makes_room),
		cmocka_unit_test(repetitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
