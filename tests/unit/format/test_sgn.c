#include "format/vectors.h"

#include "format/format_internal.h"
#include "format/sgn.h"

/* The signed vectors, written again. */
static const struct vector {
	const char *file;
	const char *payload; /* NULL: none */
	const char *name;
	enum digest digest;
} vectors[] = {
	{"sgn/SEP001122334455.cnf.xml.sgn", "sgn/SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn", DIGEST_SHA1},
	{"sgn/sha512.cnf.xml.sgn", "sgn/SEP001122334455.cnf.xml", "sha512.cnf.xml.sgn", DIGEST_SHA512},
	{"sgn/g3-tones.xml.sgn", "sgn/g3-tones.xml", "New_Zealand/g3-tones.xml.sgn", DIGEST_SHA1},
	{"sgn/empty-payload.xml.sgn", NULL, "empty-payload.xml.sgn", DIGEST_SHA1},
	{"enc/SEP001122334455.cnf.xml.sgn", "enc/stub.cnf.xml", "SEP001122334455.cnf.xml.sgn", DIGEST_SHA1},
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static struct cert *tftp;
static EVP_PKEY *key;

static int load(void **state)
{
	(void)state;
	tftp = golden_cert("tftp2048");
	key = golden_key("tftp2048");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cert_unref(tftp);
	EVP_PKEY_free(key);
	return 0;
}

static struct sgn_spec spec_of(const char *name, enum digest d)
{
	return (struct sgn_spec){
		.signer = tftp,
		.names = NAME_FORM_C,
		.digest = d,
		.timestamp = 1700000000,
		.file_name = name,
		.layout = TLV_LAYOUT_PEER,
	};
}

static void test_vectors(void **state)
{
	struct list_signer signer = evp_signer(key);

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		struct sgn_spec spec = spec_of(vectors[i].name, vectors[i].digest);
		struct view payload = vectors[i].payload ? golden(vectors[i].payload) : (struct view){0};
		struct view want = golden(vectors[i].file);
		uint8_t *data = NULL;
		size_t len = 0;
		struct err e = ERR_INIT;
		assert_ok(sgn_build(&spec, &signer, payload, &data, &len, &e), &e);
		assert_true(view_eq(want, (struct view){data, len}));
		free(data);
		golden_free(want);
		golden_free(payload);
	}
}

/* The encrypted vectors have the same header with four more elements behind TIMESTAMP. */
static void encrypted_again(const char *file, const char *name, enum digest d)
{
	struct view want = golden(file);
	struct list_signer signer = evp_signer(key);
	struct tlv_header h;
	struct tlv_element el;
	struct err e = ERR_INIT;
	struct rd r;
	struct wr w;

	assert_ok(tlv_header_read(want, &h, &e), &e);
	rd_init(&r, want.p, h.header_len);
	while (tlv_header_element(&r, &el) && el.tag != HEADER_TIMESTAMP)
		;
	struct view extra = {r.p, r.left};
	while (extra.p[extra.len - 1] == HEADER_PADDING)
		extra.len--;
	struct header_spec spec = {
		.version = {2, 0}, .layout = TLV_LAYOUT_PEER, .signer = tftp, .names = NAME_FORM_C, .digest = d,
		.timestamp = h.timestamp, .file_name = name, .extra = extra,
	};
	wr_init(&w, 4096);
	assert_ok(header_build(&spec, &signer, sgn_payload(want, &h), &w, &e), &e);
	wr_view(&w, sgn_payload(want, &h));
	assert_true(view_eq(want, wr_view_all(&w)));
	wr_clear(&w);
	golden_free(want);
}

static void test_encrypted_vectors(void **state)
{
	(void)state;
	encrypted_again("enc/SEP001122334455.cnf.xml.enc.sgn", "SEP001122334455.cnf.xml.enc.sgn", DIGEST_SHA1);
	encrypted_again("enc/SEP001122334456.cnf.xml.enc.sgn", "SEP001122334456.cnf.xml.enc.sgn", DIGEST_SHA512);
	encrypted_again("enc/SEP001122334457.cnf.xml.enc.sgn", "SEP001122334457.cnf.xml.enc.sgn", DIGEST_SHA1);
}

static void test_verify_cert(void **state)
{
	struct cert *other = golden_cert("pub2048");

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		struct view file = golden(vectors[i].file);
		struct tlv_header h;
		struct err e = ERR_INIT;
		assert_ok(sgn_verify_cert(file, tftp, &e), &e);
		assert_err(sgn_verify_cert(file, other, &e), ERR_AUTH);
		e = ERR_INIT;
		assert_ok(tlv_header_read(file, &h, &e), &e);
		assert_true(sgn_name_is(&h, vectors[i].name));
		assert_false(sgn_name_is(&h, "other.sgn"));
		golden_free(file);
	}
	cert_unref(other);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {"bad/sgn-byte-appended.cnf.xml.sgn", "bad/sgn-payload-flipped.cnf.xml.sgn",
					  "bad/sgn-truncated-payload.cnf.xml.sgn"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct view file = golden(bad[i]);
		struct err e = ERR_INIT;
		assert_err(sgn_verify_cert(file, tftp, &e), ERR_CRYPTO);
		assert_string_equal(e.rule, "signature");
		golden_free(file);
	}
}

static struct trust_list *list_of(const char *file)
{
	struct view v = golden(file);
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	assert_ok(list_parse(v, LIST_ITL, &l, &e), &e);
	golden_free(v);
	return l;
}

static void test_verify_list(void **state)
{
	struct view file = golden("sgn/SEP001122334455.cnf.xml.sgn");
	struct trust_list *itl = list_of("tlv/itl-peer-sha512.tlv");
	struct trust_list *stranger = list_of("tlv/ctl-4947.tlv");
	struct err e = ERR_INIT;
	int rec = -7;

	(void)state;
	assert_ok(sgn_verify_list(file, itl, &rec, &e), &e);
	assert_int_equal(rec, 2); /* TFTP; record 1 is the same certificate as CCM, which signs no files */
	assert_err(sgn_verify_list(file, stranger, &rec, &e), ERR_AUTH);
	itl->records[2].has_function = false;
	assert_err(sgn_verify_list(file, itl, &rec, NULL), ERR_AUTH);
	/* a hash-only record lends its PUBLICKEY */
	itl->records[2].has_function = true;
	itl->records[2].certificate = (struct view){0};
	assert_int_equal(sgn_verify_list(file, itl, &rec, NULL), 0);
	list_free(itl);
	list_free(stranger);
	golden_free(file);
}

static int reversing_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	int err = evp_sign(ctx, d, hash, sig, len, e);

	for (size_t i = 0; !err && i < *len / 2; i++) {
		uint8_t octet = sig[i];
		sig[i] = sig[*len - 1 - i];
		sig[*len - 1 - i] = octet;
	}
	return err;
}

/* Open question 6: a signature in the byte order of a Windows token holds, and is told apart. */
static void test_reversed_signature(void **state)
{
	struct sgn_spec spec = spec_of("a.sgn", DIGEST_SHA1);
	struct list_signer signer = {reversing_sign, key};
	struct tlv_header h;
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;
	bool reversed = false;

	(void)state;
	assert_ok(sgn_build(&spec, &signer, view_str("x"), &data, &len, &e), &e);
	assert_ok(tlv_header_read((struct view){data, len}, &h, &e), &e);
	assert_ok(tlv_verify_key((struct view){data, len}, &h, cert_public_key(tftp), &reversed, &e), &e);
	assert_true(reversed);
	data[len - 1] ^= 1;
	assert_err(tlv_verify_key((struct view){data, len}, &h, cert_public_key(tftp), &reversed, &e), ERR_CRYPTO);
	free(data);
}

static void test_unknown_signature_algorithm(void **state)
{
	struct view file = golden("sgn/g3-tones.xml.sgn");
	struct tlv_header h;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tlv_header_read(file, &h, &e), &e);
	h.sig_algorithm = 1;
	assert_err(tlv_verify_key(file, &h, cert_public_key(tftp), NULL, &e), ERR_CRYPTO);
	assert_non_null(strstr(e.text, "signature algorithm 1 is not known"));
	golden_free(file);
}

static void name_refused(const char *name)
{
	struct sgn_spec spec = spec_of(name, DIGEST_SHA1);
	struct list_signer signer = evp_signer(key);
	uint8_t *data = NULL;
	size_t len = 0;

	assert_err(sgn_build(&spec, &signer, (struct view){0}, &data, &len, NULL), ERR_USAGE);
	assert_null(data);
}

static void test_names(void **state)
{
	char name[SGN_NAME_MAX + 2];

	(void)state;
	name_refused("");
	name_refused("/SEP001122334455.cnf.xml.sgn");
	name_refused("a\nb.sgn");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name_refused(name);
}

static void kind_is(const char *file, enum file_kind kind)
{
	struct view v = golden(file);

	assert_int_equal(file_kind(v), kind);
	golden_free(v);
}

static void test_kind(void **state)
{
	static const uint8_t firmware[] = {1, 0, 2, 1, 0, 2, 0, 2, 0, 12, 0xff, 0xff, 0x1f, 0x8b};
	static const uint8_t unsigned_firmware[] = {1, 0, 2, 1, 0, 2, 0, 2, 0, 13, 200, 0, 0, 'x'};

	(void)state;
	kind_is("tlv/ctl-4947.tlv", FILE_TRUST_LIST);
	kind_is("tlv/itl-peer-sha512.tlv", FILE_TRUST_LIST);
	kind_is("bad/record-length-zero.tlv", FILE_TRUST_LIST);
	kind_is("bad/header-length-zero.tlv", FILE_TRUST_LIST);
	kind_is("bad/hash-algorithm-9.tlv", FILE_TRUST_LIST);
	kind_is("sgn/g3-tones.xml.sgn", FILE_SGN);
	kind_is("bad/sgn-truncated-payload.cnf.xml.sgn", FILE_SGN);
	kind_is("enc/SEP001122334456.cnf.xml.enc.sgn", FILE_ENC_SGN);
	kind_is("sgn/SEP001122334455.cnf.xml", FILE_UNKNOWN);
	kind_is("bad/empty.tlv", FILE_EMPTY);
	kind_is("bad/short-header.tlv", FILE_UNKNOWN);
	kind_is("bad/first-tag-not-1.tlv", FILE_UNKNOWN);
	assert_int_equal(file_kind((struct view){firmware, sizeof(firmware)}), FILE_FIRMWARE);
	assert_int_equal(file_kind((struct view){unsigned_firmware, sizeof(unsigned_firmware)}), FILE_FIRMWARE);
	for (size_t n = 0; n < sizeof(firmware); n++)
		assert_string_not_equal(file_kind_name(file_kind((struct view){firmware, n})), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_encrypted_vectors),
		cmocka_unit_test(test_verify_cert),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_verify_list),
		cmocka_unit_test(test_reversed_signature),
		cmocka_unit_test(test_unknown_signature_algorithm),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_kind),
	};
	return cmocka_run_group_tests(tests, load, unload);
}
