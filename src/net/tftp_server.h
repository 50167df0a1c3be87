#pragma once

#include <event2/event.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * A TFTP server of one process on its loop. Any number of listening sockets; to each belongs a pool of sockets on ports
 * of their own from which its transfers are answered. One such port serves many clients at once, but never two transfers
 * of one client (address and port), neither at the same time nor, as far as is remembered, one after the other, so that
 * a late packet of one transfer cannot be taken for one of the next.
 */
#define TFTP_TID_SOCKETS 48            /* ports for each listening socket */
#define TFTP_TID_TENURE 512            /* transfers begun on one port before the next one is taken */
#define TFTP_MAX_TRANSFERS 32768       /* of one process */
#define TFTP_MAX_PER_ADDRESS 16384     /* of one process, from one address: many phones stand behind one */
#define TFTP_BLKSIZE_IPV4 1468         /* largest block granted: Ethernet's 1500 without IP, UDP and TFTP headers */
#define TFTP_BLKSIZE_IPV6 1448
#define TFTP_WINDOW_LIMIT 64           /* largest window granted */
#define TFTP_SOCKET_BUFFER (4 << 20)   /* receive buffer asked for; the kernel may give less */

/* The octets of one file while a transfer lasts. */
struct tftp_source {
	uint64_t size;
	const uint8_t *bytes;  /* all of it, for as long as the source lives; or NULL: use read */
	/* exactly n octets from offset into out; a failure ends the transfer with an ERROR packet */
	int (*read)(struct tftp_source *s, uint64_t offset, void *out, size_t n, struct err *e);
	/* may be NULL: asked before the last block is first sent; true: the file changed meanwhile, the transfer fails */
	bool (*changed)(struct tftp_source *s);
	void (*release)(struct tftp_source *s);
};

enum tftp_found { TFTP_FOUND, TFTP_ABSENT, TFTP_REFUSED, TFTP_FAILED };

/* text: REFUSED and FAILED: what the client is told (NULL: a general text). src is the server's, to release. */
typedef void tftp_opened(void *ctx, enum tftp_found found, struct tftp_source *src, const char *text);

/* Who knows the files. */
struct tftp_content {
	/*
	 * open: name as it was requested, any octets without NUL. done is called exactly once: before open returns, which
	 * is then NULL, or later; until then what open returned can be given to cancel.
	 */
	void *(*open)(void *ctx, struct view name, const struct sockaddr *peer, tftp_opened *done, void *done_ctx);
	void (*cancel)(void *ctx, void *wait);
	void *ctx;
};

/* Zero means the constant above. */
struct tftp_server_options {
	unsigned max_transfers;
	unsigned max_per_address;
	unsigned tid_sockets;
	uint16_t blksize;      /* largest block granted, for IPv4 and IPv6 */
	uint16_t windowsize;
	uint64_t seed;         /* of hashes; zero: random, so that nobody outside can choose them */
};

struct tftp_server_stats {
	unsigned long requests;            /* that came to the listening sockets, whatever they were */
	unsigned long completed;
	unsigned long absent, refused, failed; /* answered with an ERROR */
	unsigned long malformed;           /* of refused: not a request at all, or a write */
	unsigned long repeated;            /* requests ignored because their transfer runs already */
	unsigned long dropped_full, dropped_address; /* requests not answered because of the caps */
	unsigned long abandoned;           /* transfers whose client was not heard of any more, or said ERROR */
	unsigned long evicted;             /* of abandoned: never answered, and made room for others */
	unsigned long retransmitted;       /* blocks and OACKs sent again */
	unsigned long unsent;              /* packets that the kernel did not take */
	unsigned long strangers;           /* packets to a transfer's port from nobody it serves: ERROR 5 */
	uint64_t octets;                   /* of files, sent */
	unsigned current;
};

struct tftp_server;

/* tftp_server_new: content and options (may be NULL) are copied; the clock must live as long as the server. */
int tftp_server_new(struct event_base *base, const struct clock *clock, const struct tftp_content *content,
		    const struct tftp_server_options *options, struct tftp_server **srv, struct err *e) MUST_CHECK;
void tftp_server_free(struct tftp_server *srv); /* transfers end without a word; accepts NULL */

/*
 * tftp_server_listen: serve what comes to fd, a bound UDP socket (SO_REUSEPORT among processes) that the server owns from
 * then on, also on failure. Opens its pool of ports on the same address: call it before the sandbox.
 */
int tftp_server_listen(struct tftp_server *srv, int fd, struct err *e) MUST_CHECK;

/* tftp_server_set_serving: false: transfers that run end in peace, requests are thrown away unanswered. Starts as true. */
void tftp_server_set_serving(struct tftp_server *srv, bool serving);

/* tftp_server_drain: read no more requests, so that another process that has the socket gets them. True when no transfer
 * is left. */
bool tftp_server_drain(struct tftp_server *srv);

const struct tftp_server_stats *tftp_server_stats(struct tftp_server *srv);
