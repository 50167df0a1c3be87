#include "cluster/list_reset.h"

#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "cluster/recovery.h"

#define PASSPHRASE "correct horse battery"

static struct node node;
static struct err e;

static void make(const char *generation)
{
	err_clear(&e);
	node_init(&node, generation);
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static void assert_signer_of(struct node *n, enum list_type type, struct node *owner, const char *unit)
{
	struct cert *cert;
	struct trust_list *l = node_list(n, type);

	assert_ok(cluster_own_cert(owner->cluster, NULL, unit, &cert, &e), &e);
	assert_ok(list_verify_cert(l, cert, &e), &e);
	cert_unref(cert);
	list_free(l);
}

static void assert_signer(enum list_type type, const char *unit)
{
	assert_signer_of(&node, type, &node, unit);
}

static enum store_signer state_of(enum list_type type)
{
	enum store_signer by;

	assert_ok(list_reset_state(node.cluster, type, &by, &e), &e);
	return by;
}

static void refresh(bool expected)
{
	bool changed;

	assert_ok(publish_refresh(node.cluster, "test", "start", &changed, &e), &e);
	assert_int_equal(changed, expected);
}

static void end(bool expected)
{
	bool changed;

	assert_ok(cluster_itl_normal(node.cluster, "test", &changed, &e), &e);
	assert_int_equal(changed, expected);
	assert_int_equal(state_of(LIST_ITL), STORE_SIGNER_NORMAL);
}

static void lose_published(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/published/current/ITLFile.tlv", node.dir);
	assert_int_equal(unlink(path), 0);
	node_close(&node);
	node_open(&node);
}

static void test_the_other_signs_until_the_end(void **state)
{
	(void)state;
	make(NULL);
	end(false);
	assert_signer(LIST_ITL, "ITLRecovery");
	assert_ok(cluster_itl_reset(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_ITL, "CallManager");
	refresh(false);
	/* Over a restart, over a change, and when the files are gone. */
	node_close(&node);
	node_open(&node);
	refresh(false);
	assert_ok(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), &e);
	assert_signer(LIST_ITL, "CallManager");
	lose_published();
	assert_signer(LIST_ITL, "CallManager");
	assert_int_equal(state_of(LIST_ITL), STORE_SIGNER_OTHER);
	struct notes notes = NOTES_INIT;
	assert_ok(list_reset_notes(node.cluster, LIST_ITL, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "signed by CallManager until 'utils service restart Cisco Tftp' lets ITLRecovery"));
	notes_clear(&notes);
	end(true);
	assert_signer(LIST_ITL, "ITLRecovery");
}

/* The twin for phones without SHA-512 is signed by the same key. */
static void test_twin(void **state)
{
	struct trust_list *l;
	struct cert *cert;
	struct lists lists;

	(void)state;
	make(NULL);
	assert_ok(param_set(node.cluster, "test", PARAM_DIGEST, "SHA-512", NULL, &e), &e);
	assert_ok(cluster_itl_reset(node.cluster, "test", NULL, &e), &e);
	assert_ok(generation_read(node.cluster, node_generation(&node), &lists, &e), &e);
	assert_ok(list_parse((struct view){ lists.itl_sha1.data, lists.itl_sha1.len }, LIST_ITL, &l, &e), &e);
	assert_ok(cluster_own_cert(node.cluster, NULL, "CallManager", &cert, &e), &e);
	assert_ok(list_verify_cert(l, cert, &e), &e);
	cert_unref(cert);
	list_free(l);
	lists_clear(&lists);
}

static void test_releases_before_12_0(void **state)
{
	(void)state;
	make("11.5");
	assert_err(cluster_ctl_reset(node.cluster, "test", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "not in mixed mode"));
	err_clear(&e);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_CTL, "CallManager");
	assert_ok(cluster_ctl_reset(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_CTL, "ITLRecovery");
	assert_signer(LIST_ITL, "CallManager");
	/* What concerns the ITL leaves the CTL as it is. */
	assert_ok(cluster_itl_reset(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_ITL, "ITLRecovery");
	assert_int_equal(state_of(LIST_CTL), STORE_SIGNER_OTHER);
	lose_published();
	assert_signer(LIST_CTL, "ITLRecovery");
	end(true);
	assert_ok(cluster_ctl_update(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_CTL, "CallManager");
	assert_int_equal(state_of(LIST_CTL), STORE_SIGNER_NORMAL);
}

static void test_no_other_signer(void **state)
{
	(void)state;
	make("10.0");
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_err(cluster_ctl_reset(node.cluster, "test", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "the CTL of trust list generation 10.0 names one signer"));
	err_clear(&e);
	assert_ok(cluster_itl_reset(node.cluster, "test", NULL, &e), &e);
	assert_signer(LIST_ITL, "ITLRecovery");
	/* Another generation ends it. */
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "12.0", NULL, &e), &e);
	assert_int_equal(state_of(LIST_ITL), STORE_SIGNER_NORMAL);
	assert_signer(LIST_ITL, "ITLRecovery");
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "test", PARAM_GENERATION, "8.0", NULL, &e), &e);
	uint64_t before = node_generation(&node);
	assert_err(cluster_itl_reset(node.cluster, "test", NULL, &e), ERR_USAGE);
	assert_int_equal(node_generation(&node), before);
}

static void assert_regen_refused(void)
{
	assert_err(cluster_regen(node.cluster, "test", "TVS", NULL, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "utils service restart Cisco Tftp"));
	err_clear(&e);
}

static void test_a_key_from_elsewhere(void **state)
{
	AUTO(auto_free) uint8_t *p12 = NULL;
	static const char *const generations[] = { "10.0", "12.0" };
	struct node lost;
	size_t len;

	(void)state;
	make("12.0");
	lost = node;
	assert_ok(recovery_export(lost.cluster, "test", PASSPHRASE, &p12, &len, NULL, &e), &e);
	for (size_t i = 0; i < 2; i++) {
		const char *usual = i ? "ITLRecovery" : "CallManager";
		struct itl_remote from = { { p12, len }, "wrong passphrase" };

		make(generations[i]);
		assert_err(cluster_itl_reset_remote(node.cluster, "test", &from, NULL, &e), ERR_AUTH);
		err_clear(&e);
		from.passphrase = PASSPHRASE;
		assert_ok(cluster_itl_reset_remote(node.cluster, "test", &from, NULL, &e), &e);
		assert_signer_of(&node, LIST_ITL, &lost, "ITLRecovery");
		/* Who takes it knows the next signer. */
		struct trust_list *l = node_list(&node, LIST_ITL);
		struct cert *cert;
		bool known = false;
		assert_ok(cluster_own_cert(node.cluster, NULL, usual, &cert, &e), &e);
		for (size_t r = 0; r < l->n_records; r++)
			known |= l->records[r].function == FUNCTION_SAST && list_record_is_cert(&l->records[r], cert);
		assert_true(known);
		cert_unref(cert);
		list_free(l);
		refresh(false);
		assert_regen_refused();
		assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
		node_close(&node);
		node_open(&node);
		refresh(false);
		assert_signer_of(&node, LIST_ITL, &lost, "ITLRecovery");
		assert_int_equal(state_of(LIST_ITL), STORE_SIGNER_ELSEWHERE);
		if (i) {
			end(true);
			assert_signer(LIST_ITL, usual);
			continue; /* teardown removes it */
		}
		/* Nobody here can sign that again. */
		lose_published();
		assert_signer(LIST_ITL, usual);
		assert_int_equal(state_of(LIST_ITL), STORE_SIGNER_NORMAL);
		node_remove(&node);
	}
	node_remove(&lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_other_signs_until_the_end, teardown),
		cmocka_unit_test_teardown(test_twin, teardown),
		cmocka_unit_test_teardown(test_releases_before_12_0, teardown),
		cmocka_unit_test_teardown(test_no_other_signer, teardown),
		cmocka_unit_test_teardown(test_a_key_from_elsewhere, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
