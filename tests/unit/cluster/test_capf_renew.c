#include "capf_fixture.h"

#include "cluster/capf_renew.h"
#include "cluster/monitor.h"

/* LSCs that become due. */
#define DAY 86400

static char name_text[32];

static const char *name_of(unsigned i)
{
	snprintf(name_text, sizeof(name_text), "SEP0011223300%02X", i);
	return name_text;
}

static unsigned pending(struct site *s, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		count += phone(s, name_of(i)).operation == DEVICE_INSTALL;
	return count;
}

static void step(struct site *s)
{
	struct err e = ERR_INIT;

	assert_ok(capf_step(s->a, &e), &e);
}

/* n phones that got LSCs of 300 days today. */
static void enrol_many(struct site *s, unsigned n)
{
	set_param(s, PARAM_CAPF_VALIDITY, "300");
	for (unsigned i = 0; i < n; i++) {
		add_phone(s, name_of(i), DEVICE_INSTALL, DEVICE_AUTH_NULL);
		cert_unref(enrol(s, name_of(i), s->rsa1024));
	}
}

static void due_after_two_thirds_at_a_rate(void **state)
{
	struct site *s = *state;

	enrol_many(s, 5);
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	set_param(s, PARAM_CAPF_RENEWAL_RATE, "2");
	s->n.now += 199 * DAY;
	step(s);
	assert_int_equal(pending(s, 5), 0);
	s->n.now += DAY;
	step(s);
	assert_int_equal(pending(s, 5), 2);
	step(s);
	step(s);
	step(s);
	assert_int_equal(pending(s, 5), 5);
	struct store_device d = phone(s, name_of(0));
	assert_int_equal(device_auth_due(&d), DEVICE_AUTH_LSC);
	assert_string_equal(d.status, "Operation Pending");

	/* one that comes is done; those that do not are late after ten days, and then due again */
	s->n.now += 11 * DAY;
	step(s);
	assert_int_equal(pending(s, 5), 2);
	assert_int_equal(audited(s, "Late/Timedout"), 5);
}

static void renewed_is_not_due(void **state)
{
	struct site *s = *state;

	set_param(s, PARAM_CAPF_VALIDITY, "300");
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	struct cert *lsc = enrol(s, PHONE, s->rsa1024);
	s->n.now += 201 * DAY;
	step(s);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	s->n.now += DAY;
	step(s);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	visit_clear(&v);
	cert_unref(lsc);
}

/* A renewal leaves the administrator's mode alone, whatever becomes of it; and meanwhile only the LSC counts. */
static void the_mode_stays(void **state)
{
	struct site *s = *state;
	struct visit stranger = { .key = s->rsa1024 };

	set_param(s, PARAM_CAPF_VALIDITY, "300");
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	struct cert *lsc = enrol(s, PHONE, s->rsa1024);
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_STRING]);
	struct err e = ERR_INIT;
	assert_ok(phones_string_set(s->n.cluster, "test", PHONE, "4711", &e), &e);
	s->n.now += 201 * DAY;
	step(s);
	struct store_device d = phone(s, PHONE);
	assert_true(d.renewal);
	assert_int_equal(d.operation, DEVICE_INSTALL);
	assert_int_equal(d.auth, DEVICE_AUTH_STRING);
	assert_int_equal(audited(s, "By Existing Certificate (Precedence to LSC), this once"), 1);
	stranger.password = "4711";
	visit(s, &stranger);
	assert_int_equal(stranger.reason, CAPF_REASON_INVALID);
	visit_clear(&stranger);
	/* expires */
	s->n.now += 11 * DAY;
	assert_ok(phones_expire(s->n.cluster, s->n.now, &(size_t){ 0 }, &e), &e);
	d = phone(s, PHONE);
	assert_false(d.renewal);
	assert_int_equal(d.auth, DEVICE_AUTH_STRING);
	assert_true(d.has_string); /* for the operation that it was made for */
	/* succeeds */
	step(s);
	set_phone(s, PHONE, PHONE_AUTH, device_auth_names[DEVICE_AUTH_NULL]); /* for later: the renewal goes on */
	assert_true(phone(s, PHONE).renewal);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	d = phone(s, PHONE);
	assert_false(d.renewal);
	assert_int_equal(d.auth, DEVICE_AUTH_NULL);
	visit_clear(&v);
	/* what the administrator schedules meanwhile is his */
	s->n.now += 201 * DAY;
	step(s);
	assert_true(phone(s, PHONE).renewal);
	set_phone(s, PHONE, PHONE_OPERATION, "Install/Upgrade");
	assert_false(phone(s, PHONE).renewal);
	cert_unref(enrol(s, PHONE, s->rsa1024));
	cert_unref(lsc);
}

static void jitter_spreads(void **state)
{
	struct site *s = *state;
	unsigned before = 0, steps_with_some = 0;

	enrol_many(s, 12);
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "10");
	s->n.now += 200 * DAY;
	for (unsigned day = 0; day < 10; day++) {
		/* daily, so that none is late before the last is due */
		s->n.now += DAY;
		step(s);
		unsigned now = pending(s, 12);
		assert_true(now >= before);
		steps_with_some += now > before;
		before = now;
	}
	assert_int_equal(before, 12);
	assert_true(steps_with_some >= 3);
}

static void stops_on_errors(void **state)
{
	struct site *s = *state;

	enrol_many(s, 8);
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	set_param(s, PARAM_CAPF_RENEWAL_RATE, "2");
	set_param(s, PARAM_CAPF_RENEWAL_STOP, "2");
	s->n.now += 200 * DAY;
	step(s);
	assert_int_equal(pending(s, 8), 2);
	struct err e = ERR_INIT;
	for (unsigned i = 0; i < 8; i++)
		if (phone(s, name_of(i)).operation == DEVICE_INSTALL)
			assert_ok(phone_operation_failed(s->n.cluster, name_of(i), DEVICE_FAILED_KEY, false, s->n.now,
							 &e), &e);
	step(s);
	step(s);
	assert_int_equal(pending(s, 8), 2);
	assert_int_equal(audited(s, "renewals have stopped"), 1);
	/* somebody has looked: */
	set_param(s, PARAM_CAPF_RENEWAL_STOP, "3");
	step(s);
	assert_int_equal(pending(s, 8), 4);
	set_param(s, PARAM_CAPF_RENEWAL_RATE, "0");
	step(s);
	assert_int_equal(pending(s, 8), 4);
}

/* What a stranger can cause (a wrong proof) stops nothing. */
static void strangers_do_not_stop_it(void **state)
{
	struct site *s = *state;

	enrol_many(s, 4);
	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	set_param(s, PARAM_CAPF_RENEWAL_RATE, "2");
	set_param(s, PARAM_CAPF_RENEWAL_STOP, "1");
	s->n.now += 200 * DAY;
	step(s);
	for (unsigned i = 0; i < 4; i++) {
		struct visit v = { .device = name_of(i) };
		visit(s, &v);
		visit_clear(&v);
	}
	step(s);
	assert_int_equal(pending(s, 4), 4);
}

static uint64_t waiting(struct site *s)
{
	struct capf_waiting w = { 0 };
	struct err e = ERR_INIT;

	assert_ok(capf_renewals_waiting(s->n.cluster, s->n.now, &w, &e), &e);
	return w.n;
}

/* With the defaults LSCs end with the CAPF certificate: nothing is gained before there is another. */
static void waits_for_another_capf(void **state)
{
	struct site *s = *state;
	struct monitor_list list;
	struct err e = ERR_INIT;
	enum monitor_state is = MONITOR_EXPIRED;

	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	struct cert *lsc = enrol(s, PHONE, s->rsa1024);
	s->n.now += 1215 * DAY;
	assert_int_equal(waiting(s), 0);
	s->n.now += 2 * DAY;
	for (unsigned i = 0; i < 3; i++)
		step(s);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	assert_int_equal(waiting(s), 1);
	assert_int_equal(audited(s, "1 LSC is due for renewal and waits"), 1);
	assert_int_equal(audited(s, "'set cert regen CAPF'"), 1);
	assert_ok(monitor_look(s->n.cluster, &list, &e), &e);
	for (size_t i = 0; i < list.n; i++)
		if (list.entries[i].waiting.n) {
			assert_string_equal(list.entries[i].unit, "CAPF");
			is = list.entries[i].state;
		}
	assert_int_equal(is, MONITOR_ENDING);
	monitor_list_clear(&list);

	/* whoever else issues them, no CAPF certificate cuts them */
	set_param(s, PARAM_CAPF_ISSUER, CAPF_ISSUER_OFFLINE);
	assert_int_equal(waiting(s), 0);
	set_param(s, PARAM_CAPF_ISSUER, "Cisco Certificate Authority Proxy Function");

	assert_ok(cluster_regen(s->n.cluster, "test", "CAPF", NULL, NULL, &e), &e);
	assert_int_equal(waiting(s), 0);
	step(s);
	assert_int_equal(audited(s, "no LSC waits for another CAPF certificate"), 1);
	assert_true(phone(s, PHONE).renewal);
	struct visit v = { .cert = lsc, .cert_key = s->rsa1024, .key = s->rsa1024 };
	visit(s, &v);
	assert_state(s, PHONE, DEVICE_NO_OPERATION, "Upgrade Success");
	assert_int_equal(cert_not_after(v.lsc), s->n.now + 1825 * DAY - 1);
	visit_clear(&v);
	cert_unref(lsc);
}

/* Those that would gain much are renewed; those that would gain little are not renewed again and again. */
static void gains_little(void **state)
{
	struct site *s = *state;

	set_param(s, PARAM_CAPF_RENEWAL_JITTER, "0");
	set_param(s, PARAM_CAPF_VALIDITY, "300");
	s->n.now += 1500 * DAY;
	add_phone(s, PHONE, DEVICE_INSTALL, DEVICE_AUTH_NULL);
	cert_unref(enrol(s, PHONE, s->rsa1024)); /* until 1800; the CAPF certificate ends 25 days later */
	s->n.now += 201 * DAY;
	step(s);
	assert_int_equal(phone(s, PHONE).operation, DEVICE_NO_OPERATION);
	assert_int_equal(waiting(s), 1);
	/* a shorter life for new ones is no reason to ask for another CAPF certificate */
	set_param(s, PARAM_CAPF_VALIDITY, "90");
	assert_int_equal(waiting(s), 0);
	step(s);
	assert_int_equal(phone(s, PHONE).operation, DEVICE_NO_OPERATION);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, site_make, site_drop)
	const struct CMUnitTest tests[] = {
		TEST(due_after_two_thirds_at_a_rate), TEST(renewed_is_not_due),	      TEST(the_mode_stays),
		TEST(jitter_spreads),		      TEST(stops_on_errors),	      TEST(strangers_do_not_stop_it),
		TEST(waits_for_another_capf),	      TEST(gains_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
