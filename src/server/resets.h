#pragma once

#include <event2/event.h>

#include "cluster/phone_reset.h"
#include "server/ipc.h"

/*
 * Resets on the director's loop, one job at a time: so many phones in a second as "Phone Resets per Second" says, each told
 * by the caller (SIP NOTIFY) or, where ringfence.conf names a command, by the runner. Nothing here waits.
 */
struct resets;

int resets_new(struct event_base *base, struct cluster *c, struct ipc_channel *caller, struct ipc_channel *runner,
	       bool by_command, struct resets **r, struct err *e) MUST_CHECK;
/* resets_free: a job that goes on ends untold; one that pays a debt goes on in the next process. Accepts NULL. */
void resets_free(struct resets *r);

/* resets_start: Errors: ERR_USAGE no such phone, or another job goes on. */
int resets_start(struct resets *r, const char *who, enum sip_action action, const struct phones_filter *f,
		 struct err *e) MUST_CHECK;
/* resets_stop: phones that were not told yet are not; what is owed and has not begun does not. False: neither is there. */
bool resets_stop(struct resets *r);
const struct phone_reset_job *resets_job(const struct resets *r); /* the last one, NULL: none since the node was started */
/* resets_hold: no reset begins by itself as long as something else must come first. */
void resets_hold(struct resets *r, bool hold);
/* resets_look: begin what is owed since a change that phones must learn of (phones_reset_owe), when nothing goes on. */
void resets_look(struct resets *r);
