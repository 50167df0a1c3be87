#include "cmd/ctl_client/ctl_client.h"

#include <stddef.h>

static const struct cmd *const subs[] = {&cmd_ctl_client_list_tokens, &cmd_ctl_client_init_token, &cmd_ctl_client_export,
					 NULL};

const struct cmd cmd_ctl_client = {
	.name = "ctl-client",
	.summary = "hardware security tokens that sign the CTL",
	.usage = "list-tokens [--module FILE] [--login] [--json]\n"
		 "init-token --ca-cert FILE --ca-key FILE [--make-ca] [--token URI] [OPTION...]\n"
		 "export [--token URI] -o FILE",
	.subs = subs,
};
