#include "cmd/ctl_client/ctl_client.h"

#include <stddef.h>

static const struct cmd *const subs[] = {&cmd_ctl_client_wizard, &cmd_ctl_client_set_cluster, &cmd_ctl_client_update,
					 &cmd_ctl_client_list_tokens, &cmd_ctl_client_init_token, &cmd_ctl_client_export,
					 NULL};

const struct cmd cmd_ctl_client = {
	.name = "ctl-client",
	.summary = "hardware security tokens that sign the CTL",
	.usage = "wizard [--server HOST[:PORT]] [--user NAME] [--module FILE]\n"
		 "set-cluster mixed-mode|non-secure-mode --server HOST[:PORT] --user NAME [OPTION...]\n"
		 "update CTLFile --server HOST[:PORT] --user NAME [OPTION...]\n"
		 "list-tokens [--module FILE] [--login] [--json]\n"
		 "init-token --ca-cert FILE --ca-key FILE [--make-ca] [--token URI] [OPTION...]\n"
		 "export [--token URI] -o FILE",
	.subs = subs,
};
