#pragma once

#include "cluster/cluster.h"

/*
 * `Prepare Cluster for Rollback to pre 8.0`: the ITL becomes a blank one, which is signed as any other, so phones must
 * trust its signer to take it. Who has it takes every file, until it has a full ITL again.
 * Source: behaviour.md 8.3, 9 scenarios 17, 26, 31, 37; seed 001; seed 003 FAQ.
 */

/* rollback_warnings: what setting it means, and for which phones it does not work. Changes nothing. */
int rollback_warnings(struct cluster *c, bool on, struct notes *notes, struct err *e) MUST_CHECK;

/* rollback_next_steps: once it is on. */
int rollback_next_steps(struct notes *notes, struct err *e) MUST_CHECK;
