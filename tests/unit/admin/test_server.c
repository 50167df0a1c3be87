#include "admin/talk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/audit.h"
#include "store/store.h"

/* Commands of which each shows one thing that a command can do. */

static int ran;          /* how often a changing command ran */
static char seen[200];   /* what it was answered */
static char folder[64];

static int say_hello(struct command_run *r, struct err *e)
{
	(void)e;
	fprintf(r->out, "hello %s, %u columns\n", r->peer->actor, r->columns);
	return 0;
}

static int say_no(struct command_run *r, struct err *e)
{
	(void)e;
	fputs("nothing there\n", r->out);
	r->status = 1;
	return 0;
}

static int break_down(struct command_run *r, struct err *e)
{
	fputs("before\n", r->out);
	return err_set(e, ERR_IO, "the disk is full");
}

static int forbidden(struct command_run *r, struct err *e)
{
	(void)r;
	return err_set(e, ERR_AUTH, "it writes");
}

static int change_ask(struct command_run *r, struct err *e)
{
	(void)e;
	if (command_answers(r))
		return 0;
	fputs("Phones will notice.\n", r->out);
	command_confirm(r, "Do you want to continue? (y/n):");
	return 0;
}

static int change(struct command_run *r, struct err *e)
{
	(void)e;
	if (command_option(r, "--dry-run")) {
		fputs("would change\n", r->out);
		return 0;
	}
	ran++;
	strcpy(r->object, "thing");
	strcpy(r->before, "old");
	strcpy(r->after, "new");
	fputs("changed\n", r->out);
	return 0;
}

static int login_ask(struct command_run *r, struct err *e)
{
	(void)e;
	if (command_answers(r) == 0)
		command_question(r, false, "User: ");
	else if (command_answers(r) == 1)
		command_question(r, true, "Password of %s: ", command_answer(r, 0));
	else if (command_answers(r) == 2)
		command_confirm(r, "Sure? ");
	return 0;
}

static int login(struct command_run *r, struct err *e)
{
	(void)e;
	ran++;
	snprintf(seen, sizeof(seen), "%s/%s", command_answer(r, 0), command_answer(r, 1));
	return 0;
}

static int talk(struct command_run *r, struct err *e)
{
	(void)e;
	for (int i = 0; i < 100000; i++)
		fprintf(r->out, "%08d\n", i);
	return 0;
}

static int talk_without_end(struct command_run *r, struct err *e)
{
	static char line[4096];

	(void)e;
	memset(line, 'x', sizeof(line) - 1);
	for (size_t i = 0; i < ADMIN_OUTPUT_MAX / sizeof(line) + 10; i++)
		fputs(line, r->out);
	return 0;
}

/* In pieces: more than a command may write in one go. */
#define PIECES (2 * ADMIN_OUTPUT_MAX / 65536)

static int freed;

static void piece_free(void *job)
{
	free(job);
	freed++;
}

static int piece(struct command_run *r, bool cancel, struct err *e)
{
	static char line[65536];
	int *left = r->job;

	if (cancel)
		return err_set(e, ERR_USAGE, "cancelled with %d pieces left", *left);
	memset(line, 'x', sizeof(line) - 1);
	fputs(line, r->out);
	fputc('\n', r->out);
	r->follow = --*left > 0;
	return 0;
}

static int begin_pieces(struct command_run *r, struct err *e)
{
	int *left = malloc(sizeof(*left));

	assert_non_null(left);
	*left = PIECES;
	r->job = left;
	r->job_free = piece_free;
	r->follow = r->busy = true;
	return piece(r, false, e);
}

static int copy(struct command_run *r, struct err *e)
{
	static const char *const names[] = {"one", "two"};
	char path[128];
	int rc = 0;

	fputs("copying\n", r->out);
	for (int i = 0; rc == 0 && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		rc = command_send_file(r, names[i], fd, e);
	}
	return rc;
}

static int take(struct command_run *r, struct err *e)
{
	(void)e;
	ran++;
	snprintf(seen, sizeof(seen), "%.*s", (int)r->upload.len, (const char *)r->upload.p);
	return 0;
}

static const struct grammar_option change_opts[] = {{"--yes", NULL, "yes"}, {"--dry-run", NULL, "dry"}, {0}};
static const struct grammar_option opts_json[] = {{"--json", NULL, "as JSON"}, {0}};
static const struct command c_pieces = {.run = begin_pieces, .follow = piece},
			    c_whole = {.options = opts_json, .run = talk_without_end};
static const struct command c_hello = {.run = say_hello}, c_no = {.run = say_no}, c_fail = {.run = break_down},
			    c_forbidden = {.run = forbidden}, c_talk = {.run = talk}, c_endless = {.run = talk_without_end},
			    c_copy = {.run = copy}, c_local = {.local = true},
			    c_change = {change_opts, ADMIN_CHANGE, false, change_ask, change},
			    c_login = {change_opts, ADMIN_CHANGE, false, login_ask, login},
			    c_reset = {change_opts, ADMIN_RESET, false, NULL, change},
			    c_broken = {NULL, ADMIN_CHANGE, false, NULL, break_down},
			    c_take = {.options = change_opts, .privilege = ADMIN_CHANGE, .run = take, .upload = 1},
			    c_take_high = {.privilege = ADMIN_RESET, .run = take, .upload = 1};
static const struct grammar_word take_file[] = {{GRAMMAR_HINT, "FILE", "", NULL, NULL, &c_take}, {0}};
static const struct grammar_word high_file[] = {{GRAMMAR_HINT, "FILE", "", NULL, NULL, &c_take_high}, {0}};
static const struct grammar_word root[] = {
	{GRAMMAR_WORD, "hello", "", NULL, NULL, &c_hello},     {GRAMMAR_WORD, "no", "", NULL, NULL, &c_no},
	{GRAMMAR_WORD, "fail", "", NULL, NULL, &c_fail},       {GRAMMAR_WORD, "forbidden", "", NULL, NULL, &c_forbidden},
	{GRAMMAR_WORD, "talk", "", NULL, NULL, &c_talk},       {GRAMMAR_WORD, "endless", "", NULL, NULL, &c_endless},
	{GRAMMAR_WORD, "pieces", "in pieces", NULL, NULL, &c_pieces},
	{GRAMMAR_WORD, "whole", "JSON", NULL, NULL, &c_whole},
	{GRAMMAR_WORD, "copy", "", NULL, NULL, &c_copy},       {GRAMMAR_WORD, "local", "", NULL, NULL, &c_local},
	{GRAMMAR_WORD, "change", "", NULL, NULL, &c_change},   {GRAMMAR_WORD, "login", "", NULL, NULL, &c_login},
	{GRAMMAR_WORD, "reset", "", NULL, NULL, &c_reset},     {GRAMMAR_WORD, "broken", "", NULL, NULL, &c_broken},
	{GRAMMAR_WORD, "take", "", NULL, take_file, NULL},     {GRAMMAR_WORD, "high", "", NULL, high_file, NULL},
	{0}};

/* A node with a store, and somebody who talks to it. */

static int64_t now(void *ctx)
{
	(void)ctx;
	return 1425671113;
}

static const struct clock clock_fixed = {.wall_s = now};

static int setup(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct err e = ERR_INIT;

	strcpy(folder, "/tmp/ringfence-admin-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_ok(store_open("sqlite:store.sqlite3", folder, STORE_CREATE, &t->host.store, &e), &e);
	t->host.clock = &clock_fixed;
	const struct admin_peer peer = {.uid = 0, .actor = "root (uid 0)", .allowed = true, .privilege = ADMIN_CHANGE};
	t->conn = admin_conn_new(&t->host, root, &peer);
	wr_init(&t->out, 1 << 20);
	t->status = -1;
	ran = 0;
	seen[0] = '\0';
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct talk *t = *state;
	char command[100];

	admin_conn_free(t->conn);
	store_close(t->host.store);
	wr_clear(&t->out);
	free(t);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

struct audit_want {
	int rows;
	const char *command, *outcome, *after;
};

static int audit_row(void *ctx, const struct store_audit *a)
{
	struct audit_want *w = ctx;

	if (w->rows++ == 0) {
		assert_string_equal(a->who, "root (uid 0)");
		assert_string_equal(a->command, w->command);
		assert_string_equal(a->outcome, w->outcome);
		assert_int_equal(a->time, 1425671113);
		if (w->after)
			assert_string_equal(a->after, w->after);
	}
	return 0;
}

/* So many rows in the audit, the newest of them this one. */
static void audited(struct talk *t, int rows, const char *command, const char *outcome, const char *after)
{
	struct audit_want w = {0, command, outcome, after};
	struct err e = ERR_INIT;

	assert_ok(store_audit_list(t->host.store, 0, 0, audit_row, &w, &e), &e);
	assert_int_equal(w.rows, rows);
}

static void test_output_and_status(void **state)
{
	struct talk *t = *state;

	talk_request(t, "hel", 0);
	assert_string_equal(t->text, "hello root (uid 0), 80 columns\n");
	assert_string_equal(t->error, "");
	assert_int_equal(t->status, 0);
	talk_request(t, "no", 0);
	assert_string_equal(t->text, "nothing there\n");
	assert_int_equal(t->status, 1);
	talk_request(t, "fail", 0);
	assert_string_equal(t->text, "before\n");
	assert_string_equal(t->error, "the disk is full\n");
	assert_int_equal(t->status, 1);
	talk_request(t, "nonsense", 0);
	assert_non_null(strstr(t->error, "\"nonsense\" is not known here"));
	assert_int_equal(t->status, 1);
	talk_request(t, "local", 0);
	assert_non_null(strstr(t->error, "a command of the shell"));
	audited(t, 0, "", "", NULL);
}

static void test_question(void **state)
{
	struct talk *t = *state;

	talk_request(t, "change", CONTROL_TTY);
	assert_int_equal(t->status, -1);
	assert_string_equal(t->text, "Phones will notice.\n");
	assert_string_equal(t->prompt, "Do you want to continue? (y/n):");
	assert_int_equal(t->prompt_kind, CONTROL_PROMPT_LINE);
	assert_int_equal(ran, 0);
	talk_tell(t, CONTROL_ANSWER, "y");
	assert_string_equal(t->text, "Phones will notice.\n\nchanged\n");
	assert_int_equal(t->status, 0);
	assert_int_equal(ran, 1);
	audited(t, 1, "change", "done", "new");
	talk_request(t, "change", CONTROL_TTY);
	talk_tell(t, CONTROL_ANSWER, "YES");
	assert_int_equal(ran, 2);
}

static void test_answer_no(void **state)
{
	static const char *const noes[] = {"n", "", "no", "yess", "y ", "ye"};
	struct talk *t = *state;

	for (size_t i = 0; i < sizeof(noes) / sizeof(noes[0]); i++) {
		talk_request(t, "change", CONTROL_TTY);
		talk_tell(t, CONTROL_ANSWER, noes[i]);
		assert_int_equal(t->status, 1);
		assert_string_equal(t->error, "the answer was not yes; nothing was changed\n");
		assert_int_equal(ran, 0);
		audited(t, (int)i + 1, "change", "refused: the answer was not yes; nothing was changed", NULL);
	}
}

static void test_no_terminal(void **state)
{
	struct talk *t = *state;

	talk_request(t, "change", 0);
	assert_int_equal(t->status, 1);
	assert_int_equal(ran, 0);
	assert_string_equal(t->text, "Phones will notice.\nDo you want to continue? (y/n): n\n\n");
	assert_non_null(strstr(t->error, "add --yes"));
	talk_request(t, "change --yes", 0);
	assert_int_equal(t->status, 0);
	assert_int_equal(ran, 1);
	assert_string_equal(t->text, "Phones will notice.\nDo you want to continue? (y/n): y\n\nchanged\n");
	audited(t, 2, "change --yes", "done", "new");
	talk_request(t, "change --yes", CONTROL_TTY);
	assert_int_equal(ran, 2);
}

static void test_dry_run(void **state)
{
	struct talk *t = *state;

	talk_request(t, "change --dry-run", CONTROL_TTY);
	assert_string_equal(t->text, "would change\n");
	assert_int_equal(t->status, 0);
	assert_int_equal(ran, 0);
	audited(t, 0, "", "", NULL);
}

static void test_several_questions(void **state)
{
	struct talk *t = *state;

	talk_request(t, "login", CONTROL_TTY);
	assert_string_equal(t->prompt, "User: ");
	talk_tell(t, CONTROL_ANSWER, "anna");
	assert_string_equal(t->prompt, "Password of anna: ");
	assert_int_equal(t->prompt_kind, CONTROL_PROMPT_SECRET);
	talk_tell(t, CONTROL_ANSWER, "geheim");
	assert_string_equal(t->prompt, "Sure? ");
	talk_tell(t, CONTROL_ANSWER, "y");
	assert_int_equal(t->status, 0);
	assert_string_equal(seen, "anna/geheim");
	audited(t, 1, "login", "done", NULL);
}

static void test_cancel(void **state)
{
	struct talk *t = *state;

	talk_tell(t, CONTROL_CANCEL, ""); /* nothing to cancel: nothing is said */
	assert_int_equal(t->status, -1);
	talk_request(t, "change", CONTROL_TTY);
	talk_tell(t, CONTROL_CANCEL, "");
	assert_int_equal(t->status, 1);
	assert_string_equal(t->error, "cancelled; nothing was changed\n");
	assert_int_equal(ran, 0);
	audited(t, 1, "change", "refused: cancelled; nothing was changed", NULL);
	talk_request(t, "hello", 0);
	assert_int_equal(t->status, 0);
}

static void test_upload(void **state)
{
	struct talk *t = *state;

	talk_request(t, "take phones.csv", 0);
	assert_int_equal(t->prompt_kind, CONTROL_PROMPT_FILE);
	assert_int_equal(ran, 0);
	talk_tell(t, CONTROL_UPLOAD, "one ");
	talk_tell(t, CONTROL_UPLOAD, "two");
	assert_int_equal(ran, 0);
	talk_tell(t, CONTROL_UPLOAD_END, "");
	assert_int_equal(t->status, 0);
	assert_string_equal(seen, "one two");
	talk_request(t, "take phones.csv --dry-run", 0); /* the file is needed for that too; nothing is left of the first */
	talk_tell(t, CONTROL_UPLOAD_END, "");
	assert_int_equal(t->status, 0);
	assert_string_equal(seen, "");

	talk_request(t, "take phones.csv", 0);
	talk_tell(t, CONTROL_UPLOAD, "half");
	talk_tell(t, CONTROL_CANCEL, "");
	assert_int_equal(t->status, 1);
	assert_int_equal(ran, 2);
	t->prompt_kind = -1;
	talk_request(t, "high phones.csv", 0); /* not allowed: not asked for */
	assert_int_equal(t->status, 1);
	assert_int_equal(t->prompt_kind, -1);
	assert_int_equal(ran, 2);
}

static void test_upload_out_of_turn(void **state)
{
	struct talk *t = *state;
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, 1000);
	control_put(&w, CONTROL_UPLOAD, view_str("unasked"));
	assert_err(talk_give(t, wr_view_all(&w), &e), ERR_PROTO);
	assert_string_equal(e.rule, "control-order");
	wr_clear(&w);
}

static void test_privilege(void **state)
{
	struct talk *t = *state;

	talk_request(t, "reset", 0);
	assert_int_equal(t->status, 1);
	assert_int_equal(ran, 0);
	assert_non_null(strstr(t->error, "may not do this"));
	audited(t, 1, "reset", "refused: root (uid 0) may not do this: it takes the owner of the node, or root", NULL);
	talk_request(t, "forbidden", 0);
	audited(t, 2, "forbidden", "refused: it writes", NULL);
	talk_request(t, "broken", 0);
	audited(t, 3, "broken", "failed: the disk is full", NULL);
}

static void test_stranger(void **state)
{
	struct talk *t = *state;
	const struct admin_peer peer = {.uid = 4711, .actor = "uid 4711"};

	admin_conn_free(t->conn);
	t->conn = admin_conn_new(&t->host, root, &peer);
	talk_request(t, "hello", 0);
	assert_int_equal(t->status, 1);
	assert_string_equal(t->text, "");
	assert_non_null(strstr(t->error, "uid 4711 may not use this node"));
}

static void test_long_output(void **state)
{
	struct talk *t = *state;

	talk_request(t, "talk", 0);
	assert_int_equal(t->status, 0);
	assert_int_equal(strlen(t->text), 900000);
	assert_memory_equal(t->text + 900000 - 9, "00099999\n", 9);
}

static void test_output_cap(void **state)
{
	struct talk *t = *state;
	enum admin_conn_want want = ADMIN_CONN_MORE;
	struct err e = ERR_INIT;
	struct wr w;
	size_t steps = 0;

	talk_put_request(&w, "endless", 0);
	struct view in = wr_view_all(&w);
	while (want == ADMIN_CONN_MORE) {
		assert_ok(admin_conn_step(t->conn, in, &t->out, &want, &e), &e);
		t->text[0] = '\0'; /* a client that reads and forgets */
		talk_hear(t);
		in = (struct view){0};
		steps++;
	}
	assert_true(steps > ADMIN_OUTPUT_MAX / (2 * ADMIN_CONN_OUT_MAX));
	assert_int_equal(t->status, 1);
	assert_non_null(strstr(t->error, "longer than 16 MiB"));
	wr_clear(&w);
}

/* Half of JSON is none. */
static void test_output_cap_of_json(void **state)
{
	struct talk *t = *state;

	talk_request(t, "whole --json", 0);
	assert_int_equal(t->status, 1);
	assert_string_equal(t->text, "");
	assert_non_null(strstr(t->error, "longer than 16 MiB and was left out"));
	talk_request(t, "hello", 0);
	assert_int_equal(t->status, 0);
}

/* A piece for each time that the client has taken the one before; nothing is kept of those. */
static void test_output_in_pieces(void **state)
{
	struct talk *t = *state;
	enum admin_conn_want want;
	struct err e = ERR_INIT;
	struct wr w;
	size_t octets = 0, steps = 0;

	freed = 0;
	talk_put_request(&w, "pieces", 0);
	struct view in = wr_view_all(&w);
	do {
		assert_ok(admin_conn_step(t->conn, in, &t->out, &want, &e), &e);
		assert_true(t->out.len <= 3 * (65536 + 100));
		talk_hear(t);
		octets += strlen(t->text);
		t->text[0] = '\0';
		in = (struct view){0};
		steps++;
		assert_true(want == ADMIN_CONN_BUSY || t->status == 0 || want == ADMIN_CONN_MORE);
	} while (want == ADMIN_CONN_BUSY || want == ADMIN_CONN_MORE);
	assert_int_equal(octets, PIECES * 65536);
	assert_true(steps >= PIECES / 2);
	assert_int_equal(t->status, 0);
	assert_int_equal(freed, 1);
	/* Cancelled, and given up. */
	assert_ok(admin_conn_step(t->conn, wr_view_all(&w), &t->out, &want, &e), &e);
	t->status = -1;
	talk_hear(t);
	t->text[0] = '\0';
	talk_tell(t, CONTROL_CANCEL, "");
	assert_int_equal(t->status, 1);
	assert_non_null(strstr(t->error, "cancelled with"));
	assert_int_equal(freed, 2);
	t->status = -1;
	t->text[0] = '\0';
	assert_ok(admin_conn_step(t->conn, wr_view_all(&w), &t->out, &want, &e), &e);
	admin_conn_free(t->conn);
	t->conn = NULL;
	assert_int_equal(freed, 3);
	wr_clear(&w);
}

/* Cancelled half way, the rest is not sent and the next command is understood. */
static void test_cancel_output(void **state)
{
	struct talk *t = *state;
	enum admin_conn_want want;
	struct err e = ERR_INIT;
	struct wr w;

	talk_put_request(&w, "talk", 0);
	assert_ok(admin_conn_step(t->conn, wr_view_all(&w), &t->out, &want, &e), &e);
	assert_int_equal(want, ADMIN_CONN_MORE);
	talk_hear(t);
	talk_tell(t, CONTROL_CANCEL, "");
	assert_int_equal(t->status, 1);
	assert_true(strlen(t->text) < 900000);
	wr_clear(&w);
	talk_request(t, "hello", 0);
	assert_int_equal(t->status, 0);
}

static void make(const char *name, size_t n)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
}

static void test_files(void **state)
{
	struct talk *t = *state;

	make("one", 0);
	make("two", 500001);
	talk_request(t, "copy", 0);
	assert_int_equal(t->status, 0);
	assert_string_equal(t->text, "copying\n");
	assert_string_equal(t->files, "one:0 two:500001 ");
}

/* A file that becomes shorter while it is sent never ends: the client throws it away. */
static void test_file_shrinks(void **state)
{
	struct talk *t = *state;
	enum admin_conn_want want;
	struct err e = ERR_INIT;
	struct wr w;

	make("one", 10);
	make("two", 500001);
	talk_put_request(&w, "copy", 0);
	assert_ok(admin_conn_step(t->conn, wr_view_all(&w), &t->out, &want, &e), &e);
	wr_clear(&w);
	talk_hear(t);
	make("two", 100);
	assert_ok(talk_give(t, (struct view){0}, &e), &e);
	assert_int_equal(t->status, 1);
	assert_string_equal(t->files, "one:10 ");
	assert_string_equal(t->error, "two: it became shorter meanwhile\n");
}

static void test_out_of_turn(void **state)
{
	static const struct {
		enum control_type type;
		bool asking;
	} bad[] = {{CONTROL_ANSWER, false}, {CONTROL_OUTPUT, false}, {CONTROL_DONE, true}, {CONTROL_REQUEST, true}};
	struct talk *t = *state;
	const struct admin_peer peer = {.allowed = true, .actor = "root (uid 0)", .privilege = ADMIN_CHANGE};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;
		struct wr w;

		admin_conn_free(t->conn);
		t->conn = admin_conn_new(&t->host, root, &peer);
		if (bad[i].asking)
			talk_request(t, "change", CONTROL_TTY);
		wr_init(&w, 1000);
		control_put(&w, bad[i].type, view_str("x"));
		assert_err(talk_give(t, wr_view_all(&w), &e), ERR_PROTO);
		assert_string_equal(e.rule, "control-order");
		wr_clear(&w);
		assert_int_equal(ran, 0);
	}
}

/* However the octets arrive, the conversation is the same; two messages in one piece are two messages. */
static void test_octet_by_octet(void **state)
{
	struct talk *t = *state;
	struct err e = ERR_INIT;
	struct wr w;

	talk_put_request(&w, "change", CONTROL_TTY);
	control_put(&w, CONTROL_ANSWER, view_str("y"));
	struct view all = wr_view_all(&w);
	for (size_t i = 0; i < all.len; i++)
		assert_ok(talk_give(t, (struct view){all.p + i, 1}, &e), &e);
	assert_int_equal(t->status, 0);
	assert_int_equal(ran, 1);
	t->status = -1;
	assert_ok(talk_give(t, all, &e), &e);
	assert_int_equal(t->status, 0);
	assert_int_equal(ran, 2);
	wr_clear(&w);
}

/* Gone in the middle of a question: nothing runs, nothing leaks. */
static void test_free_while_asking(void **state)
{
	struct talk *t = *state;

	talk_request(t, "login", CONTROL_TTY);
	talk_tell(t, CONTROL_ANSWER, "anna");
	admin_conn_free(t->conn);
	t->conn = NULL;
	assert_int_equal(ran, 0);
	admin_conn_free(NULL);
}

static void test_peer(void **state)
{
	struct admin_peer p;
	struct err e = ERR_INIT;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_ok(admin_peer_get(fd[0], getuid(), getgid(), &p, &e), &e);
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.pid, getpid());
	assert_true(p.allowed);
	assert_int_equal(p.privilege, ADMIN_RESET);
	assert_non_null(strstr(p.actor, "uid "));
	if (getuid() != 0) {
		assert_ok(admin_peer_get(fd[0], getuid() + 1, getgid(), &p, &e), &e);
		assert_true(p.allowed);
		assert_int_equal(p.privilege, ADMIN_CHANGE);
	}
	close(fd[0]);
	close(fd[1]);
	assert_err(admin_peer_get(fd[0], 0, 0, &p, &e), ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output_and_status), TEST(test_question),       TEST(test_answer_no),
		TEST(test_no_terminal),       TEST(test_dry_run),        TEST(test_several_questions),
		TEST(test_cancel),            TEST(test_privilege),      TEST(test_stranger),
		TEST(test_long_output),       TEST(test_output_cap),     TEST(test_cancel_output),
		TEST(test_output_cap_of_json), TEST(test_output_in_pieces),
		TEST(test_files),             TEST(test_file_shrinks),   TEST(test_out_of_turn),
		TEST(test_upload),            TEST(test_upload_out_of_turn),
		TEST(test_octet_by_octet),    TEST(test_free_while_asking), TEST(test_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
