#include "testing.h"

#include <string.h>

#include <openssl/pkcs12.h>

#include "base/secret.h"
#include "pki/bundle.h"
#include "pki/template.h"
#include "tempdir.h"

#define PASSPHRASE "correct horse b\xc3\xa4ttery"

struct item {
	char name[KEY_NAME_MAX];
	uint8_t *pkcs8;
	size_t len;
	struct cert *cert;
};

struct fixture {
	struct tempdir dir;
	struct keystore *ks;
	struct item items[3];
	struct bundle_entry entries[3];
	uint8_t *der;  /* all three */
	size_t len;
};

static int group_setup(void **state)
{
	static const char *const units[] = {"ITLRecovery", "CallManager-ECDSA", "CAPF"};
	struct template_node node = {.name = "node", .subject = {.o = "Test"}};
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(keystore_file_open(f->dir.path, &f->ks, &e), &e);
	for (size_t i = 0; i < 3; i++) {
		struct item *it = &f->items[i];
		struct cert_template t;
		assert_ok(template_get(units[i], "12.0", 0, &t, &e), &e);
		assert_ok(template_issue(f->ks, &t, &node, &clock_system, &random_system, it->name, &it->cert, &e), &e);
		assert_ok(f->ks->ops->export(f->ks, it->name, &it->pkcs8, &it->len, &e), &e);
		f->entries[i] = (struct bundle_entry){it->name, {it->pkcs8, it->len}, it->cert};
	}
	assert_ok(bundle_write(f->entries, 3, PASSPHRASE, &f->der, &f->len, &e), &e);
	*state = f;
	return 0;
}

static int group_teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		secret_free(f->items[i].pkcs8, f->items[i].len);
		cert_unref(f->items[i].cert);
	}
	free(f->der);
	keystore_free(f->ks);
	tempdir_remove(&f->dir);
	free(f);
	return 0;
}

struct seen {
	const struct fixture *f;
	size_t n;
	int answer;
};

static int look(void *ctx, const struct bundle_entry *entry)
{
	struct seen *s = ctx;
	const struct bundle_entry *want = &s->f->entries[s->n++];

	assert_string_equal(entry->name, want->name);
	assert_true(view_eq(entry->pkcs8, want->pkcs8));
	assert_true(cert_same(entry->cert, want->cert));
	return s->answer;
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.f = f};
	struct err e = ERR_INIT;

	assert_ok(bundle_read((struct view){f->der, f->len}, PASSPHRASE, look, &s, &e), &e);
	assert_int_equal(s.n, 3);
	s = (struct seen){.f = f, .answer = 5};
	assert_int_equal(bundle_read((struct view){f->der, f->len}, PASSPHRASE, look, &s, &e), 5);
	assert_int_equal(s.n, 1);
}

static int not_called(void *ctx, const struct bundle_entry *entry)
{
	(void)ctx;
	(void)entry;
	fail_msg("nothing may be handed over");
	return 0;
}

static void wrong_passphrase(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_err(bundle_read((struct view){f->der, f->len}, "wrong", not_called, NULL, &e), ERR_AUTH);
	assert_string_equal(e.text, "recovery bundle: wrong passphrase, or the file was altered");
	assert_err(bundle_read((struct view){f->der, f->len}, "", not_called, NULL, NULL), ERR_AUTH);
}

static void altered_files(void **state)
{
	struct fixture *f = *state;
	uint8_t *copy = malloc(f->len + 1);

	memcpy(copy, f->der, f->len);
	copy[f->len] = 0;
	assert_err(bundle_read((struct view){copy, f->len + 1}, PASSPHRASE, not_called, NULL, NULL), ERR_PROTO);
	copy[f->len / 2] ^= 1; /* within an encrypted part */
	assert_err(bundle_read((struct view){copy, f->len}, PASSPHRASE, not_called, NULL, NULL), ERR_AUTH);
	for (size_t len = 0; len < f->len; len += 1 + f->len / 200)
		assert_err(bundle_read((struct view){f->der, len}, PASSPHRASE, not_called, NULL, NULL), ERR_PROTO);
	free(copy);
}

static void nothing_private_is_readable(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		const struct item *it = &f->items[i];
		assert_null(memmem(f->der, f->len, it->pkcs8 + it->len / 2, 16));
		struct view key = cert_public_key(it->cert);
		assert_null(memmem(f->der, f->len, key.p + key.len / 2, 16));
	}
}

static void what_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct bundle_entry crossed = {f->items[0].name, f->entries[0].pkcs8, f->items[2].cert};
	uint8_t *der = NULL;
	size_t len;

	assert_err(bundle_write(f->entries, 0, PASSPHRASE, &der, &len, NULL), ERR_USAGE);
	assert_err(bundle_write(f->entries, 1, "short", &der, &len, NULL), ERR_USAGE);
	assert_err(bundle_write(&crossed, 1, PASSPHRASE, &der, &len, NULL), ERR_USAGE);
	assert_null(der);
}

/* A file of another program: openssl pkcs12 -export writes the same structure, without friendly names. */
static void a_file_of_another_program(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *key = NULL;
	uint8_t *der = NULL;
	struct seen s = {.f = f};
	struct bundle_entry kept = f->entries[0];
	struct err e = ERR_INIT;
	const uint8_t *p = f->items[0].pkcs8;

	key = d2i_AutoPrivateKey(NULL, &p, (long)f->items[0].len);
	PKCS12 *p12 = PKCS12_create("passphrase", NULL, key, cert_x509(f->items[0].cert), NULL, 0, 0, 0, 0, 0);
	int len = i2d_PKCS12(p12, &der);
	assert_true(len > 0);
	f->entries[0].name = "";
	assert_ok(bundle_read((struct view){der, (size_t)len}, "passphrase", look, &s, &e), &e);
	assert_int_equal(s.n, 1);
	f->entries[0] = kept;
	PKCS12_free(p12);
	OPENSSL_free(der);
	p12 = PKCS12_create("passphrase", NULL, key, NULL, NULL, 0, 0, 0, 0, 0);
	der = NULL;
	len = i2d_PKCS12(p12, &der);
	assert_err(bundle_read((struct view){der, (size_t)len}, "passphrase", not_called, NULL, &e), ERR_PROTO);
	assert_string_equal(e.rule, "bundle-certificate");
	OPENSSL_free(der);
	PKCS12_free(p12);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(wrong_passphrase),
		cmocka_unit_test(altered_files),
		cmocka_unit_test(nothing_private_is_readable),
		cmocka_unit_test(what_cannot_be_written),
		cmocka_unit_test(a_file_of_another_program),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
