#include <string.h>
#include <strings.h>

#include "admin/command.h"
#include "admin/shell_internal.h"
#include "admin/topic.h"

/* `help`: every command in full, or those that begin with some words. */

#define HELP_COLUMN 50

struct help {
	FILE *out;
	const struct grammar_line *line;
	size_t n;
	const struct command *only; /* the last one shown; with and without its optional arguments it is shown twice */
	bool several;
};

/* Does the command begin with the words asked for, each of which may be abbreviated? */
static bool fits(const char *synopsis, const struct grammar_line *l)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t n = strcspn(synopsis, " "), typed = strlen(l->tokens[i].text);
		if (typed > n || strncasecmp(synopsis, l->tokens[i].text, typed) != 0)
			return false;
		synopsis += n + (synopsis[n] == ' ');
	}
	return true;
}

static void show(void *ctx, const char *synopsis, const struct grammar_word *last)
{
	struct help *h = ctx;

	if (!fits(synopsis, h->line))
		return;
	fprintf(h->out, "  %-*s  %s\n", HELP_COLUMN - 1, synopsis, last->help);
	h->several = h->several || (h->n && h->only != last->command);
	h->n++;
	h->only = last->command;
}

static void show_options(FILE *out, const struct grammar_option *o)
{
	if (o && o->name)
		fputs("\nIt may be followed by:\n", out);
	for (; o && o->name; o++) {
		char name[64];
		snprintf(name, sizeof(name), "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		fprintf(out, "  %-*s %s\n", HELP_COLUMN, name, o->help);
	}
}

void shell_help(FILE *out, const struct grammar_word *grammar, const char *words)
{
	struct grammar_line l;
	struct err e = ERR_INIT;

	if (grammar_split(words, &l, &e) < 0) {
		fprintf(out, "%s\n", e.text);
		return;
	}
	const char *topic = topic_find(&l);
	struct help h = {.out = out, .line = &l};
	grammar_commands(grammar, show, &h);
	if (h.n == 0 && topic)
		fputs(topic, out);
	else if (h.n == 0)
		fprintf(out, "No command begins with \"%s\".\n", words);
	if (h.n && !h.several)
		show_options(out, h.only->options);
	if (l.n == 0)
		fputs("\nWords may be abbreviated while they are unambiguous. TAB completes, ? lists what may follow.\n"
		      "help and the beginning of a command tells more about it; man ringfence-admin tells all.\n",
		      out);
	grammar_line_clear(&l);
}
