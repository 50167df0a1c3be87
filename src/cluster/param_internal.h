#pragma once

#include "cluster/param.h"

/* param_check_text: a value of the types that are neither numbers nor choices. Errors: ERR_USAGE with what is allowed. */
int param_check_text(const struct param_def *def, const char *value, struct err *e) MUST_CHECK;
