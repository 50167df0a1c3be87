#include "cmd/sgn/sgn.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "cmd/offline.h"
#include "format/sgn.h"

#define CONFIG_MAX 550001 /* octets of the largest configuration that phones accept (formats-and-protocols.md 4.1) */

struct options {
	const char *signer, *name, *out, *file;
	enum digest digest;
	enum name_form names;
	uint64_t timestamp;
};

enum { OPT_SIGNER = CMD_LONG, OPT_DIGEST, OPT_NAME, OPT_NAMES, OPT_TIMESTAMP };

static const struct cmd_opt opts[] = {
	{OPT_SIGNER, "signer", "PEM", "file with the private key that signs, and its certificate"},
	{OPT_DIGEST, "digest", "sha1|sha512", "of the signature; default sha1, which every phone knows"},
	{OPT_NAME, "name", "NAME", "name that phones ask for, with .sgn and the subdirectory\n(New_Zealand/g3-tones.xml.sgn); default that of FILE, with .sgn"},
	{OPT_NAMES, "names", "A|C", "form of names: A CN=..;OU=.. as CUCM (default), C CN=..,O=.. as other tools"},
	{OPT_TIMESTAMP, "timestamp", "SECONDS", "signing time, in seconds since 1970; default now"},
	{'o', "output", "OUT", "where to write it; default FILE.sgn; replaced whole or not at all"},
	{0},
};

static int option(const struct cmd *c, struct options *o, int key, const char *value)
{
	switch (key) {
	case OPT_SIGNER: o->signer = value; return 0;
	case OPT_DIGEST: return option_digest(value, &o->digest) ? 0 : cmd_usage_error(c, "--digest is sha1 or sha512");
	case OPT_NAME: o->name = value; return 0;
	case OPT_NAMES: return option_names(value, &o->names) ? 0 : cmd_usage_error(c, "--names is A or C");
	case OPT_TIMESTAMP:
		return text_number(value, 0, UINT32_MAX, &o->timestamp) ? 0 : cmd_usage_error(c, "--timestamp is a number of seconds");
	default: o->out = value; return 0;
	}
}

static int sign(const struct options *o, struct pem_signer *s, struct view plain, const char *name, const char *out,
		struct err *e)
{
	const struct sgn_spec spec = {
		.signer = s->cert,
		.names = o->names,
		.digest = o->digest,
		.timestamp = (uint32_t)o->timestamp,
		.file_name = name,
	};
	struct list_signer signer = pem_signer_of(s);
	uint8_t *data = NULL;
	size_t len = 0;

	int err = sgn_build(&spec, &signer, plain, &data, &len, e);
	if (!err)
		err = sgn_verify_cert((struct view){data, len}, s->cert, e);
	if (!err)
		err = file_replace(AT_FDCWD, out, (struct view){data, len}, 0644, e);
	if (!err)
		printf("%s: %zu octets, signed as %s\n", out, len, name);
	free(data);
	return err;
}

static int sign_file(const struct cmd *c, const struct options *o)
{
	const char *slash = strrchr(o->file, '/');
	struct pem_signer signer = {0};
	struct view plain = {0};
	char name[1100], out[4096];
	struct err e = ERR_INIT;

	snprintf(name, sizeof(name), "%s.sgn", slash ? slash + 1 : o->file);
	int n = snprintf(out, sizeof(out), "%s.sgn", o->file);
	if (!o->out && (size_t)n >= sizeof(out))
		return cmd_usage_error(c, "the name of the file is too long");
	int err = pem_signer_load(o->signer, &signer, &e);
	if (!err)
		err = offline_read(o->file, &plain, &e);
	if (!err)
		err = sign(o, &signer, plain, o->name ? o->name : name, o->out ? o->out : out, &e);
	if (!err && plain.len > CONFIG_MAX && text_ends(o->file, ".cnf.xml"))
		fprintf(stderr, "ringfence sgn sign: %zu octets; phones accept configurations of up to %d\n", plain.len, CONFIG_MAX);
	offline_free(plain);
	pem_signer_clear(&signer);
	if (err)
		return cmd_error(c, err == ERR_CRYPTO ? CMD_NO : CMD_USAGE, "%s", e.text);
	return CMD_OK;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {.digest = DIGEST_SHA1, .timestamp = (uint64_t)time(NULL)};

	for (int key; (key = cmd_opt_next(&a));) {
		int status = key < 0 ? a.exit : option(c, &o, key, a.value);
		if (key < 0 || status)
			return status;
	}
	if (!o.signer)
		return cmd_usage_error(c, "--signer is needed");
	if (a.argc != 1)
		return cmd_usage_error(c, a.argc ? "one file at a time" : "which file?");
	o.file = a.argv[0];
	if (strcmp(o.file, "-") == 0 && (!o.out || !o.name))
		return cmd_usage_error(c, "standard input has no name: give --name and -o");
	return sign_file(c, &o);
}

const struct cmd cmd_sgn_sign = {
	.name = "sgn sign",
	.summary = "write FILE.sgn: a header with a signature, and the file",
	.usage = "--signer PEM [--digest sha1|sha512] [--name NAME] [--names A|C] [--timestamp SECONDS] FILE [-o OUT]",
	.opts = opts,
	.more = "exit status: 0 written, 1 it could not be signed, 3 wrong usage",
	.run = run,
};
