#include "net/pool.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* Connections by address: open addressing, at most half full; n == 0 marks a free place. */
struct place {
	uint64_t address;
	unsigned n;
};

struct net_pool {
	unsigned max_total, max_per_address;
	struct place *places;
	size_t mask;
	uint64_t seed; /* strangers choose addresses, but not where they fall */
	TAILQ_HEAD(, net_conn) waiting;
	struct net_pool_stats stats;
};

int net_pool_new(unsigned max_total, unsigned max_per_address, struct net_pool **pool, struct err *e)
{
	struct net_pool *p = calloc(1, sizeof(*p));
	size_t size = 16;
	int rc;

	while (size < (size_t)max_total * 2)
		size *= 2;
	if (p)
		p->places = calloc(size, sizeof(*p->places));
	if (!p || !p->places) {
		net_pool_free(p);
		return err_set(e, ERR_NOMEM, "no memory for a table of %u connections", max_total);
	}
	if ((rc = random_fill(&random_system, &p->seed, sizeof(p->seed), e)) < 0) {
		net_pool_free(p);
		return rc;
	}
	p->mask = size - 1;
	p->max_total = max_total;
	p->max_per_address = max_per_address;
	TAILQ_INIT(&p->waiting);
	*pool = p;
	return 0;
}

void net_pool_free(struct net_pool *pool)
{
	if (!pool)
		return;
	free(pool->places);
	free(pool);
}

/* IPv6: the /64 that one customer has. IPv4: within 0:ffff::/32, which nobody has. */
static uint64_t address_of(const struct sockaddr *peer, socklen_t len)
{
	uint64_t address = 0;

	if (peer->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in6 = (const void *)peer;
		const uint8_t *ip = in6->sin6_addr.s6_addr;
		bool v4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
		for (int i = 0; i < 8; i++)
			address = address << 8 | ip[v4 ? 8 + i : i];
	} else if (peer->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const void *)peer;
		address = 0x0000ffff00000000U | ntohl(in->sin_addr.s_addr);
	}
	return address;
}

static size_t home(const struct net_pool *pool, uint64_t address)
{
	uint64_t h = (address ^ pool->seed) * 0x9e3779b97f4a7c15U;

	return (size_t)(h ^ h >> 32) & pool->mask;
}

static struct place *find(struct net_pool *pool, uint64_t address)
{
	size_t i = home(pool, address);

	while (pool->places[i].n && pool->places[i].address != address)
		i = (i + 1) & pool->mask;
	return &pool->places[i];
}

/* Free a place and move back what had to step over it. */
static void vacate(struct net_pool *pool, struct place *place)
{
	size_t hole = (size_t)(place - pool->places), i = hole;

	for (;;) {
		pool->places[hole].n = 0;
		for (;;) {
			i = (i + 1) & pool->mask;
			if (!pool->places[i].n)
				return;
			size_t want = home(pool, pool->places[i].address);
			/* does `want` lie cyclically outside (hole, i]? */
			if (((i - want) & pool->mask) >= ((i - hole) & pool->mask))
				break;
		}
		pool->places[hole] = pool->places[i];
		hole = i;
	}
}

bool net_pool_admit(struct net_pool *pool, struct net_conn *c, const struct sockaddr *peer, socklen_t len)
{
	struct net_conn *oldest;

	c->address = address_of(peer, len);
	if (find(pool, c->address)->n >= pool->max_per_address) {
		pool->stats.refused_address++;
		return false;
	}
	if (pool->stats.current >= pool->max_total && (oldest = TAILQ_FIRST(&pool->waiting))) {
		pool->stats.evicted++;
		oldest->evict(oldest);
	}
	if (pool->stats.current >= pool->max_total) {
		pool->stats.refused_full++;
		return false;
	}
	struct place *place = find(pool, c->address); /* an eviction may have moved it */
	place->address = c->address;
	place->n++;
	pool->stats.current++;
	pool->stats.admitted++;
	c->waiting = true;
	TAILQ_INSERT_TAIL(&pool->waiting, c, link);
	return true;
}

void net_pool_leave(struct net_pool *pool, struct net_conn *c)
{
	struct place *place = find(pool, c->address);

	net_pool_busy(pool, c);
	pool->stats.current--;
	if (place->n == 1)
		vacate(pool, place);
	else
		place->n--;
}

void net_pool_waiting(struct net_pool *pool, struct net_conn *c)
{
	net_pool_busy(pool, c);
	c->waiting = true;
	TAILQ_INSERT_TAIL(&pool->waiting, c, link);
}

void net_pool_busy(struct net_pool *pool, struct net_conn *c)
{
	if (c->waiting)
		TAILQ_REMOVE(&pool->waiting, c, link);
	c->waiting = false;
}

void net_pool_evict_all(struct net_pool *pool)
{
	struct net_conn *c;

	while ((c = TAILQ_FIRST(&pool->waiting)))
		c->evict(c);
}

const struct net_pool_stats *net_pool_stats(const struct net_pool *pool)
{
	return &pool->stats;
}
