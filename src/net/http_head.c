#include "net/http_head.h"

#include <string.h>
#include <strings.h>

#include "proto/provision.h"

size_t http_head_end(struct view data, unsigned *status)
{
	size_t line = 0; /* where the current line begins */
	bool request_line = false;

	*status = 0;
	for (size_t i = 0; i < data.len && i < HTTP_HEAD_MAX; i++) {
		if (data.p[i] != '\n')
			continue;
		if (i == line || data.p[i - 1] != '\r') {
			*status = 400;
			return 0;
		}
		bool empty = i - line == 1;
		if (empty && request_line)
			return i + 1;
		if (!empty && !request_line) {
			if (i - line > HTTP_LINE_MAX)
				break;
			request_line = true;
		}
		line = i + 1; /* empty lines before the request line do not count (RFC 9112 2.2) */
	}
	if (!request_line && data.len - line > HTTP_LINE_MAX)
		*status = 414;
	else if (data.len >= HTTP_HEAD_MAX)
		*status = 431;
	return 0;
}

/* --- lines and tokens; a view is eaten from its front --- */

static struct view line_next(struct view *rest)
{
	const uint8_t *end = memmem(rest->p, rest->len, "\r\n", 2);
	struct view line = {rest->p, (size_t)(end - rest->p)};

	rest->p += line.len + 2;
	rest->len -= line.len + 2;
	return line;
}

static bool is_token(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.p[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return v.len > 0;
}

static bool same(struct view v, const char *word)
{
	return v.len == strlen(word) && strncasecmp((const char *)v.p, word, v.len) == 0;
}

/* What stands before the octet c; *rest is what stands behind it. False when there is no c. */
static bool split(struct view v, uint8_t c, struct view *before, struct view *rest)
{
	const uint8_t *at = v.len ? memchr(v.p, c, v.len) : NULL;

	if (!at)
		return false;
	*before = (struct view){v.p, (size_t)(at - v.p)};
	*rest = (struct view){at + 1, v.len - before->len - 1};
	return true;
}

static struct view trim(struct view v)
{
	while (v.len && (v.p[0] == ' ' || v.p[0] == '\t')) {
		v.p++;
		v.len--;
	}
	while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t'))
		v.len--;
	return v;
}

static bool has_item(struct view list, const char *word)
{
	struct view item;

	while (split(list, ',', &item, &list))
		if (same(trim(item), word))
			return true;
	return same(trim(list), word);
}

static bool is_zero(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] != '0')
			return false;
	return v.len > 0;
}

/* --- the request --- */

struct fields {
	unsigned n, n_host;
	bool body, close, keep_alive;
};

static unsigned parse_request_line(struct view line, struct http_head *h, bool *http10)
{
	struct view method, version, rest;

	if (!split(line, ' ', &method, &rest) || !split(rest, ' ', &h->target, &version) || !is_token(method) ||
	    h->target.len == 0)
		return 400;
	for (size_t i = 0; i < h->target.len; i++)
		if (h->target.p[i] <= ' ' || h->target.p[i] >= 0x7f)
			return 400;
	if (version.len != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.')
		return 400;
	if (version.p[5] != '1' || (version.p[7] != '0' && version.p[7] != '1'))
		return 505;
	*http10 = version.p[7] == '0';
	if (method.len == 3 && memcmp(method.p, "GET", 3) == 0)
		h->method = HTTP_GET;
	else if (method.len == 4 && memcmp(method.p, "HEAD", 4) == 0)
		h->method = HTTP_HEAD;
	else
		return 405;
	return 0;
}

static unsigned parse_field(struct view line, struct fields *f)
{
	struct view name, value;

	if (++f->n > HTTP_MAX_FIELDS)
		return 431;
	/* A folded line begins with a blank, which no name does. */
	if (!split(line, ':', &name, &value) || !is_token(name))
		return 400;
	value = trim(value);
	for (size_t i = 0; i < value.len; i++)
		if ((value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return 400;
	if (same(name, "Host")) {
		f->n_host++;
	} else if (same(name, "Connection")) {
		f->close |= has_item(value, "close");
		f->keep_alive |= has_item(value, "keep-alive");
	} else if (same(name, "Transfer-Encoding") || (same(name, "Content-Length") && !is_zero(value))) {
		f->body = true;
	}
	return 0;
}

unsigned http_head_parse(struct view head, struct http_head *h)
{
	struct http_head got = {0};
	struct fields f = {0};
	struct view line;
	bool http10 = false;
	unsigned status;

	do
		line = line_next(&head);
	while (line.len == 0);
	if ((status = parse_request_line(line, &got, &http10)))
		return status;
	while ((line = line_next(&head)).len > 0)
		if ((status = parse_field(line, &f)))
			return status;
	if (f.n_host > 1 || (f.n_host == 0 && !http10) || f.body)
		return 400;
	got.keep_alive = !f.close && (!http10 || f.keep_alive);
	*h = got;
	return 0;
}

/* --- the path --- */

/* "http://host/path" and "https://host/path" are what a proxy would be asked (RFC 9112 3.2.2). */
static bool strip_origin(struct view *t)
{
	size_t n = t->len > 7 && strncasecmp((const char *)t->p, "http://", 7) == 0    ? 7
		   : t->len > 8 && strncasecmp((const char *)t->p, "https://", 8) == 0 ? 8
										      : 0;
	if (n) {
		const uint8_t *slash = memchr(t->p + n, '/', t->len - n);
		if (!slash)
			return false;
		t->len -= (size_t)(slash - t->p);
		t->p = slash;
	}
	return t->len > 0 && t->p[0] == '/';
}

bool http_target_path(struct view t, char *out, size_t size)
{
	size_t len;

	return strip_origin(&t) && provision_decode_url(t, out, size, &len, NULL) == 0;
}

const char *http_reason(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}
