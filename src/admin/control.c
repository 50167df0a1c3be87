#include "admin/control.h"

#include <string.h>

static bool type_known(uint8_t t)
{
	return (t >= CONTROL_REQUEST && t <= CONTROL_UPLOAD_END) || (t >= CONTROL_OUTPUT && t <= CONTROL_DONE);
}

int control_next(struct view in, struct control_frame *f, size_t *used, struct err *e)
{
	struct rd r;
	uint8_t type;
	uint32_t len;
	struct view body;

	rd_init(&r, in.p, in.len);
	if (!rd_u8(&r, &type))
		return ERR_AGAIN;
	if (!type_known(type))
		return err_rule(e, "control-type", 0, "control message of unknown type %u", type);
	if (!rd_u32(&r, &len))
		return ERR_AGAIN;
	if (len > CONTROL_BODY_MAX)
		return err_rule(e, "control-length", 1, "control message of %u octets; %d is the limit", len,
				CONTROL_BODY_MAX);
	if (!rd_view(&r, len, &body))
		return ERR_AGAIN;
	*f = (struct control_frame){type, body};
	*used = CONTROL_HEADER + len;
	return 0;
}

/* A header for len octets that the caller writes next. */
static bool put_header(struct wr *w, enum control_type type, size_t len)
{
	if (len > CONTROL_BODY_MAX) {
		if (!w->failed)
			w->failed = ERR_LIMIT;
		return false;
	}
	return wr_u8(w, (uint8_t)type) && wr_u32(w, (uint32_t)len);
}

bool control_put(struct wr *w, enum control_type type, struct view body)
{
	return put_header(w, type, body.len) && wr_view(w, body);
}

/* Where to cut text so that a piece is no longer than CONTROL_CHUNK and does not end within a UTF-8 character. */
static size_t piece(struct view text)
{
	size_t n = CONTROL_CHUNK;

	if (text.len <= n)
		return text.len;
	while (n > CONTROL_CHUNK - 4 && (text.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

bool control_put_text(struct wr *w, enum control_type type, struct view text)
{
	while (text.len) {
		size_t n = piece(text);
		if (!control_put(w, type, (struct view){text.p, n}))
			return false;
		text = (struct view){text.p + n, text.len - n};
	}
	return true;
}

bool control_put_prompt(struct wr *w, enum control_prompt kind, const char *text)
{
	struct view v = view_str(text);

	return put_header(w, CONTROL_PROMPT, 1 + v.len) && wr_u8(w, (uint8_t)kind) && wr_view(w, v);
}

bool control_put_file(struct wr *w, uint64_t size, const char *name)
{
	struct view v = view_str(name);

	return put_header(w, CONTROL_FILE, 8 + v.len) && wr_u64(w, size) && wr_view(w, v);
}

bool control_put_done(struct wr *w, uint8_t status)
{
	return put_header(w, CONTROL_DONE, 1) && wr_u8(w, status);
}

int control_put_request(struct wr *w, const struct control_request *r, struct err *e)
{
	size_t len = 6; /* version, flags, columns, n_words */

	if (r->n_words == 0 || r->n_words > CONTROL_WORDS_MAX)
		return err_set(e, ERR_LIMIT, "a command has 1 to %d words, this one %zu", CONTROL_WORDS_MAX, r->n_words);
	for (size_t i = 0; i < r->n_words; i++)
		len += 3 + r->words[i].len;
	if (len > CONTROL_BODY_MAX)
		return err_set(e, ERR_LIMIT, "the command is longer than %d octets", CONTROL_BODY_MAX);
	put_header(w, CONTROL_REQUEST, len);
	wr_u8(w, CONTROL_VERSION);
	wr_u8(w, r->flags);
	wr_u16(w, r->columns);
	wr_u16(w, (uint16_t)r->n_words);
	for (size_t i = 0; i < r->n_words; i++) {
		wr_u8(w, r->quoted[i]);
		wr_open16(w);
		wr_view(w, r->words[i]);
		wr_close(w);
	}
	return w->failed ? err_set(e, w->failed, "the command could not be written") : 0;
}

static int text_check(struct view text, struct err *e)
{
	const uint8_t *nul = text.len ? memchr(text.p, 0, text.len) : NULL;

	return nul ? err_rule(e, "control-text", nul - text.p, "control message with a NUL in its text") : 0;
}

static int body_bad(const struct rd *r, const char *what, struct err *e)
{
	return err_rule(e, "control-body", (long)rd_offset(r), "control message %s of a wrong length", what);
}

int control_get_request(struct view body, struct control_request *out, struct err *e)
{
	struct control_request q = {0};
	struct rd r;
	uint8_t version;
	uint16_t n;

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &version))
		return body_bad(&r, "REQUEST", e);
	if (version != CONTROL_VERSION)
		return err_rule(e, "control-version", 0,
				"`ringfence admin` speaks version %u of the control protocol and the node version %d: "
				"they are of different releases",
				version, CONTROL_VERSION);
	if (!rd_u8(&r, &q.flags) || !rd_u16(&r, &q.columns) || !rd_u16(&r, &n))
		return body_bad(&r, "REQUEST", e);
	if (n == 0 || n > CONTROL_WORDS_MAX)
		return err_rule(e, "control-words", 4, "a request of %u words", n);
	for (q.n_words = 0; q.n_words < n; q.n_words++) {
		uint8_t quoted;
		if (!rd_u8(&r, &quoted) || quoted > 1 || !rd_view16(&r, &q.words[q.n_words]))
			return body_bad(&r, "REQUEST", e);
		q.quoted[q.n_words] = quoted;
		if (text_check(q.words[q.n_words], e) < 0)
			return ERR_PROTO;
	}
	if (!rd_done(&r))
		return body_bad(&r, "REQUEST", e);
	*out = q;
	return 0;
}

int control_get_text(struct view body, struct view *text, struct err *e)
{
	int rc = text_check(body, e);

	if (rc < 0)
		return rc;
	*text = body;
	return 0;
}

int control_get_prompt(struct view body, enum control_prompt *kind, struct view *text, struct err *e)
{
	struct rd r;
	uint8_t k;

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &k) || k > CONTROL_PROMPT_FILE)
		return body_bad(&r, "PROMPT", e);
	struct view t = rd_rest(&r);
	int rc = text_check(t, e);
	if (rc < 0)
		return rc;
	*kind = k;
	*text = t;
	return 0;
}

/* One name within a folder: the client makes a file of it. */
static bool name_ok(struct view name)
{
	if (name.len == 0 || name.len > 255 || view_eq(name, view_str(".")) || view_eq(name, view_str("..")))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] < ' ' || name.p[i] == 0x7f || name.p[i] == '/')
			return false;
	return true;
}

int control_get_file(struct view body, uint64_t *size, struct view *name, struct err *e)
{
	struct rd r;
	uint64_t n;

	rd_init(&r, body.p, body.len);
	if (!rd_u64(&r, &n))
		return body_bad(&r, "FILE", e);
	struct view v = rd_rest(&r);
	if (!name_ok(v))
		return err_rule(e, "control-name", 8, "the node sent a file name that is no name");
	*size = n;
	*name = v;
	return 0;
}

int control_get_done(struct view body, uint8_t *status, struct err *e)
{
	struct rd r;
	uint8_t s;

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &s) || !rd_done(&r))
		return body_bad(&r, "DONE", e);
	*status = s;
	return 0;
}
