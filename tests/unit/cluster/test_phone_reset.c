#include "cluster/phone_reset.h"

#include "cluster/param.h"
#include "cluster/phone_fixture.h"

static void phones_at(const char *name, const char *address, const char *transport)
{
	struct phone_value v = { PHONE_TRANSPORT, transport };
	bool known;

	assert_ok(phones_add(node.cluster, "test", name, &v, 1, NULL, &e), &e);
	if (address)
		assert_ok(store_device_seen(node.store, name, NULL, address, NODE_NOW, &known, &e), &e);
}

static void a_job_has_the_phones_of_its_filter(void **state)
{
	const struct phones_filter all = { 0 }, some = { .name = "SEP*2" }, none = { .name = "SEP9" };
	struct phone_reset_job *job;
	char text[200];

	(void)state;
	phones_at("SEP000000000001", "192.0.2.1", "UDP");
	phones_at("SEP000000000002", NULL, "TCP");
	assert_ok(phone_reset_job_new(node.cluster, "test", SIP_RESTART, &all, false, &job, &e), &e);
	assert_int_equal(job->n, 2);
	assert_string_equal(job->targets[0].address, "192.0.2.1");
	assert_false(job->targets[0].tcp);
	assert_true(job->targets[1].tcp && !job->targets[1].address[0]);
	phone_reset_set(job, job->next++, PHONE_RESET_ASKED, NULL);
	phone_reset_stop(job);
	assert_false(phone_reset_over(job));
	phone_reset_set(job, 0, PHONE_RESET_REFUSED, "481 x");
	assert_true(phone_reset_over(job));
	phone_reset_summary(job, text, sizeof(text));
	assert_string_equal(text, "1 refused, 1 not reset");
	assert_ok(phone_reset_audit(node.cluster, job, "done", &e), &e);
	assert_string_equal(last_audit(), "test|phone restart|2 phones||1 refused, 1 not reset|done");
	phone_reset_job_free(job);
	assert_ok(phone_reset_job_new(node.cluster, "test", SIP_RESET, &some, false, &job, &e), &e);
	assert_int_equal(job->n, 1);
	phone_reset_job_free(job);
	assert_err(phone_reset_job_new(node.cluster, "test", SIP_RESET, &none, false, &job, &e), ERR_USAGE);
}

static void after_a_change(const char *unit, bool automatically, const char *note)
{
	struct notes notes = NOTES_INIT;
	bool got = false;
	char who[96];

	assert_ok(phones_after_certificate_change(node.cluster, "somebody", unit, &notes, &got, &e), &e);
	assert_int_equal(got, automatically);
	assert_int_equal(notes.n, note != NULL);
	if (note)
		assert_non_null(strstr(notes.text[0], note));
	notes_clear(&notes);
	assert_int_equal(phones_reset_take_due(node.cluster, who, sizeof(who)), automatically);
	if (automatically)
		assert_string_equal(who, "somebody");
	assert_false(phones_reset_take_due(node.cluster, who, sizeof(who)));
}

static void phones_are_reset_after_a_change(void **state)
{
	(void)state;
	after_a_change("CallManager", false, "Then reset the phones");
	phones_at("SEP000000000001", NULL, "UDP");
	after_a_change("CallManager", true, "The phones are reset now");
	after_a_change("CAPF-trust", true, "The phones are reset now");
	after_a_change("tomcat", false, NULL);
	assert_ok(param_set(node.cluster, "test", PARAM_PHONE_INTERACTION, PHONE_INTERACTION_MANUAL, NULL, &e), &e);
	after_a_change("TVS", false, "Then reset the phones");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PHONE_TEST(a_job_has_the_phones_of_its_filter),
		PHONE_TEST(phones_are_reset_after_a_change),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
