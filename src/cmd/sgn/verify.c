#include "cmd/sgn/sgn.h"

#include <string.h>

#include "base/text.h"
#include "cmd/offline.h"
#include "format/sgn.h"

struct options {
	struct trust trust;
	const char *name;
};

enum { OPT_TRUST = CMD_LONG, OPT_CERT, OPT_NAME };

static const struct cmd_opt opts[] = {
	{OPT_TRUST, "trust", "FILE", "a trust list whose TFTP and CCM+TFTP records are trusted; may be given again"},
	{OPT_CERT, "cert", "PEM", "a certificate that is trusted as signer; may be given again"},
	{OPT_NAME, "name", "NAME", "the name a phone asked for; FILENAME inside must be the same"},
	{0},
};

/* FILENAME against the name asked for (4.3). */
static int check_name(const struct cmd *c, const char *path, const struct tlv_header *h, const char *name)
{
	char inside[256];

	if (!name || sgn_name_is(h, name))
		return CMD_OK;
	text_escape(inside, sizeof(inside), tlv_text(h->file_name));
	return cmd_error(c, CMD_NO, "%s: it was signed as '%s', not as '%s'", path, inside, name);
}

static int verify(const struct cmd *c, const char *path, struct view file, const struct options *o)
{
	struct tlv_header h;
	struct err e = ERR_INIT;
	char who[600];

	if (tlv_header_read(file, &h, &e))
		return cmd_error(c, CMD_MALFORMED, "%s: rule %s: %s", path, e.rule, e.text);
	int err = trust_verify(&o->trust, SGN_FUNCTIONS, file, &h, who, sizeof(who), &e);
	if (err == ERR_AUTH)
		return cmd_error(c, CMD_NO, "%s: not verified: %s", path, e.text);
	if (err)
		return cmd_error(c, CMD_MALFORMED, "%s: %s", path, e.text);
	int status = check_name(c, path, &h, o->name);
	if (status == CMD_OK)
		printf("%s: verified, signed by %s\n", path, who);
	return status;
}

static int read_options(struct cmd_args *a, struct options *o)
{
	struct err e = ERR_INIT;
	int err = 0;

	for (int key; (key = cmd_opt_next(a));) {
		switch (key) {
		case OPT_TRUST: err = trust_add_list(&o->trust, a->value, &e); break;
		case OPT_CERT: err = trust_add_cert(&o->trust, a->value, &e); break;
		case OPT_NAME: o->name = a->value; break;
		default: return a->exit;
		}
		if (err)
			return cmd_error(a->cmd, CMD_USAGE, "%s", e.text);
	}
	if (a->argc != 1)
		return cmd_usage_error(a->cmd, a->argc ? "one file at a time" : "which file?");
	if (!o->trust.n)
		return cmd_usage_error(a->cmd, "a signature is verified against somebody: --trust or --cert is needed");
	return -1;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {0};
	struct err e = ERR_INIT;
	struct view file = {0};

	int status = read_options(&a, &o);
	if (status < 0 && offline_read(a.argv[0], &file, &e))
		status = cmd_error(c, CMD_USAGE, "%s", e.text);
	if (status < 0)
		status = verify(c, a.argv[0], file, &o);
	offline_free(file);
	trust_clear(&o.trust);
	return status;
}

const struct cmd cmd_sgn_verify = {
	.name = "sgn verify",
	.summary = "check the signature of a .sgn or .enc.sgn file",
	.usage = "FILE --trust FILE|--cert PEM... [--name NAME]",
	.opts = opts,
	.more = "exit status: 0 verified, 1 nobody that is trusted signed it, or not under that name,\n"
		"2 malformed, or the signature does not hold, 3 wrong usage",
	.run = run,
};
