#include "cmd/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"

/* The signal that came while the terminal did not show what is typed; it is raised again once it does. */
static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
	interrupted = number;
}

static int is_empty(const struct passphrase_ask *how, const char *name, struct err *e)
{
	bool fresh = e && !e->code;
	int rc = err_set(e, ERR_USAGE, "%s: the %s is empty", name, how->what);

	if (fresh)
		e->rule = PASSPHRASE_EMPTY;
	return rc;
}

/* One line from fd, octet by octet: what follows it stays unread, and nothing of it is buffered. */
static int read_line(int fd, const struct passphrase_ask *how, const char *name, char *out, struct err *e)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, out + n, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, "%s", name);
		if (got == 0 || out[n] == '\n')
			break;
		if (++n == PASSPHRASE_MAX - 1)
			return err_set(e, ERR_LIMIT, "%s: the %s has more than %d octets", name, how->what, PASSPHRASE_MAX - 2);
	}
	if (n && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n ? 0 : is_empty(how, name, e);
}

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
#define N_SIGNALS (sizeof(ending_signals) / sizeof(ending_signals[0]))

/*
 * The prompt comes after the terminal is quiet, so that nothing that answers it is shown or thrown away. Signals are let
 * through only while waiting: one that comes just before would not end the wait.
 */
static int ask_quietly(int tty, const struct termios *quiet, const sigset_t *waiting, const struct passphrase_ask *how,
		       const char *prompt, char *out, struct err *e)
{
	struct pollfd p = { .fd = tty, .events = POLLIN };

	if (tcsetattr(tty, TCSAFLUSH, quiet) < 0 || write(tty, prompt, strlen(prompt)) < 0)
		return err_sys(e, ERR_IO, "terminal");
	while (ppoll(&p, 1, NULL, waiting) < 0)
		if (errno != EINTR || interrupted)
			return err_sys(e, ERR_IO, "terminal");
	return read_line(tty, how, "terminal", out, e);
}

static int ask(int tty, const struct passphrase_ask *how, const char *prompt, char *out, struct err *e)
{
	struct sigaction handler = { .sa_handler = note_signal }, earlier[N_SIGNALS];
	struct termios before, quiet;
	sigset_t ending, mask;

	if (tcgetattr(tty, &before) < 0)
		return err_sys(e, ERR_IO, "terminal");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	interrupted = 0;
	sigemptyset(&ending);
	for (size_t i = 0; i < N_SIGNALS; i++) {
		sigaddset(&ending, ending_signals[i]);
		sigaction(ending_signals[i], &handler, &earlier[i]);
	}
	sigprocmask(SIG_BLOCK, &ending, &mask);
	int rc = ask_quietly(tty, &quiet, &mask, how, prompt, out, e);
	if (tcsetattr(tty, TCSAFLUSH, &before) < 0 || write(tty, "\n", 1) < 0)
		rc = rc ? rc : err_sys(e, ERR_IO, "terminal");
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaction(ending_signals[i], &earlier[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (interrupted)
		raise(interrupted);
	return rc;
}

static int from_terminal(const struct passphrase_ask *how, char *out, struct err *e)
{
	AUTO(auto_close) int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (tty < 0)
		return err_set(e, ERR_USAGE, "there is no terminal to ask for the %s: use %s FILE", how->what, how->option);
	int rc = ask(tty, how, how->prompt, out, e);
	if (rc || !how->twice)
		return rc;
	char *again = secret_new(PASSPHRASE_MAX);
	if (!again)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = ask(tty, how, "The same again: ", again, e);
	if (!rc && strcmp(out, again) != 0)
		rc = err_set(e, ERR_USAGE, "the two differ");
	secret_free(again, PASSPHRASE_MAX);
	return rc;
}

static int from_file(const struct passphrase_ask *how, const char *file, char *out, struct err *e)
{
	AUTO(auto_close) int fd = -1;

	if (strcmp(file, "-") == 0)
		return read_line(STDIN_FILENO, how, "standard input", out, e);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", file);
	return read_line(fd, how, file, out, e);
}

int passphrase_get(const struct passphrase_ask *how, const char *file, char **passphrase, struct err *e)
{
	char *p = secret_new(PASSPHRASE_MAX);

	if (!p)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = file ? from_file(how, file, p, e) : from_terminal(how, p, e);
	if (rc)
		secret_free(p, PASSPHRASE_MAX);
	else
		*passphrase = p;
	return rc;
}
