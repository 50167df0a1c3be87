#include "testing.h"

#include <string.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "pki/request.h"
#include "pki/template.h"
#include "tempdir.h"

static struct tempdir dir;
static struct keystore *ks;
static struct err e;

static const char *const ips[] = {"10.48.47.155", NULL};
static const struct template_node node = {
	.name = "CUCM-pub.example.org",
	.ip = ips,
	.subject = {.ou = "TAC", .o = "Cisco", .l = "Krakow", .st = "Malopolska", .c = "PL"},
};

static int make(void **state)
{
	(void)state;
	tempdir_make(&dir);
	assert_ok(keystore_file_open(dir.path, &ks, &e), &e);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	keystore_free(ks);
	tempdir_remove(&dir);
	return 0;
}

static struct request *request(const char *unit, const char *generation, const struct template_request *more,
			       char key[KEY_NAME_MAX])
{
	struct cert_template t;
	struct request *r = NULL;
	AUTO(auto_free) char *pem = NULL;

	assert_ok(template_get(unit, generation, 0, &t, &e), &e);
	if (t.key.type == KEY_RSA)
		t.key.bits = 1024; /* quick */
	assert_ok(template_request(ks, &t, &node, more, &random_system, key, &pem, &e), &e);
	assert_ok(request_from_pem(view_str(pem), &r, &e), &e);
	return r;
}

/* A certificate for that key with these names, as an authority would make it. */
static struct cert *issued(const char *key, const char *const *dns, const char *const *ip, unsigned usage)
{
	struct cert_profile p = {.key_usage = usage, .days = 10, .digest = DIGEST_SHA256, .dns = dns, .ip = ip};
	struct subject s = {.cn = "whatever"};
	struct cert *c = NULL;

	assert_ok(issue_self_signed(ks, key, &s, &p, &clock_system, &random_system, &c, &e), &e);
	return c;
}

static void names_and_key(void **state)
{
	static const char *const extra[] = {"b.example.org", "CUCM-PUB.example.org", NULL};
	static const char *const both[] = {"b.example.org", "cucm-pub.example.org", NULL};
	struct template_request more = {.dns = extra};
	char key[KEY_NAME_MAX], other_key[KEY_NAME_MAX];
	struct request *r = request("CallManager", "12.0", &more, key), *other = request("tomcat", "12.0", &more, other_key);
	struct cert *good = issued(key, both, ips, KU_DIGITAL_SIGNATURE), *few = issued(key, both + 1, ips, 0),
		    *none = issued(key, NULL, NULL, 0), *stranger = issued(other_key, both, ips, 0);
	static const char *const three[] = {"b.example.org", "cucm-pub.example.org", "c.example.org", NULL};
	struct cert *many = issued(key, three, ips, 0);

	(void)state;
	assert_string_equal(request_subject(r), "CN=CUCM-pub.example.org;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL");
	assert_true(request_is_for_key(r, good));
	assert_false(request_is_for_key(r, stranger));
	assert_true(request_has_names(r, good)); /* in another order too */
	assert_false(request_has_names(r, few));
	assert_false(request_has_names(r, none));
	assert_false(request_has_names(r, many));
	assert_int_equal(request_lost_usage(r, good), KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
	assert_int_equal(request_lost_usage(r, few), 0); /* it has no keyUsage at all */
	cert_unref(good);
	cert_unref(few);
	cert_unref(none);
	cert_unref(stranger);
	cert_unref(many);
	request_free(r);
	request_free(other);
}

/* Old releases ask for no names, and any certificate will do (behaviour.md 2.5). */
static void without_names(void **state)
{
	struct template_request more = {0};
	char key[KEY_NAME_MAX];
	struct request *r = request("CallManager", "8.0", &more, key);
	struct cert *c = issued(key, NULL, NULL, 0);

	(void)state;
	assert_true(request_has_names(r, c));
	cert_unref(c);
	request_free(r);
}

static void multi_server(void **state)
{
	struct template_request more = {.multi_server = true};
	char key[KEY_NAME_MAX];
	struct request *r = request("CallManager-ECDSA", "12.0", &more, key);

	(void)state;
	assert_int_equal(strncmp(request_subject(r), "CN=CUCM-pub-EC-ms.example.org;", 30), 0);
	assert_int_equal(strncmp(key, "CallManager-ECDSA.", 18), 0);
	request_free(r);
}

static int count(void *ctx, const char *name)
{
	(void)name;
	++*(unsigned *)ctx;
	return 0;
}

static void a_failure_leaves_no_key_behind(void **state)
{
	static const char *const bad[] = {"no name", NULL};
	struct template_request more = {.dns = bad};
	char key[KEY_NAME_MAX], *pem = NULL;
	struct cert_template t;
	unsigned before = 0, after = 0;

	(void)state;
	assert_ok(template_get("CallManager-ECDSA", "12.0", 0, &t, &e), &e);
	assert_ok(ks->ops->list(ks, count, &before, &e), &e);
	assert_err(template_request(ks, &t, &node, &more, &random_system, key, &pem, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(ks->ops->list(ks, count, &after, &e), &e);
	assert_int_equal(before, after);
}

static void malformed(void **state)
{
	struct template_request more = {0};
	char key[KEY_NAME_MAX];
	struct cert_template t;
	AUTO(auto_free) char *pem = NULL;
	struct request *r = NULL;

	(void)state;
	assert_err(request_from_pem(view_str("nothing"), &r, &e), ERR_PROTO);
	err_clear(&e);
	assert_ok(template_get("CallManager-ECDSA", "12.0", 0, &t, &e), &e);
	assert_ok(template_request(ks, &t, &node, &more, &random_system, key, &pem, &e), &e);
	/* One digit of its signature: it is no longer the work of its key. */
	char *end = strstr(pem, "\n-----END") - 20;
	*end = *end == 'A' ? 'B' : 'A';
	assert_err(request_from_pem(view_str(pem), &r, &e), ERR_PROTO);
	err_clear(&e);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_key), cmocka_unit_test(without_names), cmocka_unit_test(multi_server),
		cmocka_unit_test(a_failure_leaves_no_key_behind), cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
