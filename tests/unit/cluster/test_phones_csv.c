#include "cluster/phones_csv.h"

#include "cluster/phone_fixture.h"
#include "store/group.h"

static struct phones_import done;
static struct notes notes;
static unsigned steps;

/* ms: of a step; 0: a row in each. */
static int import_in_steps(const char *text, bool dry_run, uint64_t ms)
{
	struct phones_import_job *job;
	bool over = false;

	err_clear(&e);
	assert_ok(phones_import_new(node.cluster, "test", view_str(text), dry_run, &job, &e), &e);
	int rc = 0;
	for (steps = 0; !rc && !over; steps++)
		rc = phones_import_step(job, ms, &over, &e);
	done = *phones_import_done(job);
	notes_clear(&notes);
	assert_ok(phones_import_notes(job, &notes, NULL), &e);
	phones_import_free(job);
	return rc;
}

static int import(const char *text)
{
	err_clear(&e);
	return import_in_steps(text, false, 60000);
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
	phones_export_head(out);
	assert_ok(phones_list(node.cluster, &(struct phones_filter){ 0 }, phones_export_row, out, &e), &e);
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
		{ "Device Name,Model\nSEP000000000001,a\nSEP000000000002\n", "line 3: 1 fields", ERR_PROTO },
		{ "Device Name\nSEP000000000001\nSEP000000000002\nSEP000000000001\n", "line 4: phone SEP000000000001 is in line 2 already", ERR_PROTO },
		{ "Device Name\nSEP000000000001\n\"SEP000000000002\n", "line 3", ERR_PROTO },
		{ "Device Name\nSEP000000000001\nbad name\n", "line 3, phone bad name: a phone's name", ERR_USAGE },
		{ "Device Name,Key Order\nSEP000000000001,RSA Only\nSEP000000000002,RSA\n", "line 3, phone SEP000000000002: Key Order cannot be 'RSA'", ERR_USAGE },
		{ "Device Name,CallManager Group\nSEP000000000001,\nSEP000000000002,nobody\n", "line 3, phone SEP000000000002: nobody", ERR_USAGE },
		{ "Device Name,Authentication String\nSEP000000000001,1234\n", "line 2, phone SEP000000000001: an authentication string needs", ERR_USAGE },
		{ "Device Name,Description\nSEP000000000001,x\nSEP000000000002,\"a\nb\"\n", "line 3, phone SEP000000000002", ERR_USAGE },
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
	assert_ok(import_in_steps("Device Name\nSEP000000000001\nSEP000000000002\n", true, 0), &e);
	assert_int_equal(done.added, 2);
	assert_int_equal(phones(), 0);
	assert_string_equal(last_audit(), before);
	assert_err(import_in_steps("Device Name\nSEP000000000001\nx\n", true, 0), ERR_USAGE);
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
	assert_ok(import(first), &e);
	assert_int_equal(done.added, 2);
	assert_int_equal(phone().operation, DEVICE_NO_OPERATION);
	assert_string_equal(phone().status, DEVICE_STATUS_NONE);
	assert_int_equal(notes.n, 1);
	assert_memory_equal(notes.text[0], "Line 2: ", 8);
	/* And an export that lay about for a while. */
	no_phones(NULL);
	node.now += 366 * 86400;
	assert_ok(import(first), &e);
	assert_memory_equal(notes.text[0], "Lines 2, 3: ", 12);
	free(first);
}

static void names_are_those_of_phones(void **state)
{
	(void)state;
	assert_ok(import("Device Name\nsepaabbccddeeff\nCSFalice.b\nata0011223344aa\n"), &e);
	assert_ok(import("Device Name,Model\nSEPAABBCCDDEEFF,8861\nSEPaabbccddee00,8861\n"), &e);
	assert_int_equal(done.added, 1);
	assert_int_equal(done.changed, 1);
	assert_err(import("Device Name\nSEPAABBCCDDEEFF\nSEPaabbccddeeff\n"), ERR_PROTO);
	assert_non_null(strstr(e.text, "line 3: phone SEPAABBCCDDEEFF is in line 2 already"));
	assert_err(import("Device Name\nSEPAABBCCDDEEG0\n"), ERR_USAGE);
	assert_non_null(strstr(e.text, "12 hex digits"));
	/* What an older release took is still what it is. */
	err_clear(&e);
	assert_ok(store_device_add(node.store, &(struct store_device){ .name = "SEPaabbccddeeff" }, &e), &e);
	char *text = export();
	assert_ok(import(text), &e);
	assert_int_equal(done.unchanged, 5);
	free(text);
}

/* In steps of a row, with others in between. */
static void in_steps(void **state)
{
	static const char text[] = "Device Name,CallManager Group\nSEP000000000001,\nSEP000000000002,West\n";
	const struct store_group g = { .name = "West" };
	struct phones_import_job *job;
	bool over = false;

	(void)state;
	assert_ok(store_group_put(node.store, &g, &e), &e);
	assert_ok(import_in_steps(text, true, 0), &e);
	assert_int_equal(done.added, 2);
	assert_ok(phones_import_new(node.cluster, "test", view_str(text), false, &job, &e), &e);
	while (phones() == 0)
		assert_ok(phones_import_step(job, 0, &over, &e), &e);
	assert_false(over);
	assert_int_equal(phones(), 1);
	assert_int_equal(phones_import_done(job)->added, 1);
	/* What the rest needs is gone meanwhile. */
	assert_ok(store_group_delete(node.store, "West", &e), &e);
	assert_err(phones_import_step(job, 0, &over, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "1 phones were added and 0 changed before this, and stay"));
	assert_non_null(strstr(e.text, "line 3, phone SEP000000000002"));
	phones_import_free(job);
	assert_string_equal(last_audit(), "test|phone import|phones||1 added, 0 changed, 0 as they were|"
			    "stopped: the rest of the file was not imported");
	assert_int_equal(phones(), 1);
	/* Again, when that is mended: what is there already stays. */
	assert_ok(store_group_put(node.store, &g, &e), &e);
	assert_ok(import_in_steps(text, false, 0), &e);
	assert_true(steps > 6);
	assert_int_equal(done.added, 1);
	assert_int_equal(done.unchanged, 1);
	assert_string_equal(last_audit(), "test|phone import|phones||1 added, 0 changed, 1 as they were|done");
	no_phones(NULL);
	assert_ok(store_group_delete(node.store, "West", &e), &e);
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
		PHONE_TEST(names_are_those_of_phones),
		PHONE_TEST(in_steps),
		PHONE_TEST(thousands_at_once),
	};

	return cmocka_run_group_tests(tests, phones_setup, phones_teardown);
}
