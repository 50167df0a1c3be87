#include "pki/der.h"

#include <time.h>

static bool fail(struct rd *r)
{
	r->failed = true;
	return false;
}

/* Lengths up to 2^24 - 1: far above CERT_MAX_DER. */
static bool read_length(struct rd *r, size_t *len)
{
	uint8_t first;
	uint8_t v8;
	uint16_t v16;
	uint32_t v24;

	if (!rd_u8(r, &first))
		return false;
	switch (first) {
	case 0x81:
		*len = rd_u8(r, &v8) ? v8 : 0;
		return !r->failed && *len >= 0x80;
	case 0x82:
		*len = rd_u16(r, &v16) ? v16 : 0;
		return !r->failed && *len > 0xff;
	case 0x83:
		*len = rd_u24(r, &v24) ? v24 : 0;
		return !r->failed && *len > 0xffff;
	default:
		*len = first;
		return first < 0x80;
	}
}

bool der_any(struct rd *r, uint8_t *tag, struct rd *body)
{
	struct rd probe = *r;
	struct rd inner;
	uint8_t t;
	size_t len;

	if (!rd_u8(&probe, &t) || (t & 0x1f) == 0x1f || !read_length(&probe, &len) || !rd_bytes(&probe, len, &inner))
		return fail(r);
	*r = probe;
	*tag = t;
	*body = inner;
	return true;
}

bool der_open(struct rd *r, uint8_t tag, struct rd *body)
{
	struct rd probe = *r;
	struct rd inner;
	uint8_t t;

	if (!der_any(&probe, &t, &inner) || t != tag)
		return fail(r);
	*r = probe;
	*body = inner;
	return true;
}

bool der_view(struct rd *r, uint8_t tag, struct view *contents)
{
	struct rd body;

	if (!der_open(r, tag, &body))
		return false;
	*contents = rd_rest(&body);
	return true;
}

bool der_whole(struct rd *r, uint8_t tag, struct view *element)
{
	struct rd probe = *r;
	struct rd body;

	if (!der_open(&probe, tag, &body))
		return fail(r);
	return rd_view(r, r->left - probe.left, element);
}

bool der_skip(struct rd *r, uint8_t tag)
{
	struct rd body;

	return der_open(r, tag, &body);
}

bool der_unsigned(struct rd *r, struct view *magnitude)
{
	struct rd body;
	uint8_t first;
	uint8_t second = 0x80; /* what stands behind a needed 00 */

	if (!der_open(r, DER_INTEGER, &body))
		return false;
	if (!rd_peek_u8(&body, &first) || first & 0x80)
		return fail(r);
	if (first == 0 && body.left > 1) {
		rd_skip(&body, 1);
		rd_peek_u8(&body, &second);
		if (!(second & 0x80))
			return fail(r);
	}
	*magnitude = rd_rest(&body);
	return true;
}

bool der_bit_string(struct rd *r, struct view *octets)
{
	struct rd body;
	uint8_t unused;

	if (!der_open(r, DER_BIT_STRING, &body))
		return false;
	if (!rd_u8(&body, &unused) || unused != 0)
		return fail(r);
	*octets = rd_rest(&body);
	return true;
}

/* --- writing --- */

bool der_wrap(struct wr *w, uint8_t tag, size_t from)
{
	uint8_t head[5] = {tag};
	size_t len = w->len - from, n = 1;

	if (w->failed)
		return false;
	if (len >= 0x80) {
		unsigned octets = len > 0xffff ? 3 : len > 0xff ? 2 : 1;
		head[n++] = (uint8_t)(0x80 + octets);
		while (octets--)
			head[n++] = (uint8_t)(len >> (8 * octets));
	} else {
		head[n++] = (uint8_t)len;
	}
	return wr_insert(w, from, head, n);
}

bool der_put(struct wr *w, uint8_t tag, struct view contents)
{
	size_t from = w->len;

	return wr_view(w, contents) && der_wrap(w, tag, from);
}

bool der_put_unsigned(struct wr *w, struct view m)
{
	size_t from = w->len;

	while (m.len && !*m.p) {
		m.p++;
		m.len--;
	}
	if ((!m.len || *m.p & 0x80) && !wr_u8(w, 0))
		return false;
	return wr_view(w, m) && der_wrap(w, DER_INTEGER, from);
}

bool der_put_time(struct wr *w, int64_t unix_s)
{
	struct tm tm;
	char text[20];
	time_t t = unix_s;

	if (!gmtime_r(&t, &tm) || tm.tm_year < 50 || tm.tm_year > 8099)
		return false;
	bool utc = tm.tm_year < 150;
	size_t n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm), skipped = utc ? 2 : 0;
	struct view shown = {(const uint8_t *)text + skipped, n - skipped};

	return der_put(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, shown);
}
