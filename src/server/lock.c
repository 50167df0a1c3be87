#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "server/supervisor.h"

#define PID_FILE "run/pid"
#define POLL_MS 50

static int taken(int fd, struct err *e)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	if (n > 0 && atol(pid) > 0)
		return err_set(e, ERR_USAGE, "this node is already being served, by process %ld; stop that one first "
			       "(kill %ld)", atol(pid), atol(pid));
	return err_set(e, ERR_USAGE, "another process is using this node; wait for it, or look with `fuser` who has "
		       PID_FILE " open");
}

int node_lock(int data_dir, unsigned wait_ms, int *fd, struct err *e)
{
	uint64_t until = clock_mono_ms(&clock_system) + wait_ms;
	int rc = file_mkdir(data_dir, "run", 0755, e);

	if (rc < 0)
		return rc;
	int got = openat(data_dir, PID_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (got < 0)
		return err_sys(e, ERR_IO, PID_FILE);
	while (flock(got, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			rc = err_sys(e, ERR_IO, "locking " PID_FILE);
		else if (clock_mono_ms(&clock_system) >= until)
			rc = taken(got, e);
		if (rc < 0) {
			close(got);
			return rc;
		}
		poll(NULL, 0, POLL_MS); /* processes of a supervisor that was killed end within moments */
	}
	*fd = got;
	return 0;
}
