#include <string.h>
#include <strings.h>

#include "admin/command.h"
#include "admin/grammar_internal.h"
#include "base/text.h"

/* What can stand at a place of a line: completion, help and the lists in error texts. */

#define HELP_COLUMN 24

static bool begins(const char *word, size_t len, const char *typed)
{
	return strlen(typed) <= len && strncasecmp(word, typed, strlen(typed)) == 0;
}

/* Has a value before the i-th, of those that are possible, the same k-th word? */
static bool value_before(const struct grammar_walk *w, const struct grammar_word *arg, size_t k, size_t i, const char *word,
			 size_t len)
{
	const char *p;

	for (size_t j = 0; arg->kind == GRAMMAR_VALUE && j < i; j++)
		if (!(w->value && !w->alive[j]) && grammar_value_word(arg->values(j), k, &p) == len &&
		    strncasecmp(p, word, len) == 0)
			return true;
	return false;
}

/* The next word of each value that is still possible, each once. */
static void offer_values(const struct grammar_walk *w, const struct grammar_word *arg, const char *typed,
			 grammar_offer *cb, void *ctx)
{
	size_t k = w->value ? w->value_words : 0;
	char word[128];
	const char *v, *p;

	for (size_t i = 0; i < GRAMMAR_VALUES_MAX && (v = arg->values(i)); i++) {
		size_t len = w->value && !w->alive[i] ? 0 : strlen(v);
		p = v;
		if (len && arg->kind == GRAMMAR_VALUE)
			len = grammar_value_word(v, k, &p);
		if (!len || len >= sizeof(word) || !begins(p, len, typed) || value_before(w, arg, k, i, p, len))
			continue;
		memcpy(word, p, len);
		word[len] = '\0';
		cb(ctx, word, arg->help);
	}
}

static bool was_given(const struct grammar_walk *w, const struct grammar_option *o)
{
	for (size_t i = 0; i < w->n_given; i++)
		if (strcmp(w->given[i].option->name, o->name) == 0)
			return true;
	return false;
}

/* Was an option of this name offered already? Several commands below one word have the same ones. */
static bool seen_before(const struct grammar_walk *w, size_t i)
{
	const char *name = grammar_option_at(w, i)->name;

	for (size_t j = 0; j < i; j++)
		if (strcmp(grammar_option_at(w, j)->name, name) == 0)
			return true;
	return false;
}

static void offer_options(const struct grammar_walk *w, const char *typed, bool dashed, grammar_offer *cb, void *ctx)
{
	const struct grammar_option *o;

	/* Further up, options of many commands would be mixed. */
	if (!w->command && !(w->here && w->here->kind != GRAMMAR_WORD))
		return;
	for (size_t i = 0; (o = grammar_option_at(w, i)); i++) {
		if (!begins(o->name, strlen(o->name), typed) || was_given(w, o) || seen_before(w, i))
			continue;
		if (grammar_option_dashed(o) ? dashed : w->command != NULL)
			cb(ctx, o->name, o->help);
	}
}

void grammar_offers(const struct grammar_walk *w, const char *typed, bool options, grammar_offer *cb, void *ctx)
{
	const struct grammar_word *here = w->value ? w->value : w->here;

	if (w->rest || w->option_open)
		return;
	for (; here && here->text; here++) {
		if (here->kind == GRAMMAR_WORD) {
			if (begins(here->text, strlen(here->text), typed))
				cb(ctx, here->text, here->help);
		} else if (here->values) {
			offer_values(w, here, typed, cb, ctx);
		}
		if (w->value)
			break;
	}
	if (!w->value)
		offer_options(w, typed, options || text_starts(typed, "-"), cb, ctx);
}

struct list {
	char *out;
	size_t size, used;
};

static void list_add(void *ctx, const char *word, const char *help)
{
	struct list *l = ctx;

	(void)help;
	if (l->used + strlen(word) + 8 < l->size)
		l->used = text_append(l->out, l->size, l->used, "%s%s", l->used ? ", " : "; expected: ", word);
	else if (l->used && !text_ends(l->out, " ..."))
		l->used = text_append(l->out, l->size, l->used, " ...");
}

void grammar_expected(const struct grammar_walk *w, const char *typed, char *out, size_t size)
{
	struct list l = {out, size, 0};

	out[0] = '\0';
	grammar_offers(w, typed, false, list_add, &l);
	const struct grammar_word *arg = w->value ? NULL : w->here;
	for (; arg && arg->text; arg++)
		if (arg->kind == GRAMMAR_REST || (arg->kind == GRAMMAR_HINT && !arg->values))
			list_add(&l, arg->text, arg->help);
	if (w->command && !l.used)
		text_append(out, size, 0, "; the command ends here");
}

/* The walk up to the word that is being typed; typed gets what there is of it. */
static bool walk_open(const struct grammar_word *root, const struct grammar_line *l, struct grammar_walk *w,
		      const char **typed)
{
	size_t n = l->n && !l->blank_end ? l->n - 1 : l->n;
	struct err e = ERR_INIT;

	*typed = n < l->n ? l->tokens[n].text : "";
	return grammar_walk(root, l, n, w, NULL, &e) == 0;
}

void grammar_complete(const struct grammar_word *root, const struct grammar_line *l, grammar_offer *cb, void *ctx)
{
	struct grammar_walk w;
	const char *typed;

	if (walk_open(root, l, &w, &typed))
		grammar_offers(&w, typed, false, cb, ctx);
}

bool grammar_in_rest(const struct grammar_word *root, const struct grammar_line *l)
{
	struct grammar_walk w;
	const char *typed;

	if (l->open)
		return true;
	if (!walk_open(root, l, &w, &typed))
		return false;
	return w.rest || (typed[0] && w.here && w.here->kind == GRAMMAR_REST);
}

static void help_line(void *ctx, const char *word, const char *help)
{
	fprintf(ctx, "  %-*s %s\n", HELP_COLUMN, word, help);
}

static void help_arguments(FILE *out, const struct grammar_walk *w)
{
	for (const struct grammar_word *a = w->here; a && a->text; a++)
		if (a->kind == GRAMMAR_REST || (a->kind == GRAMMAR_HINT && !a->values))
			help_line(out, a->text, a->help);
}

void grammar_help(FILE *out, const struct grammar_word *root, const struct grammar_line *l)
{
	struct grammar_walk w;
	const char *typed;

	if (!walk_open(root, l, &w, &typed)) {
		fprintf(out, "  (no command begins like this)\n");
		return;
	}
	if (w.option_open) {
		const struct grammar_option *o = w.given[w.n_given - 1].option;
		help_line(out, o->value, o->help);
		return;
	}
	grammar_offers(&w, typed, true, help_line, out);
	if (!w.value && !w.rest && !text_starts(typed, "-"))
		help_arguments(out, &w);
	if (w.command && !w.value && !*typed)
		help_line(out, "<return>", "run the command");
}

static void visit(const struct grammar_word *list, const char *before, grammar_visit *cb, void *ctx)
{
	char synopsis[200];

	for (; list && list->text; list++) {
		size_t n = text_append(synopsis, sizeof(synopsis), 0, "%s%s", before, *before ? " " : "");
		text_append(synopsis, sizeof(synopsis), n, "%s", list->text);
		if (list->command)
			cb(ctx, synopsis, list);
		visit(list->next, synopsis, cb, ctx);
	}
}

void grammar_commands(const struct grammar_word *root, grammar_visit *cb, void *ctx)
{
	visit(root, "", cb, ctx);
}

/* Columns that the octets before `at` take: a tab is printed as one blank here, a UTF-8 character counts once. */
static int columns(const char *s, size_t at)
{
	int n = 0;

	for (size_t i = 0; i < at && s[i]; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	for (size_t i = strnlen(s, at); i < at; i++)
		n++;
	return n;
}

void grammar_explain(FILE *out, const struct grammar_line *l, const struct err *e)
{
	if (e->offset >= 0 && l->source) {
		for (const char *c = l->source; *c; c++)
			fputc(*c == '\t' ? ' ' : *c, out);
		fprintf(out, "\n%*s^\n", columns(l->source, (size_t)e->offset), "");
	}
	fprintf(out, "%s\n", e->text);
}
