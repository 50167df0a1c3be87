#include "../testing.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/board.h"

/* A worker process that reports and ends. */
static void work(struct board *b, unsigned index, uint64_t served, uint64_t current)
{
	uint64_t now[STAT_COUNT] = {[STAT_HTTP_SERVED] = served, [STAT_CONNECTIONS] = current};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		board_keep_worker(b, index);
		board_report(b, index, now);
		board_set_services(b, index, 5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_counts_survive_gauges_do_not(void **state)
{
	struct board *b = NULL;
	struct err e = ERR_INIT;
	uint64_t sum[STAT_COUNT];
	uint32_t services;

	(void)state;
	assert_ok(board_new(2, &b, &e), &e);
	assert_false(board_services(b, 0, &services));
	work(b, 0, 10, 3);
	work(b, 1, 1, 1);
	board_sum(b, sum);
	assert_int_equal(sum[STAT_HTTP_SERVED], 11);
	assert_int_equal(sum[STAT_CONNECTIONS], 4);
	work(b, 0, 2, 0); /* its successor */
	board_sum(b, sum);
	assert_int_equal(sum[STAT_HTTP_SERVED], 13);
	assert_int_equal(sum[STAT_CONNECTIONS], 1);
	assert_true(board_services(b, 0, &services));
	assert_int_equal(services, 5);
	board_free(b);
}

static void test_names(void **state)
{
	struct board *b = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(board_new(2, &b, &e), &e);
	assert_int_equal(board_n_processes(b), 8);
	assert_string_equal(board_process(b, 0)->name, "supervisor");
	assert_string_equal(board_process(b, 6)->name, "worker 1");
	assert_string_equal(board_process(b, 7)->name, "mailer");
	for (int s = 0; s < STAT_COUNT; s++)
		assert_true(worker_stat_names[s] && strlen(worker_stat_names[s]) < 48);
	board_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_survive_gauges_do_not),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
