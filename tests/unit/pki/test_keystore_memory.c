#include "pki/keystore.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "pki/ossl.h"
#include "testing.h"

static struct err e;

static int first(void *ctx, const char *name)
{
	memcpy(ctx, name, strlen(name) + 1);
	return 0;
}

/* A key that was made signs, goes out, comes in elsewhere under the same name, and is gone when it is removed. */
static void test_life_of_a_key(void **state)
{
	struct key_sign req = { .scheme = KEY_SCHEME_ECDSA, .md_nid = NID_sha256, .input = { (const uint8_t *)
				"0123456789abcdef0123456789abcdef", 32 } };
	struct key_spec spec = { .type = KEY_EC, .bits = 256 };
	char name[KEY_NAME_MAX], again[KEY_NAME_MAX], listed[KEY_NAME_MAX] = "";
	AUTO(auto_pkey) EVP_PKEY *pub = NULL, *half = NULL;
	struct keystore *ks, *other;
	uint8_t sig[KEY_SIG_MAX], *der;
	size_t len = sizeof(sig), der_len;

	(void)state;
	assert_ok(keystore_memory_new(&ks, &e), &e);
	assert_ok(keystore_memory_new(&other, &e), &e);
	assert_ok(ks->ops->generate(ks, "TVS", spec, name, &pub, &e), &e);
	assert_true(key_name_ok(name));
	assert_ok(ks->ops->sign(ks, name, &req, sig, &len, &e), &e);
	AUTO(auto_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
	assert_true(EVP_PKEY_verify_init(ctx) > 0);
	assert_int_equal(EVP_PKEY_verify(ctx, sig, len, req.input.p, 32), 1);
	assert_ok(ks->ops->export(ks, name, &der, &der_len, &e), &e);
	for (int i = 0; i < 2; i++) { /* the second time it is there already */
		assert_ok(other->ops->import(other, "TVS", (struct view){ der, der_len }, again, &e), &e);
		assert_string_equal(name, again);
	}
	secret_free(der, der_len);
	assert_ok(other->ops->public_key(other, name, &half, &e), &e);
	assert_int_equal(EVP_PKEY_eq(half, pub), 1);
	assert_ok(other->ops->list(other, first, listed, &e), &e);
	assert_string_equal(listed, name);
	assert_ok(other->ops->remove(other, name, &e), &e);
	assert_err(other->ops->sign(other, name, &req, sig, &len, &e), ERR_AUTH);
	err_clear(&e);
	assert_err(other->ops->remove(other, "../x", &e), ERR_AUTH);
	err_clear(&e);
	keystore_free(ks);
	keystore_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_life_of_a_key) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
