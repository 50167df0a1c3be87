#include "net/udp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

socklen_t udp_addr_len(const union udp_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

bool udp_addr_same(const union udp_addr *a, const union udp_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

/* Every bit of v counts in every bit of the result (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

static uint64_t half(const struct in6_addr *a, unsigned which)
{
	uint64_t v;

	memcpy(&v, a->s6_addr + 8 * (size_t)which, sizeof(v));
	return v;
}

uint64_t udp_addr_hash(const union udp_addr *a, uint64_t seed)
{
	if (a->sa.sa_family == AF_INET)
		return mix(mix(seed, a->v4.sin_addr.s_addr), a->v4.sin_port);
	return mix(mix(mix(seed, half(&a->v6.sin6_addr, 0)), half(&a->v6.sin6_addr, 1)), a->v6.sin6_port);
}

uint64_t udp_host_hash(const union udp_addr *a, uint64_t seed)
{
	uint32_t v4;

	if (a->sa.sa_family == AF_INET)
		return mix(seed, a->v4.sin_addr.s_addr);
	if (!IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
		return mix(seed, half(&a->v6.sin6_addr, 0));
	memcpy(&v4, a->v6.sin6_addr.s6_addr + 12, sizeof(v4));
	return mix(seed, v4);
}

/* The FORCE options need CAP_NET_ADMIN and ignore net.core.rmem_max; without it we take what we get. */
static void set_buffer(int fd, int forced, int plain, int octets)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &octets, sizeof(octets)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &octets, sizeof(octets));
}

int udp_prepare(int fd, int buffer, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, ERR_IO, "UDP socket");
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer);
	return 0;
}

static int bound_to(int fd, union udp_addr *a, struct err *e)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return err_sys(e, ERR_IO, "UDP socket");
	if (ss.ss_family != AF_INET && ss.ss_family != AF_INET6)
		return err_set(e, ERR_USAGE, "UDP socket: neither IPv4 nor IPv6");
	memcpy(a, &ss, sizeof(*a));
	return 0;
}

int udp_on_wildcard(int fd, bool *wildcard, struct err *e)
{
	union udp_addr a = {0};
	int on = 1, rc = 0;
	int code = bound_to(fd, &a, e);

	if (code)
		return code;
	if (a.sa.sa_family == AF_INET)
		*wildcard = a.v4.sin_addr.s_addr == htonl(INADDR_ANY);
	else
		*wildcard = IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr);
	if (*wildcard && a.sa.sa_family == AF_INET)
		rc = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	else if (*wildcard)
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	return rc < 0 ? err_sys(e, ERR_IO, "UDP socket: address of arriving packets") : 0;
}

int udp_sibling(int fd, int *sibling, struct err *e)
{
	union udp_addr a;
	int only = 0;
	socklen_t len = sizeof(only);
	int code = bound_to(fd, &a, e);

	if (code)
		return code;
	AUTO(auto_close) int got = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (got < 0)
		return err_sys(e, ERR_IO, "UDP socket for transfers");
	if (a.sa.sa_family == AF_INET6) {
		if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) < 0 ||
		    setsockopt(got, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
			return err_sys(e, ERR_IO, "UDP socket for transfers");
		a.v6.sin6_port = 0;
	} else {
		a.v4.sin_port = 0;
	}
	if (bind(got, &a.sa, udp_addr_len(&a)) < 0)
		return err_sys(e, ERR_IO, "UDP socket for transfers");
	*sibling = got;
	got = -1;
	return 0;
}

void udp_in_init(struct udp_in *in)
{
	in->n = 0;
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		in->iov[i] = (struct iovec){in->data[i], UDP_IN_MAX};
		in->m[i].msg_hdr = (struct msghdr){
			.msg_name = &in->from[i],
			.msg_namelen = sizeof(in->from[i]),
			.msg_iov = &in->iov[i],
			.msg_iovlen = 1,
			.msg_control = &in->control[i],
			.msg_controllen = sizeof(in->control[i]),
		};
	}
}

unsigned udp_in_recv(struct udp_in *in, int fd)
{
	/* Only what the last call changed has to be set again. */
	for (unsigned i = 0; i < in->n; i++) {
		in->m[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
		in->m[i].msg_hdr.msg_controllen = sizeof(in->control[i]);
	}
	int got = recvmmsg(fd, in->m, UDP_BATCH, MSG_DONTWAIT, NULL);
	in->n = got > 0 ? (unsigned)got : 0;
	return in->n;
}

struct view udp_in_packet(const struct udp_in *in, unsigned i)
{
	return (struct view){in->data[i], in->m[i].msg_len};
}

const union udp_addr *udp_in_from(const struct udp_in *in, unsigned i)
{
	const union udp_addr *a = &in->from[i];
	socklen_t len = in->m[i].msg_hdr.msg_namelen;

	if (len < sizeof(sa_family_t) || (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6) ||
	    len < udp_addr_len(a))
		return NULL;
	return a;
}

void udp_in_local(const struct udp_in *in, unsigned i, struct udp_local *local)
{
	struct msghdr *h = (struct msghdr *)&in->m[i].msg_hdr; /* CMSG_NXTHDR takes no const */
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	*local = (struct udp_local){.family = AF_UNSPEC};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			local->family = AF_INET;
			local->v4 = v4.ipi_spec_dst;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			if (IN6_IS_ADDR_MULTICAST(&v6.ipi6_addr))
				continue; /* nobody's source address: let the kernel choose */
			local->family = AF_INET6;
			local->v6 = v6.ipi6_addr;
		}
	}
}

void udp_out_init(struct udp_out *out)
{
	out->fd = -1;
	out->n = 0;
	out->used = 0;
	out->failed = 0;
	for (unsigned i = 0; i < UDP_BATCH; i++)
		out->m[i].msg_hdr = (struct msghdr){.msg_iov = &out->iov[i], .msg_iovlen = 1, .msg_name = &out->to[i]};
}

uint8_t *udp_out_begin(struct udp_out *out, int fd, size_t size)
{
	assert(size <= UDP_OUT_MAX);
	if (fd != out->fd || out->n == UDP_BATCH || sizeof(out->octets) - out->used < size)
		udp_out_flush(out);
	out->fd = fd;
	return out->octets + out->used;
}

static void set_source(struct msghdr *h, struct udp_control *control, const struct udp_local *local)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)control->octets;
	size_t len = local->family == AF_INET ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);

	if (local->family == AF_UNSPEC) {
		h->msg_control = NULL;
		h->msg_controllen = 0;
		return;
	}
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(len);
	memset(control, 0, sizeof(*control));
	c->cmsg_len = CMSG_LEN(len);
	if (local->family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = local->v4};

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = local->v6}; /* the interface follows from the peer's scope */

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
}

void udp_out_end(struct udp_out *out, const union udp_addr *to, const struct udp_local *local, size_t len)
{
	unsigned i = out->n++;
	struct msghdr *h = &out->m[i].msg_hdr;

	out->to[i] = *to;
	h->msg_namelen = udp_addr_len(to);
	out->iov[i] = (struct iovec){out->octets + out->used, len};
	out->used += (len + 7) & ~(size_t)7;
	if (out->used > sizeof(out->octets))
		out->used = sizeof(out->octets);
	set_source(h, &out->control[i], local);
}

void udp_out_flush(struct udp_out *out)
{
	unsigned done = 0;

	while (done < out->n) {
		int sent = sendmmsg(out->fd, out->m + done, out->n - done, MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent > 0) {
			done += (unsigned)sent;
		} else {
			/* No route, no buffer, a firewall's refusal: this packet is lost, and repeated as a lost one is. */
			out->failed++;
			done++;
		}
	}
	out->n = 0;
	out->used = 0;
}
