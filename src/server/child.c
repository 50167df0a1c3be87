#include "server/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define KEEP_MAX (LISTENERS_MAX_WORKERS + 2 * LISTEN_COUNT * CONFIG_MAX_ADDRS + 16)

struct keep {
	int fd[KEEP_MAX];
	size_t n;
};

static void keep(struct keep *k, int fd)
{
	if (fd > STDERR_FILENO && k->n < KEEP_MAX)
		k->fd[k->n++] = fd;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void close_others(struct keep *k)
{
	unsigned from = STDERR_FILENO + 1;

	qsort(k->fd, k->n, sizeof(k->fd[0]), by_number);
	for (size_t i = 0; i < k->n; i++) {
		if ((unsigned)k->fd[i] > from)
			close_range(from, (unsigned)k->fd[i] - 1, 0);
		from = (unsigned)k->fd[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static void close_foreign(const struct node *node, enum child_kind kind, unsigned index, int lock)
{
	struct keep k = {.n = 0};

	keep(&k, node->link);
	keep(&k, node->data_dir);
	switch (kind) {
	case CHILD_KEEPER:
		keep(&k, lock);
		keep(&k, node->keeper_director[0]);
		for (unsigned w = 0; w < node->n_workers; w++)
			keep(&k, node->keeper_worker[w][0]);
		keep(&k, node->keeper_runner[0]);
		break;
	case CHILD_DIRECTOR:
		keep(&k, lock);
		keep(&k, node->keeper_director[1]);
		keep(&k, node->director_mailer[0]);
		for (unsigned w = 0; w < node->n_workers; w++)
			keep(&k, node->director_worker[w][0]);
		keep(&k, node->director_caller[0]);
		keep(&k, node->director_runner[0]);
		break;
	case CHILD_CALLER:
		keep(&k, node->director_caller[1]);
		break;
	case CHILD_RUNNER:
		keep(&k, node->director_runner[1]);
		keep(&k, node->keeper_runner[1]);
		break;
	case CHILD_MAILER:
		keep(&k, node->director_mailer[1]);
		break;
	case CHILD_WORKER:
		keep(&k, node->keeper_worker[index][1]);
		keep(&k, node->director_worker[index][1]);
		for (size_t i = 0; i < node->listeners->n; i++)
			keep(&k, node->listeners->l[i].fd[index]);
		break;
	}
	close_others(&k);
}

/* Ctrl-C reaches every process of the terminal, but it is the supervisor's to decide who ends and in which order. */
static void reset_signals(void)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGQUIT};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void child_enter(struct node *node, enum child_kind kind, unsigned index, int link, int lock)
{
	static const char *const names[] = {"keeper", "director", "caller", "runner", "worker", "mailer"};
	char comm[16];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	reset_signals();
	log_open(names[kind], node->log_level);
	snprintf(comm, sizeof(comm), kind == CHILD_WORKER ? "rf-%s-%u" : "rf-%s", names[kind], index);
	prctl(PR_SET_NAME, comm);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	node->link = link;
	close_foreign(node, kind, index, lock);
}

int child_drop(const struct node *node, enum child_kind kind, struct err *e)
{
	pid_t supervisor = getppid();
	bool stranger = kind == CHILD_WORKER || kind == CHILD_CALLER || kind == CHILD_MAILER;
	int rc = kind == CHILD_RUNNER ? privileges_drop_for_programs(&node->who, node->cfg.callcontrol.group, e) :
					privileges_drop(&node->who, stranger, e);

	if (rc < 0)
		return rc;
	/* After the change of user, which clears it. Every process may be killed at any moment: what it wrote is whole. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, ERR_IO, "PR_SET_PDEATHSIG");
	if (getppid() != supervisor || supervisor == 1)
		return err_set(e, ERR_CLOSED, "the supervisor has gone");
	return 0;
}

int child_ready(const struct node *node, struct err *e)
{
	struct ipc_msg m = {.type = IPC_READY};

	return ipc_send(node->link, &m, e);
}
