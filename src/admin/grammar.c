#include "admin/grammar.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/command.h"
#include "admin/grammar_internal.h"
#include "base/text.h"

int grammar_fault(struct err *e, const char *rule, size_t offset, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(e, ERR_USAGE, "%s", text);
	if (e && e->code == ERR_USAGE && !e->rule) {
		e->rule = rule;
		e->offset = (long)offset;
	}
	return ERR_USAGE;
}

static bool begins(const char *word, const char *typed)
{
	return strncasecmp(word, typed, strlen(typed)) == 0;
}

bool grammar_option_dashed(const struct grammar_option *o)
{
	return o->name[0] == '-';
}

size_t grammar_value_word(const char *value, size_t k, const char **word)
{
	for (; k; k--) {
		value += strcspn(value, " ");
		if (!*value)
			return 0;
		value++;
	}
	*word = value;
	return strcspn(value, " ");
}

/* Options. */

/* The i-th option among all commands that can follow w; *i is counted down. */
static const struct grammar_option *option_below(const struct grammar_word *w, size_t *i)
{
	for (; w && w->text; w++) {
		for (const struct grammar_option *o = w->command ? w->command->options : NULL; o && o->name; o++)
			if ((*i)-- == 0)
				return o;
		const struct grammar_option *o = option_below(w->next, i);
		if (o)
			return o;
	}
	return NULL;
}

const struct grammar_option *grammar_option_at(const struct grammar_walk *w, size_t i)
{
	for (const struct grammar_option *o = w->command ? w->command->options : NULL; o && o->name; o++)
		if (i-- == 0)
			return o;
	return option_below(w->here, &i);
}

/* Does the token name the option, alone or with =VALUE behind it? */
static bool option_is(const struct grammar_option *o, const char *token)
{
	size_t n = strlen(o->name);

	return strncasecmp(o->name, token, n) == 0 && (token[n] == '\0' || (o->value && token[n] == '='));
}

static const struct grammar_option *option_find(const struct grammar_walk *w, const char *token)
{
	const struct grammar_option *o;

	for (size_t i = 0; (o = grammar_option_at(w, i)); i++)
		if (option_is(o, token))
			return o;
	return NULL;
}

static int option_give(struct grammar_walk *w, const struct grammar_option *o, size_t n, struct err *e)
{
	const struct grammar_token *t = &w->line->tokens[w->at];
	const char *value = strchr(t->text, '=');

	for (size_t i = 0; i < w->n_given; i++)
		if (strcmp(w->given[i].option->name, o->name) == 0)
			return grammar_fault(e, "option", t->start, "%s is there twice", o->name);
	if (w->n_given == GRAMMAR_OPTIONS_MAX)
		return grammar_fault(e, "option", t->start, "too many options");
	w->at++;
	if (!o->value) {
		value = "";
	} else if (value) {
		value++;
	} else if (w->at < n) {
		value = w->line->tokens[w->at++].text;
	} else {
		w->option_open = true;
		value = "";
	}
	w->given[w->n_given++] = (struct grammar_given){o, value, (size_t)(t - w->line->tokens)};
	return 0;
}

/* An option at w->at? Then it is taken and *taken set. */
static int option_step(struct grammar_walk *w, size_t n, bool *taken, struct err *e)
{
	const struct grammar_token *t = &w->line->tokens[w->at];
	bool dashed = text_starts(t->text, "--");

	*taken = false;
	if (t->quoted || w->at == 0 || (!dashed && !w->command))
		return 0;
	const struct grammar_option *o = option_find(w, t->text);
	if (o && (dashed || w->command)) {
		*taken = true;
		return option_give(w, o, n, e);
	}
	if (!dashed || (w->here && w->here->kind == GRAMMAR_REST))
		return 0;
	char list[200] = "";
	for (size_t i = 0, used = 0; (o = grammar_option_at(w, i)); i++)
		if (grammar_option_dashed(o) && !strstr(list, o->name))
			used = text_append(list, sizeof(list), used, "%s%s", used ? ", " : "; there is: ", o->name);
	return grammar_fault(e, "option", t->start, "there is no option %s here%s", t->text, list);
}

/* Words and arguments. */

/* Append a copy of text to a list of at most max. */
static int keep(char **list, size_t *n, size_t max, const char *text, size_t len, struct err *e)
{
	if (*n == max)
		return err_set(e, ERR_LIMIT, "the command has too many words");
	list[*n] = strndup(text, len);
	if (!list[*n])
		return err_set(e, ERR_NOMEM, "out of memory");
	++*n;
	return 0;
}

static int keep_word(struct grammar_match *m, const char *word, struct err *e)
{
	if (!m)
		return 0;
	text_append(m->words, sizeof(m->words), strlen(m->words), "%s%s", m->words[0] ? " " : "", word);
	return keep(m->full, &m->n_full, GRAMMAR_TOKENS_MAX, word, strlen(word), e);
}

static int keep_arg(struct grammar_match *m, const char *text, size_t len, struct err *e)
{
	if (!m)
		return 0;
	int rc = keep(m->args, &m->n_args, GRAMMAR_ARGS_MAX, text, len, e);
	if (rc == 0)
		rc = keep(m->full, &m->n_full, GRAMMAR_TOKENS_MAX, text, len, e);
	if (rc == 0)
		m->quoted[m->n_full - 1] = true;
	return rc;
}

static void go(struct grammar_walk *w, const struct grammar_word *to)
{
	w->here = to->next;
	w->command = to->command;
	w->value = NULL;
}

/* The fixed word that typed stands for. *ambiguous: several begin so, and none is exactly it. */
static const struct grammar_word *word_find(const struct grammar_word *list, const char *typed, bool *ambiguous)
{
	const struct grammar_word *found = NULL;

	*ambiguous = false;
	for (; list && list->text; list++) {
		if (list->kind != GRAMMAR_WORD || !begins(list->text, typed))
			continue;
		if (strlen(list->text) == strlen(typed)) {
			*ambiguous = false;
			return list;
		}
		*ambiguous = found != NULL;
		found = list;
	}
	return *ambiguous ? NULL : found;
}

static const struct grammar_word *argument_of(const struct grammar_word *list)
{
	while (list && list->text && list->kind == GRAMMAR_WORD)
		list++;
	return list && list->text ? list : NULL;
}

/* Which values go on with this word? Exact words leave no room for longer ones. Returns how many. */
static size_t value_narrow(struct grammar_walk *w, const char *typed)
{
	bool prefix[GRAMMAR_VALUES_MAX] = {false}, exact[GRAMMAR_VALUES_MAX] = {false};
	size_t n_prefix = 0, n_exact = 0;
	const char *v, *word = NULL;

	for (size_t i = 0; i < GRAMMAR_VALUES_MAX && (v = w->value->values(i)); i++) {
		size_t len = w->alive[i] ? grammar_value_word(v, w->value_words, &word) : 0;
		if (!len || strlen(typed) > len || strncasecmp(word, typed, strlen(typed)) != 0)
			continue;
		prefix[i] = true;
		exact[i] = strlen(typed) == len;
		n_prefix++;
		n_exact += exact[i];
	}
	if (n_prefix) {
		memcpy(w->alive, n_exact ? exact : prefix, sizeof(w->alive));
		w->value_words++;
	}
	return n_exact ? n_exact : n_prefix;
}

/* The one value that is left when all its words are there, or NULL. */
static const char *value_whole(const struct grammar_walk *w)
{
	const char *found = NULL, *v, *word;
	size_t n = 0;

	for (size_t i = 0; i < GRAMMAR_VALUES_MAX && (v = w->value->values(i)); i++) {
		if (!w->alive[i])
			continue;
		n++;
		if (!grammar_value_word(v, w->value_words, &word))
			found = v;
	}
	return n == 1 ? found : NULL;
}

/* A value that ends here, whether or not longer ones begin with it ("Auto Registration", "Auto Registration Maximum"). */
static const char *value_ending(const struct grammar_walk *w)
{
	const char *v, *word;

	for (size_t i = 0; w->value_words && i < GRAMMAR_VALUES_MAX && (v = w->value->values(i)); i++)
		if (w->alive[i] && !grammar_value_word(v, w->value_words, &word))
			return v;
	return NULL;
}

static bool value_goes_on(const struct grammar_walk *w, const char *typed)
{
	struct grammar_walk probe = *w;

	return *typed && value_narrow(&probe, typed) > 0;
}

/* Do all values that are left go on with the same word? Then it was abbreviated without harm so far. */
static bool value_agree(const struct grammar_walk *w)
{
	const char *v, *word = "", *first = NULL;
	size_t len, first_len = 0;

	for (size_t i = 0; i < GRAMMAR_VALUES_MAX && (v = w->value->values(i)); i++) {
		if (!w->alive[i])
			continue;
		len = grammar_value_word(v, w->value_words - 1, &word);
		if (first && (len != first_len || strncasecmp(word, first, len) != 0))
			return false;
		first = word;
		first_len = len;
	}
	return true;
}

static int value_finish(struct grammar_walk *w, const char *value, struct grammar_match *m, struct err *e)
{
	const struct grammar_word *to = w->value;

	go(w, to);
	return keep_arg(m, value, strlen(value), e);
}

/* The value that was probably meant: the one whose word here, or which as a whole, is like what was typed. */
static const char *value_nearest(const struct grammar_walk *w, const char *typed)
{
	const char *best = NULL, *v, *from;
	unsigned best_d = 4; /* further away it is no slip of the fingers */
	bool whole = strchr(typed, ' ') != NULL;
	char word[64];

	for (size_t i = 0; i < GRAMMAR_VALUES_MAX && (v = w->value->values(i)); i++) {
		size_t len = whole ? strlen(v) : grammar_value_word(v, w->value_words, &from);
		if (!w->alive[i] || !len)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)len, whole ? v : from);
		unsigned d = text_distance(typed, word);
		if (d < best_d && d < len) {
			best = v;
			best_d = d;
		}
	}
	return best;
}

static int value_unknown(struct grammar_walk *w, const struct grammar_token *t, struct err *e)
{
	const char *near = value_nearest(w, t->text);
	char list[300], hint[100] = "";

	if (near)
		snprintf(hint, sizeof(hint), ", did you mean \"%s\"?", near);
	grammar_expected(w, "", list, sizeof(list));
	return grammar_fault(e, "unknown-word", t->start, "there is no %s \"%s\"%s%s", w->value->text, t->text, hint, list);
}

static int value_step(struct grammar_walk *w, struct grammar_match *m, struct err *e)
{
	const struct grammar_token *t = &w->line->tokens[w->at];
	const char *v;
	char list[300];

	for (size_t i = 0; w->value_words == 0 && (v = w->value->values(i)); i++) {
		if (strcasecmp(v, t->text) == 0) {
			w->at++;
			return value_finish(w, v, m, e);
		}
	}
	v = value_ending(w);
	if (v && !value_goes_on(w, t->text))
		return value_finish(w, v, m, e); /* the word is what follows the value */
	struct grammar_walk before = *w;
	if (value_narrow(w, t->text) == 0)
		return value_unknown(w, t, e);
	if (!value_agree(w)) {
		grammar_expected(&before, t->text, list, sizeof(list));
		return grammar_fault(e, "ambiguous-word", t->start, "\"%s\" is ambiguous%s", t->text, list);
	}
	w->at++;
	v = value_whole(w);
	return v ? value_finish(w, v, m, e) : 0;
}

static void value_begin(struct grammar_walk *w, const struct grammar_word *arg)
{
	w->value = arg;
	w->value_words = 0;
	memset(w->alive, true, sizeof(w->alive));
}

/* A hint's abbreviation, when it stands for one value only; else what was typed. */
static const char *hint_full(const struct grammar_word *arg, const char *typed)
{
	const char *found = NULL, *v;

	for (size_t i = 0; *typed && arg->values && (v = arg->values(i)); i++) {
		if (!begins(v, typed))
			continue;
		if (strlen(v) == strlen(typed))
			return v;
		if (found)
			return typed;
		found = v;
	}
	return found ? found : typed;
}

/* Everything that is left, but for options of ours at the very end. */
static int rest_step(struct grammar_walk *w, const struct grammar_word *arg, size_t n, struct grammar_match *m,
		     struct err *e)
{
	const struct grammar_token *t = w->line->tokens;
	size_t end = n, start = w->at;

	while (end > start + 1 && !t[end - 1].quoted && text_starts(t[end - 1].text, "--") &&
	       option_find(w, t[end - 1].text))
		end--;
	int rc = keep_arg(m, w->line->source + t[start].start, t[end - 1].end - t[start].start, e);
	for (w->at = end; rc == 0 && w->at < n;)
		rc = option_give(w, option_find(w, t[w->at].text), n, e);
	go(w, arg);
	w->rest = true;
	return rc;
}

static int argument_step(struct grammar_walk *w, const struct grammar_word *arg, size_t n, struct grammar_match *m,
			 struct err *e)
{
	const char *full;

	switch (arg->kind) {
	case GRAMMAR_REST:
		return rest_step(w, arg, n, m, e);
	case GRAMMAR_VALUE:
		value_begin(w, arg);
		return value_step(w, m, e);
	case GRAMMAR_HINT:
	case GRAMMAR_WORD:
		break;
	}
	full = hint_full(arg, w->line->tokens[w->at].text);
	w->at++;
	go(w, arg);
	return keep_arg(m, full, strlen(full), e);
}

static int word_step(struct grammar_walk *w, size_t n, struct grammar_match *m, struct err *e)
{
	const struct grammar_token *t = &w->line->tokens[w->at];
	bool ambiguous;
	char list[300];
	const struct grammar_word *word = word_find(w->here, t->text, &ambiguous);
	const struct grammar_word *arg = argument_of(w->here);

	if (word) {
		w->at++;
		go(w, word);
		return keep_word(m, word->text, e);
	}
	if (arg)
		return argument_step(w, arg, n, m, e);
	grammar_expected(w, ambiguous ? t->text : "", list, sizeof(list));
	if (ambiguous)
		return grammar_fault(e, "ambiguous-word", t->start, "\"%s\" is ambiguous%s", t->text, list);
	return grammar_fault(e, "unknown-word", t->start, "\"%s\" is not known here%s", t->text, list);
}

int grammar_walk(const struct grammar_word *root, const struct grammar_line *l, size_t n, struct grammar_walk *w,
		 struct grammar_match *m, struct err *e)
{
	*w = (struct grammar_walk){.line = l, .here = root};
	while (w->at < n) {
		bool taken = false;
		int rc = option_step(w, n, &taken, e);
		if (rc == 0 && !taken)
			rc = w->value ? value_step(w, m, e) : word_step(w, n, m, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Put an option into its place in m. */
static int option_place(const struct grammar_given *g, const struct grammar_line *l, struct grammar_match *m, struct err *e)
{
	const struct grammar_option *o = m->command->options;
	size_t i = 0;

	while (o && o[i].name && strcmp(o[i].name, g->option->name) != 0)
		i++;
	if (!o || !o[i].name || i == GRAMMAR_OPTIONS_MAX)
		return grammar_fault(e, "option", l->tokens[g->token].start, "%s takes no option %s", m->words,
				     g->option->name);
	m->options[i] = strdup(g->value);
	if (!m->options[i] || m->n_full == GRAMMAR_TOKENS_MAX ||
	    asprintf(&m->full[m->n_full], "%s%s%s", o[i].name, o[i].value ? "=" : "", g->value) < 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	m->n_full++;
	return 0;
}

static int match_end(const struct grammar_walk *w, struct grammar_match *m, struct err *e)
{
	const struct grammar_line *l = w->line;
	size_t end = l->n ? l->tokens[l->n - 1].end : 0;
	char list[300];

	if (l->open && !w->rest)
		return grammar_fault(e, "quotes", end, "a quotation is not closed");
	if (w->option_open)
		return grammar_fault(e, "option", end, "%s needs a value", w->given[w->n_given - 1].option->name);
	if (!w->command || w->value) {
		grammar_expected(w, "", list, sizeof(list));
		return grammar_fault(e, "incomplete", end + 1, "the command is not complete%s", list);
	}
	m->command = w->command;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->n_given; i++)
		rc = option_place(&w->given[i], l, m, e);
	return rc;
}

int grammar_match(const struct grammar_word *root, const struct grammar_line *l, struct grammar_match *out, struct err *e)
{
	struct grammar_match m = {0};
	struct grammar_walk w;
	int rc = grammar_walk(root, l, l->n, &w, &m, e);

	const char *ending = rc == 0 && w.value ? value_ending(&w) : NULL;
	if (ending)
		rc = value_finish(&w, ending, &m, e);
	if (rc == 0)
		rc = match_end(&w, &m, e);
	if (rc < 0) {
		grammar_match_clear(&m);
		return rc;
	}
	*out = m;
	return 0;
}

void grammar_match_clear(struct grammar_match *m)
{
	for (size_t i = 0; i < m->n_args; i++)
		free(m->args[i]);
	for (size_t i = 0; i < GRAMMAR_OPTIONS_MAX; i++)
		free(m->options[i]);
	for (size_t i = 0; i < m->n_full; i++)
		free(m->full[i]);
	*m = (struct grammar_match){0};
}
