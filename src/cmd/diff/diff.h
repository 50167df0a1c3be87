#pragma once

#include "cmd/offline.h"
#include "phone/decide.h"

/* What changed between two trust lists. */
enum diff_kind { DIFF_FIELD, DIFF_REMOVED, DIFF_ADDED };

#define DIFF_TEXT 400

struct diff_change {
	enum diff_kind kind;
	int a, b;                /* records, from 0; -1 both: the header */
	const char *field;       /* DIFF_FIELD */
	char from[DIFF_TEXT], to[DIFF_TEXT];
};

#define DIFF_MAX 2048

struct diff {
	struct diff_change changes[DIFF_MAX];
	size_t n_changes;
	bool moved;              /* records stand in another order */
	bool same_file;
};

/* diff_lists: records are paired by their octets, then by function and subject, then by function and host. */
void diff_lists(const struct trust_list *a, const struct trust_list *b, struct diff *d);

struct diff_input {
	const char *path;
	struct view file;
	struct trust_list *list;
	enum list_type type;
};

/* diff_json: on standard output. */
int diff_json(const struct diff_input *a, const struct diff_input *b, const struct diff *d, const struct decision *taken,
	      const char *words, struct err *e) MUST_CHECK;

extern const struct cmd cmd_diff;
