#include "cluster/phones_csv.h"

#include "cluster/phone_fixture.h"

static struct phones_import done;

static int import(const char *text)
{
	err_clear(&e);
	done = (struct phones_import){ 0 };
	return phones_import(node.cluster, "test", view_str(text), false, &done, &e);
}

static uint64_t phones(void)
{
	uint64_t n = 0;
	struct err why = ERR_INIT;

	assert_ok(store_device_count(node.store, &n, &why), &why);
	return n;
}

static char *export(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	err_clear(&e);
	assert_ok(phones_export(node.cluster, &(struct phones_filter){ 0 }, out, &e), &e);
	fclose(out);
	return text;
}

static void phones_are_added_and_changed(void **state)
{
	(void)state;
	assert_ok(import("device name,Description,MODEL,Device Security Mode,LSC Expires\r\n"
			 PHONE ",\"Lobby, east\",8861,encrypted,whenever\r\n"
			 "SEP001122334466,,,,\r\n"), &e);
	assert_int_equal(done.added, 2);
	assert_string_equal(phone().description, "Lobby, east");
	assert_int_equal(phone().transport, DEVICE_TLS);
	assert_string_equal(last_audit(), "test|phone import|phones||2 added, 0 changed, 0 as they were|done");
	assert_ok(import("Model,Device Name,Description\n8861," PHONE ",\n7970,SEP001122334466,\n"), &e);
	assert_int_equal(done.changed, 2);
	assert_string_equal(phone().description, "");
	assert_int_equal(phone().security, DEVICE_ENCRYPTED);
	assert_ok(import("Model,Device Name,Device Security Mode\n8861," PHONE ",\n"), &e);
	assert_int_equal(done.unchanged, 1);
}

static void all_or_nothing(void **state)
{
	static const struct {
		const char *text, *where;
		int class;
	} wrong[] = {
		{ "", "first line", ERR_PROTO },
		{ "Model\n8861\n", "'Device Name' must be", ERR_PROTO },
		{ "Device Name,Colour\n", "line 1, column 2: there is no column 'Colour'", ERR_PROTO },
		{ "Device Name,Model,model\n", "column 3", ERR_PROTO },
		{ "Device Name,Model\nSEP1,a\nSEP2\n", "line 3: 1 fields", ERR_PROTO },
		{ "Device Name\nSEP1\nSEP2\nSEP1\n", "line 4: phone SEP1 is in line 2 already", ERR_PROTO },
		{ "Device Name\nSEP1\n\"SEP2\n", "line 3", ERR_PROTO },
		{ "Device Name\nSEP1\nbad name\n", "line 3, phone bad name: a phone's name", ERR_USAGE },
		{ "Device Name,Key Order\nSEP1,RSA Only\nSEP2,RSA\n", "line 3, phone SEP2: Key Order cannot be 'RSA'", ERR_USAGE },
		{ "Device Name,CallManager Group\nSEP1,\nSEP2,nobody\n", "line 3, phone SEP2: nobody", ERR_USAGE },
		{ "Device Name,Authentication String\nSEP1,1234\n", "line 2, phone SEP1: an authentication string needs", ERR_USAGE },
		{ "Device Name,Description\nSEP1,x\nSEP2,\"a\nb\"\n", "line 3, phone SEP2", ERR_USAGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_err(import(wrong[i].text), wrong[i].class);
		if (!strstr(e.text, wrong[i].where))
			fail_msg("%zu: %s", i, e.text);
		assert_int_equal(phones(), 0);
		assert_non_null(strstr(last_audit(), "refused: "));
	}
}

static void a_rehearsal_keeps_nothing(void **state)
{
	char before[1024];

	(void)state;
	snprintf(before, sizeof(before), "%s", last_audit());
	done = (struct phones_import){ 0 };
	assert_ok(phones_import(node.cluster, "test", view_str("Device Name\nSEP1\nSEP2\n"), true, &done, &e), &e);
	assert_int_equal(done.added, 2);
	assert_int_equal(phones(), 0);
	assert_string_equal(last_audit(), before);
	assert_err(phones_import(node.cluster, "test", view_str("Device Name\nSEP1\nx\n"), true, &done, &e), ERR_USAGE);
}

static void an_export_is_an_import(void **state)
{
	(void)state;
	assert_ok(import("Device Name,Description,Key Order,Authentication Mode,Authentication String,Certificate Operation\n"
			 PHONE ",\"say \"\"hi\"\"\",\"EC Preferred, RSA Backup\",By Authentication String,84921,Install/Upgrade\n"
			 "SEP001122334466,,,,,Delete\n"), &e);
	assert_true(phone().has_string);
	char *first = export();
	assert_null(strstr(first, "84921"));
	assert_non_null(strstr(first, "\"say \"\"hi\"\"\""));
	node.now += 3600;
	assert_ok(import(first), &e);
	assert_int_equal(done.unchanged, 2);
	char *second = export();
	assert_string_equal(first, second);
	free(second);
	/* On a node without them, the phone that needs a string cannot be scheduled again by the file alone. */
	no_phones(NULL);
	assert_err(import(first), ERR_USAGE);
	assert_non_null(strstr(e.text, "has no authentication string"));
	free(first);
}

static void thousands_at_once(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fputs("Device Name,Model\r\n", out);
	for (int i = 0; i < 3000; i++)
		fprintf(out, "SEP%012X,8861\r\n", i);
	fclose(out);
	assert_ok(import(text), &e);
	assert_int_equal(done.added, 3000);
	assert_ok(import(text), &e);
	assert_int_equal(done.unchanged, 3000);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PHONE_TEST(phones_are_added_and_changed),
		PHONE_TEST(all_or_nothing),
		PHONE_TEST(a_rehearsal_keeps_nothing),
		PHONE_TEST(an_export_is_an_import),
		PHONE_TEST(thousands_at_once),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
