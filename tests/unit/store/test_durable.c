/* Processes that die and disks that fill: the store has the old state or the new one, and says which. */
#include "testing.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fixture.h"
#include "store/audit.h"
#include "store/generation.h"
#include "store/param.h"

static const struct store_param_key counter = {.name = "Counter"};

static long get_counter(struct store *s)
{
	struct err e = ERR_INIT;
	char *value = NULL;

	assert_ok(store_param_get(s, counter, &value, &e), &e);
	long n = value ? strtol(value, NULL, 10) : 0;
	free(value);
	return n;
}

/* Three tables that must agree: what a publication writes. */
static int write_all(struct store *s, long i, struct err *e)
{
	const struct store_generation g = {.number = (uint64_t)i, .digest = "SHA-1"};
	const struct store_audit a = {.time = i, .who = "test", .command = "publish", .outcome = "done"};
	char text[32];

	snprintf(text, sizeof(text), "%ld", i);
	int rc = store_param_set(s, counter, text, e);
	if (!rc)
		rc = store_generation_add(s, &g, e);
	return rc ? rc : store_audit_append(s, &a, e);
}

static void assert_agrees(struct store *s, long i)
{
	assert_int_equal(get_counter(s), i);
	assert_int_equal(query_number(s, "select count(*) from generation"), i);
	assert_int_equal(query_number(s, "select count(*) from audit"), i);
	assert_int_equal(query_number(s, "select count(*) from generation where tkgenerationstate = 1"), i > 0);
}

static _Noreturn void die(const char *what, const struct err *e)
{
	fprintf(stderr, "# child: %s: %s\n", what, e->text);
	_exit(1);
}

/* The child's life: transaction after transaction, each acknowledged on fd; waits within one when told to. */
static _Noreturn void write_for_ever(const char *dir, int fd, long from, bool stop_within)
{
	struct store *s = NULL;
	struct err e = ERR_INIT;

	if (store_open("sqlite:store.sqlite3", dir, 0, &s, &e))
		die("open", &e);
	for (long i = from;; i++) {
		if (store_begin(s, &e) || write_all(s, i, &e))
			die("write", &e);
		if (stop_within) {
			if (write(fd, &i, sizeof(i)) != sizeof(i))
				_exit(1);
			for (;;)
				pause();
		}
		if (store_commit(s, &e))
			die("commit", &e);
		if (write(fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

/* Run the child until it has spoken n times, then kill it. Returns the last that it said. */
static long run_and_kill(struct fixture *f, long from, bool stop_within, int n)
{
	long last = -1;
	int fd[2];
	int status;

	store_close(f->s); /* a connection must not cross fork() */
	f->s = NULL;
	assert_int_equal(pipe(fd), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(fd[0]);
		write_for_ever(f->dir, fd[1], from, stop_within);
	}
	close(fd[1]);
	for (int i = 0; i < n; i++)
		assert_int_equal(read(fd[0], &last, sizeof(last)), sizeof(last));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	for (long more; read(fd[0], &more, sizeof(more)) == sizeof(more);)
		last = more;
	close(fd[0]);
	f->s = open_store(f->dir, 0);
	return last;
}

static void a_writer_killed_within_a_transaction_changed_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_ok(write_all(f->s, 1, &e), &e);
	assert_int_equal(run_and_kill(f, 2, true, 1), 2);
	assert_agrees(f->s, 1);
	assert_ok(write_all(f->s, 2, &e), &e);
	assert_agrees(f->s, 2);
}

static void a_writer_killed_at_any_moment_leaves_whole_transactions(void **state)
{
	struct fixture *f = *state;
	long have = 0;

	for (int round = 0; round < 20; round++) {
		long said = run_and_kill(f, have + 1, false, 1 + round % 3);
		have = get_counter(f->s);
		assert_true(have == said || have == said + 1); /* what was acknowledged is there */
		assert_agrees(f->s, have);
	}
}

static void a_killed_creator_leaves_no_half_schema(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 10; round++) {
		struct err e = ERR_INIT;
		struct store *s = NULL;
		char url[32];
		int status;
		snprintf(url, sizeof(url), "sqlite:new-%d.sqlite3", round);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(store_open(url, f->dir, STORE_CREATE, &s, &e) ? 1 : 0);
		usleep((useconds_t)round * 1500);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		/* with the flag, what the dead one began is finished */
		assert_ok(store_open(url, f->dir, STORE_CREATE, &s, &e), &e);
		assert_int_equal(query_number(s, "select count(*) from typecertificateservice"), 22);
		store_close(s);
	}
}

/* Write parameters of 4000 octets until it fails. */
static int fill(struct store *s, struct err *e)
{
	char value[4001];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 5000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "Filler %d", i);
		int rc = store_param_set(s, (struct store_param_key){.name = name}, value, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* What must hold when the space under the store is used up; enlarge makes room again. */
static void check_full(struct fixture *f, void (*enlarge)(struct fixture *f))
{
	struct err e = ERR_INIT;

	assert_ok(write_all(f->s, 1, &e), &e);
	assert_ok(store_begin(f->s, &e), &e);
	assert_ok(write_all(f->s, 2, &e), &e);
	assert_err(fill(f->s, &e), ERR_STORE);
	assert_true(e.sys_errno != 0);
	struct err later = ERR_INIT;
	int rc = write_all(f->s, 3, &later); /* whether it was abandoned or not, nothing half may stay */
	assert_true(rc == 0 || rc == ERR_STORE || rc == ERR_USAGE);
	store_rollback(f->s);
	assert_agrees(f->s, 1);
	assert_int_equal(query_number(f->s, "select count(*) from processconfig"), 1);

	err_clear(&e);
	assert_err(fill(f->s, &e), ERR_STORE); /* each in a transaction of its own */
	assert_agrees(f->s, 1);

	enlarge(f);
	err_clear(&e);
	assert_ok(write_all(f->s, 2, &e), &e);
	assert_agrees(f->s, 2);
	reopen(f);
	assert_agrees(f->s, 2);
}

static void lift_limit(struct fixture *f)
{
	struct rlimit r;

	(void)f;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = r.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void a_file_that_may_not_grow_keeps_the_old_state(void **state)
{
	struct fixture *f = *state;
	struct rlimit r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
	r.rlim_cur = 600 * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
	check_full(f, lift_limit);
	signal(SIGXFSZ, SIG_DFL);
}

static int lift_in_teardown(void **state)
{
	lift_limit(*state);
	return fixture_drop(state);
}

static void grow_disk(struct fixture *f)
{
	assert_int_equal(mount("none", f->dir, "tmpfs", MS_REMOUNT, "size=32m"), 0);
}

static void a_full_disk_keeps_the_old_state(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	struct err e = ERR_INIT;

	/* A file system of our own in a mount namespace of our own. */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		SKIP_TEST("a file system of its own needs root");
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(mount("none", f->dir, "tmpfs", 0, "size=1m,mode=0700"), 0);
	f->s = open_store(f->dir, STORE_CREATE);
	check_full(f, grow_disk);

	/* no room for a new store: none is left behind */
	assert_int_equal(mount("none", f->dir, "tmpfs", 0, "size=64k,mode=0700"), 0);
	assert_err(store_open("sqlite:new.sqlite3", f->dir, STORE_CREATE, &s, &e), ERR_STORE);
	char path[128];
	snprintf(path, sizeof(path), "%s/new.sqlite3", f->dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(umount(f->dir), 0);
	store_close(f->s);
	f->s = NULL;
	assert_int_equal(umount(f->dir), 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_writer_killed_within_a_transaction_changed_nothing),
		WITH_STORE(a_writer_killed_at_any_moment_leaves_whole_transactions),
		WITH_STORE(a_killed_creator_leaves_no_half_schema),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_keeps_the_old_state, fixture_make,
						lift_in_teardown),
		WITH_STORE(a_full_disk_keeps_the_old_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
