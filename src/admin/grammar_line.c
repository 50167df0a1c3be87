#include <stdlib.h>
#include <string.h>

#include "admin/grammar.h"

/* A line in words: what quotes and backslashes mean. */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A token being collected; its text is never longer than the source. */
struct splitter {
	const char *p;
	char *out;
	size_t n;
	char quote;
	bool open;
	bool quoted;
};

/* One character of a token, or of the quoting around it. */
static void take(struct splitter *s)
{
	char c = *s->p++;

	if (s->quote ? c == s->quote : c == '"' || c == '\'') {
		s->quote = s->quote ? '\0' : c;
		s->quoted = true;
		return;
	}
	if (c == '\\' && s->quote != '\'') {
		if (!*s->p) {
			s->open = true;
			return;
		}
		/* Within "..." only the quote and the backslash itself need one. */
		if (s->quote != '"' || *s->p == '"' || *s->p == '\\')
			c = *s->p++;
	}
	s->out[s->n++] = c;
}

static int add(struct grammar_line *l, const char *text, size_t n, size_t start, bool quoted, struct err *e)
{
	char *copy = strndup(text, n);

	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	l->tokens[l->n++] = (struct grammar_token){copy, start, start + n, quoted};
	return 0;
}

static int split_one(struct grammar_line *l, const char **p, char *scratch, struct err *e)
{
	struct splitter s = {.p = *p, .out = scratch};
	size_t start = (size_t)(*p - l->source);
	bool last = l->n == GRAMMAR_TOKENS_MAX - 1;

	while (*s.p && (last || s.quote || !blank(*s.p)))
		take(&s);
	l->open = l->open || s.quote || s.open;
	*p = s.p;
	int rc = add(l, scratch, s.n, start, s.quoted, e);
	if (rc == 0)
		l->tokens[l->n - 1].end = (size_t)(s.p - l->source);
	return rc;
}

static int source_check(const char *line, struct err *e)
{
	if (strlen(line) > GRAMMAR_LINE_MAX)
		return err_set(e, ERR_LIMIT, "the line is longer than %d octets", GRAMMAR_LINE_MAX);
	for (const char *c = line; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return err_set(e, ERR_USAGE, "the line contains a control character (octet %zu)", (size_t)(c - line));
	return 0;
}

int grammar_split(const char *line, struct grammar_line *l, struct err *e)
{
	*l = (struct grammar_line){0};
	int rc = source_check(line, e);
	if (rc < 0)
		return rc;
	char *scratch = malloc(strlen(line) + 1);
	l->source = strdup(line);
	if (!scratch || !l->source)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (const char *p = l->source; rc == 0;) {
		for (l->blank_end = true; blank(*p); p++)
			;
		if (!*p)
			break;
		l->blank_end = false;
		rc = split_one(l, &p, scratch, e);
		if (!*p)
			break;
	}
	free(scratch);
	if (rc < 0)
		grammar_line_clear(l);
	return rc;
}

/* The words with one blank between them. */
static char *joined(const char *const *words, size_t n)
{
	size_t len = 1;

	for (size_t i = 0; i < n; i++)
		len += strlen(words[i]) + 1;
	char *text = malloc(len);
	char *p = text;
	for (size_t i = 0; text && i < n; i++) {
		p = i ? stpcpy(p, " ") : p;
		p = stpcpy(p, words[i]);
	}
	if (text)
		*p = '\0';
	return text;
}

/* SQL that came through a shell in one word may well be several lines: they are blanks to us. */
static void flatten(char *s)
{
	for (; *s; s++)
		if (*s == '\n' || *s == '\r')
			*s = ' ';
}

int grammar_join(const char *const *words, const bool *quoted, size_t n, struct grammar_line *l, struct err *e)
{
	size_t at = 0;

	*l = (struct grammar_line){.blank_end = true, .source = joined(words, n)};
	if (!l->source)
		return err_set(e, ERR_NOMEM, "out of memory");
	flatten(l->source);
	int rc = source_check(l->source, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool last = l->n == GRAMMAR_TOKENS_MAX - 1;
		size_t len = last ? strlen(l->source + at) : strlen(words[i]);
		rc = add(l, l->source + at, len, at, quoted && quoted[i], e);
		at += len + 1;
		if (last)
			break;
	}
	if (rc < 0)
		grammar_line_clear(l);
	return rc;
}

void grammar_line_clear(struct grammar_line *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->tokens[i].text);
	free(l->source);
	*l = (struct grammar_line){0};
}
