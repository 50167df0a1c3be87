#pragma once

#include "cluster/cluster.h"

/*
 * What a new certificate of a unit of this node brings with it, said in the order in which it happens. One table of
 * consequences for all commands that put one there. Source: behaviour.md 2.7.
 */

/*
 * cert_plan: before: copies, ITL, CTL, phones, restarts, a sentence each.
 * In:     of_request: of the certificate for the request that waits; else of one that the unit makes by itself.
 * Errors: ERR_USAGE no such unit, no such request.
 */
int cert_plan(struct cluster *c, const char *unit, bool of_request, struct notes *plan, struct err *e) MUST_CHECK;

/*
 * cert_plan_resets: do phones look at this unit's certificate, so that they are to be reset after it? Not when they would
 * refuse the new lists before the administrator has reset these (scenarios 12, 13).
 */
int cert_plan_resets(struct cluster *c, const char *unit, bool *resets, struct err *e) MUST_CHECK;

/*
 * cert_plan_rest: after: what is left for the administrator to do, and whether the phones are reset (phone_reset.h).
 */
int cert_plan_rest(struct cluster *c, const char *unit, struct notes *rest, struct err *e) MUST_CHECK;
