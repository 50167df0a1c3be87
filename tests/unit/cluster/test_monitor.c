#include "cluster/monitor.h"

#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "store/devicecert.h"

#define DAY 86400

static struct node node;
static struct err e;

/* What syslog would have. */
static struct {
	int n, severity;
	char last[MONITOR_ALARM_MAX];
} alarms;

static int64_t end_of(const char *unit)
{
	struct cert *c;

	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	int64_t t = cert_not_after(c);
	cert_unref(c);
	return t;
}

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	setenv("TZ", "UTC", 1);
	memset(&alarms, 0, sizeof(alarms));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static void set(const char *name, const char *value)
{
	assert_ok(param_set(node.cluster, "test", name, value, NULL, &e), &e);
}

static void on_alarm(void *ctx, int severity, const char *text)
{
	(void)ctx;
	alarms.n++;
	alarms.severity = severity;
	snprintf(alarms.last, sizeof(alarms.last), "%s", text);
}

/* One look at this time; how many alarms there were. */
static int run_at(int64_t now)
{
	node.now = now;
	alarms.n = 0;
	assert_ok(monitor_run(node.cluster, on_alarm, NULL, &e), &e);
	return alarms.n;
}

static struct store_monitor state_of(void)
{
	struct store_monitor m;

	assert_ok(store_monitor_get(node.store, "cucm-1051-a-pub", &m, &e), &e);
	return m;
}

/* Source: behaviour.md 7. */
static void test_texts(void **state)
{
	struct monitor_entry entry = { .name = "CUCM01.der", .unit = "tomcat-trust", .type = "own-cert", .not_after = 1400510760,
				       .state = MONITOR_WEEK };
	char text[MONITOR_ALARM_MAX];
	int severity;

	(void)state;
	setenv("TZ", "UTC", 1);
	monitor_alarm_text(&entry, "CUCM02", text, &severity);
	assert_string_equal(text, "%UC_CERT-2-CertValidfor7days: %[Message=Certificate expiration Notification. Certificate "
				  "name:CUCM01.der Unit:tomcat-trust Type:own-cert Expiration:Mon May 19 14:46:00 UTC 2014]"
				  "[AppID=Cisco Certificate Monitor][ClusterID=][NodeID=CUCM02]: Alarm to indicate that Certificate "
				  "has Expired or Expires in less than seven days");
	assert_int_equal(severity, 2);
	entry = (struct monitor_entry){ .name = "tomcat.der", .unit = "tomcat", .type = "own-cert", .not_after = 1400510760,
					.state = MONITOR_EXPIRED };
	monitor_alarm_text(&entry, "CUCM02", text, &severity);
	assert_string_equal(text, "%UC_CERT-0-CertExpired: %[Message=Certificate expiration Notification. Certificate "
				  "name:tomcat.der Unit:tomcat Type:own-cert Expiration:Mon May 19 14:46:00 UTC 2014]"
				  "[AppID=Cisco Certificate Monitor][ClusterID=][NodeID=CUCM02]: Certificate has Expired and needs to "
				  "be changed at the earliest");
	assert_int_equal(severity, 0);
}

/* Each 24 hours, the first time 24 hours after the start; hourly when something has ended or ends within a day. */
static void test_cadence(void **state)
{
	int64_t end = end_of("TVS");

	(void)state;
	assert_int_equal(run_at(end - 6 * DAY), 0); /* planned, not run */
	assert_int_equal(state_of().next_run, end - 5 * DAY);
	assert_int_equal(state_of().last_run, 0);
	int n = run_at(end - 5 * DAY);
	assert_true(n > 5); /* every unit of 5 years, and the trust stores */
	assert_int_equal(alarms.severity, 2);
	assert_int_equal(run_at(end - 5 * DAY + 3600), 0);
	/* A restart of the node neither repeats nor forgets. */
	node_close(&node);
	node_open(&node);
	assert_int_equal(run_at(end - 5 * DAY + 7200), 0);
	assert_int_equal(run_at(end - 4 * DAY), n);
	assert_int_equal(run_at(end - 4 * DAY + 3600), 0); /* the alarm of 7 days does not change the interval */
	/* A restart of the service puts the run off. */
	assert_ok(monitor_restarted(node.cluster, &e), &e);
	assert_int_equal(run_at(end - 3 * DAY), 0);
	assert_int_equal(run_at(end - 3 * DAY + 3600), n);
	assert_int_equal(run_at(end - DAY / 2), n);
	assert_int_equal(run_at(end - DAY / 2 + 3599), 0);
	assert_int_equal(run_at(end - DAY / 2 + 3600), n); /* hourly now */
	assert_int_equal(run_at(end + 10), n);
	assert_int_equal(alarms.severity, 0);
	assert_non_null(strstr(alarms.last, "%UC_CERT-0-CertExpired: %[Message="));
	/* A clock that goes back must not silence it. */
	assert_int_equal(run_at(end - 6 * DAY), n);
}

static void test_one_renewed(void **state)
{
	int64_t end = end_of("tomcat");

	(void)state;
	run_at(end - 3 * DAY);
	int n = run_at(end - 2 * DAY);
	assert_ok(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), &e);
	assert_true(run_at(end - DAY) < n);
	struct monitor_list l;
	assert_ok(monitor_look(node.cluster, &l, &e), &e);
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.entries[i].unit, "TVS") == 0)
			assert_int_equal(l.entries[i].state, MONITOR_VALID);
	for (size_t i = 1; i < l.n; i++)
		assert_true(l.entries[i - 1].not_after <= l.entries[i].not_after);
	monitor_list_clear(&l);
}

static void add_phone(const char *name, const char *unit)
{
	struct store_device d = { 0 };
	struct cert *c;

	snprintf(d.name, sizeof(d.name), "%s", name);
	assert_ok(store_device_add(node.store, &d, &e), &e);
	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	assert_ok(store_devicecert_put(node.store, name, DEVICECERT_LSC, DEVICECERT_STORED, c, node.now, &e), &e);
	cert_unref(c);
}

/* Any certificate will do as an LSC: what counts is its end. */
static void test_lscs(void **state)
{
	struct monitor_list l;
	size_t lscs = 0;
	int64_t end = end_of("ipsec");

	(void)state;
	assert_ok(cluster_regen(node.cluster, "test", "tomcat", NULL, NULL, &e), &e);
	add_phone("SEP001122334455", "ipsec");
	add_phone("SEP001122334456", "ITLRecovery"); /* 20 years */
	node.now = end - 5 * DAY;
	set(PARAM_NOTICE_START, "1");
	assert_ok(monitor_look(node.cluster, &l, &e), &e);
	assert_int_equal(l.n_lsc, 1); /* within the 7 days of the alarm, whatever the window */
	for (size_t i = 0; i < l.n; i++) {
		if (strcmp(l.entries[i].unit, "LSC") != 0)
			continue;
		lscs++;
		assert_string_equal(l.entries[i].name, "SEP001122334455.der");
		assert_string_equal(l.entries[i].type, "LSC");
		assert_int_equal(l.entries[i].state, MONITOR_WEEK);
	}
	assert_int_equal(lscs, 1);
	monitor_list_clear(&l);
}

/* --- e-mail --- */

static void mail_on(void)
{
	set(PARAM_NOTICE_MAIL, "True");
	set(PARAM_SMTP_SERVER, "mail.example.com");
	set(PARAM_NOTICE_TO, "a@example.com; b@example.com");
}

/* Is one due? It is not sent. */
static bool due_at(int64_t now, struct monitor_mail *m)
{
	bool due;

	node.now = now;
	assert_ok(monitor_mail_next(node.cluster, m, &due, &e), &e);
	return due;
}

static void test_mail(void **state)
{
	int64_t end = end_of("TVS");
	struct monitor_mail m;

	(void)state;
	mail_on();
	set(PARAM_NOTICE_FREQUENCY, "2 days");
	assert_false(due_at(end - 31 * DAY, &m));
	assert_true(due_at(end - 29 * DAY, &m));
	assert_non_null(strstr(m.text, "\r\nTo: a@example.com,\r\n  b@example.com\r\n"));
	assert_non_null(strstr(m.text, "\r\nFrom: Cisco Certificate Monitor <ringfence@cucm-1051-a-pub>\r\n"));
	assert_non_null(strstr(m.text, "\r\n\r\nCertificate name:"));
	assert_non_null(strstr(m.text, "Certificate name:TVS.der Unit:TVS Type:own-cert Expiration:"));
	assert_non_null(strstr(m.text, "'set cert regen TVS'"));
	assert_null(strstr(m.text, "ITLRecovery.der"));
	assert_null(strstr(m.text, "%UC_CERT"));
	assert_string_equal(m.security, "STARTTLS");
	assert_int_equal(m.port, 25);
	assert_non_null(strstr(m.authorities, "BEGIN CERTIFICATE"));
	for (const char *p = m.text; (p = strchr(p, '\n')); p++)
		assert_int_equal(p[-1], '\r');
	/* Nothing is told before the server has it. */
	struct monitor_mail again;
	assert_true(due_at(end - 29 * DAY, &again));
	monitor_mail_clear(&again);
	assert_ok(monitor_mail_done(node.cluster, &m, NULL, "", &e), &e);
	monitor_mail_clear(&m);
	assert_int_equal(state_of().mail_sent, node.now);
	assert_false(due_at(end - 28 * DAY, &m));
	assert_true(due_at(end - 27 * DAY, &m));
	monitor_mail_clear(&m);
	assert_true(due_at(end - 6 * DAY, &m));
	assert_non_null(strstr(m.text, "  %UC_CERT-2-CertValidfor7days: %["));
	monitor_mail_clear(&m);
	set(PARAM_NOTICE_MAIL, "False");
	assert_false(due_at(end - 6 * DAY, &m));
}

static void test_mail_fails(void **state)
{
	static const int64_t waits[] = { 300, 600, 1200, 2400, 4800, 9600, 14400, 14400 };
	int64_t now = end_of("TVS") - 20 * DAY;
	struct monitor_mail m;

	(void)state;
	mail_on();
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_true(due_at(now, &m));
		assert_ok(monitor_mail_done(node.cluster, &m, "nobody is there", "", &e), &e);
		monitor_mail_clear(&m);
		assert_int_equal(state_of().mail_failures, i + 1);
		assert_string_equal(state_of().mail_error, "nobody is there");
		node_close(&node); /* it is in the store */
		node_open(&node);
		assert_false(due_at(now + waits[i] - 1, &m));
		now += waits[i];
	}
	/* A parameter was changed: no need to wait. */
	assert_true(due_at(now, &m));
	assert_ok(monitor_mail_done(node.cluster, &m, "nobody", "", &e), &e);
	monitor_mail_clear(&m);
	assert_ok(monitor_mail_again(node.cluster, &e), &e);
	assert_true(due_at(now, &m));
	assert_ok(monitor_mail_done(node.cluster, &m, NULL, "", &e), &e);
	monitor_mail_clear(&m);
	assert_string_equal(state_of().mail_error, "");
	assert_int_equal(state_of().mail_failures, 0);
	assert_false(due_at(now + DAY, &m));
	/* Sent, but not to everybody. */
	assert_ok(monitor_mail_test(node.cluster, &m, &e), &e);
	assert_ok(monitor_mail_done(node.cluster, &m, NULL, "a@b (550 no)", &e), &e);
	monitor_mail_clear(&m);
	assert_string_equal(state_of().mail_error, "to a@b (550 no); the others have it");
	assert_int_equal(state_of().mail_sent, node.now);
	assert_int_equal(state_of().mail_failures, 0);
	/* A test that fails is no reason to wait. */
	assert_ok(monitor_mail_test(node.cluster, &m, &e), &e);
	assert_non_null(strstr(m.text, "Subject: Certificate expiration Notification: test from cucm-1051-a-pub\r\n"));
	assert_ok(monitor_mail_done(node.cluster, &m, "not now", "", &e), &e);
	monitor_mail_clear(&m);
	assert_int_equal(state_of().mail_retry, 0);
	assert_string_equal(state_of().mail_error, "not now");
}

static void test_mail_refused(void **state)
{
	struct monitor_mail m;

	(void)state;
	assert_err(monitor_mail_test(node.cluster, &m, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "'SMTP Server'"));
	err_clear(&e);
	set(PARAM_SMTP_SERVER, "::1");
	assert_err(monitor_mail_test(node.cluster, &m, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "'E-mail IDs'"));
	err_clear(&e);
	set(PARAM_NOTICE_TO, "a@example.com");
	set(PARAM_SMTP_USER, "ringfence");
	set(PARAM_SMTP_SECURITY, "None");
	assert_err(monitor_mail_test(node.cluster, &m, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "a password is not sent in clear"));
	err_clear(&e);
}

/* --- parameters --- */

static bool takes(const char *name, const char *value)
{
	int rc = param_check(param_find(name), value, NULL, &e);

	err_clear(&e);
	return rc == 0;
}

static void test_values(void **state)
{
	char many[21 * 8 + 1] = "";
	int64_t s;

	(void)state;
	assert_true(param_period_s("12 hours", &s));
	assert_int_equal(s, 43200);
	assert_true(param_period_s("1 Day", &s));
	assert_int_equal(s, DAY);
	assert_true(takes(PARAM_NOTICE_FREQUENCY, "365 days"));
	static const char *const periods[] = { "", "7", "days", "0 days", "366 days", "1.5 days", "7 weeks", "-1 days", "7  days",
					       "99999999 days" };
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
		assert_false(takes(PARAM_NOTICE_FREQUENCY, periods[i]));
	static const char *const hosts[] = { "", "mail.example.com", "192.0.2.1", "2001:db8::1" };
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		assert_true(takes(PARAM_SMTP_SERVER, hosts[i]));
	static const char *const bad_hosts[] = { "a b", "mail/x", "a@b", "-a", ".a", "[::1]", "a:25", "a\nb" };
	for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++)
		assert_false(takes(PARAM_SMTP_SERVER, bad_hosts[i]));
	assert_true(takes(PARAM_NOTICE_TO, "a@example.com;b.c+d@example.com; e@x;"));
	static const char *const bad_mails[] = { "a", "@b", "a@", "a@b>c", "a@b,c@d", "\"a b\"@c", "a@b\r\nc@d", "a@b@c", "a@b;c" };
	for (size_t i = 0; i < sizeof(bad_mails) / sizeof(bad_mails[0]); i++)
		assert_false(takes(PARAM_NOTICE_TO, bad_mails[i]));
	for (int i = 0; i < 20; i++)
		strcat(many, "a@b.cde;");
	assert_true(takes(PARAM_NOTICE_TO, many));
	strcat(many, "a@b.cde;");
	assert_false(takes(PARAM_NOTICE_TO, many));
	assert_false(takes(PARAM_SMTP_SENDER, "a@b;c@d"));
	assert_false(takes(PARAM_SMTP_USER, "a\nb"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		TEST(test_cadence),
		TEST(test_one_renewed),
		TEST(test_lscs),
		TEST(test_mail),
		TEST(test_mail_fails),
		TEST(test_mail_refused),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
