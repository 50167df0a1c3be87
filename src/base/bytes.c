#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

bool view_eq(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

struct view view_str(const char *s)
{
	return (struct view){(const uint8_t *)s, strlen(s)};
}

void rd_init(struct rd *r, const void *data, size_t len)
{
	*r = (struct rd){.start = data, .p = data, .left = len};
}

static bool fail_read(struct rd *r)
{
	r->failed = true;
	return false;
}

static const uint8_t *take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || n > r->left) {
		r->failed = true;
		return NULL;
	}
	if (n) {
		r->p += n;
		r->left -= n;
	}
	return p;
}

static bool take_be(struct rd *r, size_t n, uint64_t *v)
{
	const uint8_t *p = take(r, n);
	uint64_t x = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < n; i++)
		x = x << 8 | p[i];
	*v = x;
	return true;
}

bool rd_u8(struct rd *r, uint8_t *v)
{
	uint64_t x;
	if (!take_be(r, 1, &x))
		return false;
	*v = (uint8_t)x;
	return true;
}

bool rd_u16(struct rd *r, uint16_t *v)
{
	uint64_t x;
	if (!take_be(r, 2, &x))
		return false;
	*v = (uint16_t)x;
	return true;
}

bool rd_u24(struct rd *r, uint32_t *v)
{
	uint64_t x;
	if (!take_be(r, 3, &x))
		return false;
	*v = (uint32_t)x;
	return true;
}

bool rd_u32(struct rd *r, uint32_t *v)
{
	uint64_t x;
	if (!take_be(r, 4, &x))
		return false;
	*v = (uint32_t)x;
	return true;
}

bool rd_u64(struct rd *r, uint64_t *v)
{
	return take_be(r, 8, v);
}

bool rd_peek_u8(const struct rd *r, uint8_t *v)
{
	if (r->failed || !r->left)
		return false;
	*v = *r->p;
	return true;
}

bool rd_view(struct rd *r, size_t n, struct view *v)
{
	if (r->failed || n > r->left) {
		r->failed = true;
		return false;
	}
	*v = (struct view){r->p, n};
	return rd_skip(r, n);
}

bool rd_skip(struct rd *r, size_t n)
{
	if (r->failed || n > r->left) {
		r->failed = true;
		return false;
	}
	if (n) {
		r->p += n;
		r->left -= n;
	}
	return true;
}

bool rd_bytes(struct rd *r, size_t n, struct rd *sub)
{
	struct view v;

	if (!rd_view(r, n, &v))
		return false;
	*sub = (struct rd){.start = r->start, .p = v.p, .left = v.len};
	return true;
}

static bool prefixed(struct rd *r, size_t prefix, struct rd *sub)
{
	if (r->failed || r->left < prefix)
		return fail_read(r);
	size_t n = prefix == 1 ? r->p[0] : (size_t)r->p[0] << 8 | r->p[1];
	if (n > r->left - prefix)
		return fail_read(r);
	*sub = (struct rd){.start = r->start, .p = r->p + prefix, .left = n};
	r->p += prefix + n;
	r->left -= prefix + n;
	return true;
}

bool rd_prefixed8(struct rd *r, struct rd *sub)
{
	return prefixed(r, 1, sub);
}

bool rd_prefixed16(struct rd *r, struct rd *sub)
{
	return prefixed(r, 2, sub);
}

bool rd_view16(struct rd *r, struct view *v)
{
	struct rd sub;

	if (!prefixed(r, 2, &sub))
		return false;
	*v = (struct view){sub.p, sub.left};
	return true;
}

bool rd_done(const struct rd *r)
{
	return !r->failed && r->left == 0;
}

size_t rd_offset(const struct rd *r)
{
	return r->start ? (size_t)(r->p - r->start) : 0;
}

struct view rd_rest(struct rd *r)
{
	struct view v = {0};

	if (!r->failed)
		rd_view(r, r->left, &v);
	return v;
}

void wr_init(struct wr *w, size_t cap)
{
	*w = (struct wr){.cap = cap};
}

void wr_clear(struct wr *w)
{
	free(w->p);
	wr_init(w, w->cap);
}

static bool fail(struct wr *w, int code)
{
	if (!w->failed)
		w->failed = code;
	return false;
}

static bool room(struct wr *w, size_t n)
{
	if (w->failed)
		return false;
	if (n > w->cap - w->len)
		return fail(w, ERR_LIMIT);
	if (w->len + n <= w->size && w->p)
		return true;
	size_t size = w->size ? w->size : 256;
	while (size < w->len + n)
		size *= 2;
	uint8_t *p = realloc(w->p, size);
	if (!p)
		return fail(w, ERR_NOMEM);
	w->p = p;
	w->size = size;
	return true;
}

bool wr_bytes(struct wr *w, const void *data, size_t n)
{
	if (!room(w, n))
		return false;
	if (n)
		memcpy(w->p + w->len, data, n);
	w->len += n;
	return true;
}

bool wr_view(struct wr *w, struct view v)
{
	return wr_bytes(w, v.p, v.len);
}

bool wr_fill(struct wr *w, uint8_t octet, size_t n)
{
	if (!room(w, n))
		return false;
	if (n)
		memset(w->p + w->len, octet, n);
	w->len += n;
	return true;
}

static bool put_be(struct wr *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	return wr_bytes(w, b, n);
}

bool wr_u8(struct wr *w, uint8_t v)
{
	return put_be(w, v, 1);
}

bool wr_u16(struct wr *w, uint16_t v)
{
	return put_be(w, v, 2);
}

bool wr_u32(struct wr *w, uint32_t v)
{
	return put_be(w, v, 4);
}

bool wr_u64(struct wr *w, uint64_t v)
{
	return put_be(w, v, 8);
}

bool wr_open16(struct wr *w)
{
	if (w->n_open == WR_MAX_OPEN)
		return fail(w, ERR_BUG);
	size_t at = w->len;
	if (!wr_u16(w, 0))
		return false;
	w->open[w->n_open++] = at;
	return true;
}

bool wr_close(struct wr *w)
{
	if (w->failed)
		return false;
	if (!w->n_open)
		return fail(w, ERR_BUG);
	size_t at = w->open[--w->n_open];
	size_t n = w->len - at - 2;
	if (n > UINT16_MAX)
		return fail(w, ERR_LIMIT);
	return wr_patch_u16(w, at, (uint16_t)n);
}

bool wr_patch_u16(struct wr *w, size_t offset, uint16_t v)
{
	if (w->failed)
		return false;
	if (w->len < 2 || offset > w->len - 2)
		return fail(w, ERR_BUG);
	w->p[offset] = (uint8_t)(v >> 8);
	w->p[offset + 1] = (uint8_t)v;
	return true;
}

bool wr_insert(struct wr *w, size_t offset, const void *data, size_t n)
{
	if (offset > w->len)
		return fail(w, ERR_BUG);
	if (!room(w, n))
		return false;
	memmove(w->p + offset + n, w->p + offset, w->len - offset);
	if (n)
		memcpy(w->p + offset, data, n);
	w->len += n;
	return true;
}

struct view wr_view_all(const struct wr *w)
{
	return (struct view){w->p, w->len};
}

int wr_finish(struct wr *w, uint8_t **data, size_t *len, struct err *e)
{
	int code = w->failed;

	if (!code && w->n_open)
		code = ERR_BUG;
	if (!code && !room(w, 0)) /* an empty buffer still is a buffer */
		code = w->failed;
	if (code) {
		wr_clear(w);
		return err_set(e, code, code == ERR_LIMIT ? "the output would exceed %zu octets"
							  : "the output (limit %zu octets) could not be built", w->cap);
	}
	*data = w->p;
	*len = w->len;
	w->p = NULL;
	wr_clear(w);
	return 0;
}
