#include "cluster/recovery.h"

#include "cluster/node_fixture.h"

#define PASSPHRASE "correct horse"

static struct node node;
static struct err e;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static struct recovery_state state_now(void)
{
	struct recovery_state s;

	assert_ok(recovery_state(node.cluster, &s, &e), &e);
	return s;
}

static struct view export(void)
{
	struct view v;
	uint8_t *p;

	assert_ok(recovery_export(node.cluster, "test", PASSPHRASE, &p, &v.len, NULL, &e), &e);
	v.p = p;
	return v;
}

static void test_from_nothing_to_verified(void **state)
{
	struct notes notes = NOTES_INIT;
	struct recovery_state s = state_now();

	(void)state;
	assert_false(s.current);
	assert_int_equal(s.verified_s, 0);
	assert_non_null(strstr(s.text, "No recovery export exists"));
	struct view p12 = export();
	s = state_now();
	assert_false(s.current);
	assert_non_null(strstr(s.text, "never verified"));
	node.now += 60;
	assert_ok(recovery_verify(node.cluster, "test", p12, PASSPHRASE, &notes, &e), &e);
	assert_int_equal(notes.n, 3);
	assert_non_null(strstr(notes.text[0], "ITLRecovery."));
	assert_non_null(strstr(notes.text[0], "in force"));
	assert_non_null(strstr(notes.text[1], "CallManager."));
	assert_non_null(strstr(notes.text[2], "CAPF."));
	s = state_now();
	assert_true(s.current);
	assert_string_equal(s.text, "");
	assert_int_equal(s.verified_s, NODE_NOW + 60);
	notes_clear(&notes);
	free((void *)p12.p);
}

static void test_refusals(void **state)
{
	struct view p12 = export();
	uint8_t *made;
	size_t len;

	(void)state;
	assert_err(recovery_verify(node.cluster, "test", p12, "wrong horse", NULL, &e), ERR_AUTH);
	err_clear(&e);
	assert_err(recovery_verify(node.cluster, "test", view_str("not an export at all"), PASSPHRASE, NULL, &e), ERR_PROTO);
	err_clear(&e);
	assert_err(recovery_verify(node.cluster, "test", (struct view){ p12.p, p12.len - 1 }, PASSPHRASE, NULL, &e),
		   ERR_PROTO);
	err_clear(&e);
	assert_err(recovery_export(node.cluster, "test", "short", &made, &len, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_false(state_now().current);
	free((void *)p12.p);
}

static void test_older_than_the_keys(void **state)
{
	struct notes notes = NOTES_INIT;
	struct view p12 = export();

	(void)state;
	assert_ok(recovery_verify(node.cluster, "test", p12, PASSPHRASE, NULL, &e), &e);
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, NULL, &e), &e);
	struct recovery_state s = state_now();
	assert_false(s.current);
	assert_non_null(strstr(s.text, "does not hold the present CallManager key"));
	assert_err(recovery_verify(node.cluster, "test", p12, PASSPHRASE, &notes, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "'ringfence recovery export' again"));
	assert_non_null(strstr(notes.text[1], "not in force"));
	err_clear(&e);
	notes_clear(&notes);
	/* What the lists do not depend on changes nothing. */
	free((void *)p12.p);
	node.now += 60;
	p12 = export();
	assert_ok(recovery_verify(node.cluster, "test", p12, PASSPHRASE, NULL, &e), &e);
	assert_ok(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), &e);
	assert_true(state_now().current);
	free((void *)p12.p);
}

static void test_key_is_gone(void **state)
{
	char key[KEY_NAME_MAX];
	struct cert *cm;
	uint8_t *made;
	size_t len;

	(void)state;
	assert_ok(cluster_signer(node.cluster, &cm, key, &e), &e);
	assert_ok(node.keys->ops->remove(node.keys, key, &e), &e);
	assert_err(recovery_export(node.cluster, "test", PASSPHRASE, &made, &len, NULL, &e), ERR_AUTH);
	assert_non_null(strstr(e.text, "CallManager"));
	err_clear(&e);
	cert_unref(cm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_from_nothing_to_verified),
		TEST(test_refusals),
		TEST(test_older_than_the_keys),
		TEST(test_key_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
