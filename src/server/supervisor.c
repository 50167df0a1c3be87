#include "server/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "server/callcontrol_check.h"
#include "server/child.h"
#include "server/notify.h"
#include "server/sandbox.h"

#define LOCK_WAIT_MS 3000        /* for the processes of a supervisor that was killed to end */
#define RESTART_FIRST_MS 50      /* before a process that died is started again; doubles while it keeps dying */
#define RESTART_MAX_MS 30000
#define RESTART_CALM_MS 10000    /* a process that lived this long did not keep dying */
#define STOP_WORKERS_MS 15000    /* longer than WORKER_DRAIN_MS */
#define STOP_DIRECTOR_MS 60000   /* a command runs to its end */
#define STOP_KEEPER_MS 5000
#define STOP_HELPERS_MS 5000
#define MAX_CHILDREN (LISTENERS_MAX_WORKERS + 5)
#define MAX_DRAINING 256

struct child {
	enum child_kind kind;
	unsigned index;          /* of a worker */
	node_main *main;
	struct board_process *seen;
	pid_t pid;               /* 0: does not run */
	int link;                /* our end, or -1 */
	bool ready, leaving, again;
	unsigned failures;
	uint64_t started_ms;
	uint64_t due_ms;         /* when to start it, while pid is 0 */
};

/* What is waited for while the node stops, one after the other. */
enum phase { PHASE_RUN, PHASE_WORKERS, PHASE_DIRECTOR, PHASE_CALLER, PHASE_RUNNER, PHASE_KEEPER, PHASE_END };

struct supervisor {
	struct node node;
	struct child children[MAX_CHILDREN];
	size_t n;
	pid_t draining[MAX_DRAINING]; /* workers that were replaced and finish what they send */
	size_t n_draining;
	int signals, lock;
	bool started;            /* every process has been ready once */
	bool announced;
	bool hup_stops;          /* a terminal that goes away takes the node with it */
	enum phase phase;
	uint64_t kill_ms;        /* when patience with the phase ends */
	int failed;
};

static uint64_t now_ms(void)
{
	return clock_mono_ms(&clock_system);
}

/* --- children --- */

/* A message into every channel of c that has another process at its other end. */
static void tell_peers(struct supervisor *s, const struct child *c, uint16_t type)
{
	struct ipc_msg m = {.type = type};
	struct node *n = &s->node;
	int fds[LISTENERS_MAX_WORKERS + 3];
	size_t k = 0;

	for (unsigned w = 0; w < n->n_workers && (c->kind == CHILD_KEEPER || c->kind == CHILD_DIRECTOR); w++)
		fds[k++] = c->kind == CHILD_KEEPER ? n->keeper_worker[w][0] : n->director_worker[w][0];
	switch (c->kind) {
	case CHILD_KEEPER:
		fds[k++] = n->keeper_director[0];
		fds[k++] = n->keeper_runner[0];
		break;
	case CHILD_DIRECTOR:
		fds[k++] = n->director_caller[0];
		fds[k++] = n->director_runner[0];
		fds[k++] = n->director_mailer[0];
		break;
	case CHILD_CALLER:
		fds[k++] = n->director_caller[1];
		break;
	case CHILD_RUNNER:
		fds[k++] = n->director_runner[1];
		break;
	case CHILD_WORKER:
		fds[k++] = n->director_worker[c->index][1];
		break;
	case CHILD_MAILER:
		fds[k++] = n->director_mailer[1];
		break;
	}
	for (size_t i = 0; i < k; i++) {
		/* A queue that is full belongs to a process that does not read; its calls time out. */
		int ignored = ipc_send_now(fds[i], &m, NULL);
		(void)ignored;
	}
}

static void start_child(struct supervisor *s, struct child *c)
{
	struct err e = ERR_INIT;
	int link[2];

	if (ipc_pair(link, &e) < 0) {
		log_error("cannot start the %s: %s", c->seen->name, e.text);
		c->due_ms = now_ms() + RESTART_MAX_MS;
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		child_enter(&s->node, c->kind, c->index, link[1], s->lock);
		_exit(c->main(&s->node, c->index)); /* what the supervisor has open or registered is not ours to end */
	}
	close(link[1]);
	if (pid < 0) {
		log_error("cannot start the %s: %s", c->seen->name, strerror(errno));
		close(link[0]);
		c->due_ms = now_ms() + RESTART_MAX_MS;
		return;
	}
	c->pid = pid;
	c->link = link[0];
	c->ready = c->leaving = false;
	c->started_ms = now_ms();
	if (c->again) {
		atomic_fetch_add(&c->seen->restarts, 1);
		tell_peers(s, c, IPC_RESTARTED);
	}
	c->again = true;
	atomic_store(&c->seen->pid, pid);
	atomic_store(&c->seen->started_s, clock_wall_s(&clock_system));
	log_debug("the %s is process %d", c->seen->name, (int)pid);
}

static void start_due(struct supervisor *s)
{
	for (size_t i = 0; i < s->n && s->phase == PHASE_RUN; i++)
		if (!s->children[i].pid && now_ms() >= s->children[i].due_ms)
			start_child(s, &s->children[i]);
}

static void close_link(struct child *c)
{
	if (c->link >= 0)
		close(c->link);
	c->link = -1;
}

/* The mailer comes and goes as a worker does, which it is but for what it works on. */
static bool is_kind(const struct child *c, enum child_kind kind)
{
	return c->kind == kind || (kind == CHILD_WORKER && c->kind == CHILD_MAILER);
}

static void signal_kind(const struct supervisor *s, enum child_kind kind, int sig)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_kind(&s->children[i], kind) && s->children[i].pid)
			kill(s->children[i].pid, sig);
}

static void begin_stop(struct supervisor *s)
{
	if (s->phase != PHASE_RUN)
		return;
	notify_manager("STOPPING=1");
	s->phase = PHASE_WORKERS;
	s->kill_ms = now_ms() + STOP_WORKERS_MS;
	signal_kind(s, CHILD_WORKER, SIGTERM);
}

/* What the director asks for on its loop, and can do without for a while. */
static bool is_helper(enum child_kind kind)
{
	return kind == CHILD_CALLER || kind == CHILD_RUNNER || kind == CHILD_MAILER;
}

static void describe_end(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "exit status %d", WEXITSTATUS(status));
}

/* A process ended by itself: start it again, later each time that it does not live. */
static void died(struct supervisor *s, struct child *c, int status)
{
	uint64_t lived = now_ms() - c->started_ms, wait = RESTART_FIRST_MS;
	char how[80];

	describe_end(status, how, sizeof(how));
	if (!s->started) {
		log_error("the %s ended before the node was ready: %s", c->seen->name, how);
		s->failed = ERR_IO;
		begin_stop(s);
		return;
	}
	c->failures = lived >= RESTART_CALM_MS ? 1 : c->failures + 1;
	for (unsigned i = 1; i < c->failures && wait < RESTART_MAX_MS; i++)
		wait *= 2;
	c->due_ms = now_ms() + wait;
	/* Who waits for one that died waits for its successor, and for none that does not live. */
	if (c->failures > 1 && is_helper(c->kind))
		tell_peers(s, c, IPC_ENDED);
	log_error("the %s (process %d) ended: %s; it is started again in %llu ms", c->seen->name, (int)c->pid, how,
		  (unsigned long long)wait);
}

static void child_ended(struct supervisor *s, struct child *c, int status)
{
	if (s->phase == PHASE_RUN && !c->leaving)
		died(s, c, status);
	else
		c->due_ms = 0;
	c->pid = 0;
	atomic_store(&c->seen->pid, 0);
	close_link(c);
}

static void forget_draining(struct supervisor *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_draining; i++)
		if (s->draining[i] == pid)
			s->draining[i--] = s->draining[--s->n_draining];
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		forget_draining(s, pid);
		for (size_t i = 0; i < s->n; i++)
			if (s->children[i].pid == pid)
				child_ended(s, &s->children[i], status);
	}
}

/* A worker that leaves closes its link when it has let go of sockets and channels: its successor may come. */
static void worker_let_go(struct supervisor *s, struct child *c)
{
	if (c->kind == CHILD_WORKER && c->leaving && s->n_draining < MAX_DRAINING) {
		s->draining[s->n_draining++] = c->pid;
		c->pid = 0;
		c->due_ms = 0;
	}
}

/* What is not activated or was stopped is bound, but does not answer. Workers are ready once they know. */
static void announce(struct supervisor *s)
{
	char where[120], status[2000];
	uint32_t services = UINT32_MAX;
	size_t used = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->children[i].ready)
			return;
	if (!board_services(s->node.board, 0, &services))
		services = UINT32_MAX;
	for (size_t i = 0; i < s->node.listeners->n; i++) {
		if (!(services & LISTEN_BIT(s->node.listeners->l[i].service)))
			continue;
		listener_text(&s->node.listeners->l[i], where, sizeof(where));
		used = text_append(status, sizeof(status), used, "%s%s", used ? ", " : "", where);
	}
	log_info("%s serves %s", s->node.cfg.node_name, used ? status : "nothing: every listener is off");
	notify_manager("READY=1\nSTATUS=serving");
	s->started = s->announced = true;
}

static void read_link(struct supervisor *s, struct child *c)
{
	static uint8_t buf[IPC_MAX];
	struct ipc_msg m;
	int rc = ipc_recv(c->link, buf, &m, NULL);

	if (rc == 0 && m.type == IPC_READY)
		c->ready = true;
	if (rc == ERR_CLOSED || rc == ERR_IO) {
		close_link(c);
		worker_let_go(s, c);
	}
	if (!s->announced && s->phase == PHASE_RUN)
		announce(s);
}

/* --- stopping --- */

static bool any_runs(const struct supervisor *s, enum child_kind kind)
{
	if (kind == CHILD_WORKER && s->n_draining)
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (is_kind(&s->children[i], kind) && s->children[i].pid)
			return true;
	return false;
}

/* Workers first, so that nobody asks the director any more; the director before the keeper it needs. */
static void stop_step(struct supervisor *s)
{
	static const enum child_kind kinds[] = {
		[PHASE_WORKERS] = CHILD_WORKER, [PHASE_DIRECTOR] = CHILD_DIRECTOR, [PHASE_CALLER] = CHILD_CALLER,
		[PHASE_RUNNER] = CHILD_RUNNER, [PHASE_KEEPER] = CHILD_KEEPER};
	static const unsigned patience[] = {
		[PHASE_DIRECTOR] = STOP_DIRECTOR_MS, [PHASE_CALLER] = STOP_HELPERS_MS, [PHASE_RUNNER] = STOP_HELPERS_MS,
		[PHASE_KEEPER] = STOP_KEEPER_MS, [PHASE_END] = 0};

	while (s->phase != PHASE_RUN && s->phase != PHASE_END && !any_runs(s, kinds[s->phase])) {
		s->phase++;
		s->kill_ms = now_ms() + patience[s->phase];
		if (s->phase != PHASE_END)
			signal_kind(s, kinds[s->phase], SIGTERM);
	}
	if (s->phase != PHASE_RUN && s->phase != PHASE_END && now_ms() >= s->kill_ms) {
		log_warn("processes that do not stop are killed");
		signal_kind(s, kinds[s->phase], SIGKILL);
		for (size_t i = 0; s->phase == PHASE_WORKERS && i < s->n_draining; i++)
			kill(s->draining[i], SIGKILL);
		s->kill_ms = now_ms() + STOP_KEEPER_MS;
	}
}

/* --- a new configuration --- */

static void log_mistake(void *ctx, const char *file, int line, const char *text)
{
	(void)ctx;
	if (line)
		log_error("%s:%d: %s", file, line, text);
	else
		log_error("%s", text);
}

static void replace(struct child *c)
{
	if (c->pid) {
		c->leaving = true;
		kill(c->pid, SIGTERM);
	}
	c->ready = false;
	c->due_ms = 0;
}

/* SIGHUP: addresses, folders, names. Processes are replaced, so that each begins with what is in force now; a worker
 * finishes what it is sending. A file with a mistake changes nothing. */
static void reload(struct supervisor *s)
{
	struct config_report report = {log_mistake, NULL};
	struct listeners *listeners = NULL;
	struct config *cfg = &s->node.cfg, new;
	struct err e = ERR_INIT;

	if (config_load(s->node.data_dir, &report, &new, &e) < 0 ||
	    callcontrol_check(&new.callcontrol, &s->node.who, &report, &e) < 0 ||
	    listeners_open(&new, s->node.n_workers, s->node.listeners, &report, &listeners, &e) < 0) {
		log_error("the configuration was not changed: %s", e.text);
		return;
	}
	notify_manager("RELOADING=1");
	listeners_free(s->node.listeners);
	s->node.listeners = listeners;
	s->announced = false;
	for (size_t i = 0; i < s->n; i++)
		if (s->children[i].kind != CHILD_KEEPER || config_legacy(cfg) != config_legacy(&new) ||
		    !cfg->callcontrol.adapter != !new.callcontrol.adapter ||
		    memcmp(&cfg->keystore, &new.keystore, sizeof(new.keystore)) != 0)
			replace(&s->children[i]);
	*cfg = new;
	log_info("the configuration was read again");
}

/* --- the loop --- */

static void read_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP && !s->hup_stops && s->phase == PHASE_RUN)
			reload(s);
		else if (info.ssi_signo != SIGCHLD && s->phase == PHASE_RUN)
			begin_stop(s);
		else if (info.ssi_signo != SIGCHLD)
			s->kill_ms = now_ms(); /* asked twice */
	}
}

static int wait_ms(const struct supervisor *s)
{
	uint64_t now = now_ms(), next = now + 3600 * 1000;

	if (s->phase != PHASE_RUN && s->kill_ms < next)
		next = s->kill_ms;
	for (size_t i = 0; i < s->n && s->phase == PHASE_RUN; i++)
		if (!s->children[i].pid && s->children[i].due_ms < next)
			next = s->children[i].due_ms;
	return next > now ? (int)(next - now) : 0;
}

static void loop(struct supervisor *s)
{
	struct pollfd p[MAX_CHILDREN + 1];
	struct child *of[MAX_CHILDREN + 1];

	while (s->phase != PHASE_END) {
		nfds_t n = 0;
		start_due(s);
		p[n++] = (struct pollfd){.fd = s->signals, .events = POLLIN};
		for (size_t i = 0; i < s->n; i++)
			if (s->children[i].link >= 0) {
				of[n] = &s->children[i];
				p[n++] = (struct pollfd){.fd = s->children[i].link, .events = POLLIN};
			}
		if (poll(p, n, wait_ms(s)) < 0 && errno != EINTR)
			begin_stop(s);
		for (nfds_t i = 1; i < n; i++)
			if (p[i].revents)
				read_link(s, of[i]);
		read_signals(s);
		reap(s);
		stop_step(s);
	}
}

/* --- before and after --- */

static int open_signals(struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(e, ERR_IO, "signalfd") : fd;
}

static unsigned cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > LISTENERS_MAX_WORKERS ? LISTENERS_MAX_WORKERS : n < 1 ? 1 : (unsigned)n;
}

static int open_channels(struct node *n, struct err *e)
{
	int rc = ipc_pair(n->keeper_director, e);

	if (rc == 0)
		rc = ipc_pair(n->director_mailer, e);
	if (rc == 0)
		rc = ipc_pair(n->director_caller, e);
	if (rc == 0)
		rc = ipc_pair(n->director_runner, e);
	if (rc == 0)
		rc = ipc_pair(n->keeper_runner, e);
	for (unsigned w = 0; w < n->n_workers && rc == 0; w++) {
		rc = ipc_pair(n->keeper_worker[w], e);
		if (rc == 0)
			rc = ipc_pair(n->director_worker[w], e);
	}
	return rc;
}

static void add_child(struct supervisor *s, enum child_kind kind, unsigned index, node_main *main)
{
	s->children[s->n] = (struct child){
		.kind = kind, .index = index, .main = main, .link = -1,
		.seen = board_process(s->node.board, (unsigned)s->n + 1)};
	s->n++;
}

static int write_pid(int lock, struct err *e)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, (size_t)n, 0) != n)
		return err_sys(e, ERR_IO, "writing run/pid");
	return 0;
}

/* run/ belongs to the director, which makes its control socket there. */
static int own_run(const struct node *n, struct err *e)
{
	if (n->who.root && fchownat(n->data_dir, "run", n->who.owner_uid, n->who.owner_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, ERR_IO, "giving run/ to the owner of the data folder");
	return 0;
}

static int prepare(struct supervisor *s, const struct supervisor_options *o, struct err *e)
{
	struct config_report report = {log_mistake, NULL};
	struct node *n = &s->node;
	int rc;

	n->data = o->data;
	n->log_level = o->log_level;
	n->n_workers = o->n_workers ? o->n_workers : cores();
	sandbox_limits();
	if ((rc = file_open_dir(AT_FDCWD, o->data, &n->data_dir, e)) < 0 ||
	    (rc = privileges_find(n->data_dir, &n->who, e)) < 0 ||
	    (rc = config_load(n->data_dir, &report, &n->cfg, e)) < 0 ||
	    (rc = privileges_check_group(&n->who, n->cfg.callcontrol.group, e)) < 0 ||
	    (rc = node_lock(n->data_dir, LOCK_WAIT_MS, &s->lock, e)) < 0 || (rc = own_run(n, e)) < 0 ||
	    (rc = write_pid(s->lock, e)) < 0 ||
	    (rc = listeners_open(&n->cfg, n->n_workers, NULL, &report, &n->listeners, e)) < 0 ||
	    (rc = board_new(n->n_workers, &n->board, e)) < 0 || (rc = open_channels(n, e)) < 0 ||
	    (rc = s->signals = open_signals(e)) < 0)
		return rc;
	/* A program or a folder that has gone keeps nobody from being served; the service's line in the list says it. */
	if (callcontrol_check(&n->cfg.callcontrol, &n->who, &report, NULL) < 0)
		log_error("[callcontrol] names what is not there: it does not work before that is put right");
	add_child(s, CHILD_KEEPER, 0, keeper_main);
	add_child(s, CHILD_DIRECTOR, 0, director_main);
	add_child(s, CHILD_CALLER, 0, caller_main);
	add_child(s, CHILD_RUNNER, 0, runner_main);
	for (unsigned w = 0; w < n->n_workers; w++)
		add_child(s, CHILD_WORKER, w, worker_main);
	add_child(s, CHILD_MAILER, 0, mailer_main);
	atomic_store(&board_process(n->board, 0)->pid, getpid());
	atomic_store(&board_process(n->board, 0)->started_s, clock_wall_s(&clock_system));
	return privileges_reduce(&n->who, e);
}

static void close_all(struct supervisor *s)
{
	struct node *n = &s->node;

	listeners_free(n->listeners);
	board_free(n->board);
	for (unsigned w = 0; w < n->n_workers; w++)
		for (int i = 0; i < 2; i++) {
			close(n->keeper_worker[w][i]);
			close(n->director_worker[w][i]);
		}
	for (int i = 0; i < 2; i++) {
		close(n->keeper_director[i]);
		close(n->director_mailer[i]);
		close(n->director_caller[i]);
		close(n->director_runner[i]);
		close(n->keeper_runner[i]);
	}
	if (s->lock >= 0) {
		/* The file stays, empty: removing it would race with who locks it next. */
		if (ftruncate(s->lock, 0) < 0)
			log_debug("run/pid: %s", strerror(errno));
		close(s->lock);
	}
	close(s->signals);
	close(n->data_dir);
}

int supervisor_run(const struct supervisor_options *o, struct err *e)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for the supervisor");
	s->lock = s->signals = s->node.data_dir = -1;
	memset(s->node.director_mailer, -1, sizeof(s->node.director_mailer));
	memset(s->node.keeper_director, -1, sizeof(s->node.keeper_director));
	memset(s->node.director_caller, -1, sizeof(s->node.director_caller));
	memset(s->node.director_runner, -1, sizeof(s->node.director_runner));
	memset(s->node.keeper_runner, -1, sizeof(s->node.keeper_runner));
	memset(s->node.keeper_worker, -1, sizeof(s->node.keeper_worker));
	memset(s->node.director_worker, -1, sizeof(s->node.director_worker));
	s->hup_stops = isatty(STDIN_FILENO);
	rc = prepare(s, o, e);
	if (rc == 0) {
		loop(s);
		log_info("%s has stopped", s->node.cfg.node_name);
		if (s->failed)
			rc = err_set(e, s->failed, "the node could not be started");
	}
	close_all(s);
	free(s);
	return rc;
}
