#include <string.h>

#include "base/text.h"
#include "format/confxml_internal.h"

#define URLS_MAX 16
#define FIXED 7                     /* elements besides the URLs */
#define WANTED_MAX (FIXED + URLS_MAX)

const struct confxml_trust confxml_trust_keep = {
	.capf_auth_mode = CONFXML_KEEP,
	.security_mode = CONFXML_KEEP,
	.transport = CONFXML_KEEP,
	.encrypted = CONFXML_KEEP,
};

/* How the file is laid out, so that what is added looks like the rest. */
struct layout {
	struct view newline; /* empty: everything stands in one line */
	struct view indent;  /* of what is directly below <device> */
};

struct editor {
	struct view xml;
	const struct confxml_trust *t;
	struct confxml_map map;
	struct layout layout;
	struct wr out;
};

/* An element that the file is to have. */
struct wanted {
	const char *name;
	void (*write)(struct editor *ed, const struct wanted *w);
	const char *text;
	char number[12];
	bool placed;
};

static struct view part(struct view v, size_t from, size_t to)
{
	struct view got = {0};
	struct rd r;

	rd_init(&r, v.p, v.len);
	if (rd_skip(&r, from) && to >= from)
		rd_view(&r, to - from, &got);
	return got;
}

/* --- writing elements --- */

static void put(struct wr *w, const char *text)
{
	wr_view(w, view_str(text));
}

static void put_line(struct editor *ed, unsigned level)
{
	static const struct view two_blanks = {(const uint8_t *)"  ", 2};

	if (!ed->layout.newline.len)
		return;
	wr_view(&ed->out, ed->layout.newline);
	wr_view(&ed->out, ed->layout.indent);
	while (level--)
		wr_view(&ed->out, ed->layout.indent.len ? ed->layout.indent : two_blanks);
}

static void put_escaped(struct wr *w, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			put(w, "&amp;");
		else if (*text == '<')
			put(w, "&lt;");
		else if (*text == '>')
			put(w, "&gt;");
		else
			wr_u8(w, (uint8_t)*text);
	}
}

static void put_tag(struct editor *ed, const char *before, const char *name)
{
	put(&ed->out, before);
	put(&ed->out, name);
	wr_u8(&ed->out, '>');
}

static void put_leaf(struct editor *ed, const char *name, const char *text)
{
	put_tag(ed, "<", name);
	put_escaped(&ed->out, text);
	put_tag(ed, "</", name);
}

static void put_port(struct editor *ed, const char *name, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	put_leaf(ed, name, text);
}

static void write_text(struct editor *ed, const struct wanted *w)
{
	put_leaf(ed, w->name, w->text ? w->text : w->number);
}

static void write_tvs(struct editor *ed, const struct wanted *w)
{
	char member[48];

	put_tag(ed, "<", w->name);
	put_line(ed, 1);
	put_tag(ed, "<", "members");
	for (size_t i = 0; i < ed->t->n_tvs; i++) {
		snprintf(member, sizeof(member), "member priority=\"%zu\"", i);
		put_line(ed, 2);
		put_tag(ed, "<", member);
		put_line(ed, 3);
		put_port(ed, "port", ed->t->tvs[i].port);
		put_line(ed, 3);
		put_leaf(ed, "address", ed->t->tvs[i].host);
		put_line(ed, 2);
		put_tag(ed, "</", "member");
	}
	put_line(ed, 1);
	put_tag(ed, "</", "members");
	put_line(ed, 0);
	put_tag(ed, "</", w->name);
}

static void write_capf(struct editor *ed, const struct wanted *w)
{
	put_tag(ed, "<", w->name);
	for (size_t i = 0; i < ed->t->n_capf; i++) {
		put_line(ed, 1);
		put_tag(ed, "<", "capf");
		put_line(ed, 2);
		put_port(ed, "phonePort", ed->t->capf[i].port);
		put_line(ed, 2);
		put_leaf(ed, "processNodeName", ed->t->capf[i].host);
		put_line(ed, 1);
		put_tag(ed, "</", "capf");
	}
	put_line(ed, 0);
	put_tag(ed, "</", w->name);
}

/* --- what is wanted --- */

static void want(struct wanted *list, size_t *n, const char *name, const char *text)
{
	list[(*n)++] = (struct wanted){.name = name, .write = write_text, .text = text};
}

static void want_number(struct wanted *list, size_t *n, const char *name, int value)
{
	if (value == CONFXML_KEEP)
		return;
	want(list, n, name, NULL);
	snprintf(list[*n - 1].number, sizeof(list->number), "%d", value);
}

static size_t list_wanted(const struct confxml_trust *t, struct wanted list[WANTED_MAX])
{
	size_t n = 0;

	want_number(list, &n, "deviceSecurityMode", t->security_mode);
	want_number(list, &n, "transportLayerProtocol", t->transport);
	if (t->n_tvs)
		list[n++] = (struct wanted){.name = "TVS", .write = write_tvs};
	want_number(list, &n, "capfAuthMode", t->capf_auth_mode);
	if (t->n_capf)
		list[n++] = (struct wanted){.name = "capfList", .write = write_capf};
	if (t->cert_hash)
		want(list, &n, "certHash", t->cert_hash);
	if (t->encrypted != CONFXML_KEEP)
		want(list, &n, "encrConfig", t->encrypted ? "true" : "false");
	for (size_t i = 0; i < t->n_urls; i++)
		want(list, &n, t->urls[i].element, t->urls[i].url);
	return n;
}

static int check_text(const char *what, const char *text, struct err *e)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_USAGE, "%s has a character that no configuration can hold", what);
	return 0;
}

static int check_wanted(const struct confxml_trust *t, struct err *e)
{
	int rc = 0;

	if (t->n_tvs > CONFXML_SERVERS_MAX || t->n_capf > CONFXML_SERVERS_MAX || t->n_urls > URLS_MAX)
		return err_set(e, ERR_LIMIT, "more servers or URLs than a configuration can name");
	for (size_t i = 0; i < t->n_tvs && !rc; i++)
		rc = check_text("the name of a TVS server", t->tvs[i].host, e);
	for (size_t i = 0; i < t->n_capf && !rc; i++)
		rc = check_text("the name of a CAPF server", t->capf[i].host, e);
	for (size_t i = 0; i < t->n_urls && !rc; i++)
		rc = check_text(t->urls[i].element, t->urls[i].url, e);
	return rc;
}

/* --- editing --- */

/* Character sets in which an octet below 0x80 is always the ASCII character. */
static int check_encoding(struct view xml, const xmlDoc *doc, struct err *e)
{
	const char *name = (const char *)doc->encoding;
	bool known = !name || text_same(name, "utf-8") || text_same(name, "us-ascii") || text_same(name, "ascii") ||
		     strncasecmp(name, "iso-8859-", 9) == 0 || strncasecmp(name, "windows-125", 11) == 0;
	char shown[64];

	if (known && !memchr(xml.p, 0, xml.len)) /* UTF-16 and UTF-32 have NULs */
		return 0;
	text_escape(shown, sizeof(shown), view_str(name ? name : "UTF-16"));
	return err_rule(e, "config-encoding", -1, "its encoding is %s; write it in UTF-8", shown);
}

/* From the first element's line: how lines end and how far they are indented. */
static void find_layout(struct editor *ed)
{
	struct view blank = {0};

	ed->layout = (struct layout){view_str("\n"), view_str("  ")};
	if (!ed->map.n)
		return;
	blank = part(ed->xml, ed->map.children[0].blank, ed->map.children[0].start);
	const uint8_t *newline = blank.len ? memrchr(blank.p, '\n', blank.len) : NULL;
	if (!newline) {
		ed->layout = (struct layout){0};
		return;
	}
	size_t at = (size_t)(newline - blank.p);
	size_t from = at && blank.p[at - 1] == '\r' ? at - 1 : at;
	ed->layout.newline = part(blank, from, at + 1);
	ed->layout.indent = part(blank, at + 1, blank.len);
}

static struct wanted *find_wanted(struct wanted *list, size_t n, struct view name)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq(name, view_str(list[i].name)))
			return &list[i];
	return NULL;
}

/* The elements that are there, each kept, replaced, or left out because it repeats one. Out: up to where xml was copied. */
static size_t edit_children(struct editor *ed, struct wanted *list, size_t n)
{
	size_t copied = 0;

	for (size_t i = 0; i < ed->map.n; i++) {
		const struct confxml_span *child = &ed->map.children[i];
		struct wanted *w = find_wanted(list, n, child->name);

		if (!w)
			continue;
		bool again = w->placed;
		w->placed = true;
		if (ed->t->only_missing)
			continue;
		wr_view(&ed->out, part(ed->xml, copied, again ? child->blank : child->start));
		if (!again)
			w->write(ed, w);
		copied = child->end;
	}
	return copied;
}

static void add_missing(struct editor *ed, const struct wanted *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].placed)
			continue;
		put_line(ed, 0);
		list[i].write(ed, &list[i]);
	}
}

static void edit(struct editor *ed, struct wanted *list, size_t n)
{
	size_t copied = edit_children(ed, list, n);
	size_t behind = ed->map.n ? ed->map.children[ed->map.n - 1].end : ed->map.open_end;

	if (ed->map.empty) { /* <device/> */
		wr_view(&ed->out, part(ed->xml, copied, behind - 2));
		wr_u8(&ed->out, '>');
		add_missing(ed, list, n);
		wr_view(&ed->out, ed->layout.newline);
		put(&ed->out, "</device>");
	} else {
		wr_view(&ed->out, part(ed->xml, copied, behind));
		add_missing(ed, list, n);
		if (!ed->map.n && behind == ed->map.close) /* <device></device> */
			wr_view(&ed->out, ed->layout.newline);
	}
	wr_view(&ed->out, part(ed->xml, behind, ed->xml.len));
}

int confxml_trust(struct view xml, const struct confxml_trust *t, uint8_t **data, size_t *len, struct err *e)
{
	struct editor ed = {.xml = xml, .t = t};
	struct wanted list[WANTED_MAX];
	xmlNode *device;
	xmlDoc *doc;
	int rc = check_wanted(t, e);

	if (!rc)
		rc = confxml_parse(xml, &doc, &device, e);
	if (rc)
		return rc;
	rc = check_encoding(xml, doc, e);
	xmlFreeDoc(doc);
	if (!rc)
		rc = confxml_map(xml, &ed.map, e);
	if (rc)
		return rc;
	wr_init(&ed.out, CONFXML_MAX);
	find_layout(&ed);
	size_t n = list_wanted(t, list);
	if (n)
		edit(&ed, list, n);
	else
		wr_view(&ed.out, xml);
	rc = wr_finish(&ed.out, data, len, e);
	confxml_map_clear(&ed.map);
	return rc;
}
