#include "cluster/call_control.h"

#include <stdio.h>

#include "cluster/authority.h"
#include "cluster/certs.h"
#include "cluster/cluster_internal.h"
#include "cluster/node_fixture.h"
#include "cluster/phone_reset.h"
#include "store/service.h"

static struct node node;
static struct err e;

static int setup(void **state)
{
	err_clear(&e);
	node_init(&node, *state);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_remove(&node);
	return 0;
}

static unsigned count(const char *pem)
{
	unsigned n = 0;

	for (; (pem = strstr(pem, "-----BEGIN CERTIFICATE-----")); pem++)
		n++;
	return n;
}

static bool has(const char *pem, const struct cert *c)
{
	char *one;

	assert_ok(cert_to_pem(c, &one, &e), &e);
	bool found = strstr(pem, one) != NULL;
	free(one);
	return found;
}

/* The chain follows CallManager; the authorities are the CAs of CallManager-trust, so former CAPF certificates stay. */
static void test_follows(void **state)
{
	struct call_control_certs c;
	struct cert *capf, *new_capf, *new_leaf;

	(void)state;
	assert_ok(call_control_certs(node.cluster, &c, &e), &e);
	assert_ok(cluster_own_cert(node.cluster, NULL, "CAPF", &capf, &e), &e);
	assert_int_equal(count(c.chain), 1);
	assert_true(has(c.chain, c.leaf));
	assert_int_equal(count(c.authorities), 1);
	assert_true(has(c.authorities, capf) && !has(c.authorities, c.leaf));
	call_control_certs_clear(&c);

	node.now += 3600;
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, &new_leaf, &e), &e);
	assert_ok(cluster_regen(node.cluster, "test", "CAPF", NULL, &new_capf, &e), &e);
	assert_ok(call_control_certs(node.cluster, &c, &e), &e);
	assert_true(cert_same(c.leaf, new_leaf) && has(c.chain, new_leaf));
	assert_int_equal(count(c.authorities), 2);
	assert_true(has(c.authorities, capf) && has(c.authorities, new_capf));
	call_control_certs_clear(&c);
	cert_unref(capf);
	cert_unref(new_capf);
	cert_unref(new_leaf);
}

/* Certificates with names from `first` on, in PEM, into CallManager-trust. */
static void upload_roots(unsigned first, unsigned n, EVP_PKEY *key)
{
	struct wr w;
	struct trust_import in = { .ca = NULL };

	wr_init(&w, 1 << 20);
	for (unsigned i = first; i < first + n; i++) {
		char cn[64], *pem;
		snprintf(cn, sizeof(cn), "Root Authority %04u", i);
		struct cert *root = authority_sign(key, cn, NULL, NULL, key, NODE_NOW - 100, AUTHORITY_END, true);
		assert_ok(cert_to_pem(root, &pem, &e), &e);
		assert_true(wr_view(&w, view_str(pem)));
		free(pem);
		cert_unref(root);
	}
	in.file = wr_view_all(&w);
	assert_ok(cluster_import_trust(node.cluster, "test", "CallManager", &in, NULL, &e), &e);
	wr_clear(&w);
}

/* As many as the store may have: none is left out. */
static void test_a_thousand(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct call_control_certs c;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		upload_roots(250 * i, 250, key);
	assert_ok(call_control_certs(node.cluster, &c, &e), &e);
	assert_int_equal(count(c.authorities), 1001);
	assert_true(strlen(c.authorities) > 256 * 1024);
	call_control_certs_clear(&c);
	EVP_PKEY_free(key);
}

/* --- what is said of it before a change --- */

static const char *said(const char *unit)
{
	static char text[400];
	struct notes plan = NOTES_INIT;
	bool follows;

	assert_ok(call_control_plan(node.cluster, unit, &plan, &e), &e);
	assert_ok(call_control_follows(node.cluster, unit, &follows, &e), &e);
	assert_in_range(plan.n, 0, 1);
	snprintf(text, sizeof(text), "%d %s", follows, plan.n ? plan.text[0] : "");
	notes_clear(&plan);
	return text;
}

static void service(bool on)
{
	assert_ok(store_service_activate(node.store, node.cluster->node, "Cisco CallManager", true, &e), &e);
	assert_ok(store_service_start(node.store, node.cluster->node, "Cisco CallManager", on, &e), &e);
}

static void test_plan(void **state)
{
	(void)state;
	assert_string_equal(said("CallManager"), "0 ");
	node.cluster->call_control = (struct cluster_call_control){ "/etc/pbx", true };
	service(false);
	assert_string_equal(said("CallManager"), "0 Call control: Cisco CallManager is stopped: nothing is placed in /etc/pbx until it "
						 "is activated and started.");
	service(true);
	assert_string_equal(said("CallManager"), "1 Call control: in /etc/pbx key, chain and CA file are replaced, and the reload command "
						 "runs.");
	assert_string_equal(said("CAPF"), "1 Call control: in /etc/pbx the CA file gets the new CAPF certificate beside the former one, and "
					  "the reload command runs.");
	assert_non_null(strstr(said("CallManager-trust"), "1 Call control: in /etc/pbx the CA file and the chain"));
	assert_string_equal(said("TVS"), "0 ");
	node.cluster->call_control.reload = false;
	assert_non_null(strstr(said("CallManager"), "and nothing reloads it"));
	service(false);
	assert_string_equal(said("tomcat"), "0 ");
	assert_non_null(strstr(said("CAPF"), "is stopped"));
}

/* Phones wait for it, and are told so. */
static void test_phones_wait(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(phones_add(node.cluster, "test", "SEP000000000001", NULL, 0, NULL, &e), &e);
	node.cluster->call_control = (struct cluster_call_control){ "/etc/pbx", true };
	service(true);
	assert_ok(phones_after_certificate_change(node.cluster, "CallManager", &notes, &e), &e);
	assert_ok(phones_after_certificate_change(node.cluster, "TVS", &notes, &e), &e);
	assert_int_equal(notes.n, 2);
	assert_non_null(strstr(notes.text[0], "will be reset when the call control has the certificate"));
	assert_non_null(strstr(notes.text[1], "The phones are reset now"));
	notes_clear(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_follows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_thousand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_phones_wait, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
