#include "cmd/recovery/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"

/* One line from fd, octet by octet: what follows it stays unread, and nothing of it is buffered. */
static int read_line(int fd, const char *name, char *out, struct err *e)
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
			return err_set(e, ERR_LIMIT, "%s: a passphrase has at most %d octets", name, PASSPHRASE_MAX - 2);
	}
	if (n && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n ? 0 : err_set(e, ERR_USAGE, "%s: the passphrase is empty", name);
}

static int ask(int tty, const char *prompt, char *out, struct err *e)
{
	struct termios before, quiet;

	if (tcgetattr(tty, &before) < 0)
		return err_sys(e, ERR_IO, "terminal");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (write(tty, prompt, strlen(prompt)) < 0 || tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return err_sys(e, ERR_IO, "terminal");
	int rc = read_line(tty, "terminal", out, e);
	if (tcsetattr(tty, TCSAFLUSH, &before) < 0 || write(tty, "\n", 1) < 0)
		rc = rc ? rc : err_sys(e, ERR_IO, "terminal");
	return rc;
}

static int from_terminal(bool twice, char *out, struct err *e)
{
	AUTO(auto_close) int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (tty < 0)
		return err_set(e, ERR_USAGE, "there is no terminal to ask for the passphrase: use --passphrase-file FILE");
	int rc = ask(tty, "Passphrase: ", out, e);
	if (rc || !twice)
		return rc;
	char *again = secret_new(PASSPHRASE_MAX);
	if (!again)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = ask(tty, "The same again: ", again, e);
	if (!rc && strcmp(out, again) != 0)
		rc = err_set(e, ERR_USAGE, "the two passphrases differ");
	secret_free(again, PASSPHRASE_MAX);
	return rc;
}

static int from_file(const char *file, char *out, struct err *e)
{
	AUTO(auto_close) int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", file);
	return read_line(fd, file, out, e);
}

int passphrase_get(const char *file, bool twice, char **passphrase, struct err *e)
{
	char *p = secret_new(PASSPHRASE_MAX);

	if (!p)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = file ? from_file(file, p, e) : from_terminal(twice, p, e);
	if (rc)
		secret_free(p, PASSPHRASE_MAX);
	else
		*passphrase = p;
	return rc;
}
