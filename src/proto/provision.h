#pragma once

#include "base/bytes.h"
#include "base/err.h"

/*
 * What a requested name means, by its letters alone: no file is looked at here. TFTP, HTTP and HTTPS share these rules.
 * Source: formats-and-protocols.md 1.14, 4.1, 8.1, 8.2, 8.4; docs/architecture.md "Answering a request for a file".
 *
 * Refused: an empty name, more than PROVISION_NAME_MAX octets, control characters and NUL, backslashes, drive names,
 * empty folder names, and every part that begins with a dot ("..", ".", and what editors and version control leave
 * behind). Leading slashes are dropped: phones without a locale ask for "/mk-sip.jar".
 */
#define PROVISION_NAME_MAX 255   /* octets of a name, and so of the FILENAME in a signed file */
#define PROVISION_DEVICE_MAX 63  /* octets of a device name */

enum provision_transport { PROVISION_TFTP, PROVISION_HTTP, PROVISION_HTTPS };

enum provision_kind {
	PROVISION_REFUSED,    /* reason says why */
	PROVISION_CTL,        /* CTLFile.tlv, or CTL<device>.tlv with device set */
	PROVISION_ITL,        /* likewise */
	PROVISION_EXT_ITL,    /* ext_ITL<device>.tlv: nobody knows its content; served when the operator has put one there */
	PROVISION_SIGNED,     /* the file base, signed with FILENAME name */
	PROVISION_ENC_SIGNED, /* an encrypted configuration, as it is; base is what it was made from */
	PROVISION_PLAIN,      /* a file as it is; firmware always is one, since Cisco signed it already */
};

struct provision {
	enum provision_kind kind;
	const char *reason;                     /* PROVISION_REFUSED: static text; otherwise NULL */
	char name[PROVISION_NAME_MAX + 1];      /* what to serve: the requested name without leading slashes */
	char base[PROVISION_NAME_MAX + 1];      /* PROVISION_SIGNED, PROVISION_ENC_SIGNED: name without its suffix; else "" */
	char device[PROVISION_DEVICE_MAX + 1];  /* lists that were asked for by device: "SEP001122334455"; else "" */
};

/*
 * provision_parse: decide what name asks for. It always decides: what cannot be served is PROVISION_REFUSED.
 * In:     name as the client sent it, any octets, without the NUL that ends it in TFTP.
 * Note:   letters of lists and suffixes match without regard to case, as the files themselves are found.
 *         Over HTTPS a device's <SEP...>.xml.sgn is its plain file: phones there append .sgn and mean the unsigned one.
 */
void provision_parse(struct view name, enum provision_transport transport, struct provision *p);

/*
 * provision_decode_url: the path of a request target ("/New_Zealand/g3-tones.xml.sgn?x") as a name for provision_parse:
 * without query, %XX decoded; '+' stays.
 * Out:    out is NUL-terminated, *len its octets.
 * Errors: ERR_PROTO "url-form" does not begin with a slash, "url-escape" a percent sign without two hex digits,
 *         "url-octet" a NUL or another control character, written plainly or as %XX;
 *         ERR_LIMIT does not fit in size - 1 octets.
 */
int provision_decode_url(struct view target, char *out, size_t size, size_t *len, struct err *e) MUST_CHECK;

/* provision_is_firmware: by its suffix (.loads, .sbn, .cop.sgn, ...): signed by its maker, never by us. */
bool provision_is_firmware(const char *name);

/* provision_kind_name: "ctl", "signed", ... for logs. */
const char *provision_kind_name(enum provision_kind kind);
