#pragma once

#include "base/bytes.h"
#include "format/enc.h"

/*
 * Configurations of phones as XML: what Ringfence writes into an operator's SEP<MAC>.cnf.xml, and the short file that it
 * makes of one. libxml2 decides what is well-formed, without network, document type, entities of its own or unlimited
 * sizes; edits are made in the octets of the file, so that whatever is not replaced stays as it was: comments, order,
 * blanks, encoding. Source: formats-and-protocols.md 5.4, 9.
 */
#define CONFXML_MAX ENC_PLAIN_MAX /* octets of a file that is read or made */
#define CONFXML_DEPTH 64          /* elements in one another; configurations have six */

/*
 * Errors of what follows: ERR_PROTO with rule "config-xml" not well-formed; "config-doctype"; "config-depth"; "config-root"
 * it is no <device>; "config-encoding" neither UTF-8 nor ASCII nor a single-octet ISO-8859 or Windows set (only edits ask);
 * ERR_LIMIT larger than CONFXML_MAX; ERR_NOMEM.
 */
int confxml_check(struct view xml, struct err *e) MUST_CHECK;

struct confxml_server {
	const char *host; /* name or address */
	uint16_t port;
};

struct confxml_url {
	const char *element; /* "secureAuthenticationURL" */
	const char *url;
};

#define CONFXML_KEEP (-1)      /* of a number: leave the element as it is */
#define CONFXML_TVS_ADDRESS_MAX 50 /* characters. Source: formats-and-protocols.md 9, TVS/members/member */
#define CONFXML_SERVERS_MAX 5  /* CAPF and TVS servers that a configuration may name */

/* What a file is to say. */
struct confxml_trust {
	bool only_missing;                  /* elements that are there stay */
	struct confxml_server tvs[CONFXML_SERVERS_MAX];
	size_t n_tvs;                       /* 0: leave TVS; the first has priority 0 */
	struct confxml_server capf[CONFXML_SERVERS_MAX];
	size_t n_capf;                      /* 0: leave capfList */
	int capf_auth_mode;                 /* 0 to 4 */
	int security_mode;                  /* deviceSecurityMode, 1 to 3 */
	int transport;                      /* transportLayerProtocol, 1 to 3 */
	int encrypted;                      /* encrConfig, 0 or 1 */
	const char *cert_hash;              /* NULL: leave certHash */
	const struct confxml_url *urls;
	size_t n_urls;
};
extern const struct confxml_trust confxml_trust_keep; /* changes nothing */

/*
 * confxml_trust: put these elements into a configuration. An element that is there, directly below <device>, is
 * replaced where it stands (what repeats it is removed); another is added behind the last one, indented as the others
 * are.
 * Out: *data heap buffer; the octets of xml when nothing is to be changed.
 */
int confxml_trust(struct view xml, const struct confxml_trust *t, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/*
 * confxml_stub: the short file that stands for an encrypted configuration: fullConfig false, copies of ipAddressMode,
 * loadInformation, capfAuthMode and capfList, certHash and encrConfig true (5.4).
 * In:  cert_hash NULL: nobody knows a certificate of the phone: without certHash and encrConfig, so that it looks for no
 *      encrypted file, and goes to CAPF. It has no configuration until then but one that it had.
 */
int confxml_stub(struct view xml, const char *cert_hash, uint8_t **data, size_t *len, struct err *e) MUST_CHECK;

/* confxml_cert_hash: the value of certHash: MD5 of the certificate's DER, in lower-case hex. Errors: ERR_CRYPTO. */
#define CONFXML_CERT_HASH_SIZE 33
int confxml_cert_hash(const struct cert *c, char out[CONFXML_CERT_HASH_SIZE], struct err *e) MUST_CHECK;
