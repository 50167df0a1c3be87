#pragma once

#include "cmd/cmd.h"

extern const struct cmd cmd_ctl_client;

/* The second-level commands, a file each. */
extern const struct cmd cmd_ctl_client_list_tokens, cmd_ctl_client_init_token, cmd_ctl_client_export,
	cmd_ctl_client_wizard, cmd_ctl_client_set_cluster, cmd_ctl_client_update;
