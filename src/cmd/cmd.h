#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * Subcommands. Each has a folder src/cmd/<name>/ that defines one `const struct cmd cmd_<name>`, which main.c names in
 * its table. Help, option parsing and exit status are the same everywhere because they are made from this description.
 */
enum cmd_exit {
	CMD_OK = 0,        /* done; for checks: yes, verified, taken */
	CMD_NO = 1,        /* the answer is no, or the work failed */
	CMD_MALFORMED = 2, /* offline tools: the input breaks a rule of its format */
	CMD_USAGE = 3,     /* wrong command line */
};

struct cmd_opt {
	int key;           /* a letter is also the short option; CMD_LONG + n for an option without one; 0 ends the table */
	const char *name;  /* long option without the dashes */
	const char *value; /* what the value is called in the help ("FILE"); NULL for an option without a value */
	const char *help;  /* one or more lines separated by \n */
};

#define CMD_LONG 256

struct cmd {
	const char *name;               /* "inspect"; of a second-level command "sgn sign" */
	const char *summary;            /* one line for the list of commands */
	const char *usage;              /* what follows "ringfence NAME "; alternatives separated by \n,
					   lines that begin with a blank go on from the one before */
	const struct cmd_opt *opts;     /* NULL when there are none; --help need not be listed */
	const char *more;               /* further text of the help (exit status, examples), or NULL */
	const struct cmd *const *subs;  /* second-level commands, ended by NULL; then run is NULL */
	int (*run)(const struct cmd *c, int argc, char **argv); /* argv[0] is the command's own word; returns exit status */
	bool in_order;                  /* options end at the first operand: what follows belongs to somebody else */
};

/*
 * cmd_opt_next: the next option, in the order given; options and operands may be mixed unless in_order is set, "--" ends
 * the options.
 * In:   o zeroed and .cmd, .argc, .argv set before the first call.
 * Out:  its key, with o->value set when it takes one; 0 when there are no more: o->argc operands stand in o->argv;
 *       -1 when the command is to return o->exit at once (--help was printed, or an error).
 */
struct cmd_args {
	const struct cmd *cmd;
	int argc;
	char **argv;
	const char *value;
	int exit;
	bool started;
};
int cmd_opt_next(struct cmd_args *o);

/* cmd_usage_error: "ringfence NAME: text" and a pointer to --help on standard error; returns CMD_USAGE. */
int cmd_usage_error(const struct cmd *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* cmd_error: "ringfence NAME: text" on standard error; returns status, so that a command can return it. */
int cmd_error(const struct cmd *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

void cmd_help(const struct cmd *c); /* the help text, on standard output */

/* cmd_dispatch: find argv[0] among table (ended by NULL) and run it; an unknown word is answered with the nearest one. */
int cmd_dispatch(const char *program, const struct cmd *const *table, int argc, char **argv);

/* cmd_find: the command in table called word, or NULL. */
const struct cmd *cmd_find(const struct cmd *const *table, const char *word);

/* cmd_nearest: the name in table that looks most like word, or NULL when none does. */
const char *cmd_nearest(const struct cmd *const *table, const char *word);
