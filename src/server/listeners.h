#pragma once

#include <sys/socket.h>

#include "server/config.h"

/*
 * The bound sockets of a node: one for each address and worker, SO_REUSEPORT among them, so that the kernel spreads the
 * clients. They are the supervisor's for as long as it lives: a client that comes while its worker is being restarted
 * waits in the socket.
 */
#define LISTENERS_MAX_WORKERS 64

struct listener {
	enum listen_service service;
	struct sockaddr_storage addr;
	socklen_t len;
	int fd[LISTENERS_MAX_WORKERS]; /* one a worker */
};

struct listeners {
	struct listener *l;
	size_t n;
	unsigned n_workers;
};

/*
 * listeners_open: bind what the configuration asks for and this version serves. Every address that cannot be bound is
 * told to report, with the remedy, not only the first.
 * In:     old: sockets whose address stays are taken over from there; NULL: none.
 * Out:    *out; old keeps only what was not taken over. On failure old is whole again.
 * Errors: ERR_IO the first that failed: taken (EADDRINUSE), privileged (EACCES), not of this machine (EADDRNOTAVAIL).
 */
int listeners_open(const struct config *cfg, unsigned n_workers, struct listeners *old,
		   const struct config_report *report, struct listeners **out, struct err *e) MUST_CHECK;
void listeners_free(struct listeners *ls); /* accepts NULL */

/* listener_text: "tftp 192.0.2.1:69". */
void listener_text(const struct listener *l, char *out, size_t size);
