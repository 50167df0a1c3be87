#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/server.h"
#include "base/cleanup.h"

/* Who is at the other end of a UNIX socket. */

#define GROUPS_MAX 1024

/* Is one of the peer's supplementary groups this one? The kernel recorded them at connect(2). */
static bool in_group(int fd, gid_t group)
{
	AUTO(auto_free) gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	socklen_t len = GROUPS_MAX * sizeof(*groups);

	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* The login name only helps people: without a password file (a sandbox) the number has to do. */
static void name_actor(struct admin_peer *p)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (getpwuid_r(p->uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		snprintf(p->actor, sizeof(p->actor), "%s (uid %u)", pw.pw_name, (unsigned)p->uid);
	else
		snprintf(p->actor, sizeof(p->actor), "uid %u", (unsigned)p->uid);
}

int admin_peer_get(int fd, uid_t owner, gid_t group, struct admin_peer *peer, struct err *e)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_sys(e, ERR_IO, "control socket: who is connected?");
	struct admin_peer p = {.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	name_actor(&p);
	if (p.uid == 0 || p.uid == owner) {
		p.allowed = true;
		p.privilege = ADMIN_RESET;
	} else if (p.gid == group || in_group(fd, group)) {
		p.allowed = true;
		p.privilege = ADMIN_CHANGE;
	}
	*peer = p;
	return 0;
}
