#pragma once

#include "cmd/cmd.h"

extern const struct cmd cmd_capf;
