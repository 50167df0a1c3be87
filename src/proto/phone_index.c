#include "proto/phone_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "pki/digest.h"

#define VERSION 1
#define COMPLETE 1
#define SHA256_LEN 32
#define NAME_MAX_LEN 255

static const uint8_t magic[8] = {'R', 'F', 'P', 'H', 'O', 'N', 'E', 'S'};

static int by_name(const void *a, const void *b)
{
	const struct phone_index_item *x = a, *y = b;

	return strcasecmp(x->name, y->name);
}

static void swap_items(struct phone_index_item *a, struct phone_index_item *b)
{
	struct phone_index_item t = *a;

	*a = *b;
	*b = t;
}

/* What repeats a name ends up behind the others: the caller owns the names, so none may be lost. */
static void merge(struct phone_index *ix)
{
	size_t kept = 0;

	qsort(ix->items, ix->n, sizeof(*ix->items), by_name);
	for (size_t i = 0; i < ix->n; i++) {
		struct phone_index_item *item = &ix->items[i], *last = kept ? &ix->items[kept - 1] : NULL;

		if (!last || by_name(last, item) != 0) {
			swap_items(&ix->items[kept++], item);
			continue;
		}
		/* The one that is encrypted gives the name: it is whose record decides. */
		if (item->flags & ~last->flags & PHONE_INDEX_ENCRYPTED)
			swap_items(last, item);
		last->flags |= item->flags;
		last->tag ^= item->tag;
	}
	ix->n = kept;
}

static int put_item(struct wr *w, const struct phone_index_item *item, struct err *e)
{
	size_t n = strlen(item->name);

	if (n == 0 || n > NAME_MAX_LEN)
		return err_set(e, ERR_LIMIT, "a phone's name has %zu octets", n);
	wr_u8(w, (uint8_t)n);
	wr_bytes(w, item->name, n);
	wr_u8(w, item->flags);
	wr_u64(w, item->tag);
	return 0;
}

int phone_index_build(struct phone_index *in, uint8_t **data, size_t *len, struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	struct wr w;
	int rc = 0;

	if (in->n)
		merge(in);
	wr_init(&w, PHONE_INDEX_MAX);
	wr_bytes(&w, magic, sizeof(magic));
	wr_u32(&w, VERSION);
	wr_u32(&w, in->complete ? COMPLETE : 0);
	wr_u64(&w, in->tag);
	wr_u32(&w, (uint32_t)in->n);
	for (size_t i = 0; i < in->n && !rc; i++)
		rc = put_item(&w, &in->items[i], e);
	if (!rc)
		rc = digest_one(DIGEST_SHA256, wr_view_all(&w), hash, e);
	if (!rc)
		wr_bytes(&w, hash, SHA256_LEN);
	if (!rc)
		rc = wr_finish(&w, data, len, e);
	wr_clear(&w);
	return rc;
}

/* --- reading --- */

static int broken(struct err *e, const struct rd *r)
{
	return err_rule(e, "phone-index-form", (long)rd_offset(r), "the index of phones is damaged");
}

static int check_sum(struct view file, struct rd *body, struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	struct view sum;
	struct rd r;

	rd_init(&r, file.p, file.len);
	if (file.len < sizeof(magic) + SHA256_LEN || memcmp(file.p, magic, sizeof(magic)) != 0)
		return err_rule(e, "phone-index-magic", 0, "this is no index of phones");
	rd_bytes(&r, file.len - SHA256_LEN, body);
	sum = rd_rest(&r);
	int rc = digest_one(DIGEST_SHA256, (struct view){file.p, file.len - SHA256_LEN}, hash, e);
	if (!rc && !secret_eq(hash, sum.p, SHA256_LEN))
		rc = err_rule(e, "phone-index-checksum", -1, "the index of phones is damaged");
	return rc;
}

static bool take_item(struct rd *r, struct phone_index_item *item, char **names)
{
	struct rd name;

	if (!rd_prefixed8(r, &name) || !name.left || memchr(name.p, 0, name.left) || !rd_u8(r, &item->flags) ||
	    !rd_u64(r, &item->tag))
		return false;
	memcpy(*names, name.p, name.left);
	(*names)[name.left] = '\0';
	item->name = *names;
	*names += name.left + 1;
	return true;
}

static int take_items(struct rd *r, uint32_t n, struct phone_index *ix, struct err *e)
{
	/* Ten octets an item besides its name: no count makes us ask for more memory than the file has octets. */
	if (n > r->left / 11)
		return broken(e, r);
	ix->items = calloc(n ? n : 1, sizeof(*ix->items));
	ix->names = malloc(r->left + 1);
	if (!ix->items || !ix->names)
		return err_set(e, ERR_NOMEM, "out of memory for the index of phones");
	char *names = ix->names;
	for (; ix->n < n; ix->n++)
		if (!take_item(r, &ix->items[ix->n], &names) ||
		    (ix->n && by_name(&ix->items[ix->n - 1], &ix->items[ix->n]) >= 0))
			return broken(e, r);
	return rd_done(r) ? 0 : broken(e, r);
}

int phone_index_read(struct view file, struct phone_index *ix, struct err *e)
{
	struct phone_index got = {0};
	uint32_t version, flags, n;
	struct rd r;

	int rc = check_sum(file, &r, e);
	if (rc)
		return rc;
	if (!rd_skip(&r, sizeof(magic)) || !rd_u32(&r, &version) || version != VERSION || !rd_u32(&r, &flags) ||
	    !rd_u64(&r, &got.tag) || !rd_u32(&r, &n))
		return broken(e, &r);
	got.complete = flags & COMPLETE;
	rc = take_items(&r, n, &got, e);
	if (rc) {
		phone_index_clear(&got);
		return rc;
	}
	*ix = got;
	return 0;
}

void phone_index_clear(struct phone_index *ix)
{
	free(ix->items);
	free(ix->names);
	*ix = (struct phone_index){0};
}

static int compare(const void *key, const void *item)
{
	const struct view *name = key;
	const char *other = ((const struct phone_index_item *)item)->name;
	int d = strncasecmp((const char *)name->p, other, name->len);

	return d ? d : other[name->len] ? -1 : 0;
}

const struct phone_index_item *phone_index_find(const struct phone_index *ix, struct view name)
{
	if (!ix->n || !name.len)
		return NULL;
	return bsearch(&name, ix->items, ix->n, sizeof(*ix->items), compare);
}
