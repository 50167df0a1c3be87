#include "../testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tempdir.h"
#include "base/file.h"
#include "server/place.h"

static struct tempdir folder;
static struct err e;
static struct place some;

static int setup(void **state)
{
	(void)state;
	e = ERR_INIT;
	tempdir_make(&folder);
	some = (struct place){view_str("KEY\n"), view_str("LEAF\nISSUER\n"), view_str("CA\n")};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(&folder);
	return 0;
}

static struct config_callcontrol config(enum callcontrol_adapter a)
{
	struct config_callcontrol c = {.adapter = a};

	snprintf(c.folder, sizeof(c.folder), "%s", folder.path);
	return c;
}

static void holds(const char *name, mode_t mode, const char *content)
{
	char path[512];
	uint8_t *data;
	struct stat st;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	assert_ok(file_read(AT_FDCWD, path, 4096, &data, &len, &e), &e);
	assert_string_equal((char *)data, content);
	free(data);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_layouts(void **state)
{
	bool changed = false;
	struct config_callcontrol c = config(CALLCONTROL_FREESWITCH);

	(void)state;
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	assert_true(changed);
	holds("agent.pem", 0600, "KEY\nLEAF\nISSUER\n");
	holds("cafile.pem", 0644, "CA\n");
	c = config(CALLCONTROL_FILES);
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	holds("ccm.crt", 0644, "LEAF\nISSUER\n");
	holds("ccm.key", 0600, "KEY\n");
	holds("ccm.pem", 0600, "KEY\nLEAF\nISSUER\n");
	holds("lsc-ca.pem", 0644, "CA\n");
}

/* Nothing is written that is right; what somebody has changed is put right. */
static void test_changes(void **state)
{
	struct config_callcontrol c = config(CALLCONTROL_ASTERISK);
	bool changed = false;
	char path[512];

	(void)state;
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	assert_true(changed);
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	assert_false(changed);
	snprintf(path, sizeof(path), "%s/ccm.key", folder.path);
	assert_int_equal(chmod(path, 0644), 0);
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	assert_true(changed);
	some.key = view_str("KEY 2\n");
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	assert_true(changed);
	holds("ccm.key", 0600, "KEY 2\n");
	/* A link is replaced, not followed. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("lsc-ca.pem", path), 0);
	assert_ok(place_files(&c, &some, &changed, &e), &e);
	holds("ccm.key", 0600, "KEY 2\n");
	holds("lsc-ca.pem", 0644, "CA\n");
}

static void test_refused(void **state)
{
	struct config_callcontrol c = config(CALLCONTROL_KAMAILIO);
	bool changed;

	(void)state;
	assert_int_equal(chmod(folder.path, 0777), 0);
	assert_err(place_files(&c, &some, &changed, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "written to by everybody"));
	assert_int_equal(chmod(folder.path, 0755), 0);
	err_clear(&e);
	snprintf(c.group, sizeof(c.group), "no-such-group-here");
	assert_err(place_files(&c, &some, &changed, &e), ERR_USAGE);
	err_clear(&e);
	c.group[0] = '\0';
	snprintf(c.folder, sizeof(c.folder), "%s/none", folder.path);
	assert_err(place_files(&c, &some, &changed, &e), ERR_IO);
	assert_non_null(strstr(e.text, "[callcontrol]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layouts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
