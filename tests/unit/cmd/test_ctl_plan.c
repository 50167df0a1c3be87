#include "cmd/ctl_client/plan.h"

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "cmd/ctl_client/terminal.h"
#include "format/vectors.h"

/* The plan of a CTL, made of what a server would tell, without server and tokens. */
#define NOW 1800000000u

static struct plan plan;
static struct err e;
static struct ctl_token tokens[3];
static struct cert *call_manager, *itl_recovery;

static int setup(void **state)
{
	static const char *const names[] = {"etoken1", "etoken2", "device2048"};

	(void)state;
	err_clear(&e);
	for (size_t i = 0; i < 3; i++) {
		tokens[i] = (struct ctl_token){.cert = golden_cert(names[i])};
		snprintf(tokens[i].label, sizeof(tokens[i].label), "token %zu", i);
		snprintf(tokens[i].uri, sizeof(tokens[i].uri), "pkcs11:serial=%zu", i);
	}
	call_manager = golden_cert("pub1024");
	itl_recovery = golden_cert("sast2048");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plan_clear(&plan);
	for (size_t i = 0; i < 3; i++)
		ctl_token_clear(&tokens[i]);
	cert_unref(call_manager);
	cert_unref(itl_recovery);
	return 0;
}

/* n_nodes of one certificate; ctl NULL: there is none in force. */
static void begin(enum compose_generation g, size_t n_nodes, const char *ctl)
{
	struct token_ctl_state *s = calloc(1, sizeof(*s));
	struct ctl_server_view view = {.state = s};

	for (size_t i = 0; i < n_nodes; i++) {
		snprintf(s->names[i], sizeof(s->names[i]), "node%zu", i);
		snprintf(s->addresses[i], sizeof(s->addresses[i]), "10.0.0.%zu", i + 1);
		s->nodes[i] = (struct compose_node){.name = s->names[i], .address = s->addresses[i],
						    .call_manager = cert_ref(call_manager)};
	}
	s->itl_recovery = cert_ref(itl_recovery);
	s->in = (struct compose_input){.type = LIST_CTL, .generation = g, .digest = DIGEST_SHA1, .names = NAME_FORM_A,
				       .nodes = s->nodes, .n_nodes = n_nodes, .itl_recovery = s->itl_recovery,
				       .timestamp = NOW};
	if (ctl) {
		struct view file = golden(ctl);
		assert_ok(list_parse(file, LIST_CTL, &view.ctl, &e), &e);
		golden_free(file);
	}
	assert_ok(plan_start_take(&plan, &view, CTLP_CHANGE_MIXED, &e), &e);
}

static void refused(int got, int wanted, const char *words)
{
	assert_int_equal(got, wanted);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, e.text);
	err_clear(&e);
}

/* From 11.5 the cluster's own certificates take two of four places: known before anybody types a PIN. */
static void room(void **state)
{
	(void)state;
	begin(COMPOSE_11_5, 1, NULL);
	assert_ok(plan_add(&plan, &tokens[0], &e), &e);
	assert_ok(plan_add(&plan, &tokens[1], &e), &e);
	assert_ok(plan_add(&plan, &tokens[1], &e), &e); /* is there already */
	refused(plan_add(&plan, &tokens[2], &e), ERR_LIMIT, "--remove-token");
	assert_int_equal(plan.tokens.n, 2);
	refused(plan_has_room(&plan, &e), ERR_LIMIT, "at most 2 security tokens beside the 2 certificates of this cluster");
	assert_ok(plan_signer(&plan, &tokens[1], &e), &e);
	assert_ok(plan_compose(&plan, &e), &e);
	assert_ok(plan_check(&plan, &e), &e);
	plan_remove(&plan, 0);
	assert_ok(plan_add(&plan, &tokens[2], &e), &e);
	plan_clear(&plan);
	begin(COMPOSE_10_0, 1, NULL);
	for (size_t i = 0; i < 3; i++)
		assert_ok(plan_add(&plan, &tokens[i], &e), &e);
	assert_ok(plan_has_room(&plan, &e), &e);
	/* A CTL that was made before the generation became another has more than it may have now. */
	plan.view.state->in.generation = COMPOSE_11_5;
	assert_ok(plan_compose(&plan, &e), &e);
	refused(plan_check(&plan, &e), ERR_LIMIT, "--remove-token");
}

/* Of a new CTL one token stands before the servers, whatever was deleted; the signer is one that is there. */
static void removed(void **state)
{
	size_t at;

	(void)state;
	begin(COMPOSE_10_0, 1, NULL);
	for (size_t i = 0; i < 3; i++)
		assert_ok(plan_add(&plan, &tokens[i], &e), &e);
	assert_ok(plan_signer(&plan, &tokens[2], &e), &e);
	plan_remove(&plan, 2);
	assert_ok(plan_compose(&plan, &e), &e);
	assert_true(cert_same(plan.comp.spec.signer, tokens[0].cert));
	refused(plan_signer(&plan, &tokens[2], &e), ERR_USAGE, "cannot be removed");
	plan_remove(&plan, 0);
	assert_int_equal(plan.tokens.n_first, 1);
	refused(plan_signer(&plan, &tokens[1], &e), ERR_USAGE, "needs 2 security tokens");
	/* As init-token says it, as `show ctl` prints it, and not another one. */
	assert_true(plan_find_token(&plan, "SAST-ADN008580ef", &at));
	assert_true(plan_find_token(&plan, "sast-adn008580ef        ", &at));
	assert_false(plan_find_token(&plan, "SAST-ADN008580e", &at));
	assert_false(plan_find_token(&plan, "", &at));
	plan_remove(&plan, 0);
	assert_int_equal(plan.tokens.n_first, 0);
}

/* Two certificates on one token are lost together. */
static void two_things(void **state)
{
	(void)state;
	memcpy(tokens[1].uri, tokens[0].uri, sizeof(tokens[1].uri));
	begin(COMPOSE_10_0, 1, NULL);
	assert_ok(plan_add(&plan, &tokens[0], &e), &e);
	assert_ok(plan_add(&plan, &tokens[1], &e), &e);
	refused(plan_signer(&plan, &tokens[1], &e), ERR_USAGE, "are on one, token 1");
	assert_ok(plan_add(&plan, &tokens[2], &e), &e);
	assert_ok(plan_signer(&plan, &tokens[1], &e), &e);
}

/* Of tokens that are in the CTL and were not seen today nobody knows: they count. */
static void not_seen(void **state)
{
	(void)state;
	begin(COMPOSE_10_0, 1, "tlv/ctl-3746.tlv");
	assert_int_equal(plan.tokens.n, 2);
	assert_ok(plan_signer(&plan, &tokens[0], &e), &e);
	assert_ok(plan_add(&plan, &tokens[0], &e), &e);
	assert_ok(plan_signer(&plan, &tokens[0], &e), &e);
	memcpy(tokens[1].uri, tokens[0].uri, sizeof(tokens[1].uri));
	assert_ok(plan_add(&plan, &tokens[1], &e), &e);
	refused(plan_signer(&plan, &tokens[0], &e), ERR_USAGE, "are on one, token 0");
}

static void dates(void **state)
{
	(void)state;
	begin(COMPOSE_10_0, 1, "tlv/ctl-3746.tlv");
	assert_ok(plan_compose(&plan, &e), &e);
	assert_int_equal(plan.comp.spec.timestamp, NOW);
	plan.view.ctl->header.timestamp = NOW;
	assert_ok(plan_compose(&plan, &e), &e);
	assert_int_equal(plan.comp.spec.timestamp, NOW + 1);
	assert_ok(plan_compose(&plan, &e), &e);
	assert_int_equal(plan.comp.spec.timestamp, NOW + 1);
	plan.view.ctl->header.timestamp = UINT32_MAX;
	assert_ok(plan_compose(&plan, &e), &e);
	assert_int_equal(plan.comp.spec.timestamp, NOW + 1); /* none is later: the server says so */
}

static void updates(void **state)
{
	(void)state;
	begin(COMPOSE_10_0, 1, NULL);
	assert_ok(plan_check_change(&plan.view, CTLP_CHANGE_MIXED, &e), &e);
	assert_ok(plan_check_change(&plan.view, CTLP_CHANGE_NON_SECURE, &e), &e);
	refused(plan_check_change(&plan.view, CTLP_CHANGE_UPDATE, &e), ERR_USAGE, "not in mixed mode");
	plan.view.state->in.mixed = true;
	assert_ok(plan_check_change(&plan.view, CTLP_CHANGE_UPDATE, &e), &e);
}

/* A certificate that is larger than others by so many octets. */
static struct cert *large_cert(long serial, size_t octets)
{
	AUTO(auto_free) char *comment = malloc(octets + 1);
	EVP_PKEY *key = golden_key("pub1024");
	struct cert *cert = NULL;
	X509 *x = X509_new();

	memset(comment, 'x', octets);
	comment[octets] = '\0';
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, comment);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"large", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 1000);
	X509_set_pubkey(x, key);
	assert_true(X509_add_ext(x, ext, -1) && X509_sign(x, key, EVP_sha256()));
	assert_ok(cert_from_x509(x, &cert, &e), &e);
	X509_EXTENSION_free(ext);
	X509_free(x);
	EVP_PKEY_free(key);
	return cert;
}

/* Two tokens and four nodes with certificates of this size. */
static void begin_large(size_t octets)
{
	plan_clear(&plan);
	begin(COMPOSE_10_0, 4, NULL);
	for (size_t i = 0; i < 4; i++) {
		struct cert *large = large_cert((long)i + 1, octets);

		cert_unref((struct cert *)(uintptr_t)plan.view.state->nodes[i].call_manager);
		plan.view.state->nodes[i].call_manager = large;
	}
	assert_ok(plan_add(&plan, &tokens[0], &e), &e);
	assert_ok(plan_add(&plan, &tokens[1], &e), &e);
	assert_ok(plan_compose(&plan, &e), &e);
}

static void sizes(void **state)
{
	size_t len;

	(void)state;
	begin_large(14000);
	assert_ok(plan_check(&plan, &e), &e);
	begin_large(15700);
	refused(plan_check(&plan, &e), ERR_LIMIT, "octets with its 6 certificates; phones load at most 65536");
	/* What phones would load and no message takes. */
	begin_large(14500);
	assert_ok(list_check(&plan.comp.spec, &len, &e), &e);
	assert_in_range(len, CTLP_FRAME_MAX + 1, LIST_PHONE_LIMIT);
	refused(plan_check(&plan, &e), ERR_LIMIT, "the CTL Provider takes at most 61");
}

/* Whatever a certificate or a server's name holds, the terminal gets no escape sequence. */
static void printed(void **state)
{
	char text[4096];
	FILE *out = tmpfile();
	struct shown long_one;

	(void)state;
	begin(COMPOSE_11_5, 1, NULL);
	snprintf(plan.view.state->addresses[0], sizeof(plan.view.state->addresses[0]), "a\x1b[31mb");
	assert_ok(plan_add(&plan, &tokens[0], &e), &e);
	assert_ok(plan_compose(&plan, &e), &e);
	plan_print(&plan, out);
	rewind(out);
	text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
	fclose(out);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "a\\x1b[31mb"));
	assert_non_null(strstr(text, "\nSystem Administrator Security Token a"));
	assert_non_null(strstr(text, "\nSecurity Token                      "));
	assert_string_equal(shown(&long_one, "O=Cisco Systems\\, Inc.\x1b[m"), "O=Cisco Systems\\, Inc.\\x1b[m");
	memset(text, '\\', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(shown(&long_one, text)), sizeof(long_one.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(room, setup, teardown),
		cmocka_unit_test_setup_teardown(removed, setup, teardown),
		cmocka_unit_test_setup_teardown(two_things, setup, teardown),
		cmocka_unit_test_setup_teardown(not_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(dates, setup, teardown),
		cmocka_unit_test_setup_teardown(updates, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(printed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
