#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"

/* A line of the shell: whatever it is, completion, help and carets cope, and what it means survives being sent. */

static void offer(void *ctx, const char *word, const char *help)
{
	(void)ctx;
	if (!*word || !help)
		abort();
}

static void same(const struct grammar_match *m)
{
	struct grammar_line l;
	struct grammar_match n;
	struct err e = ERR_INIT;

	if (grammar_join((const char *const *)m->full, m->quoted, m->n_full, &l, &e) < 0)
		abort();
	if (grammar_match(admin_grammar, &l, &n, &e) < 0)
		abort();
	if (n.command != m->command || n.n_args != m->n_args || strcmp(n.words, m->words) != 0)
		abort();
	for (size_t i = 0; i < n.n_args; i++)
		if (strcmp(n.args[i], m->args[i]) != 0)
			abort();
	grammar_match_clear(&n);
	grammar_line_clear(&l);
}

static void line(const char *text, FILE *out)
{
	struct grammar_line l;
	struct grammar_match m;
	struct err e = ERR_INIT;

	if (grammar_split(text, &l, &e) < 0)
		return;
	grammar_complete(admin_grammar, &l, offer, NULL);
	grammar_help(out, admin_grammar, &l);
	grammar_in_rest(admin_grammar, &l);
	if (grammar_match(admin_grammar, &l, &m, &e) < 0) {
		if (e.code != ERR_USAGE && e.code != ERR_LIMIT)
			abort();
		grammar_explain(out, &l, &e);
	} else {
		same(&m);
		grammar_match_clear(&m);
	}
	grammar_line_clear(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	char *text = malloc(size + 1);

	if (!null)
		null = fopen("/dev/null", "w");
	memcpy(text, data, size);
	text[size] = '\0';
	line(text, null);
	free(text);
	return 0;
}
