#include "format/confxml.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "base/text.h"
#include "format/confxml_internal.h"

/* A document type could declare entities; no phone needs one, so nothing behind it is read. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	xmlParserCtxt *parser = ctx;

	(void)name;
	(void)external;
	(void)system;
	*(bool *)parser->_private = true;
	xmlStopParser(parser);
}

static int parse(xmlParserCtxt *parser, xmlDoc **doc, struct err *e)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	bool doctype = false;

	parser->_private = &doctype;
	parser->sax->internalSubset = on_doctype;
	xmlCtxtUseOptions(parser, options);
	xmlParseDocument(parser);
	*doc = parser->myDoc;
	parser->myDoc = NULL;
	if (doctype)
		return err_rule(e, "config-doctype", -1, "it has a document type, which no phone needs");
	if (parser->wellFormed && *doc)
		return 0;
	const xmlError *why = xmlCtxtGetLastError(parser);
	char text[200] = "unknown cause";
	if (why && why->message)
		text_escape(text, sizeof(text), (struct view){(const uint8_t *)why->message, strcspn(why->message, "\n")});
	return err_rule(e, "config-xml", -1, "line %d: %s", why ? why->line : 0, text);
}

static int check_depth(const xmlNode *n, struct err *e)
{
	unsigned depth = 1;

	for (;;) {
		if (n->type == XML_ELEMENT_NODE && n->children) {
			n = n->children;
			if (++depth > CONFXML_DEPTH)
				return err_rule(e, "config-depth", -1, "more than %d elements are in one another", CONFXML_DEPTH);
			continue;
		}
		while (!n->next) {
			if (--depth == 0)
				return 0;
			n = n->parent;
		}
		n = n->next;
	}
}

static int check_root(const xmlDoc *doc, xmlNode **device, struct err *e)
{
	xmlNode *root = xmlDocGetRootElement(doc);

	if (!root || strcmp((const char *)root->name, "device") != 0 || (root->ns && root->ns->prefix))
		return err_rule(e, "config-root", -1, "its outermost element is not <device>");
	*device = root;
	return root->children ? check_depth(root, e) : 0;
}

int confxml_parse(struct view xml, xmlDoc **doc, xmlNode **device, struct err *e)
{
	xmlDoc *got = NULL;

	if (xml.len > CONFXML_MAX)
		return err_set(e, ERR_LIMIT, "the configuration has %zu octets, phones take %d", xml.len, CONFXML_MAX);
	if (!xml.len)
		return err_rule(e, "config-xml", 0, "the file is empty");
	xmlParserCtxt *parser = xmlCreateMemoryParserCtxt((const char *)xml.p, (int)xml.len);
	if (!parser)
		return err_set(e, ERR_NOMEM, "out of memory for the parser of configurations");
	int rc = parse(parser, &got, e);
	xmlFreeParserCtxt(parser);
	if (!rc)
		rc = check_root(got, device, e);
	if (rc) {
		xmlFreeDoc(got);
		return rc;
	}
	*doc = got;
	return 0;
}

int confxml_check(struct view xml, struct err *e)
{
	xmlNode *device;
	xmlDoc *doc;
	int rc = confxml_parse(xml, &doc, &device, e);

	if (!rc)
		xmlFreeDoc(doc);
	return rc;
}

/* --- the short file --- */

static bool is_copied(const xmlNode *n)
{
	static const char *const names[] = {"ipAddressMode", "loadInformation", "capfAuthMode", "capfList"};

	for (size_t i = 0; n->type == XML_ELEMENT_NODE && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp((const char *)n->name, names[i]) == 0)
			return true;
	return false;
}

/* Blanks between elements go: the short file has an indentation of its own. */
static void drop_blanks(xmlNode *n)
{
	bool elements = false;

	for (xmlNode *i = n->children; i; i = i->next)
		elements |= i->type == XML_ELEMENT_NODE;
	for (xmlNode *i = n->children, *next; i; i = next) {
		next = i->next;
		if (elements && xmlIsBlankNode(i)) {
			xmlUnlinkNode(i);
			xmlFreeNode(i);
		} else if (i->type == XML_ELEMENT_NODE) {
			drop_blanks(i);
		}
	}
}

static bool copy_into(xmlDoc *doc, xmlNode *to, xmlNode *from)
{
	xmlNode *copy = xmlDocCopyNode(from, doc, 1);

	if (!copy)
		return false;
	drop_blanks(copy);
	if (xmlAddChild(to, copy))
		return true;
	xmlFreeNode(copy);
	return false;
}

static bool add_text(xmlNode *to, const char *name, const char *value)
{
	return xmlNewTextChild(to, NULL, (const xmlChar *)name, (const xmlChar *)value) != NULL;
}

static bool fill_stub(xmlDoc *doc, xmlNode *full, const char *cert_hash)
{
	xmlNode *device = xmlNewDocNode(doc, NULL, (const xmlChar *)"device", NULL);

	if (!device)
		return false;
	xmlDocSetRootElement(doc, device);
	if (!add_text(device, "fullConfig", "false"))
		return false;
	for (xmlNode *n = full->children; n; n = n->next)
		if (is_copied(n) && !copy_into(doc, device, n))
			return false;
	return !cert_hash || (add_text(device, "certHash", cert_hash) && add_text(device, "encrConfig", "true"));
}

static int write_doc(xmlDoc *doc, uint8_t **data, size_t *len, struct err *e)
{
	xmlChar *text = NULL;
	struct wr w;
	int n = 0;

	xmlDocDumpFormatMemoryEnc(doc, &text, &n, "UTF-8", 1);
	if (!text)
		return err_set(e, ERR_NOMEM, "out of memory for a configuration");
	wr_init(&w, CONFXML_MAX);
	wr_bytes(&w, text, (size_t)n);
	xmlFree(text);
	return wr_finish(&w, data, len, e);
}

int confxml_stub(struct view xml, const char *cert_hash, uint8_t **data, size_t *len, struct err *e)
{
	xmlDoc *full = NULL, *doc;
	xmlNode *device;
	int rc = confxml_parse(xml, &full, &device, e);

	if (rc)
		return rc;
	doc = xmlNewDoc((const xmlChar *)"1.0");
	if (!doc || !fill_stub(doc, device, cert_hash))
		rc = err_set(e, ERR_NOMEM, "out of memory for a configuration");
	if (!rc)
		rc = write_doc(doc, data, len, e);
	xmlFreeDoc(doc);
	xmlFreeDoc(full);
	return rc;
}

int confxml_cert_hash(const struct cert *c, char out[CONFXML_CERT_HASH_SIZE], struct err *e)
{
	uint8_t hash[DIGEST_MAX];
	int rc = digest_one(DIGEST_MD5, cert_der(c), hash, e);

	if (!rc)
		text_hex(out, CONFXML_CERT_HASH_SIZE, (struct view){hash, digest_len(DIGEST_MD5)}, '\0', false);
	return rc;
}
