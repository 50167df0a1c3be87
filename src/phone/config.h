#pragma once

#include "phone/phone.h"

/*
 * What of a SEP<MAC>.cnf.xml concerns trust. Read without network, entities and document types: the file may come from
 * anybody. Source: formats-and-protocols.md 9.
 */
#define PHONE_URL_MAX 256 /* octets of a URL with its NUL: 255 are allowed */

struct phone_config {
	struct phone_tvs tvs[PHONE_TVS_MAX]; /* by priority, lowest first */
	size_t n_tvs;
	char directory_url[PHONE_URL_MAX];   /* the secure one when there is one; "" */
	bool full;                           /* false: a stub, the rest is in the encrypted file */
	bool encrypted;                      /* the full configuration is in .cnf.xml.enc.sgn */
	unsigned security_mode;              /* 1 non-secure, 2 authenticated, 3 encrypted; 0 not given */
};

/*
 * phone_config_parse: elements that are not known, repeated or out of range are left out, as phones do.
 * Errors: ERR_PROTO "config-xml" not well-formed, "config-doctype" a document type, "config-root" no <device> element;
 *         ERR_NOMEM.
 */
int phone_config_parse(struct view xml, struct phone_config *c, struct err *e) MUST_CHECK;

/* A URL that is fetched: https://host[:port][/path]. */
struct phone_url {
	char host[PHONE_HOST_MAX];
	uint16_t port;
	char path[PHONE_URL_MAX];
};

/* phone_url_https: take an https URL apart; false for anything else, and for user names in it. */
bool phone_url_https(const char *url, struct phone_url *out);
