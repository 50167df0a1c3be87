#include <arpa/inet.h>
#include <stdio.h>
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

struct capf_address *capf_address_find(const struct capf_addresses *a, const char *text, bool *valid)
{
	struct capf_address wanted;
	char bare[STORE_ADDRESS_SIZE];
	const char *slash = strstr(text, "/64");
	bool network = slash && !slash[3];

	snprintf(bare, sizeof(bare), "%.*s", (int)(network ? (size_t)(slash - text) : strlen(text)), text);
	*valid = key_of(bare, &wanted) && (!network || wanted.v6);
	for (size_t i = 0; *valid && i < a->n; i++)
		if (a->list[i].v6 == wanted.v6 && memcmp(a->list[i].key, wanted.key, sizeof(wanted.key)) == 0)
			return &a->list[i];
	return NULL;
}

void capf_address_text(const struct capf_address *x, char *out, size_t size)
{
	uint8_t octets[16] = { 0 };
	char text[INET6_ADDRSTRLEN] = "";

	memcpy(octets, x->key, sizeof(x->key));
	inet_ntop(x->v6 ? AF_INET6 : AF_INET, octets, text, sizeof(text));
	snprintf(out, size, "%s%s", text, x->v6 ? "/64" : "");
}

static bool is_over(const struct capf_address *x, struct capf_limit limit, uint64_t now_ms)
{
	return now_ms - x->since_ms >= limit.ms;
}

bool capf_address_is_locked(const struct capf_address *x, struct capf_limit limit, uint64_t now_ms)
{
	return x->locked && limit.failures && x->failures >= limit.failures && !is_over(x, limit, now_ms);
}

bool capf_address_locked(const struct capf_addresses *a, const char *peer, struct capf_limit limit, uint64_t now_ms)
{
	bool valid;
	const struct capf_address *x = capf_address_find(a, peer, &valid);

	return x && capf_address_is_locked(x, limit, now_ms);
}

/* A place for one more: what is over, otherwise the one that will be first; a lock stays as long as others do not. */
static struct capf_address *place(struct capf_addresses *a, struct capf_limit limit, uint64_t now_ms)
{
	struct capf_address *best = NULL;

	if (!a->list && !(a->list = calloc(CAPF_ADDRESSES_MAX, sizeof(*a->list))))
		return NULL;
	for (size_t i = 0; i < a->n; i++) {
		struct capf_address *x = &a->list[i];
		if (is_over(x, limit, now_ms))
			return x;
		if (!best || x->locked < best->locked || (x->locked == best->locked && x->since_ms < best->since_ms))
			best = x;
	}
	return a->n < CAPF_ADDRESSES_MAX ? &a->list[a->n++] : best;
}

bool capf_address_failed(struct capf_addresses *a, const char *peer, struct capf_limit limit, uint64_t now_ms)
{
	struct capf_address fresh;
	bool valid;
	struct capf_address *x = capf_address_find(a, peer, &valid);

	if (!limit.failures) {
		a->n = 0; /* what was counted under another limit is forgotten */
		return false;
	}
	if (!x) {
		if (!key_of(peer, &fresh) || !(x = place(a, limit, now_ms)))
			return false;
		*x = fresh;
	}
	if (is_over(x, limit, now_ms))
		x->failures = 0;
	if (x->failures < limit.failures)
		x->locked = false;
	if (!x->failures)
		x->since_ms = now_ms;
	x->failures++;
	if (x->locked || x->failures < limit.failures)
		return false;
	x->locked = true;
	x->since_ms = now_ms;
	return true;
}

void capf_address_forget(struct capf_addresses *a, struct capf_address *x)
{
	*x = a->list[--a->n];
}

void capf_addresses_clear(struct capf_addresses *a)
{
	free(a->list);
	*a = (struct capf_addresses){ 0 };
}
