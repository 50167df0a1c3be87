#pragma once

#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include "admin/grammar.h"

/* The client's side of a control connection: one command from its words to its exit status. */
struct admin_client {
	const char *data_dir;
	bool tty;                 /* a person is there to answer */
	unsigned columns;
	FILE *out, *err;
	/*
	 * Ask the person. Returns the length of the answer in out, without a newline; negative: none (Ctrl-C, end of input),
	 * which cancels the command. Called with SIGINT blocked; waking is the signal mask to wait with.
	 */
	int (*answer)(void *ctx, const char *prompt, bool secret, const sigset_t *waking, char *out, size_t size);
	/*
	 * Take what is pasted. Out: *data, heap, of *len octets. Errors: ERR_USAGE nothing came, or Ctrl-C; ERR_LIMIT.
	 */
	int (*paste)(void *ctx, uint8_t **data, size_t *len, struct err *e);
	void *ctx;
	const volatile sig_atomic_t *interrupted; /* how often Ctrl-C was pressed; its handler must not restart calls */
};

#define ADMIN_ANSWER_MAX 1024

/*
 * admin_client_connect: to the node of data_dir. Out: *fd.
 * Errors: ERR_USAGE there is no node; ERR_CLOSED it does not run; ERR_AUTH its socket is not for this user. Each with the
 * remedy.
 */
int admin_client_connect(const char *data_dir, int *fd, struct err *e) MUST_CHECK;

/*
 * admin_client_run: have the node do a command that is not local. Files of `file get` go to the folder of --to, whole or
 * not at all.
 * Out:    *status its exit status. Errors: as admin_client_connect; ERR_CLOSED the node stopped meanwhile; ERR_PROTO;
 *         ERR_IO a file could not be written.
 */
int admin_client_run(const struct admin_client *c, const struct grammar_match *m, int *status, struct err *e) MUST_CHECK;
