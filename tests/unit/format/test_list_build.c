#include "format/vectors.h"

#define IP(a, b, c, d) .has_ip = true, .ip = {a, b, c, d}

/* One vector, described as its writer would: certificates by name, because they are loaded when the test runs. */
struct rec {
	const char *cert;
	struct record_spec spec;
};

struct vector {
	const char *name;
	const char *signer, *key;
	struct list_spec spec;
	struct rec records[6]; /* up to the first with neither certificate nor DNSNAME */
};

static const uint8_t version_1_1[] = {1, 1};

static const struct vector vectors[] = {
	{"ctl-4947", "pub1024", "pub1024", {.digest = DIGEST_SHA1, .timestamp = 1425675367}, {
		{"pub1024", {.function = FUNCTION_SAST, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"pub1024", {.function = FUNCTION_CCM_TFTP, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"capf1024", {.function = FUNCTION_CAPF, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"sub1024", {.function = FUNCTION_CCM_TFTP, .dns_name = "cucm-1051-a-sub1", IP(10, 48, 47, 156)}},
	}},
	{"ctl-6113", "pub2048", "pub2048", {.digest = DIGEST_SHA1, .timestamp = 1425917272}, {
		{"pub2048", {.function = FUNCTION_SAST, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"pub2048", {.function = FUNCTION_CCM_TFTP, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"capf1024", {.function = FUNCTION_CAPF, .dns_name = "cucm-1051-a-pub", IP(10, 48, 47, 155)}},
		{"sub1024", {.function = FUNCTION_CCM_TFTP, .dns_name = "cucm-1051-a-sub1", IP(10, 48, 47, 156)}},
	}},
	{"ctl-5728", "etoken2", "etoken2", {.digest = DIGEST_SHA1, .timestamp = 1425674928, .signer_token = true}, {
		{"etoken1", {.style = RECORD_TOKEN, .dns_name = "", IP(0, 0, 0, 0)}},
		{"pub1024", {.function = FUNCTION_CCM_TFTP, .no_signature = true, .dns_name = "10.48.47.155", IP(10, 48, 47, 155)}},
		{"capf1024", {.function = FUNCTION_CAPF, .no_signature = true, .dns_name = "10.48.47.155", IP(10, 48, 47, 155)}},
		{"sub1024", {.function = FUNCTION_CCM_TFTP, .no_signature = true, .dns_name = "10.48.47.156", IP(10, 48, 47, 156)}},
		{"etoken2", {.style = RECORD_TOKEN, .dns_name = "", IP(0, 0, 0, 0)}},
	}},
	{"ctl-3746", "etoken1", "etoken1", {.digest = DIGEST_SHA1, .timestamp = 1424792265, .signer_token = true}, {
		{"etoken1", {.style = RECORD_TOKEN, .dns_name = "", IP(0, 0, 0, 0)}},
		{"etoken2", {.style = RECORD_TOKEN, .dns_name = "", IP(0, 0, 0, 0)}},
		{NULL, {.style = RECORD_EMPTY, .function = FUNCTION_CCM_TFTP, .dns_name = "10.48.47.153", IP(10, 48, 47, 153)}},
		{"capf1024b", {.function = FUNCTION_CAPF, .no_signature = true, .dns_name = "10.48.47.153", IP(10, 48, 47, 153)}},
		{NULL, {.style = RECORD_EMPTY, .function = FUNCTION_CCM_TFTP, .dns_name = "10.48.47.154", IP(10, 48, 47, 154)}},
	}},
	{"itl-5438", "itlsigner", "itlsigner1024", {.type = LIST_ITL, .digest = DIGEST_SHA1, .timestamp = 1311776184}, {
		{"itlsigner", {.function = FUNCTION_SAST}},
		{"itlsigner", {.function = FUNCTION_CCM_TFTP}},
		{"tvs", {.style = RECORD_HASH_ONLY, .hash = DIGEST_SHA1, .function = FUNCTION_TVS}},
		{"capfitl", {.style = RECORD_HASH_ONLY, .hash = DIGEST_SHA1, .function = FUNCTION_CAPF}},
	}},
	{"itl-peer-sha512", "sast2048", "sast2048",
	 {.type = LIST_ITL, .digest = DIGEST_SHA512, .names = NAME_FORM_C, .signer_version = version_1_1,
	  .header_layout = TLV_LAYOUT_PEER, .record_layout = TLV_LAYOUT_PEER, .timestamp = 1700000000}, {
		{"sast2048", {.function = FUNCTION_SAST}},
		{"tftp2048", {.function = FUNCTION_CCM}},
		{"tftp2048", {.function = FUNCTION_TFTP}},
		{"ec384", {.function = FUNCTION_TFTP}},
	}},
	{"itl-serial-leading-zero", "sast2048", "sast2048",
	 {.type = LIST_ITL, .digest = DIGEST_SHA1, .names = NAME_FORM_C, .signer_serial_der = true,
	  .record_layout = TLV_LAYOUT_PEER, .timestamp = 1700000000}, {
		{"sast2048", {.function = FUNCTION_SAST}},
	}},
	{"itl-blank-guess", "sast2048", "sast2048",
	 {.type = LIST_ITL, .digest = DIGEST_SHA1, .names = NAME_FORM_C, .record_layout = TLV_LAYOUT_PEER,
	  .timestamp = 1700000000}, {
		{"sast2048", {.function = FUNCTION_SAST}},
		{NULL, {.style = RECORD_EMPTY, .function = FUNCTION_CCM_TFTP, .dns_name = ""}},
		{NULL, {.style = RECORD_EMPTY, .function = FUNCTION_TVS, .dns_name = ""}},
		{NULL, {.style = RECORD_EMPTY, .function = FUNCTION_CAPF, .dns_name = ""}},
	}},
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* A vector made ready: its certificates loaded. */
struct job {
	struct list_spec spec;
	struct record_spec records[600];
	struct cert *signer;
	EVP_PKEY *key;
};

static void job_init(struct job *j, const struct vector *v)
{
	*j = (struct job){.spec = v->spec, .signer = golden_cert(v->signer), .key = golden_key(v->key)};
	for (size_t n = 0; n < 6 && (v->records[n].cert || v->records[n].spec.dns_name); n++) {
		j->records[n] = v->records[n].spec;
		if (v->records[n].cert)
			j->records[n].cert = golden_cert(v->records[n].cert);
		j->spec.n_records = n + 1;
	}
	j->spec.records = j->records;
	j->spec.signer = j->signer;
}

static void job_clear(struct job *j)
{
	for (size_t i = 0; i < j->spec.n_records; i++)
		cert_unref((struct cert *)(uintptr_t)j->records[i].cert);
	cert_unref(j->signer);
	EVP_PKEY_free(j->key);
}

static int job_build(struct job *j, uint8_t **data, size_t *len, struct err *e)
{
	struct list_signer signer = evp_signer(j->key);

	return list_build(&j->spec, &signer, data, len, e);
}

/* Every vector again, octet for octet, from its certificates and keys. */
static void test_vectors(void **state)
{
	static struct job j;

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		char path[64];
		uint8_t *data = NULL;
		size_t len = 0;
		struct err e = ERR_INIT;
		snprintf(path, sizeof(path), "tlv/%s.tlv", vectors[i].name);
		struct view want = golden(path);
		job_init(&j, &vectors[i]);
		assert_ok(job_build(&j, &data, &len, &e), &e);
		if (!view_eq(want, (struct view){data, len}))
			fail_msg("%s: built %zu octets that differ from the vector's %zu", vectors[i].name, len, want.len);
		len = 0;
		assert_ok(list_check(&j.spec, &len, &e), &e);
		assert_int_equal(len, want.len);
		free(data);
		golden_free(want);
		job_clear(&j);
	}
}

static void refused(struct job *j, int class, const char *words)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	assert_err(job_build(j, &data, &len, &e), class);
	assert_null(data);
	if (!strstr(e.text, words))
		fail_msg("'%s' is not in: %s", words, e.text);
	/* A wrong key shows when it signs; everything else before. */
	if (class != ERR_CRYPTO)
		assert_err(list_check(&j->spec, &len, NULL), class);
}

/* Pitfall U-5: an ITL with three SAST records, a CTL with five; a CTL with up to four is built, and a reader is told. */
static void test_many_sast(void **state)
{
	static const char *const more[] = {"sast2048", "tftp2048"};
	static struct job j;
	struct trust_list *l;
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len = 0;

	(void)state;
	job_init(&j, &vectors[0]);
	j.records[2].function = j.records[3].function = FUNCTION_SAST;
	j.spec.type = LIST_ITL;
	refused(&j, ERR_USAGE, "3 records have the function System Administrator Security Token; phones keep at most 2");
	j.spec.type = LIST_CTL;
	for (size_t i = 0; i < 2; i++) {
		assert_ok(job_build(&j, &data, &len, &e), &e);
		assert_ok(list_parse((struct view){data, len}, LIST_CTL, &l, &e), &e);
		assert_int_equal(l->n_warnings, 1);
		assert_non_null(strstr(l->warnings[0], i ? "4 records are" : "3 records are"));
		assert_non_null(strstr(l->warnings[0], "some phone models are only known to work with 2"));
		list_free(l);
		free(data);
		data = NULL;
		struct record_spec next = {.function = FUNCTION_SAST, .cert = golden_cert(more[i])};
		j.records[j.spec.n_records++] = next;
	}
	refused(&j, ERR_USAGE, "5 records have the function System Administrator Security Token; phones keep at most 4");
	job_clear(&j);
}

/* Pitfall U-5: duplicates. */
static void test_records_refused(void **state)
{
	static struct job j;

	(void)state;
	job_init(&j, &vectors[0]);
	j.records[1].function = FUNCTION_SAST;
	refused(&j, ERR_USAGE, "record 2 repeats record 1");
	j.records[1].function = FUNCTION_CCM_TFTP;
	j.records[0].function = FUNCTION_CCM;
	refused(&j, ERR_USAGE, "is in no record with the function System Administrator Security Token");
	j.records[0].function = FUNCTION_SAST;
	j.records[2].style = RECORD_EMPTY;
	refused(&j, ERR_USAGE, "record 3: an empty record takes no certificate");
	j.records[2].style = RECORD_HASH_ONLY;
	refused(&j, ERR_USAGE, "record 3: the hash of the certificate");
	job_clear(&j);

	job_init(&j, &vectors[3]);
	j.records[4].dns_name = j.records[2].dns_name;
	refused(&j, ERR_USAGE, "record 5 repeats record 3");
	j.records[4].style = RECORD_FULL;
	refused(&j, ERR_USAGE, "record 5: the certificate is missing");
	job_clear(&j);
}

static void test_digest_refused(void **state)
{
	static struct job j;

	(void)state;
	job_init(&j, &vectors[0]);
	j.spec.digest = DIGEST_SHA256;
	refused(&j, ERR_USAGE, "SHA-1 or SHA-512");
	job_clear(&j);
}

/* A self-signed certificate over key, made here: RSA-3072 has no place in the format (pitfall U-3). */
static struct cert *self_signed(EVP_PKEY *key)
{
	X509 *x = X509_new();
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	assert_non_null(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"big", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_ok(cert_from_x509(x, &c, &e), &e);
	X509_free(x);
	return c;
}

static void signer_refused(EVP_PKEY *key, const char *words)
{
	struct cert *c = self_signed(key);
	struct job j = {
		.spec = {.digest = DIGEST_SHA1, .signer = c, .n_records = 1},
		.records = {{.function = FUNCTION_SAST, .cert = c}},
		.signer = c,
		.key = key,
	};

	j.spec.records = j.records;
	refused(&j, ERR_USAGE, words);
	cert_unref(c);
	EVP_PKEY_free(key);
}

static void test_signer_refused(void **state)
{
	(void)state;
	signer_refused(EVP_RSA_gen(3072), "its key has 3072 bits, and the format only knows RSA keys of 512, 1024, 2048 and 4096 bits");
	signer_refused(EVP_EC_gen("P-384"), "its key is not RSA");
}

/* A key that is not the certificate's never leaves a list behind. */
static void test_wrong_key(void **state)
{
	static struct job j;

	(void)state;
	job_init(&j, &vectors[0]);
	EVP_PKEY_free(j.key);
	j.key = golden_key("sub1024");
	refused(&j, ERR_CRYPTO, "does the key belong to the signer's certificate?");
	EVP_PKEY_free(j.key);
	j.key = golden_key("pub2048");
	refused(&j, ERR_CRYPTO, "a signature of 256 octets, but the certificate of CN=cucm-1051-a-pub");
	job_clear(&j);
}

static int failing_sign(void *ctx, enum digest d, const uint8_t *hash, uint8_t *sig, size_t *len, struct err *e)
{
	(void)ctx;
	(void)d;
	(void)hash;
	(void)sig;
	(void)len;
	return err_set(e, ERR_AUTH, "the token was pulled out");
}

static void test_failing_signer(void **state)
{
	static struct job j;
	struct list_signer signer = {failing_sign, NULL};
	uint8_t *data = NULL;
	size_t len = 0;
	struct err e = ERR_INIT;

	(void)state;
	job_init(&j, &vectors[0]);
	assert_err(list_build(&j.spec, &signer, &data, &len, &e), ERR_AUTH);
	assert_string_equal(e.text, "the token was pulled out");
	assert_null(data);
	job_clear(&j);
}

static void test_sizes(void **state)
{
	static struct job j;
	char name[300];

	(void)state;
	job_init(&j, &vectors[0]);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	j.records[1].dns_name = name;
	refused(&j, ERR_USAGE, "record 2: the name is longer than 255 characters");
	j.records[1].dns_name = NULL;
	char *long_name = malloc(70000);
	memset(long_name, 'x', 69999);
	long_name[69999] = '\0';
	j.spec.file_name = long_name; /* pitfall U-11 */
	refused(&j, ERR_LIMIT, "the header would have");
	long_name[65400] = '\0';
	refused(&j, ERR_LIMIT, "the header would have");
	free(long_name);
	job_clear(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_many_sast),
		cmocka_unit_test(test_records_refused),
		cmocka_unit_test(test_digest_refused),
		cmocka_unit_test(test_signer_refused),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_failing_signer),
		cmocka_unit_test(test_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
