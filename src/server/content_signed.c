#include "server/content_signed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 16384

struct entry {
	TAILQ_ENTRY(entry) used;
	struct entry *chain;
	struct content_id id;
	uint64_t tag;
	const char *base;       /* within text */
	const char *cache_name; /* within text */
	char text[];            /* name, base, cache name, each with its NUL */
};

struct content_signed_names {
	unsigned max;
	unsigned n;
	TAILQ_HEAD(entry_list, entry) used; /* the longest unused first */
	struct entry *buckets[BUCKETS];
};

struct content_signed_names *content_signed_names_new(unsigned max)
{
	struct content_signed_names *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->max = max;
	TAILQ_INIT(&x->used);
	return x;
}

static struct entry **place(struct content_signed_names *x, const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	struct entry **i;

	for (const char *p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	i = &x->buckets[h % BUCKETS];
	while (*i && strcmp((*i)->text, name) != 0)
		i = &(*i)->chain;
	return i;
}

static void forget(struct content_signed_names *x, struct entry **at)
{
	struct entry *gone = *at;

	if (!gone)
		return;
	*at = gone->chain;
	TAILQ_REMOVE(&x->used, gone, used);
	x->n--;
	free(gone);
}

void content_signed_names_drop(struct content_signed_names *x, const char *name)
{
	forget(x, place(x, name));
}

void content_signed_names_clear(struct content_signed_names *x)
{
	struct entry *i;

	while ((i = TAILQ_FIRST(&x->used)))
		forget(x, place(x, i->text));
}

void content_signed_names_free(struct content_signed_names *x)
{
	if (!x)
		return;
	content_signed_names_clear(x);
	free(x);
}

const char *content_signed_names_get(struct content_signed_names *x, const char *name, const char *base,
				     const struct content_id *id, uint64_t tag)
{
	struct entry *i = *place(x, name);

	if (!i || i->tag != tag || !content_id_same(&i->id, id) || strcmp(i->base, base) != 0)
		return NULL;
	TAILQ_REMOVE(&x->used, i, used);
	TAILQ_INSERT_TAIL(&x->used, i, used);
	return i->cache_name;
}

void content_signed_names_put(struct content_signed_names *x, const char *name, const char *base,
			      const struct content_id *id, uint64_t tag, const char *cache_name)
{
	size_t n = strlen(name) + 1, b = strlen(base) + 1, c = strlen(cache_name) + 1;
	struct entry *i;

	content_signed_names_drop(x, name);
	if (x->n >= x->max)
		forget(x, place(x, TAILQ_FIRST(&x->used)->text));
	i = calloc(1, sizeof(*i) + n + b + c);
	if (!i)
		return; /* then the director is asked again */
	memcpy(i->text, name, n);
	i->base = memcpy(i->text + n, base, b);
	i->cache_name = memcpy(i->text + n + b, cache_name, c);
	i->id = *id;
	i->tag = tag;
	struct entry **at = place(x, name);
	i->chain = *at;
	*at = i;
	TAILQ_INSERT_TAIL(&x->used, i, used);
	x->n++;
}
