#include "cmd/init/init.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/adopt.h"
#include "cmd/init/adopt_report.h"
#include "cmd/init/keystore.h"
#include "cmd/passphrase.h"
#include "server/config.h"

#define LISTEN_MAX 64
#define AS_MAX 64

enum { OPT_DATA = CMD_LONG, OPT_NODE, OPT_IP, OPT_ORG, OPT_UNIT, OPT_LOCALITY, OPT_STATE, OPT_COUNTRY, OPT_GENERATION,
       OPT_KEY_BITS, OPT_LISTEN, OPT_LOOPBACK, OPT_ADOPT, OPT_AS, OPT_PASSPHRASE, OPT_BY_HAND, OPT_DRY_RUN, OPT_JSON,
       OPT_KEYSTORE, OPT_KEYSTORE_UNITS, OPT_KEYSTORE_FOLDERS, OPT_KEYSTORE_SOCKETS, OPT_PIN_FILE };

static const struct cmd_opt opts[] = {
	{ OPT_DATA, "data", "DIR", "the node's folder: empty, or not there yet" },
	{ OPT_NODE, "node", "NAME", "host name of the node, as phones and certificates know it" },
	{ OPT_IP, "ip", "ADDR", "its address: in certificates and CTL" },
	{ OPT_ORG, "org", "O", "organisation, in every certificate" },
	{ OPT_UNIT, "unit", "OU", "organisational unit, in every certificate" },
	{ OPT_LOCALITY, "locality", "L", "locality" },
	{ OPT_STATE, "state", "ST", "state or province" },
	{ OPT_COUNTRY, "country", "C", "country, two capital letters" },
	{ OPT_GENERATION, "generation", "G", "trust lists as CUCM 8.0, 10.0, 10.5(2), 11.5 or 12.0 makes them (12.0)" },
	{ OPT_KEY_BITS, "key-bits", "N", "size of RSA keys: 1024, 2048 or 4096 (as the generation has it)" },
	{ OPT_LISTEN, "listen", "KEY=ADDR:PORT",
	  "where a service answers: tftp, http, https, tvs, capf, ctl-provider, web,\nlegacy-tvs, legacy-capf, legacy-https; "
	  "several addresses with commas; may be repeated" },
	{ OPT_LOOPBACK, "loopback", NULL, "all services on 127.0.0.1, TFTP on port 6969: for demonstrations" },
	{ OPT_KEYSTORE, "keystore", "URI",
	  "make keys on this hardware token: pkcs11:token=LABEL?module-path=FILE[&pin-source=file:FILE]" },
	{ OPT_KEYSTORE_UNITS, "keystore-units", "LIST", "whose keys are made there (" INIT_KEYSTORE_UNITS ")" },
	{ OPT_PIN_FILE, "pin-file", "FILE",
	  "its first line is the token's PIN; without it the PIN is asked for, or taken\nfrom RINGFENCE_PIN, and kept in DIR/" INIT_PIN_FILE },
	{ OPT_KEYSTORE_FOLDERS, "keystore-folders", "LIST", "folders that the token's module reads and writes" },
	{ OPT_KEYSTORE_SOCKETS, "keystore-sockets", "KIND", "what the module connects to: none, local (pcscd), network (none)" },
	{ OPT_ADOPT, "adopt", "DIR", "take over the site whose certificates, keys, trust lists and databases are in DIR" },
	{ OPT_AS, "adopt-as", "UNIT=FILE", "what a file below DIR is: a unit, a trust store, or none; may be repeated" },
	{ OPT_PASSPHRASE, "passphrase-file", "FILE", "the first line opens encrypted keys in DIR; otherwise it is asked for" },
	{ OPT_BY_HAND, "reset-phones-by-hand", NULL, "adopt although phones will not follow: their trust lists are deleted by hand" },
	{ OPT_DRY_RUN, "dry-run", NULL, "with --adopt: say what would be done, and write nothing" },
	{ OPT_JSON, "json", NULL, "with --adopt: the report as JSON" },
	{ 0 },
};

struct options {
	struct init_request req;
	const char *listen[LISTEN_MAX];
	size_t n_listen;
	bool loopback;
	const char *as[AS_MAX];
	struct adopt_request adopt;  /* dir NULL: nothing is adopted */
	const char *passphrase_file;
	char *passphrase;            /* once it was asked for */
	bool by_hand, dry_run, json;
	struct init_keystore keystore;
};

static int set_bits(const struct cmd *c, struct options *o, const char *value)
{
	uint64_t bits;

	if (!text_number(value, 1, 65536, &bits))
		return cmd_usage_error(c, "--key-bits: '%s' is no number of bits", value);
	o->req.key_bits = (unsigned)bits;
	return 0;
}

static int add_listen(const struct cmd *c, struct options *o, const char *value)
{
	if (o->n_listen == LISTEN_MAX)
		return cmd_usage_error(c, "--listen: more than %d", LISTEN_MAX);
	o->listen[o->n_listen++] = value;
	return 0;
}

static int add_as(const struct cmd *c, struct options *o, const char *value)
{
	if (o->adopt.n_as == AS_MAX)
		return cmd_usage_error(c, "--adopt-as: more than %d", AS_MAX);
	o->as[o->adopt.n_as++] = value;
	return 0;
}

static int take_adopt(const struct cmd *c, struct options *o, int key, const char *value)
{
	switch (key) {
	case OPT_ADOPT:
		o->adopt.dir = value;
		break;
	case OPT_PASSPHRASE:
		o->passphrase_file = value;
		break;
	case OPT_BY_HAND:
		o->by_hand = true;
		break;
	case OPT_DRY_RUN:
		o->dry_run = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_AS:
		return add_as(c, o, value);
	}
	return 0;
}

static int take(const struct cmd *c, struct options *o, int key, const char *value)
{
	switch (key) {
	case OPT_DATA:
		o->req.data_dir = value;
		break;
	case OPT_NODE:
		o->req.node = value;
		break;
	case OPT_IP:
		o->req.ip = value;
		break;
	case OPT_ORG:
		o->req.subject.o = value;
		break;
	case OPT_UNIT:
		o->req.subject.ou = value;
		break;
	case OPT_LOCALITY:
		o->req.subject.l = value;
		break;
	case OPT_STATE:
		o->req.subject.st = value;
		break;
	case OPT_COUNTRY:
		o->req.subject.c = value;
		break;
	case OPT_GENERATION:
		o->req.generation = value;
		break;
	case OPT_KEYSTORE:
		o->keystore.uri = value;
		break;
	case OPT_KEYSTORE_UNITS:
		o->keystore.units = value;
		break;
	case OPT_KEYSTORE_FOLDERS:
		o->keystore.folders = value;
		break;
	case OPT_KEYSTORE_SOCKETS:
		o->keystore.sockets = value;
		break;
	case OPT_PIN_FILE:
		o->keystore.pin_file = value;
		break;
	case OPT_LOOPBACK:
		o->loopback = true;
		break;
	case OPT_KEY_BITS:
		return set_bits(c, o, value);
	case OPT_LISTEN:
		return add_listen(c, o, value);
	default:
		return take_adopt(c, o, key, value);
	}
	return 0;
}

static bool asks_for_adoption(const struct options *o)
{
	return o->adopt.n_as || o->passphrase_file || o->by_hand || o->dry_run || o->json;
}

static int parse(const struct cmd *c, int argc, char **argv, struct options *o, bool *stop)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	int key;

	*stop = true;
	while ((key = cmd_opt_next(&args)) > 0) {
		int status = take(c, o, key, args.value);

		if (status)
			return status;
	}
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[0]);
	if (!o->adopt.dir && asks_for_adoption(o))
		return cmd_usage_error(c, "--adopt-as, --passphrase-file, --reset-phones-by-hand, --dry-run and --json go with --adopt DIR");
	if ((!o->req.data_dir && !o->dry_run) || !o->req.node)
		return cmd_usage_error(c, "%s is missing", o->req.node ? "--data DIR" : "--node NAME");
	const struct init_keystore *k = &o->keystore;
	if (!k->uri && (k->units || k->folders || k->sockets || k->pin_file))
		return cmd_usage_error(c, "--keystore URI is missing");
	*stop = false;
	return CMD_OK;
}

static int configure(const struct options *o, struct config *cfg, struct err *e)
{
	int rc = 0;

	config_default(cfg, o->loopback);
	snprintf(cfg->node_name, sizeof(cfg->node_name), "%s", o->req.node);
	snprintf(cfg->node_address, sizeof(cfg->node_address), "%s", o->req.ip ? o->req.ip : "");
	for (size_t i = 0; i < o->n_listen && !rc; i++)
		rc = config_set_listen(cfg, o->listen[i], e);
	return !rc && o->keystore.uri ? init_keystore_configure(&o->keystore, cfg, e) : rc;
}

static void progress(void *ctx, const char *text)
{
	const struct options *o = ctx;

	if (o->json)
		return;
	printf("%s\n", text);
	fflush(stdout);
}

static struct init_env env_of(struct options *o)
{
	return (struct init_env){ .clock = &clock_system, .random = &random_system, .progress = progress, .ctx = o };
}

static int make(struct options *o, const struct config *cfg, struct err *e)
{
	struct init_env env = env_of(o);
	AUTO(auto_close) int fd = -1;
	bool was_there = access(o->req.data_dir, F_OK) == 0;
	int rc = init_folders(&o->req, e);

	if (rc)
		return rc;
	rc = file_open_dir(AT_FDCWD, o->req.data_dir, &fd, e);
	if (!rc)
		rc = config_write(fd, cfg, e);
	if (!rc && o->keystore.uri)
		rc = init_keystore_open(cfg, fd, &o->req, e);
	if (!rc)
		rc = init_node(&o->req, &env, e);
	if (rc)
		init_undo(o->req.data_dir, !was_there);
	return rc;
}

/* --- adoption --- */

static const char *passphrase(void *ctx, const char *file, struct err *e)
{
	static const struct passphrase_ask how = { "passphrase", "Passphrase: ", "--passphrase-file", false };
	struct options *o = ctx;

	if (o->passphrase)
		return o->passphrase;
	if (!o->passphrase_file)
		fprintf(stderr, "%s is encrypted.\n", file);
	if (passphrase_get(&how, o->passphrase_file, &o->passphrase, e)) {
		err_prefix(e, "%s is encrypted", file);
		return NULL;
	}
	return o->passphrase;
}

/* Out: *stop: nothing is to be made; the status is returned. */
static int plan(const struct cmd *c, struct options *o, struct adopt **a, bool *stop)
{
	struct init_env env = env_of(o);
	struct err e = ERR_INIT;

	*stop = true;
	o->adopt.as = o->as;
	o->adopt.passphrase = passphrase;
	o->adopt.ctx = o;
	if (adopt_plan(&o->adopt, &o->req, &env, a, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	bool refused = (*a)->problems.n || ((*a)->stranded && !o->by_hand);
	if (!o->json)
		adopt_report_text(*a);
	else if (adopt_report_json(*a, refused, o->dry_run, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	fflush(stdout);
	if ((*a)->problems.n)
		return cmd_error(c, CMD_NO, "nothing was written: %zu things are in the way (above)", (*a)->problems.n);
	if (refused)
		return cmd_error(c, CMD_NO, "nothing was written: not all phones would follow. Add the key of a certificate that "
				 "their lists have as SAST, or say --reset-phones-by-hand when their trust lists will be deleted by "
				 "hand");
	*stop = o->dry_run;
	o->req.adopt = *a;
	return CMD_OK;
}

static void farewell(const struct options *o)
{
	const struct init_keystore *k = &o->keystore;

	printf("\nThe node %s is ready in %s. Serve it with:\n"
	       "    ringfence serve --data %s\n", o->req.node, o->req.data_dir, o->req.data_dir);
	if (k->uri)
		printf("\nThe keys of %s are on the token. If it is lost, every phone that trusts them must be unlocked by hand:\n"
		       "copy it with its own program.\n", k->units ? k->units : INIT_KEYSTORE_UNITS);
	if (k->uri && !k->units)
		return;
	printf("\nNo recovery export exists. If this folder is lost, every phone that trusts it must be unlocked by hand.\n"
	       "Make one now and keep it elsewhere:\n"
	       "    ringfence recovery export --data %s --out FILE\n"
	       "    ringfence recovery verify --data %s FILE\n", o->req.data_dir, o->req.data_dir);
}

static int run_with(const struct cmd *c, struct options *o, const struct config *cfg)
{
	struct adopt *a = NULL;
	struct err e = ERR_INIT;
	bool stop = false;
	/* Before an hour is spent on a site, or a dry run says that all is well. */
	if (o->req.data_dir && init_try(&o->req, o->adopt.dir, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	int status = o->adopt.dir ? plan(c, o, &a, &stop) : CMD_OK;

	if (!stop && make(o, cfg, &e))
		status = cmd_error(c, CMD_NO, "%s", e.text);
	else if (!stop && !o->json)
		farewell(o);
	adopt_free(a);
	secret_free(o->passphrase, PASSPHRASE_MAX);
	return status;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct options o = { 0 };
	struct config cfg;
	struct err e = ERR_INIT;
	bool stop;
	int status = parse(c, argc, argv, &o, &stop);

	if (stop)
		return status;
	if (init_check(&o.req, &e) || configure(&o, &cfg, &e))
		return cmd_usage_error(c, "%s", e.text);
	return run_with(c, &o, &cfg);
}

const struct cmd cmd_init = {
	.name = "init",
	.summary = "make a node: its folder, keys, certificates and first ITL",
	.usage = "--data DIR --node NAME [--ip ADDR] --org O --unit OU [OPTION...]\n"
		 "--adopt DIR [--dry-run] [--json] [--adopt-as UNIT=FILE...] [OPTION...]",
	.opts = opts,
	.more = "An interrupted init can be run again. A folder that holds a node is refused.\n"
		"Exit status: 0 made, 1 not made, 3 wrong command line.",
	.run = run,
};
