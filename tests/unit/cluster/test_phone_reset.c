#include "cluster/phone_reset.h"

#include "cluster/certs.h"
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

/* --- what a change owes --- */

static struct store_phone_reset owed(void)
{
	struct store_phone_reset r;

	assert_ok(phones_reset_owed(node.cluster, &r, &e), &e);
	return r;
}

static void assert_said(const struct notes *notes, const char *part, bool is)
{
	bool found = false;

	for (size_t i = 0; i < notes->n; i++)
		found |= strstr(notes->text[i], part) != NULL;
	if (found != is)
		fail_msg("'%s' is %ssaid", part, is ? "not " : "");
}

/* Of one unit: what is said before and after, and whether anything is owed then. */
static void after_a_change(const char *unit, const char *before, const char *after, bool owes)
{
	struct notes plan = NOTES_INIT, notes = NOTES_INIT;
	int64_t number = owed().number;

	node.now += 60;
	assert_ok(phones_before_certificate_change(node.cluster, unit, &plan, &e), &e);
	assert_ok(cluster_regen(node.cluster, "somebody", unit, &notes, NULL, &e), &e);
	assert_int_equal(plan.n, before != NULL);
	if (before)
		assert_said(&plan, before, true);
	assert_said(&notes, "reset", after != NULL);
	if (after)
		assert_said(&notes, after, true);
	assert_int_equal(owed().number, number + owes);
	if (owes) {
		assert_string_equal(owed().who, "somebody");
		assert_int_equal(owed().since, node.now);
	}
	notes_clear(&plan);
	notes_clear(&notes);
}

static void phones_are_reset_after_a_change(void **state)
{
	(void)state;
	after_a_change("CallManager", NULL, "Then reset the phones", false);
	phones_at("SEP000000000001", NULL, "UDP");
	after_a_change("CallManager", "Reset: 1 phone is reset automatically", "The phones are reset now", true);
	phones_at("SEP000000000002", NULL, "UDP");
	after_a_change("CAPF", "Reset: all 2 phones are reset automatically", "The phones are reset now", true);
	after_a_change("tomcat", NULL, NULL, false);
	assert_ok(param_set(node.cluster, "test", PARAM_PHONE_INTERACTION, PHONE_INTERACTION_MANUAL, NULL, &e), &e);
	after_a_change("TVS", "Reset: by hand", "Then reset the phones", false);
	assert_ok(param_set(node.cluster, "test", PARAM_PHONE_INTERACTION, PHONE_INTERACTION_AUTOMATIC, NULL, &e), &e);

	/* A debt is paid once, and not that of a change which came meanwhile. */
	assert_ok(phones_reset_told(node.cluster, owed().number - 1, "SEP000000000001", &e), &e);
	assert_ok(phones_reset_paid(node.cluster, owed().number - 1, &e), &e);
	assert_true(owed().owed && !owed().told[0]);
	assert_ok(phones_reset_told(node.cluster, owed().number, "SEP000000000001", &e), &e);
	assert_string_equal(owed().told, "SEP000000000001");
	assert_ok(phones_reset_paid(node.cluster, owed().number, &e), &e);
	assert_false(owed().owed);
}

/* It stands in the transaction of the change: what is refused owes nothing. */
static void a_refused_change_owes_nothing(void **state)
{
	(void)state;
	phones_at("SEP000000000001", NULL, "UDP");
	assert_ok(param_set(node.cluster, "test", PARAM_ROLLBACK, "False", NULL, &e), &e); /* as it was */
	assert_false(owed().owed);
	assert_err(param_set(node.cluster, "test", PARAM_ROLLBACK, "perhaps", NULL, &e), ERR_USAGE);
	assert_false(owed().owed);
}

/* Source: behaviour.md 8.3; seed 001. */
static void the_rollback_parameter_resets_phones(void **state)
{
	struct notes before = NOTES_INIT, after = NOTES_INIT;

	(void)state;
	phones_at("SEP000000000001", NULL, "UDP");
	assert_ok(param_warnings(node.cluster, PARAM_ROLLBACK, "True", &before, &e), &e);
	assert_said(&before, "Reset: 1 phone is reset automatically", true);
	assert_ok(param_set(node.cluster, "test", PARAM_ROLLBACK, "True", &after, &e), &e);
	assert_said(&after, "The phones are reset now", true);
	assert_int_equal(owed().number, 1);
	assert_ok(param_set(node.cluster, "test", PARAM_ROLLBACK, "False", NULL, &e), &e);
	assert_int_equal(owed().number, 2);
	assert_ok(param_set(node.cluster, "test", PARAM_RESET_RATE, "7", NULL, &e), &e);
	assert_int_equal(owed().number, 2);
	notes_clear(&before);
	notes_clear(&after);
}

/* The rest of a job that a restart has cut off. */
static void a_job_goes_on_behind_a_phone(void **state)
{
	const struct phones_filter all = { 0 };
	static const struct {
		const char *told;
		size_t left;
	} cases[] = { { "SEP000000000001", 2 }, { "SEP000000000003", 0 }, { "SEP000000000009", 3 } };

	(void)state;
	phones_at("SEP000000000001", NULL, "UDP");
	phones_at("SEP000000000002", NULL, "UDP");
	phones_at("SEP000000000003", NULL, "UDP");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct phone_reset_job *job;
		assert_ok(phone_reset_job_new(node.cluster, "test", SIP_RESET, &all, false, &job, &e), &e);
		phone_reset_job_skip(job, cases[i].told);
		assert_int_equal(job->n, cases[i].left);
		assert_int_equal(job->count[PHONE_RESET_WAITING], cases[i].left);
		if (cases[i].left == 2)
			assert_string_equal(job->targets[0].name, "SEP000000000002");
		assert_int_equal(phone_reset_over(job), cases[i].left == 0);
		phone_reset_job_free(job);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PHONE_TEST(a_job_has_the_phones_of_its_filter),
		PHONE_TEST(a_job_goes_on_behind_a_phone),
		PHONE_TEST(phones_are_reset_after_a_change),
		PHONE_TEST(a_refused_change_owes_nothing),
		PHONE_TEST(the_rollback_parameter_resets_phones),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
