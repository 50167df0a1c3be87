#include "cmd/sgn/sgn.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cmd/offline.h"
#include "format/sgn.h"

struct options {
	struct trust trust;
	const char *out;
	bool force;
	bool no_verify;
};

enum { OPT_TRUST = CMD_LONG, OPT_CERT, OPT_FORCE, OPT_NO_VERIFY };

static const struct cmd_opt opts[] = {
	{OPT_TRUST, "trust", "FILE", "a trust list whose TFTP and CCM+TFTP records are trusted; may be given again"},
	{OPT_CERT, "cert", "PEM", "a certificate that is trusted as signer; may be given again"},
	{OPT_NO_VERIFY, "no-verify", NULL, "do not look at the signature: for firmware and packages, whose signatures\nare documented nowhere"},
	{OPT_FORCE, "force", NULL, "replace OUT when it exists"},
	{'o', "output", "OUT", "where to write the plain file; default FILE without its last suffix"},
	{0},
};

/* x.cop.sgn becomes x.cop (4.4). Errors: ERR_USAGE there is no such suffix. */
static int default_out(const char *path, char *out, size_t size, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	if (!dot || dot == base || (!text_same(dot, ".sgn") && !text_same(dot, ".sha512")))
		return err_set(e, ERR_USAGE, "%s ends neither in .sgn nor in .sha512: say with -o where to write", path);
	if ((size_t)snprintf(out, size, "%.*s", (int)(dot - path), path) >= size)
		return err_set(e, ERR_USAGE, "the name of the file is too long");
	return 0;
}

/* What may be written: the payload, of a file that a trusted signer signed. */
static int payload_of(const struct options *o, struct view file, struct view *payload, struct err *e)
{
	struct tlv_header h = {0};
	size_t start;
	char who[600];

	if (file_kind(file) == FILE_ENC_SGN)
		return err_set(e, ERR_USAGE, "the file is encrypted for one phone: without its header it is of no use; that phone's key decrypts it");
	int err = tlv_header_strip(file, &start, e);
	if (!err && !o->no_verify)
		err = tlv_header_read(file, &h, e);
	if (!err && !o->no_verify)
		err = trust_verify(&o->trust, SGN_FUNCTIONS, file, &h, who, sizeof(who), e);
	if (err)
		return err;
	struct rd r;
	rd_init(&r, file.p, file.len);
	rd_skip(&r, start);
	*payload = rd_rest(&r);
	return 0;
}

static int status_of(int err)
{
	switch (err) {
	case ERR_AUTH: return CMD_NO;
	case ERR_PROTO:
	case ERR_CRYPTO: return CMD_MALFORMED;
	default: return CMD_USAGE;
	}
}

static int strip(const struct cmd *c, const char *path, const struct options *o)
{
	struct view file = {0}, payload = {0};
	struct err e = ERR_INIT;
	char def[4096];
	const char *out = o->out ? o->out : def;

	int err = o->out ? 0 : default_out(path, def, sizeof(def), &e);
	if (!err)
		err = offline_check_out(path, out, o->force, &e);
	if (!err)
		err = offline_read(path, &file, &e);
	if (!err && (err = payload_of(o, file, &payload, &e)))
		err_prefix(&e, "%s: nothing written", path);
	if (!err)
		err = file_replace(AT_FDCWD, out, payload, 0644, &e);
	if (!err)
		printf("%s: %zu octets\n", out, payload.len);
	offline_free(file);
	return err ? cmd_error(c, status_of(err), "%s", e.text) : CMD_OK;
}

static int read_options(struct cmd_args *a, struct options *o)
{
	struct err e = ERR_INIT;
	int err = 0;

	for (int key; (key = cmd_opt_next(a));) {
		switch (key) {
		case OPT_TRUST: err = trust_add_list(&o->trust, a->value, &e); break;
		case OPT_CERT: err = trust_add_cert(&o->trust, a->value, &e); break;
		case OPT_FORCE: o->force = true; break;
		case OPT_NO_VERIFY: o->no_verify = true; break;
		case 'o': o->out = a->value; break;
		default: return a->exit;
		}
		if (err)
			return cmd_error(a->cmd, CMD_USAGE, "%s", e.text);
	}
	if (a->argc != 1)
		return cmd_usage_error(a->cmd, a->argc ? "one file at a time" : "which file?");
	if (!o->trust.n && !o->no_verify)
		return cmd_usage_error(a->cmd, "the signature is verified first: say whom you trust with --trust or --cert, or --no-verify");
	return -1;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {0};

	int status = read_options(&a, &o);
	if (status < 0)
		status = strip(c, a.argv[0], &o);
	trust_clear(&o.trust);
	return status;
}

const struct cmd cmd_sgn_strip = {
	.name = "sgn strip",
	.summary = "verify a signed file and write the plain file in it",
	.usage = "FILE --trust FILE|--cert PEM... [-o OUT] [--force]\nFILE --no-verify [-o OUT] [--force]",
	.opts = opts,
	.more = "FILE is never changed or removed.\n\n"
		"exit status: 0 written, 1 nobody that is trusted signed it, 2 malformed, or the signature does not hold, 3 wrong usage",
	.run = run,
};
