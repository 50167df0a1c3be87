#include <sys/stat.h>

#include "cluster/node_fixture.h"

static struct node n; /* only its folder */
static struct err e;
static int fd;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_folder(&n);
	assert_ok(file_open_dir(AT_FDCWD, n.dir, &fd, &e), &e);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fd);
	assert_ok(folder_remove(AT_FDCWD, n.dir, &e), &e);
	assert_false(node_has(&n, ""));
	return 0;
}

static void test_make(void **state)
{
	struct stat st;
	int sub;

	(void)state;
	mode_t before = umask(077);
	assert_ok(folder_make(fd, "a", 0755, &sub, &e), &e);
	umask(before);
	assert_int_equal(fstat(sub, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	close(sub);
	/* What is there keeps its mode: the operator may have a reason. */
	assert_int_equal(fchmodat(fd, "a", 0750, 0), 0);
	assert_ok(folder_make(fd, "a", 0755, NULL, &e), &e);
	assert_int_equal(fstatat(fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_ok(file_replace(fd, "file", view_str("x"), 0644, &e), &e);
	assert_err(folder_make(fd, "file", 0755, NULL, &e), ERR_IO);
	err_clear(&e);
	assert_err(folder_make(fd, "no/such", 0755, NULL, &e), ERR_IO);
	err_clear(&e);
}

/* A link is removed, never what it points at. */
static void test_remove_follows_no_link(void **state)
{
	(void)state;
	assert_ok(folder_make(fd, "keep", 0755, NULL, &e), &e);
	assert_ok(file_replace(fd, "keep/file", view_str("x"), 0644, &e), &e);
	assert_ok(folder_make(fd, "go", 0755, NULL, &e), &e);
	assert_ok(folder_make(fd, "go/deep", 0755, NULL, &e), &e);
	assert_ok(file_replace(fd, "go/deep/file", view_str("x"), 0644, &e), &e);
	assert_int_equal(symlinkat("../keep", fd, "go/link"), 0);
	assert_ok(folder_remove(fd, "go", &e), &e);
	assert_false(node_has(&n, "go"));
	assert_true(node_has(&n, "keep/file"));
	assert_ok(folder_remove(fd, "go", &e), &e);
	assert_int_equal(symlinkat("keep", fd, "link"), 0);
	assert_err(folder_remove(fd, "link", &e), ERR_IO);
	err_clear(&e);
	assert_true(node_has(&n, "keep/file"));
}

static int collect(void *ctx, const char *name)
{
	char *out = ctx;

	text_append(out, 64, strlen(out), "%s ", name);
	return strcmp(name, "c") == 0 ? 7 : 0;
}

static void test_each(void **state)
{
	char out[64] = "";

	(void)state;
	static const char *const names[] = { "d", "a", "c", "b" };
	for (int i = 0; i < 4; i++)
		assert_ok(file_replace(fd, names[i], view_str("x"), 0644, &e), &e);
	assert_int_equal(folder_each(fd, ".", collect, out, &e), 7);
	assert_string_equal(out, "a b c ");
	assert_err(folder_each(fd, "none", collect, out, &e), ERR_IO);
	err_clear(&e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_make), TEST(test_remove_follows_no_link), TEST(test_each) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
