#include "format/vectors.h"

#include <time.h>

#include "format/show.h"

static char *listing(const char *name, enum list_type type, int64_t modified_s, bool no_checksum)
{
	char path[64];
	char *text = NULL;
	size_t len = 0;
	struct trust_list *l = NULL;
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s.tlv", name);
	struct view g = golden(path);
	assert_ok(list_parse(g, type, &l, &e), &e);
	bool verified = list_verify_self(l, &e) == 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	show_list(out, l, &(struct show_options){type, modified_s, verified, no_checksum});
	fclose(out);
	list_free(l);
	golden_free(g);
	return text;
}

static void same_as_vector(const char *name, enum list_type type, const char *zone, int64_t modified_s, bool no_checksum)
{
	char path[64];

	setenv("TZ", zone, 1);
	tzset();
	char *text = listing(name, type, modified_s, no_checksum);
	snprintf(path, sizeof(path), "%s.show.txt", name);
	struct view want = golden(path);
	assert_string_equal(text, (const char *)want.p);
	golden_free(want);
	free(text);
}

/* The times of the seeds; CET is UTC+1, EDT UTC-4. Given as rules, so that no time zone files are needed. */
static void test_vectors(void **state)
{
	(void)state;
	same_as_vector("tlv/ctl-4947", LIST_CTL, "CET-1", 1425675367, false);
	same_as_vector("tlv/ctl-5728", LIST_CTL, "CET-1", 1425674928, false);
	same_as_vector("tlv/ctl-3746", LIST_CTL, "CET-1", 1424792265, false);
	same_as_vector("tlv/ctl-6113", LIST_CTL, "CET-1", 1425917272, false);
	same_as_vector("tlv/itl-5438", LIST_ITL, "EDT4", 1311776184, true);
}

static void test_failed(void **state)
{
	char *text = listing("bad/signature-bit-flipped", LIST_CTL, 0, false);

	(void)state;
	assert_non_null(strstr(text, "\nThis etoken was not used to sign the CTL file.\n"));
	assert_null(strstr(text, "successfully"));
	assert_non_null(strstr(text, "\nVerification of the CTL file failed.\nError parsing the CTL file!!\n"));
	free(text);
}

static void test_other_layouts(void **state)
{
	char *text = listing("tlv/itl-peer-sha512", LIST_ITL, 0, false);

	(void)state;
	assert_non_null(strstr(text, "The checksum value of the ITL file:\n"));
	assert_non_null(strstr(text, "4       FUNCTION        2       TFTP\n7       PUBLICKEY       97\n"));
	assert_null(strstr(text, "\n28 ")); /* `show` has no row for the signer version */
	free(text);
	text = listing("tlv/itl-blank-guess", LIST_ITL, 0, false);
	assert_non_null(strstr(text, "1       RECORDLENGTH    2       14\n2       DNSNAME         1\n4       FUNCTION        2       CCM+TFTP\n"));
	free(text);
}

/* Strings of strangers never reach a terminal as they are; numbers without a name are printed in decimal. */
static void test_hostile_strings(void **state)
{
	static const char name[] = "CN=a\\,b\033[31m\n\x80\xc3\xa9";
	struct trust_list l = {.signer = -1, .header = {.header_len = 0}};
	struct tlv_record rec = {.has_function = true, .function = 999};
	uint8_t octets[64];
	char *text = NULL;
	size_t len = 0;

	(void)state;
	size_t n = sizeof(name) - 1;
	memcpy(octets, (const uint8_t[]){1, 0, 2, 0, 0, 4, 0, 2, 3, 0xe7, 3, 0, (uint8_t)n}, 13);
	memcpy(octets + 13, name, n);
	rec.raw = (struct view){octets, 13 + n};
	l.records = &rec;
	l.n_records = 1;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	show_list(out, &l, &(struct show_options){LIST_CTL, 0, false, false});
	fclose(out);
	assert_non_null(strstr(text, "CN=a\\,b\\x1b[31m\\x0a\\x80\xc3\xa9\n"));
	assert_non_null(strstr(text, "4       FUNCTION        2       999\n"));
	free(text);
}

static void test_missing_and_broken(void **state)
{
	char *text = NULL;
	size_t len = 0;

	(void)state;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	show_list_missing(out, LIST_CTL);
	fclose(out);
	assert_string_equal(text, "Length of CTL file: 0\n"
				  "CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.\n"
				  "Error parsing the CTL File.\n");
	free(text);
	out = open_memstream(&text, &len);
	assert_non_null(out);
	show_list_broken(out, view_str("abc"), &(struct show_options){LIST_ITL, 0, false, false});
	fclose(out);
	assert_non_null(strstr(text, "900150983cd24fb0d6963f7d28e17f72(MD5)\n"
				     "a9993e364706816aba3e25717850c26c9cd0d89d(SHA1)\n\nLength of ITL file: 3\n"));
	assert_non_null(strstr(text, "Error parsing the ITL file!!\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_other_layouts),
		cmocka_unit_test(test_hostile_strings),
		cmocka_unit_test(test_missing_and_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
