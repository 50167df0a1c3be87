#include "admin/shell.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/shell_internal.h"
#include "admin/topic.h"
#include "base/bytes.h"
#include "base/text.h"

volatile sig_atomic_t shell_interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	shell_interrupted++;
}

/* Answers from the terminal. */

bool shell_wait(int fd, const sigset_t *waking)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	while ((n = ppoll(&p, 1, NULL, waking)) < 0 && errno == EINTR && !shell_interrupted)
		;
	return n > 0;
}

static void echo(bool on)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	t.c_lflag = on ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
}

/* Read past the buffers of stdio: a secret must not stay in one. */
static int read_answer(const sigset_t *waking, char *out, size_t size)
{
	size_t n = 0;

	while (shell_wait(STDIN_FILENO, waking)) {
		ssize_t got = read(STDIN_FILENO, out + n, size - n);
		if (got <= 0)
			return -1;
		n += (size_t)got;
		if (out[n - 1] == '\n')
			return (int)n - 1;
		if (n == size)
			return -1;
	}
	return -1;
}

static int answer(void *ctx, const char *prompt, bool secret, const sigset_t *waking, char *out, size_t size)
{
	(void)ctx;
	/* First the terminal: who answers the prompt at once must neither be shown nor be thrown away. */
	if (secret)
		echo(false);
	fputs(prompt, stdout);
	fflush(stdout);
	int n = read_answer(waking, out, size);
	if (secret)
		echo(true);
	if (secret || n < 0)
		fputc('\n', stdout);
	return n;
}

/* --- pasted text --- */

#define PASTE_MAX (1 << 20) /* octets: more than any chain of certificates has */

static bool is_blank(const char *line, size_t n)
{
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	return n == 0;
}

/* One line; a terminal gives one a read. False at the end of input and after Ctrl-C. */
static bool paste_line(const struct shell *s, const sigset_t *waking, char *line, size_t size, size_t *n)
{
	ssize_t got = 0;

	if (!s->client.tty) {
		if (!fgets(line, (int)size, stdin))
			return false;
		*n = strlen(line);
		return true;
	}
	if (shell_wait(STDIN_FILENO, waking))
		got = read(STDIN_FILENO, line, size);
	*n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* Up to an empty line behind something, or to the end of input. */
static void paste_lines(const struct shell *s, struct wr *w)
{
	char line[4096];
	sigset_t block, waking;
	size_t n;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, &waking);
	/* Ctrl-C may have come before it was blocked. */
	while (!w->failed && !shell_interrupted && paste_line(s, &waking, line, sizeof(line), &n)) {
		if (is_blank(line, n) && w->len)
			break;
		if (!is_blank(line, n))
			wr_bytes(w, line, n);
	}
	sigprocmask(SIG_SETMASK, &waking, NULL);
}

static int paste(void *ctx, uint8_t **data, size_t *len, struct err *e)
{
	const struct shell *s = ctx;
	struct wr w;
	int rc = 0;

	if (s->client.tty)
		fputs("Paste the certificate in PEM form; an empty line ends it.\n", s->client.out);
	fflush(s->client.out);
	wr_init(&w, PASTE_MAX);
	paste_lines(s, &w);
	if (w.failed)
		rc = err_set(e, w.failed, "what was pasted is longer than %d KiB", PASTE_MAX >> 10);
	else if (w.len == 0 || shell_interrupted)
		rc = err_set(e, ERR_USAGE, "no certificate was pasted; nothing was changed");
	if (rc == 0) {
		*data = w.p;
		*len = w.len;
		w.p = NULL;
	}
	wr_clear(&w);
	return rc;
}

/* Lines. */

static int local(struct shell *s, const struct grammar_match *m)
{
	if (m->command == &command_exit)
		return SHELL_LEAVE;
	shell_help(s->client.out, s->grammar, m->n_args ? m->args[0] : "");
	return 0;
}

static int remote(struct shell *s, const struct grammar_match *m)
{
	struct err e = ERR_INIT;
	int status = 1;

	shell_interrupted = 0;
	if (admin_client_run(&s->client, m, &status, &e) < 0) {
		fprintf(s->client.err, "%s\n", e.text);
		return 1;
	}
	return status ? 1 : 0;
}

/* "show ?" in one word or two: help instead of a command. */
static bool help_wanted(const struct shell *s, struct grammar_line *l)
{
	if (l->n == 0 || l->tokens[l->n - 1].quoted || strcmp(l->tokens[l->n - 1].text, "?") != 0)
		return false;
	free(l->tokens[--l->n].text);
	l->blank_end = true;
	return !grammar_in_rest(s->grammar, l);
}

int shell_line(struct shell *s, const struct grammar_line *l)
{
	struct grammar_match m;
	struct err e = ERR_INIT;

	if (grammar_match(s->grammar, l, &m, &e) < 0) {
		const char *topic = topic_find(l);

		grammar_explain(s->client.err, l, &e);
		if (topic)
			fprintf(s->client.err, "\n%s", topic);
		return 1;
	}
	int status = m.command->local ? local(s, &m) : remote(s, &m);
	grammar_match_clear(&m);
	return status;
}

int shell_text(struct shell *s, const char *text)
{
	struct grammar_line l;
	struct err e = ERR_INIT;
	int status = 0;

	if (grammar_split(text, &l, &e) < 0) {
		fprintf(s->client.err, "%s\n", e.text);
		return 1;
	}
	if (help_wanted(s, &l))
		grammar_help(s->client.out, s->grammar, &l);
	else if (l.n)
		status = shell_line(s, &l);
	grammar_line_clear(&l);
	return status;
}

/* The shell. */

static unsigned columns(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static void init(struct shell *s, const char *data_dir)
{
	struct sigaction sa = {.sa_handler = on_interrupt};

	*s = (struct shell){.grammar = admin_grammar};
	s->client = (struct admin_client){
		.data_dir = data_dir,
		.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
		.columns = columns(),
		.out = stdout,
		.err = stderr,
		.answer = answer,
		.paste = paste,
		.ctx = s,
		.interrupted = &shell_interrupted,
	};
	/*
	 * On a terminal all waiting is in ppoll(2), which ends all the same; what is being written must not be lost by
	 * it.
	 */
	sa.sa_flags = s->client.tty ? SA_RESTART : 0;
	sigaction(SIGINT, &sa, NULL);
}

int shell_command(const char *data_dir, const char *const *words, size_t n)
{
	struct shell s;
	struct grammar_line l;
	struct err e = ERR_INIT;

	init(&s, data_dir);
	if (n == 1 && strpbrk(words[0], " \t")) { /* the whole command in one pair of quotes */
		int status = shell_text(&s, words[0]);
		return status == SHELL_LEAVE ? 0 : status;
	}
	if (grammar_join(words, NULL, n, &l, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	int status = 0;
	if (help_wanted(&s, &l))
		grammar_help(stdout, s.grammar, &l);
	else
		status = shell_line(&s, &l);
	grammar_line_clear(&l);
	return status == SHELL_LEAVE ? 0 : status;
}

/* A file or a pipe: every line is done, also behind one that failed. */
static int run_file(struct shell *s)
{
	char *line = NULL;
	size_t size = 0;
	int failed = 0, status = 0;

	while (status != SHELL_LEAVE && getline(&line, &size, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		status = shell_text(s, line);
		failed |= status == 1;
	}
	free(line);
	return failed;
}

int shell_run(const char *data_dir)
{
	struct err e = ERR_INIT;
	struct shell s;
	int fd;

	init(&s, data_dir);
	if (admin_client_connect(data_dir, &fd, &e) < 0) {
		fprintf(stderr, "ringfence admin: %s\n", e.text);
		return 1;
	}
	close(fd);
	return s.client.tty ? shell_edit(&s) : run_file(&s);
}
