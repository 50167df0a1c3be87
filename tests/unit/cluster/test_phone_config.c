#include "golden.h"

#include <sys/stat.h>

#include "cluster/phone_fixture.h"

#include "cluster/node.h"
#include "cluster/param.h"
#include "cluster/phone_config.h"
#include "cluster/phone_group.h"
#include "store/devicecert.h"

#define DEVICE_HASH "6187e67cc9624a4ef0306449313f7de4" /* of certs/device2048.der: formats-and-protocols.md 5.4 */

static void set_param(const char *name, const char *value)
{
	struct notes notes = NOTES_INIT;

	err_clear(&e);
	assert_ok(param_set(node.cluster, "test", name, value, &notes, &e), &e);
	notes_clear(&notes);
}

static void give_cert(const char *file, enum devicecert_kind kind)
{
	struct view der = golden(file);
	struct cert *cert;

	err_clear(&e);
	assert_ok(cert_from_der(der, &cert, &e), &e);
	assert_ok(store_devicecert_put(node.store, PHONE, kind, DEVICECERT_STORED, cert, NODE_NOW, &e), &e);
	cert_unref(cert);
	golden_free(der);
}

static struct phone_config *config(void)
{
	static struct phone_config pc;

	err_clear(&e);
	phone_config_clear(&pc);
	assert_ok(phone_config_get(node.cluster, PHONE, 2445, &pc, &e), &e);
	return &pc;
}

static void a_phone_that_nobody_has_added(void **state)
{
	const struct phone_config *pc = config();

	(void)state;
	assert_false(pc->known || pc->encrypted || pc->complete || pc->cert);
	assert_int_equal(pc->digest, DIGEST_SHA1);
	assert_int_equal(pc->trust.n_tvs, 1);
	assert_string_equal(pc->trust.tvs[0].host, "10.48.47.155");
	assert_int_equal(pc->trust.tvs[0].port, 2445);
	assert_string_equal(pc->trust.capf[0].host, "10.48.47.155");
	assert_int_equal(pc->trust.capf[0].port, 3804);
	assert_int_equal(pc->trust.security_mode, CONFXML_KEEP);
	assert_int_equal(pc->trust.encrypted, CONFXML_KEEP);
	assert_int_equal(pc->trust.capf_auth_mode, CONFXML_KEEP);
	assert_null(pc->trust.cert_hash);
}

static void the_certificate_it_is_encrypted_for(void **state)
{
	(void)state;
	add_phone();
	give_cert("certs/device2048.der", DEVICECERT_MIC);
	assert_null(config()->cert); /* it is not to be encrypted */
	assert_string_equal(config()->trust.cert_hash, DEVICE_HASH);
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "True"), &e);
	assert_string_equal(config()->cert_hash, DEVICE_HASH);
	assert_int_equal(config()->trust.encrypted, 1);
	/* An LSC comes before the MIC, unless its key can open nothing. */
	give_cert("certs/ec384.der", DEVICECERT_LSC);
	assert_string_equal(config()->cert_hash, DEVICE_HASH);
	give_cert("certs/tftp2048.der", DEVICECERT_LSC);
	assert_string_not_equal(config()->cert_hash, DEVICE_HASH);
	assert_string_equal(config()->problem, "");
}

static void no_certificate_to_encrypt_for(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "True"), &e);
	assert_true(config()->encrypted);
	assert_null(config()->cert);
	assert_non_null(strstr(config()->problem, "neither an LSC nor a MIC"));
	assert_int_equal(config()->trust.capf_auth_mode, 2); /* though nothing is pending: only CAPF can help */
	give_cert("certs/ec384.der", DEVICECERT_LSC);
	assert_null(config()->cert);
	assert_non_null(strstr(config()->problem, "EC keys"));
	assert_non_null(strstr(config()->problem, "RSA Only"));
}

static void the_profile(void **state)
{
	struct notes notes = NOTES_INIT;

	(void)state;
	add_phone();
	assert_int_equal(config()->trust.security_mode, 1);
	assert_int_equal(config()->trust.transport, CONFXML_KEEP);
	assert_int_equal(config()->trust.capf_auth_mode, 0);
	assert_int_equal(config()->trust.encrypted, 0);
	assert_string_equal(config()->trust.cert_hash, "");
	assert_ok(set(PHONE_OPERATION, "Install/Upgrade"), &e);
	assert_int_equal(config()->trust.capf_auth_mode, 2);
	assert_ok(set(PHONE_AUTH, "By Existing Certificate (Precedence to MIC)"), &e);
	assert_int_equal(config()->trust.capf_auth_mode, 4);
	assert_ok(set(PHONE_SECURITY, "Encrypted"), &e);
	assert_int_equal(config()->trust.security_mode, 1); /* no phone can be secure without a CTL */
	assert_int_equal(config()->trust.transport, CONFXML_KEEP);
	err_clear(&e);
	assert_ok(cluster_set_mixed(node.cluster, "test", &notes, &e), &e);
	assert_int_equal(config()->trust.security_mode, 3);
	assert_int_equal(config()->trust.transport, 3);
	assert_ok(cluster_set_non_secure(node.cluster, "test", &notes, &e), &e);
	notes_clear(&notes);
}

static void the_servers_of_its_group(void **state)
{
	struct store_node sub = {.name = "cucm-sub", .role = STORE_NODE_SUBSCRIBER};
	struct store_group g = {.name = "West", .n = 2, .members = {"cucm-sub", "cucm-1051-a-pub"}};

	(void)state;
	assert_ok(store_node_add(node.store, &sub, &e), &e);
	assert_ok(store_group_put(node.store, &g, &e), &e);
	add_phone();
	assert_int_equal(config()->trust.n_tvs, 2);
	assert_string_equal(config()->trust.tvs[0].host, "10.48.47.155");
	assert_ok(set(PHONE_GROUP, "West"), &e);
	assert_int_equal(config()->trust.n_tvs, 2);
	assert_string_equal(config()->trust.tvs[0].host, "cucm-sub");
	assert_string_equal(config()->trust.tvs[1].host, "10.48.47.155");
	assert_string_equal(config()->trust.capf[0].host, "10.48.47.155");
	set_param(PARAM_URL_SERVICES, "https://10.0.0.1/services");
	assert_int_equal(config()->trust.n_urls, 1);
	assert_string_equal(config()->trust.urls[0].element, "secureServicesURL");
	set_param(PARAM_URL_SERVICES, "");
	assert_ok(set(PHONE_GROUP, ""), &e);
	assert_ok(store_group_delete(node.store, "West", &e), &e);
	assert_ok(store_node_delete(node.store, "cucm-sub", &e), &e);
}

static void no_address_that_phones_take(void **state)
{
	const char *const name = "a-host-name-that-is-longer-than-phones-take.example.org"; /* 55 characters */
	struct store_node sub = {.role = STORE_NODE_SUBSCRIBER};
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(cluster_node_add(node.cluster, "test", name, NULL, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "50 characters"));
	notes_clear(&notes);
	assert_ok(param_warnings(node.cluster, PARAM_COMPLETE, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	notes_clear(&notes);
	assert_int_equal(config()->trust.n_tvs, 1);
	snprintf(sub.name, sizeof(sub.name), "%s", name);
	strcpy(sub.address6, "2001:db8::7");
	assert_ok(store_node_set(node.store, name, &sub, &e), &e);
	assert_int_equal(config()->trust.n_tvs, 2);
	assert_string_equal(config()->trust.tvs[1].host, "2001:db8::7");
	strcpy(sub.address, "192.0.2.7");
	assert_ok(store_node_set(node.store, name, &sub, &e), &e);
	assert_string_equal(config()->trust.tvs[1].host, "192.0.2.7");
	assert_ok(param_warnings(node.cluster, PARAM_COMPLETE, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(store_node_delete(node.store, name, &e), &e);
}

static void groups_are_made_and_deleted(void **state)
{
	struct store_group g = {.name = "West", .n = 2, .members = {"CUCM-SUB", "cucm-1051-a-pub"}};
	struct store_node sub = {.name = "cucm-sub", .address = "192.0.2.7", .role = STORE_NODE_SUBSCRIBER};
	struct notes notes = NOTES_INIT;
	bool added = false;

	(void)state;
	assert_ok(store_node_add(node.store, &sub, &e), &e);
	assert_ok(phone_group_set(node.cluster, "test", &g, true, &added, &notes, &e), &e);
	assert_true(added);
	assert_int_equal(notes.n, 1); /* its TVS certificate is not known */
	notes_clear(&notes);
	assert_int_equal(phone_group_delete(node.cluster, "test", "West", true, &e), ERR_USAGE); /* it was a rehearsal */
	err_clear(&e);
	assert_ok(phone_group_set(node.cluster, "test", &g, false, &added, NULL, &e), &e);
	assert_string_equal(last_audit(), "test|group set|CallManager group West||cucm-sub, cucm-1051-a-pub|done");
	g.n = 1;
	assert_ok(phone_group_set(node.cluster, "test", &g, false, &added, NULL, &e), &e);
	assert_false(added);
	assert_string_equal(last_audit(), "test|group set|CallManager group West|cucm-sub, cucm-1051-a-pub|cucm-sub|done");
	add_phone();
	assert_ok(set(PHONE_GROUP, "West"), &e);
	assert_int_equal(phone_group_delete(node.cluster, "test", "West", false, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "1 phone: " PHONE));
	/* A group whose nodes are gone is none. */
	err_clear(&e);
	assert_ok(store_node_delete(node.store, "cucm-sub", &e), &e);
	assert_int_equal(config()->trust.n_tvs, 1);
	assert_ok(set(PHONE_GROUP, ""), &e);
	assert_ok(phone_group_delete(node.cluster, "test", "West", false, &e), &e);
	g.n = 0;
	assert_int_equal(phone_group_set(node.cluster, "test", &g, false, &added, NULL, &e), ERR_USAGE);
	err_clear(&e);
	g = (struct store_group){.name = "West", .n = 1, .members = {"nobody"}};
	assert_int_equal(phone_group_set(node.cluster, "test", &g, false, &added, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "no such node"));
}

static int count(void *ctx, const char *model, uint64_t n)
{
	char *out = ctx;

	snprintf(out + strlen(out), 200 - strlen(out), "%s %d;", model, (int)n);
	return 0;
}

static void digests_by_model(void **state)
{
	char counted[200] = "";

	(void)state;
	assert_int_equal(phone_model_digest("7975", DIGEST_SHA512), DIGEST_SHA1);
	assert_int_equal(phone_model_digest("CP-8861", DIGEST_SHA512), DIGEST_SHA512);
	assert_int_equal(phone_model_digest("CP-8861", DIGEST_SHA1), DIGEST_SHA1);
	assert_int_equal(phone_model_digest("", DIGEST_SHA512), DIGEST_SHA1);
	add_phone();
	set_param(PARAM_DIGEST, "SHA-512");
	assert_int_equal(config()->digest, DIGEST_SHA1);
	assert_ok(phones_add(node.cluster, "test", "SEP001122334466", &(struct phone_value){PHONE_MODEL, "7975"}, 1, NULL, &e), &e);
	assert_ok(phones_add(node.cluster, "test", "SEP001122334477", &(struct phone_value){PHONE_MODEL, "7975"}, 1, NULL, &e), &e);
	assert_ok(phones_sha1(node.cluster, count, counted, &e), &e);
	assert_string_equal(counted, " 1;7975 2;");
	assert_ok(set(PHONE_MODEL, "8861"), &e);
	assert_int_equal(config()->digest, DIGEST_SHA512);
	set_param(PARAM_DIGEST, "SHA-1");
}

/* --- the index --- */

static bool publish(struct phones_publisher *p)
{
	bool changed;

	err_clear(&e);
	assert_ok(phones_publish(p, &changed, &e), &e);
	assert_false(phones_publish_due(p));
	return changed;
}

static struct phone_index read_index(void)
{
	struct phone_index ix;
	char path[160];
	uint8_t *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/published/" PHONE_INDEX_FILE, node.dir);
	assert_ok(file_read(AT_FDCWD, path, PHONE_INDEX_MAX, &data, &len, &e), &e);
	assert_ok(phone_index_read((struct view){data, len}, &ix, &e), &e);
	free(data);
	return ix;
}

static uint64_t tag(void)
{
	struct phone_index ix = read_index();
	const struct phone_index_item *item = phone_index_find(&ix, view_str(PHONE));
	uint64_t t = item ? item->tag : 0;

	phone_index_clear(&ix);
	return t;
}

static void the_index_says_who_is_special(void **state)
{
	const struct phone_index_item *item;
	struct phones_publisher *p;
	struct phone_index ix;
	bool complete;

	(void)state;
	assert_ok(phones_publisher_new(node.cluster, 2445, &p, &e), &e);
	assert_false(phones_publisher_find(p, view_str(PHONE), &item, &complete)); /* nobody knows yet */
	assert_true(publish(p));
	assert_false(publish(p));
	add_phone();
	assert_true(phones_publish_due(p));
	assert_false(publish(p)); /* as everybody else */
	assert_true(phones_publisher_find(p, view_str(PHONE), &item, &complete));
	assert_null(item);
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "True"), &e);
	assert_true(publish(p));
	ix = read_index();
	assert_int_equal(ix.n, 1);
	assert_int_equal(ix.items[0].flags, PHONE_INDEX_ENCRYPTED);
	phone_index_clear(&ix);
	assert_true(phones_publisher_find(p, view_str("sep001122334455"), &item, &complete));
	assert_string_equal(item->name, PHONE);

	uint64_t before = tag();
	give_cert("certs/device2048.der", DEVICECERT_LSC);
	assert_true(publish(p));
	assert_true(tag() != before);
	set_param(PARAM_DIGEST, "SHA-512");
	assert_true(publish(p));
	ix = read_index();
	assert_int_equal(ix.items[0].flags, PHONE_INDEX_ENCRYPTED | PHONE_INDEX_SHA1);
	phone_index_clear(&ix);
	set_param(PARAM_DIGEST, "SHA-1");
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "False"), &e);
	assert_true(publish(p));
	set_param(PARAM_COMPLETE, "True");
	assert_true(publish(p));
	ix = read_index();
	assert_true(ix.complete);
	assert_int_equal(ix.n, 1);
	phone_index_clear(&ix);
	set_param(PARAM_COMPLETE, "False");
	phones_publisher_free(p);
}

/* When the new secret cannot be written down, workers must not go by the old file. */
static void a_full_disk_hides_everything(void **state)
{
	const struct phone_index_item *item;
	struct phones_publisher *p;
	char path[160], shown[200];
	bool changed, complete;

	(void)state;
	assert_ok(phones_publisher_new(node.cluster, 2445, &p, &e), &e);
	publish(p);
	add_phone();
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "True"), &e);
	/* A folder that is not empty, in the way of the file. */
	snprintf(path, sizeof(path), "%s/published/" PHONE_INDEX_FILE, node.dir);
	snprintf(shown, sizeof(shown), "%s/in-the-way", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mkdir(shown, 0755), 0);
	err_clear(&e);
	assert_err(phones_publish(p, &changed, &e), ERR_IO);
	assert_true(phones_publish_due(p));
	assert_false(phones_publisher_find(p, view_str(PHONE), &item, &complete));
	assert_int_equal(rmdir(shown), 0);
	assert_int_equal(rmdir(path), 0);
	publish(p);
	assert_true(phones_publisher_find(p, view_str(PHONE), &item, &complete));
	assert_int_equal(item->flags, PHONE_INDEX_ENCRYPTED);
	phones_publisher_free(p);
}

/* --- trust lists --- */

static bool has_list(const char *name, enum digest digest, uint32_t *when)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct trust_list *l = NULL;
	char path[160];
	size_t len;

	snprintf(path, sizeof(path), "%s/published/current/%s", node.dir, name);
	if (access(path, F_OK) < 0)
		return false;
	assert_ok(file_read(AT_FDCWD, path, TLV_FILE_MAX, &data, &len, &e), &e);
	assert_ok(list_parse((struct view){data, len}, LIST_ITL, &l, &e), &e);
	assert_ok(list_verify_self(l, &e), &e);
	assert_int_equal(l->header.digest, digest);
	*when = l->header.timestamp;
	list_free(l);
	return true;
}

static void lists_have_twins_with_sha1(void **state)
{
	struct notes notes = NOTES_INIT;
	uint32_t when, twin;

	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", &notes, &e), &e);
	assert_true(has_list("ITLFile.tlv", DIGEST_SHA1, &when));
	assert_false(has_list(PUBLISH_ITL_SHA1, DIGEST_SHA1, &when));
	node.now += 100;
	set_param(PARAM_DIGEST, "SHA-512");
	assert_true(has_list("ITLFile.tlv", DIGEST_SHA512, &when));
	assert_true(has_list(PUBLISH_ITL_SHA1, DIGEST_SHA1, &twin));
	assert_int_equal(twin, when);
	assert_true(has_list("CTLFile.tlv", DIGEST_SHA1, &when)); /* follows by command */
	assert_false(has_list(PUBLISH_CTL_SHA1, DIGEST_SHA1, &when));
	err_clear(&e);
	assert_ok(cluster_ctl_update(node.cluster, "test", &notes, &e), &e);
	assert_true(has_list("CTLFile.tlv", DIGEST_SHA512, &when));
	assert_true(has_list(PUBLISH_CTL_SHA1, DIGEST_SHA1, &twin));
	assert_int_equal(twin, when);
	/* It goes along while the ITL changes. */
	node.now += 100;
	set_param(PARAM_NAME_FORM, "C");
	assert_true(has_list(PUBLISH_CTL_SHA1, DIGEST_SHA1, &twin));
	assert_int_equal(twin, when);
	uint64_t generation = node_generation(&node);
	bool changed = true;
	assert_ok(publish_refresh(node.cluster, "test", "again", &changed, &e), &e);
	assert_false(changed);
	assert_int_equal(node_generation(&node), generation);
	set_param(PARAM_DIGEST, "SHA-1");
	assert_false(has_list(PUBLISH_ITL_SHA1, DIGEST_SHA1, &when));
	set_param(PARAM_NAME_FORM, "A");
	assert_ok(cluster_set_non_secure(node.cluster, "test", &notes, &e), &e);
	notes_clear(&notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_phone_that_nobody_has_added, no_phones),
		cmocka_unit_test_setup(the_certificate_it_is_encrypted_for, no_phones),
		cmocka_unit_test_setup(no_certificate_to_encrypt_for, no_phones),
		cmocka_unit_test_setup(the_profile, no_phones),
		cmocka_unit_test_setup(the_servers_of_its_group, no_phones),
		cmocka_unit_test_setup(no_address_that_phones_take, no_phones),
		cmocka_unit_test_setup(groups_are_made_and_deleted, no_phones),
		cmocka_unit_test_setup(digests_by_model, no_phones),
		cmocka_unit_test_setup(the_index_says_who_is_special, no_phones),
		cmocka_unit_test_setup(a_full_disk_hides_everything, no_phones),
		cmocka_unit_test_setup(lists_have_twins_with_sha1, no_phones),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
