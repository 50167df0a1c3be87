#include "cmd/enc/enc.h"

#include <stddef.h>

static const struct cmd *const subs[] = {&cmd_enc_encrypt, &cmd_enc_decrypt, &cmd_enc_inspect, NULL};

const struct cmd cmd_enc = {
	.name = "enc",
	.summary = "encrypt a configuration for one phone, or open one",
	.usage = "encrypt --signer PEM --device CERT FILE\ndecrypt FILE --key PEM --trust FILE|--cert PEM\ninspect FILE",
	.subs = subs,
};
