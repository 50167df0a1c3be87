#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/server.h"

/*
 * What a client sends: the node's half of a connection fed with a stranger's octets, cut in two at a place that the first
 * octet chooses. Commands do nothing here; what they ask is answered by the input.
 */

static int ask(struct command_run *r, struct err *e)
{
	(void)e;
	if (command_answers(r) == 0)
		command_question(r, true, "Password: ");
	else if (command_answers(r) == 1)
		command_confirm(r, "Sure? ");
	return 0;
}

static int run(struct command_run *r, struct err *e)
{
	fprintf(r->out, "%s %u %zu\n", command_arg(r, 0), r->columns, r->upload.len);
	return command_option(r, "--fail") ? err_set(e, ERR_IO, "failed") : 0;
}

static const struct grammar_option opts[] = {{"--yes", NULL, "yes"}, {"--fail", NULL, "fail"}, {0}};
static const struct command command = {.options = opts, .ask = ask, .run = run};
static const struct command taking = {.options = opts, .ask = ask, .run = run, .upload = 1};
static const struct grammar_word file[] = {{GRAMMAR_HINT, "FILE", "a file", NULL, NULL, &taking}, {0}};
static const struct grammar_word words[] = {
	{GRAMMAR_WORD, "take", "a file", NULL, file, NULL}, {GRAMMAR_HINT, "WORD", "a word", NULL, NULL, &command}, {0}};

static void step(struct admin_conn *c, struct view in, int *rc)
{
	enum admin_conn_want want = ADMIN_CONN_MORE;

	while (*rc == 0 && want == ADMIN_CONN_MORE) {
		struct err e = ERR_INIT;
		struct wr out;

		wr_init(&out, 1 << 20);
		*rc = admin_conn_step(c, in, &out, &want, &e);
		if (*rc < 0 && *rc != ERR_PROTO)
			abort();
		wr_clear(&out);
		in = (struct view){0};
	}
}

/* And what a node sends, as the client takes it apart. */
static void as_client(struct view in)
{
	struct control_frame f;
	struct control_request q;
	enum control_prompt kind;
	struct view v;
	uint64_t size;
	uint8_t status;
	size_t used;
	struct err e = ERR_INIT;

	for (; control_next(in, &f, &used, &e) == 0; in = (struct view){in.p + used, in.len - used}) {
		if (control_get_file(f.body, &size, &v, &e) == 0 && memchr(v.p, '/', v.len))
			abort();
		if (control_get_request(f.body, &q, &e) == 0 && (q.n_words == 0 || q.n_words > CONTROL_WORDS_MAX))
			abort();
		if (control_get_text(f.body, &v, &e) == 0 && v.len && memchr(v.p, 0, v.len))
			abort();
		if (control_get_prompt(f.body, &kind, &v, &e) == 0 && kind > CONTROL_PROMPT_SECRET)
			abort();
		if (control_get_done(f.body, &status, &e) == 0 && f.body.len != 1)
			abort();
		err_clear(&e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct admin_peer peer = {.allowed = true, .privilege = ADMIN_RESET, .actor = "fuzz"};
	static const struct admin_host host;
	int rc = 0;

	if (size < 1)
		return 0;
	struct admin_conn *c = admin_conn_new(&host, words, &peer);
	size_t cut = 1 + (size - 1) * data[0] / 256;
	step(c, (struct view){data + 1, cut - 1}, &rc);
	step(c, (struct view){data + cut, size - cut}, &rc);
	admin_conn_free(c);
	as_client((struct view){data + 1, size - 1});
	return 0;
}
