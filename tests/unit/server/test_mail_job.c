#include "server/mail_job.h"

#include <string.h>

#include "testing.h"

static const struct mail_job sample = {
	.server = "mail.example.com", .helo = "node", .user = "u", .password = "secret", .sender = "a@b", .recipients = "c@d;e@f",
	.port = 587, .security = 1,
};

static void both_ways(void **state)
{
	struct mail_job in = sample, out;
	struct err e = ERR_INIT;
	struct wr w;

	(void)state;
	in.authorities = view_str("PEM");
	in.message = view_str("Subject: x\r\n\r\n");
	wr_init(&w, 65000);
	assert_true(mail_job_put(&w, &in));
	struct view all = wr_view_all(&w);
	assert_ok(mail_job_get(all, &out, &e), &e);
	assert_string_equal(out.server, in.server);
	assert_string_equal(out.password, in.password);
	assert_string_equal(out.recipients, in.recipients);
	assert_int_equal(out.port, 587);
	assert_int_equal(out.security, 1);
	assert_true(view_eq(out.authorities, in.authorities));
	assert_true(view_eq(out.message, in.message));
	for (size_t n = 0; n < all.len; n++) {
		err_clear(&e);
		assert_err(mail_job_get((struct view){all.p, n}, &out, &e), ERR_PROTO);
	}
	wr_clear(&w);
	wr_init(&w, 20); /* too small a message */
	assert_false(mail_job_put(&w, &in));
	wr_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
