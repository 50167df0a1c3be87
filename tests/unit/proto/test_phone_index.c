#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/phone_index.h"

static struct view build(struct phone_index_item *items, size_t n)
{
	struct phone_index in = {.complete = true, .tag = 0x0102030405060708, .items = items, .n = n};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(phone_index_build(&in, &data, &len, &e), &e);
	return (struct view){data, len};
}

static void what_is_built_is_read(void **state)
{
	struct phone_index_item items[] = {
		{"SEP00112233445F", PHONE_INDEX_SHA1, 1},
		{"CSFalice.smith", PHONE_INDEX_ENCRYPTED, UINT64_MAX},
		{"SEP00112233445A", PHONE_INDEX_SHA1 | PHONE_INDEX_ENCRYPTED, 3},
	};
	struct view file = build(items, 3);
	struct err e = ERR_INIT;
	struct phone_index ix;

	(void)state;
	assert_ok(phone_index_read(file, &ix, &e), &e);
	assert_true(ix.complete);
	assert_int_equal(ix.tag, 0x0102030405060708);
	assert_int_equal(ix.n, 3);
	const struct phone_index_item *found = phone_index_find(&ix, view_str("sep00112233445a"));
	assert_non_null(found);
	assert_string_equal(found->name, "SEP00112233445A");
	assert_int_equal(found->flags, 3);
	assert_int_equal(found->tag, 3);
	assert_int_equal(phone_index_find(&ix, view_str("CSFALICE.SMITH"))->tag, UINT64_MAX);
	assert_null(phone_index_find(&ix, view_str("CSFalice")));
	assert_null(phone_index_find(&ix, view_str("CSFalice.smithy")));
	assert_null(phone_index_find(&ix, view_str("")));
	assert_null(phone_index_find(&ix, (struct view){(const uint8_t *)"SEP00112233445A\0x", 17}));
	phone_index_clear(&ix);
	free((void *)file.p);
}

static void nobody_is_in_an_empty_one(void **state)
{
	struct view file = build(NULL, 0);
	struct err e = ERR_INIT;
	struct phone_index ix;

	(void)state;
	assert_ok(phone_index_read(file, &ix, &e), &e);
	assert_int_equal(ix.n, 0);
	assert_null(phone_index_find(&ix, view_str("SEP00112233445A")));
	phone_index_clear(&ix);
	free((void *)file.p);
}

/* Two phones whose names differ in case only hide behind each other's flags, and the encrypted one's record decides. */
static void names_of_one_spelling(void **state)
{
	struct phone_index_item items[] = {{"SEPaa", PHONE_INDEX_SHA1, 1}, {"SEPAA", PHONE_INDEX_ENCRYPTED, 2}, {"SEPAB", 0, 4}};
	struct phone_index in = {.items = items, .n = 3};
	AUTO(auto_free) uint8_t *data = NULL;
	struct err e = ERR_INIT;
	struct phone_index ix;
	size_t len;

	(void)state;
	assert_ok(phone_index_build(&in, &data, &len, &e), &e);
	assert_int_equal(in.n, 2);
	assert_string_equal(items[2].name, "SEPaa"); /* the caller's to free */
	assert_ok(phone_index_read((struct view){data, len}, &ix, &e), &e);
	assert_int_equal(ix.n, 2);
	assert_string_equal(ix.items[0].name, "SEPAA");
	assert_int_equal(ix.items[0].flags, PHONE_INDEX_SHA1 | PHONE_INDEX_ENCRYPTED);
	assert_int_equal(ix.items[0].tag, 3);
	phone_index_clear(&ix);
}

static void damage_is_found(void **state)
{
	struct phone_index_item items[] = {{"SEP00112233445A", PHONE_INDEX_ENCRYPTED, 1}, {"SEP00112233445B", 0, 1}};
	struct view file = build(items, 2);
	uint8_t *copy = malloc(file.len);
	struct phone_index ix;

	(void)state;
	for (size_t n = 0; n < file.len; n++) {
		struct err e = ERR_INIT;
		assert_err(phone_index_read((struct view){file.p, n}, &ix, &e), ERR_PROTO);
		assert_string_equal(e.rule, n < 40 ? "phone-index-magic" : "phone-index-checksum");
	}
	for (size_t i = 0; i < file.len; i++) {
		struct err e = ERR_INIT;
		memcpy(copy, file.p, file.len);
		copy[i] ^= 0x20;
		assert_err(phone_index_read((struct view){copy, file.len}, &ix, &e), ERR_PROTO);
		assert_string_equal(e.rule, i < 8 ? "phone-index-magic" : "phone-index-checksum");
	}
	free(copy);
	free((void *)file.p);
}

static void names_must_fit(void **state)
{
	char name[300];
	struct phone_index_item item = {.name = name};
	struct phone_index in = {.items = &item, .n = 1};
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_err(phone_index_build(&in, &data, &len, &e), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_is_read),
		cmocka_unit_test(nobody_is_in_an_empty_one),
		cmocka_unit_test(names_of_one_spelling),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(names_must_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
