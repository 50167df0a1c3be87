#include "format/vectors.h"

#include "format/tlv.h"

/* A header as short as can be: SERIALNUMBER, DIGESTALGORITHM and SIGNATURE, none of them in a container. */
static const uint8_t small[] = {
	1, 0, 2, 1, 2,       /* VERSION 1.2 */
	2, 0, 2, 0, 23,      /* HEADERLENGTH */
	5, 0, 1, 7,          /* SERIALNUMBER */
	8, 0, 1, 1,          /* DIGESTALGORITHM SHA-1 */
	12, 0, 2, 0xaa, 0xbb /* SIGNATURE */
};

struct file {
	uint8_t octets[256];
	size_t len;
};

/* small with elements behind it and HEADERLENGTH grown. */
static struct file small_plus(const void *more, size_t n)
{
	struct file f;

	memcpy(f.octets, small, sizeof(small));
	memcpy(f.octets + sizeof(small), more, n);
	f.len = sizeof(small) + n;
	f.octets[9] = (uint8_t)f.len;
	return f;
}

static void refused(const void *octets, size_t len, const char *rule, long offset)
{
	struct tlv_header h = {.major = 77};
	struct err e = ERR_INIT;

	assert_err(tlv_header_read((struct view){octets, len}, &h, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	assert_int_equal(e.offset, offset);
	assert_int_equal(h.major, 77); /* untouched */
}

static void refused_plus(const void *more, size_t n, const char *rule, long offset)
{
	struct file f = small_plus(more, n);

	refused(f.octets, f.len, rule, offset);
}

static void test_small(void **state)
{
	struct tlv_header h;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_read((struct view){small, sizeof(small)}, &h, &e), &e);
	assert_int_equal(h.header_len, sizeof(small));
	assert_int_equal(h.digest, DIGEST_SHA1);
	assert_int_equal(h.sig_offset, 18);
	assert_int_equal(h.signature.len, 2);
	assert_null(h.file_name.p);
	assert_false(h.has_timestamp);
}

/* Padding and unknown elements anywhere, inside containers too; sizes that are ignored. */
static void test_tolerated(void **state)
{
	static const uint8_t more[] = {
		13, 13, 200, 0, 2, 1, 2, 200, 0, 0, 3, 0, 6, 13, 4, 0, 1, 'x', 13, /* padding, unknown twice, SIGNERID */
		15, 0, 2, 1, 2, 28, 0, 3, 1, 1, 1, 11, 0, 0, 13 /* odd TIMESTAMP, SIGNERVERSION, SIGNATUREMODULUS */
	};
	struct file f = small_plus(more, sizeof(more));
	struct tlv_header h;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_read((struct view){f.octets, f.len}, &h, &e), &e);
	assert_int_equal(h.n_unknown, 2);
	assert_int_equal(h.unknown_tag, 200);
	assert_int_equal(h.signer_name.len, 1);
	assert_false(h.has_timestamp);
	assert_false(h.has_signer_version);
}

static void test_containers(void **state)
{
	static const uint8_t cuts[] = {3, 0, 4, 4, 0, 2, 'a', 'b'};           /* the name ends behind its container */
	static const uint8_t half[] = {3, 0, 2, 4, 0};                         /* ends inside an element's head */
	static const uint8_t past[] = {3, 0, 9, 4, 0, 1, 'a'};                 /* the container ends behind the header */
	static const uint8_t deep[] = {3, 0, 12, 3, 0, 9, 3, 0, 6, 3, 0, 3, 3, 0, 0};

	(void)state;
	refused_plus(cuts, sizeof(cuts), "container-boundary", 26);
	refused_plus(half, sizeof(half), "container-boundary", 26);
	refused_plus(past, sizeof(past), "element-past-header", 23);
	refused_plus(deep, sizeof(deep), "container-depth", 38);
}

static void test_duplicates(void **state)
{
	static const uint8_t tags[] = {4, 5, 6, 8, 12, 14, 19, 25, 27};

	(void)state;
	for (size_t i = 0; i < sizeof(tags); i++) {
		uint8_t more[] = {tags[i], 0, 1, 1, tags[i], 0, 1, 1};
		bool in_small = tags[i] == 5 || tags[i] == 8 || tags[i] == 12;
		refused_plus(more, sizeof(more), "duplicate-element", in_small ? 23 : 27);
	}
	refused_plus((const uint8_t[]){1, 0, 2, 1, 2}, 5, "duplicate-element", 23);
	refused_plus((const uint8_t[]){2, 0, 2, 0, 23}, 5, "duplicate-element", 23);
}

static void test_sizes_and_codes(void **state)
{
	uint8_t bad[sizeof(small)];

	(void)state;
	refused_plus((const uint8_t[]){10, 0, 2, 0, 0}, 5, "element-size", 23);
	refused_plus((const uint8_t[]){20, 0, 1, 0}, 4, "element-size", 23);
	refused_plus((const uint8_t[]){26, 0, 1, 4}, 4, "digest-unknown", 23);
	memcpy(bad, small, sizeof(bad));
	bad[17] = 0;
	refused(bad, sizeof(bad), "digest-unknown", 14);
}

static void test_missing(void **state)
{
	static const struct {
		size_t at;
		uint8_t padding[4];
		const char *rule;
	} cases[] = {{10, {13, 13, 13, 13}, "missing-serial"}, {14, {13, 13, 13, 13}, "missing-digest"}};
	uint8_t bad[sizeof(small)];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		memcpy(bad, small, sizeof(bad));
		memcpy(bad + cases[i].at, cases[i].padding, 4);
		refused(bad, sizeof(bad), cases[i].rule, -1);
	}
	memcpy(bad, small, sizeof(bad));
	memset(bad + 18, 13, 5);
	refused(bad, sizeof(bad), "missing-signature", -1);
}

/* A header cut anywhere is refused; a longer file is not its concern. */
static void test_cut(void **state)
{
	struct view g = golden("tlv/ctl-4947.tlv");
	struct tlv_header h;

	(void)state;
	for (size_t n = 0; n < 336; n++) {
		struct err e = ERR_INIT;
		assert_err(tlv_header_read((struct view){g.p, n}, &h, &e), ERR_PROTO);
		assert_string_equal(e.rule, n < 10 ? "file-too-short" : "headerlength-range");
	}
	struct err e = ERR_INIT;
	assert_ok(tlv_header_read((struct view){g.p, 336}, &h, &e), &e);
	golden_free(g);
}

static void test_golden_header(void **state)
{
	struct view g = golden("tlv/itl-peer-sha512.tlv");
	struct tlv_header h;
	struct view parts[2];
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_read(g, &h, &e), &e);
	assert_int_equal(h.header_len, 388);
	assert_int_equal(h.minor, 2);
	assert_int_equal(h.digest, DIGEST_SHA512);
	assert_int_equal(h.sig_modulus, 2);
	assert_int_equal(h.sig_offset, 106);
	assert_int_equal(h.signature.len, 256);
	assert_int_equal(h.timestamp, 1700000000);
	assert_true(h.has_signer_version);
	assert_int_equal(h.signer_version[1], 1);
	assert_true(view_eq(tlv_text(h.ca_name), view_str("CN=SAST,O=SAST,OU=SAST")));
	assert_int_equal(h.serial.len, 15);
	tlv_signed_views(g, &h, parts);
	assert_int_equal(parts[0].len, 106);
	assert_int_equal(parts[1].len, g.len - 106 - 3 - 256);
	golden_free(g);
}

static void test_golden_encrypted(void **state)
{
	struct view g = golden("enc/SEP001122334455.cnf.xml.enc.sgn");
	struct tlv_header h;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_read(g, &h, &e), &e);
	assert_int_equal(h.header_len, 764);
	assert_int_equal(h.iv.len, 16);
	assert_int_equal(h.iv.p[0], 0xa0);
	assert_true(h.has_padding_len);
	assert_int_equal(h.padding_len, 11);
	assert_int_equal(h.key_bits, 2048);
	assert_int_equal(h.wrapped_key.len, 256);
	assert_int_equal(h.plaintext_digest, DIGEST_SHA1);
	assert_int_equal(h.plaintext_hash.len, 20);
	golden_free(g);
}

static void test_strip(void **state)
{
	static const uint8_t firmware[] = {1, 0, 2, 1, 0, 2, 0, 2, 0, 12, 0xff, 0xff, 0x1f, 0x8b};
	size_t payload = 0;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_strip((struct view){firmware, sizeof(firmware)}, &payload, &e), &e);
	assert_int_equal(payload, 12);
	assert_err(tlv_header_strip((struct view){firmware, 11}, &payload, &e), ERR_PROTO);
	assert_string_equal(e.rule, "headerlength-range");
}

static void record_refused(const void *octets, size_t len, const char *rule, long offset)
{
	struct tlv_record rec;
	struct err e = ERR_INIT;
	struct rd r;

	rd_init(&r, octets, len);
	assert_err(tlv_record_next(&r, &rec, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	assert_int_equal(e.offset, offset);
	assert_true(r.failed);
}

static void test_record(void **state)
{
	/* formats-and-protocols.md 2.4 */
	static const uint8_t empty[] = {1, 0, 2, 0, 33, 2, 0, 13, '1', '0', '.', '4', '8', '.', '4', '7', '.', '1', '5', '3',
					0, 4, 0, 2, 0, 2, 10, 0, 4, 10, 48, 47, 153};
	struct tlv_record rec;
	struct err e = ERR_INIT;
	struct rd r;

	(void)state;
	rd_init(&r, empty, sizeof(empty));
	assert_ok(tlv_record_next(&r, &rec, &e), &e);
	assert_true(rd_done(&r));
	assert_true(rec.has_function);
	assert_int_equal(rec.function, FUNCTION_CCM_TFTP);
	assert_true(view_eq(tlv_text(rec.dns_name), view_str("10.48.47.153")));
	assert_int_equal(rec.ip_address.len, 4);
	assert_null(rec.certificate.p);
	for (size_t n = 1; n < sizeof(empty); n++)
		record_refused(empty, n, n < 3 ? "record-first-tag" : "record-length", 0);
}

static void test_record_rules(void **state)
{
	(void)state;
	record_refused((const uint8_t[]){3, 0, 2, 0, 5}, 5, "record-first-tag", 0);
	record_refused((const uint8_t[]){1, 0, 3, 0, 5}, 5, "record-first-tag", 0);
	record_refused((const uint8_t[]){1, 0, 2, 0, 0}, 5, "record-length", 0);
	record_refused((const uint8_t[]){1, 0, 2, 0, 4}, 5, "record-length", 0);
	record_refused((const uint8_t[]){1, 0, 2, 0, 6}, 5, "record-length", 0);
	record_refused((const uint8_t[]){1, 0, 2, 0, 7, 4, 0}, 7, "element-past-record", 5);
	record_refused((const uint8_t[]){1, 0, 2, 0, 9, 4, 0, 2, 0}, 9, "element-past-record", 5);
	record_refused((const uint8_t[]){1, 0, 2, 0, 9, 4, 0, 1, 0}, 9, "element-size", 5);
	record_refused((const uint8_t[]){1, 0, 2, 0, 8, 12, 0, 0}, 8, "element-size", 5);
	record_refused((const uint8_t[]){1, 0, 2, 0, 11, 2, 0, 0, 2, 0, 0}, 11, "duplicate-element", 8);
	record_refused((const uint8_t[]){1, 0, 2, 0, 10, 1, 0, 2, 0, 10}, 10, "duplicate-element", 5);
}

/* Unknown record elements are skipped, as often as they come; tag 13 is one of them and has a length. */
static void test_record_unknown(void **state)
{
	static const uint8_t octets[] = {1, 0, 2, 0, 16, 13, 0, 1, 9, 99, 0, 0, 99, 0, 1, 9};
	struct tlv_record rec;
	struct err e = ERR_INIT;
	struct rd r;

	(void)state;
	rd_init(&r, octets, sizeof(octets));
	assert_ok(tlv_record_next(&r, &rec, &e), &e);
	assert_int_equal(rec.n_unknown, 3);
	assert_int_equal(rec.unknown_tag, 13);
	assert_false(rec.has_function);
}

static void test_text(void **state)
{
	(void)state;
	assert_true(view_eq(tlv_text((struct view){(const uint8_t *)"ab\0cd", 6}), view_str("ab")));
	assert_true(view_eq(tlv_text((struct view){(const uint8_t *)"ab", 2}), view_str("ab")));
	assert_int_equal(tlv_text((struct view){0}).len, 0);
	assert_string_equal(function_name(0), "System Administrator Security Token");
	assert_string_equal(function_name(21), "TVS");
	assert_null(function_name(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_sizes_and_codes),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_golden_header),
		cmocka_unit_test(test_golden_encrypted),
		cmocka_unit_test(test_strip),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_rules),
		cmocka_unit_test(test_record_unknown),
		cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
