#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/program.h"

int program_words(const char *line, struct program_words *w, struct err *e)
{
	size_t len = strlen(line);
	struct program_words got = {.n = 0};
	size_t at[PROGRAM_WORDS_MAX];

	if (len >= sizeof(got.text))
		return err_set(e, ERR_USAGE, "the command is longer than %zu octets", sizeof(got.text) - 1);
	memcpy(got.text, line, len + 1);
	for (char *s = got.text; *(s += strspn(s, " \t"));) {
		bool quoted = *s == '"';
		char *word = s + quoted, *end = word + strcspn(word, quoted ? "\"" : " \t");
		if (got.n == PROGRAM_WORDS_MAX)
			return err_set(e, ERR_USAGE, "the command has more than %d words", PROGRAM_WORDS_MAX);
		if (quoted && (!*end || (end[1] && !strchr(" \t", end[1]))))
			return err_set(e, ERR_USAGE, "a quote of the command has no end, or something stands right behind it");
		at[got.n++] = (size_t)(word - got.text);
		s = *end ? end + 1 : end;
		*end = '\0';
	}
	if (!got.n || got.text[at[0]] != '/')
		return err_set(e, ERR_USAGE, "a command begins with the absolute path of a program; no shell looks for it");
	*w = got;
	for (size_t i = 0; i < got.n; i++)
		w->word[i] = w->text + at[i];
	w->word[got.n] = NULL;
	return 0;
}
