#include <stdlib.h>
#include <string.h>

#include "format/confxml_internal.h"

/*
 * Where the elements below <device> begin and end. The file is known to be well-formed, of an encoding in which an octet
 * below 0x80 is what it is in ASCII, and without a document type, so few forms are left to tell apart:
 *     <!-- -->   <![CDATA[ ]]>   <? ?>   </name>   <name ...>   <name .../>
 * A "<" is nowhere else, and a ">" within quotes only in tags.
 */

/* Move behind the next occurrence of what. */
static bool skip_past(struct rd *r, const char *what)
{
	size_t n = strlen(what);
	const uint8_t *at = r->left >= n ? memmem(r->p, r->left, what, n) : NULL;

	return at && rd_skip(r, (size_t)(at - r->p) + n);
}

static bool begins(const struct rd *r, const char *what)
{
	size_t n = strlen(what);

	return r->left >= n && memcmp(r->p, what, n) == 0;
}

/* From behind "<name" to behind the ">" that ends the tag. */
static bool skip_attributes(struct rd *r, bool *empty)
{
	uint8_t c, quote = 0, before = 0;

	while (rd_u8(r, &c)) {
		if (quote) {
			quote = c == quote ? 0 : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '>') {
			*empty = before == '/';
			return true;
		}
		before = c;
	}
	return false;
}

static bool ends_name(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/' || c == '>';
}

static struct view read_name(struct rd *r)
{
	struct view name = {r->p, 0};
	uint8_t c;

	while (rd_peek_u8(r, &c) && !ends_name(c) && rd_skip(r, 1))
		name.len++;
	return name;
}

static int add_child(struct confxml_map *m, size_t start, size_t blank, struct view name, struct err *e)
{
	if (m->n == CONFXML_CHILDREN)
		return err_set(e, ERR_LIMIT, "<device> has more than %d elements", CONFXML_CHILDREN);
	m->children[m->n++] = (struct confxml_span){.start = start, .blank = blank, .name = name};
	return 0;
}

/* What is being walked through. */
struct walk {
	struct rd r;
	unsigned depth;
	size_t blank;  /* where the blanks before the reader begin */
	bool ended;    /* behind </device> */
};

static void end_element(struct walk *w, struct confxml_map *m, size_t tag)
{
	w->depth--;
	if (w->depth == 1) {
		m->children[m->n - 1].end = rd_offset(&w->r);
	} else if (w->depth == 0) {
		m->close = tag;
		w->ended = true;
	}
}

/* The reader stands at a "<". */
static int walk_markup(struct walk *w, struct confxml_map *m, struct err *e)
{
	size_t tag = rd_offset(&w->r);
	bool empty = false, ok;

	if (begins(&w->r, "<!--")) {
		ok = rd_skip(&w->r, 4) && skip_past(&w->r, "-->");
	} else if (begins(&w->r, "<![CDATA[")) {
		ok = skip_past(&w->r, "]]>");
	} else if (begins(&w->r, "<?")) {
		ok = skip_past(&w->r, "?>");
	} else if (begins(&w->r, "</")) {
		ok = w->depth > 0 && skip_past(&w->r, ">");
		if (ok)
			end_element(w, m, tag);
	} else {
		rd_skip(&w->r, 1);
		struct view name = read_name(&w->r);
		int rc = w->depth == 1 ? add_child(m, tag, w->blank, name, e) : 0;
		if (rc)
			return rc;
		ok = skip_attributes(&w->r, &empty);
		if (ok && w->depth++ == 0) {
			m->open_end = rd_offset(&w->r);
			m->empty = empty;
		}
		if (ok && empty)
			end_element(w, m, m->open_end);
	}
	return ok ? 0 : err_rule(e, "config-xml", (long)tag, "a tag does not end");
}

int confxml_map(struct view xml, struct confxml_map *m, struct err *e)
{
	struct walk w = {0};
	uint8_t c;
	int rc = 0;

	*m = (struct confxml_map){.children = calloc(CONFXML_CHILDREN, sizeof(*m->children))};
	if (!m->children)
		return err_set(e, ERR_NOMEM, "out of memory");
	rd_init(&w.r, xml.p, xml.len);
	while (!rc && !w.ended && rd_peek_u8(&w.r, &c)) {
		if (c == '<') {
			rc = walk_markup(&w, m, e);
			w.blank = rd_offset(&w.r);
			continue;
		}
		rd_skip(&w.r, 1);
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			w.blank = rd_offset(&w.r);
	}
	if (!rc && !w.ended)
		rc = err_rule(e, "config-xml", (long)xml.len, "<device> does not end");
	if (rc)
		confxml_map_clear(m);
	return rc;
}

void confxml_map_clear(struct confxml_map *m)
{
	free(m->children);
	*m = (struct confxml_map){0};
}
