#pragma once

#include "cmd/cmd.h"

extern const struct cmd cmd_sgn;

/* The second-level commands, a file each. */
extern const struct cmd cmd_sgn_sign, cmd_sgn_verify, cmd_sgn_strip;
