#pragma once

#include "phone/phone.h"
#include "proto/capf.h"

/*
 * What of a SEP<MAC>.cnf.xml concerns trust. Read without network, entities and document types: the file may come from
 * anybody. Source: formats-and-protocols.md 9.
 */
#define PHONE_URL_MAX 256 /* octets of a URL with its NUL: 255 are allowed */
#define PHONE_CAPF_MAX 5  /* servers in a capfList */

/* capfAuthMode: how the phone shows CAPF who it is. */
enum phone_capf_mode {
	PHONE_CAPF_NONE = 0,   /* also: not given */
	PHONE_CAPF_STRING = 1, /* authentication string, typed on the phone */
	PHONE_CAPF_NULL = 2,   /* empty string */
	PHONE_CAPF_LSC = 3,    /* LSC, else MIC */
	PHONE_CAPF_MIC = 4,
};

struct phone_capf {
	char host[PHONE_HOST_MAX];
	uint16_t port;
};

struct phone_config {
	struct phone_tvs tvs[PHONE_TVS_MAX]; /* by priority, lowest first */
	size_t n_tvs;
	char directory_url[PHONE_URL_MAX];   /* the secure one when there is one; "" */
	bool full;                           /* false: a stub, the rest is in the encrypted file */
	bool encrypted;                      /* the full configuration is in .cnf.xml.enc.sgn */
	unsigned security_mode;              /* 1 non-secure, 2 authenticated, 3 encrypted; 0 not given */
	enum phone_capf_mode capf_mode;
	struct phone_capf capf[PHONE_CAPF_MAX]; /* in their order */
	size_t n_capf;
	char cert_hash[PHONE_CERT_HASH_LEN + 1]; /* of the certificate that the server believes the phone has; "" not given */
};

/*
 * phone_config_parse: elements that are not known, repeated or out of range are left out, as phones do.
 * Errors: ERR_PROTO "config-xml" not well-formed, "config-doctype" a document type, "config-root" no <device> element;
 *         ERR_NOMEM.
 */
int phone_config_parse(struct view xml, struct phone_config *c, struct err *e) MUST_CHECK;

/* A URL that is fetched: https://host[:port][/path], or http. */
struct phone_url {
	bool tls;
	char host[PHONE_HOST_MAX];
	uint16_t port;
	char path[PHONE_URL_MAX];
};

/* phone_url_read: take an http or https URL apart; false for anything else, and for user names, blanks and control
 * characters in it. */
bool phone_url_read(const char *url, struct phone_url *out);
