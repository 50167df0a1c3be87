#include "cmd/sgn/sgn.h"

#include <stddef.h>

static const struct cmd *const subs[] = {&cmd_sgn_sign, &cmd_sgn_verify, &cmd_sgn_strip, NULL};

const struct cmd cmd_sgn = {
	.name = "sgn",
	.summary = "sign, verify or strip a file",
	.usage = "sign --signer PEM FILE\nverify FILE --trust FILE|--cert PEM\nstrip FILE --trust FILE|--cert PEM",
	.subs = subs,
};
