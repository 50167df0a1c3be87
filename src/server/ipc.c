#include "server/ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int ipc_pair(int fd[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return err_sys(e, ERR_IO, "socketpair");
	return 0;
}

int ipc_decode(struct view packet, struct ipc_msg *m, struct err *e)
{
	struct rd r;
	struct ipc_msg got;
	uint16_t reserved;
	uint32_t len;

	rd_init(&r, packet.p, packet.len);
	if (!rd_u16(&r, &got.type) || !rd_u16(&r, &reserved) || !rd_u32(&r, &got.id) || !rd_u32(&r, &len))
		return err_rule(e, "ipc-header", (long)rd_offset(&r), "a message between processes is cut short");
	if (reserved != 0)
		return err_rule(e, "ipc-reserved", 2, "a message between processes has reserved octets set");
	if (!rd_view(&r, len, &got.body) || !rd_done(&r))
		return err_rule(e, "ipc-length", 8, "a message between processes is not as long as it says");
	*m = got;
	return 0;
}

static int send_flags(int fd, const struct ipc_msg *m, int flags, struct err *e)
{
	struct wr w;
	struct iovec iov[2];
	ssize_t n;

	if (m->body.len > IPC_BODY_MAX)
		return err_set(e, ERR_LIMIT, "a message between processes would have %zu octets; %d is the most",
			       m->body.len, IPC_BODY_MAX);
	wr_init(&w, IPC_HEADER);
	wr_u16(&w, m->type);
	wr_u16(&w, 0);
	wr_u32(&w, m->id);
	wr_u32(&w, (uint32_t)m->body.len);
	if (w.failed) {
		wr_clear(&w);
		return err_set(e, ERR_NOMEM, "no memory for a message between processes");
	}
	iov[0] = (struct iovec){w.p, w.len};
	iov[1] = (struct iovec){(void *)m->body.p, m->body.len};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	do
		n = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	int saved = errno;
	wr_clear(&w);
	errno = saved;
	if (n >= 0)
		return 0; /* a packet goes whole or not at all */
	if (errno == EAGAIN || errno == ENOBUFS)
		return err_set(e, ERR_AGAIN, "the other process has not read earlier messages yet");
	if (errno == EPIPE || errno == ECONNRESET)
		return err_set(e, ERR_CLOSED, "the other process has gone");
	return err_sys(e, ERR_IO, "sending a message to another process");
}

int ipc_send(int fd, const struct ipc_msg *m, struct err *e)
{
	return send_flags(fd, m, 0, e);
}

int ipc_send_now(int fd, const struct ipc_msg *m, struct err *e)
{
	return send_flags(fd, m, MSG_DONTWAIT, e);
}

/* A packet without octets reads like the end of the conversation; only the latter hangs up. */
static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

int ipc_recv(int fd, uint8_t buf[IPC_MAX], struct ipc_msg *m, struct err *e)
{
	struct iovec iov = {buf, IPC_MAX};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return err_set(e, ERR_AGAIN, "no message");
	if ((n == 0 && hung_up(fd)) || (n < 0 && errno == ECONNRESET))
		return err_set(e, ERR_CLOSED, "the other process has gone");
	if (n < 0)
		return err_sys(e, ERR_IO, "receiving a message from another process");
	if (msg.msg_flags & MSG_TRUNC)
		return err_rule(e, "ipc-length", IPC_MAX, "a message between processes is longer than %d octets", IPC_MAX);
	return ipc_decode((struct view){buf, (size_t)n}, m, e);
}

bool ipc_put_str(struct wr *w, const char *s)
{
	return wr_open16(w) && wr_bytes(w, s, strlen(s)) && wr_close(w);
}

bool ipc_get_str(struct rd *r, char *out, size_t size)
{
	struct view v;

	if (!rd_view16(r, &v))
		return false;
	if (v.len >= size || (v.len && memchr(v.p, '\0', v.len))) {
		r->failed = true;
		return false;
	}
	if (v.len)
		memcpy(out, v.p, v.len);
	out[v.len] = '\0';
	return true;
}

bool ipc_failed_encode(struct wr *w, const struct err *e)
{
	return wr_u8(w, (uint8_t)-e->code) && wr_u32(w, (uint32_t)e->sys_errno) && ipc_put_str(w, e->text);
}

int ipc_failed_decode(struct view body, struct err *e)
{
	struct rd r;
	uint8_t class;
	uint32_t sys;
	char text[sizeof(e->text)];

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &class) || !rd_u32(&r, &sys) || !ipc_get_str(&r, text, sizeof(text)) || !rd_done(&r) ||
	    class == 0 || class > -ERR_BUG)
		return err_rule(e, "ipc-failed", -1, "an answer between processes is malformed");
	if (e && !e->code) {
		err_set(e, -(int)class, "%s", text);
		e->sys_errno = (int)sys;
	}
	return -(int)class;
}

/* --- one request, waited for --- */

/* Ids that no answer to an earlier incarnation of this process has, so that a stale answer is never taken. */
static uint32_t next_id(void)
{
	static _Thread_local uint32_t id;

	if (!id) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		id = (uint32_t)now.tv_sec << 20 ^ (uint32_t)now.tv_nsec;
	}
	return ++id ? id : ++id;
}

static int wait_readable(int fd, uint64_t deadline, unsigned timeout_ms, struct err *e)
{
	for (;;) {
		uint64_t now = clock_mono_ms(&clock_system);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, now < deadline ? (int)(deadline - now) : 0);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "waiting for another process");
		if (n == 0) {
			errno = ETIMEDOUT;
			return err_sys(e, ERR_IO, "no answer from another process within %u ms", timeout_ms);
		}
	}
}

int ipc_call(int fd, uint16_t type, struct view body, unsigned timeout_ms, uint8_t buf[IPC_MAX], struct view *reply,
	     struct err *e)
{
	struct ipc_msg req = {.type = type, .id = next_id(), .body = body}, got;
	uint64_t deadline = clock_mono_ms(&clock_system) + timeout_ms;
	int rc = ipc_send(fd, &req, e);

	if (rc < 0)
		return rc;
	for (;;) {
		if ((rc = wait_readable(fd, deadline, timeout_ms, e)) < 0)
			return rc;
		rc = ipc_recv(fd, buf, &got, e);
		if (rc < 0)
			return rc;
		if (got.type == IPC_RESTARTED) {
			if ((rc = ipc_send(fd, &req, e)) < 0)
				return rc;
		} else if (got.id == req.id && got.type == IPC_REPLY) {
			*reply = got.body;
			return 0;
		} else if (got.id == req.id && got.type == IPC_FAILED) {
			return ipc_failed_decode(got.body, e);
		}
	}
}
