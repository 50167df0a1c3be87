#include "format/vectors.h"

#include "format/sgn.h"

static const char *const good[] = {"ctl-3746", "ctl-4947", "ctl-5728", "ctl-6113", "itl-5438", "itl-blank-guess",
				   "itl-peer-sha512", "itl-serial-leading-zero"};

static struct trust_list *parse_file(const char *name)
{
	struct view g = golden(name);
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	assert_ok(list_parse(g, strstr(name, "itl-") ? LIST_ITL : LIST_CTL, &l, &e), &e);
	golden_free(g);
	return l;
}

static struct trust_list *parse_good(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "tlv/%s.tlv", name);
	return parse_file(path);
}

static void test_good(void **state)
{
	static const int signers[] = {0, 0, 4, 0, 0, 0, 0, 0};
	static const size_t records[] = {5, 4, 5, 4, 4, 4, 4, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct trust_list *l = parse_good(good[i]);
		struct err e = ERR_INIT;
		assert_int_equal(l->n_records, records[i]);
		assert_int_equal(l->signer, -1);
		assert_ok(list_verify_self(l, &e), &e);
		assert_int_equal(l->signer, signers[i]);
		assert_false(l->sig_reversed);
		assert_int_equal(l->n_warnings, 0);
		list_free(l);
	}
}

/* Each bad vector breaks the rule of its name: formats-and-protocols.md 1.16. */
static const struct bad {
	const char *file;
	const char *rule;
	int err;
} bad[] = {
	{"empty", "file-too-short", ERR_PROTO},
	{"short-header", "file-too-short", ERR_PROTO},
	{"first-tag-not-1", "version-element", ERR_PROTO},
	{"version-length-1", "version-element", ERR_PROTO},
	{"second-tag-not-2", "headerlength-element", ERR_PROTO},
	{"header-length-zero", "headerlength-range", ERR_PROTO},
	{"header-length-past-eof", "headerlength-range", ERR_PROTO},
	{"truncated-in-signature", "headerlength-range", ERR_PROTO},
	{"header-length-inside-signature", "element-past-header", ERR_PROTO},
	{"hash-algorithm-9", "digest-unknown", ERR_PROTO},
	{"record-first-tag-not-1", "record-first-tag", ERR_PROTO},
	{"record-length-zero", "record-length", ERR_PROTO},
	{"record-length-too-big", "record-length", ERR_PROTO},
	{"truncated-in-record-3", "record-length", ERR_PROTO},
	{"record-length-cuts-element", "element-past-record", ERR_PROTO},
	{"element-length-past-record", "element-past-record", ERR_PROTO},
	{"signature-bit-flipped", "signature", ERR_CRYPTO},
	{"payload-bit-flipped", "signature", ERR_CRYPTO},
	{"truncated-after-record-2", "signature", ERR_CRYPTO},
	{"signer-is-not-sast", "signer-not-in-list", ERR_CRYPTO},
	{"signer-unknown", "signer-not-in-list", ERR_CRYPTO},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct trust_list *l = NULL;
		struct err e = ERR_INIT;
		char path[64];
		snprintf(path, sizeof(path), "bad/%s.tlv", bad[i].file);
		struct view g = golden(path);
		int err = list_parse(g, LIST_CTL, &l, &e);
		assert_true(bad[i].err == ERR_PROTO ? !l : !!l);
		if (!err)
			err = list_verify_self(l, &e);
		if (err != bad[i].err || !e.rule || strcmp(e.rule, bad[i].rule) != 0)
			fail_msg("%s: got %s, rule %s: %s", bad[i].file, err_name(err), e.rule ? e.rule : "none", e.text);
		list_free(l);
		golden_free(g);
	}
}

/* Cut at every length the file is malformed or its signature fails: nothing shorter is ever intact. */
static void test_cut(void **state)
{
	struct view g = golden("tlv/ctl-3746.tlv");

	(void)state;
	for (size_t n = 0; n < g.len; n++) {
		struct trust_list *l = NULL;
		struct err e = ERR_INIT;
		int err = list_parse((struct view){g.p, n}, LIST_CTL, &l, &e);
		if (!err) {
			assert_err(list_verify_self(l, &e), ERR_CRYPTO);
			list_free(l);
		} else {
			assert_int_equal(err, ERR_PROTO);
			assert_non_null(e.rule);
		}
	}
	golden_free(g);
}

/* No flipped octet leaves a file that verifies (pitfall U-10). */
static void test_flip(void **state)
{
	struct view g = golden("tlv/itl-serial-leading-zero.tlv");
	uint8_t *octets = (uint8_t *)(uintptr_t)g.p;

	(void)state;
	for (size_t i = 0; i < g.len; i++) {
		struct trust_list *l = NULL;
		octets[i] ^= (uint8_t)(1u << i % 8);
		int err = list_parse(g, LIST_ITL, &l, NULL);
		if (!err)
			err = list_verify_self(l, NULL);
		assert_true(err == ERR_PROTO || err == ERR_CRYPTO);
		list_free(l);
		octets[i] ^= (uint8_t)(1u << i % 8);
	}
	golden_free(g);
}

static void test_find(void **state)
{
	struct trust_list *l = parse_good("itl-5438");
	struct view issuer = l->header.ca_name;
	struct view serial = l->header.serial;

	(void)state;
	assert_int_equal(list_find(l, -1, -1, issuer, serial), 0);
	assert_int_equal(list_find(l, 0, -1, issuer, serial), 1);
	assert_int_equal(list_find(l, 1, -1, issuer, serial), -1);
	assert_int_equal(list_find(l, -1, FUNCTION_CCM_TFTP, issuer, serial), 1);
	assert_int_equal(list_find(l, -1, FUNCTION_TVS, issuer, serial), -1);
	/* another issuer: found by the serial alone */
	assert_int_equal(list_find(l, -1, FUNCTION_SAST, view_str("CN=other"), serial), 0);
	assert_int_equal(list_find(l, 0, FUNCTION_SAST, view_str("CN=other"), serial), -1);
	list_free(l);
}

/* A match by serial alone comes after every match by both, wherever it stands. */
static void test_find_order(void **state)
{
	static const uint8_t one[] = {1};
	struct view a = view_str("CN=a"), b = view_str("CN=b"), serial = {one, 1};
	struct tlv_record records[] = {
		{.issuer = b, .serial = serial, .has_function = true},
		{.issuer = a, .serial = serial, .has_function = true},
		{.serial = serial, .has_function = true}, /* no issuer: nothing contradicts */
		{.issuer = a, .has_function = true},
		{.issuer = b, .serial = serial, .has_function = true},
	};
	struct trust_list l = {.records = records, .n_records = 5};
	static const int order[] = {1, 2, 0, 4, -1};
	int at = -1;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		at = list_find(&l, at, -1, a, serial);
		assert_int_equal(at, order[i]);
	}
}

static void test_verify_by_others(void **state)
{
	struct trust_list *ctl = parse_good("ctl-4947");
	struct trust_list *regenerated = parse_good("ctl-6113");
	struct trust_list *tokens = parse_good("ctl-5728");
	struct trust_list *nonsecure = parse_good("ctl-3746");
	struct cert *pub = golden_cert("pub1024");
	struct cert *token = golden_cert("etoken2");
	int rec = 77;

	(void)state;
	assert_err(list_verify_list(regenerated, ctl, &rec, NULL), ERR_AUTH);
	assert_int_equal(rec, 77);
	assert_int_equal(list_verify_list(tokens, nonsecure, &rec, NULL), 0);
	assert_int_equal(rec, 1);
	assert_int_equal(list_verify_cert(ctl, pub, NULL), 0);
	assert_err(list_verify_cert(regenerated, pub, NULL), ERR_AUTH);
	assert_int_equal(list_verify_cert(tokens, token, NULL), 0); /* the serial stands reversed */
	cert_unref(pub);
	cert_unref(token);
	list_free(ctl);
	list_free(regenerated);
	list_free(tokens);
	list_free(nonsecure);
}

static void test_record_is_cert(void **state)
{
	struct trust_list *l = parse_good("itl-5438");
	struct cert *tvs = golden_cert("tvs");
	struct cert *signer = golden_cert("itlsigner");
	struct tlv_record no_algorithm = l->records[2];

	(void)state;
	assert_true(list_record_is_cert(&l->records[2], tvs));
	assert_false(list_record_is_cert(&l->records[3], tvs));
	assert_true(list_record_is_cert(&l->records[0], signer));
	assert_false(list_record_is_cert(&l->records[0], tvs));
	no_algorithm.hash_algorithm = 0;
	assert_true(list_record_is_cert(&no_algorithm, tvs));
	no_algorithm.hash_algorithm = 9;
	assert_false(list_record_is_cert(&no_algorithm, tvs));
	no_algorithm.cert_hash = (struct view){0};
	assert_false(list_record_is_cert(&no_algorithm, tvs));
	cert_unref(tvs);
	cert_unref(signer);
	list_free(l);
}

static void test_record_key(void **state)
{
	struct trust_list *l = parse_good("itl-peer-sha512");
	struct view key;
	struct tlv_record rec;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(list_record_key(&l->records[0], &key, &e), &e);
	assert_true(view_eq(key, l->records[0].public_key));
	assert_err(list_record_key(&l->records[3], &key, &e), ERR_CRYPTO); /* EC */
	assert_string_equal(e.rule, "record-key");
	rec = l->records[0];
	rec.public_key = l->records[1].public_key;
	e = ERR_INIT;
	assert_err(list_record_key(&rec, &key, &e), ERR_CRYPTO);
	assert_string_equal(e.rule, "record-certificate");
	rec.certificate = (struct view){0};
	e = ERR_INIT;
	assert_ok(list_record_key(&rec, &key, &e), &e);
	rec.public_key = (struct view){0};
	assert_err(list_record_key(&rec, &key, &e), ERR_CRYPTO);
	list_free(l);
}

/* A certificate whose DER is cut or flipped never lends its key by accident, and never makes us read past its end. */
static void test_record_key_broken(void **state)
{
	struct trust_list *l = parse_good("ctl-4947");
	struct tlv_record rec = l->records[0];
	struct view whole = rec.certificate;
	struct view key;

	(void)state;
	for (size_t n = 0; n < whole.len; n++) {
		rec.certificate.len = n;
		assert_err(list_record_key(&rec, &key, NULL), ERR_CRYPTO);
	}
	list_free(l);
}

static void test_no_certificate(void **state)
{
	struct trust_list *l = parse_good("ctl-4947");
	struct err e = ERR_INIT;

	(void)state;
	l->records[0].certificate = (struct view){0};
	assert_err(list_verify_self(l, &e), ERR_CRYPTO);
	assert_string_equal(e.rule, "signer-not-in-list");
	assert_non_null(strstr(e.text, "no certificate"));
	list_free(l);
}

/* Records with function 5 and the serials 1..n behind the header of ctl-4947. */
static struct trust_list *with_records(unsigned n, int *err)
{
	struct view g = golden("tlv/ctl-4947.tlv");
	struct trust_list *l = NULL;
	struct wr w;

	wr_init(&w, 1 << 20);
	wr_bytes(&w, g.p, 336);
	for (unsigned i = 0; i < n; i++) {
		wr_bytes(&w, (const uint8_t[]){1, 0, 2, 0, 18, 4, 0, 2, 0, 0, 6, 0, 2}, 13);
		wr_u16(&w, (uint16_t)i);
		wr_bytes(&w, (const uint8_t[]){99, 0, 0}, 3);
	}
	*err = list_parse(wr_view_all(&w), LIST_ITL, &l, NULL);
	wr_clear(&w);
	golden_free(g);
	return l;
}

static bool warned(const struct trust_list *l, const char *words)
{
	for (size_t i = 0; i < l->n_warnings; i++)
		if (strstr(l->warnings[i], words))
			return true;
	return false;
}

static void test_warnings(void **state)
{
	int err;
	struct trust_list *l = with_records(3, &err);

	(void)state;
	assert_int_equal(err, 0);
	assert_int_equal(l->n_warnings, 5);
	assert_true(warned(l, "FILENAME is 'CTLFile.tlv', not 'ITLFile.tlv'"));
	assert_true(warned(l, "3 records are System Administrator Security Tokens"));
	assert_true(warned(l, "record 3: 1 unknown element was skipped, the first with tag 99"));
	list_free(l);
}

static void test_limits(void **state)
{
	int err;
	struct trust_list *l = with_records(LIST_MAX_RECORDS, &err);

	(void)state;
	assert_int_equal(err, 0);
	assert_int_equal(l->n_records, LIST_MAX_RECORDS);
	list_free(l);
	assert_null(with_records(LIST_MAX_RECORDS + 1, &err));
	assert_int_equal(err, ERR_LIMIT);
}

static void test_large_and_repeated(void **state)
{
	struct view g = golden("tlv/ctl-4947.tlv");
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;
	struct wr w;

	(void)state;
	wr_init(&w, 1 << 20);
	wr_bytes(&w, g.p, g.len);
	while (w.len <= LIST_PHONE_LIMIT)
		wr_bytes(&w, g.p + 336, 1156);
	assert_ok(list_parse(wr_view_all(&w), LIST_CTL, &l, &e), &e);
	assert_true(warned(l, "phones do not load more than 65536"));
	assert_true(warned(l, "record 5 repeats record 1"));
	list_free(l);
	wr_clear(&w);
	golden_free(g);
}

static void test_type(void **state)
{
	struct trust_list *l = parse_good("itl-5438");

	(void)state;
	assert_int_equal(list_type_of(l), LIST_ITL);
	l->header.file_name = view_str("x.tlv");
	assert_int_equal(list_type_of(l), LIST_ITL); /* it has a TVS record */
	list_free(l);
	l = parse_good("ctl-3746");
	assert_int_equal(list_type_of(l), LIST_CTL);
	l->header.file_name = (struct view){0};
	assert_int_equal(list_type_of(l), LIST_CTL);
	list_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flip),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_order),
		cmocka_unit_test(test_verify_by_others),
		cmocka_unit_test(test_record_is_cert),
		cmocka_unit_test(test_record_key),
		cmocka_unit_test(test_record_key_broken),
		cmocka_unit_test(test_no_certificate),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_large_and_repeated),
		cmocka_unit_test(test_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
