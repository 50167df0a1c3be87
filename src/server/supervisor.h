#pragma once

#include "base/log.h"
#include "server/board.h"
#include "server/config.h"
#include "server/keeper.h"
#include "server/listeners.h"
#include "server/privileges.h"

/* One node being served, as every process of it sees it: made by the supervisor, inherited by fork. */
struct node {
	const char *data;          /* the data folder, absolute */
	int data_dir;
	struct config cfg;
	enum log_level log_level;
	unsigned n_workers;
	struct privileges who;
	struct listeners *listeners;
	struct board *board;

	/* Both ends of every channel; a process closes what is not its own. */
	int keeper_director[2];                         /* [0] the keeper's end */
	int keeper_worker[LISTENERS_MAX_WORKERS][2];    /* [0] the keeper's end */
	int director_worker[LISTENERS_MAX_WORKERS][2];  /* [0] the director's end */
	int director_caller[2];                         /* [0] the director's end */
	int director_runner[2];                         /* [0] the director's end */
	int keeper_runner[2];                           /* [0] the keeper's end */

	int director_mailer[2];                         /* [0] the director's end */

	int link;                  /* in a child: to the supervisor; IPC_READY goes there */
};

/* What a process of the node does, from its fork to its end: returns its exit status. */
typedef int node_main(struct node *node, unsigned index);
node_main keeper_main, director_main, caller_main, runner_main, worker_main, mailer_main;

/* node_open_provisioning: the operator's folder. Errors: ERR_IO, with where it is configured. */
int node_open_provisioning(const struct node *node, int *fd, struct err *e) MUST_CHECK;

struct supervisor_options {
	const char *data;
	unsigned n_workers;        /* 0: one for each core that this process may use */
	enum log_level log_level;
};

/* supervisor_run: serve a node until SIGTERM or SIGINT. Errors: it could not be started, with the remedy. */
int supervisor_run(const struct supervisor_options *o, struct err *e) MUST_CHECK;

/*
 * node_lock: this process serves the node, or changes it while nobody serves. The lock ends with the process and its
 * children.
 * Out:    *fd of run/pid, to be kept open. Errors: ERR_USAGE somebody else has it: the text names the process.
 */
int node_lock(int data_dir, unsigned wait_ms, int *fd, struct err *e) MUST_CHECK;
