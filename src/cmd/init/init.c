#include "cmd/init/init.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cluster/init.h"
#include "cmd/node.h"
#include "server/config.h"

#define LISTEN_MAX 64

enum { OPT_DATA = CMD_LONG, OPT_NODE, OPT_IP, OPT_ORG, OPT_UNIT, OPT_LOCALITY, OPT_STATE, OPT_COUNTRY, OPT_GENERATION,
       OPT_KEY_BITS, OPT_LISTEN, OPT_LOOPBACK };

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
	{ 0 },
};

struct options {
	struct init_request req;
	const char *listen[LISTEN_MAX];
	size_t n_listen;
	bool loopback;
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
	case OPT_LOOPBACK:
		o->loopback = true;
		break;
	case OPT_KEY_BITS:
		return set_bits(c, o, value);
	case OPT_LISTEN:
		return add_listen(c, o, value);
	}
	return 0;
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
	if (!o->req.data_dir || !o->req.node)
		return cmd_usage_error(c, "%s is missing", o->req.data_dir ? "--node NAME" : "--data DIR");
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
	return rc;
}

static void progress(void *ctx, const char *text)
{
	(void)ctx;
	printf("%s\n", text);
	fflush(stdout);
}

static int make(const struct options *o, const struct config *cfg, struct err *e)
{
	struct init_env env = { .clock = &clock_system, .random = &random_system, .progress = progress };
	AUTO(auto_close) int fd = -1;
	int rc = init_folders(&o->req, e);

	if (!rc)
		rc = file_open_dir(AT_FDCWD, o->req.data_dir, &fd, e);
	if (!rc)
		rc = config_write(fd, cfg, e);
	return rc ? rc : init_node(&o->req, &env, e);
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
	if (make(&o, &cfg, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	printf("\nThe node %s is ready in %s. Serve it with:\n"
	       "    ringfence serve --data %s\n"
	       "\nNo recovery export exists. If this folder is lost, every phone that trusts it must be unlocked by hand.\n"
	       "Make one now and keep it elsewhere:\n"
	       "    ringfence recovery export --data %s --out FILE\n"
	       "    ringfence recovery verify --data %s FILE\n",
	       o.req.node, o.req.data_dir, o.req.data_dir, o.req.data_dir, o.req.data_dir);
	return CMD_OK;
}

const struct cmd cmd_init = {
	.name = "init",
	.summary = "make a node: its folder, keys, certificates and first ITL",
	.usage = "--data DIR --node NAME [--ip ADDR] --org O --unit OU [OPTION...]",
	.opts = opts,
	.more = "An interrupted init can be run again. A folder that holds a node is refused.\n"
		"Exit status: 0 made, 1 not made, 3 wrong command line.",
	.run = run,
};
