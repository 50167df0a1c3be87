#include "cluster/tvs.h"

#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "proto/tvs_index.h"
#include "store/certificate.h"

static struct node node;
static struct tvs_publisher *publisher;
static struct err e;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	assert_ok(tvs_publisher_new(node.cluster, &publisher, &e), &e);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tvs_publisher_free(publisher);
	node_remove(&node);
	return 0;
}

static struct tvs_report publish(struct notes *notes)
{
	struct tvs_report r;

	assert_ok(tvs_publish(publisher, &r, notes, &e), &e);
	return r;
}

/* What the published file says of a certificate; false: no. */
static bool ask(const struct cert *c, struct tvs_answer *a)
{
	struct tvs_index ix;
	uint8_t *data;
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), "%s/published/" TVS_INDEX_FILE, node.dir);
	assert_ok(file_read(AT_FDCWD, path, TVS_INDEX_MAX, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){ data, len }, &ix, &e), &e);
	bool known = tvs_index_verify(&ix, cert_der(c), a);
	free(data);
	return known;
}

static struct cert *own(const char *unit)
{
	struct cert *c;

	assert_ok(cluster_own_cert(node.cluster, NULL, unit, &c, &e), &e);
	assert_non_null(c);
	return c;
}

static struct cert *golden(const char *name)
{
	char path[512];
	struct cert *c;

	snprintf(path, sizeof(path), "%s/certs/%s", getenv("GOLDEN"), name);
	assert_ok(cert_load(AT_FDCWD, path, &c, &e), &e);
	return c;
}

#define ROLE(f) FUNCTION_BIT(FUNCTION_##f)

static void test_own(void **state)
{
	static const struct {
		const char *unit;
		uint32_t roles;
	} rows[] = {
		{ "CallManager", ROLE(SAST) | ROLE(CCM_TFTP) }, /* as CUCM's log has it (behaviour.md 4.3) */
		{ "CallManager-ECDSA", ROLE(CCM) | ROLE(TFTP) },
		{ "CAPF", ROLE(CAPF) },
		{ "TVS", ROLE(TVS) },
		{ "ITLRecovery", ROLE(SAST) },
		{ "tomcat", ROLE(APP_SERVER) },
		{ "tomcat-ECDSA", ROLE(APP_SERVER) },
		{ "ipsec", 0 },
	};
	struct tvs_report r = publish(NULL);

	(void)state;
	assert_true(r.built && r.changed);
	assert_false(r.ctl_changed);
	assert_int_equal(r.certificates, 8);
	assert_int_equal(r.expired, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert *c = own(rows[i].unit);
		struct tvs_answer a;
		assert_true(ask(c, &a));
		assert_int_equal(a.roles, rows[i].roles);
		assert_int_equal(a.ttl_s, 86400);
		cert_unref(c);
	}
	r = publish(NULL);
	assert_false(r.built || r.changed || r.ctl_changed);
	assert_int_equal(r.certificates, 8);
}

static void test_another_publisher_finds_it_done(void **state)
{
	struct tvs_report r = publish(NULL);

	(void)state;
	tvs_publisher_free(publisher);
	assert_ok(tvs_publisher_new(node.cluster, &publisher, &e), &e);
	r = publish(NULL);
	assert_true(r.built);
	assert_false(r.changed || r.ctl_changed);
}

static void test_regeneration(void **state)
{
	struct cert *before = own("CallManager"), *after;
	struct tvs_report r = publish(NULL);
	struct tvs_answer a;

	(void)state;
	node.now += 60;
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, &after, &e), &e);
	assert_false(ask(after, &a));
	r = publish(NULL);
	assert_true(r.built && r.changed);
	assert_false(r.ctl_changed);
	assert_true(ask(after, &a));
	assert_false(ask(before, &a));
	cert_unref(before);
	cert_unref(after);
}

static void test_ctl(void **state)
{
	struct cert *before = own("CallManager");
	struct tvs_report r = publish(NULL);
	struct tvs_answer a;

	(void)state;
	node.now += 60;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	r = publish(NULL);
	assert_true(r.ctl_changed);
	assert_true(ask(before, &a));
	assert_int_equal(a.roles, ROLE(SAST) | ROLE(CCM_TFTP));

	/* Out of the store, and still in the CTL that phones hold: the CTL answers for it until it is made anew. */
	node.now += 60;
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, NULL, &e), &e);
	r = publish(NULL);
	assert_false(r.ctl_changed);
	assert_true(ask(before, &a));
	assert_int_equal(a.roles, ROLE(SAST) | ROLE(CCM_TFTP));
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	r = publish(NULL);
	assert_true(r.ctl_changed);
	assert_false(ask(before, &a));
	cert_unref(before);
}

static void test_trust(void **state)
{
	struct store_certificate_info info = { .ttl_s = 600 };
	struct cert *c = golden("tftp2048.pem");
	struct tvs_answer a;

	(void)state;
	node.now = cert_not_before(c) + 60;
	assert_false(publish(NULL).certificates == 0);
	assert_false(ask(c, &a));
	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_PHONE_SAST, c, &info, STORE_PUT_UPLOAD, &e), &e);
	assert_true(publish(NULL).changed);
	assert_true(ask(c, &a));
	assert_int_equal(a.roles, ROLE(SAST) | ROLE(TFTP));
	assert_int_equal(a.ttl_s, 600);
	assert_ok(store_certificate_put_trust(node.store, STORE_TRUST_CALLMANAGER, c, &info, STORE_PUT_UPLOAD, &e), &e);
	publish(NULL);
	assert_true(ask(c, &a));
	assert_int_equal(a.roles, ROLE(SAST) | ROLE(TFTP) | ROLE(CCM));
	cert_unref(c);
}

static void test_roles(void **state)
{
	(void)state;
	assert_int_equal(tvs_roles(0, STORE_UNIT_BIT(STORE_TRUST_TOMCAT)), ROLE(APP_SERVER));
	assert_int_equal(tvs_roles(0, STORE_UNIT_BIT(STORE_TRUST_CAPF) | STORE_UNIT_BIT(STORE_TRUST_CALLMANAGER)),
			 ROLE(CAPF) | ROLE(CCM));
	assert_int_equal(tvs_roles(0, STORE_UNIT_BIT(STORE_TRUST_TVS)), ROLE(TVS));
	assert_int_equal(tvs_roles(0, STORE_UNIT_BIT(STORE_TRUST_DIRECTORY) | STORE_UNIT_BIT(STORE_TRUST_IPSEC)), 0);
	/* What the store says stands, and of that what phones know. */
	assert_int_equal(tvs_roles(STORE_ROLE_BIT(STORE_ROLE_CAPF), STORE_UNIT_BIT(STORE_TRUST_CALLMANAGER)), ROLE(CAPF));
	assert_int_equal(tvs_roles(STORE_ROLE_BIT(STORE_ROLE_NETWORK_ELEMENT), STORE_UNIT_BIT(STORE_TRUST_TOMCAT)), 0);
}

static void test_ttl(void **state)
{
	struct cert *c = own("tomcat");
	struct tvs_answer a;

	(void)state;
	publish(NULL);
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_TTL, "3600", NULL, &e), &e);
	assert_true(publish(NULL).changed);
	assert_true(ask(c, &a));
	assert_int_equal(a.ttl_s, 3600);
	cert_unref(c);
}

/* pitfalls.md T-1 */
static void test_expired(void **state)
{
	struct cert *c = own("tomcat");
	struct tvs_report r = publish(NULL);
	struct notes notes = NOTES_INIT;
	struct tvs_answer a;

	(void)state;
	assert_true(r.next_expiry && r.next_expiry <= cert_not_after(c));
	node.now = cert_not_after(c);
	publish(NULL);
	assert_true(ask(c, &a));
	node.now = cert_not_after(c) + 1;
	r = publish(&notes);
	assert_true(r.built && r.changed);
	assert_true(r.expired > 0);
	assert_int_equal(notes.n, r.expired);
	assert_non_null(strstr(notes.text[0], "has expired"));
	assert_false(ask(c, &a));

	assert_ok(param_set(node.cluster, "test", PARAM_TVS_EXPIRED, "True", NULL, &e), &e);
	r = publish(NULL);
	assert_int_equal(r.expired, 0);
	assert_int_equal(r.next_expiry, 0);
	assert_true(ask(c, &a));
	notes_clear(&notes);
	cert_unref(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_publisher_finds_it_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_regeneration, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ctl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
		cmocka_unit_test(test_roles),
		cmocka_unit_test_setup_teardown(test_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
