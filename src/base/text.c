#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct out {
	char *p;
	size_t size;
	size_t len;
};

static void put(struct out *o, char c)
{
	if (o->size && o->len < o->size - 1)
		o->p[o->len] = c;
	o->len++;
}

static size_t end(struct out *o)
{
	if (o->size)
		o->p[o->len < o->size ? o->len : o->size - 1] = '\0';
	return o->len;
}

size_t text_hex(char *out, size_t size, struct view v, char sep, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	struct out o = {out, size, 0};

	for (size_t i = 0; i < v.len; i++) {
		if (i && sep)
			put(&o, sep);
		put(&o, digits[v.p[i] >> 4]);
		put(&o, digits[v.p[i] & 15]);
	}
	return end(&o);
}

int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_unhex(const char *s, uint8_t *out, size_t size, size_t *len)
{
	size_t n = 0;

	while (*s) {
		if (*s == ':' || *s == ' ') {
			s++;
			continue;
		}
		int hi = text_hex_digit(s[0]);
		int lo = hi < 0 ? -1 : text_hex_digit(s[1]);
		if (lo < 0 || n == size)
			return false;
		out[n++] = (uint8_t)(hi << 4 | lo);
		s += 2;
	}
	*len = n;
	return true;
}

/* Octets of the well-formed UTF-8 sequence at p, or 0. Overlong forms, surrogates and C1 controls count as malformed. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c = p[0] & (0x7f >> n);

	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

/* text: of ours with strangers' words in it, whose lines and backslashes stay. */
static size_t escape(char *out, size_t size, struct view v, bool text)
{
	struct out o = {out, size, 0};
	char hex[3];

	for (size_t i = 0; i < v.len;) {
		uint8_t c = v.p[i];
		size_t n = c < 0x80 ? (c >= 0x20 && c != 0x7f) || (text && c == '\n') : utf8_len(v.p + i, v.len - i);
		if (c == '\\' && !text) {
			put(&o, '\\');
			put(&o, '\\');
			i++;
		} else if (n) {
			for (; n; n--)
				put(&o, (char)v.p[i++]);
		} else {
			text_hex(hex, sizeof(hex), (struct view){v.p + i, 1}, '\0', false);
			put(&o, '\\');
			put(&o, 'x');
			put(&o, hex[0]);
			put(&o, hex[1]);
			i++;
		}
	}
	return end(&o);
}

size_t text_escape(char *out, size_t size, struct view v)
{
	return escape(out, size, v, false);
}

size_t text_printable(char *out, size_t size, struct view v)
{
	return escape(out, size, v, true);
}

size_t text_characters(const char *s)
{
	size_t n = 0, step;

	for (size_t left = strlen(s); left; s += step, left -= step, n++) {
		const uint8_t *p = (const uint8_t *)s;
		step = *p < 0x80 ? *p >= 0x20 && *p != 0x7f : utf8_len(p, left);
		if (!step)
			return SIZE_MAX;
	}
	return n;
}

bool text_same(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s);
	size_t m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool text_is_device_name(const char *s)
{
	static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(s);

	if (n < 4 || n > 63)
		return false;
	for (int i = 0; i < 3; i++) {
		if (s[i] < 'A' || s[i] > 'Z')
			return false;
	}
	return strspn(s + 3, rest) == n - 3;
}

size_t text_append(char *out, size_t size, size_t used, const char *fmt, ...)
{
	va_list ap;

	if (used + 1 >= size)
		return used;
	va_start(ap, fmt);
	int n = vsnprintf(out + used, size - used, fmt, ap);
	va_end(ap);
	if (n < 0)
		return used;
	return (size_t)n < size - used ? used + (size_t)n : size - 1;
}

bool text_number(const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
	uint64_t x = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		uint64_t d = (uint64_t)(*s - '0');
		if (x > (UINT64_MAX - d) / 10)
			return false;
		x = x * 10 + d;
	}
	if (x < min || x > max)
		return false;
	*v = x;
	return true;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

unsigned text_distance(const char *a, const char *b)
{
	unsigned row[TEXT_DISTANCE_MAX + 1];
	size_t n = strlen(b);

	if (n > TEXT_DISTANCE_MAX)
		return TEXT_DISTANCE_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; *a; a++, i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned up = row[j];
			bool differ = tolower((unsigned char)*a) != tolower((unsigned char)b[j - 1]);
			row[j] = least(up + 1, row[j - 1] + 1, diagonal + differ);
			diagonal = up;
		}
	}
	return row[n];
}
