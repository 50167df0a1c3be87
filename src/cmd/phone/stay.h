#pragma once

#include "net/sip_server.h"

/* --stay and --listen of `phone boot` and `phone fleet`: phones that stay up, and boot again when they are told to. */
struct stay_options {
	uint64_t seconds;     /* 0: do not stay */
	const char *listen;   /* ADDR:PORT; NULL: nobody can tell them anything */
};

#define STAY_SECONDS_MAX 86400

struct stay {
	struct sip_server *server;
	struct event *end, *term, *interrupt;
	bool over;
};

/* stay_begin: listen now, so that nobody is told in vain; o->seconds after stay_count, or at SIGTERM or SIGINT, nobody
 * is any more, and the loop ends when the last boot has. s stays where it is. */
int stay_begin(struct stay *s, struct event_base *base, const struct stay_options *o, sip_told *told, void *ctx,
	       struct err *e) MUST_CHECK;
void stay_count(struct stay *s, const struct stay_options *o);
void stay_end(struct stay *s);
