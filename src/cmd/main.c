#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/admin/admin.h"
#include "cmd/capf/capf.h"
#include "cmd/cmd.h"
#include "cmd/ctl_client/ctl_client.h"
#include "cmd/diff/diff.h"
#include "cmd/doctor/doctor.h"
#include "cmd/enc/enc.h"
#include "cmd/init/init.h"
#include "cmd/inspect/inspect.h"
#include "cmd/phone/phone.h"
#include "cmd/recovery/recovery.h"
#include "cmd/serve/serve.h"
#include "cmd/sgn/sgn.h"
#include "cmd/tlv/tlv.h"
#include "cmd/tvs/tvs.h"

/* Every subcommand, in the order of the help. */
static const struct cmd *const commands[] = {
	&cmd_init,
	&cmd_serve,
	&cmd_admin,
	&cmd_recovery,
	&cmd_doctor,
	&cmd_inspect,
	&cmd_diff,
	&cmd_tlv,
	&cmd_sgn,
	&cmd_enc,
	&cmd_tvs,
	&cmd_capf,
	&cmd_ctl_client,
	&cmd_phone,
	NULL,
};

static void help(void)
{
	printf("usage: ringfence COMMAND [OPTION...]\n\n"
	       "Trust lists (CTL, ITL), signed files and trust services for desk phones.\n\n");
	for (const struct cmd *const *c = commands; *c; c++)
		printf("  %-12s %s\n", (*c)->name, (*c)->summary);
	printf("\n'ringfence help COMMAND' or 'ringfence COMMAND --help' tells more; so does man ringfence-COMMAND.\n");
}

static int help_for(int argc, char **argv)
{
	const struct cmd *const *table = commands;
	const struct cmd *c = NULL;

	for (int i = 0; i < argc; i++) {
		c = table ? cmd_find(table, argv[i]) : NULL;
		if (!c) {
			fprintf(stderr, "ringfence: there is no command '%s' to explain\nTry 'ringfence --help'.\n", argv[i]);
			return CMD_USAGE;
		}
		table = c->subs;
	}
	if (c)
		cmd_help(c);
	else
		help();
	return CMD_OK;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "ringfence: a command is missing\nTry 'ringfence --help'.\n");
		return CMD_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		printf("ringfence %s\n", RINGFENCE_VERSION);
		return CMD_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help_for(0, NULL);
	if (strcmp(argv[1], "help") == 0)
		return help_for(argc - 2, argv + 2);
	return cmd_dispatch("ringfence", commands, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	tzset();
	int status = run(argc, argv);

	/* A full disk behind standard output must not look like success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("ringfence: standard output");
		return status == CMD_OK ? CMD_NO : status;
	}
	return status;
}
