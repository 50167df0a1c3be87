#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A borrowed run of octets. NULL with len 0 is the absent value. */
struct view {
	const uint8_t *p;
	size_t len;
};

bool view_eq(struct view a, struct view b);
struct view view_str(const char *s); /* without the NUL */

/*
 * rd: the only reader of wire and file octets. It borrows, never copies.
 * Every call returns true and moves past what it read, or returns false, moves
 * nothing and leaves the reader failed: all later calls return false too, so a
 * parser reads like its record's schema and checks once with rd_done().
 * Integers are big-endian.
 */
struct rd {
	const uint8_t *start; /* of the whole buffer, for rd_offset */
	const uint8_t *p;
	size_t left;
	bool failed;
};

void rd_init(struct rd *r, const void *data, size_t len);
bool rd_u8(struct rd *r, uint8_t *v);
bool rd_u16(struct rd *r, uint16_t *v);
bool rd_u24(struct rd *r, uint32_t *v);
bool rd_u32(struct rd *r, uint32_t *v);
bool rd_u64(struct rd *r, uint64_t *v);
bool rd_peek_u8(const struct rd *r, uint8_t *v);
bool rd_view(struct rd *r, size_t n, struct view *v);
bool rd_skip(struct rd *r, size_t n);
bool rd_bytes(struct rd *r, size_t n, struct rd *sub);     /* a child over the next n octets */
bool rd_prefixed8(struct rd *r, struct rd *sub);           /* u8 length, then a child over that many */
bool rd_prefixed16(struct rd *r, struct rd *sub);          /* u16 length, likewise */
bool rd_view16(struct rd *r, struct view *v);              /* u16 length, then that many octets */
bool rd_done(const struct rd *r);                          /* nothing failed and nothing is left */
size_t rd_offset(const struct rd *r);                      /* octets from the start of the outermost buffer */
struct view rd_rest(struct rd *r);                         /* everything left; the reader is then empty */

/*
 * wr: the only writer. Grows on the heap up to cap octets; the first failure
 * (cap reached, out of memory) makes all later calls fail, so only wr_finish
 * needs checking. A u16 length prefix is opened, written behind and closed;
 * wr_finish refuses while one is open.
 */
#define WR_MAX_OPEN 8

struct wr {
	uint8_t *p;
	size_t len;
	size_t size; /* allocated */
	size_t cap;
	size_t open[WR_MAX_OPEN];
	unsigned n_open;
	int failed;  /* 0 or an enum err_class */
};

void wr_init(struct wr *w, size_t cap);
void wr_clear(struct wr *w); /* frees; w is then as after wr_init */
bool wr_u8(struct wr *w, uint8_t v);
bool wr_u16(struct wr *w, uint16_t v);
bool wr_u32(struct wr *w, uint32_t v);
bool wr_u64(struct wr *w, uint64_t v);
bool wr_bytes(struct wr *w, const void *data, size_t n);
bool wr_view(struct wr *w, struct view v);
bool wr_fill(struct wr *w, uint8_t octet, size_t n);
bool wr_open16(struct wr *w);   /* reserves two octets; what follows is counted into them */
bool wr_close(struct wr *w);    /* closes the innermost open prefix; fails when over 65535 */
bool wr_patch_u16(struct wr *w, size_t offset, uint16_t v); /* overwrite octets already written */
bool wr_insert(struct wr *w, size_t offset, const void *data, size_t n);
struct view wr_view_all(const struct wr *w); /* borrowed until the next write */

/*
 * wr_finish: hand over what was written.
 * Out:    *data is a heap buffer that the caller frees, *len its octets; both unset on failure. w is cleared either way.
 * Errors: ERR_LIMIT cap or a prefix overflowed, ERR_NOMEM, ERR_BUG a prefix is still open.
 */
int wr_finish(struct wr *w, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;
