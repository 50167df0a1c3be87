#include "cmd/doctor/doctor.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster/doctor.h"
#include "cmd/node.h"

enum { OPT_DATA = CMD_LONG, OPT_JSON };

#define PORTS_MAX (LISTEN_COUNT * CONFIG_MAX_ADDRS)

struct ports {
	struct doctor_port port[PORTS_MAX];
	char address[PORTS_MAX][INET6_ADDRSTRLEN];
	size_t n;
};

static void add_port(struct ports *p, enum listen_service s, const struct listen_addr *a)
{
	char *text = p->address[p->n];

	if (a->family == AF_UNSPEC)
		snprintf(text, INET6_ADDRSTRLEN, "*");
	else if (!inet_ntop(a->family, &a->ip, text, INET6_ADDRSTRLEN))
		return;
	p->port[p->n++] = (struct doctor_port){
		.service = listen_kinds[s].key,
		.owner = listen_kinds[s].service,
		.address = text,
		.port = a->port,
		.udp = listen_kinds[s].udp,
		.legacy = listen_kinds[s].legacy,
	};
}

/* Only what this version binds: a port that waits for a later version stops nobody. */
static void collect_ports(const struct config *cfg, struct ports *p)
{
	for (int s = 0; s < LISTEN_COUNT; s++)
		for (size_t i = 0; listen_kinds[s].served && i < cfg->listen[s].n; i++)
			add_port(p, (enum listen_service)s, &cfg->listen[s].addrs[i]);
}

static int examine(const char *data, struct doctor_report *report, struct err *e)
{
	struct err why = ERR_INIT;
	struct cmd_node node;
	struct ports *ports = calloc(1, sizeof(*ports));
	char provisioning[6000];
	bool running = false;

	if (!ports)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = cmd_node_open(data, &node, &why);
	if (cluster_is_open(data, &running, NULL))
		running = false; /* no published/: another finding says so */
	bool configured = node.config.node_name[0];
	collect_ports(&node.config, ports);
	bool absolute = node.config.provisioning[0] == '/';
	snprintf(provisioning, sizeof(provisioning), "%s%s%s", absolute ? "" : data, absolute ? "" : "/",
		 node.config.provisioning);
	struct doctor_input in = {
		.data_dir = data,
		.node = configured ? node.config.node_name : NULL,
		.address = node.config.node_address,
		.provisioning = configured ? provisioning : NULL,
		.ports = ports->port,
		.n_ports = ports->n,
		.adapter = node.config.callcontrol.adapter != CALLCONTROL_NONE,
		.key_to_token = config_contradicts(&node.config),
		.running = running,
		.clock = &clock_system,
		.cluster = rc ? NULL : node.cluster,
		.cluster_error = why.text,
	};
	rc = doctor_run(&in, report, e);
	cmd_node_close(&node);
	free(ports);
	return rc;
}

static int run(const struct cmd *c, int argc, char **argv)
{
	struct cmd_args args = { .cmd = c, .argc = argc, .argv = argv };
	struct doctor_report report = { 0 };
	struct err e = ERR_INIT;
	const char *data = NULL;
	bool json = false;
	int key, rc = 0;

	while ((key = cmd_opt_next(&args)) > 0) {
		if (key == OPT_DATA)
			data = args.value;
		else
			json = true;
	}
	if (key < 0)
		return args.exit;
	if (!data || args.argc)
		return cmd_usage_error(c, "%s", data ? "no operand is expected" : "--data DIR is missing");
	if (examine(data, &report, &e))
		return cmd_error(c, CMD_NO, "%s", e.text);
	if (json)
		rc = doctor_print_json(stdout, &report, &e);
	else
		doctor_print(stdout, &report, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	int status = doctor_worst(&report) == DOCTOR_PROBLEM ? CMD_NO : CMD_OK;
	doctor_report_clear(&report);
	return rc ? cmd_error(c, CMD_NO, "%s", e.text) : status;
}

static const struct cmd_opt opts[] = {
	{ OPT_DATA, "data", "DIR", "the node's folder" },
	{ OPT_JSON, "json", NULL, "for programs" },
	{ 0 },
};

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "look at what stops people on the first day, with remedies",
	.usage = "--data DIR [--json]",
	.opts = opts,
	.more = "Changes nothing. Exit status: 0 no problem (warnings and notes possible), 1 problems, 3 wrong command line.",
	.run = run,
};
