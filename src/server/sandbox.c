#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* --- files --- */

#define LANDLOCK_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_WRITE                                                                                                 \
	(LANDLOCK_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
/* Younger than the headers of Debian 12. */
#define LANDLOCK_FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define LANDLOCK_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */

struct landlock_place {
	int fd;
	uint64_t rights;
};

int sandbox_landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* Every right to files that this kernel can take away. */
static uint64_t all_rights(int abi)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= LANDLOCK_FS_TRUNCATE;
	if (abi >= 5)
		rights |= LANDLOCK_FS_IOCTL_DEV;
	return rights;
}

static int restrict_files(const struct landlock_place *places, size_t n, struct err *e)
{
	int abi = sandbox_landlock();
	struct landlock_ruleset_attr attr = {.handled_access_fs = all_rights(abi)};

	if (abi == 0)
		return 0;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return err_sys(e, ERR_IO, "Landlock: making a ruleset");
	for (size_t i = 0; i < n; i++) {
		uint64_t rights = places[i].rights & attr.handled_access_fs;
		if (rights & LANDLOCK_ACCESS_FS_WRITE_FILE)
			rights |= attr.handled_access_fs & LANDLOCK_FS_TRUNCATE;
		struct landlock_path_beneath_attr beneath = {.allowed_access = rights, .parent_fd = places[i].fd};
		if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0) {
			int rc = err_sys(e, ERR_IO, "Landlock: allowing a folder");
			close(fd);
			return rc;
		}
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		int rc = err_sys(e, ERR_IO, "Landlock");
		close(fd);
		return rc;
	}
	close(fd);
	return 0;
}

/* --- system calls --- */

/* What every process with a list does: memory, time, its own descriptors, its end. */
static const int calls_common[] = {
	SCMP_SYS(brk), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(close),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(fcntl), SCMP_SYS(fstat), SCMP_SYS(futex), SCMP_SYS(getdents64),
	SCMP_SYS(geteuid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getrandom), SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid), SCMP_SYS(lseek), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat), SCMP_SYS(openat2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pread64), SCMP_SYS(preadv),
	SCMP_SYS(read), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(recvmsg), SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield),
	SCMP_SYS(sendmsg), SCMP_SYS(set_robust_list), SCMP_SYS(sigaltstack), SCMP_SYS(statx), SCMP_SYS(sysinfo),
	SCMP_SYS(tgkill), SCMP_SYS(time), SCMP_SYS(uname), SCMP_SYS(write), SCMP_SYS(writev),
};

static const int calls_worker[] = {
	SCMP_SYS(accept4), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
	SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(sendto), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	SCMP_SYS(timerfd_settime),
};

static const int calls_caller[] = {
	SCMP_SYS(connect), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(setsockopt),
	SCMP_SYS(timerfd_settime),
};

static const int calls_keeper[] = {
	SCMP_SYS(exit), SCMP_SYS(fchmod), SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(fsync), SCMP_SYS(linkat),
	SCMP_SYS(openat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(sched_getaffinity), SCMP_SYS(unlinkat),
};

/* libcurl looks names up in a thread of its own. */
static const int calls_mailer[] = {
	SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait), SCMP_SYS(eventfd2), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
	SCMP_SYS(pipe2), SCMP_SYS(recvfrom), SCMP_SYS(sendmmsg), SCMP_SYS(sendto), SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown), SCMP_SYS(socketpair), SCMP_SYS(timerfd_settime),
};

/* Nothing in any process has a use for these; where they are called nevertheless, the process ends. */
static const int calls_deadly[] = {
	SCMP_SYS(acct), SCMP_SYS(add_key), SCMP_SYS(bpf), SCMP_SYS(delete_module), SCMP_SYS(execve), SCMP_SYS(execveat),
	SCMP_SYS(finit_module), SCMP_SYS(init_module), SCMP_SYS(io_uring_setup), SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load), SCMP_SYS(keyctl), SCMP_SYS(mount), SCMP_SYS(open_by_handle_at), SCMP_SYS(perf_event_open),
	SCMP_SYS(personality), SCMP_SYS(pivot_root), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(ptrace), SCMP_SYS(reboot), SCMP_SYS(request_key), SCMP_SYS(setns), SCMP_SYS(swapoff), SCMP_SYS(swapon),
	SCMP_SYS(umount2), SCMP_SYS(unshare), SCMP_SYS(userfaultfd),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int add(scmp_filter_ctx f, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add(f, action, calls[i], 0);
		/* -EDOM: this architecture does not have it (time, on most) */
		if (rc < 0 && rc != -EDOM)
			return rc;
	}
	return 0;
}

/* Memory that can be written is never executed: what a stranger sent cannot become code. */
static int add_memory(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return rc < 0 ? rc : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int add_worker(scmp_filter_ctx f)
{
	static const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int rc = add(f, SCMP_ACT_ALLOW, calls_worker, COUNT(calls_worker));

	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
	if (rc == 0) /* libevent asks how many octets wait */
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	return rc;
}

static int add_threads(scmp_filter_ctx f)
{
	/* Threads, not processes. The arguments of clone3 cannot be seen; without it the C library uses clone. */
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

/* Sockets of the Internet and no others. */
static int add_caller(scmp_filter_ctx f)
{
	int rc = add(f, SCMP_ACT_ALLOW, calls_caller, COUNT(calls_caller));

	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	if (rc == 0) /* libevent asks how many octets wait */
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	return rc;
}

/* A module that keeps its objects in files; measured with SoftHSM 2.6. Where, Landlock says. */
static const int calls_module[] = {SCMP_SYS(ftruncate), SCMP_SYS(rename), SCMP_SYS(unlink)};

/* A module that talks to a daemon or a server. No listening. */
static const int calls_sockets[] = {
	SCMP_SYS(connect), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(pselect6),
	SCMP_SYS(recvfrom), SCMP_SYS(select), SCMP_SYS(sendto), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
};

static int add_token(scmp_filter_ctx f, const struct sandbox_token *token)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	size_t n = token->sockets == SOCKETS_NONE ? 0 : token->sockets == SOCKETS_LOCAL ? 1 : COUNT(families);
	int rc = add(f, SCMP_ACT_ALLOW, calls_module, COUNT(calls_module));

	if (rc == 0 && n)
		rc = add(f, SCMP_ACT_ALLOW, calls_sockets, COUNT(calls_sockets));
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return rc;
}

static int add_keeper(scmp_filter_ctx f)
{
	int rc = add(f, SCMP_ACT_ALLOW, calls_keeper, COUNT(calls_keeper));

	return rc < 0 ? rc : add_threads(f);
}

static int add_mailer(scmp_filter_ctx f)
{
	static const int families[] = {AF_INET, AF_INET6, AF_NETLINK /* which addresses there are, for getaddrinfo */};
	static const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int rc = add(f, SCMP_ACT_ALLOW, calls_mailer, COUNT(calls_mailer));

	for (size_t i = 0; rc == 0 && i < COUNT(families); i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, FIONBIO));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	return rc < 0 ? rc : add_threads(f);
}

bool sandbox_filters_calls(void)
{
	return !SANITIZED;
}

/*
 * A list. What is not on it fails with EPERM instead of ending the process: the C library tries a call now and then
 * that has a fallback, and another release of it tries others; nothing is gained by it for an intruder.
 */
static int restrict_calls_with(int (*more)(scmp_filter_ctx f), const struct sandbox_token *token, struct err *e)
{
	if (!sandbox_filters_calls())
		return 0;
	scmp_filter_ctx f = seccomp_init(more ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
	int rc = f ? add(f, SCMP_ACT_KILL_PROCESS, calls_deadly, COUNT(calls_deadly)) : -ENOMEM;
	if (rc == 0 && more)
		rc = add(f, SCMP_ACT_ALLOW, calls_common, COUNT(calls_common));
	if (rc == 0 && more)
		rc = add_memory(f);
	if (rc == 0 && more)
		rc = more(f);
	if (rc == 0 && token)
		rc = add_token(f, token);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc < 0) {
		errno = -rc;
		return err_sys(e, ERR_IO, "restricting system calls");
	}
	return 0;
}

static int restrict_calls(int (*more)(scmp_filter_ctx f), struct err *e)
{
	return restrict_calls_with(more, NULL, e);
}

int sandbox_keeper(int keys_dir, const struct sandbox_token *token, struct err *e)
{
	struct landlock_place places[1 + CONFIG_MAX_FOLDERS] = {{keys_dir, LANDLOCK_WRITE}};
	size_t n = 1;

	for (size_t i = 0; token && i < token->n_folders; i++)
		places[n++] = (struct landlock_place){token->folders[i], LANDLOCK_WRITE};
	int rc = restrict_files(places, n, e);
	return rc < 0 ? rc : restrict_calls_with(add_keeper, token, e);
}

int sandbox_worker(int published_dir, int provisioning_dir, struct err *e)
{
	struct landlock_place places[] = {{published_dir, LANDLOCK_READ}, {provisioning_dir, LANDLOCK_READ}};
	int rc = restrict_files(places, provisioning_dir >= 0 ? 2 : 1, e);

	return rc < 0 ? rc : restrict_calls(add_worker, e);
}

/* Where names and authorities are found; what is not there is not needed. */
static const char *const mailer_folders[] = {"/etc", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
					     "/usr/lib/ssl", "/run/systemd/resolve", "/run/resolvconf"};

int sandbox_mailer(struct err *e)
{
	struct landlock_place places[COUNT(mailer_folders)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(mailer_folders); i++) {
		int fd = open(mailer_folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			places[n++] = (struct landlock_place){fd, LANDLOCK_READ};
	}
	int rc = restrict_files(places, n, e);
	for (size_t i = 0; i < n; i++)
		close(places[i].fd);
	return rc < 0 ? rc : restrict_calls(add_mailer, e);
}

int sandbox_director(struct err *e)
{
	return restrict_calls(NULL, e);
}

int sandbox_caller(struct err *e)
{
	int rc = restrict_files(NULL, 0, e);

	return rc < 0 ? rc : restrict_calls(add_caller, e);
}

/* Programs of others may try a call that they can do without: it fails, instead of ending them. */
static int restrict_programs(struct err *e)
{
	if (!sandbox_filters_calls())
		return 0;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc = f ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < COUNT(calls_deadly); i++)
		if (calls_deadly[i] != SCMP_SYS(execve))
			rc = add(f, SCMP_ACT_ERRNO(EPERM), &calls_deadly[i], 1);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc < 0) {
		errno = -rc;
		return err_sys(e, ERR_IO, "restricting system calls");
	}
	return 0;
}

int sandbox_runner(bool programs, struct err *e)
{
	return programs ? restrict_programs(e) : restrict_calls(NULL, e);
}

/* --- limits --- */

void sandbox_limits(void)
{
	struct rlimit none = {0, 0}, files;

	setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

unsigned sandbox_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 256;
	return files.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)files.rlim_cur;
}
