#include "cmd/enc/enc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "cmd/offline.h"
#include "format/confxml.h"

#define CONFIG_SUFFIX ".cnf.xml"
#define NAME_SIZE 1100 /* of what is made of SGN_NAME_MAX octets */

struct options {
	const char *signer, *device, *name, *out, *stub, *file;
	enum digest digest;
	enum name_form names;
	uint64_t timestamp;
	bool with_stub;
};

/* What a file is made with. */
struct maker {
	const struct options *o;
	struct pem_signer signer;
	struct cert *device;
};

enum { OPT_SIGNER = CMD_LONG, OPT_DEVICE, OPT_DIGEST, OPT_NAME, OPT_NAMES, OPT_TIMESTAMP, OPT_STUB, OPT_STUB_TO };

static const struct cmd_opt opts[] = {
	{OPT_SIGNER, "signer", "PEM", "file with the private key that signs, and its certificate"},
	{OPT_DEVICE, "device", "CERT", "the phone's certificate, LSC or MIC, in PEM or DER; its key must be RSA"},
	{OPT_STUB, "stub", NULL, "write the short file that goes with it, too: FILE.sgn"},
	{OPT_STUB_TO, "stub-output", "OUT", "write the short file to OUT"},
	{OPT_DIGEST, "digest", "sha1|sha512", "of signature and content; default sha1, which every phone knows"},
	{OPT_NAME, "name", "NAME", "name of the configuration as phones know it, SEP001122334455.cnf.xml;\ndefault that of FILE"},
	{OPT_NAMES, "names", "A|C", "form of names: A CN=..;OU=.. as CUCM (default), C CN=..,O=.. as other tools"},
	{OPT_TIMESTAMP, "timestamp", "SECONDS", "signing time, in seconds since 1970; default now"},
	{'o', "output", "OUT", "where to write it; default FILE.enc.sgn; replaced whole or not at all"},
	{0},
};

static int option(const struct cmd *c, struct options *o, int key, const char *value)
{
	switch (key) {
	case OPT_SIGNER: o->signer = value; return 0;
	case OPT_DEVICE: o->device = value; return 0;
	case OPT_STUB: o->with_stub = true; return 0;
	case OPT_STUB_TO:
		o->with_stub = true;
		o->stub = value;
		return 0;
	case OPT_DIGEST: return option_digest(value, &o->digest) ? 0 : cmd_usage_error(c, "--digest is sha1 or sha512");
	case OPT_NAME: o->name = value; return 0;
	case OPT_NAMES: return option_names(value, &o->names) ? 0 : cmd_usage_error(c, "--names is A or C");
	case OPT_TIMESTAMP:
		return text_number(value, 0, UINT32_MAX, &o->timestamp) ? 0 : cmd_usage_error(c, "--timestamp is a number of seconds");
	default: o->out = value; return 0;
	}
}

static struct sgn_spec spec_of(const struct maker *m, const char *file_name)
{
	return (struct sgn_spec){
		.signer = m->signer.cert,
		.names = m->o->names,
		.digest = m->o->digest,
		.timestamp = (uint32_t)m->o->timestamp,
		.file_name = file_name,
	};
}

/* A file that is to be written. */
struct made {
	char name[NAME_SIZE]; /* what it is signed as */
	char out[4096];
	uint8_t *data;
	size_t len;
};

static void place(struct made *f, const struct maker *m, const char *config, const char *suffix, const char *out)
{
	snprintf(f->name, sizeof(f->name), "%s%s", config, suffix);
	if (out)
		snprintf(f->out, sizeof(f->out), "%s", out);
	else
		snprintf(f->out, sizeof(f->out), "%s%s", m->o->file, suffix);
}

/* A key that is not its certificate's makes signatures that do not hold: look before anything is written. */
static int verify(const struct maker *m, const struct made *f, struct err *e)
{
	return sgn_verify_cert((struct view){f->data, f->len}, m->signer.cert, e);
}

static int make_encrypted(struct maker *m, struct view plain, const char *config, struct made *f, struct err *e)
{
	struct list_signer signer = pem_signer_of(&m->signer);

	place(f, m, config, ".enc.sgn", m->o->out);
	const struct enc_spec spec = {.sgn = spec_of(m, f->name), .device = m->device};
	int rc = enc_build(&spec, &signer, &random_system, plain, &f->data, &f->len, e);
	return rc ? rc : verify(m, f, e);
}

static int make_stub(struct maker *m, struct view plain, const char *config, struct made *f, struct err *e)
{
	struct list_signer signer = pem_signer_of(&m->signer);
	char hash[CONFXML_CERT_HASH_SIZE];
	uint8_t *stub = NULL;
	size_t stub_len = 0;

	place(f, m, config, ".sgn", m->o->stub);
	const struct sgn_spec spec = spec_of(m, f->name);
	int rc = confxml_cert_hash(m->device, hash, e);
	if (!rc)
		rc = confxml_stub(plain, hash, &stub, &stub_len, e);
	if (!rc)
		rc = sgn_build(&spec, &signer, (struct view){stub, stub_len}, &f->data, &f->len, e);
	if (!rc)
		rc = verify(m, f, e);
	if (rc)
		err_prefix(e, "%s: the short file", m->o->file);
	free(stub);
	return rc;
}

static int write_made(const struct made *f, struct err *e)
{
	int rc = file_replace(AT_FDCWD, f->out, (struct view){f->data, f->len}, 0644, e);

	if (!rc)
		printf("%s: %zu octets, signed as %s\n", f->out, f->len, f->name);
	return rc;
}

/* One without the other would leave a phone with half of what belongs together. */
static int make_and_write(struct maker *m, struct view plain, const char *config, struct err *e)
{
	struct made encrypted = {.data = NULL}, stub = {.data = NULL};
	int rc = make_encrypted(m, plain, config, &encrypted, e);

	if (!rc && m->o->with_stub)
		rc = make_stub(m, plain, config, &stub, e);
	if (!rc)
		rc = write_made(&encrypted, e);
	if (!rc && m->o->with_stub)
		rc = write_made(&stub, e);
	free(encrypted.data);
	free(stub.data);
	return rc;
}

static int encrypt_file(const struct cmd *c, const struct options *o, const char *config)
{
	struct maker m = {.o = o};
	struct view plain = {0};
	struct err e = ERR_INIT;

	int rc = pem_signer_load(o->signer, &m.signer, &e);
	if (!rc && (rc = cert_load(AT_FDCWD, o->device, &m.device, &e)))
		err_prefix(&e, "the phone's certificate");
	if (!rc)
		rc = offline_read(o->file, &plain, &e);
	if (!rc)
		rc = make_and_write(&m, plain, config, &e);
	offline_free(plain);
	cert_unref(m.device);
	pem_signer_clear(&m.signer);
	if (rc)
		return cmd_error(c, rc == ERR_CRYPTO ? CMD_NO : rc == ERR_PROTO ? CMD_MALFORMED : CMD_USAGE, "%s", e.text);
	return CMD_OK;
}

/* The configuration's name, and that it is one: phones ask for nothing else in encrypted form. */
static int check_names(const struct cmd *c, const struct options *o, const char **config)
{
	const char *slash = strrchr(o->file, '/');
	const char *name = o->name ? o->name : slash ? slash + 1 : o->file;

	if (strcmp(o->file, "-") == 0 && (!o->name || !o->out || (o->with_stub && !o->stub)))
		return cmd_usage_error(c, "standard input has no name: give --name, -o and --stub-output");
	if (!text_ends(name, CONFIG_SUFFIX))
		return cmd_usage_error(c, "phones ask only for DEVICE.cnf.xml in encrypted form; give that name with --name");
	if (strlen(name) > SGN_NAME_MAX - strlen(".enc.sgn") || strlen(o->file) > 4000)
		return cmd_usage_error(c, "the name of the file is too long");
	*config = name;
	return CMD_OK;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args a = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {.digest = DIGEST_SHA1, .timestamp = (uint64_t)time(NULL)};
	const char *config = NULL;

	for (int key; (key = cmd_opt_next(&a));) {
		int status = key < 0 ? a.exit : option(c, &o, key, a.value);
		if (key < 0 || status)
			return status;
	}
	if (!o.signer || !o.device)
		return cmd_usage_error(c, o.signer ? "--device is needed" : "--signer is needed");
	if (a.argc != 1)
		return cmd_usage_error(c, a.argc ? "one file at a time" : "which file?");
	o.file = a.argv[0];
	int status = check_names(c, &o, &config);
	return status ? status : encrypt_file(c, &o, config);
}

const struct cmd cmd_enc_encrypt = {
	.name = "enc encrypt",
	.summary = "write FILE.enc.sgn: encrypted for one phone, and signed",
	.usage = "--signer PEM --device CERT [--digest sha1|sha512] [--name NAME] [--names A|C]\n"
		 "  [--timestamp SECONDS] [--stub] [--stub-output OUT] FILE [-o OUT]",
	.opts = opts,
	.more = "FILE is never changed or removed. A server that serves it as well gives the secret away.\n\n"
		"exit status: 0 written, 1 it could not be signed, 2 --stub: FILE is no configuration, 3 wrong usage,\n"
		"also a certificate whose key is not RSA",
	.run = run,
};
