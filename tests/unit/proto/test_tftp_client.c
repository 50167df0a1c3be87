#include "proto/tftp_client.h"

#include <string.h>

#include "testing.h"

static struct tftp_client start(const char *name, size_t limit)
{
	struct tftp_client c;
	struct err e = ERR_INIT;

	assert_ok(tftp_client_init(&c, name, limit, 0, &e), &e);
	return c;
}

static void packet(struct tftp_client *c, const void *p, size_t n)
{
	c->send_len = 0;
	tftp_client_packet(c, (struct view){p, n}, 100);
}

static void block(struct tftp_client *c, uint16_t number, size_t n, char fill)
{
	uint8_t p[4 + 600];

	tftp_data_header(p, number);
	memset(p + 4, fill, n);
	packet(c, p, 4 + n);
}

static void asks_as_old_phones_do(void **state)
{
	struct tftp_client c = start("CTLSEP0006537B84EF.tlv", 1000);

	(void)state;
	assert_int_equal(c.send_len, 31); /* as in the public capture of a 7940 */
	assert_memory_equal(c.send, "\0\1CTLSEP0006537B84EF.tlv\0octet", 31);
	tftp_client_clear(&c);
}

static void takes_a_file(void **state)
{
	struct tftp_client c = start("f", 10000);

	(void)state;
	block(&c, 1, 512, 'a');
	assert_int_equal(c.send_len, 4);
	assert_memory_equal(c.send, "\0\4\0\1", 4);
	block(&c, 1, 512, 'x'); /* doubled: neither taken nor answered */
	assert_int_equal(c.send_len, 0);
	block(&c, 3, 512, 'x'); /* ahead */
	assert_int_equal(c.send_len, 0);
	block(&c, 2, 513, 'x'); /* longer than a block */
	assert_int_equal(c.blocks, 1);
	block(&c, 2, 100, 'b');
	assert_int_equal(c.state, TFTP_CLIENT_DONE);
	assert_int_equal(c.send_len, 4);
	assert_int_equal(c.data.len, 612);
	assert_int_equal(c.data.p[511], 'a');
	assert_int_equal(c.data.p[512], 'b');
	tftp_client_clear(&c);
}

static void a_multiple_of_the_block_ends_with_an_empty_one(void **state)
{
	struct tftp_client c = start("f", 10000);

	(void)state;
	block(&c, 1, 512, 'a');
	block(&c, 2, 0, 0);
	assert_int_equal(c.state, TFTP_CLIENT_DONE);
	assert_int_equal(c.data.len, 512);
	tftp_client_clear(&c);
}

static void cuts_at_the_limit(void **state)
{
	struct tftp_client c = start("f", 700);

	(void)state;
	block(&c, 1, 512, 'a');
	block(&c, 2, 512, 'a');
	assert_int_equal(c.state, TFTP_CLIENT_DONE);
	assert_int_equal(c.data.len, 700);
	tftp_client_clear(&c);
}

static void errors_of_the_server(void **state)
{
	struct tftp_client c = start("f", 10);

	(void)state;
	packet(&c, "\0\5\0\1not\nfound\0rest", 18);
	assert_int_equal(c.state, TFTP_CLIENT_MISSING);
	assert_string_equal(c.why, "not\\x0afound");
	tftp_client_clear(&c);
	c = start("f", 10);
	packet(&c, "\0\5\0", 3);
	packet(&c, "\0", 1);
	packet(&c, "\0\6blksize\0" "1024", 14);
	assert_int_equal(c.state, TFTP_CLIENT_WAITING);
	packet(&c, "\0\5\0\2no", 6);
	assert_int_equal(c.state, TFTP_CLIENT_FAILED);
	assert_string_equal(c.why, "no");
	tftp_client_clear(&c);
}

static void repeats_and_gives_up(void **state)
{
	struct tftp_client c = start("f", 10000);
	uint64_t now = 0;
	int sent = 1;

	(void)state;
	block(&c, 1, 512, 'a');
	now = 100;
	tftp_client_time(&c, now + 1);
	while (c.state == TFTP_CLIENT_WAITING) {
		assert_true(c.due_ms > now);
		now = c.due_ms;
		c.send_len = 0;
		tftp_client_time(&c, now);
		if (c.send_len) {
			assert_memory_equal(c.send, "\0\4\0\1", 4);
			sent++;
		}
	}
	assert_int_equal(c.state, TFTP_CLIENT_FAILED);
	assert_int_equal(sent, TFTP_TRIES);
	assert_in_range(now, 15000, 40000);
	tftp_client_clear(&c);
}

static void names_that_cannot_be_asked_for(void **state)
{
	struct tftp_client c;
	struct err e = ERR_INIT;
	char name[600];

	(void)state;
	assert_err(tftp_client_init(&c, "", 10, 0, &e), ERR_USAGE);
	tftp_client_clear(&c);
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	err_clear(&e);
	assert_err(tftp_client_init(&c, name, 10, 0, &e), ERR_USAGE);
	tftp_client_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_as_old_phones_do),
		cmocka_unit_test(takes_a_file),
		cmocka_unit_test(a_multiple_of_the_block_ends_with_an_empty_one),
		cmocka_unit_test(cuts_at_the_limit),
		cmocka_unit_test(errors_of_the_server),
		cmocka_unit_test(repeats_and_gives_up),
		cmocka_unit_test(names_that_cannot_be_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
