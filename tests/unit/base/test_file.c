#include "tempdir.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

struct folder {
	struct tempdir dir;
	int fd;
};

static void folder_make(struct folder *f)
{
	struct err e = ERR_INIT;

	tempdir_make(&f->dir);
	assert_ok(file_open_dir(AT_FDCWD, f->dir.path, &f->fd, &e), &e);
}

static void folder_remove(struct folder *f)
{
	close(f->fd);
	tempdir_remove(&f->dir);
}

static void assert_holds(const struct folder *f, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	uint8_t *data;
	size_t len;

	assert_ok(file_read(f->fd, name, 100, &data, &len, &e), &e);
	assert_string_equal((char *)data, text);
	assert_int_equal(len, strlen(text));
	free(data);
}

static void a_file_is_replaced_whole(void **state)
{
	struct folder f;
	struct stat st;
	struct err e = ERR_INIT;

	(void)state;
	folder_make(&f);
	assert_ok(file_check_replace(f.fd, "a", &e), &e);
	assert_int_equal(fstatat(f.fd, "a", &st, 0), -1);
	assert_ok(file_replace(f.fd, "a", view_str("first"), 0640, &e), &e);
	assert_ok(fstatat(f.fd, "a", &st, 0), &e);
	assert_int_equal(st.st_mode & 0777, 0640);
	int old = openat(f.fd, "a", O_RDONLY);
	assert_ok(file_replace_unsynced(f.fd, "a", view_str("second"), 0600, &e), &e);
	assert_holds(&f, "a", "second");
	char was[6] = "";
	assert_int_equal(read(old, was, 5), 5); /* whoever has it open goes on reading what he opened */
	assert_string_equal(was, "first");
	close(old);
	folder_remove(&f);
}

static void what_cannot_be_written_stays(void **state)
{
	struct folder f;
	struct err e = ERR_INIT;

	(void)state;
	folder_make(&f);
	assert_int_equal(mkdirat(f.fd, "d", 0700), 0);
	assert_err(file_check_replace(f.fd, "d", &e), ERR_IO);
	assert_err(file_replace(f.fd, "d", view_str("x"), 0644, &e), ERR_IO);
	assert_err(file_check_replace(f.fd, "nowhere/a", &e), ERR_IO);
	assert_err(file_replace(f.fd, "nowhere/a", view_str("x"), 0644, &e), ERR_IO);
	assert_int_equal(unlinkat(f.fd, "d", AT_REMOVEDIR), 0);
	close(f.fd);
	assert_int_equal(rmdir(f.dir.path), 0); /* which fails when a temporary file was left */
}

static void *read_pipe(void *path)
{
	static char got[16];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	close(fd);
	return n == 5 ? got : NULL;
}

/* Replaced, they would be gone for everybody. */
static void devices_and_pipes_are_written_to(void **state)
{
	struct folder f;
	struct err e = ERR_INIT;
	char path[128];
	struct stat st;
	pthread_t reader;
	void *got;

	(void)state;
	folder_make(&f);
	assert_int_equal(symlinkat("/dev/null", f.fd, "link"), 0);
	assert_ok(file_check_replace(f.fd, "link", &e), &e);
	assert_ok(file_replace(f.fd, "link", view_str("x"), 0644, &e), &e);
	assert_int_equal(fstatat(f.fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));

	assert_int_equal(mkfifoat(f.fd, "pipe", 0600), 0);
	snprintf(path, sizeof(path), "%s/pipe", f.dir.path);
	assert_int_equal(pthread_create(&reader, NULL, read_pipe, path), 0);
	assert_ok(file_replace(f.fd, "pipe", view_str("hello"), 0644, &e), &e);
	pthread_join(reader, &got);
	assert_non_null(got);
	assert_string_equal(got, "hello");
	folder_remove(&f);
}

static void too_much_is_not_read(void **state)
{
	struct folder f;
	struct err e = ERR_INIT;
	uint8_t *data = NULL;
	size_t len;

	(void)state;
	folder_make(&f);
	assert_ok(file_replace(f.fd, "a", view_str("12345678"), 0600, &e), &e);
	assert_ok(file_read(f.fd, "a", 8, &data, &len, &e), &e);
	free(data);
	assert_err(file_read(f.fd, "a", 7, &data, &len, &e), ERR_LIMIT);
	assert_err(file_read(f.fd, "b", 7, &data, &len, &e), ERR_IO);
	folder_remove(&f);
}

static void nothing_outside_the_folder_is_opened(void **state)
{
	struct folder f;
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	folder_make(&f);
	assert_ok(file_replace(f.fd, "a", view_str("x"), 0600, &e), &e);
	assert_int_equal(symlinkat("a", f.fd, "inside"), 0);
	assert_int_equal(symlinkat("/etc/passwd", f.fd, "outside"), 0);
	assert_ok(file_open_beneath(f.fd, "inside", &fd, &e), &e);
	close(fd);
	assert_err(file_open_beneath(f.fd, "outside", &fd, &e), ERR_IO);
	assert_err(file_open_beneath(f.fd, "../../etc/passwd", &fd, &e), ERR_IO);
	assert_err(file_open_beneath(f.fd, ".", &fd, &e), ERR_IO);
	folder_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(what_cannot_be_written_stays),
		cmocka_unit_test(devices_and_pipes_are_written_to),
		cmocka_unit_test(too_much_is_not_read),
		cmocka_unit_test(nothing_outside_the_folder_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
