#include "cluster/compose.h"

#include "base/file.h"
#include "base/text.h"
#include "format/vectors.h"
#include "phone/phone.h"

/*
 * The seeds' clusters, with the vectors' certificates and keys: what the table composes must be, octet for octet, the file
 * that the vectors' generator laid out by hand from the seeds' listings.
 */
struct site {
	struct cert *certs[16];
	size_t n;
	struct compose_node nodes[4];
	struct compose_input in;
	struct composition out;
};

static struct site site;

static const struct cert *take(const char *name)
{
	assert_true(site.n < 16);
	site.certs[site.n] = golden_cert(name);
	return site.certs[site.n++];
}

static int setup(void **state)
{
	(void)state;
	site = (struct site){
		.nodes = {
			{ .name = "cucm-1051-a-pub", .address = "10.48.47.155", .ip = { 10, 48, 47, 155 } },
			{ .name = "cucm-1051-a-sub1", .address = "10.48.47.156", .ip = { 10, 48, 47, 156 } },
			{ .name = "cucm-1051-a-sub2", .address = "10.48.47.157", .ip = { 10, 48, 47, 157 } },
		},
		.in = { .type = LIST_CTL, .generation = COMPOSE_10_0, .mixed = true, .digest = DIGEST_SHA1,
			.nodes = site.nodes, .n_nodes = 2 },
	};
	site.nodes[0].call_manager = take("pub1024");
	site.nodes[1].call_manager = take("sub1024");
	site.in.capf = take("capf1024");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (site.n)
		cert_unref(site.certs[--site.n]);
	return 0;
}

static void compose_ok(void)
{
	struct err e = ERR_INIT;

	assert_ok(compose(&site.in, &site.out, &e), &e);
}

/* The composed list is the golden file. */
static void assert_builds(const char *key_name, uint32_t timestamp, const char *file)
{
	struct err e = ERR_INIT;
	EVP_PKEY *key = golden_key(key_name);
	struct list_signer signer = evp_signer(key);
	uint8_t *made, *golden;
	size_t made_len, golden_len;
	char path[512];

	site.in.timestamp = timestamp;
	compose_ok();
	assert_ok(list_build(&site.out.spec, &signer, &made, &made_len, &e), &e);
	golden_path(path, sizeof(path), file);
	assert_ok(file_read(AT_FDCWD, path, TLV_FILE_MAX, &golden, &golden_len, &e), &e);
	assert_int_equal(made_len, golden_len);
	assert_memory_equal(made, golden, golden_len);
	free(made);
	free(golden);
	EVP_PKEY_free(key);
}

static void test_seed_000_tokenless(void **state)
{
	(void)state;
	assert_builds("pub1024", 1425675367, "tlv/ctl-4947.tlv");
}

static void test_seed_000_regenerated(void **state)
{
	(void)state;
	site.nodes[0].call_manager = take("pub2048");
	assert_builds("pub2048", 1425917272, "tlv/ctl-6113.tlv");
}

static void test_seed_003_itl(void **state)
{
	(void)state;
	site.in.type = LIST_ITL;
	site.in.generation = COMPOSE_8_0;
	site.in.n_nodes = 1;
	site.nodes[0].call_manager = take("itlsigner");
	site.nodes[0].tvs = take("tvs");
	site.in.capf = take("capfitl");
	assert_builds("itlsigner1024", 1311776184, "tlv/itl-5438.tlv");
}

/* Seed 000 with two tokens: the first one before the servers, the one that was added and signs behind them. */
static void test_seed_000_tokens(void **state)
{
	struct compose_tokens t = { .certs = { take("etoken1"), take("etoken2") }, .n = 2, .n_first = 1, .signer = 1 };

	(void)state;
	site.in.tokens = &t;
	assert_builds("etoken2", 1425674928, "tlv/ctl-5728.tlv");
	assert_int_equal(site.out.spec.n_records, 5);
}

/* Seed 004: both stood in the CTL, so both are before the servers; the first one signs. */
static void test_seed_004_non_secure(void **state)
{
	struct compose_tokens t = { .certs = { take("etoken1"), take("etoken2") }, .n = 2, .n_first = 2, .signer = 0 };

	(void)state;
	site.nodes[0] = (struct compose_node){ .name = "pub", .address = "10.48.47.153", .ip = { 10, 48, 47, 153 },
					       .call_manager = site.certs[0] };
	site.nodes[1] = (struct compose_node){ .name = "sub", .address = "10.48.47.154", .ip = { 10, 48, 47, 154 },
					       .call_manager = site.certs[1] };
	site.in.capf = take("capf1024b");
	site.in.mixed = false;
	site.in.tokens = &t;
	assert_builds("etoken1", 1424792265, "tlv/ctl-3746.tlv");
	/* 8.0 knows a CTL with nothing but tokens. */
	site.in.generation = COMPOSE_8_0;
	assert_builds("etoken1", 1424792265, "tlv/ctl-3746.tlv");
}

/* One line a record: function, common name or address, and 'h' for a hash, '-' for an emptied record. */
static void assert_records(const char *wanted)
{
	char got[1024] = "";
	size_t used = 0;

	compose_ok();
	for (size_t i = 0; i < site.out.spec.n_records; i++) {
		const struct record_spec *r = &site.out.records[i];

		used = text_append(got, sizeof(got), used, "%d %s%s\n", r->function,
				   r->style != RECORD_EMPTY ? cert_cn(r->cert) : r->dns_name ? r->dns_name : "",
				   r->style == RECORD_HASH_ONLY ? " h" : r->style == RECORD_EMPTY ? " -" : "");
	}
	assert_string_equal(got, wanted);
}

/* All units, three nodes. The names of the vectors' certificates stand for the units. */
static void whole_site(enum list_type type, enum compose_generation g)
{
	site.in.type = type;
	site.in.generation = g;
	site.in.n_nodes = 3;
	site.nodes[0].call_manager_ec = take("ec384");
	site.nodes[0].tvs = take("tvs");
	site.nodes[1].tvs = take("device2048");
	site.nodes[2].call_manager = take("tftp2048");
	site.in.itl_recovery = take("sast2048");
}

#define PUB "cucm-1051-a-pub"
#define SUB1 "cucm-1051-a-sub1"
#define CAPF "CAPF-e41e7d87"
#define TVS "CUCM8-Publisher.bbbburns.lab"

static void test_ctl_order(void **state)
{
	(void)state;
	whole_site(LIST_CTL, COMPOSE_10_0);
	assert_records("0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n");
	assert_ptr_equal(site.out.spec.signer, site.nodes[0].call_manager);
	site.in.generation = COMPOSE_10_5_2;
	assert_records("0 " PUB "\n2 " PUB "\n2 " SUB1 "\n4 " CAPF "\n0 SAST\n2 Asterisk\n");
	site.in.generation = COMPOSE_11_5;
	assert_records("0 " PUB "\n2 " PUB "\n2 " SUB1 "\n4 " CAPF "\n0 SAST\n2 Asterisk\n");
	assert_ptr_equal(site.out.spec.signer, site.nodes[0].call_manager);
	site.in.generation = COMPOSE_12_0;
	assert_records("0 SAST\n0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n");
	assert_ptr_equal(site.out.spec.signer, site.in.itl_recovery);
	assert_string_equal(site.out.records[0].dns_name, PUB);
	assert_string_equal(site.out.records[5].dns_name, "cucm-1051-a-sub2");
	assert_int_equal(site.out.records[5].ip[3], 157);
}

#define TOKEN1 "SAST-ADN0054f509"
#define TOKEN2 "SAST-ADN008580ef"

static void test_token_ctl_order(void **state)
{
	struct compose_tokens t = { .certs = { take("etoken1"), take("etoken2") }, .n = 2, .n_first = 1, .signer = 1 };
	struct err e = ERR_INIT;

	(void)state;
	whole_site(LIST_CTL, COMPOSE_10_5_2);
	site.in.tokens = &t;
	assert_records("0 " TOKEN1 "\n2 " PUB "\n2 " SUB1 "\n4 " CAPF "\n2 Asterisk\n0 " TOKEN2 "\n");
	site.in.generation = COMPOSE_12_0;
	assert_records("0 " TOKEN1 "\n0 SAST\n0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n0 " TOKEN2 "\n");
	assert_ptr_equal(site.out.spec.signer, t.certs[1]);
	assert_string_equal(site.out.records[0].dns_name, "");
	assert_string_equal(site.out.records[1].dns_name, "10.48.47.155");
	t.certs[1] = t.certs[0];
	assert_err(compose(&site.in, &site.out, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "twice"));
}

/* Behind everything of the cluster; one that is there already not twice; neither in an ITL nor with tokens. */
static void test_foreign(void **state)
{
	const struct cert *const foreign[] = { take("itlsigner"), site.nodes[0].call_manager, take("pub2048") };
	struct compose_tokens t = { .certs = { take("etoken1"), take("etoken2") }, .n = 2, .n_first = 1, .signer = 1 };

	(void)state;
	whole_site(LIST_CTL, COMPOSE_12_0);
	site.in.foreign = foreign;
	site.in.n_foreign = 3;
	assert_records("0 SAST\n0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n0 CUCM8-Publisher.bbbburns.lab\n0 " PUB
		       "\n");
	assert_ptr_equal(site.out.spec.signer, site.in.itl_recovery);
	assert_string_equal(site.out.records[6].dns_name, "CUCM8-Publisher.bbbburns.lab");
	assert_int_equal(site.out.records[6].ip[0], 0);
	assert_int_equal(compose_own_sast(COMPOSE_12_0), 2);
	assert_int_equal(compose_own_sast(COMPOSE_10_0), 1);
	site.in.tokens = &t;
	assert_records("0 " TOKEN1 "\n0 SAST\n0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n0 " TOKEN2 "\n");
	site.in.tokens = NULL;
	site.in.type = LIST_ITL;
	assert_records("0 SAST\n0 " PUB "\n2 " PUB "\n3 Apache-EC\n21 " TVS "\n21 SEP001122334455\n4 " CAPF "\n");
}

static void test_itl_order(void **state)
{
	(void)state;
	whole_site(LIST_ITL, COMPOSE_8_0);
	assert_records("0 " PUB "\n2 " PUB "\n21 " TVS " h\n21 SEP001122334455 h\n4 " CAPF " h\n");
	site.in.generation = COMPOSE_10_0;
	assert_records("0 " PUB "\n2 " PUB "\n21 " TVS " h\n21 SEP001122334455 h\n4 " CAPF " h\n0 SAST\n");
	site.in.generation = COMPOSE_10_5_2;
	assert_records("0 " PUB "\n2 " PUB "\n21 " TVS " h\n21 SEP001122334455 h\n4 " CAPF " h\n0 SAST\n");
	site.in.generation = COMPOSE_11_5;
	assert_records("0 " PUB "\n2 " PUB "\n3 Apache-EC\n21 " TVS "\n21 SEP001122334455\n4 " CAPF "\n0 SAST\n");
	assert_ptr_equal(site.out.spec.signer, site.nodes[0].call_manager);
	site.in.generation = COMPOSE_12_0;
	assert_records("0 SAST\n0 " PUB "\n2 " PUB "\n3 Apache-EC\n21 " TVS "\n21 SEP001122334455\n4 " CAPF "\n");
	assert_ptr_equal(site.out.spec.signer, site.in.itl_recovery);
	assert_null(site.out.records[0].dns_name);
	assert_false(site.out.records[0].has_ip);
}

static void test_itl_of_a_subscriber(void **state)
{
	(void)state;
	whole_site(LIST_ITL, COMPOSE_8_0);
	site.in.self = 1;
	assert_records("0 " SUB1 "\n2 " SUB1 "\n21 " TVS " h\n21 SEP001122334455 h\n4 " CAPF " h\n");
	assert_ptr_equal(site.out.spec.signer, site.nodes[1].call_manager);
}

static void test_no_generation_has_three_sast(void **state)
{
	(void)state;
	whole_site(LIST_CTL, COMPOSE_10_0);
	for (int g = 0; g < COMPOSE_GENERATIONS; g++) {
		for (int type = LIST_CTL; type <= LIST_ITL; type++) {
			unsigned sast = 0;

			site.in.generation = (enum compose_generation)g;
			site.in.type = (enum list_type)type;
			site.in.mixed = g != COMPOSE_8_0;
			compose_ok();
			for (size_t i = 0; i < site.out.spec.n_records; i++)
				sast += site.out.records[i].function == FUNCTION_SAST;
			assert_in_range(sast, 1, 2);
		}
	}
}

/* SAST and CAPF stay, CCM+TFTP shrinks to 33 octets: 5 + 3 + 13 ("10.48.47.155") + 5 + 7. */
static void test_non_secure(void **state)
{
	struct err e = ERR_INIT;
	EVP_PKEY *key = golden_key("pub1024");
	struct list_signer signer = evp_signer(key);
	struct trust_list *l;
	uint8_t *made;
	size_t len;

	(void)state;
	site.in.mixed = false;
	assert_records("0 " PUB "\n2 10.48.47.155 -\n4 " CAPF "\n2 10.48.47.156 -\n");
	assert_ok(list_build(&site.out.spec, &signer, &made, &len, &e), &e);
	assert_ok(list_parse((struct view){ made, len }, LIST_CTL, &l, &e), &e);
	assert_int_equal(l->records[0].raw.len, 1156);
	assert_int_equal(l->records[1].raw.len, 33);
	assert_int_equal(l->records[2].raw.len, 1138);
	assert_int_equal(l->records[3].raw.len, 33);
	list_free(l);
	free(made);
	EVP_PKEY_free(key);
}

static void test_node_without_address(void **state)
{
	(void)state;
	site.in.mixed = false;
	site.nodes[1].address = site.nodes[1].name;
	memset(site.nodes[1].ip, 0, 4);
	assert_records("0 " PUB "\n2 10.48.47.155 -\n4 " CAPF "\n2 " SUB1 " -\n");
	assert_true(site.out.records[3].has_ip);
}

static void test_node_that_runs_nothing(void **state)
{
	(void)state;
	whole_site(LIST_CTL, COMPOSE_10_5_2);
	site.nodes[1].call_manager = NULL;
	assert_records("0 " PUB "\n2 " PUB "\n2 Asterisk\n4 " CAPF "\n0 SAST\n");
	site.in.mixed = false;
	assert_records("0 " PUB "\n2 10.48.47.155 -\n2 10.48.47.157 -\n4 " CAPF "\n0 SAST\n");
}

static void test_shared_certificate_stands_once(void **state)
{
	(void)state;
	whole_site(LIST_CTL, COMPOSE_10_5_2);
	site.nodes[2].call_manager = site.nodes[0].call_manager;
	site.nodes[2].tvs = site.nodes[0].tvs;
	assert_records("0 " PUB "\n2 " PUB "\n2 " SUB1 "\n4 " CAPF "\n0 SAST\n");
	site.in.type = LIST_ITL;
	assert_records("0 " PUB "\n2 " PUB "\n21 " TVS " h\n21 SEP001122334455 h\n4 " CAPF " h\n0 SAST\n");
}

static void test_missing_certificates(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	site.in.generation = COMPOSE_12_0;
	assert_err(compose(&site.in, &site.out, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "ITLRecovery certificate of " PUB));
	assert_non_null(strstr(e.text, "set cert regen ITLRecovery"));
	err_clear(&e);
	site.in.generation = COMPOSE_10_0;
	site.nodes[0].call_manager = NULL;
	assert_err(compose(&site.in, &site.out, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "CallManager certificate"));
	/* CAPF may be missing: "CAPF if running" (behaviour.md 3.1). */
	site.nodes[0].call_manager = site.certs[0];
	site.in.capf = NULL;
	assert_records("0 " PUB "\n2 " PUB "\n2 " SUB1 "\n");
}

static void test_8_0_needs_tokens(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	site.in.generation = COMPOSE_8_0;
	assert_err(compose(&site.in, &site.out, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "10.0 or later"));
	assert_false(compose_has_tokenless_ctl(COMPOSE_8_0));
	assert_true(compose_has_tokenless_ctl(COMPOSE_10_0));
	/* The way out stays open. */
	site.in.mixed = false;
	assert_records("0 " PUB "\n2 10.48.47.155 -\n4 " CAPF "\n2 10.48.47.156 -\n");
}

static void test_parameters_reach_the_list(void **state)
{
	(void)state;
	site.in.digest = DIGEST_SHA512;
	site.in.names = NAME_FORM_C;
	compose_ok();
	assert_null(site.out.spec.signer_version);
	assert_int_equal(site.out.spec.digest, DIGEST_SHA512);
	assert_int_equal(site.out.spec.names, NAME_FORM_C);
	site.in.advanced = true;
	compose_ok();
	assert_memory_equal(site.out.spec.signer_version, "\1\1", 2);
}

static void test_generation_names(void **state)
{
	enum compose_generation g = COMPOSE_GENERATIONS;

	(void)state;
	assert_true(compose_generation_find("10.5(2)", &g));
	assert_int_equal(g, COMPOSE_10_5_2);
	for (int i = 0; i < COMPOSE_GENERATIONS; i++) {
		assert_true(compose_generation_find(compose_generation_name((enum compose_generation)i), &g));
		assert_int_equal(g, i);
	}
	assert_false(compose_generation_find("13.0", &g));
	assert_false(compose_generation_find("", &g));
	assert_string_equal(compose_signer_unit(COMPOSE_11_5), "CallManager");
	assert_string_equal(compose_signer_unit(COMPOSE_12_0), "ITLRecovery");
}

/* Source: behaviour.md 8.3; seed 003 FAQ: signed, with empty function entries for TFTP and TVS. */
static void test_blank(void **state)
{
	struct err e = ERR_INIT;
	struct trust_list *l;
	uint8_t *made;
	size_t len;

	(void)state;
	whole_site(LIST_ITL, COMPOSE_12_0);
	site.in.blank = true;
	assert_records("0 SAST\n0 " PUB "\n2  -\n3  -\n21  -\n4 " CAPF "\n");
	site.in.generation = COMPOSE_10_0;
	assert_records("0 " PUB "\n2  -\n21  -\n4 " CAPF " h\n0 SAST\n");
	site.in.type = LIST_CTL; /* it does not empty the CTL */
	assert_records("0 " PUB "\n2 " PUB "\n4 " CAPF "\n2 " SUB1 "\n2 Asterisk\n");
	/* It can be signed, and a phone reads it. */
	EVP_PKEY *key = golden_key("pub1024");
	struct list_signer signer = evp_signer(key);
	site.in.type = LIST_ITL;
	compose_ok();
	assert_ok(list_build(&site.out.spec, &signer, &made, &len, &e), &e);
	assert_ok(list_parse((struct view){ made, len }, LIST_ITL, &l, &e), &e);
	assert_ok(list_verify_self(l, &e), &e);
	assert_true(phone_itl_is_blank(l));
	list_free(l);
	free(made);
	EVP_PKEY_free(key);
}

static void test_named_units(void **state)
{
	(void)state;
	assert_true(compose_names_unit(COMPOSE_10_0, LIST_ITL, "TVS"));
	assert_false(compose_names_unit(COMPOSE_10_0, LIST_CTL, "TVS"));
	assert_false(compose_names_unit(COMPOSE_10_0, LIST_CTL, "ITLRecovery"));
	assert_true(compose_names_unit(COMPOSE_10_5_2, LIST_CTL, "ITLRecovery"));
	assert_true(compose_names_unit(COMPOSE_11_5, LIST_ITL, "CallManager-ECDSA"));
	assert_false(compose_names_unit(COMPOSE_10_5_2, LIST_ITL, "CallManager-ECDSA"));
	assert_false(compose_names_unit(COMPOSE_12_0, LIST_ITL, "tomcat"));
}

static void test_size(void **state)
{
	struct err e = ERR_INIT;
	struct notes notes = NOTES_INIT;

	(void)state;
	assert_ok(compose_check_size(LIST_ITL, COMPOSE_WARN_OCTETS, 9, &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(compose_check_size(LIST_ITL, COMPOSE_WARN_OCTETS + 1, 10, &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "16385 octets with its 10 certificates"));
	assert_ok(compose_check_size(LIST_CTL, LIST_PHONE_LIMIT, 39, NULL, &e), &e);
	assert_err(compose_check_size(LIST_CTL, LIST_PHONE_LIMIT + 1, 40, &notes, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "its 40 certificates"));
	notes_clear(&notes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_seed_000_tokenless),
		TEST(test_seed_000_regenerated),
		TEST(test_seed_003_itl),
		TEST(test_seed_000_tokens),
		TEST(test_seed_004_non_secure),
		TEST(test_ctl_order),
		TEST(test_token_ctl_order),
		TEST(test_foreign),
		TEST(test_itl_order),
		TEST(test_itl_of_a_subscriber),
		TEST(test_no_generation_has_three_sast),
		TEST(test_non_secure),
		TEST(test_node_without_address),
		TEST(test_node_that_runs_nothing),
		TEST(test_shared_certificate_stands_once),
		TEST(test_missing_certificates),
		TEST(test_8_0_needs_tokens),
		TEST(test_parameters_reach_the_list),
		TEST(test_generation_names),
		TEST(test_blank),
		TEST(test_named_units),
		TEST(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
