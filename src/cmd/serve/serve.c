#include "cmd/serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "server/callcontrol_check.h"
#include "server/supervisor.h"

enum { OPT_DATA = CMD_LONG, OPT_CHECK, OPT_WORKERS, OPT_LEVEL };

static const char *const levels[] = {"error", "warning", "info", "debug"};
#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

static const struct cmd_opt opts[] = {
	{OPT_DATA, "data", "DIR", "the node's folder"},
	{OPT_CHECK, "check", NULL, "look whether ringfence.conf is right, tell every mistake with its line, serve nothing"},
	{OPT_WORKERS, "workers", "N", "network processes, 1 to 64 (one for each core)"},
	{OPT_LEVEL, "log-level", "LEVEL", "error, warning, info or debug (info)"},
	{0},
};

struct options {
	struct supervisor_options serve;
	bool check;
};

static int set_workers(const struct cmd *c, struct options *o, const char *value)
{
	uint64_t n;

	if (!text_number(value, 1, LISTENERS_MAX_WORKERS, &n))
		return cmd_usage_error(c, "--workers: '%s' is not a number from 1 to %d", value, LISTENERS_MAX_WORKERS);
	o->serve.n_workers = (unsigned)n;
	return CMD_OK;
}

static int set_level(const struct cmd *c, struct options *o, const char *value)
{
	for (size_t i = 0; i < N_LEVELS; i++)
		if (strcmp(levels[i], value) == 0) {
			o->serve.log_level = (enum log_level)i;
			return CMD_OK;
		}
	return cmd_usage_error(c, "--log-level: '%s' is none of error, warning, info, debug", value);
}

static int take(const struct cmd *c, struct options *o, int key, const char *value)
{
	switch (key) {
	case OPT_DATA:
		o->serve.data = value;
		return CMD_OK;
	case OPT_CHECK:
		o->check = true;
		return CMD_OK;
	case OPT_WORKERS:
		return set_workers(c, o, value);
	default:
		return set_level(c, o, value);
	}
}

/* --- serve --check --- */

static void print_mistake(void *ctx, const char *file, int line, const char *text)
{
	if (line)
		printf("%s/%s:%d: %s\n", (const char *)ctx, file, line, text);
	else
		printf("%s/%s: %s\n", (const char *)ctx, file, text);
}

/* What is no mistake but may surprise. */
static void print_unserved(const struct config *cfg)
{
	for (int s = 0; s < LISTEN_COUNT; s++)
		if (cfg->listen[s].n && !listen_kinds[s].served)
			printf("note: %s: this release does not answer there yet\n", listen_kinds[s].key);
}

static int check(const struct cmd *c, const char *data)
{
	struct config_report report = {print_mistake, (void *)data};
	AUTO(auto_close) int dir = -1;
	AUTO(auto_close) int provisioning = -1;
	struct err e = ERR_INIT;
	struct node node = {0};

	if (file_open_dir(AT_FDCWD, data, &dir, &e) < 0)
		return cmd_error(c, CMD_NO, "%s", e.text);
	int rc = config_load(dir, &report, &node.cfg, &e);
	if (rc == ERR_USAGE)
		return CMD_NO; /* each mistake has been told */
	node.data_dir = dir;
	if (rc < 0 || node_open_provisioning(&node, &provisioning, &e) < 0)
		return cmd_error(c, CMD_NO, "%s", e.text);
	print_unserved(&node.cfg);
	if (privileges_find(dir, &node.who, &e) < 0)
		return cmd_error(c, CMD_NO, "%s", e.text);
	rc = callcontrol_check(&node.cfg.callcontrol, &node.who, &report, &e);
	if (config_contradicts(&node.cfg)) {
		printf("%s/" CONFIG_FILE ": " CONFIG_KEY_ON_TOKEN "; " CONFIG_KEY_REMEDY "\n", data);
		return CMD_NO;
	}
	if (rc < 0)
		return CMD_NO;
	printf("%s/" CONFIG_FILE " is right\n", data);
	return CMD_OK;
}

/* The path must hold when it is looked up later, from whatever folder. */
static int serve(const struct cmd *c, struct supervisor_options *o)
{
	AUTO(auto_free) char *data = realpath(o->data, NULL);
	struct err e = ERR_INIT;

	if (!data)
		return cmd_error(c, CMD_NO, "%s: %s; make a node with `ringfence init --data %s`", o->data, strerror(errno),
				 o->data);
	o->data = data;
	log_open("supervisor", o->log_level);
	if (supervisor_run(o, &e) < 0)
		return cmd_error(c, CMD_NO, "%s", e.text);
	return CMD_OK;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = {.cmd = c, .argc = argc, .argv = argv};
	struct options o = {.serve.log_level = LOG_LEVEL_INFO};
	int key, status;

	while ((key = cmd_opt_next(&args)) > 0)
		if ((status = take(c, &o, key, args.value)) != CMD_OK)
			return status;
	if (key < 0)
		return args.exit;
	if (args.argc)
		return cmd_usage_error(c, "'%s' is not expected", args.argv[0]);
	if (!o.serve.data)
		return cmd_usage_error(c, "--data DIR is missing");
	return o.check ? check(c, o.serve.data) : serve(c, &o.serve);
}

const struct cmd cmd_serve = {
	.name = "serve",
	.summary = "run a node: TFTP, HTTP, HTTPS and the control socket",
	.usage = "--data DIR [--workers N] [--log-level LEVEL]\n--data DIR --check",
	.opts = opts,
	.more = "SIGTERM and SIGINT stop the node in order; SIGHUP makes it read ringfence.conf again.\n"
		"Exit status: 0 stopped in order, or the configuration is right; 1 could not start, or it is not;\n"
		"3 wrong command line.",
	.run = run,
};
