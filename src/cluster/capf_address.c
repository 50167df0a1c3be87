#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/capf_internal.h"

/* The part of an address that a stranger cannot choose at will: IPv4 whole, of IPv6 the network. */
static bool key_of(const char *peer, struct capf_address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t octets[16];

	*out = (struct capf_address){ 0 };
	if (inet_pton(AF_INET, peer, octets) == 1) {
		memcpy(out->key, octets, 4);
		return true;
	}
	if (inet_pton(AF_INET6, peer, octets) != 1)
		return false;
	out->v6 = memcmp(octets, mapped, sizeof(mapped)) != 0;
	memcpy(out->key, out->v6 ? octets : octets + 12, out->v6 ? 8 : 4);
	return true;
}

static struct capf_address *find(const struct capf_addresses *a, const char *peer)
{
	struct capf_address wanted;

	if (!key_of(peer, &wanted))
		return NULL;
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].v6 == wanted.v6 && memcmp(a->list[i].key, wanted.key, sizeof(wanted.key)) == 0)
			return &a->list[i];
	return NULL;
}

bool capf_address_locked(const struct capf_addresses *a, const char *peer, uint64_t now_ms)
{
	const struct capf_address *found = find(a, peer);

	return found && found->locked && now_ms < found->until_ms;
}

/* A place for one more: what is over, otherwise the one that would be over first; a lock stays as long as others do not. */
static struct capf_address *place(struct capf_addresses *a, uint64_t now_ms)
{
	struct capf_address *best = NULL;

	if (!a->list && !(a->list = calloc(CAPF_ADDRESSES_MAX, sizeof(*a->list))))
		return NULL;
	for (size_t i = 0; i < a->n; i++) {
		struct capf_address *x = &a->list[i];
		if (x->until_ms <= now_ms)
			return x;
		if (!best || x->locked < best->locked || (x->locked == best->locked && x->until_ms < best->until_ms))
			best = x;
	}
	return a->n < CAPF_ADDRESSES_MAX ? &a->list[a->n++] : best;
}

bool capf_address_failed(struct capf_addresses *a, const char *peer, struct capf_limit limit, uint64_t now_ms)
{
	struct capf_address *x = find(a, peer);

	if (!x) {
		struct capf_address fresh;
		if (!key_of(peer, &fresh) || !(x = place(a, now_ms)))
			return false;
		*x = fresh;
	}
	if (now_ms >= x->until_ms) {
		x->failures = 0;
		x->locked = false;
	}
	if (!x->failures)
		x->until_ms = now_ms + limit.ms;
	x->failures++;
	if (x->locked || !limit.failures || x->failures < limit.failures)
		return false;
	x->locked = true;
	x->until_ms = now_ms + limit.ms;
	return true;
}

void capf_addresses_clear(struct capf_addresses *a)
{
	free(a->list);
	*a = (struct capf_addresses){ 0 };
}
