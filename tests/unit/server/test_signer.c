#include "../golden.h"

#include <openssl/pem.h>
#include <sys/stat.h>

#include "../cluster/node_fixture.h"
#include "base/cleanup.h"
#include "cluster/param.h"
#include "cluster/phones.h"
#include "format/enc.h"
#include "server/signer.h"
#include "store/devicecert.h"

struct fixture {
	struct node node;
	int provisioning;
	uint64_t now_ms;
	struct clock clock;
	struct phones_publisher *phones;
	struct signer *signer;
};

static uint64_t mono(void *ctx)
{
	return ((struct fixture *)ctx)->now_ms;
}

static int64_t wall(void *ctx)
{
	return ((struct fixture *)ctx)->node.now;
}

static void publish_phones(struct fixture *f)
{
	struct err e = ERR_INIT;
	bool changed;

	assert_ok(phones_publish(f->phones, &changed, &e), &e);
}

static void open_signer(struct fixture *f)
{
	const struct signer_site site = {.cluster = f->node.cluster,
					 .clock = &f->clock,
					 .random = &random_system,
					 .phones = f->phones,
					 .provisioning_dir = f->provisioning,
					 .tvs_port = 2445};
	struct err e = ERR_INIT;

	publish_phones(f);
	assert_ok(signer_new(&site, &f->signer, &e), &e);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	assert_non_null(f);
	node_init(&f->node, "10.0");
	f->clock = (struct clock){wall, mono, f};
	assert_ok(file_open_dir(cluster_data_dir(f->node.cluster), "provisioning", &f->provisioning, &e), &e);
	assert_ok(phones_publisher_new(f->node.cluster, 2445, &f->phones, &e), &e);
	open_signer(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	signer_free(f->signer);
	phones_publisher_free(f->phones);
	close(f->provisioning);
	node_remove(&f->node);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	assert_ok(file_replace(f->provisioning, name, view_str(text), 0644, &e), &e);
}

static void path_of(const struct fixture *f, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/published/signed/%s", f->node.dir, name);
}

/* Sign, and check what lies under the name that came back. */
static void sign(struct fixture *f, const char *base, const char *file_name, const char *content, char name[SIGNER_NAME_MAX])
{
	struct cert *cert = NULL;
	char key[KEY_NAME_MAX], path[256];
	struct tlv_header h;
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(signer_sign(f->signer, base, file_name, name, &e), &e);
	path_of(f, name, path, sizeof(path));
	assert_ok(file_read(AT_FDCWD, path, 1 << 20, &data, &len, &e), &e);
	struct view file = {data, len};
	assert_ok(cluster_signer(f->node.cluster, &cert, key, &e), &e);
	assert_ok(sgn_verify_cert(file, cert, &e), &e);
	assert_ok(tlv_header_read(file, &h, &e), &e);
	assert_true(sgn_name_is(&h, file_name));
	assert_true(view_eq(sgn_payload(file, &h), view_str(content)));
	assert_int_equal(h.timestamp, (uint32_t)f->node.now);
	cert_unref(cert);
	free(data);
}

static void test_signed_once(void **state)
{
	struct fixture *f = *state;
	char a[SIGNER_NAME_MAX], b[SIGNER_NAME_MAX];
	struct stat st;
	char path[256];

	put(f, "SEP001122334455.cnf.xml", "<device/>");
	sign(f, "SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn", "<device/>", a);
	sign(f, "SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn", "<device/>", b);
	assert_string_equal(a, b);
	assert_int_equal(signer_stats(f->signer)->signed_files, 1);
	assert_int_equal(signer_stats(f->signer)->from_cache, 1);
	path_of(f, a, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644); /* workers are somebody else */
	assert_int_equal(signer_stats(f->signer)->cache_octets, st.st_size);

	/* Other content, other name; the file of before stays. */
	put(f, "SEP001122334455.cnf.xml", "<device>1</device>");
	sign(f, "SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn", "<device>1</device>", b);
	assert_string_not_equal(a, b);
	assert_int_equal(access(path, F_OK), 0);

	/* A signer that begins knows what is there. */
	uint64_t octets = signer_stats(f->signer)->cache_octets;
	signer_free(f->signer);
	open_signer(f);
	assert_int_equal(signer_stats(f->signer)->cache_octets, octets);
	sign(f, "SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn", "<device>1</device>", a);
	assert_string_equal(a, b);
	assert_int_equal(signer_stats(f->signer)->signed_files, 0);
}

/* What a power failure leaves: empty, cut, or full of zeros. */
static void test_damaged_is_made_again(void **state)
{
	struct fixture *f = *state;
	char name[SIGNER_NAME_MAX], path[256];
	unsigned long made = 1;

	put(f, "a.xml", "content");
	sign(f, "a.xml", "a.xml.sgn", "content", name);
	path_of(f, name, path, sizeof(path));
	for (int length = 0; length < 300; length += 50) {
		assert_int_equal(truncate(path, length), 0);
		if (length % 100)
			assert_int_equal(truncate(path, 600), 0);
		sign(f, "a.xml", "a.xml.sgn", "content", name);
		assert_int_equal(signer_stats(f->signer)->signed_files, ++made);
	}
	assert_int_equal(signer_stats(f->signer)->from_cache, 0);
}

static void test_parameters_and_keys_change_the_name(void **state)
{
	struct fixture *f = *state;
	char a[SIGNER_NAME_MAX], b[SIGNER_NAME_MAX], c[SIGNER_NAME_MAX];
	struct notes notes = NOTES_INIT;
	struct err e = ERR_INIT;

	put(f, "a.xml", "content");
	sign(f, "a.xml", "a.xml.sgn", "content", a);
	assert_ok(param_set(f->node.cluster, "test", PARAM_DIGEST, "SHA-512", &notes, &e), &e);
	signer_refresh(f->signer);
	sign(f, "a.xml", "a.xml.sgn", "content", b);
	assert_string_not_equal(a, b);
	assert_ok(cluster_regen(f->node.cluster, "test", "CallManager", &notes, NULL, &e), &e);
	signer_refresh(f->signer);
	sign(f, "a.xml", "a.xml.sgn", "content", c);
	assert_string_not_equal(b, c);
	notes_clear(&notes);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	char name[SIGNER_NAME_MAX];
	struct err e = ERR_INIT;

	put(f, "a.xml", "content");
	assert_err(signer_sign(f->signer, "a.xml", "b.xml.sgn", name, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(signer_sign(f->signer, "a.xml", "a.xml", name, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(signer_sign(f->signer, "a.xml", "", name, &e), ERR_AUTH);
	e = ERR_INIT;
	assert_err(signer_sign(f->signer, "none.xml", "none.xml.sgn", name, &e), ERR_IO);
	assert_int_equal(e.sys_errno, ENOENT);
	e = ERR_INIT;
	assert_err(signer_sign(f->signer, "../store.sqlite3", "../store.sqlite3.sgn", name, &e), ERR_IO);
	e = ERR_INIT;
	assert_int_equal(symlinkat("/etc/passwd", f->provisioning, "link"), 0);
	assert_err(signer_sign(f->signer, "link", "link.sgn", name, &e), ERR_IO);
	e = ERR_INIT;

	char large[256];
	snprintf(large, sizeof(large), "%s/provisioning/large", f->node.dir);
	put(f, "large", "");
	assert_int_equal(truncate(large, SIGNER_MAX_FILE + 1), 0);
	assert_err(signer_sign(f->signer, "large", "large.sgn", name, &e), ERR_LIMIT);
	assert_int_equal(signer_stats(f->signer)->signed_files, 0);
}

/* Of a name in other letters, only so many a second. */
static void test_spellings_are_rationed(void **state)
{
	struct fixture *f = *state;
	char name[SIGNER_NAME_MAX], spelt[] = "abcdefgh.xml.sgn";
	struct err e = ERR_INIT;

	put(f, "abcdefgh.xml", "content");
	for (int i = 0; i < SIGNER_VARIANTS_A_SECOND; i++) {
		for (int bit = 0; bit < 8; bit++)
			spelt[bit] = (char)("abcdefgh"[bit] ^ ((i + 1) >> bit & 1) * 32);
		sign(f, "abcdefgh.xml", spelt, "content", name);
	}
	assert_err(signer_sign(f->signer, "abcdefgh.xml", "ABCDEFGH.XML.SGN", name, &e), ERR_LIMIT);
	sign(f, "abcdefgh.xml", "abcdefgh.xml.sgn", "content", name); /* its own name always */
	f->now_ms += 1000;
	sign(f, "abcdefgh.xml", "ABCDEFGH.XML.SGN", "content", name);
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;
	char name[SIGNER_NAME_MAX], path[256];
	struct err e = ERR_INIT;

	/* A folder in the way of the new file stands for a disk that is full. */
	put(f, "a.xml", "content");
	path_of(f, ".new", path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	assert_err(signer_sign(f->signer, "a.xml", "a.xml.sgn", name, &e), ERR_IO);
	assert_int_equal(signer_stats(f->signer)->failed, 1);
	assert_int_equal(rmdir(path), 0);
	sign(f, "a.xml", "a.xml.sgn", "content", name);
}

/* --- configurations --- */

#define PHONE "SEP001122334455"
#define CONFIG PHONE ".cnf.xml"
#define OPERATORS "<device>\n  <loadInformation>x</loadInformation>\n  <sshPassword>secret</sshPassword>\n</device>\n"

static void add_phone(struct fixture *f, const char *encrypted)
{
	const struct phone_value v[] = {{PHONE_ENCRYPT_CONFIG, encrypted}};
	struct err e = ERR_INIT;

	assert_ok(phones_add(f->node.cluster, "test", PHONE, v, 1, NULL, &e), &e);
	publish_phones(f);
}

static void give_cert(struct fixture *f, const char *file)
{
	struct view der = golden(file);
	struct cert *cert;
	struct err e = ERR_INIT;

	assert_ok(cert_from_der(der, &cert, &e), &e);
	assert_ok(store_devicecert_put(f->node.store, PHONE, DEVICECERT_LSC, DEVICECERT_STORED, cert, NODE_NOW, &e), &e);
	cert_unref(cert);
	golden_free(der);
	publish_phones(f);
}

static void set_param(struct fixture *f, const char *name, const char *value)
{
	struct notes notes = NOTES_INIT;
	struct err e = ERR_INIT;

	assert_ok(param_set(f->node.cluster, "test", name, value, &notes, &e), &e);
	notes_clear(&notes);
	signer_refresh(f->signer);
	publish_phones(f);
}

/* What lies under the name that comes back; the caller frees. */
static struct view made(struct fixture *f, const char *file_name)
{
	char name[SIGNER_NAME_MAX], path[256];
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(signer_sign(f->signer, CONFIG, file_name, name, &e), &e);
	path_of(f, name, path, sizeof(path));
	assert_ok(file_read(AT_FDCWD, path, 1 << 20, &data, &len, &e), &e);
	return (struct view){data, len};
}

static void assert_made(struct fixture *f, const char *file_name, const char *content)
{
	struct view got = made(f, file_name);

	assert_int_equal(got.len, strlen(content));
	assert_memory_equal(got.p, content, got.len);
	free((void *)got.p);
}

static void assert_not_there(struct fixture *f, const char *file_name)
{
	char name[SIGNER_NAME_MAX];
	struct err e = ERR_INIT;

	assert_err(signer_sign(f->signer, CONFIG, file_name, name, &e), ERR_IO);
	assert_int_equal(e.sys_errno, ENOENT);
}

#define STUB_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n  <fullConfig>false</fullConfig>\n"
#define TO_CAPF                                                                                                         \
	"  <capfAuthMode>%d</capfAuthMode>\n  <capfList>\n    <capf>\n      <phonePort>3804</phonePort>\n"             \
	"      <processNodeName>10.48.47.155</processNodeName>\n    </capf>\n  </capfList>\n"
#define HASHED "  <certHash>6187e67cc9624a4ef0306449313f7de4</certHash>\n  <encrConfig>true</encrConfig>\n"

static void test_encrypted_for_the_phone(void **state)
{
	struct fixture *f = *state;
	char stub[1024], name[SIGNER_NAME_MAX], again[SIGNER_NAME_MAX];
	struct cert *cert;
	struct err e = ERR_INIT;

	put(f, CONFIG, OPERATORS);
	add_phone(f, "True");
	give_cert(f, "certs/device2048.der");
	snprintf(stub, sizeof(stub), STUB_HEAD "  <loadInformation>x</loadInformation>\n" TO_CAPF HASHED "</device>\n", 0);
	sign(f, CONFIG, CONFIG ".sgn", stub, name);
	assert_made(f, CONFIG, stub); /* nor is the plain file given to who asks for it plainly */

	assert_ok(signer_sign(f->signer, CONFIG, CONFIG ".enc.sgn", name, &e), &e);
	assert_int_equal(signer_stats(f->signer)->encrypted, 1);
	assert_ok(signer_sign(f->signer, CONFIG, CONFIG ".enc.sgn", again, &e), &e);
	assert_string_equal(name, again);
	assert_int_equal(signer_stats(f->signer)->encrypted, 1);
	struct view file = made(f, CONFIG ".enc.sgn"), key_pem = golden("keys/device2048.key");
	BIO *bio = BIO_new_mem_buf(key_pem.p, (int)key_pem.len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	char signer_key[KEY_NAME_MAX];
	uint8_t *plain;
	size_t len;
	assert_ok(cluster_signer(f->node.cluster, &cert, signer_key, &e), &e);
	assert_ok(sgn_verify_cert(file, cert, &e), &e);
	assert_ok(enc_decrypt(file, key, &plain, &len, &e), &e);
	assert_string_equal((char *)plain, OPERATORS); /* not completed: the parameter is off */
	assert_int_equal(len, strlen(OPERATORS));
	free(plain);
	cert_unref(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
	golden_free(key_pem);
	free((void *)file.p);

	/* Another certificate, another file. */
	give_cert(f, "certs/tftp2048.der");
	assert_ok(signer_sign(f->signer, CONFIG, CONFIG ".enc.sgn", again, &e), &e);
	assert_string_not_equal(name, again);
}

static void test_nobody_to_encrypt_for(void **state)
{
	struct fixture *f = *state;
	char stub[1024], name[SIGNER_NAME_MAX];

	put(f, CONFIG, OPERATORS);
	add_phone(f, "True");
	snprintf(stub, sizeof(stub), STUB_HEAD "  <loadInformation>x</loadInformation>\n" TO_CAPF "</device>\n", 2);
	sign(f, CONFIG, CONFIG ".sgn", stub, name);
	assert_made(f, CONFIG, stub);
	assert_not_there(f, CONFIG ".enc.sgn");
	give_cert(f, "certs/ec384.der");
	sign(f, CONFIG, CONFIG ".sgn", stub, name);
	assert_not_there(f, CONFIG ".enc.sgn");
}

/* What is no XML is encrypted all the same, and its short file still leads the phone there. */
static void test_malformed_configurations(void **state)
{
	struct fixture *f = *state;
	char stub[1024], name[SIGNER_NAME_MAX];

	put(f, CONFIG, "<device><sshPassword>secret");
	set_param(f, PARAM_COMPLETE, "True");
	sign(f, CONFIG, CONFIG ".sgn", "<device><sshPassword>secret", name);
	add_phone(f, "True");
	give_cert(f, "certs/device2048.der");
	snprintf(stub, sizeof(stub), STUB_HEAD TO_CAPF HASHED "</device>\n", 0);
	sign(f, CONFIG, CONFIG ".sgn", stub, name);
	free((void *)made(f, CONFIG ".enc.sgn").p);
}

static void test_completed(void **state)
{
	static const char complete[] =
		"<device>\n  <loadInformation>x</loadInformation>\n  <sshPassword>secret</sshPassword>\n  <TVS>\n    <members>\n"
		"      <member priority=\"0\">\n        <port>2445</port>\n        <address>10.48.47.155</address>\n"
		"      </member>\n    </members>\n  </TVS>\n  <capfList>\n    <capf>\n      <phonePort>3804</phonePort>\n"
		"      <processNodeName>10.48.47.155</processNodeName>\n    </capf>\n  </capfList>\n</device>\n";
	struct fixture *f = *state;
	char name[SIGNER_NAME_MAX];

	put(f, CONFIG, OPERATORS);
	sign(f, CONFIG, CONFIG ".sgn", OPERATORS, name);
	assert_made(f, CONFIG, OPERATORS);
	set_param(f, PARAM_COMPLETE, "True");
	sign(f, CONFIG, CONFIG ".sgn", complete, name);
	assert_made(f, CONFIG, complete);
	assert_not_there(f, CONFIG ".enc.sgn");
	/* Not what phones get that have no configuration of their own, nor other files. */
	put(f, "XMLDefault.cnf.xml", "<Default/>");
	sign(f, "XMLDefault.cnf.xml", "XMLDefault.cnf.xml.sgn", "<Default/>", name);
	put(f, "dialplan.xml", "<device/>");
	sign(f, "dialplan.xml", "dialplan.xml.sgn", "<device/>", name);
}

static void test_digest_of_the_model(void **state)
{
	static const struct {
		const char *model;
		enum digest digest;
	} cases[] = {{"7975", DIGEST_SHA1}, {"8861", DIGEST_SHA512}, {"", DIGEST_SHA1}};
	struct fixture *f = *state;
	struct tlv_header h;
	struct err e = ERR_INIT;

	put(f, CONFIG, OPERATORS);
	set_param(f, PARAM_DIGEST, "SHA-512");
	add_phone(f, "False");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct phone_value v = {PHONE_MODEL, cases[i].model};
		assert_ok(phones_set(f->node.cluster, "test", PHONE, &v, 1, NULL, &e), &e);
		publish_phones(f);
		struct view file = made(f, CONFIG ".sgn");
		assert_ok(tlv_header_read(file, &h, &e), &e);
		assert_int_equal(h.digest, cases[i].digest);
		free((void *)file.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signed_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_is_made_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parameters_and_keys_change_the_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spellings_are_rationed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_encrypted_for_the_phone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_to_encrypt_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed_configurations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest_of_the_model, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
