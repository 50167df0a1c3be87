#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "server/listeners.h"

/*
 * Numbers that one process writes and the director reads, in shared memory that the supervisor makes before it forks: a
 * page for the supervisor and one for each worker, which unmaps the others'. They outlive the worker, so a restart
 * loses no count. What a worker writes is believed to be nothing but numbers.
 */
enum worker_stat {
	STAT_TFTP_REQUESTS, STAT_TFTP_COMPLETED, STAT_TFTP_NOT_FOUND, STAT_TFTP_REFUSED, STAT_TFTP_ABANDONED,
	STAT_TFTP_RETRANSMITTED, STAT_TFTP_OCTETS, STAT_TFTP_CURRENT,
	STAT_HTTP_REQUESTS, STAT_HTTP_SERVED, STAT_HTTP_REFUSED, STAT_HTTP_TIMED_OUT,
	STAT_HTTPS_REQUESTS, STAT_HTTPS_SERVED, STAT_HTTPS_REFUSED, STAT_HTTPS_TIMED_OUT, STAT_HTTPS_TLS_FAILED,
	STAT_HTTPS_LEGACY_CONNECTIONS, STAT_HTTPS_LEGACY_TLS_FAILED,
	STAT_TVS_CONNECTIONS, STAT_TVS_VALID, STAT_TVS_INVALID, STAT_TVS_FOUND, STAT_TVS_NOT_FOUND, STAT_TVS_MALFORMED,
	STAT_TVS_TIMED_OUT, STAT_TVS_TLS_FAILED, STAT_TVS_CURRENT, STAT_TVS_LEGACY_CONNECTIONS, STAT_TVS_LEGACY_TLS_FAILED,
	STAT_CAPF_CONNECTIONS, STAT_CAPF_MALFORMED, STAT_CAPF_TIMED_OUT, STAT_CAPF_TLS_FAILED, STAT_CAPF_CURRENT,
	STAT_CAPF_LEGACY_CONNECTIONS, STAT_CAPF_LEGACY_TLS_FAILED,
	STAT_CTLP_CONNECTIONS, STAT_CTLP_MALFORMED, STAT_CTLP_TIMED_OUT, STAT_CTLP_TLS_FAILED, STAT_CTLP_CURRENT,
	STAT_CONNECTIONS, STAT_CONNECTIONS_REFUSED, STAT_CONNECTIONS_EVICTED, STAT_ACCEPT_PAUSES,
	STAT_COUNT
};
extern const char *const worker_stat_names[STAT_COUNT]; /* "tftp transfers completed" */

/* A gauge says what is now; the others count up and survive a restart of their worker. */
bool worker_stat_is_gauge(enum worker_stat s);

struct board_process {
	char name[24];              /* "keeper", "worker 0" */
	_Atomic pid_t pid;          /* 0: not running */
	_Atomic int64_t started_s;  /* Unix seconds */
	_Atomic uint32_t restarts;
};
#define BOARD_PROCESSES (LISTENERS_MAX_WORKERS + 6)

struct board;

int board_new(unsigned n_workers, struct board **b, struct err *e) MUST_CHECK;
void board_free(struct board *b);
/* 0 supervisor, 1 keeper, 2 director, 3 caller, 4 runner, 5 + n worker n */
struct board_process *board_process(struct board *b, unsigned i);
unsigned board_n_processes(const struct board *b);

/* board_keep_worker: in worker i, which from then on only has its own page. */
void board_keep_worker(struct board *b, unsigned worker);
/* board_report: in worker i: now[] are the counts since it started. */
void board_report(struct board *b, unsigned worker, const uint64_t now[STAT_COUNT]);

/* What the director last told worker i to serve (IPC_SERVICES): a new incarnation goes on with it. False: nothing yet. */
void board_set_services(struct board *b, unsigned worker, uint32_t services);
bool board_services(const struct board *b, unsigned worker, uint32_t *services);

void board_sum(const struct board *b, uint64_t sum[STAT_COUNT]); /* of all workers */
