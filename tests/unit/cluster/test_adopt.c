#include <sqlite3.h>
#include <string.h>

#include "base/cleanup.h"
#include "cluster/adopt_internal.h"
#include "golden.h"

static struct err e;

/* A scan with nothing in it yet. */
static void begin(struct adopt_scan *s, const struct adopt_request *req)
{
	*s = (struct adopt_scan){ .req = req, .a = calloc(1, sizeof(struct adopt)), .as_used = calloc(8, sizeof(bool)) };
	assert_non_null(s->a);
	assert_ok(keystore_memory_new(&s->a->memory, &e), &e);
}

static void end(struct adopt_scan *s)
{
	adopt_free(s->a);
	adopt_scan_clear(s);
}

static void put(struct adopt_scan *s, const char *path, const char *name)
{
	struct view file = golden(name);

	assert_ok(adopt_file(s, path, file, &e), &e);
	free((void *)(uintptr_t)file.p);
}

static bool has_note(const struct notes *n, const char *part)
{
	for (size_t i = 0; i < n->n; i++)
		if (strstr(n->text[i], part))
			return true;
	return false;
}

#define F(name) FUNCTION_BIT(FUNCTION_##name)

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(adopt_roles_of_name("sast.pem"), F(SAST));
	assert_int_equal(adopt_roles_of_name("old_CAPF-2048.key"), F(CAPF));
	assert_int_equal(adopt_roles_of_name("ccm-tftp.pem"), F(CCM) | F(TFTP));
	assert_int_equal(adopt_roles_of_name("CallManager-ECDSA.pem"), F(CCM));
	assert_int_equal(adopt_roles_of_name("broadcast.pem"), 0); /* a word within a word says nothing */
	assert_int_equal(adopt_roles_of_name(""), 0);
}

static void test_what_files_hold(void **state)
{
	struct adopt_request req = { .dir = "x" };
	struct adopt_scan s;

	(void)state;
	begin(&s, &req);
	put(&s, "a/capf2048.pem", "certs/capf2048.pem");
	put(&s, "b.der", "certs/capf2048.der"); /* the same certificate */
	put(&s, "capf.key", "keys/capf2048.key");
	put(&s, "ITLFile.tlv", "tlv/itl-5438.tlv");
	put(&s, "ITLFile.copy.tlv", "tlv/itl-5438.tlv");
	put(&s, "CTLFile.tlv", "tlv/ctl-4947.tlv");
	put(&s, "x.sgn", "sgn/SEP001122334455.cnf.xml.sgn");
	put(&s, "broken.tlv", "bad/signature-bit-flipped.tlv");
	put(&s, "CallManager-trust/ca.pem", "certs/device2048.pem");
	put(&s, "lsc.pem", "capf/lsc-issued-by-peer.pem");
	assert_int_equal(s.a->n_keys, 1);
	assert_int_equal(s.a->n_lists, 2);
	assert_int_equal(s.a->lists[0].type, LIST_ITL);
	assert_int_equal(s.a->lists[1].type, LIST_CTL);
	assert_string_equal(s.a->certs[0].file, "a/capf2048.pem");
	assert_int_equal(s.a->certs[0].named, F(CAPF));
	assert_int_equal(s.n_lscs, 2); /* golden's device certificates are both of SEP001122334455 */
	assert_string_equal(s.lscs[0].device, "SEP001122334455");
	assert_true(has_note(&s.a->problems, "broken.tlv is no trust list"));
	assert_int_equal(s.a->problems.n, 1);
	assert_int_equal(s.a->n_left, 1);
	assert_ok(adopt_listed(&s, &e), &e);
	assert_true(s.a->n_certs > 3); /* those that only stand in the lists */
	end(&s);
}

/* Cut at every length and with any octet changed, a file is sorted in somewhere, and nothing breaks. */
static void test_damaged_files(void **state)
{
	static const char *const names[] = { "certs/sast2048.pem", "keys/ec384.key", "certs/ec384.der", "tlv/itl-peer-sha512.tlv" };
	struct adopt_request req = { .dir = "x" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct view file = golden(names[i]);

		for (size_t n = 0; n < file.len; n += 7) {
			struct adopt_scan s;
			uint8_t *p = (uint8_t *)(uintptr_t)file.p + n;

			begin(&s, &req);
			assert_ok(adopt_file(&s, "f", (struct view){ file.p, n }, &e), &e);
			*p ^= 0x55;
			assert_ok(adopt_file(&s, "g", file, &e), &e);
			*p ^= 0x55;
			end(&s);
		}
		free((void *)(uintptr_t)file.p);
	}
}

/* --- databases --- */

static struct view database(const char *sql)
{
	sqlite3 *db;
	sqlite3_int64 len;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		fail_msg("%s", sqlite3_errmsg(db));
	unsigned char *p = sqlite3_serialize(db, "main", &len, 0);
	sqlite3_close(db);
	return (struct view){ p, (size_t)len };
}

static void take(struct adopt_scan *s, const char *sql)
{
	struct view file = database(sql);

	assert_ok(adopt_database(s, "x.db", file, &e), &e);
	sqlite3_free((void *)(uintptr_t)file.p);
}

static void test_phones(void **state)
{
	struct adopt_request req = { .dir = "x" };
	struct adopt_scan s;

	(void)state;
	begin(&s, &req);
	take(&s, "CREATE TABLE d (device TEXT, operation TEXT, password TEXT);"
		 "INSERT INTO d VALUES ('SEP001122334455', 'install', '4711'), ('SEP001122334456', 'FETCH', NULL),"
		 "('SEP001122334457', NULL, '99'), ('SEP001122334458', 'install', 'secret'), ('SEP001122334459', 'x', '1234')");
	assert_int_equal(s.a->n_devices, 5);
	assert_int_equal(s.a->devices[0].row.operation, DEVICE_INSTALL);
	assert_int_equal(s.a->devices[0].row.auth, DEVICE_AUTH_STRING);
	assert_string_equal(s.a->devices[0].string, "4711");
	assert_int_equal(s.a->devices[1].row.operation, DEVICE_TROUBLESHOOT);
	assert_int_equal(s.a->devices[1].row.auth, DEVICE_AUTH_NULL);
	assert_int_equal(s.a->devices[2].row.operation, DEVICE_NO_OPERATION);
	/* a string that cannot be typed here: no operation, rather than one that anybody could use */
	assert_int_equal(s.a->devices[3].row.operation, DEVICE_NO_OPERATION);
	assert_true(has_note(&s.a->notes, "SEP001122334458: the authentication string is not 4 to 10 digits"));
	assert_true(has_note(&s.a->notes, "1 operations in the table d are not understood"));
	assert_false(has_note(&s.a->notes, "secret"));
	end(&s);
}

static void test_tvs(void **state)
{
	struct adopt_request req = { .dir = "x" };
	struct cert *c = golden_cert_file("certs/tftp2048.pem");
	struct adopt_scan s;
	char hex[65];
	AUTO(auto_free) char *sql = NULL;

	(void)state;
	sha256_hex(cert_der(c).p, cert_der(c).len, hex);
	begin(&s, &req);
	assert_true(asprintf(&sql, "CREATE TABLE c (hash TEXT, roles TEXT, ttl); INSERT INTO c VALUES ('%s', '[0, 3]', 60)", hex) > 0);
	take(&s, sql);
	assert_int_equal(s.n_told, 1);
	assert_int_equal(s.told[0].roles, F(SAST) | F(TFTP));
	assert_int_equal(s.told[0].ttl_s, 60);
	assert_memory_equal(s.told[0].sha256, cert_sha256(c), 32);
	free(sql);
	sql = NULL;
	/* 7 may be a role and may be a set of three */
	assert_true(asprintf(&sql, "CREATE TABLE c (hash TEXT, roles INTEGER); INSERT INTO c VALUES ('%s', 7)", hex) > 0);
	take(&s, sql);
	assert_int_equal(s.told[1].roles, 0);
	assert_true(has_note(&s.a->notes, "the roles of 1 certificates in the table c are not understood"));
	end(&s);
	cert_unref(c);
}

static void test_strange_tables(void **state)
{
	struct adopt_request req = { .dir = "x" };
	struct adopt_scan s;

	(void)state;
	begin(&s, &req);
	take(&s, "CREATE TABLE other (a, b); INSERT INTO other VALUES (1, 'x'); CREATE TABLE empty (device)");
	assert_int_equal(s.a->n_left, 2);
	assert_string_equal(s.a->left[0].file, "x.db, table empty");
	assert_string_equal(s.a->left[1].why, "nothing in it is understood");
	assert_int_equal(s.a->problems.n, 0);
	take(&s, "CREATE TABLE d (device_name, old_device_name); INSERT INTO d VALUES ('SEP001122334455', 'SEP001122334456')");
	assert_true(has_note(&s.a->problems, "the columns device_name and old_device_name of the table d could both be the device"));
	assert_int_equal(s.a->n_devices, 0);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_files_hold),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_phones),
		cmocka_unit_test(test_tvs),
		cmocka_unit_test(test_strange_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
