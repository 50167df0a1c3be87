#include "phone/config.h"

#include <libxml/parser.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const xmlNode *child(const xmlNode *parent, const char *name)
{
	for (const xmlNode *n = parent ? parent->children : NULL; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name))
			return n;
	return NULL;
}

/* Text of an element without blanks around it; false when it is empty, too long, or has elements inside. */
static bool text_of(const xmlNode *n, char *out, size_t size)
{
	const char *s = n && n->children && n->children->type == XML_TEXT_NODE && !n->children->next
				? (const char *)n->children->content
				: "";
	size_t len;

	s += strspn(s, " \t\r\n");
	len = strlen(s);
	while (len && strchr(" \t\r\n", s[len - 1]))
		len--;
	if (!len || len >= size)
		return false;
	memcpy(out, s, len);
	out[len] = '\0';
	return true;
}

static bool number_of(const xmlNode *n, uint64_t min, uint64_t max, uint64_t *v)
{
	char text[16];

	return text_of(n, text, sizeof text) && text_number(text, min, max, v);
}

static bool flag_of(const xmlNode *n, bool otherwise)
{
	char text[8];

	if (!text_of(n, text, sizeof text))
		return otherwise;
	return text_same(text, "true") || !strcmp(text, "1");
}

/* One <member priority="N"> of <TVS><members>. */
struct member {
	struct phone_tvs server;
	uint64_t priority;
};

static bool member_of(const xmlNode *n, struct member *m)
{
	const xmlAttr *a = n->properties;
	uint64_t port = TVS_PORT;

	*m = (struct member){.priority = PHONE_TVS_MAX};
	for (; a; a = a->next)
		if (!strcmp((const char *)a->name, "priority") && a->children)
			text_number((const char *)a->children->content, 0, PHONE_TVS_MAX - 1, &m->priority);
	number_of(child(n, "port"), 1, UINT16_MAX, &port);
	m->server.port = (uint16_t)port;
	return text_of(child(n, "address"), m->server.host, sizeof m->server.host) && !strpbrk(m->server.host, " \t\r\n");
}

static void tvs_of(const xmlNode *device, struct phone_config *c)
{
	const xmlNode *members = child(child(device, "TVS"), "members");
	struct member sorted[PHONE_TVS_MAX], m;

	for (const xmlNode *n = members ? members->children : NULL; n && c->n_tvs < PHONE_TVS_MAX; n = n->next) {
		size_t at = c->n_tvs;

		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "member") || !member_of(n, &m))
			continue;
		for (; at && sorted[at - 1].priority > m.priority; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = m;
		c->n_tvs++;
	}
	for (size_t i = 0; i < c->n_tvs; i++)
		c->tvs[i] = sorted[i].server;
}

static void capf_of(const xmlNode *device, struct phone_config *c)
{
	const xmlNode *list = child(device, "capfList");
	uint64_t mode = PHONE_CAPF_NONE;

	number_of(child(device, "capfAuthMode"), PHONE_CAPF_NONE, PHONE_CAPF_MIC, &mode);
	c->capf_mode = (enum phone_capf_mode)mode;
	for (const xmlNode *n = list ? list->children : NULL; n && c->n_capf < PHONE_CAPF_MAX; n = n->next) {
		struct phone_capf *s = &c->capf[c->n_capf];
		uint64_t port = CAPF_PORT;

		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "capf") ||
		    !text_of(child(n, "processNodeName"), s->host, sizeof s->host) || strpbrk(s->host, " \t\r\n"))
			continue;
		number_of(child(n, "phonePort"), 1, UINT16_MAX, &port);
		s->port = (uint16_t)port;
		c->n_capf++;
	}
}

/* 32 hex digits; anything else is as if it was not there. */
static void cert_hash_of(const xmlNode *device, char out[PHONE_CERT_HASH_LEN + 1])
{
	char text[PHONE_CERT_HASH_LEN + 1];
	uint8_t sum[PHONE_CERT_HASH_LEN / 2];
	size_t len;

	if (text_of(child(device, "certHash"), text, sizeof text) && strlen(text) == PHONE_CERT_HASH_LEN &&
	    text_unhex(text, sum, sizeof sum, &len) && len == sizeof sum)
		text_hex(out, PHONE_CERT_HASH_LEN + 1, (struct view){sum, len}, '\0', false);
}

static void device_of(const xmlNode *device, struct phone_config *c)
{
	uint64_t mode = 0;

	c->full = flag_of(child(device, "fullConfig"), true);
	c->encrypted = flag_of(child(device, "encrConfig"), false);
	number_of(child(device, "deviceSecurityMode"), 1, 3, &mode);
	c->security_mode = (unsigned)mode;
	if (!text_of(child(device, "secureDirectoryURL"), c->directory_url, sizeof c->directory_url) &&
	    !text_of(child(device, "directoryURL"), c->directory_url, sizeof c->directory_url))
		c->directory_url[0] = '\0';
	tvs_of(device, c);
	capf_of(device, c);
	cert_hash_of(device, c->cert_hash);
}

int phone_config_parse(struct view xml, struct phone_config *c, struct err *e)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
	const xmlNode *root;
	xmlDoc *doc;
	int rc = 0;

	if (!xml.len || xml.len > INT_MAX)
		return err_rule(e, "config-xml", 0, "the configuration is empty");
	doc = xmlReadMemory((const char *)xml.p, (int)xml.len, "configuration", NULL, options);
	if (!doc)
		return err_rule(e, "config-xml", -1, "the configuration is not well-formed XML");
	root = xmlDocGetRootElement(doc);
	if (doc->intSubset || doc->extSubset) {
		rc = err_rule(e, "config-doctype", -1, "the configuration has a document type, which no phone needs");
	} else if (!root || strcmp((const char *)root->name, "device")) {
		/* XMLDefault.cnf.xml, for phones nobody knows, has a root of its own */
		if (root && !strcmp((const char *)root->name, "Default"))
			*c = (struct phone_config){.full = true};
		else
			rc = err_rule(e, "config-root", -1, "the configuration has no <device> element");
	} else {
		*c = (struct phone_config){0};
		device_of(root, c);
	}
	xmlFreeDoc(doc);
	return rc;
}

/* The host part, in brackets when it is an IPv6 address; *s moves behind it. */
static bool host_of(const char **s, char out[PHONE_HOST_MAX])
{
	bool bracket = **s == '[';
	const char *from = *s + bracket;
	size_t len = strcspn(from, bracket ? "]" : ":/?#@");

	if (!len || len >= PHONE_HOST_MAX || (bracket && from[len] != ']'))
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	*s = from + len + bracket;
	return true;
}

/* "http://" or "https://"; *s moves behind it. */
static bool scheme_of(const char **s, struct phone_url *u)
{
	u->tls = !strncasecmp(*s, "https://", strlen("https://"));
	u->port = u->tls ? 443 : 80;
	if (!u->tls && strncasecmp(*s, "http://", strlen("http://")))
		return false;
	*s += strlen(u->tls ? "https://" : "http://");
	return true;
}

bool phone_url_read(const char *url, struct phone_url *out)
{
	struct phone_url u = {0};
	const char *s = url;
	char port[8];
	uint64_t n;
	size_t len;

	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	if (!scheme_of(&s, &u) || !host_of(&s, u.host))
		return false;
	if (*s == ':') {
		len = strcspn(++s, "/?#");
		if (len >= sizeof port)
			return false;
		memcpy(port, s, len);
		port[len] = '\0';
		if (!text_number(port, 1, UINT16_MAX, &n))
			return false;
		u.port = (uint16_t)n;
		s += len;
	}
	if ((*s && !strchr("/?#", *s)) || strlen(s) >= sizeof u.path - 1)
		return false;
	snprintf(u.path, sizeof u.path, "%s%.*s", *s == '/' ? "" : "/", (int)strcspn(s, "#"), s);
	*out = u;
	return true;
}
