#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/*
 * The language of the `admin:` prompt: one tree of words, used by the shell for completion and help and by the node for
 * what it runs. Fixed words and values may be abbreviated while they are unambiguous and are compared without regard to
 * case; an exact word wins over longer ones that begin with it.
 */
enum grammar_kind {
	GRAMMAR_WORD,  /* this word */
	GRAMMAR_VALUE, /* one of values; a value may be several words ("Cisco Tftp"), quoted or not */
	GRAMMAR_HINT,  /* any one word; values are what completion offers and abbreviations stand for */
	GRAMMAR_REST,  /* everything to the end of the line as it was typed, quotes included (SQL) */
};

struct command;

/* The i-th of the values that an argument can have; NULL behind the last. */
typedef const char *grammar_value(size_t i);

struct grammar_word {
	enum grammar_kind kind;
	const char *text;                    /* the word; of arguments their name in help ("SERVICE"); NULL ends an array */
	const char *help;                    /* one line */
	grammar_value *values;               /* of GRAMMAR_VALUE, and of GRAMMAR_HINT where there are some to offer */
	const struct grammar_word *next;     /* what may follow, or NULL */
	const struct command *command;       /* what the line means when it ends here, or NULL */
};

/*
 * What may be added to a command: options that CUCM does not have begin with "--" and may stand anywhere behind the
 * first word; CUCM's own ("detail", "noconfirm") are words behind the arguments. Any order; none twice.
 */
struct grammar_option {
	const char *name;  /* NULL ends an array */
	const char *value; /* what its value is called in help, or NULL when it takes none; "--to DIR" or "--to=DIR" */
	const char *help;
};

#define GRAMMAR_ARGS_MAX 8
#define GRAMMAR_OPTIONS_MAX 12
#define GRAMMAR_TOKENS_MAX 64
#define GRAMMAR_LINE_MAX 32768

/* A line in words. source is kept for carets and for GRAMMAR_REST. */
struct grammar_token {
	char *text;        /* without quotes and escapes */
	size_t start, end; /* octets in source */
	bool quoted;       /* then it is no option, whatever it begins with */
};

struct grammar_line {
	char *source;
	struct grammar_token tokens[GRAMMAR_TOKENS_MAX];
	size_t n;
	bool open;         /* ends within quotes or with a lone backslash: still being typed */
	bool blank_end;    /* ends behind a blank, so that the next word has not begun */
};

/*
 * grammar_split: a line from the terminal. Blanks separate; "..." and '...' keep blanks, \x is x outside '...'. What is
 * behind GRAMMAR_TOKENS_MAX words becomes part of the last one (long SQL).
 * Out: *l, whatever it holds is released by grammar_line_clear.
 * Errors: ERR_LIMIT too long; ERR_USAGE a control character; ERR_NOMEM.
 */
int grammar_split(const char *line, struct grammar_line *l, struct err *e) MUST_CHECK;
/* grammar_join: words that a shell has split already (quoted NULL), or a grammar_match's full words and what they are. */
int grammar_join(const char *const *words, const bool *quoted, size_t n, struct grammar_line *l,
		 struct err *e) MUST_CHECK;
void grammar_line_clear(struct grammar_line *l);

struct grammar_match {
	const struct command *command;
	char words[160];                           /* the fixed words in full: "show cert list own" */
	char *args[GRAMMAR_ARGS_MAX];              /* values in full; of optional arguments those that are there */
	size_t n_args;
	char *options[GRAMMAR_OPTIONS_MAX];        /* beside command->options: NULL not given, "" given, or its value */
	char *full[GRAMMAR_TOKENS_MAX];            /* the whole line in full words, as the client sends it */
	bool quoted[GRAMMAR_TOKENS_MAX];           /* beside full: it is an argument, whatever it looks like */
	size_t n_full;
};

/*
 * grammar_match: what a line means.
 * Out:    *m, released by grammar_match_clear.
 * Errors: ERR_USAGE; e->offset is the octet in l->source to point at and e->rule one of "unknown-word",
 *         "ambiguous-word", "incomplete", "option", "quotes"; e->text says what is expected there. ERR_NOMEM.
 */
int grammar_match(const struct grammar_word *root, const struct grammar_line *l, struct grammar_match *m,
		  struct err *e) MUST_CHECK;
void grammar_match_clear(struct grammar_match *m);

/* grammar_explain: the line, a caret under the place and the words of a grammar_match error. */
void grammar_explain(FILE *out, const struct grammar_line *l, const struct err *e);

/* grammar_complete: each way in which the last word of the line can go on. cb gets the whole word and its help. */
typedef void grammar_offer(void *ctx, const char *word, const char *help);
void grammar_complete(const struct grammar_word *root, const struct grammar_line *l, grammar_offer *cb, void *ctx);

/* grammar_help: what may stand at the end of the line and what it means, a line each; as `?` shows it. */
void grammar_help(FILE *out, const struct grammar_word *root, const struct grammar_line *l);

/* grammar_commands: every command below root: its words and arguments ("show cert own UNIT") and the last word's entry. */
typedef void grammar_visit(void *ctx, const char *synopsis, const struct grammar_word *last);
void grammar_commands(const struct grammar_word *root, grammar_visit *cb, void *ctx);

/* grammar_in_rest: is the end of the line in a GRAMMAR_REST argument or in quotes, where `?` is only a character? */
bool grammar_in_rest(const struct grammar_word *root, const struct grammar_line *l);
