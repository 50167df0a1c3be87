#pragma once

#include "cluster/cluster.h"
#include "format/list.h"

/* Does what is published still agree with what is installed? The CTL follows only by command (behaviour.md 2.7). */

/* list_lacks: should the list name the unit's certificate on this node, and does not? */
int list_lacks(struct cluster *c, const struct trust_list *l, enum list_type type, const char *unit, bool *lacks,
	       struct err *e) MUST_CHECK;

/*
 * list_others: what of other nodes the list should name and does not, and, of a CTL, nodes that it names and that are gone:
 * half a sentence each, without what to do about it.
 */
int list_others(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *lacks,
		struct err *e) MUST_CHECK;

/*
 * list_stale: a sentence for each unit whose certificate the list lacks, of this node and of others, and for each signer of
 * Phone-SAST-trust by which the CTL differs (sast_trust.h).
 */
int list_stale(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes,
	       struct err *e) MUST_CHECK;

/* list_notes: that, and whether the list's reset goes on. */
int list_notes(struct cluster *c, const struct trust_list *l, enum list_type type, struct notes *notes,
	       struct err *e) MUST_CHECK;
