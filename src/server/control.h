#pragma once

#include <event2/event.h>

#include "admin/server.h"

/*
 * The control socket of a node, on the director's loop: <data>/run/control.sock, for root, the owner of the data folder
 * and its group (by SO_PEERCRED). What is said on it is admin's.
 */
#define CONTROL_MAX_CONNS 64

struct control;

/* host outlives it. after, which may be NULL, is called after each step of a command: something may have changed. */
int control_new(struct event_base *base, const struct admin_host *host, void (*after)(void *ctx), void *ctx,
		struct control **c, struct err *e) MUST_CHECK;
void control_free(struct control *c); /* accepts NULL; removes the socket */
