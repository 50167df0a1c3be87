#pragma once

#include "cluster/cluster.h"
#include "store/group.h"

/*
 * CallManager groups as the administrator has them: whose TVS a phone is told to ask, in which order. Phones without one
 * have the group Default, and without that all nodes of the cluster. Source: formats-and-protocols.md 9, TVS/members.
 */
#define PHONE_GROUP_DEFAULT "Default"

/*
 * phone_group_set: make it, or replace its members.
 * In:     dry_run: everything is checked, nothing kept and nothing recorded.
 * Out:    notes: members whose TVS phones would not find or believe (may be NULL); *added: there was no such group.
 * Errors: ERR_USAGE no members, a node that is unknown or there twice; ERR_LIMIT more than STORE_GROUP_MAX.
 */
int phone_group_set(struct cluster *c, const char *who, const struct store_group *g, bool dry_run, bool *added,
		    struct notes *notes, struct err *e) MUST_CHECK;

/* phone_group_delete: Errors: ERR_USAGE unknown, or phones have it: then the text names some. */
int phone_group_delete(struct cluster *c, const char *who, const char *name, bool dry_run, struct err *e) MUST_CHECK;
