#include "cluster/param.h"

#include "cluster/node_fixture.h"

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

static void test_table(void **state)
{
	(void)state;
	for (const struct param_def *d = param_table; d->name; d++) {
		const char *canonical = NULL;

		assert_ptr_equal(param_find(d->name), d);
		assert_ok(param_check(d, d->initial, &canonical, &e), &e);
		assert_string_equal(canonical, d->initial);
		assert_true(strlen(d->help) > 10);
	}
	assert_ptr_equal(param_find("tftp file signature algorithm"), param_find(PARAM_DIGEST));
	assert_null(param_find("No Such Parameter"));
	/* behaviour.md 8.7: what nothing stands behind here is shown and cannot be set. */
	static const char *const shown[] = { PARAM_LBM, PARAM_CACHING, PARAM_TLS_CIPHERS, PARAM_HTTPS_CIPHERS };
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		assert_err(param_set(node.cluster, "test", shown[i], param_find(shown[i])->initial, NULL, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "is only displayed"));
		err_clear(&e);
	}
	/* The table of generations and the parameter's choices are the same list. */
	const struct param_def *g = param_find(PARAM_GENERATION);
	for (int i = 0; i < COMPOSE_GENERATIONS; i++)
		assert_string_equal(g->choices[i], compose_generation_name((enum compose_generation)i));
	assert_null(g->choices[COMPOSE_GENERATIONS]);
}

static void test_bounds(void **state)
{
	const struct param_def *keep = param_find(PARAM_KEEP), *digest = param_find(PARAM_DIGEST);
	const char *canonical;

	(void)state;
	assert_ok(param_check(keep, "2", NULL, &e), &e);
	assert_ok(param_check(keep, "10000", NULL, &e), &e);
	static const char *const bad[] = { "1", "10001", "", "-5", "10 ", "0x10", "99999999999999999999", "abc" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_err(param_check(keep, bad[i], NULL, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "a number from 2 to 10000"));
		err_clear(&e);
	}
	assert_ok(param_check(digest, "sha-512", &canonical, &e), &e);
	assert_string_equal(canonical, "SHA-512");
	assert_err(param_check(digest, "SHA-256", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "one of: 'SHA-1', 'SHA-512'"));
	err_clear(&e);
	assert_ok(param_check(param_find(PARAM_ADVANCED), "true", &canonical, &e), &e);
	assert_string_equal(canonical, "True");
	assert_err(param_check(param_find(PARAM_ADVANCED), "yes", NULL, &e), ERR_USAGE);
	err_clear(&e);
}

static void assert_value(const char *name, const char *wanted)
{
	char *value;

	assert_ok(param_get(node.cluster, name, &value, &e), &e);
	assert_string_equal(value, wanted);
	free(value);
}

static void test_defaults_and_refusals(void **state)
{
	char *value;
	uint32_t number;

	(void)state;
	assert_value(PARAM_DIGEST, "SHA-1");
	assert_value(PARAM_GENERATION, "12.0");
	assert_ok(param_get_number(node.cluster, PARAM_TVS_TTL, &number, &e), &e);
	assert_int_equal(number, 86400);
	assert_err(param_get(node.cluster, "No Such", &value, &e), ERR_USAGE);
	assert_null(strstr(e.text, "nearest"));
	err_clear(&e);
	assert_err(param_set(node.cluster, "test", "tftp file sgnature algorithms", "SHA-1", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "the nearest is '" PARAM_DIGEST "'"));
	err_clear(&e);
	assert_err(param_set(node.cluster, "test", PARAM_SECURITY_MODE, "1", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "utils ctl set-cluster"));
	err_clear(&e);
	assert_err(param_set(node.cluster, "test", PARAM_GENERATION, "9.0", NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(param_set(node.cluster, "test", PARAM_URL_DIRECTORY, "http://192.0.2.1:8080/a", NULL, &e), &e);
	assert_value(PARAM_URL_DIRECTORY, "http://192.0.2.1:8080/a");
	assert_err(param_set(node.cluster, "test", PARAM_URL_DIRECTORY, "ftp://192.0.2.1/a", NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_int_equal(node_generation(&node), 1);
}

static void test_itl_follows(void **state)
{
	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_DIGEST, "sha-512", NULL, &e), &e);
	assert_value(PARAM_DIGEST, "SHA-512");
	assert_int_equal(node_generation(&node), 2);
	struct trust_list *l = node_list(&node, LIST_ITL);
	assert_int_equal(l->header.digest, DIGEST_SHA512);
	assert_false(l->header.has_signer_version);
	list_free(l);
	assert_ok(param_set(node.cluster, "test", PARAM_ADVANCED, "True", NULL, &e), &e);
	l = node_list(&node, LIST_ITL);
	assert_true(l->header.has_signer_version);
	assert_memory_equal(l->header.signer_version, "\1\1", 2);
	list_free(l);
	/* The value it has already is no change; nor is one that no list shows. */
	assert_ok(param_set(node.cluster, "test", PARAM_ADVANCED, "true", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_TTL, "3600", NULL, &e), &e);
	assert_int_equal(node_generation(&node), 3);
	assert_value(PARAM_TVS_TTL, "3600");
}

static void test_refresh_without_a_change(void **state)
{
	bool changed = true;

	(void)state;
	node.now += 1000;
	assert_ok(publish_refresh(node.cluster, "test", "start", &changed, &e), &e);
	assert_false(changed);
	assert_int_equal(node_generation(&node), 1);
	/* 12.0 to 12.0 with a detour: the records are as before, the time is not. */
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "11.5", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "12.0", NULL, &e), &e);
	assert_int_equal(node_generation(&node), 3);
}

static void test_notes_about_the_ctl(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_DIGEST, "SHA-512", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_string_equal(notes.text[0], "Phones learn of it at their next reset.");
	notes_clear(&notes);
	assert_ok(param_set(node.cluster, "test", PARAM_TVS_TTL, "100", &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "test", PARAM_DIGEST, "SHA-1", &notes, &e), &e);
	assert_int_equal(notes.n, 2);
	assert_non_null(strstr(notes.text[0], "utils ctl update CTLFile"));
	notes_clear(&notes);
	struct trust_list *ctl = node_list(&node, LIST_CTL);
	assert_int_equal(ctl->header.digest, DIGEST_SHA512); /* by command only */
	list_free(ctl);
	/* Back to where only tokens sign: what is there stays, and the way on is said before. */
	assert_ok(param_warnings(node.cluster, PARAM_GENERATION, "8.0", &notes, &e), &e);
	assert_non_null(strstr(notes.text[notes.n - 1], "No hardware token is in it"));
	notes_clear(&notes);
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "8.0", &notes, &e), &e);
	assert_non_null(strstr(notes.text[0], "ringfence ctl-client update CTLFile"));
	notes_clear(&notes);
}

static void test_warnings(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(param_warnings(node.cluster, PARAM_DIGEST, "SHA-512", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "do not know SHA-512"));
	notes_clear(&notes);
	assert_ok(param_warnings(node.cluster, PARAM_URL_DIRECTORY, "https://192.0.2.1/a", &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(param_warnings(node.cluster, PARAM_URL_DIRECTORY, "http://192.0.2.1/a", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "do not check who answers"));
	notes_clear(&notes);
	/* To a generation whose signer is a SAST of the ITL in force: phones take it. */
	assert_ok(param_warnings(node.cluster, PARAM_GENERATION, "10.0", &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	/* 8.0 has one SAST only, so the way back to ITLRecovery needs TVS. */
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "8.0", NULL, &e), &e);
	assert_ok(param_warnings(node.cluster, PARAM_GENERATION, "12.0", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "Those that ask TVS take it"));
	notes_clear(&notes);
	assert_int_equal(node_generation(&node), 2);
}

static void test_generations_are_pruned(void **state)
{

	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_KEEP, "3", NULL, &e), &e);
	for (int i = 0; i < 5; i++)
		assert_ok(param_set(node.cluster, "test", PARAM_NAME_FORM, i % 2 ? "A" : "C", NULL, &e), &e);
	assert_int_equal(node_generation(&node), 6);
	assert_false(node_has(&node, "published/generation-000003"));
	assert_true(node_has(&node, "published/generation-000004"));
	assert_true(node_has(&node, "published/generation-000006/ITLFile.tlv"));
	list_free(node_list(&node, LIST_ITL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bounds),
		TEST(test_defaults_and_refusals),
		TEST(test_itl_follows),
		TEST(test_refresh_without_a_change),
		TEST(test_notes_about_the_ctl),
		TEST(test_warnings),
		TEST(test_generations_are_pruned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
