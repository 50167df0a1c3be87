#include "net/sip_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define T1_MS 500   /* RFC 3261 17.1.1.1 */
#define T2_MS 4000

struct sip_call {
	struct event_base *base;
	struct event *readable, *writable, *timer;
	int fd;
	bool tcp;
	char branch[48];        /* with its magic cookie */
	struct wr out;          /* the request */
	size_t sent;            /* of it, over TCP */
	uint8_t in[SIP_MAX];
	size_t n_in;
	unsigned wait_ms;       /* until it is sent again */
	uint64_t until_ms;
	sip_done *done;
	void *ctx;
};

static void call_free(struct sip_call *c)
{
	if (!c)
		return;
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->timer)
		event_free(c->timer);
	if (c->fd >= 0)
		close(c->fd);
	wr_clear(&c->out);
	free(c);
}

static void finish(struct sip_call *c, unsigned status, const char *text)
{
	sip_done *done = c->done;
	void *ctx = c->ctx;
	char copy[128];

	snprintf(copy, sizeof(copy), "%s", text);
	call_free(c);
	done(ctx, status, copy);
}

/* --- what comes --- */

/* An answer to this request that ends it? Provisional ones and others are passed over. */
static bool taken(struct sip_call *c, const struct sip_message *m)
{
	char reason[80];

	if (m->method.len || m->status < 200 || !view_eq(sip_branch(m->via), view_str(c->branch)) ||
	    !view_eq(m->cseq_method, view_str("NOTIFY")))
		return false;
	text_escape(reason, sizeof(reason), m->reason);
	finish(c, m->status, reason);
	return true;
}

static void read_datagrams(struct sip_call *c)
{
	struct sip_message m;
	size_t used;

	for (;;) {
		ssize_t n = recv(c->fd, c->in, sizeof(c->in), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			finish(c, 0, strerror(errno)); /* ECONNREFUSED: nobody listens there */
			return;
		}
		if (sip_parse((struct view){c->in, (size_t)n}, false, &m, &used, NULL) == 0 && taken(c, &m))
			return;
	}
}

static void read_stream(struct sip_call *c)
{
	struct sip_message m;
	size_t used;
	int rc;

	ssize_t n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(c, 0, n == 0 ? "the phone closed the connection" : strerror(errno));
		return;
	}
	c->n_in += (size_t)n;
	while ((rc = sip_parse((struct view){c->in, c->n_in}, true, &m, &used, NULL)) == 0) {
		if (taken(c, &m))
			return;
		c->n_in -= used;
		memmove(c->in, c->in + used, c->n_in);
	}
	if (rc != ERR_AGAIN || c->n_in == sizeof(c->in))
		finish(c, 0, "the answer is no SIP");
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct sip_call *c = ctx;

	(void)fd;
	(void)what;
	if (c->tcp)
		read_stream(c);
	else
		read_datagrams(c);
}

/* --- what goes --- */

/* What the kernel does not take now is sent again (UDP) or when it does (TCP). False: it never will. */
static bool send_some(struct sip_call *c)
{
	struct view all = wr_view_all(&c->out);
	ssize_t n = send(c->fd, all.p + c->sent, all.len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
	if (c->tcp)
		c->sent += (size_t)n;
	return true;
}

/* "192.0.2.7:5060", "[2001:db8::7]:5060" */
static void host_port(const union udp_addr *a, char *out, size_t size)
{
	bool v6 = a->sa.sa_family == AF_INET6;
	char ip[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->sa.sa_family, v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, ip, sizeof(ip));
	snprintf(out, size, v6 ? "[%s]:%u" : "%s:%u", ip, ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port));
}

/* When the socket is connected, which tells the address that the phone is to see. */
static int compose(struct sip_call *c, const struct random_source *random, const struct sip_request *r, struct err *e)
{
	char host[80], self_text[80], hex[49];
	union udp_addr self = {0};
	socklen_t len = sizeof(self);
	uint8_t octets[24];
	int rc = random_fill(random, octets, sizeof(octets), e);

	if (rc)
		return rc;
	if (getsockname(c->fd, &self.sa, &len) < 0)
		return err_sys(e, ERR_IO, "the address of a socket");
	host_port(&r->phone, host, sizeof(host));
	host_port(&self, self_text, sizeof(self_text));
	text_hex(hex, sizeof(hex), (struct view){octets, sizeof(octets)}, '\0', false);
	char branch[17], tag[17], id[17];
	snprintf(branch, sizeof(branch), "%.16s", hex);
	snprintf(tag, sizeof(tag), "%.16s", hex + 16);
	snprintf(id, sizeof(id), "%.16s", hex + 32);
	snprintf(c->branch, sizeof(c->branch), "z9hG4bK%s", branch);
	sip_notify_write(&c->out, &(struct sip_notify){.action = r->action, .device = r->device, .host = host,
						       .self = self_text, .tcp = r->tcp, .branch = branch, .tag = tag,
						       .call_id = id});
	return c->out.failed ? err_set(e, c->out.failed, "no memory for a SIP message") : 0;
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct sip_call *c = ctx;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)fd;
	(void)what;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		finish(c, 0, strerror(error ? error : errno));
		return;
	}
	if (!send_some(c)) {
		finish(c, 0, strerror(errno));
		return;
	}
	if (c->sent == c->out.len)
		event_del(c->writable);
}

static void arm(struct sip_call *c)
{
	uint64_t now = clock_mono_ms(&clock_system), left = c->until_ms > now ? c->until_ms - now : 1;
	uint64_t ms = !c->tcp && c->wait_ms < left ? c->wait_ms : left;
	struct timeval after = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000};

	event_add(c->timer, &after);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct sip_call *c = ctx;

	(void)fd;
	(void)what;
	if (clock_mono_ms(&clock_system) >= c->until_ms) {
		finish(c, 0, "no answer");
		return;
	}
	c->wait_ms = 2 * c->wait_ms < T2_MS ? 2 * c->wait_ms : T2_MS;
	if (!send_some(c))
		finish(c, 0, strerror(errno));
	else
		arm(c);
}

/* --- beginning --- */

static int open_socket(struct sip_call *c, const struct sip_request *r, struct err *e)
{
	c->fd = socket(r->phone.sa.sa_family, (r->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return err_sys(e, ERR_IO, "a socket to a phone");
	if (connect(c->fd, &r->phone.sa, udp_addr_len(&r->phone)) < 0 && errno != EINPROGRESS)
		return err_sys(e, ERR_IO, "unreachable");
	return 0;
}

int sip_call_start(struct event_base *base, const struct random_source *random, const struct sip_request *r, sip_done *done,
		   void *ctx, struct err *e)
{
	struct sip_call *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(e, ERR_NOMEM, "no memory for a SIP message");
	*c = (struct sip_call){.base = base, .fd = -1, .tcp = r->tcp, .wait_ms = T1_MS, .done = done, .ctx = ctx,
			       .until_ms = clock_mono_ms(&clock_system) + r->timeout_ms};
	wr_init(&c->out, SIP_MAX);
	if ((rc = open_socket(c, r, e)) || (rc = compose(c, random, r, e))) {
		call_free(c);
		return rc;
	}
	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
	c->timer = event_new(base, -1, 0, on_timer, c);
	if (!c->readable || !c->writable || !c->timer || event_add(c->readable, NULL) < 0 ||
	    (c->tcp && event_add(c->writable, NULL) < 0)) {
		call_free(c);
		return err_set(e, ERR_NOMEM, "no memory for a SIP message");
	}
	if (!c->tcp && !send_some(c)) {
		rc = err_sys(e, ERR_IO, "unreachable");
		call_free(c);
		return rc;
	}
	arm(c);
	return 0;
}
