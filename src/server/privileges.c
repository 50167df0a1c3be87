#include "server/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 256

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

static int drop(const struct privileges *p, uid_t uid, gid_t gid, const gid_t *groups, size_t n, struct err *e)
{
	empty_bounding_set();
	if (p->root && (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
		return err_sys(e, ERR_IO, "becoming user %u", (unsigned)uid);
	int rc = set_capabilities(NULL, 0, e);
	if (rc < 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, ERR_IO, "no_new_privs");
	return 0;
}

int privileges_drop(const struct privileges *p, bool worker, struct err *e)
{
	return worker ? drop(p, p->worker_uid, p->worker_gid, NULL, 0, e) : drop(p, p->owner_uid, p->owner_gid, NULL, 0, e);
}

/* Is it among the groups that this process has already? */
static bool has_group(gid_t group)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return getegid() == group;
}

static int find_group(const struct privileges *p, const char *name, gid_t *gid, struct err *e)
{
	const struct group *g = getgrnam(name);

	if (!g)
		return err_set(e, ERR_USAGE, "[callcontrol] group: there is no group %s", name);
	if (!p->root && !has_group(g->gr_gid))
		return err_set(e, ERR_USAGE, "[callcontrol] group: this user is no member of %s, and only root can change that", name);
	*gid = g->gr_gid;
	return 0;
}

int privileges_check_group(const struct privileges *p, const char *group, struct err *e)
{
	gid_t gid;

	return *group ? find_group(p, group, &gid, e) : 0;
}

int privileges_drop_for_programs(const struct privileges *p, const char *name, struct err *e)
{
	gid_t groups[GROUPS_MAX + 1];
	int n = GROUPS_MAX;
	const struct passwd *owner = getpwuid(p->owner_uid);

	/* More groups than there is room for are cut off: fewer rights, never others. */
	if (!owner || getgrouplist(owner->pw_name, p->owner_gid, groups, &n) < 0)
		n = owner ? GROUPS_MAX : 0;
	if (*name) {
		int rc = find_group(p, name, &groups[n], e);
		if (rc < 0)
			return rc;
		n++;
	}
	return drop(p, p->owner_uid, p->owner_gid, groups, (size_t)n, e);
}

int privileges_reduce(const struct privileges *p, struct err *e)
{
	/* SETPCAP to empty the bounding set of the processes that are forked later. */
	static const cap_value_t keep[] = {CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_NET_BIND_SERVICE, CAP_DAC_OVERRIDE,
					   CAP_SETPCAP};

	return p->root ? set_capabilities(keep, sizeof(keep) / sizeof(keep[0]), e) : 0;
}
