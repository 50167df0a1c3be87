#pragma once

#include "base/bytes.h"

/*
 * CAPF messages: the codec, both ways. Source: formats-and-protocols.md 7.1 to 7.5, 7.10; vectors tests/golden/capf.
 */
#define CAPF_PORT 3804
#define CAPF_PROTOCOL 0x55 /* the first octet of every message */
#define CAPF_HEADER_LEN 8
#define CAPF_FRAME_MAX (CAPF_HEADER_LEN + 65535)
#define CAPF_DEVICE_MAX 128   /* octets of a device name, without the NUL */
#define CAPF_PASSWORD_MAX 128 /* octets of an authentication string, without the NUL */

enum capf_command {
	CAPF_AUTH_REQUEST = 1,
	CAPF_AUTH_RESPONSE = 2,
	CAPF_KEY_GENERATE_REQUEST = 3,
	CAPF_KEY_GENERATE_RESPONSE = 4,
	CAPF_STORE_CERTIFICATE_REQUEST = 9,
	CAPF_STORE_CERTIFICATE_RESPONSE = 10,
	CAPF_FETCH_CERTIFICATE_REQUEST = 11,
	CAPF_FETCH_CERTIFICATE_RESPONSE = 12,
	CAPF_DELETE_CERTIFICATE_REQUEST = 13,
	CAPF_DELETE_CERTIFICATE_RESPONSE = 14,
	CAPF_END_SESSION = 15,
	CAPF_RETRY_LATER = 16,
	CAPF_REQUEST_IN_PROGRESS = 17,
};

/* Anything but the first two is a failure (7.4). */
enum capf_reason {
	CAPF_REASON_NO_ACTION = 0,
	CAPF_REASON_SUCCESS = 1,
	CAPF_REASON_INVALID = 7,
	CAPF_REASON_UNKNOWN_DEVICE = 9,
};

enum capf_cert_type { CAPF_CERT_LSC = 1, CAPF_CERT_MIC = 2 };
enum capf_key_type { CAPF_KEY_RSA = 0, CAPF_KEY_EC = 1 };
enum capf_curve { CAPF_CURVE_P256 = 0, CAPF_CURVE_P384 = 1, CAPF_CURVE_P521 = 2 };

#define CAPF_VERSION 3        /* what we offer; a client answers with the lower of its own and this */

/* One message. Views borrow the frame; an absent element has p == NULL or its has_ flag clear. */
struct capf_msg {
	uint8_t command;
	uint32_t session;
	bool has_reason;
	uint8_t reason;
	struct view reason_info;      /* text without NUL */
	bool has_cert_type;
	uint8_t cert_type;            /* tag 3 */
	struct view certificate;      /* DER, unwrapped from tag 4 */
	uint8_t certificate_type;     /* of the wrapping in tag 4; 0 when the sender wrapped nothing */
	struct view signed_data, sha2_signed_data, sudi_data; /* as they stand: proto/capf_proof.h */
	bool has_version;
	uint8_t version;
	bool has_auth_type;
	uint8_t auth_type;
	struct view public_key;       /* SubjectPublicKeyInfo DER */
	bool has_key_size;
	uint16_t key_bits;
	bool has_password;            /* version 2 clients leave it out, which equals the empty one */
	struct view password;         /* text without NUL */
	bool has_retry_delay;
	uint32_t retry_delay_s;
	struct view device;           /* text without NUL */
	bool has_key_type;
	uint8_t key_type;
	bool has_curve;
	uint8_t curve;
};

/*
 * capf_frame_len: how long is the frame that starts here? As tvs_frame_len.
 * Errors: ERR_AGAIN fewer than eight octets, none of them wrong; ERR_PROTO "protocol", "command".
 */
int capf_frame_len(struct view v, size_t *len, struct err *e) MUST_CHECK;

/*
 * capf_msg_read: take one whole frame apart. Elements come in any order; unknown ones are skipped.
 * The certificate is accepted wrapped as CUCM does it, or bare (7.3).
 * Errors: ERR_PROTO, with rule and offset: those of capf_frame_len, "body-length", "element-past-body",
 *         "duplicate-element", "element-size", "certificate-wrapping", "device-name", "text-element".
 */
int capf_msg_read(struct view frame, struct capf_msg *m, struct err *e) MUST_CHECK;

/*
 * capf_msg_write: header and body in one buffer (phones stall when these arrive apart, 7.1), elements in the order of
 * 7.8. Out: appended to w. Errors: ERR_LIMIT, ERR_NOMEM.
 */
int capf_msg_write(const struct capf_msg *m, struct wr *w, struct err *e) MUST_CHECK;

const char *capf_command_name(unsigned command); /* "AUTH_REQUEST"; NULL for one that nobody has seen */
