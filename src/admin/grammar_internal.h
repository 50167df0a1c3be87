#pragma once

#include "admin/grammar.h"

/* The tree being walked along a line: shared by matching, completion and help. */
#define GRAMMAR_VALUES_MAX 128

struct grammar_given {
	const struct grammar_option *option;
	const char *value; /* borrowed from the line; "" when it takes none */
	size_t token;
};

struct grammar_walk {
	const struct grammar_line *line;
	size_t at;                             /* the next token */
	const struct grammar_word *here;       /* what may follow; NULL: nothing */
	const struct command *command;         /* what it means when it ends here */
	const struct grammar_word *value;      /* an argument of several words has begun, or NULL */
	size_t value_words;                    /* so many of its words are there */
	bool alive[GRAMMAR_VALUES_MAX];        /* its values that begin with them */
	bool rest;                             /* a GRAMMAR_REST argument has begun */
	bool option_open;                      /* the line ends behind an option that wants a value */
	struct grammar_given given[GRAMMAR_OPTIONS_MAX];
	size_t n_given;
};

/*
 * grammar_walk: along the first n tokens of the line. m, when not NULL, collects words and arguments.
 * Errors: as grammar_match, except "incomplete".
 */
int grammar_walk(const struct grammar_word *root, const struct grammar_line *l, size_t n, struct grammar_walk *w,
		 struct grammar_match *m, struct err *e) MUST_CHECK;

/* The options of w's place: those of its command, or of any command that can still follow. NULL ends. i counts all. */
const struct grammar_option *grammar_option_at(const struct grammar_walk *w, size_t i);
bool grammar_option_dashed(const struct grammar_option *o);

/* The k-th word of a value: its length, 0 when it has fewer. */
size_t grammar_value_word(const char *value, size_t k, const char **word);

/* An error with the place to point at. */
int grammar_fault(struct err *e, const char *rule, size_t offset, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* What may stand at w and begins with typed. options: those with dashes too. */
void grammar_offers(const struct grammar_walk *w, const char *typed, bool options, grammar_offer *cb, void *ctx);
/* "; expected: a, b, c" for the same, cut to size. */
void grammar_expected(const struct grammar_walk *w, const char *typed, char *out, size_t size);
