#pragma once

#include "cluster/cluster.h"

/*
 * What a new certificate of a unit of this node brings with it, said in the order in which it happens. One table of
 * consequences for all commands that put one there. Source: behaviour.md 2.7.
 */

/* cert_plan: before: copies, ITL, CTL, phones, restarts, a sentence each. Errors: ERR_USAGE no such unit. */
int cert_plan(struct cluster *c, const char *unit, struct notes *plan, struct err *e) MUST_CHECK;

/* cert_plan_rest: after: what is left for the administrator to do. */
int cert_plan_rest(struct cluster *c, const char *unit, struct notes *rest, struct err *e) MUST_CHECK;

/*
 * phones_after_certificate_change: the sentence of the plan that says what becomes of phones, which take a new ITL when they
 * are reset. in_itl: the change makes a new ITL.
 */
int phones_after_certificate_change(struct cluster *c, bool in_itl, struct notes *plan, struct err *e) MUST_CHECK;
