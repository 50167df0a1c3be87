#include "server/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

#define LINE_MAX_LEN 160 /* octets kept of the last line */

struct program {
	pid_t pid;
	char name[64];
	int pidfd, out;
	struct event *ended, *readable, *timer;
	char line[LINE_MAX_LEN];  /* being read */
	char last[LINE_MAX_LEN];  /* the last that was not empty */
	size_t n_line;
	bool late;
	program_done *done;
	void *ctx;
};

static void program_free(struct program *p)
{
	if (p->ended)
		event_free(p->ended);
	if (p->readable)
		event_free(p->readable);
	if (p->timer)
		event_free(p->timer);
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->out >= 0)
		close(p->out);
	free(p);
}

void program_kill(struct program *p)
{
	if (!p)
		return;
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	program_free(p);
}

static void line_ends(struct program *p)
{
	if (p->n_line)
		text_escape(p->last, sizeof(p->last), (struct view){(const uint8_t *)p->line, p->n_line});
	p->n_line = 0;
}

/* Only its last line is of interest; it must not wait for somebody to read the others. */
static void read_output(struct program *p)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(p->out, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] == '\n' || buf[i] == '\r')
				line_ends(p);
			else if (p->n_line < sizeof(p->line))
				p->line[p->n_line++] = buf[i];
	if (n == 0)
		event_del(p->readable);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	read_output(ctx);
}

/* Clients of call controls that exit with 0 when the server said no: kamcmd, fs_cli, asterisk -rx. */
static bool says_no(const char *line)
{
	static const char *const beginnings[] = {"error:", "-ERR", "No such command"};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncasecmp(line, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static int verdict(const struct program *p, int status, struct err *e)
{
	const char *colon = p->last[0] ? ": " : "";

	if (p->late)
		return err_set(e, ERR_IO, "%s took too long and was ended%s%s", p->name, colon, p->last);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_IO, "%s ended by signal %d%s%s", p->name, WTERMSIG(status), colon, p->last);
	if (WEXITSTATUS(status))
		return err_set(e, ERR_IO, "%s ended with status %d%s%s", p->name, WEXITSTATUS(status), colon, p->last);
	if (says_no(p->last))
		return err_set(e, ERR_IO, "%s says: %s", p->name, p->last);
	return 0;
}

static void on_ended(evutil_socket_t fd, short what, void *ctx)
{
	struct program *p = ctx;
	program_done *done = p->done;
	void *done_ctx = p->ctx;
	struct err e = ERR_INIT;
	int status = 0;

	(void)fd;
	(void)what;
	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return;
	read_output(p);
	line_ends(p);
	int rc = verdict(p, status, &e);
	program_free(p);
	done(done_ctx, rc, &e);
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
	struct program *p = ctx;

	(void)fd;
	(void)what;
	p->late = true;
	kill(-p->pid, SIGKILL); /* with what it has started */
}

/* A process group of its own, so that all of it can be ended; default signals; nothing open but the pipe. */
static int spawn(struct program *p, char *const argv[], int out, struct err *e)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LC_ALL=C.UTF-8";
	char *const env[] = {path, lang, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawn_file_actions_addchdir_np(&files, "/");
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	int rc = posix_spawn(&p->pid, argv[0], &files, &attr, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, ERR_IO, "%s cannot be started", argv[0]);
}

static int watch(struct event_base *base, struct program *p, unsigned timeout_ms, struct err *e)
{
	struct timeval after = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};

	p->pidfd = pidfd_open(p->pid, 0);
	if (p->pidfd < 0)
		return err_sys(e, ERR_IO, "watching %s", p->name);
	p->ended = event_new(base, p->pidfd, EV_READ | EV_PERSIST, on_ended, p);
	p->readable = event_new(base, p->out, EV_READ | EV_PERSIST, on_readable, p);
	p->timer = event_new(base, -1, 0, on_late, p);
	if (!p->ended || !p->readable || !p->timer || event_add(p->ended, NULL) < 0 || event_add(p->readable, NULL) < 0 ||
	    event_add(p->timer, &after) < 0)
		return err_set(e, ERR_NOMEM, "no memory for a program");
	return 0;
}

int program_start(struct event_base *base, char *const argv[], unsigned timeout_ms, program_done *done, void *ctx,
		  struct program **out, struct err *e)
{
	struct program *p = calloc(1, sizeof(*p));
	int pipes[2];

	if (!p)
		return err_set(e, ERR_NOMEM, "no memory for a program");
	*p = (struct program){.pidfd = -1, .out = -1, .done = done, .ctx = ctx};
	snprintf(p->name, sizeof(p->name), "%s", strrchr(argv[0], '/') + 1);
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		free(p);
		return err_sys(e, ERR_IO, "a pipe");
	}
	p->out = pipes[0];
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	int rc = spawn(p, argv, pipes[1], e);
	close(pipes[1]);
	if (rc == 0 && (rc = watch(base, p, timeout_ms, e)) < 0)
		program_kill(p);
	else if (rc < 0)
		program_free(p);
	else
		*out = p;
	return rc;
}
