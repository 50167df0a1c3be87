#include "cluster/phone_capf.h"

#include "cluster/param.h"
#include "cluster/phone_fixture.h"

/* Any certificate will do: the node's own TVS and Tomcat certificates play LSC and MIC. */
static struct cert *cert_named(const char *unit)
{
	struct cert *c = NULL;

	err_clear(&e);
	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	assert_non_null(c);
	return c;
}

static void schedule(const char *operation)
{
	add_phone();
	assert_ok(set(PHONE_OPERATION, operation), &e);
}

static void schedule_by_string(const char *string)
{
	add_phone();
	assert_ok(set(PHONE_AUTH, "By Authentication String"), &e);
	assert_ok(phones_string_set(node.cluster, "test", PHONE, string, &e), &e);
	assert_ok(set(PHONE_OPERATION, "Install/Upgrade"), &e);
}

static enum phone_string_answer answer(const char *string)
{
	enum phone_string_answer a;

	err_clear(&e);
	assert_ok(phone_string_check(node.cluster, PHONE, view_str(string), node.now, &a, &e), &e);
	return a;
}

/* C-7: the phone has a certificate when it says so, not when it was made. */
static void done_when_the_phone_says_so(void **state)
{
	struct cert *lsc = cert_named("TVS"), *other = cert_named("tomcat");

	(void)state;
	schedule("Install/Upgrade");
	assert_err(phone_installed(node.cluster, PHONE, lsc, node.now, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(phone_lsc_issued(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_string_equal(phone().status, "Operation Pending");
	assert_string_equal(phone().lsc.sha256, "");
	assert_err(phone_installed(node.cluster, PHONE, other, node.now, &e), ERR_USAGE);
	assert_string_equal(phone().status, "Operation Pending");
	assert_ok(phone_installed(node.cluster, PHONE, lsc, node.now, &e), &e);
	struct store_device d = phone();
	assert_string_equal(d.status, "Upgrade Success");
	assert_int_equal(d.operation, DEVICE_NO_OPERATION);
	assert_int_equal(d.complete_by, 0);
	assert_int_equal(d.lsc.not_after, cert_not_after(lsc));
	assert_string_equal(d.lsc.issuer, cert_issuer(lsc));
	assert_non_null(strstr(last_audit(), "CAPF|Install/Upgrade|phone " PHONE "|Install/Upgrade: Operation Pending|"
					     "Upgrade Success; LSC "));
	assert_err(phone_installed(node.cluster, PHONE, lsc, node.now, &e), ERR_USAGE); /* once */
	err_clear(&e);
	assert_err(phone_lsc_issued(node.cluster, PHONE, other, node.now, &e), ERR_USAGE);
	cert_unref(lsc);
	cert_unref(other);
}

static void what_was_deleted_is_gone(void **state)
{
	struct cert *lsc = cert_named("TVS"), *now = NULL;

	(void)state;
	schedule("Install/Upgrade");
	assert_ok(phone_lsc_issued(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_ok(phone_installed(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_ok(phone_lsc_proven(node.cluster, PHONE, lsc, node.now + 5, &e), &e);
	assert_int_equal(phone().lsc_proven, node.now + 5);
	assert_err(phone_deleted(node.cluster, PHONE, node.now, &e), ERR_USAGE);
	assert_ok(set(PHONE_OPERATION, "Delete"), &e);
	assert_ok(phone_deleted(node.cluster, PHONE, node.now, &e), &e);
	assert_string_equal(phone().status, "Delete Success");
	assert_string_equal(phone().lsc.sha256, "");
	assert_int_equal(phone().lsc_proven, 0);
	assert_ok(store_devicecert_current(node.store, PHONE, DEVICECERT_LSC, &now, &e), &e);
	assert_null(now);
	cert_unref(lsc);
}

static void what_was_fetched_is_known(void **state)
{
	struct cert *lsc = cert_named("TVS"), *mic = cert_named("tomcat");

	(void)state;
	schedule("Troubleshoot");
	assert_ok(phone_fetched(node.cluster, PHONE, lsc, mic, node.now, &e), &e);
	struct store_device d = phone();
	assert_string_equal(d.status, "Troubleshoot Success");
	assert_int_equal(d.lsc.not_after, cert_not_after(lsc));
	assert_int_equal(d.mic.not_after, cert_not_after(mic));
	char *before = strdup(last_audit());
	assert_non_null(before);
	assert_ok(phone_mic_seen(node.cluster, PHONE, mic, node.now + 1, &e), &e);
	assert_string_equal(last_audit(), before); /* known: nothing is written */
	free(before);
	assert_ok(phone_mic_seen(node.cluster, PHONE, lsc, node.now + 1, &e), &e);
	assert_non_null(strstr(last_audit(), "seen; MIC "));
	cert_unref(lsc);
	cert_unref(mic);
}

static void a_failure_may_be_tried_again_or_not(void **state)
{
	(void)state;
	schedule("Install/Upgrade");
	assert_ok(phone_operation_failed(node.cluster, PHONE, DEVICE_FAILED_COMMUNICATION, false, node.now, &e), &e);
	assert_string_equal(phone().status, "Upgrade Failed: Phone Communication Failure");
	assert_int_equal(phone().operation, DEVICE_INSTALL);
	assert_ok(phone_operation_failed(node.cluster, PHONE, DEVICE_FAILED_KEY, true, node.now, &e), &e);
	assert_string_equal(phone().status, "Upgrade Failed: Key Generation Failed/Timeout");
	assert_int_equal(phone().operation, DEVICE_NO_OPERATION);
	/* nothing pending */
	assert_ok(phone_operation_failed(node.cluster, PHONE, DEVICE_FAILED_MIC, true, node.now, &e), &e);
	assert_string_equal(phone().status, "Upgrade Failed: Key Generation Failed/Timeout");
	assert_ok(set(PHONE_OPERATION, "Troubleshoot"), &e);
	assert_ok(phone_operation_failed(node.cluster, PHONE, DEVICE_FAILED_CA_REJECTED, true, node.now, &e), &e);
	assert_string_equal(phone().status, "Troubleshoot Failed"); /* AXL has no such reason there */
}

/* C-10: guesses are counted over all connections, and the lock doubles. */
static void guesses_lock_the_device(void **state)
{
	int64_t lock = 15 * 60;

	(void)state;
	schedule_by_string("482910");
	for (unsigned round = 0; round < 3; round++, lock *= 2) {
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(answer("000000"), PHONE_STRING_WRONG);
		assert_string_equal(phone().status, "Upgrade Failed: Invalid Authentication String");
		assert_int_equal(phone().operation, DEVICE_INSTALL);
		assert_int_equal(phone().locked_until, node.now + lock);
		assert_int_equal(answer("482910"), PHONE_STRING_LOCKED);
		assert_int_equal(phone().failures, 5 * (round + 1)); /* what is not tried is not counted */
		node.now += lock - 1;
		assert_int_equal(answer("482910"), PHONE_STRING_LOCKED);
		node.now++;
		assert_int_equal(answer("482910"), PHONE_STRING_RIGHT);
		/* The right one does not pay for the guesses between which it comes. */
		assert_int_equal(phone().failures, 5 * (round + 1));
	}
	assert_int_equal(answer(""), PHONE_STRING_WRONG);
	assert_null(strstr(last_audit(), "482910"));
	assert_non_null(strstr(last_audit(), "refused: wrong authentication string, the 16. since it was given"));
	assert_ok(phones_string_set(node.cluster, "test", PHONE, "5555", &e), &e);
	assert_int_equal(phone().failures, 0);
	assert_int_equal(phone().locked_until, 0);
}

static void a_string_is_good_for_one_operation(void **state)
{
	struct cert *lsc = cert_named("TVS");
	enum phone_string_answer a;

	(void)state;
	schedule_by_string("482910");
	assert_int_equal(answer("482910"), PHONE_STRING_RIGHT);
	assert_int_equal(answer("482910"), PHONE_STRING_RIGHT); /* the connection broke: the phone tries again */
	assert_ok(phone_lsc_issued(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_ok(phone_installed(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_int_equal(answer("482910"), PHONE_STRING_ABSENT);
	assert_err(set(PHONE_OPERATION, "Install/Upgrade"), ERR_USAGE);
	err_clear(&e);
	assert_ok(phone_string_check(node.cluster, "SEP9", view_str("1"), node.now, &a, &e), &e);
	assert_int_equal(a, PHONE_STRING_ABSENT);
	cert_unref(lsc);
}

static void operations_expire(void **state)
{
	struct phone_task t;
	size_t n = 99;

	(void)state;
	schedule_by_string("482910");
	int64_t last = phone().complete_by;
	assert_ok(phone_task_get(node.cluster, PHONE, last, &t, &e), &e);
	assert_true(t.known);
	assert_int_equal(t.device.operation, DEVICE_INSTALL);
	assert_ok(phones_expire(node.cluster, last, &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(phone_task_get(node.cluster, PHONE, last + 1, &t, &e), &e);
	assert_int_equal(t.device.operation, DEVICE_NO_OPERATION);
	assert_string_equal(t.device.status, "Upgrade Failed: User Initiated Request Late/Timedout");
	assert_false(t.device.has_string);
	assert_ok(phone_task_get(node.cluster, "SEP9", last, &t, &e), &e);
	assert_false(t.known);

	assert_ok(set(PHONE_AUTH, "By Null String"), &e);
	assert_ok(set(PHONE_OPERATION, "Delete"), &e);
	assert_ok(phones_expire(node.cluster, phone().complete_by + 1, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_string_equal(phone().status, "Delete Failed: User Initiated Request Late/Timedout");
}

static int count(void *ctx, const struct store_devicecert *dc)
{
	assert_string_equal(dc->device, PHONE);
	++*(int *)ctx;
	return 0;
}

static void renewal_is_asked_for_after_two_thirds(void **state)
{
	struct cert *lsc = cert_named("TVS");
	int64_t third = (cert_not_after(lsc) - cert_not_before(lsc)) / 3;
	int n = 0;

	(void)state;
	schedule("Install/Upgrade");
	assert_ok(phone_lsc_issued(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_ok(phone_installed(node.cluster, PHONE, lsc, node.now, &e), &e);
	assert_ok(phones_expiry(node.cluster, cert_not_before(lsc) + 2 * third - 1, 0, count, &n, &e), &e);
	assert_int_equal(n, 0);
	assert_ok(phones_expiry(node.cluster, cert_not_before(lsc) + 2 * third, 0, count, &n, &e), &e);
	assert_int_equal(n, 1);
	cert_unref(lsc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PHONE_TEST(done_when_the_phone_says_so),
		PHONE_TEST(what_was_deleted_is_gone),
		PHONE_TEST(what_was_fetched_is_known),
		PHONE_TEST(a_failure_may_be_tried_again_or_not),
		PHONE_TEST(guesses_lock_the_device),
		PHONE_TEST(a_string_is_good_for_one_operation),
		PHONE_TEST(operations_expire),
		PHONE_TEST(renewal_is_asked_for_after_two_thirds),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
