#include "net/tftp_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_ENTRIES 256
#define HOST_BUCKETS 4096 /* hosts that share a bucket share its count */

struct slab {
	SLIST_ENTRY(slab) link;
	struct tftp_entry entries[SLAB_ENTRIES];
};

struct tftp_table {
	struct tftp_table_limits limits;
	uint64_t seed;
	unsigned count;
	size_t mask;                         /* of buckets, a power of two */
	struct tftp_entry **buckets;
	struct tftp_entry_list silent;       /* live, opened, not confirmed; oldest first */
	struct tftp_entry_list busy;         /* live, all others */
	struct tftp_entry_list unused;
	SLIST_HEAD(, slab) slabs;
	uint32_t hosts[HOST_BUCKETS];
};

int tftp_table_new(const struct tftp_table_limits *limits, uint64_t seed, struct tftp_table **t, struct err *e)
{
	struct tftp_table *got = calloc(1, sizeof(*got));
	size_t n = 64;

	while (n < limits->max)
		n *= 2;
	if (got)
		got->buckets = calloc(n, sizeof(got->buckets[0]));
	if (!got || !got->buckets) {
		free(got);
		return err_set(e, ERR_NOMEM, "TFTP: out of memory");
	}
	got->limits = *limits;
	got->seed = seed;
	got->mask = n - 1;
	TAILQ_INIT(&got->silent);
	TAILQ_INIT(&got->busy);
	TAILQ_INIT(&got->unused);
	SLIST_INIT(&got->slabs);
	*t = got;
	return 0;
}

void tftp_table_free(struct tftp_table *t)
{
	struct slab *s;

	if (!t)
		return;
	while ((s = SLIST_FIRST(&t->slabs))) {
		SLIST_REMOVE_HEAD(&t->slabs, link);
		free(s);
	}
	free(t->buckets);
	free(t);
}

static struct tftp_entry **bucket(const struct tftp_table *t, const union udp_addr *peer)
{
	return &t->buckets[udp_addr_hash(peer, t->seed) & t->mask];
}

static size_t host(const struct tftp_table *t, const union udp_addr *peer)
{
	return udp_host_hash(peer, t->seed) % HOST_BUCKETS;
}

struct tftp_entry *tftp_table_find(const struct tftp_table *t, const struct tftp_tid *tid, const union udp_addr *peer)
{
	for (struct tftp_entry *i = *bucket(t, peer); i; i = i->chain)
		if (i->tid == tid && udp_addr_same(&i->peer, peer))
			return i;
	return NULL;
}

bool tftp_table_repeated(const struct tftp_table *t, const union udp_addr *peer, uint32_t name_hash)
{
	for (struct tftp_entry *i = *bucket(t, peer); i; i = i->chain)
		if (!i->confirmed && i->name_hash == name_hash && udp_addr_same(&i->peer, peer))
			return true;
	return false;
}

enum tftp_room tftp_table_room(const struct tftp_table *t, const union udp_addr *peer)
{
	if (t->hosts[host(t, peer)] >= t->limits.max_per_address)
		return TFTP_ROOM_ADDRESS;
	return t->count >= t->limits.max ? TFTP_ROOM_FULL : TFTP_ROOM;
}

struct tftp_entry *tftp_table_oldest(const struct tftp_table *t)
{
	return TAILQ_FIRST(&t->silent);
}

static bool grow(struct tftp_table *t)
{
	struct slab *s = calloc(1, sizeof(*s));

	if (!s)
		return false;
	SLIST_INSERT_HEAD(&t->slabs, s, link);
	for (unsigned i = 0; i < SLAB_ENTRIES; i++)
		TAILQ_INSERT_TAIL(&t->unused, &s->entries[i], link);
	return true;
}

int tftp_table_add(struct tftp_table *t, struct tftp_tid *tid, const union udp_addr *peer, struct tftp_entry **entry,
		   struct err *e)
{
	struct tftp_entry **b = bucket(t, peer);

	if (TAILQ_EMPTY(&t->unused) && !grow(t))
		return err_set(e, ERR_NOMEM, "TFTP: out of memory");
	struct tftp_entry *got = TAILQ_FIRST(&t->unused);
	TAILQ_REMOVE(&t->unused, got, link);
	*got = (struct tftp_entry){.tid = tid, .peer = *peer, .live = true, .chain = *b};
	*b = got;
	TAILQ_INSERT_TAIL(&t->busy, got, link);
	t->count++;
	t->hosts[host(t, peer)]++;
	*entry = got;
	return 0;
}

static struct tftp_entry_list *list_of(struct tftp_table *t, const struct tftp_entry *entry)
{
	return entry->opened && !entry->confirmed ? &t->silent : &t->busy;
}

void tftp_table_open(struct tftp_table *t, struct tftp_entry *entry)
{
	TAILQ_REMOVE(list_of(t, entry), entry, link);
	entry->opened = true;
	TAILQ_INSERT_TAIL(list_of(t, entry), entry, link);
}

void tftp_table_confirm(struct tftp_table *t, struct tftp_entry *entry)
{
	TAILQ_REMOVE(list_of(t, entry), entry, link);
	entry->confirmed = true;
	TAILQ_INSERT_TAIL(list_of(t, entry), entry, link);
}

void tftp_table_remove(struct tftp_table *t, struct tftp_entry *entry)
{
	struct tftp_entry **i = bucket(t, &entry->peer);

	assert(entry->live);
	while (*i != entry)
		i = &(*i)->chain;
	*i = entry->chain;
	TAILQ_REMOVE(list_of(t, entry), entry, link);
	TAILQ_INSERT_HEAD(&t->unused, entry, link);
	entry->live = false;
	t->count--;
	t->hosts[host(t, &entry->peer)]--;
}

struct tftp_entry *tftp_table_any(const struct tftp_table *t)
{
	struct tftp_entry *i = TAILQ_FIRST(&t->silent);

	return i ? i : TAILQ_FIRST(&t->busy);
}

unsigned tftp_table_count(const struct tftp_table *t)
{
	return t->count;
}

uint64_t tftp_table_seed(const struct tftp_table *t)
{
	return t->seed;
}
