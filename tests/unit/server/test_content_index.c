#include "testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/content_index.h"

static char root[64];
static int dir;

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/ringfence-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void touch(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static struct content_index *new_index(size_t max_names, unsigned max_folders)
{
	struct content_index *x;
	struct err e = ERR_INIT;

	assert_ok(content_index_new(dir, max_names, max_folders, &x, &e), &e);
	return x;
}

/*
 * The answer, and the name when it is FOUND. On a machine that is busy, reading a folder may take so long that the index
 * rests and answers from before the last change for a while: that passes.
 */
static void assert_find(struct content_index *x, const char *name, enum content_index_answer want, const char *actual)
{
	char got[PROVISION_NAME_MAX + 1] = "";
	enum content_index_answer answer = CONTENT_INDEX_NONE;

	for (int i = 0; i < 1000; i++) {
		answer = content_index_find(x, name, got);
		if (answer == want && (answer != CONTENT_INDEX_FOUND || strcmp(got, actual) == 0))
			return;
		usleep(10000);
	}
	fail_msg("%s: answer %d, name %s", name, answer, got);
}

static void assert_finds(struct content_index *x, const char *name, const char *actual)
{
	assert_find(x, name, CONTENT_INDEX_FOUND, actual);
}

static void assert_answer(struct content_index *x, const char *name, enum content_index_answer want)
{
	assert_find(x, name, want, "");
}

static void only_letters_may_differ(void **state)
{
	struct content_index *x = new_index(1000, 4);

	(void)state;
	touch("RingList.xml");
	touch(".Hidden");
	assert_int_equal(mkdirat(dir, "Folder", 0755), 0);
	assert_finds(x, "ringlist.XML", "RingList.xml");
	assert_finds(x, "RingList.xml", "RingList.xml");
	assert_answer(x, "ringlist.xm", CONTENT_INDEX_NONE);
	assert_answer(x, "ringlist.xmlx", CONTENT_INDEX_NONE);
	assert_answer(x, "ringlist_xml", CONTENT_INDEX_NONE);
	assert_answer(x, "folder", CONTENT_INDEX_NONE);
	assert_answer(x, ".hidden", CONTENT_INDEX_NONE);
	assert_answer(x, "folder/a", CONTENT_INDEX_NONE);
	assert_answer(x, "RingList.xml/a", CONTENT_INDEX_NONE);
	content_index_free(x);
}

static void of_several_the_first_in_order(void **state)
{
	struct content_index *x = new_index(1000, 4);

	(void)state;
	touch("abc");
	touch("aBc");
	touch("ABc");
	assert_finds(x, "ABC", "ABc");
	unlinkat(dir, "ABc", 0);
	assert_finds(x, "ABC", "aBc");
	content_index_free(x);
}

static void many_names_and_folders(void **state)
{
	struct content_index *x = new_index(2000, 2);
	char name[64], want[64];

	(void)state;
	for (int f = 0; f < 5; f++) {
		snprintf(name, sizeof(name), "Folder%d", f);
		assert_int_equal(mkdirat(dir, name, 0755), 0);
		for (int i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "Folder%d/Name-%d.XML", f, i);
			touch(name);
		}
	}
	for (int i = 0; i < 500; i++) {
		for (int f = 0; f < (i < 3 ? 5 : 2); f++) { /* more folders than are kept, in turn */
			snprintf(name, sizeof(name), "Folder%d/nAME-%d.xml", f, i);
			snprintf(want, sizeof(want), "Folder%d/Name-%d.XML", f, i);
			assert_finds(x, name, want);
		}
	}
	content_index_free(x);
}

static void a_folder_that_is_too_large(void **state)
{
	struct content_index *x = new_index(10, 2);
	char name[64];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "Name%d", i);
		touch(name);
	}
	assert_finds(x, "name3", "Name3");
	touch("Name10");
	assert_answer(x, "name3", CONTENT_INDEX_UNKNOWN);
	unlinkat(dir, "Name10", 0);
	assert_finds(x, "name3", "Name3");
	content_index_free(x);
}

static void a_link_to_a_folder_outside(void **state)
{
	struct content_index *x = new_index(1000, 2);

	(void)state;
	assert_int_equal(symlinkat("/etc", dir, "out"), 0);
	assert_int_equal(mkdirat(dir, "Real", 0755), 0);
	touch("Real/File");
	assert_int_equal(symlinkat("Real", dir, "in"), 0);
	assert_answer(x, "out/PASSWD", CONTENT_INDEX_UNKNOWN);
	assert_finds(x, "in/file", "in/File");
	content_index_free(x);
}

#define index_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		index_test(only_letters_may_differ),
		index_test(of_several_the_first_in_order),
		index_test(many_names_and_folders),
		index_test(a_folder_that_is_too_large),
		index_test(a_link_to_a_folder_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
