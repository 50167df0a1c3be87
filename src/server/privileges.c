#include "server/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

int privileges_find(int data_dir, struct privileges *p, struct err *e)
{
	static const char *const names[] = {"ringfence", "nobody"};
	struct privileges got = {.root = geteuid() == 0};
	struct stat st;

	if (fstat(data_dir, &st) < 0)
		return err_sys(e, ERR_IO, "looking at the data folder");
	got.owner_uid = st.st_uid;
	got.owner_gid = st.st_gid;
	if (!got.root) {
		if (st.st_uid != geteuid())
			return err_set(e, ERR_USAGE, "the data folder belongs to user %u, and this is user %u; start as its "
				       "owner or as root", (unsigned)st.st_uid, (unsigned)geteuid());
		got.worker_uid = geteuid();
		got.worker_gid = getegid();
		*p = got;
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		const struct passwd *pw = getpwnam(names[i]);
		if (!pw || pw->pw_uid == 0 || pw->pw_uid == got.owner_uid)
			continue;
		got.worker_uid = pw->pw_uid;
		got.worker_gid = pw->pw_gid;
		*p = got;
		return 0;
	}
	return err_set(e, ERR_USAGE, "there is neither a user ringfence nor a user nobody for the network processes; make "
		       "one: useradd --system --shell /usr/sbin/nologin ringfence");
}

static int set_capabilities(const cap_value_t *keep, int n, struct err *e)
{
	cap_t caps = cap_init();
	int rc = 0;

	if (!caps || (n && (cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET) < 0 ||
			    cap_set_flag(caps, CAP_EFFECTIVE, n, keep, CAP_SET) < 0)) ||
	    cap_set_proc(caps) < 0)
		rc = err_sys(e, ERR_IO, "giving up capabilities");
	cap_free(caps);
	return rc;
}

/* The bounding set only matters to what could gain by execve, which no_new_privs ends as well; both cost nothing. */
static void empty_bounding_set(void)
{
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int privileges_drop(const struct privileges *p, bool worker, struct err *e)
{
	uid_t uid = worker ? p->worker_uid : p->owner_uid;
	gid_t gid = worker ? p->worker_gid : p->owner_gid;

	empty_bounding_set();
	if (p->root && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
		return err_sys(e, ERR_IO, "becoming user %u", (unsigned)uid);
	int rc = set_capabilities(NULL, 0, e);
	if (rc < 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_IO, "no_new_privs");
	return 0;
}

int privileges_reduce(const struct privileges *p, struct err *e)
{
	/* SETPCAP to empty the bounding set of the processes that are forked later. */
	static const cap_value_t keep[] = {CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_NET_BIND_SERVICE, CAP_DAC_OVERRIDE,
					   CAP_SETPCAP};

	return p->root ? set_capabilities(keep, sizeof(keep) / sizeof(keep[0]), e) : 0;
}
