#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Who the processes run as. Started by root: keeper and director as the owner of the data folder, workers as the user
 * `ringfence`, or `nobody` where there is none or it owns the folder; none of them has a capability. Started by anybody
 * else: all as that user.
 */
struct privileges {
	bool root;
	uid_t owner_uid, worker_uid;
	gid_t owner_gid, worker_gid;
};

/* Errors: ERR_USAGE not root and not the owner of the folder; ERR_IO. */
int privileges_find(int data_dir, struct privileges *p, struct err *e) MUST_CHECK;

/* privileges_drop: for good, in a process that was forked for it: user, groups, capabilities, no_new_privs. */
int privileges_drop(const struct privileges *p, bool worker, struct err *e) MUST_CHECK;

/*
 * privileges_drop_for_programs: the owner of the data folder with all groups of that user, and one more that the operator
 * has named ("" none), for programs that have to do with other services. No capability, and no way to any.
 * Errors: ERR_USAGE there is no such group, or (not started by root) this user is no member of it.
 */
int privileges_drop_for_programs(const struct privileges *p, const char *group, struct err *e) MUST_CHECK;

/* privileges_check_group: would privileges_drop_for_programs find that group? Errors: as there. */
int privileges_check_group(const struct privileges *p, const char *group, struct err *e) MUST_CHECK;

/* privileges_reduce: what the supervisor keeps of root: other users, their processes, low ports, files of the owner. */
int privileges_reduce(const struct privileges *p, struct err *e) MUST_CHECK;
