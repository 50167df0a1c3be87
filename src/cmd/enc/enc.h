#pragma once

#include "cmd/cmd.h"

extern const struct cmd cmd_enc;

/* The second-level commands, a file each; inspect is that of src/cmd/inspect. */
extern const struct cmd cmd_enc_encrypt, cmd_enc_decrypt, cmd_enc_inspect;
