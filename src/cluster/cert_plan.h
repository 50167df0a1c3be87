#pragma once

#include "cluster/cluster.h"

/*
 * What a new certificate of a unit of this node brings with it, said in the order in which it happens. One table of
 * consequences for all commands that put one there. Source: behaviour.md 2.7.
 */

/* cert_plan: before: copies, ITL, CTL, phones, restarts, a sentence each. Errors: ERR_USAGE no such unit. */
int cert_plan(struct cluster *c, const char *unit, struct notes *plan, struct err *e) MUST_CHECK;

/*
 * cert_plan_rest: after: what is left for the administrator to do, and whether the phones are reset (phone_reset.h).
 */
int cert_plan_rest(struct cluster *c, const char *unit, struct notes *rest, struct err *e) MUST_CHECK;
