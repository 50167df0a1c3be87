#include "../testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "server/sandbox.h"

/* Two folders with a file each, and one that nobody was given. Each check runs in a process of its own. */
static char top[] = "/tmp/ringfence-sandbox-XXXXXX";
static int dir[3];

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(top));
	static const char *const names[] = {"a", "b", "other"};
	for (int i = 0; i < 3; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", top, names[i]);
		assert_ok(file_mkdir(AT_FDCWD, path, 0755, &e), &e);
		assert_ok(file_open_dir(AT_FDCWD, path, &dir[i], &e), &e);
		assert_ok(file_replace(dir[i], "file", view_str("x"), 0644, &e), &e);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"file", "new", "renamed"};
		for (int j = 0; j < 3; j++)
			unlinkat(dir[i], names[j], 0);
		close(dir[i]);
	}
	char path[128];
	static const char *const names[] = {"a", "b", "other"};
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", top, names[i]);
		rmdir(path);
	}
	return rmdir(top);
}

/* Exit status of a check, or minus the signal that ended it. */
static int run(int (*check)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(check());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#define STEP(n, condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			return (n);                                                                                    \
	} while (0)

static bool opens(int at, const char *name, int flags)
{
	int fd = openat(at, name, flags | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int check_worker(void)
{
	bool files = sandbox_landlock() > 0, calls = sandbox_filters_calls();
	int fd[2];

	STEP(1, socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	STEP(2, sandbox_worker(dir[0], dir[1], NULL) == 0);
	STEP(3, opens(dir[0], "file", O_RDONLY) && opens(dir[1], "file", O_RDONLY));
	STEP(4, !files || !opens(dir[2], "file", O_RDONLY));
	STEP(5, !files || !opens(AT_FDCWD, "/etc/passwd", O_RDONLY));
	STEP(6, !(files || calls) || (!opens(dir[0], "new", O_WRONLY | O_CREAT) && !opens(dir[0], "file", O_WRONLY)));
	STEP(7, !(files || calls) || unlinkat(dir[0], "file", 0) < 0);
	if (calls) {
		STEP(8, socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
		STEP(9, connect(fd[0], (struct sockaddr *)&(struct sockaddr_storage){.ss_family = AF_UNIX}, 2) < 0 &&
				errno == EPERM);
		STEP(10, fork() < 0 && errno == EPERM);
		STEP(11, mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
				 MAP_FAILED);
		STEP(12, kill(getppid(), 0) < 0 && errno == EPERM);
	}
	/* What it lives from. */
	STEP(13, send(fd[0], "x", 1, MSG_NOSIGNAL) == 1);
	STEP(14, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	return 0;
}

static void *thread_main(void *arg)
{
	return arg;
}

static int check_keeper(void)
{
	bool files = sandbox_landlock() > 0, calls = sandbox_filters_calls();
	struct err e = ERR_INIT;
	pthread_t t;

	STEP(1, sandbox_keeper(dir[0], NULL, NULL) == 0);
	/* Threads, and whole files in its folder. */
	STEP(2, pthread_create(&t, NULL, thread_main, NULL) == 0 && pthread_join(t, NULL) == 0);
	STEP(3, file_replace(dir[0], "new", view_str("y"), 0600, &e) == 0);
	STEP(4, opens(dir[0], "new", O_RDONLY) && unlinkat(dir[0], "new", 0) == 0);
	STEP(5, !files || (!opens(dir[1], "file", O_RDONLY) && !opens(dir[1], "new", O_WRONLY | O_CREAT)));
	if (calls) {
		STEP(6, socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
		STEP(7, fork() < 0);
	}
	return 0;
}

static int check_keeper_with_token(void)
{
	bool files = sandbox_landlock() > 0, calls = sandbox_filters_calls();
	const struct sandbox_token token = {.folders = {dir[1]}, .n_folders = 1, .sockets = SOCKETS_LOCAL};
	struct err e = ERR_INIT;

	STEP(1, sandbox_keeper(dir[0], &token, &e) == 0);
	STEP(2, opens(dir[1], "object", O_RDWR | O_CREAT) && unlinkat(dir[1], "object", 0) == 0);
	STEP(3, !files || !opens(dir[2], "file", O_RDONLY));
	STEP(4, socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	if (calls) {
		STEP(5, socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
		STEP(6, listen(0, 1) < 0 && errno == EPERM);
		STEP(7, fork() < 0);
	}
	return 0;
}

static int check_director(void)
{
	STEP(1, sandbox_director(NULL) == 0);
	STEP(2, opens(dir[2], "new", O_WRONLY | O_CREAT) && unlinkat(dir[2], "new", 0) == 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	STEP(3, fd >= 0);
	close(fd);
	return 0;
}

static int check_caller(void)
{
	bool files = sandbox_landlock() > 0;

	STEP(1, sandbox_caller(NULL) == 0);
	STEP(2, !files || (!opens(dir[0], "file", O_RDONLY) && !opens(AT_FDCWD, "/etc/passwd", O_RDONLY)));
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	STEP(3, fd >= 0);
	close(fd);
	if (sandbox_filters_calls()) {
		STEP(4, socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
		STEP(5, fork() < 0 && errno == EPERM);
	}
	return 0;
}

static int exec_as_caller(void)
{
	STEP(1, sandbox_caller(NULL) == 0);
	execl("/bin/true", "true", NULL);
	return 2;
}

static int exec_as_runner(void)
{
	STEP(1, sandbox_runner(true, NULL) == 0);
	STEP(2, !sandbox_filters_calls() || (syscall(SYS_unshare, 0) < 0 && errno == EPERM));
	execl("/bin/true", "true", NULL);
	return 2;
}

static int exec_as_idle_runner(void)
{
	STEP(1, sandbox_runner(false, NULL) == 0);
	execl("/bin/true", "true", NULL);
	return 2;
}

static int exec_as_worker(void)
{
	STEP(1, sandbox_worker(dir[0], dir[1], NULL) == 0);
	execl("/bin/true", "true", NULL);
	return 2;
}

static int exec_as_director(void)
{
	STEP(1, sandbox_director(NULL) == 0);
	execl("/bin/true", "true", NULL);
	return 2;
}

static void test_worker(void **state)
{
	(void)state;
	assert_int_equal(run(check_worker), 0);
}

static void test_keeper(void **state)
{
	(void)state;
	assert_int_equal(run(check_keeper), 0);
}

static void test_keeper_with_token(void **state)
{
	(void)state;
	assert_int_equal(run(check_keeper_with_token), 0);
}

static void test_director(void **state)
{
	(void)state;
	assert_int_equal(run(check_director), 0);
}

static void test_exec_is_deadly(void **state)
{
	(void)state;
	if (!sandbox_filters_calls())
		SKIP_TEST("a sanitizer needs calls that the filter forbids");
	assert_int_equal(run(exec_as_worker), -SIGSYS);
	assert_int_equal(run(exec_as_director), -SIGSYS);
	assert_int_equal(run(exec_as_caller), -SIGSYS);
	assert_int_equal(run(exec_as_idle_runner), -SIGSYS);
}

static void test_caller(void **state)
{
	(void)state;
	assert_int_equal(run(check_caller), 0);
}

static void test_runner_starts_programs(void **state)
{
	(void)state;
	assert_int_equal(run(exec_as_runner), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_keeper_with_token),
		cmocka_unit_test(test_director),
		cmocka_unit_test(test_caller),
		cmocka_unit_test(test_runner_starts_programs),
		cmocka_unit_test(test_exec_is_deadly),
	};
	printf("# Landlock ABI %d, system calls %s\n", sandbox_landlock(), sandbox_filters_calls() ? "filtered" : "not filtered");
	return cmocka_run_group_tests(tests, setup, teardown);
}
