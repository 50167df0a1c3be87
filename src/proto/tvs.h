#pragma once

#include "base/bytes.h"

/*
 * TVS messages: the codec, both ways. Source: formats-and-protocols.md 6.1 to 6.5; vectors tests/golden/tvs.
 */
#define TVS_PORT 2445
#define TVS_HEADER_LEN 10
#define TVS_FRAME_MAX (TVS_HEADER_LEN + 65535)
#define TVS_DEVICE_MAX 128        /* octets of a device name, without the leading 01 */
#define TVS_TTL_DEFAULT 86400     /* seconds: what CUCM answers (6.4) */
#define TVS_TTL_MAX 2592000       /* seconds: no phone is asked to remember an answer for longer than 30 days (6.4) */

enum tvs_type {
	TVS_VERIFY_REQUEST = 1,
	TVS_VERIFY_RESPONSE = 2,
	TVS_QUERY_REQUEST = 3,
	TVS_QUERY_RESPONSE = 4,
};

#define TVS_STATUS_OK 0           /* every other value is a no (6.4) */
#define TVS_STATUS_NO 1

/*
 * Roles of a certificate as a set: bit n is function n of enum function (format/tlv.h). Functions above 31 exist in no
 * source; a reader drops them, since no phone could need one.
 */

#define TVS_ROLE(function) ((uint32_t)1 << (function))

/* One message. Views borrow the frame; an absent element has p == NULL. */
struct tvs_msg {
	uint8_t type;
	uint8_t reserved;         /* real servers put something there; ignored, written as 0 */
	uint32_t session;
	struct view device;       /* text without the leading 01 */
	struct view certificate;  /* DER */
	struct view subject, issuer, serial; /* names as they stand, NUL included */
	bool has_status;
	uint8_t status;
	uint32_t roles;          /* 0: no such element */
	bool has_ttl;
	uint32_t ttl_s;
};

/*
 * tvs_frame_len: how long is the frame that starts here?
 * In:     v, what has arrived so far, also nothing.
 * Out:    0 and *len the octets of the whole frame.
 * Errors: ERR_AGAIN fewer than ten octets, none of them wrong; ERR_PROTO "discriminator", "version", "message-type": the
 *         connection is of no more use. A wrong octet is refused as soon as it is there.
 */
int tvs_frame_len(struct view v, size_t *len, struct err *e) MUST_CHECK;

/*
 * tvs_msg_read: take one whole frame apart.
 * Elements come in any order, unknown ones are skipped. Issuer and serial of a query are taken by tag 4 and 5, and when
 * one of these is missing by position behind the subject (6.3).
 * Errors: ERR_PROTO, with rule and offset: those of tvs_frame_len, "body-length", "element-past-body", "duplicate-element",
 *         "device-name", "element-size", "missing-certificate", "missing-identity" (query without issuer or serial),
 *         "missing-status".
 */
int tvs_msg_read(struct view frame, struct tvs_msg *m, struct err *e) MUST_CHECK;

/*
 * tvs_msg_write: header and body in one buffer, elements in the order of real traces.
 * Out:    appended to w, which may already hold other messages. A device name gets its leading 01.
 * Errors: ERR_USAGE the message lacks what its type needs; ERR_LIMIT, ERR_NOMEM.
 */
int tvs_msg_write(const struct tvs_msg *m, struct wr *w, struct err *e) MUST_CHECK;

const char *tvs_type_name(unsigned type); /* as CUCM logs it: "TVS_MSG_CERT_VERIFICATION_REQ"; NULL for an unknown one */
