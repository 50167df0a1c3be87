#include "admin/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/command_internal.h"
#include "base/secret.h"
#include "base/text.h"

#define IN_MAX (CONTROL_HEADER + CONTROL_BODY_MAX)

enum conn_state {
	CONN_IDLE,    /* a REQUEST may come */
	CONN_ASKING,  /* an ANSWER must come */
	CONN_TAKING,  /* UPLOAD and UPLOAD_END must come */
	CONN_FOLLOWING, /* what the command began goes on */
	CONN_SENDING, /* what the command has written is on its way */
};

struct admin_conn {
	const struct admin_host *host;
	const struct grammar_word *grammar;
	struct admin_peer peer;
	enum conn_state state;
	struct wr in;               /* an incomplete message */

	/* The command in hand. */
	bool tty;
	struct grammar_match match;
	struct command_run run;
	struct command_ask ask;
	struct command_send send;
	struct wr upload;           /* the file that came with it */
	struct wr text;             /* what it wrote to run.out */
	size_t sent;                /* octets of text that were sent */
	struct err failure;         /* what it failed with; its text is sent behind the output */
};

struct admin_conn *admin_conn_new(const struct admin_host *host, const struct grammar_word *grammar,
				  const struct admin_peer *peer)
{
	struct admin_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->host = host;
	c->grammar = grammar;
	c->peer = *peer;
	wr_init(&c->in, 2 * IN_MAX);
	wr_init(&c->text, ADMIN_OUTPUT_MAX);
	wr_init(&c->upload, CONTROL_UPLOAD_MAX);
	return c;
}

/* Forget the command: the connection waits for the next one. */
static void command_over(struct admin_conn *c)
{
	if (c->run.job_free) /* before what it may look into */
		c->run.job_free(c->run.job);
	if (c->run.out)
		fclose(c->run.out);
	c->run = (struct command_run){0};
	grammar_match_clear(&c->match);
	command_ask_wipe(&c->ask);
	command_send_clear(&c->send);
	wr_clear(&c->text);
	if (c->upload.p) /* it may hold authentication strings */
		secret_wipe(c->upload.p, c->upload.len);
	wr_clear(&c->upload);
	c->sent = 0;
	c->failure = ERR_INIT;
	c->state = CONN_IDLE;
}

void admin_conn_free(struct admin_conn *c)
{
	if (!c)
		return;
	command_over(c);
	wr_clear(&c->in);
	free(c);
}

/* Output of commands: a stream into c->text. */

static ssize_t text_write(void *cookie, const char *data, size_t n)
{
	struct wr *w = cookie;

	/* What is over the cap is swallowed here and told at the end, so that handlers need not look. */
	wr_bytes(w, data, n);
	return (ssize_t)n;
}

static int text_open(struct admin_conn *c, struct err *e)
{
	static const cookie_io_functions_t functions = {.write = text_write};

	c->run.out = fopencookie(&c->text, "w", functions);
	return c->run.out ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* Record how the command ended. What only reads is recorded when it was refused. */
static int audit(struct admin_conn *c, int rc, const char *why, struct err *e)
{
	const struct command *cmd = c->match.command;
	const char *word = rc == ERR_AUTH || rc == ERR_USAGE ? "refused" : "failed";
	char outcome[sizeof(((struct err *)0)->text) + 16] = "done";

	if (c->run.audited || (cmd->privilege == ADMIN_READ && rc != ERR_AUTH) ||
	    command_option(&c->run, "--dry-run"))
		return 0;
	if (rc < 0)
		snprintf(outcome, sizeof(outcome), "%s: %s", word, why);
	return command_audit(&c->run, outcome, e);
}

/* The course of a command. */

/* It is over, well (0) or not; what is to be sent goes out with the next steps. */
static void ended(struct admin_conn *c, int rc, const char *why)
{
	struct err e = ERR_INIT;

	if (rc < 0) {
		c->run.status = 1;
		command_send_clear(&c->send);
		err_set(&c->failure, rc, "%s", why);
	}
	if (audit(c, rc, why, &e) < 0) {
		c->run.status = 1;
		err_set(&c->failure, e.code, "the command was done, but could not be recorded in the audit: %s", e.text);
	}
	c->state = CONN_SENDING;
}

static void put_now(struct admin_conn *c, struct wr *out)
{
	if (c->run.out)
		fflush(c->run.out);
	struct view all = wr_view_all(&c->text);
	if (all.len > c->sent)
		control_put_text(out, CONTROL_OUTPUT, (struct view){all.p + c->sent, all.len - c->sent});
	c->sent = all.len;
	if (c->text.failed)
		return;
	wr_clear(&c->text); /* so that output in pieces may be of any length */
	c->sent = 0;
}

static bool is_yes(const char *answer, size_t len)
{
	return (len == 1 && strncasecmp(answer, "y", 1) == 0) || (len == 3 && strncasecmp(answer, "yes", 3) == 0);
}

/*
 * A confirmation that no person needs to be asked for.
 * Out: *answered it has its answer; a negative return is a no.
 */
static int confirm_alone(struct admin_conn *c, bool *answered, struct err *e)
{
	bool yes = command_option(&c->run, "--yes") != NULL;

	*answered = yes;
	if (c->tty && !yes)
		return 0;
	const char *text = c->ask.text ? c->ask.text : "";
	fprintf(c->run.out, "%s%s%c\n\n", text, *text && text[strlen(text) - 1] != ' ' ? " " : "", yes ? 'y' : 'n');
	if (yes)
		return command_ask_add(&c->ask, "y", 1, e);
	return err_set(e, ERR_USAGE,
		       "there is no terminal to ask on, so the answer is no and nothing was changed; add --yes to say yes");
}

/* Ask what the command wants to know. *wait: an answer must come first. */
static int ask_all(struct admin_conn *c, struct wr *out, bool *wait, struct err *e)
{
	const struct command *cmd = c->match.command;
	bool answered;

	*wait = false;
	while (cmd->ask && !command_option(&c->run, "--dry-run")) {
		command_ask_clear(&c->ask);
		int rc = cmd->ask(&c->run, e);
		if (rc < 0 || c->ask.kind == COMMAND_ASK_NOTHING)
			return rc;
		if (c->ask.kind == COMMAND_ASK_CONFIRM) {
			rc = confirm_alone(c, &answered, e);
			if (rc < 0)
				return rc;
			if (answered)
				continue;
		}
		*wait = true;
		put_now(c, out);
		control_put_prompt(out, c->ask.kind == COMMAND_ASK_SECRET ? CONTROL_PROMPT_SECRET : CONTROL_PROMPT_LINE,
				   c->ask.text ? c->ask.text : "");
		return 0;
	}
	return 0;
}

/* From the beginning, or from behind an answer, as far as it goes. */
static void go_on(struct admin_conn *c, struct wr *out)
{
	struct err e = ERR_INIT;
	bool wait = false;
	int rc = ask_all(c, out, &wait, &e);

	if (rc == 0 && wait) {
		c->state = CONN_ASKING;
		return;
	}
	if (rc == 0)
		rc = c->match.command->run(&c->run, &e);
	if (rc == 0 && c->run.follow)
		c->state = CONN_FOLLOWING;
	else
		ended(c, rc, e.text);
}

static void follow(struct admin_conn *c, bool cancel, struct wr *out)
{
	struct err e = ERR_INIT;
	int rc = c->match.command->follow(&c->run, cancel, &e);

	put_now(c, out);
	if (rc < 0 || !c->run.follow)
		ended(c, rc, e.text);
}

static void ask_file(struct admin_conn *c, struct wr *out)
{
	control_put_prompt(out, CONTROL_PROMPT_FILE, "");
	c->state = CONN_TAKING;
}

static int refuse(struct admin_conn *c, struct err *e)
{
	const struct command *cmd = c->match.command;

	if (!c->peer.allowed)
		return err_set(e, ERR_AUTH, "%s may not use this node: become its owner, a member of its group, or root",
			       c->peer.actor);
	if (c->peer.privilege < cmd->privilege)
		return err_set(e, ERR_AUTH, "%s may not do this: it takes the owner of the node, or root", c->peer.actor);
	if (cmd->local || !cmd->run)
		return err_set(e, ERR_USAGE, "%s is a command of the shell, not of the node", c->match.words);
	return 0;
}

static int match_request(struct admin_conn *c, const struct control_request *q, struct err *e)
{
	char *words[CONTROL_WORDS_MAX] = {0};
	struct grammar_line l = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < q->n_words; i++) {
		words[i] = strndup((const char *)q->words[i].p, q->words[i].len);
		rc = words[i] ? 0 : err_set(e, ERR_NOMEM, "out of memory");
	}
	if (rc == 0)
		rc = grammar_join((const char *const *)words, q->quoted, q->n_words, &l, e);
	if (rc == 0)
		rc = grammar_match(c->grammar, &l, &c->match, e);
	grammar_line_clear(&l);
	for (size_t i = 0; i < q->n_words; i++)
		free(words[i]);
	return rc;
}

/* A file may be left out; pasted text is asked for in any case. */
static bool takes_file(const struct grammar_match *m)
{
	return m->command->paste || (m->command->upload && m->command->upload <= m->n_args);
}

static int request(struct admin_conn *c, struct view body, struct wr *out, struct err *e)
{
	struct control_request q;
	struct err why = ERR_INIT;
	int rc = control_get_request(body, &q, e);

	if (rc < 0)
		return rc;
	c->tty = q.flags & CONTROL_TTY;
	c->run = (struct command_run){.host = c->host, .peer = &c->peer, .match = &c->match, .columns = q.columns,
				      .ask = &c->ask, .send = &c->send};
	rc = text_open(c, e);
	if (rc < 0)
		return rc;
	rc = match_request(c, &q, &why);
	if (rc < 0) { /* no command: nothing that could be recorded */
		c->run.status = 1;
		err_set(&c->failure, rc, "%s", why.text);
		c->state = CONN_SENDING;
		return 0;
	}
	rc = refuse(c, &why);
	if (rc < 0)
		ended(c, rc, why.text);
	else if (takes_file(&c->match))
		ask_file(c, out);
	else
		go_on(c, out);
	return 0;
}

static int upload(struct admin_conn *c, struct view body, struct err *e)
{
	if (wr_view(&c->upload, body))
		return 0;
	return err_set(e, c->upload.failed, "the file is larger than %d MiB", CONTROL_UPLOAD_MAX >> 20);
}

static void upload_end(struct admin_conn *c, struct wr *out)
{
	c->run.upload = wr_view_all(&c->upload);
	go_on(c, out);
}

static int answer(struct admin_conn *c, struct view body, struct wr *out, struct err *e)
{
	struct view text;
	int rc = control_get_text(body, &text, e);

	if (rc < 0)
		return rc;
	if (c->ask.kind == COMMAND_ASK_CONFIRM && !is_yes((const char *)text.p, text.len)) {
		ended(c, ERR_USAGE, "the answer was not yes; nothing was changed");
		return 0;
	}
	rc = command_ask_add(&c->ask, (const char *)text.p, text.len, e);
	if (rc < 0)
		return rc;
	fputc('\n', c->run.out); /* as CUCM: an empty line behind the answered question */
	go_on(c, out);
	return 0;
}

static void cancel(struct admin_conn *c, struct wr *out)
{
	if (c->state == CONN_ASKING || c->state == CONN_TAKING)
		ended(c, ERR_USAGE, "cancelled; nothing was changed");
	else if (c->state == CONN_FOLLOWING)
		follow(c, true, out);
	else if (c->state == CONN_SENDING) {
		control_put_done(out, 1);
		command_over(c);
	}
}

static int message(struct admin_conn *c, const struct control_frame *f, struct wr *out, struct err *e)
{
	if (f->type == CONTROL_REQUEST && c->state == CONN_IDLE)
		return request(c, f->body, out, e);
	if (f->type == CONTROL_ANSWER && c->state == CONN_ASKING)
		return answer(c, f->body, out, e);
	if (f->type == CONTROL_UPLOAD && c->state == CONN_TAKING)
		return upload(c, f->body, e);
	if (f->type == CONTROL_UPLOAD_END && f->body.len == 0 && c->state == CONN_TAKING) {
		upload_end(c, out);
		return 0;
	}
	if (f->type == CONTROL_CANCEL && f->body.len == 0) {
		cancel(c, out);
		return 0;
	}
	return err_rule(e, "control-order", 0, "control message of type %d out of its turn", f->type);
}

/* Sending, a bounded amount a step. */

static void send_piece_of_text(struct admin_conn *c, struct wr *out)
{
	struct view all = wr_view_all(&c->text);
	size_t n = all.len - c->sent;

	if (n > ADMIN_CONN_OUT_MAX)
		n = ADMIN_CONN_OUT_MAX;
	control_put_text(out, CONTROL_OUTPUT, (struct view){all.p + c->sent, n});
	c->sent += n;
}

static void send_failed(struct admin_conn *c, const char *why)
{
	err_set(&c->failure, ERR_IO, "%s: %s", c->send.files[c->send.at].name, why);
	c->run.status = 1;
	command_send_clear(&c->send);
}

static void send_piece_of_file(struct admin_conn *c, struct wr *out)
{
	struct command_file *f = &c->send.files[c->send.at];
	uint8_t buf[CONTROL_CHUNK];
	size_t want = f->left < sizeof(buf) ? (size_t)f->left : sizeof(buf);

	if (!c->send.announced)
		control_put_file(out, f->left, f->name);
	c->send.announced = true;
	ssize_t n = want ? read(f->fd, buf, want) : 0;
	if (n < 0) {
		send_failed(c, strerror(errno));
		return;
	}
	if (n == 0 && want) {
		send_failed(c, "it became shorter meanwhile");
		return;
	}
	if (n)
		control_put(out, CONTROL_DATA, (struct view){buf, (size_t)n});
	f->left -= (uint64_t)n;
	if (f->left)
		return;
	control_put(out, CONTROL_FILE_END, (struct view){0});
	close(f->fd);
	c->send.at++;
	c->send.announced = false;
}

/* Is a part of its output worth nothing? */
static bool whole(const struct admin_conn *c)
{
	return c->match.command && command_option(&c->run, "--json");
}

static void send_last(struct admin_conn *c, struct wr *out)
{
	if (c->text.failed) {
		err_set(&c->failure, c->text.failed, "the output is longer than %d MiB and was %s", ADMIN_OUTPUT_MAX >> 20,
			whole(c) ? "left out: as JSON it is all or nothing" : "cut");
		c->run.status = 1;
	}
	if (c->failure.code) {
		/* It may quote strangers, from certificates. */
		char line[4 * sizeof(c->failure.text) + 1];
		size_t n = text_printable(line, sizeof(line) - 1, view_str(c->failure.text));
		memcpy(line + n, "\n", 2);
		control_put_text(out, CONTROL_ERROR, view_str(line));
	}
	control_put_done(out, (uint8_t)c->run.status);
	command_over(c);
}

static void send_some(struct admin_conn *c, struct wr *out)
{
	if (c->run.out) { /* the command has written its last: what is buffered goes to c->text */
		fclose(c->run.out);
		c->run.out = NULL;
	}
	if (c->sent < c->text.len && !(c->text.failed && whole(c)))
		send_piece_of_text(c, out);
	else if (c->send.at < c->send.n)
		send_piece_of_file(c, out);
	else
		send_last(c, out);
}

/* Handle every whole message in c->in and keep the rest. */
static int take_in(struct admin_conn *c, struct wr *out, struct err *e)
{
	struct view all = wr_view_all(&c->in);
	struct control_frame f;
	size_t used;
	int rc;

	while ((rc = control_next(all, &f, &used, e)) == 0) {
		rc = message(c, &f, out, e);
		if (rc < 0)
			return rc;
		all = (struct view){all.p + used, all.len - used};
	}
	if (rc != ERR_AGAIN)
		return rc;
	struct wr rest;
	wr_init(&rest, 2 * IN_MAX);
	wr_view(&rest, all);
	wr_clear(&c->in);
	c->in = rest;
	return c->in.failed ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

int admin_conn_step(struct admin_conn *c, struct view in, struct wr *out, enum admin_conn_want *want, struct err *e)
{
	size_t before = out->len;
	int rc = 0;

	while (in.len && rc == 0) {
		size_t n = in.len < IN_MAX ? in.len : IN_MAX;
		rc = wr_bytes(&c->in, in.p, n) ? take_in(c, out, e) : err_set(e, ERR_NOMEM, "out of memory");
		in = (struct view){in.p + n, in.len - n};
	}
	if (rc == 0 && c->state == CONN_FOLLOWING)
		follow(c, false, out);
	while (rc == 0 && c->state == CONN_SENDING && out->len - before < ADMIN_CONN_OUT_MAX)
		send_some(c, out);
	if (rc == 0 && out->failed)
		rc = err_set(e, ERR_NOMEM, "the answer to a control connection could not be kept");
	if (rc < 0)
		return rc;
	*want = c->state == CONN_SENDING   ? ADMIN_CONN_MORE :
		c->state != CONN_FOLLOWING ? ADMIN_CONN_READ :
		c->run.busy		   ? ADMIN_CONN_BUSY :
					     ADMIN_CONN_LATER;
	return 0;
}
