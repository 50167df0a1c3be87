#include "admin/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/control.h"
#include "admin/download.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"

#define CLIENT_IN_MAX (2 * (CONTROL_HEADER + CONTROL_BODY_MAX))

static int no_node(const char *data_dir, struct err *e)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return err_set(e, ERR_USAGE, "%s holds no node; make one with: ringfence init --data %s ...", data_dir, data_dir);
	if (errno == EACCES)
		return err_set(e, ERR_AUTH, "you may not look into %s: become the owner of the node, a member of its group, or root",
			       data_dir);
	return err_sys(e, ERR_IO, "%s", data_dir);
}

static int not_running(const char *data_dir, struct err *e)
{
	if (errno == ENOENT || errno == ECONNREFUSED)
		return err_set(e, ERR_CLOSED, "the node in %s does not run; start it with: ringfence serve --data %s", data_dir,
			       data_dir);
	if (errno == EACCES)
		return err_set(e, ERR_AUTH,
			       "the node in %s does not talk to you: become its owner, a member of its group, or root", data_dir);
	return err_sys(e, ERR_IO, "%s/%s", data_dir, CONTROL_SOCKET);
}

int admin_client_connect(const char *data_dir, int *out, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	AUTO(auto_close) int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(auto_close) int fd = -1;

	if (dir < 0 || faccessat(dir, "ringfence.conf", F_OK, 0) < 0)
		return no_node(data_dir, e);
	/* By way of the descriptor, because the name of a socket is at most 107 octets long and paths are longer. */
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/%s", dir, CONTROL_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, ERR_IO, "socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return not_running(data_dir, e);
	*out = fd;
	fd = -1;
	return 0;
}

/* One command on its way. */
struct call {
	const struct admin_client *c;
	int fd;
	const char *folder;      /* for files */
	sigset_t waking;
	struct wr in;
	struct download download;
	bool takes_file;         /* the command takes one, */
	const char *upload;      /* of this name; NULL: it was pasted */
	uint8_t *file;           /* and its contents */
	size_t file_len;
	int cancelled;           /* the count of Ctrl-C when CANCEL was sent, 0: it was not */
	int status;              /* -1: not known yet */
};

static int send_all(struct call *k, struct wr *w, struct err *e)
{
	struct view v = wr_view_all(w);
	int rc = w->failed ? err_set(e, w->failed, "the message is too long") : 0;

	while (rc == 0 && v.len) {
		ssize_t n = send(k->fd, v.p, v.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(e, ERR_CLOSED, "the node has closed the connection");
		else
			v = (struct view){v.p + n, v.len - (size_t)n};
	}
	wr_clear(w);
	return rc;
}

static int send_message(struct call *k, enum control_type type, struct view body, struct err *e)
{
	struct wr w;

	wr_init(&w, CLIENT_IN_MAX);
	control_put(&w, type, body);
	return send_all(k, &w, e);
}

static int send_request(struct call *k, const struct grammar_match *m, struct err *e)
{
	struct control_request q = {.flags = k->c->tty ? CONTROL_TTY : 0, .n_words = m->n_full,
				    .columns = k->c->columns > UINT16_MAX ? 0 : (uint16_t)k->c->columns};
	struct wr w;

	for (size_t i = 0; i < m->n_full; i++) {
		q.words[i] = view_str(m->full[i]);
		q.quoted[i] = m->quoted[i];
	}
	wr_init(&w, CLIENT_IN_MAX);
	int rc = control_put_request(&w, &q, e);
	if (rc < 0) {
		wr_clear(&w);
		return rc;
	}
	return send_all(k, &w, e);
}

/* The value of an option, wherever the command has it; NULL: it was not given. */
static const char *option_of(const struct grammar_match *m, const char *name)
{
	const struct grammar_option *o = m->command->options;

	for (size_t i = 0; o && o[i].name && i < GRAMMAR_OPTIONS_MAX; i++)
		if (strcmp(o[i].name, name) == 0 && m->options[i] && *m->options[i])
			return m->options[i];
	return NULL;
}

/* The file that the command names: read before the node hears of it, so that a wrong name changes nothing. */
static int read_upload(struct call *k, const struct grammar_match *m, struct err *e)
{
	const char *paste = m->command->paste;
	unsigned at = m->command->upload;

	k->upload = paste ? option_of(m, paste) : at && at <= m->n_args ? m->args[at - 1] : NULL;
	k->takes_file = k->upload || paste;
	if (!k->takes_file)
		return 0;
	if (!k->upload)
		return k->c->paste(k->c->ctx, &k->file, &k->file_len, e);
	if (strcmp(k->upload, "-") == 0)
		return file_read_fd(STDIN_FILENO, "standard input", CONTROL_UPLOAD_MAX, &k->file, &k->file_len, e);
	return file_read(AT_FDCWD, k->upload, CONTROL_UPLOAD_MAX, &k->file, &k->file_len, e);
}

/* It may hold authentication strings. */
static void drop_upload(struct call *k)
{
	if (k->file)
		secret_wipe(k->file, k->file_len);
	free(k->file);
}

/* Only what the person has named is ever sent. */
static int send_upload(struct call *k, struct err *e)
{
	struct view rest = {k->file, k->file_len};
	int rc = 0;

	if (!k->takes_file)
		return err_rule(e, "control-order", 0, "the node asks for a file, but the command names none");
	while (rc == 0 && rest.len) {
		size_t n = rest.len < CONTROL_CHUNK ? rest.len : CONTROL_CHUNK;
		rc = send_message(k, CONTROL_UPLOAD, (struct view){rest.p, n}, e);
		rest = (struct view){rest.p + n, rest.len - n};
	}
	return rc ? rc : send_message(k, CONTROL_UPLOAD_END, (struct view){0}, e);
}

static int prompt(struct call *k, struct view body, struct err *e)
{
	char answer[ADMIN_ANSWER_MAX];
	AUTO(auto_free) char *text = NULL;
	enum control_prompt kind;
	struct view v;
	int rc = control_get_prompt(body, &kind, &v, e);

	if (rc < 0)
		return rc;
	if (kind == CONTROL_PROMPT_FILE)
		return send_upload(k, e);
	text = strndup((const char *)v.p, v.len);
	if (!text)
		return err_set(e, ERR_NOMEM, "out of memory");
	fflush(k->c->out);
	int n = k->c->answer(k->c->ctx, text, kind == CONTROL_PROMPT_SECRET, &k->waking, answer, sizeof(answer));
	if (n < 0) {
		k->cancelled = *k->c->interrupted ? *k->c->interrupted : 1;
		return send_message(k, CONTROL_CANCEL, (struct view){0}, e);
	}
	rc = send_message(k, CONTROL_ANSWER, (struct view){(const uint8_t *)answer, (size_t)n}, e);
	secret_wipe(answer, sizeof(answer));
	return rc;
}

static int file_begins(struct call *k, struct view body, struct err *e)
{
	struct view name;
	uint64_t size;
	int rc = control_get_file(body, &size, &name, e);

	return rc < 0 ? rc : download_begin(&k->download, k->folder, name, size, e);
}

static int file_ends(struct call *k, struct err *e)
{
	int rc = download_end(&k->download, e);

	if (rc == 0)
		fprintf(k->c->out, "Transfer completed: %s/%s\n", k->folder, k->download.name);
	return rc;
}

static int done(struct call *k, struct view body, struct err *e)
{
	uint8_t status;
	int rc = control_get_done(body, &status, e);

	if (rc == 0)
		k->status = status;
	return rc;
}

static int message(struct call *k, const struct control_frame *f, struct err *e)
{
	struct view text;
	int rc;

	switch (f->type) {
	case CONTROL_OUTPUT:
	case CONTROL_ERROR:
		rc = control_get_text(f->body, &text, e);
		if (rc == 0)
			fwrite(text.p, 1, text.len, f->type == CONTROL_OUTPUT ? k->c->out : k->c->err);
		fflush(f->type == CONTROL_OUTPUT ? k->c->out : k->c->err);
		return rc;
	case CONTROL_PROMPT:
		return prompt(k, f->body, e);
	case CONTROL_FILE:
		return file_begins(k, f->body, e);
	case CONTROL_DATA:
		return download_data(&k->download, f->body, e);
	case CONTROL_FILE_END:
		return file_ends(k, e);
	case CONTROL_DONE:
		return done(k, f->body, e);
	case CONTROL_REQUEST:
	case CONTROL_ANSWER:
	case CONTROL_CANCEL:
	case CONTROL_UPLOAD:
	case CONTROL_UPLOAD_END:
		break;
	}
	return err_rule(e, "control-order", 0, "the node sent a message that only clients send");
}

static int take_in(struct call *k, struct err *e)
{
	struct view all = wr_view_all(&k->in);
	struct control_frame f;
	struct wr rest;
	size_t used;
	int rc = 0;

	while (k->status < 0 && (rc = control_next(all, &f, &used, e)) == 0) {
		rc = message(k, &f, e);
		if (rc < 0)
			return rc;
		all = (struct view){all.p + used, all.len - used};
	}
	if (rc < 0 && rc != ERR_AGAIN)
		return rc;
	wr_init(&rest, CLIENT_IN_MAX);
	wr_view(&rest, all);
	wr_clear(&k->in);
	k->in = rest;
	return k->in.failed ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

/* Ctrl-C: the first asks the node to stop, the second does not wait for it. */
static int interrupted(struct call *k, struct err *e)
{
	int n = *k->c->interrupted;

	if (n == 0 || n == k->cancelled)
		return 0;
	if (k->cancelled)
		return err_set(e, ERR_CLOSED, "interrupted");
	k->cancelled = n;
	return send_message(k, CONTROL_CANCEL, (struct view){0}, e);
}

static int receive(struct call *k, struct err *e)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	uint8_t buf[CONTROL_CHUNK];

	int rc = interrupted(k, e);
	if (rc < 0)
		return rc;
	if (ppoll(&p, 1, NULL, &k->waking) < 0)
		return errno == EINTR ? 0 : err_sys(e, ERR_IO, "control connection");
	ssize_t n = recv(k->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno != EINTR)
		return err_sys(e, ERR_CLOSED, "control connection");
	if (n == 0)
		return err_set(e, ERR_CLOSED, "the node stopped before the command was done; `show status` and `show audit` tell "
					      "what became of it");
	if (n > 0 && !wr_bytes(&k->in, buf, (size_t)n))
		return err_set(e, ERR_NOMEM, "out of memory");
	return take_in(k, e);
}

int admin_client_run(const struct admin_client *c, const struct grammar_match *m, int *status, struct err *e)
{
	struct call k = {.c = c, .fd = -1, .download = DOWNLOAD_INIT, .status = -1};
	sigset_t block;

	k.folder = option_of(m, "--to");
	if (!k.folder)
		k.folder = ".";
	int rc = read_upload(&k, m, e);

	if (rc == 0)
		rc = admin_client_connect(c->data_dir, &k.fd, e);
	if (rc < 0) {
		drop_upload(&k);
		return rc;
	}
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, &k.waking); /* Ctrl-C arrives while waiting, and at no other moment */
	wr_init(&k.in, CLIENT_IN_MAX);
	rc = send_request(&k, m, e);
	while (rc == 0 && k.status < 0)
		rc = receive(&k, e);
	download_clear(&k.download);
	wr_clear(&k.in);
	drop_upload(&k);
	close(k.fd);
	sigprocmask(SIG_SETMASK, &k.waking, NULL);
	if (rc == 0)
		*status = k.status;
	return rc;
}
