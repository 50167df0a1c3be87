#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * UDP in batches: one system call receives or sends many packets of one socket. A server on a wildcard address learns
 * to which of its addresses a packet came, and answers from there (IP_PKTINFO), since clients refuse other sources.
 */
#define UDP_BATCH 64       /* packets a system call */
#define UDP_IN_MAX 1040    /* octets kept of a received packet; more is cut off */
#define UDP_OUT_MAX 65507  /* octets of a sent packet: what fits into IPv4 */

/* A socket address without the room for families that do not concern us. */
union udp_addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The address of ours that a packet came to; family AF_UNSPEC when the socket has only one. */
struct udp_local {
	sa_family_t family;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct udp_control {
	_Alignas(size_t) uint8_t octets[CMSG_SPACE(sizeof(struct in6_pktinfo))]; /* as struct cmsghdr needs it */
};

socklen_t udp_addr_len(const union udp_addr *a);
bool udp_addr_same(const union udp_addr *a, const union udp_addr *b); /* address, port and, for link-local ones, interface */
uint64_t udp_addr_hash(const union udp_addr *a, uint64_t seed);       /* address and port */
uint64_t udp_host_hash(const union udp_addr *a, uint64_t seed);       /* IPv6 by /64, IPv4 in IPv6 as IPv4; no port */

/* udp_prepare: non-blocking, close-on-exec, buffers of so many octets if the kernel gives them. */
int udp_prepare(int fd, int buffer, struct err *e) MUST_CHECK;

/* udp_on_wildcard: *wildcard tells whether fd is bound to all addresses; asks then for udp_local with each packet. */
int udp_on_wildcard(int fd, bool *wildcard, struct err *e) MUST_CHECK;

/* udp_sibling: a socket on the same address as fd, on a port that the kernel chooses. */
int udp_sibling(int fd, int *sibling, struct err *e) MUST_CHECK;

/* What recvmmsg filled. The first n entries are valid until the next udp_in_recv. */
struct udp_in {
	unsigned n;
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union udp_addr from[UDP_BATCH];
	struct udp_control control[UDP_BATCH];
	uint8_t data[UDP_BATCH][UDP_IN_MAX];
};

void udp_in_init(struct udp_in *in);
unsigned udp_in_recv(struct udp_in *in, int fd); /* how many came; 0 also when the socket has an error */
struct view udp_in_packet(const struct udp_in *in, unsigned i);
const union udp_addr *udp_in_from(const struct udp_in *in, unsigned i); /* NULL: a family that we do not know */
void udp_in_local(const struct udp_in *in, unsigned i, struct udp_local *local);

/*
 * What waits for sendmmsg. Everything is copied: a packet is one piece, which the kernel takes faster than two, and
 * nothing has to live until it is sent.
 */
struct udp_out {
	int fd;
	unsigned n;
	size_t used;            /* of octets */
	unsigned long failed;   /* packets that the kernel did not take */
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union udp_addr to[UDP_BATCH];
	struct udp_control control[UDP_BATCH];
	uint8_t octets[4 * UDP_OUT_MAX];
};

void udp_out_init(struct udp_out *out);

/*
 * udp_out_begin: room for one more packet of at most size octets from fd; flushes before that what leaves no room, or
 * is of another fd. Returns where to write it. Nothing is queued before udp_out_end.
 */
uint8_t *udp_out_begin(struct udp_out *out, int fd, size_t size);
void udp_out_end(struct udp_out *out, const union udp_addr *to, const struct udp_local *local, size_t len);
void udp_out_flush(struct udp_out *out);
