#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/err.h"

/*
 * How many connections there may be, in total and from one address. A full pool makes room by closing the connection
 * that has waited longest for its client, so that idle clients lock nobody out (pitfalls.md D-4); who has reached the
 * share of its address is refused. IPv6 counts by /64, IPv4 in IPv6 as IPv4.
 */
struct net_conn {
	uint64_t address;                  /* what the pool counts by */
	void (*evict)(struct net_conn *c); /* close and free the connection that this is embedded in */
	TAILQ_ENTRY(net_conn) link;        /* in the pool's waiting list while waiting */
	bool waiting;
};

struct net_pool;

struct net_pool_stats {
	unsigned long admitted, refused_address, refused_full, evicted;
	unsigned current;
};

int net_pool_new(unsigned max_total, unsigned max_per_address, struct net_pool **pool, struct err *e) MUST_CHECK;
void net_pool_free(struct net_pool *pool); /* all connections have left; accepts NULL */

/* net_pool_admit: count a connection from peer in, as waiting; the caller has set c->evict. False: refused. */
bool net_pool_admit(struct net_pool *pool, struct net_conn *c, const struct sockaddr *peer, socklen_t len);
void net_pool_leave(struct net_pool *pool, struct net_conn *c);

/* net_pool_waiting: the client has the next move (it may be evicted). net_pool_busy: we work for it (it may not). */
void net_pool_waiting(struct net_pool *pool, struct net_conn *c);
void net_pool_busy(struct net_pool *pool, struct net_conn *c);
void net_pool_evict_all(struct net_pool *pool); /* every waiting connection */
const struct net_pool_stats *net_pool_stats(const struct net_pool *pool);
