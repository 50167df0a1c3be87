#include "server/board.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *const worker_stat_names[STAT_COUNT] = {
	[STAT_TFTP_REQUESTS] = "tftp requests",
	[STAT_TFTP_COMPLETED] = "tftp transfers completed",
	[STAT_TFTP_NOT_FOUND] = "tftp files not found",
	[STAT_TFTP_REFUSED] = "tftp requests refused",
	[STAT_TFTP_ABANDONED] = "tftp transfers abandoned by the client",
	[STAT_TFTP_RETRANSMITTED] = "tftp packets sent again",
	[STAT_TFTP_OCTETS] = "tftp octets sent",
	[STAT_TFTP_CURRENT] = "tftp transfers now",
	[STAT_HTTP_REQUESTS] = "http requests",
	[STAT_HTTP_SERVED] = "http files served",
	[STAT_HTTP_REFUSED] = "http requests refused",
	[STAT_HTTP_TIMED_OUT] = "http connections timed out",
	[STAT_HTTPS_REQUESTS] = "https requests",
	[STAT_HTTPS_SERVED] = "https files served",
	[STAT_HTTPS_REFUSED] = "https requests refused",
	[STAT_HTTPS_TIMED_OUT] = "https connections timed out",
	[STAT_HTTPS_TLS_FAILED] = "https handshakes failed",
	[STAT_HTTPS_LEGACY_CONNECTIONS] = "https legacy connections",
	[STAT_HTTPS_LEGACY_TLS_FAILED] = "https legacy handshakes failed",
	[STAT_TVS_CONNECTIONS] = "tvs connections",
	[STAT_TVS_VALID] = "tvs verify requests answered valid",
	[STAT_TVS_INVALID] = "tvs verify requests answered invalid",
	[STAT_TVS_FOUND] = "tvs query requests answered found",
	[STAT_TVS_NOT_FOUND] = "tvs query requests answered not found",
	[STAT_TVS_MALFORMED] = "tvs requests malformed",
	[STAT_TVS_TIMED_OUT] = "tvs connections timed out",
	[STAT_TVS_TLS_FAILED] = "tvs handshakes failed",
	[STAT_TVS_CURRENT] = "tvs connections now",
	[STAT_TVS_LEGACY_CONNECTIONS] = "tvs legacy connections",
	[STAT_TVS_LEGACY_TLS_FAILED] = "tvs legacy handshakes failed",
	[STAT_CAPF_CONNECTIONS] = "capf connections",
	[STAT_CAPF_MALFORMED] = "capf messages malformed",
	[STAT_CAPF_TIMED_OUT] = "capf connections timed out",
	[STAT_CAPF_TLS_FAILED] = "capf handshakes failed",
	[STAT_CAPF_CURRENT] = "capf connections now",
	[STAT_CAPF_LEGACY_CONNECTIONS] = "capf legacy connections",
	[STAT_CAPF_LEGACY_TLS_FAILED] = "capf legacy handshakes failed",
	[STAT_CTLP_CONNECTIONS] = "ctl-provider connections",
	[STAT_CTLP_MALFORMED] = "ctl-provider messages malformed",
	[STAT_CTLP_TIMED_OUT] = "ctl-provider connections timed out",
	[STAT_CTLP_TLS_FAILED] = "ctl-provider handshakes failed",
	[STAT_CTLP_CURRENT] = "ctl-provider connections now",
	[STAT_CONNECTIONS] = "connections now",
	[STAT_CONNECTIONS_REFUSED] = "connections refused by their address's share",
	[STAT_CONNECTIONS_EVICTED] = "idle connections closed to make room",
	[STAT_ACCEPT_PAUSES] = "pauses without descriptors",
};

bool worker_stat_is_gauge(enum worker_stat s)
{
	return s == STAT_TFTP_CURRENT || s == STAT_TVS_CURRENT || s == STAT_CAPF_CURRENT || s == STAT_CTLP_CURRENT ||
	       s == STAT_CONNECTIONS;
}

#define SERVICES_KNOWN (UINT64_C(1) << 32)

struct worker_page {
	uint64_t before[STAT_COUNT];       /* of earlier incarnations */
	_Atomic uint64_t total[STAT_COUNT]; /* with this one's */
	_Atomic uint64_t services;         /* SERVICES_KNOWN and the bits */
};

struct board {
	size_t page;             /* octets of one worker's */
	unsigned n_workers;
	struct board_process *processes;
	uint8_t *workers;
};

static struct worker_page *worker_page(const struct board *b, unsigned worker)
{
	return (struct worker_page *)(b->workers + worker * b->page);
}

static void *map_shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int board_new(unsigned n_workers, struct board **b, struct err *e)
{
	struct board *got = calloc(1, sizeof(*got));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for counters");
	got->page = (sizeof(struct worker_page) + page - 1) / page * page;
	got->n_workers = n_workers;
	got->processes = map_shared(sizeof(*got->processes) * BOARD_PROCESSES);
	got->workers = map_shared(got->page * n_workers);
	if (!got->processes || !got->workers) {
		board_free(got);
		return err_set(e, ERR_NOMEM, "no memory for counters");
	}
	snprintf(got->processes[0].name, sizeof(got->processes[0].name), "supervisor");
	snprintf(got->processes[1].name, sizeof(got->processes[1].name), "keeper");
	snprintf(got->processes[2].name, sizeof(got->processes[2].name), "director");
	snprintf(got->processes[3].name, sizeof(got->processes[3].name), "caller");
	snprintf(got->processes[4].name, sizeof(got->processes[4].name), "runner");
	for (unsigned i = 0; i < n_workers; i++)
		snprintf(got->processes[5 + i].name, sizeof(got->processes[0].name), "worker %u", i);
	snprintf(got->processes[5 + n_workers].name, sizeof(got->processes[0].name), "mailer");
	*b = got;
	return 0;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	if (b->processes)
		munmap(b->processes, sizeof(*b->processes) * BOARD_PROCESSES);
	if (b->workers)
		munmap(b->workers, b->page * b->n_workers);
	free(b);
}

struct board_process *board_process(struct board *b, unsigned i)
{
	return &b->processes[i];
}

unsigned board_n_processes(const struct board *b)
{
	return b->n_workers + 6;
}

void board_keep_worker(struct board *b, unsigned worker)
{
	munmap(b->processes, sizeof(*b->processes) * BOARD_PROCESSES);
	b->processes = NULL;
	for (unsigned i = 0; i < b->n_workers; i++)
		if (i != worker)
			munmap(worker_page(b, i), b->page);
	for (int s = 0; s < STAT_COUNT; s++)
		worker_page(b, worker)->before[s] = atomic_load(&worker_page(b, worker)->total[s]);
}

void board_report(struct board *b, unsigned worker, const uint64_t now[STAT_COUNT])
{
	struct worker_page *p = worker_page(b, worker);

	for (int s = 0; s < STAT_COUNT; s++)
		atomic_store_explicit(&p->total[s], (worker_stat_is_gauge((enum worker_stat)s) ? 0 : p->before[s]) + now[s],
				      memory_order_relaxed);
}

void board_set_services(struct board *b, unsigned worker, uint32_t services)
{
	atomic_store(&worker_page(b, worker)->services, SERVICES_KNOWN | services);
}

bool board_services(const struct board *b, unsigned worker, uint32_t *services)
{
	uint64_t got = atomic_load(&worker_page(b, worker)->services);

	*services = (uint32_t)got;
	return (got & SERVICES_KNOWN) != 0;
}

void board_sum(const struct board *b, uint64_t sum[STAT_COUNT])
{
	for (int s = 0; s < STAT_COUNT; s++) {
		sum[s] = 0;
		for (unsigned i = 0; i < b->n_workers; i++)
			sum[s] += atomic_load_explicit(&worker_page(b, i)->total[s], memory_order_relaxed);
	}
}
