#include "cmd/cmd.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MAX_OPTS 32
#define HELP_COLUMN 26

/* What getopt_long needs, made from a command's table. */
struct getopt_tables {
	struct option longs[MAX_OPTS + 2];
	char shorts[4 + 3 * MAX_OPTS];
};

static void tables_fill(struct getopt_tables *t, const struct cmd *c)
{
	const struct cmd_opt *opts = c->opts;
	size_t n = 0;
	char *s = t->shorts;

	if (c->in_order)
		*s++ = '+';
	*s++ = ':'; /* missing values come back as ':', and getopt prints nothing */
	for (; opts && opts->key && n < MAX_OPTS; opts++, n++) {
		t->longs[n] = (struct option){opts->name, opts->value ? required_argument : no_argument, NULL, opts->key};
		if (opts->key >= CMD_LONG)
			continue;
		*s++ = (char)opts->key;
		if (opts->value)
			*s++ = ':';
	}
	t->longs[n] = (struct option){"help", no_argument, NULL, 'h'};
	t->longs[n + 1] = (struct option){0};
	*s++ = 'h';
	*s = '\0';
}

static int stop(struct cmd_args *o, int status)
{
	o->exit = status;
	return -1;
}

int cmd_opt_next(struct cmd_args *o)
{
	struct getopt_tables t;

	tables_fill(&t, o->cmd);
	if (!o->started) {
		optind = 0; /* glibc: start afresh, also for a second-level command */
		o->started = true;
	}
	opterr = 0;
	int key = getopt_long(o->argc, o->argv, t.shorts, t.longs, NULL);
	switch (key) {
	case -1:
		o->argc -= optind;
		o->argv += optind;
		return 0;
	case 'h':
		cmd_help(o->cmd);
		return stop(o, CMD_OK);
	case ':':
		return stop(o, cmd_usage_error(o->cmd, "option '%s' needs a value", o->argv[optind - 1]));
	case '?':
		if (optopt && optopt < CMD_LONG && !strchr(t.shorts, optopt))
			return stop(o, cmd_usage_error(o->cmd, "there is no option '-%c'", optopt));
		if (optopt)
			return stop(o, cmd_usage_error(o->cmd, "option '%s' takes no value", o->argv[optind - 1]));
		return stop(o, cmd_usage_error(o->cmd, "there is no option '%s'", o->argv[optind - 1]));
	}
	o->value = optarg;
	return key;
}

static void PRINTF_LIKE(2, 0) say(const struct cmd *c, const char *fmt, va_list ap)
{
	fprintf(stderr, "ringfence %s: ", c->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int cmd_usage_error(const struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try 'ringfence %s --help'.\n", c->name);
	return CMD_USAGE;
}

int cmd_error(const struct cmd *c, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, fmt, ap);
	va_end(ap);
	return status;
}

/* Print text; each further line starts at column. */
static void put_lines(const char *text, int column)
{
	for (const char *end; (end = strchr(text, '\n')) && end[1]; text = end + 1)
		printf("%.*s\n%*s", (int)(end - text), text, column, "");
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
}

static void help_option(const struct cmd_opt *o)
{
	char left[64];
	int n = o->key < CMD_LONG ? snprintf(left, sizeof(left), "  -%c, --%s", o->key, o->name)
				  : snprintf(left, sizeof(left), "      --%s", o->name);

	if (o->value && n > 0 && (size_t)n < sizeof(left))
		n += snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->value);
	if (n >= HELP_COLUMN - 1)
		printf("%s\n%*s", left, HELP_COLUMN, "");
	else
		printf("%-*s", HELP_COLUMN, left);
	put_lines(o->help, HELP_COLUMN);
}

/* A line of the usage that begins with a blank goes on from the one before. */
static void help_usage(const struct cmd *c)
{
	const char *start = "usage: ";

	for (const char *line = c->usage; *line; start = "       ") {
		int n = (int)strcspn(line, "\n");
		if (*line == ' ')
			printf("%s%.*s\n", start, n, line);
		else
			printf("%sringfence %s %.*s\n", start, c->name, n, line);
		line += n + (line[n] == '\n');
	}
}

void cmd_help(const struct cmd *c)
{
	static const struct cmd_opt help = {'h', "help", NULL, "show this text"};

	help_usage(c);
	printf("\n%s\n", c->summary);
	if (c->subs) {
		printf("\n");
		for (const struct cmd *const *s = c->subs; *s; s++)
			printf("  %-12s %s\n", (*s)->name, (*s)->summary);
	} else {
		printf("\n");
		for (const struct cmd_opt *o = c->opts; o && o->key; o++)
			help_option(o);
		help_option(&help);
	}
	if (c->more)
		printf("\n%s\n", c->more);
}

/* The word a command is called by: the last of its name. */
static const char *word_of(const struct cmd *c)
{
	const char *blank = strrchr(c->name, ' ');

	return blank ? blank + 1 : c->name;
}

const struct cmd *cmd_find(const struct cmd *const *table, const char *word)
{
	for (; *table; table++)
		if (strcmp(word_of(*table), word) == 0)
			return *table;
	return NULL;
}

const char *cmd_nearest(const struct cmd *const *table, const char *word)
{
	const char *best = NULL;
	unsigned best_d = 4; /* further away it is no slip of the fingers */

	for (; *table; table++) {
		const char *name = word_of(*table);
		unsigned d = strncmp(name, word, strlen(word)) == 0 ? 0 : text_distance(word, name);
		if (d < best_d && d < strlen(name)) {
			best = name;
			best_d = d;
		}
	}
	return best;
}

static int unknown(const char *program, const struct cmd *const *table, const char *word)
{
	const char *near = cmd_nearest(table, word);

	fprintf(stderr, "%s: there is no command '%s'", program, word);
	if (near)
		fprintf(stderr, "; did you mean '%s'?", near);
	fprintf(stderr, "\nTry '%s --help'.\n", program);
	return CMD_USAGE;
}

static int dispatch_sub(const struct cmd *c, int argc, char **argv)
{
	char program[64];

	if (argc < 2)
		return cmd_usage_error(c, "a command is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		cmd_help(c);
		return CMD_OK;
	}
	snprintf(program, sizeof(program), "ringfence %s", c->name);
	return cmd_dispatch(program, c->subs, argc - 1, argv + 1);
}

int cmd_dispatch(const char *program, const struct cmd *const *table, int argc, char **argv)
{
	const struct cmd *c = cmd_find(table, argv[0]);

	if (!c)
		return unknown(program, table, argv[0]);
	return c->subs ? dispatch_sub(c, argc, argv) : c->run(c, argc, argv);
}
