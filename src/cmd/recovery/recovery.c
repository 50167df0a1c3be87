#include "cmd/recovery/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "cluster/recovery.h"
#include "cmd/node.h"
#include "cmd/passphrase.h"
#include "pki/bundle.h"

enum { OPT_DATA = CMD_LONG, OPT_OUT, OPT_PASSPHRASE };

struct options {
	const char *data, *out, *passphrase_file, *file;
};

static int get_passphrase(const struct options *o, bool twice, char **passphrase, struct err *e)
{
	const struct passphrase_ask how = { "passphrase", "Passphrase: ", "--passphrase-file", twice };

	return passphrase_get(&how, o->passphrase_file, passphrase, e);
}

/* Status of the command when *stop is set. */
static int parse(const struct cmd *c, int argc, char **argv, struct options *o, bool *stop)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	int key;

	*stop = true;
	while ((key = cmd_opt_next(&args)) > 0) {
		if (key == OPT_DATA)
			o->data = args.value;
		else if (key == OPT_OUT)
			o->out = args.value;
		else
			o->passphrase_file = args.value;
	}
	if (key < 0)
		return args.exit;
	if (!o->data)
		return cmd_usage_error(c, "--data DIR is missing");
	if (args.argc > 1)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[1]);
	o->file = args.argc ? args.argv[0] : NULL;
	*stop = false;
	return CMD_OK;
}

/* --- export --- */

/* An earlier export is never overwritten: it may be the only one that opens. */
static int refuse_existing(const char *path, struct err *e)
{
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_USAGE, "%s exists: give another name", path);
	return errno == ENOENT ? 0 : err_sys(e, ERR_IO, "%s", path);
}

static int export_to(const struct options *o, struct notes *notes, struct err *e)
{
	AUTO(auto_free) uint8_t *p12 = NULL;
	struct cmd_node node;
	char *passphrase = NULL, who[128];
	size_t len;
	int rc = refuse_existing(o->out, e);

	if (rc)
		return rc;
	rc = cmd_node_open(o->data, &node, e);
	if (!rc)
		rc = get_passphrase(o, true, &passphrase, e);
	if (!rc)
		rc = recovery_export(node.cluster, cmd_who(who, sizeof(who)), passphrase, &p12, &len, notes, e);
	if (!rc)
		rc = file_replace(AT_FDCWD, o->out, (struct view){ p12, len }, 0600, e);
	secret_free(passphrase, PASSPHRASE_MAX);
	cmd_node_close(&node);
	return rc;
}

static int run_export(const struct cmd *c, int argc, char **argv)
{
	struct notes notes = NOTES_INIT;
	struct options o = { 0 };
	struct err e = ERR_INIT;
	bool stop;
	int status = parse(c, argc, argv, &o, &stop);

	if (stop)
		return status;
	if (!o.out || o.file)
		return cmd_usage_error(c, "%s", o.out ? "the file is named with --out" : "--out FILE is missing");
	int rc = export_to(&o, &notes, &e);
	for (size_t i = 0; i < notes.n && !rc; i++)
		printf("%s\n", notes.text[i]);
	notes_clear(&notes);
	if (rc)
		return cmd_error(c, CMD_NO, "%s", e.text);
	printf("%s holds the keys that phones follow, encrypted with your passphrase. Check it with:\n"
	       "    ringfence recovery verify --data %s %s\n"
	       "Then keep it and the passphrase away from this machine, apart from each other.\n", o.out, o.data, o.out);
	return CMD_OK;
}

static const struct cmd_opt export_opts[] = {
	{ OPT_DATA, "data", "DIR", "the node's folder" },
	{ OPT_OUT, "out", "FILE", "where the PKCS#12 file goes; must not exist" },
	{ OPT_PASSPHRASE, "passphrase-file", "FILE", "the passphrase is the first line of FILE; without it you are asked" },
	{ 0 },
};

static const struct cmd cmd_export = {
	.name = "recovery export",
	.summary = "write ITLRecovery and the signing keys to a file with a passphrase",
	.usage = "--data DIR --out FILE [--passphrase-file FILE]",
	.opts = export_opts,
	.run = run_export,
};

/* --- verify --- */

static int verify(const struct options *o, struct notes *notes, struct err *e)
{
	AUTO(auto_free) uint8_t *p12 = NULL;
	struct cmd_node node;
	char *passphrase = NULL, who[128];
	size_t len;
	int rc = cmd_node_open(o->data, &node, e);

	if (!rc)
		rc = file_read(AT_FDCWD, o->file, BUNDLE_MAX_DER, &p12, &len, e);
	if (!rc)
		rc = get_passphrase(o, false, &passphrase, e);
	if (!rc)
		rc = recovery_verify(node.cluster, cmd_who(who, sizeof(who)), (struct view){ p12, len }, passphrase, notes,
				     e);
	secret_free(passphrase, PASSPHRASE_MAX);
	cmd_node_close(&node);
	return rc;
}

static int run_verify(const struct cmd *c, int argc, char **argv)
{
	struct notes notes = NOTES_INIT;
	struct options o = { 0 };
	struct err e = ERR_INIT;
	bool stop;
	int status = parse(c, argc, argv, &o, &stop);

	if (stop)
		return status;
	if (!o.file)
		return cmd_usage_error(c, "FILE is missing");
	int rc = verify(&o, &notes, &e);
	for (size_t i = 0; i < notes.n; i++)
		printf("%s\n", notes.text[i]);
	notes_clear(&notes);
	if (rc)
		return cmd_error(c, rc == ERR_PROTO ? CMD_MALFORMED : CMD_NO, "%s", e.text);
	printf("%s opens and holds the keys in force.\n", o.file);
	return CMD_OK;
}

static const struct cmd_opt verify_opts[] = {
	{ OPT_DATA, "data", "DIR", "the node's folder" },
	{ OPT_PASSPHRASE, "passphrase-file", "FILE", "the passphrase is the first line of FILE; without it you are asked" },
	{ 0 },
};

static const struct cmd cmd_verify = {
	.name = "recovery verify",
	.summary = "open an export, and compare its keys with those in force",
	.usage = "--data DIR FILE [--passphrase-file FILE]",
	.opts = verify_opts,
	.more = "Exit status: 0 good, 1 not (wrong passphrase, older than the keys), 2 no export at all, 3 wrong command line.",
	.run = run_verify,
};

static const struct cmd *const subs[] = { &cmd_export, &cmd_verify, NULL };

const struct cmd cmd_recovery = {
	.name = "recovery",
	.summary = "export the keys that phones depend on, and check an export",
	.usage = "export --data DIR --out FILE [--passphrase-file FILE]\nverify --data DIR FILE [--passphrase-file FILE]",
	.subs = subs,
};
