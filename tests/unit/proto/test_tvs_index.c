#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/tlv.h"
#include "proto/tvs_index.h"
#include "testing.h"

static const char *const names[] = {
	"capf1024", "capf1024b", "capf2048", "capfitl", "device2048", "ec384", "etoken1", "etoken2", "itlsigner",
	"pub1024", "pub2048", "sast2048", "sub1024", "tftp2048", "tvs",
};
#define N_CERTS (sizeof names / sizeof *names)

static struct cert *certs[N_CERTS];

static int load_certs(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CERTS; i++) {
		char path[512];
		struct err e = ERR_INIT;

		snprintf(path, sizeof path, "%s/certs/%s.der", getenv("GOLDEN"), names[i]);
		if (cert_load(AT_FDCWD, path, &certs[i], &e)) {
			print_error("%s\n", e.text);
			return -1;
		}
	}
	return 0;
}

static int free_certs(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CERTS; i++)
		cert_unref(certs[i]);
	return 0;
}

static struct cert *named(const char *name)
{
	for (size_t i = 0; i < N_CERTS; i++)
		if (!strcmp(names[i], name))
			return certs[i];
	fail_msg("no certificate %s", name);
	return NULL;
}

/* Every golden certificate, with its number as TTL. */
static size_t build(uint8_t **data)
{
	struct tvs_index_item items[N_CERTS];
	struct err e = ERR_INIT;
	size_t len;

	for (size_t i = 0; i < N_CERTS; i++)
		items[i] = (struct tvs_index_item){certs[i], TVS_ROLE(FUNCTION_CCM), (uint32_t)(1000 + i)};
	assert_ok(tvs_index_build(items, N_CERTS, data, &len, &e), &e);
	return len;
}

static void finds_every_certificate_and_no_other(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL, *other = NULL;
	size_t len = build(&data);
	struct err e = ERR_INIT;
	struct tvs_answer a;
	struct tvs_index ix;

	(void)state;
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	for (size_t i = 0; i < N_CERTS; i++) {
		struct view der = cert_der(certs[i]);

		assert_true(tvs_index_verify(&ix, der, &a));
		assert_true(view_eq(a.der, der));
		assert_int_equal(a.roles, TVS_ROLE(FUNCTION_CCM));
		assert_int_equal(a.ttl_s, 1000 + i);
		other = malloc(der.len);
		memcpy(other, der.p, der.len);
		other[der.len - 1] ^= 1; /* the same name and serial, another certificate */
		assert_false(tvs_index_verify(&ix, (struct view){other, der.len}, &a));
		assert_false(tvs_index_verify(&ix, (struct view){der.p, der.len - 1}, &a));
		free(other);
		other = NULL;
	}
	assert_true(tvs_index_at(&ix, N_CERTS - 1, &a));
	assert_false(tvs_index_at(&ix, N_CERTS, &a));
}

static bool query(const struct tvs_index *ix, const char *issuer, struct view serial, const struct cert *wanted)
{
	struct tvs_answer a;

	return tvs_index_query(ix, (struct view){0}, view_str(issuer), serial, &a) && view_eq(a.der, cert_der(wanted));
}

static void finds_by_issuer_and_serial_in_every_form(void **state)
{
	static const enum name_form forms[] = {NAME_FORM_A, NAME_FORM_B, NAME_FORM_C};
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = build(&data);
	struct err e = ERR_INIT;
	struct tvs_index ix;
	uint8_t turned[32];

	(void)state;
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	for (size_t i = 0; i < N_CERTS; i++) {
		struct view serial = cert_serial(certs[i]);

		for (size_t f = 0; f < 3; f++) {
			char name[NAME_MAX_LEN];

			assert_ok(name_from_der(cert_issuer_der(certs[i]), forms[f], name, sizeof name, &e), &e);
			assert_true(query(&ix, name, serial, certs[i]));
			for (size_t k = 0; k < serial.len; k++)
				turned[k] = serial.p[serial.len - 1 - k];
			assert_true(query(&ix, name, (struct view){turned, serial.len}, certs[i]));
			turned[0] ^= 0x55;
			assert_false(query(&ix, name, (struct view){turned, serial.len}, certs[i]));
		}
		assert_false(query(&ix, "CN=nobody", serial, certs[i]));
	}
}

/* As a phone asks for a hardware token: the serial backwards, the name cut at its comma (behaviour.md 3.5). */
static void finds_a_token_as_phones_ask_for_it(void **state)
{
	static const uint8_t serial[] = {0x00, 0x3c, 0xf9, 0x27, 0x00, 0x00, 0x00, 0xaf, 0xa2, 0xda, 0x45};
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = build(&data);
	struct err e = ERR_INIT;
	struct tvs_index ix;

	(void)state;
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	assert_true(query(&ix, "cn=Cisco Manufacturing CA;o=Cisco Systems", (struct view){serial, sizeof serial},
			  named("etoken1")) ||
		    query(&ix, "cn=Cisco Manufacturing CA;o=Cisco Systems", (struct view){serial, sizeof serial},
			  named("etoken2")));
}

static void the_same_certificate_twice_adds_up(void **state)
{
	const struct tvs_index_item items[] = {
		{named("pub2048"), TVS_ROLE(FUNCTION_CCM_TFTP), 86400},
		{named("tvs"), TVS_ROLE(FUNCTION_TVS), 5},
		{named("pub2048"), TVS_ROLE(FUNCTION_SAST), 600},
	};
	AUTO(auto_free) uint8_t *data = NULL;
	struct err e = ERR_INIT;
	struct tvs_answer a;
	struct tvs_index ix;
	size_t len;

	(void)state;
	assert_ok(tvs_index_build(items, 3, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	assert_int_equal(ix.n_entries, 2);
	assert_true(tvs_index_verify(&ix, cert_der(named("pub2048")), &a));
	assert_int_equal(a.roles, TVS_ROLE(FUNCTION_SAST) | TVS_ROLE(FUNCTION_CCM_TFTP));
	assert_int_equal(a.ttl_s, 600);
}

static void an_empty_index_knows_nothing(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	struct err e = ERR_INIT;
	struct tvs_answer a;
	struct tvs_index ix;
	size_t len;

	(void)state;
	assert_ok(tvs_index_build(NULL, 0, &data, &len, &e), &e);
	assert_ok(tvs_index_open((struct view){data, len}, &ix, &e), &e);
	assert_false(tvs_index_verify(&ix, cert_der(certs[0]), &a));
	assert_false(query(&ix, "CN=x", view_str("1"), certs[0]));
	assert_false(tvs_index_at(&ix, 0, &a));
}

static void a_damaged_index_is_refused(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = build(&data);
	struct tvs_index ix;
	struct err e;

	(void)state;
	for (size_t i = 0; i < len; i += i < 4096 ? 1 : 97) {
		data[i] ^= 0x80;
		e = ERR_INIT;
		assert_err(tvs_index_open((struct view){data, len}, &ix, &e), ERR_PROTO);
		data[i] ^= 0x80;
	}
	for (size_t n = 0; n < len; n += n < 200 ? 1 : 61) {
		e = ERR_INIT;
		assert_err(tvs_index_open((struct view){data, n}, &ix, &e), ERR_PROTO);
	}
	data[0] = 'X';
	e = ERR_INIT;
	assert_err(tvs_index_open((struct view){data, len}, &ix, &e), ERR_PROTO);
	assert_string_equal(e.rule, "index-magic");
}

/* Put the right checksum on whatever stands in the file, as somebody would who wants the reader to fall over. */
static void reseal(uint8_t *data, size_t len)
{
	uint8_t sum[DIGEST_MAX];
	struct err e = ERR_INIT;

	memset(data + 32, 0, 32);
	assert_ok(digest_one(DIGEST_SHA256, (struct view){data, len}, sum, &e), &e);
	memcpy(data + 32, sum, 32);
}

static void a_forged_index_is_refused_or_harmless(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL, *copy = NULL;
	size_t len = build(&data), tables = len < 6000 ? len : 6000;
	struct tvs_answer a;
	struct tvs_index ix;
	struct err e;

	(void)state;
	copy = malloc(len);
	for (size_t i = 12; i < tables; i++) {
		memcpy(copy, data, len);
		copy[i] = (uint8_t)~copy[i];
		reseal(copy, len);
		e = ERR_INIT;
		if (tvs_index_open((struct view){copy, len}, &ix, &e))
			continue;
		for (size_t c = 0; c < N_CERTS; c++) {
			char name[NAME_MAX_LEN];

			if (tvs_index_verify(&ix, cert_der(certs[c]), &a))
				assert_true(view_eq(a.der, cert_der(certs[c])));
			assert_ok(name_from_der(cert_issuer_der(certs[c]), NAME_FORM_A, name, sizeof name, &e), &e);
			tvs_index_query(&ix, (struct view){0}, view_str(name), cert_serial(certs[c]), &a);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_certificate_and_no_other),
		cmocka_unit_test(finds_by_issuer_and_serial_in_every_form),
		cmocka_unit_test(finds_a_token_as_phones_ask_for_it),
		cmocka_unit_test(the_same_certificate_twice_adds_up),
		cmocka_unit_test(an_empty_index_knows_nothing),
		cmocka_unit_test(a_damaged_index_is_refused),
		cmocka_unit_test(a_forged_index_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, load_certs, free_certs);
}
