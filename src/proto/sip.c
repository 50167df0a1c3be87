#include "proto/sip.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char *const action_names[SIP_N_ACTIONS] = {"reset", "restart", "apply-config"};

const char *sip_action_name(enum sip_action a)
{
	return action_names[a];
}

bool sip_action_find(const char *name, enum sip_action *a)
{
	for (int i = 0; i < SIP_N_ACTIONS; i++)
		if (strcmp(action_names[i], name) == 0) {
			*a = (enum sip_action)i;
			return true;
		}
	return false;
}

/* --- views --- */

static bool same(struct view v, const char *word)
{
	return v.len == strlen(word) && strncasecmp((const char *)v.p, word, v.len) == 0;
}

static bool exactly(struct view v, const char *word)
{
	return v.len == strlen(word) && memcmp(v.p, word, v.len) == 0;
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

static bool split(struct view v, uint8_t c, struct view *before, struct view *rest)
{
	const uint8_t *at = v.len ? memchr(v.p, c, v.len) : NULL;

	if (!at)
		return false;
	*before = (struct view){v.p, (size_t)(at - v.p)};
	*rest = (struct view){at + 1, v.len - before->len - 1};
	return true;
}

/* RFC 3261 25.1 */
static bool is_token(struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = v.p[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (!alnum && (c == 0 || !strchr("-.!%*_+`'~", c)))
			return false;
	}
	return v.len > 0;
}

static bool number(struct view v, uint64_t max, uint64_t *n)
{
	char text[24];

	if (!v.len || v.len >= sizeof(text))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	return text_number(text, 0, max, n);
}

/* --- lines --- */

/* The line at *at, without its CR LF; *at moves behind it. ERR_AGAIN: its end is not there. */
static int line_next(struct view data, size_t *at, struct view *line, struct err *e)
{
	const uint8_t *from = data.p + *at;
	size_t left = data.len - *at;
	const uint8_t *lf = left ? memchr(from, '\n', left) : NULL;
	size_t n = lf ? (size_t)(lf - from) : left;

	for (size_t i = 0; i < n; i++)
		if ((from[i] < ' ' && from[i] != '\t' && !(from[i] == '\r' && i + 1 == n)) || from[i] == 0x7f)
			return err_rule(e, "sip-line", (long)(*at + i), "a control character within a line");
	if (!lf)
		return ERR_AGAIN;
	if (n == 0 || from[n - 1] != '\r')
		return err_rule(e, "sip-line", (long)(*at + n), "a line feed without a carriage return");
	*line = (struct view){from, n - 1};
	*at += n + 1;
	return 0;
}

/* "NOTIFY sip:a@b SIP/2.0" or "SIP/2.0 200 OK" */
static int parse_start(struct view line, struct sip_message *m, struct err *e)
{
	struct view first, second, rest;
	uint64_t status;

	if (!split(line, ' ', &first, &rest))
		return err_rule(e, "sip-start", 0, "the first line is neither a request's nor an answer's");
	if (exactly(first, "SIP/2.0")) {
		if (!split(rest, ' ', &second, &m->reason) || second.len != 3 || !number(second, 699, &status) ||
		    status < 100)
			return err_rule(e, "sip-start", 0, "the first line has no status from 100 to 699");
		m->status = (unsigned)status;
		return 0;
	}
	if (!is_token(first) || !split(rest, ' ', &m->uri, &second) || !m->uri.len || !exactly(second, "SIP/2.0"))
		return err_rule(e, "sip-start", 0, "the first line is no request of SIP/2.0");
	m->method = first;
	return 0;
}

struct fields {
	unsigned n;
	bool has_length;
	uint64_t length;
};

/* Names that matter here, with their compact forms (RFC 3261 7.3.3; RFC 6665 8.2.1). */
static struct view *slot(struct sip_message *m, struct view name)
{
	if (same(name, "From") || same(name, "f"))
		return &m->from;
	if (same(name, "To") || same(name, "t"))
		return &m->to;
	if (same(name, "Call-ID") || same(name, "i"))
		return &m->call_id;
	if (same(name, "CSeq"))
		return &m->cseq;
	if (same(name, "Event") || same(name, "o"))
		return &m->event;
	return NULL;
}

static bool is_via(struct view name)
{
	return same(name, "Via") || same(name, "v");
}

static int parse_field(struct view line, long at, struct sip_message *m, struct fields *f, struct err *e)
{
	struct view name, value, *to;

	/* A folded line begins with a blank, which no name does. */
	if (++f->n > SIP_FIELDS_MAX || !split(line, ':', &name, &value) || !is_token(name = trim(name)) ||
	    line.p[0] == ' ' || line.p[0] == '\t')
		return err_rule(e, "sip-field", at, "a header field is malformed, or there are more than %d", SIP_FIELDS_MAX);
	value = trim(value);
	if (is_via(name)) {
		struct view first, rest;
		if (!m->via.p)
			m->via = split(value, ',', &first, &rest) ? trim(first) : value;
		return 0;
	}
	if (same(name, "Content-Length") || same(name, "l")) {
		if (f->has_length)
			return err_rule(e, "sip-twice", at, "Content-Length stands there twice");
		if (!number(value, SIP_MAX, &f->length))
			return err_rule(e, "sip-length", at, "Content-Length is no number up to %d", SIP_MAX);
		f->has_length = true;
		return 0;
	}
	to = slot(m, name);
	if (to && to->p)
		return err_rule(e, "sip-twice", at, "%.*s stands there twice", (int)name.len, (const char *)name.p);
	if (to)
		*to = value;
	return 0;
}

static int check_fields(struct sip_message *m, struct err *e)
{
	struct view first;
	uint64_t n;

	if (!m->via.len || !m->from.len || !m->to.len || !m->call_id.len || !m->cseq.len)
		return err_rule(e, "sip-missing", -1, "Via, From, To, Call-ID or CSeq is missing");
	if (!split(m->cseq, ' ', &first, &m->cseq_method) || !number(first, UINT32_MAX, &n) ||
	    !is_token(m->cseq_method = trim(m->cseq_method)) || (m->method.len && !view_eq(m->method, m->cseq_method)))
		return err_rule(e, "sip-cseq", -1, "CSeq is no number with the method of the request");
	m->sequence = (uint32_t)n;
	return 0;
}

static int take_body(struct view data, size_t head, bool stream, const struct fields *f, struct sip_message *m, size_t *used,
		     struct err *e)
{
	size_t rest = data.len - head;
	uint64_t n = f->has_length ? f->length : rest;

	if (stream && !f->has_length)
		return err_rule(e, "sip-missing", -1, "Content-Length is missing");
	if (head + n > SIP_MAX)
		return err_rule(e, "sip-size", -1, "a message of more than %d octets", SIP_MAX);
	if (stream && n > rest)
		return ERR_AGAIN;
	if (!stream && n != rest)
		return err_rule(e, "sip-length", -1, "Content-Length is not what there is");
	m->body = (struct view){data.p + head, (size_t)n};
	*used = head + (size_t)n;
	return 0;
}

int sip_parse(struct view data, bool stream, struct sip_message *m, size_t *used, struct err *e)
{
	struct view in = {data.p, data.len < SIP_MAX ? data.len : SIP_MAX}, line;
	struct sip_message got = {0};
	struct fields f = {0};
	size_t at = 0, fields, before;
	int rc;

	/* Empty lines before a message keep connections alive (RFC 3261 7.5; RFC 5626 4.4.1). */
	do
		rc = line_next(in, &at, &line, e);
	while (rc == 0 && line.len == 0);
	if (rc == 0)
		rc = parse_start(line, &got, e);
	fields = before = at;
	while (rc == 0 && (rc = line_next(in, &at, &line, e)) == 0 && line.len) {
		rc = parse_field(line, (long)before, &got, &f, e);
		before = at;
	}
	if (rc == ERR_AGAIN && (!stream || data.len >= SIP_MAX))
		return err_rule(e, data.len >= SIP_MAX ? "sip-size" : "sip-line", (long)at, "the head of the message has no end");
	if (rc)
		return rc;
	got.fields = (struct view){in.p + fields, before - fields};
	if ((rc = check_fields(&got, e)) || (rc = take_body(data, at, stream, &f, &got, used, e)))
		return rc;
	*m = got;
	return 0;
}

/* --- what is in a message --- */

struct view sip_branch(struct view via)
{
	struct view part, rest = via, name, value;
	bool more = split(rest, ';', &part, &rest);

	while (more) {
		more = split(rest, ';', &part, &rest);
		if (!more)
			part = rest;
		if (split(part, '=', &name, &value) && same(trim(name), "branch"))
			return trim(value);
	}
	return (struct view){0};
}

bool sip_uri_user(struct view uri, char *out, size_t size)
{
	struct view scheme, rest, user, host;

	if (!split(uri, ':', &scheme, &rest) || (!same(scheme, "sip") && !same(scheme, "sips")) ||
	    !split(rest, '@', &user, &host) || user.len >= size || (user.len && memchr(user.p, '\0', user.len)))
		return false;
	memcpy(out, user.p, user.len);
	out[user.len] = '\0';
	return text_is_device_name(out);
}

int sip_action_read(struct view body, enum sip_action *a, struct err *e)
{
	struct view line, rest = body, name, value;
	int found = -1;
	bool more = true;

	while (more) {
		more = split(rest, '\n', &line, &rest);
		if (!more)
			line = rest;
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (!split(line, '=', &name, &value) || !exactly(name, "action"))
			continue;
		if (found >= 0)
			return err_rule(e, "sip-action", -1, "two actions in one service-control");
		for (int i = 0; i < SIP_N_ACTIONS; i++)
			if (exactly(value, action_names[i]))
				found = i;
		if (found < 0)
			return err_rule(e, "sip-action", -1, "service-control asks for an action that is not known");
	}
	if (found < 0)
		return err_rule(e, "sip-action", -1, "service-control asks for no action");
	*a = (enum sip_action)found;
	return 0;
}

/* --- writing --- */

void sip_notify_write(struct wr *w, const struct sip_notify *n)
{
	const char *transport = n->tcp ? "tcp" : "udp";
	char body[64], text[2048];
	int len = snprintf(body, sizeof(body), "action=%s\r\n", sip_action_name(n->action));

	snprintf(text, sizeof(text),
		 "NOTIFY sip:%s@%s;transport=%s SIP/2.0\r\n"
		 "Via: SIP/2.0/%s %s;branch=z9hG4bK%s;rport\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: <sip:ringfence@%s>;tag=%s\r\n"
		 "To: <sip:%s@%s>\r\n"
		 "Call-ID: %s\r\n"
		 "CSeq: 1 NOTIFY\r\n"
		 "Contact: <sip:ringfence@%s;transport=%s>\r\n"
		 "Event: service-control\r\n"
		 "Subscription-State: active\r\n"
		 "Content-Type: text/plain\r\n"
		 "Content-Length: %d\r\n\r\n%s",
		 n->device, n->host, transport, n->tcp ? "TCP" : "UDP", n->self, n->branch, n->self, n->tag, n->device, n->host,
		 n->call_id, n->self, transport, len, body);
	wr_view(w, view_str(text));
}

static void put_field(struct wr *w, const char *name, struct view value)
{
	wr_view(w, view_str(name));
	wr_view(w, value);
	wr_view(w, view_str("\r\n"));
}

void sip_answer_write(struct wr *w, const struct sip_message *request, unsigned status, const char *reason, const char *tag)
{
	struct view line, name, value;
	char text[128];
	size_t at = 0;

	snprintf(text, sizeof(text), "SIP/2.0 %u %s\r\n", status, reason);
	wr_view(w, view_str(text));
	/* All of them, in their order: the way back. */
	while (at < request->fields.len && line_next(request->fields, &at, &line, NULL) == 0)
		if (split(line, ':', &name, &value) && is_via(trim(name)))
			put_field(w, "Via: ", trim(value));
	put_field(w, "From: ", request->from);
	wr_view(w, view_str("To: "));
	wr_view(w, request->to);
	if (!memmem(request->to.p, request->to.len, ";tag=", 5)) {
		wr_view(w, view_str(";tag="));
		wr_view(w, view_str(tag));
	}
	put_field(w, "\r\nCall-ID: ", request->call_id);
	put_field(w, "CSeq: ", request->cseq);
	wr_view(w, view_str("Content-Length: 0\r\n\r\n"));
}
