#include "cluster/phones.h"

#include "cluster/param.h"
#include "cluster/phone_fixture.h"
#include "cluster/phone_string.h"

static void a_phone_begins_with_the_defaults(void **state)
{
	(void)state;
	add_phone();
	struct store_device d = phone();
	assert_int_equal(d.security, DEVICE_NON_SECURE);
	assert_int_equal(d.transport, DEVICE_TCP_UDP);
	assert_int_equal(d.auth, DEVICE_AUTH_NULL);
	assert_int_equal(d.operation, DEVICE_NO_OPERATION);
	assert_int_equal(d.rsa_bits, 2048);
	assert_int_equal(d.ec_bits, 384);
	assert_string_equal(d.status, "None");
	assert_non_null(strstr(last_audit(), "test|phone add|phone " PHONE "|"));
	assert_err(phones_add(node.cluster, "test", PHONE, NULL, 0, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(last_audit(), "refused: there is a phone " PHONE " already"));
}

static void names_are_checked(void **state)
{
	static const char *const wrong[] = { "", "csfalice", "SEP", "SEP0011\n", "SEP../x", "../SEP1", "SEP00112233445",
						 "SEP0011223344556", "SEP00112233445G", "ATA001122", "SEP 01122334455" };
	struct store_device d;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err_clear(&e);
		assert_err(phones_add(node.cluster, "test", wrong[i], NULL, 0, NULL, &e), ERR_USAGE);
	}
	assert_null(strchr(last_audit(), '\n'));
	err_clear(&e);
	assert_err(phones_add(node.cluster, "test", "sep0011223344", NULL, 0, NULL, &e), ERR_USAGE);
	assert_string_equal(e.text, "'SEP0011223344' is no phone's name: behind SEP stand the 12 hex digits of its MAC address, and "
			    "here are 10");
	/* In any case it is one phone. */
	err_clear(&e);
	assert_ok(phones_add(node.cluster, "test", "SEPaabbccddeeff", NULL, 0, NULL, &e), &e);
	assert_non_null(strstr(last_audit(), "test|phone add|phone SEPAABBCCDDEEFF|"));
	assert_err(phones_add(node.cluster, "test", "sepAABBCCDDEEFF", NULL, 0, NULL, &e), ERR_USAGE);
	err_clear(&e);
	assert_ok(phones_get(node.cluster, "sepaabbccddeeff", &d, &e), &e);
	assert_string_equal(d.name, "SEPAABBCCDDEEFF");
	/* Records that are older than the rule are found by their own names, and first. */
	assert_ok(store_device_add(node.store, &(struct store_device){ .name = "SEPaabbccddeeff" }, &e), &e);
	assert_ok(store_device_add(node.store, &(struct store_device){ .name = "SEP12G" }, &e), &e);
	assert_ok(phones_set(node.cluster, "test", "SEP12G", &(struct phone_value){ PHONE_MODEL, "7970" }, 1, NULL, &e), &e);
	assert_ok(phones_delete(node.cluster, "test", "SEP12G", &e), &e);
	assert_ok(phones_delete(node.cluster, "test", "SEPaabbccddeeff", &e), &e);
	assert_non_null(strstr(last_audit(), "phone delete|phone SEPaabbccddeeff|"));
	assert_ok(phones_delete(node.cluster, "test", "SEPaabbccddeeff", &e), &e);
	assert_non_null(strstr(last_audit(), "phone delete|phone SEPAABBCCDDEEFF|"));
	assert_ok(phones_add(node.cluster, "test", "CSFalice.b-c_d", NULL, 0, NULL, &e), &e);
}

static void values_are_words_whatever_the_case(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_KEY_ORDER, "ec preferred, rsa backup"), &e);
	assert_int_equal(phone().key_order, DEVICE_EC_PREFERRED);
	assert_ok(set(PHONE_RSA_BITS, "4096"), &e);
	assert_int_equal(phone().rsa_bits, 4096);
	assert_ok(set(PHONE_AUTH, "By Existing Certificate (precedence to LSC)"), &e); /* AXL's spelling */
	assert_int_equal(phone().auth, DEVICE_AUTH_LSC);
	assert_ok(set(PHONE_ENCRYPT_CONFIG, "true"), &e);
	assert_true(phone().encrypt_config);
	assert_err(set(PHONE_RSA_BITS, "1536"), ERR_USAGE);
	assert_string_equal(e.text, "RSA Key Size cannot be '1536'; it is one of: '512', '1024', '2048', '3072', '4096'");
	assert_err(set(PHONE_GROUP, "nobody"), ERR_USAGE);
	assert_err(phones_set(node.cluster, "test", "SEP9", NULL, 0, NULL, &e), ERR_USAGE);
}

static void tls_goes_with_the_secure_modes(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_TRANSPORT, "UDP"), &e);
	assert_ok(set(PHONE_SECURITY, "Encrypted"), &e);
	assert_int_equal(phone().transport, DEVICE_TLS);
	assert_string_equal(last_audit(), "test|phone set|phone " PHONE "|Device Security Mode: Non Secure; Transport Type: UDP|"
					  "Device Security Mode: Encrypted; Transport Type: TLS|done");
	assert_err(set(PHONE_TRANSPORT, "TCP"), ERR_USAGE);
	assert_ok(set(PHONE_SECURITY, "Non Secure"), &e);
	assert_int_equal(phone().transport, DEVICE_TCP_UDP);
	assert_err(set(PHONE_TRANSPORT, "TLS"), ERR_USAGE);
}

static void an_operation_is_pending_and_expires(void **state)
{
	const int64_t day = 86400;

	(void)state;
	add_phone();
	assert_err(set(PHONE_COMPLETE_BY, "2026:12:24:18:00"), ERR_USAGE);
	assert_ok(set(PHONE_OPERATION, "install/upgrade"), &e);
	struct store_device d = phone();
	assert_int_equal(d.operation, DEVICE_INSTALL);
	assert_string_equal(d.status, "Operation Pending");
	assert_in_range(d.complete_by, NODE_NOW + 10 * day, NODE_NOW + 10 * day + 59);
	assert_int_equal(d.complete_by % 60, 0);

	assert_err(set(PHONE_COMPLETE_BY, "2020:12:24:18:00"), ERR_USAGE);
	assert_err(set(PHONE_COMPLETE_BY, "2026:02:30:18:00"), ERR_USAGE);
	assert_err(set(PHONE_COMPLETE_BY, "2026-12-24"), ERR_USAGE);
	assert_ok(set(PHONE_COMPLETE_BY, "2026:12:24:18:00"), &e);
	char text[64];
	d = phone();
	phone_field_text(&d, PHONE_COMPLETE_BY, text, sizeof(text));
	assert_string_equal(text, "2026:12:24:18:00");

	assert_ok(set(PHONE_OPERATION, "No Pending Operation"), &e);
	d = phone();
	assert_int_equal(d.complete_by, 0);
	assert_string_equal(d.status, "None");
	err_clear(&e);
	assert_ok(param_set(node.cluster, "test", PARAM_CAPF_EXPIRES, "3", NULL, &e), &e);
	assert_ok(set(PHONE_OPERATION, "Delete"), &e);
	assert_in_range(phone().complete_by, NODE_NOW + 3 * day, NODE_NOW + 3 * day + 59);
	assert_ok(param_set(node.cluster, "test", PARAM_CAPF_EXPIRES, "10", NULL, &e), &e);
}

/* behaviour.md 5.4: nothing would start the session. Whichever of the two is set last. */
static void a_secure_phone_is_not_asked_for_a_string(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_SECURITY, "Authenticated"), &e);
	assert_err(set(PHONE_AUTH, "By Authentication String"), ERR_USAGE);
	assert_non_null(strstr(e.text, "nobody is asked for the string"));
	assert_ok(set(PHONE_SECURITY, "Non Secure"), &e);
	assert_ok(set(PHONE_AUTH, "By Authentication String"), &e);
	assert_err(set(PHONE_SECURITY, "Encrypted"), ERR_USAGE);
	assert_int_equal(phone().security, DEVICE_NON_SECURE);
}

/* C-12: an operation is never scheduled with less than its authentication mode says. */
static void no_operation_without_its_string(void **state)
{
	(void)state;
	add_phone();
	err_clear(&e);
	assert_err(phones_string_set(node.cluster, "test", PHONE, "12345", &e), ERR_USAGE);
	assert_ok(set(PHONE_AUTH, "By Authentication String"), &e);
	assert_err(set(PHONE_OPERATION, "Install/Upgrade"), ERR_USAGE);
	assert_int_equal(phone().operation, DEVICE_NO_OPERATION);
	assert_ok(phones_string_set(node.cluster, "test", PHONE, "12345", &e), &e);
	assert_non_null(strstr(last_audit(), "a new authentication string"));
	assert_null(strstr(last_audit(), "12345"));
	assert_ok(set(PHONE_OPERATION, "Install/Upgrade"), &e);
	assert_true(phone().has_string);
	assert_ok(set(PHONE_OPERATION, "Troubleshoot"), &e); /* still the same string, still by string */
	assert_int_equal(phone().auth, DEVICE_AUTH_STRING);
	assert_true(phone().has_string);
	assert_ok(set(PHONE_OPERATION, "No Pending Operation"), &e);
	assert_false(phone().has_string);
	assert_err(set(PHONE_OPERATION, "Install/Upgrade"), ERR_USAGE);
	assert_int_equal(phone().auth, DEVICE_AUTH_STRING);

	assert_ok(phones_string_set(node.cluster, "test", PHONE, "12345", &e), &e);
	assert_ok(set(PHONE_AUTH, "By Null String"), &e);
	assert_false(phone().has_string);
}

static void strings_are_four_to_ten_digits(void **state)
{
	static const char *const wrong[] = { "", "123", "12345678901", "12a4", "-123", " 1234", "12 34" };
	char string[PHONE_STRING_MAX + 1] = "untouched";
	bool digits[10] = { false };

	(void)state;
	add_phone();
	assert_ok(set(PHONE_AUTH, "By Authentication String"), &e);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err_clear(&e);
		assert_err(phones_string_set(node.cluster, "test", PHONE, wrong[i], &e), ERR_USAGE);
	}
	err_clear(&e);
	assert_err(phones_string_generate(node.cluster, "test", PHONE, 3, string, &e), ERR_USAGE);
	assert_string_equal(string, "untouched");
	for (unsigned i = 0; i < 40; i++) {
		err_clear(&e);
		assert_ok(phone_string_random(&random_system, 10, string, sizeof(string), &e), &e);
		for (unsigned k = 0; k < 10; k++)
			digits[string[k] - '0'] = true;
	}
	for (unsigned i = 0; i < 10; i++) /* 400 draws: one of ten is missing once in 10^17 */
		assert_true(digits[i]);
	assert_ok(phones_string_generate(node.cluster, "test", PHONE, 8, string, &e), &e);
	assert_int_equal(strlen(string), 8);
	assert_int_equal(strspn(string, "0123456789"), 8);
}

static void a_derived_string_says_nothing_but_yes_or_no(void **state)
{
	char a[DEVICE_STRING_SIZE], b[DEVICE_STRING_SIZE];
	bool matches = true;

	(void)state;
	assert_ok(phone_string_derive(&random_system, view_str("12345"), a, &e), &e);
	assert_ok(phone_string_derive(&random_system, view_str("12345"), b, &e), &e);
	assert_string_not_equal(a, b);
	assert_null(strstr(a, "12345:"));
	assert_ok(phone_string_matches(view_str("12345"), a, &matches, &e), &e);
	assert_true(matches);
	assert_ok(phone_string_matches(view_str("12346"), a, &matches, &e), &e);
	assert_false(matches);
	assert_ok(phone_string_matches(view_str(""), a, &matches, &e), &e);
	assert_false(matches);
	for (size_t cut = strlen(a); cut--; ) {
		a[cut] = '\0';
		err_clear(&e);
		assert_err(phone_string_matches(view_str("12345"), a, &matches, &e), ERR_STORE);
	}
}

static void warnings_say_what_will_surprise(void **state)
{
	struct notes notes = NOTES_INIT;
	const struct phone_value v[] = {
		{ PHONE_SECURITY, "Encrypted" }, { PHONE_ENCRYPT_CONFIG, "True" }, { PHONE_KEY_ORDER, "EC Only" },
		{ PHONE_AUTH, "By Existing Certificate (Precedence to MIC)" }, { PHONE_OPERATION, "Install/Upgrade" },
	};
	static const char *const words[] = {
		"not in mixed mode", "only leads it to CAPF", "RSA keys only", "not seen to have a certificate",
		"'Endpoint Advanced Encryption Algorithms Support' is True",
	};

	(void)state;
	assert_ok(phones_add(node.cluster, "test", PHONE, v, 5, &notes, &e), &e);
	assert_int_equal(notes.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_non_null(strstr(notes.text[i], words[i]));
	notes_clear(&notes);
	assert_ok(phones_set(node.cluster, "test", PHONE, &(struct phone_value){ PHONE_DESCRIPTION, "x" }, 1, &notes, &e), &e);
	assert_int_equal(notes.n, 0); /* said once */
}

static void checking_changes_nothing(void **state)
{
	const struct phone_value secure = { PHONE_SECURITY, "Encrypted" };
	char before[1024];

	(void)state;
	snprintf(before, sizeof(before), "%s", last_audit());
	assert_ok(phones_check(node.cluster, PHONE_ADD, PHONE, NULL, 0, NULL, &e), &e);
	assert_err(phones_check(node.cluster, PHONE_SET, PHONE, NULL, 0, NULL, &e), ERR_USAGE);
	assert_string_equal(last_audit(), before);
	add_phone();
	snprintf(before, sizeof(before), "%s", last_audit());
	assert_ok(phones_check(node.cluster, PHONE_SET, PHONE, &secure, 1, NULL, &e), &e);
	assert_int_equal(phone().security, DEVICE_NON_SECURE);
	assert_err(phones_check(node.cluster, PHONE_STRING, PHONE, NULL, 0, NULL, &e), ERR_USAGE);
	assert_ok(set(PHONE_AUTH, "By Authentication String"), &e);
	assert_ok(phones_check(node.cluster, PHONE_STRING, PHONE, NULL, 0, NULL, &e), &e);
	assert_false(phone().has_string);
}

static void deleting_is_recorded(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_MODEL, "8861"), &e);
	assert_ok(phones_delete(node.cluster, "test", PHONE, &e), &e);
	assert_non_null(strstr(last_audit(), "Model: 8861"));
	assert_err(phones_delete(node.cluster, "test", PHONE, &e), ERR_USAGE);
	assert_non_null(strstr(last_audit(), "refused: there is no phone"));
}

static int count(void *ctx, const struct store_device *d)
{
	(void)d;
	++*(size_t *)ctx;
	return 0;
}

static size_t listed(const struct phones_filter *f)
{
	size_t n = 0;

	err_clear(&e);
	assert_ok(phones_list(node.cluster, f, count, &n, &e), &e);
	return n;
}

static void lists_are_filtered(void **state)
{
	(void)state;
	add_phone();
	assert_ok(set(PHONE_MODEL, "8861"), &e);
	assert_ok(phones_add(node.cluster, "test", "SEP001122334466", &(struct phone_value){ PHONE_SECURITY, "Encrypted" }, 1, NULL,
			     &e), &e);
	assert_int_equal(listed(&(struct phones_filter){ 0 }), 2);
	assert_int_equal(listed(&(struct phones_filter){ .name = "sep*55" }), 1);
	assert_int_equal(listed(&(struct phones_filter){ .model = "88*" }), 1);
	assert_int_equal(listed(&(struct phones_filter){ .security = "encrypted" }), 1);
	assert_int_equal(listed(&(struct phones_filter){ .security = "encrypted", .model = "88*" }), 0);
	assert_int_equal(listed(&(struct phones_filter){ .no_lsc = true }), 2);
	assert_int_equal(listed(&(struct phones_filter){ .lsc_expires_before = INT64_MAX }), 0);
	size_t n = 0;
	assert_err(phones_list(node.cluster, &(struct phones_filter){ .operation = "dance" }, count, &n, &e), ERR_USAGE);
}

static size_t contact(const char *name, const char *model)
{
	const struct phone_contact p = { .name = name, .model = model, .address = "10.1.2.3", .when = NODE_NOW };
	size_t created = 0;

	err_clear(&e);
	assert_ok(phones_contact(node.cluster, &p, 1, &created, &e), &e);
	return created;
}

/* Who would be left behind is named before the legacy listeners are switched off, five at most, and nobody else is. */
static void phones_with_old_tls(void **state)
{
	struct phone_contact p[7] = {{ 0 }};
	char names[7][16];
	struct notes notes = NOTES_INIT;
	size_t created;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		snprintf(names[i], sizeof(names[i]), "SEP00112233440%zu", i);
		p[i] = (struct phone_contact){ .name = names[i], .when = NODE_NOW, .old_tls = i != 3 };
	}
	assert_ok(phones_contact(node.cluster, p, 7, &created, &e), &e);
	assert_int_equal(created, 7);
	assert_int_equal(listed(&(struct phones_filter){ .old_tls = true }), 6);
	assert_ok(param_warnings(node.cluster, PARAM_LEGACY_TLS, "False", &notes, &e), &e);
	assert_int_equal(notes.n, 0); /* it is False already */
	assert_ok(param_set(node.cluster, "test", PARAM_LEGACY_TLS, "True", NULL, &e), &e);
	assert_ok(param_warnings(node.cluster, PARAM_LEGACY_TLS, "True", &notes, &e), &e);
	assert_int_equal(notes.n, 0);
	assert_ok(param_warnings(node.cluster, PARAM_LEGACY_TLS, "False", &notes, &e), &e);
	assert_int_equal(notes.n, 1);
	assert_non_null(strstr(notes.text[0], "6 phones were seen"));
	assert_non_null(strstr(notes.text[0], "SEP001122334402, SEP001122334404, SEP001122334405 ..."));
	assert_null(strstr(notes.text[0], "SEP001122334403"));
	notes_clear(&notes);
	assert_ok(param_set(node.cluster, "test", PARAM_LEGACY_TLS, "False", NULL, &e), &e);
}

static void a_phone_comes_by_itself(void **state)
{
	(void)state;
	assert_int_equal(contact(PHONE, "8861"), 1);
	assert_string_equal(phone().model, "8861");
	assert_string_equal(phone().last_address, "10.1.2.3");
	assert_int_equal(phone().last_seen, NODE_NOW);
	assert_string_equal(last_audit(), "ringfence|auto-registration|phone " PHONE "||first contact from 10.1.2.3|done");
	assert_int_equal(contact(PHONE, "7970"), 0);
	assert_string_equal(phone().model, "8861");
	assert_int_equal(contact("SEP00112233445", NULL), 0);
	assert_int_equal(contact("SEP../../../etc", NULL), 0);
	assert_int_equal(contact("SEP0011223344aa", NULL), 0);
	assert_int_equal(contact("SEP0011223344AA", "88\n61"), 1);
	assert_int_equal(listed(&(struct phones_filter){ .model = "88?61*" }), 0);
	assert_int_equal(listed(&(struct phones_filter){ 0 }), 2);
}

static void auto_registration_is_a_parameter(void **state)
{
	(void)state;
	assert_ok(param_set(node.cluster, "test", PARAM_AUTO_REGISTRATION_MAX, "1", NULL, &e), &e);
	assert_int_equal(contact("SEP000000000001", NULL), 1);
	assert_int_equal(contact("SEP000000000002", NULL), 0);
	assert_ok(param_set(node.cluster, "test", PARAM_AUTO_REGISTRATION_MAX, "100", NULL, &e), &e);
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	assert_int_equal(contact("SEP000000000002", NULL), 0);
	assert_ok(param_set(node.cluster, "test", PARAM_AUTO_REGISTRATION, "always", NULL, &e), &e);
	assert_int_equal(contact("SEP000000000002", NULL), 1);
	assert_ok(cluster_set_non_secure(node.cluster, "test", NULL, &e), &e);
	assert_ok(param_set(node.cluster, "test", PARAM_AUTO_REGISTRATION, AUTO_REGISTRATION_NEVER, NULL, &e), &e);
	assert_int_equal(contact("SEP000000000003", NULL), 0);
	assert_ok(param_set(node.cluster, "test", PARAM_AUTO_REGISTRATION, AUTO_REGISTRATION_NON_SECURE, NULL, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PHONE_TEST(a_phone_begins_with_the_defaults),
		PHONE_TEST(names_are_checked),
		PHONE_TEST(values_are_words_whatever_the_case),
		PHONE_TEST(tls_goes_with_the_secure_modes),
		PHONE_TEST(an_operation_is_pending_and_expires),
		PHONE_TEST(a_secure_phone_is_not_asked_for_a_string),
		PHONE_TEST(no_operation_without_its_string),
		PHONE_TEST(strings_are_four_to_ten_digits),
		PHONE_TEST(a_derived_string_says_nothing_but_yes_or_no),
		PHONE_TEST(warnings_say_what_will_surprise),
		PHONE_TEST(checking_changes_nothing),
		PHONE_TEST(deleting_is_recorded),
		PHONE_TEST(lists_are_filtered),
		PHONE_TEST(phones_with_old_tls),
		PHONE_TEST(a_phone_comes_by_itself),
		PHONE_TEST(auto_registration_is_a_parameter),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
