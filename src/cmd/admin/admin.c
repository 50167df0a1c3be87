#include "cmd/admin/admin.h"

#include <stdlib.h>
#include <string.h>

#include "admin/shell.h"

/* `ringfence admin`: the admin: shell, or one command of it. */

static const struct cmd_opt opts[] = {
	{'d', "data", "DIR", "the node's folder"},
	{'y', "yes", NULL, "answer the command's question with yes; may also stand behind the command"},
	{0},
};

/* The command's words, with --yes behind them. */
static int run_command(const char *data, char **words, int n, bool yes)
{
	const char **all = calloc((size_t)n + 1, sizeof(*all));
	size_t count = 0;

	if (!all)
		return CMD_NO;
	for (int i = 0; i < n; i++)
		all[count++] = words[i];
	if (yes)
		all[count++] = "--yes";
	int status = shell_command(data, all, count);
	free(all);
	return status;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args o = {.cmd = c, .argc = argc, .argv = argv};
	const char *data = NULL;
	bool yes = false;
	int key;

	while ((key = cmd_opt_next(&o)) > 0) {
		if (key == 'd')
			data = o.value;
		else
			yes = true;
	}
	if (key < 0)
		return o.exit;
	if (!data)
		return cmd_usage_error(c, "which node? name its folder with --data DIR");
	if (o.argc == 0 && yes)
		return cmd_usage_error(c, "--yes goes with a command");
	return o.argc ? run_command(data, o.argv, o.argc, yes) : shell_run(data);
}

const struct cmd cmd_admin = {
	.name = "admin",
	.summary = "the admin: shell of a running node, or one command of it",
	.usage = "--data DIR\n--data DIR [--yes] COMMAND...",
	.opts = opts,
	.more = "The commands are CUCM's: 'ringfence admin --data DIR help' lists them.\n"
		"Exit status: 0 done, 1 the answer is no or the command failed, 3 wrong usage.",
	.in_order = true,
	.run = run,
};
