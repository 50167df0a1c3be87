#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "admin/grammar.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "cluster/phone_reset.h"

/* Commands of the `admin:` shell: what the grammar leads to, and what a handler is given. */

/* CUCM's privilege levels. Source: behaviour.md 1. */
enum admin_privilege {
	ADMIN_READ = 0,   /* show, list */
	ADMIN_CHANGE = 1,
	ADMIN_RESET = 4,
};

/* Who is at the other end of the control socket, by SO_PEERCRED. */
struct admin_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char actor[96];   /* for the audit: "root (uid 0)" */
	bool allowed;     /* root, the owner of the node's folder, or of its group */
	enum admin_privilege privilege;
};

enum admin_service_action {
	ADMIN_SERVICE_START,
	ADMIN_SERVICE_STOP,
	ADMIN_SERVICE_RESTART,
	ADMIN_SERVICE_ACTIVATE,
	ADMIN_SERVICE_DEACTIVATE,
};

struct admin_process {
	char name[32];
	pid_t pid;
	int64_t started_s;  /* Unix seconds */
	unsigned restarts;
};

struct admin_counter {
	char name[48];      /* "tftp transfers completed" */
	uint64_t value;
};

struct store;
struct cluster;

/*
 * What a node lets commands use: filled in by the director; outlives every connection. Callbacks that fill arrays
 * return how many they wrote.
 */
struct admin_host {
	struct store *store;
	struct cluster *cluster;
	struct capf *capf;        /* the decisions behind CAPF */
	const struct clock *clock;
	int data_dir;             /* descriptor of the node's folder */
	int provisioning_dir;     /* and of provisioning, wherever that is */
	uid_t owner;              /* of the node's folder; root and this user may do everything */
	gid_t group;              /* of the node's folder; its members may do what needs ADMIN_CHANGE */
	int64_t started_s;        /* Unix seconds: since when the node serves */

	/* NULL when this node can run the service, else why not ("this release does not have it"): a static text. */
	const char *(*service_absent)(void *ctx, const char *service);
	/* What is wrong with a service that runs; NULL: nothing. Lives until the next call. */
	const char *(*service_trouble)(void *ctx, const char *service);
	/* The store says what is wanted of it from now on (store/service.h); make it so. */
	int (*service_apply)(void *ctx, const char *service, enum admin_service_action action, struct err *e);
	/* An e-mail of the certificate monitor, now. Out: *to, a heap text: whom it is on its way to. */
	int (*mail_test)(void *ctx, char **to, struct err *e);
	size_t (*processes)(void *ctx, struct admin_process *p, size_t max);
	size_t (*counters)(void *ctx, struct admin_counter *c, size_t max);
	/* Resetting phones, which goes on by itself: server/resets.h. */
	int (*reset_start)(void *ctx, const char *who, enum sip_action action, const struct phones_filter *f, struct err *e);
	const struct phone_reset_job *(*reset_job)(void *ctx); /* the last one; NULL: none */
	bool (*reset_stop)(void *ctx);                         /* false: none goes on */
	void *ctx;
};

/* One command on its way. */
struct command_run {
	const struct admin_host *host;
	const struct admin_peer *peer;
	const struct grammar_match *match;
	FILE *out;                /* becomes standard output at the other end */
	unsigned columns;         /* of the terminal there, 0 when it is none */
	struct view upload;       /* the file at the other end that command->upload names; lives during the command */
	int status;               /* exit status: 0, or 1 when the answer is no and there is no error to explain */
	bool audited;             /* the operation itself has written the audit record; otherwise it is made of these: */
	char object[600], before[512], after[512];
	struct command_ask *ask;   /* of command_confirm and command_question */
	struct command_send *send; /* of command_send_file */
	bool follow;               /* set by run: it goes on, and command->follow shows or does it */
	bool busy;                 /* beside follow: call it again as soon as the client has taken what was written */
	uint64_t followed, shown;  /* of follow: what, and how much of it was shown */
	void *job;                 /* of follow: job_free gets it when the command is over, however it ended */
	void (*job_free)(void *job);
};

struct command {
	const struct grammar_option *options; /* or NULL */
	enum admin_privilege privilege;
	bool local;               /* the shell does it by itself (help, exit); run is NULL */
	/*
	 * Called before run and again after each answer until it asks nothing more, with command_confirm() or
	 * command_question(). It changes nothing. NULL: there is nothing to ask. Not called for --dry-run.
	 */
	int (*ask)(struct command_run *r, struct err *e);
	/* 0 or an ERR_ class; e->text is then shown on standard error and in the audit. */
	int (*run)(struct command_run *r, struct err *e);
	/*
	 * When run has set r->follow: called a few times a second until it clears that, and writes what is new. cancel: the
	 * person has had enough (Ctrl-C); a client that is gone is no reason to end anything that goes on without it.
	 * With r->busy it is called again at once, and does the next piece of the work itself: a tenth of a second at
	 * most, and some 100 KiB of output, because everything else waits. A client that does not read is waited for.
	 */
	int (*follow)(struct command_run *r, bool cancel, struct err *e);
	/*
	 * 1 + the argument that names a file at the client's side, 0: none does. The client sends its contents, because the
	 * node may neither see that file nor be allowed to read it for whoever asks. The name "-" is standard input. An
	 * argument that may be left out brings no file then.
	 */
	unsigned upload;
	/*
	 * In place of upload: the option that names such a file. Without it the client takes what is pasted: lines up to an
	 * empty one or the end of input.
	 */
	const char *paste;
};

extern const struct grammar_word admin_grammar[];
extern const struct command command_help, command_exit; /* local */

const char *command_arg(const struct command_run *r, size_t i);            /* NULL when it was not given */
const char *command_option(const struct command_run *r, const char *name); /* NULL, "" or its value */

/*
 * For ask: command_answers is how many answers there are, confirmations included; command_answer the i-th.
 * command_confirm shows a text that ends in a question to be answered with y or yes; anything else ends the command
 * with nothing done. --yes answers it. Without a terminal and without --yes the answer is no, and it says so.
 */
unsigned command_answers(const struct command_run *r);
const char *command_answer(const struct command_run *r, unsigned i);
void command_confirm(struct command_run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void command_question(struct command_run *r, bool secret, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* command_audit: write the audit record now, within the transaction of the change itself. */
int command_audit(struct command_run *r, const char *outcome, struct err *e) MUST_CHECK;

/*
 * command_send_file: for run: the file goes to the client's folder, behind r->out and the files before it.
 * In:     fd of a regular file is taken: closed when it was sent or given up, also on failure.
 * Errors: ERR_LIMIT more than COMMAND_FILES_MAX; ERR_USAGE no regular file.
 */
#define COMMAND_FILES_MAX 64
int command_send_file(struct command_run *r, const char *name, int fd, struct err *e) MUST_CHECK;
