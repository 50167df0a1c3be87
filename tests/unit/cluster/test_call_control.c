#include "cluster/call_control.h"

#include "cluster/certs.h"
#include "cluster/node_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_follows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
