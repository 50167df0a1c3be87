#pragma once

#include "server/supervisor.h"

/* What a process of a node does first, after the fork. Each keeps only its own descriptors. */
enum child_kind { CHILD_KEEPER, CHILD_DIRECTOR, CHILD_CALLER, CHILD_RUNNER, CHILD_WORKER, CHILD_MAILER };

/* child_enter: signals, name, descriptors; link becomes node->link. Ends the process when that fails. */
void child_enter(struct node *node, enum child_kind kind, unsigned index, int link, int lock);

/* child_drop: privileges, and the promise to end with the supervisor. */
int child_drop(const struct node *node, enum child_kind kind, struct err *e) MUST_CHECK;

/* child_ready: tell the supervisor. */
int child_ready(const struct node *node, struct err *e) MUST_CHECK;
