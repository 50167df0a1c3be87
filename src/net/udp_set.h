#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"

/*
 * Many UDP sockets on one loop, as one descriptor of it. When packets of many clients come so fast that each of them
 * would wake the process, it stops listening to their arrival and looks for them at short intervals instead: a waking
 * costs the sender and the receiver more than the packet itself does. A client alone is never made to wait so.
 */
#define UDP_SET_CLIENTS 32      /* clients from which on it may look at intervals */
#define UDP_SET_PER_CLIENT_US 3 /* the interval, for each client: far more packets than a processor can take fit in */
#define UDP_SET_TICK_MAX_US 1000
#define UDP_SET_WINDOW_MS 10    /* how long packets are counted before it is decided again */
#define UDP_SET_ENTER 10        /* packets a millisecond from which on it looks at intervals */
#define UDP_SET_LEAVE 5         /* packets a millisecond below which it listens again */

struct udp_set_handler {
	unsigned (*ready)(void *ctx, void *owner, int fd); /* take what has come to fd; returns how many packets it were */
	unsigned (*clients)(void *ctx);                     /* how many clients may send something now */
	void *ctx;
};

struct udp_set;

/* h is copied. Opens all descriptors that it will need. */
int udp_set_new(struct event_base *base, const struct clock *clock, const struct udp_set_handler *h, struct udp_set **s,
		struct err *e) MUST_CHECK;
void udp_set_free(struct udp_set *s); /* the sockets stay their owners'; accepts NULL */

int udp_set_add(struct udp_set *s, int fd, void *owner, struct err *e) MUST_CHECK;
void udp_set_remove(struct udp_set *s, int fd); /* take nothing from fd any more; does nothing a second time */

struct udp_set_stats {
	unsigned long ticks;  /* looks at intervals */
	unsigned long wakes;  /* arrivals that woke the process */
	unsigned long packets;
};
const struct udp_set_stats *udp_set_stats(const struct udp_set *s);
