#include "cmd/enc/enc.h"

#include "cmd/inspect/inspect.h"

/* `ringfence inspect` knows a file by its content; who looks for it here finds it, too. */
static int run(const struct cmd *c, int argc, char **argv)
{
	(void)c;
	return cmd_inspect.run(&cmd_enc_inspect, argc, argv);
}

const struct cmd cmd_enc_inspect = {
	.name = "enc inspect",
	.summary = "show and verify an encrypted configuration, as 'ringfence inspect' does",
	.usage = "FILE [--trust FILE]... [--cert PEM]... [--json]",
	.opts = inspect_opts,
	.more = "exit status: 0 verified, 1 intact but not verified, 2 malformed or damaged, 3 wrong usage",
	.run = run,
};
