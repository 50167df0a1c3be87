#include "proto/capf.h"

#include <string.h>

enum capf_tag {
	TAG_REASON = 1, TAG_REASON_INFO = 2, TAG_CERTIFICATE_TYPE = 3, TAG_CERTIFICATE = 4, TAG_SIGNED_DATA = 6,
	TAG_VERSION = 7, TAG_AUTH_TYPE = 8, TAG_PUBLIC_KEY = 9, TAG_KEY_SIZE = 10, TAG_PASSWORD = 11,
	TAG_RETRY_DELAY = 12, TAG_DEVICE_NAME = 13, TAG_SUDI_DATA = 16, TAG_KEY_TYPE = 17, TAG_CURVE = 18,
	TAG_SHA2_SIGNED_DATA = 20,
};

static const char *const command_names[] = {
	[CAPF_AUTH_REQUEST] = "AUTH_REQUEST",
	[CAPF_AUTH_RESPONSE] = "AUTH_RESPONSE",
	[CAPF_KEY_GENERATE_REQUEST] = "KEY_GENERATE_REQUEST",
	[CAPF_KEY_GENERATE_RESPONSE] = "KEY_GENERATE_RESPONSE",
	[CAPF_STORE_CERTIFICATE_REQUEST] = "STORE_CERTIFICATE_REQUEST",
	[CAPF_STORE_CERTIFICATE_RESPONSE] = "STORE_CERTIFICATE_RESPONSE",
	[CAPF_FETCH_CERTIFICATE_REQUEST] = "FETCH_CERTIFICATE_REQUEST",
	[CAPF_FETCH_CERTIFICATE_RESPONSE] = "FETCH_CERTIFICATE_RESPONSE",
	[CAPF_DELETE_CERTIFICATE_REQUEST] = "DELETE_CERTIFICATE_REQUEST",
	[CAPF_DELETE_CERTIFICATE_RESPONSE] = "DELETE_CERTIFICATE_RESPONSE",
	[CAPF_END_SESSION] = "END_SESSION",
	[CAPF_RETRY_LATER] = "RETRY_LATER",
	[CAPF_REQUEST_IN_PROGRESS] = "REQUEST_IN_PROGRESS",
};

const char *capf_command_name(unsigned command)
{
	return command < sizeof(command_names) / sizeof(command_names[0]) ? command_names[command] : NULL;
}

int capf_frame_len(struct view v, size_t *len, struct err *e)
{
	struct rd r;
	uint8_t protocol, command;
	uint32_t session;
	uint16_t body;

	rd_init(&r, v.p, v.len);
	if (!rd_u8(&r, &protocol))
		return err_set(e, ERR_AGAIN, "nothing has arrived");
	if (protocol != CAPF_PROTOCOL)
		return err_rule(e, "protocol", 0, "a CAPF message starts with 55, not with %02x", protocol);
	if (!rd_u8(&r, &command))
		return err_set(e, ERR_AGAIN, "the header is not complete");
	if (!capf_command_name(command))
		return err_rule(e, "command", 1, "command %u is unknown", command);
	if (!rd_u32(&r, &session) || !rd_u16(&r, &body))
		return err_set(e, ERR_AGAIN, "the header is not complete");
	*len = CAPF_HEADER_LEN + (size_t)body;
	return 0;
}

/* Text with or without its NUL; nothing may follow the NUL. */
static bool text_value(struct view v, size_t max, struct view *text)
{
	if (v.len && v.p[v.len - 1] == '\0')
		v.len--;
	if (v.len > max || memchr(v.p, '\0', v.len))
		return false;
	*text = v;
	return true;
}

/*
 * Tag 4: 01 | u16 n+2 | 00 | type | DER. Clients that wrap nothing, or write the DER straight behind the inner head,
 * are understood too. Source: 7.3.
 */
static bool unwrap_certificate(struct view v, struct capf_msg *m)
{
	struct rd r, inner;
	uint8_t first, tag, zero, type;

	rd_init(&r, v.p, v.len);
	if (!rd_peek_u8(&r, &first))
		return false;
	if (first == 0x30) {
		m->certificate = v;
		return true;
	}
	if (!rd_u8(&r, &tag) || tag != 1 || !rd_prefixed16(&r, &inner) || !rd_peek_u8(&inner, &first))
		return false;
	if (first != 0x30) {
		if (!rd_u8(&inner, &zero) || zero != 0 || !rd_u8(&inner, &type))
			return false;
		m->certificate_type = type;
	}
	m->certificate = rd_rest(&inner);
	return m->certificate.len > 0;
}

static bool u8_value(struct view v, bool *has, uint8_t *out)
{
	struct rd r;

	rd_init(&r, v.p, v.len);
	*has = rd_u8(&r, out) && rd_done(&r);
	return *has;
}

/* 1, 2 or 4 octets: nobody has seen one (10, question 11). */
static bool delay_value(struct view v, struct capf_msg *m)
{
	if (v.len != 1 && v.len != 2 && v.len != 4)
		return false;
	m->retry_delay_s = 0;
	for (size_t i = 0; i < v.len; i++)
		m->retry_delay_s = m->retry_delay_s << 8 | v.p[i];
	m->has_retry_delay = true;
	return true;
}

static bool key_size_value(struct view v, struct capf_msg *m)
{
	struct rd r;

	rd_init(&r, v.p, v.len);
	m->has_key_size = rd_u16(&r, &m->key_bits) && rd_done(&r);
	return m->has_key_size;
}

/* One element into its field; the name of the rule that it breaks, or NULL. */
static const char *take_element(uint8_t tag, struct view v, struct capf_msg *m)
{
	static const char size[] = "element-size";

	switch (tag) {
	case TAG_REASON: return u8_value(v, &m->has_reason, &m->reason) ? NULL : size;
	case TAG_CERTIFICATE_TYPE: return u8_value(v, &m->has_cert_type, &m->cert_type) ? NULL : size;
	case TAG_VERSION: return u8_value(v, &m->has_version, &m->version) ? NULL : size;
	case TAG_AUTH_TYPE: return u8_value(v, &m->has_auth_type, &m->auth_type) ? NULL : size;
	case TAG_KEY_TYPE: return u8_value(v, &m->has_key_type, &m->key_type) ? NULL : size;
	case TAG_CURVE: return u8_value(v, &m->has_curve, &m->curve) ? NULL : size;
	case TAG_KEY_SIZE: return key_size_value(v, m) ? NULL : size;
	case TAG_RETRY_DELAY: return delay_value(v, m) ? NULL : size;
	case TAG_REASON_INFO: return text_value(v, 1024, &m->reason_info) ? NULL : "text-element";
	case TAG_PASSWORD:
		m->has_password = true;
		return text_value(v, CAPF_PASSWORD_MAX, &m->password) ? NULL : "text-element";
	case TAG_DEVICE_NAME:
		return text_value(v, CAPF_DEVICE_MAX, &m->device) && m->device.len ? NULL : "device-name";
	case TAG_CERTIFICATE: return unwrap_certificate(v, m) ? NULL : "certificate-wrapping";
	case TAG_SIGNED_DATA: m->signed_data = v; return v.len ? NULL : size;
	case TAG_SHA2_SIGNED_DATA: m->sha2_signed_data = v; return v.len ? NULL : size;
	case TAG_SUDI_DATA: m->sudi_data = v; return v.len ? NULL : size;
	case TAG_PUBLIC_KEY: m->public_key = v; return v.len ? NULL : size;
	default: return NULL;
	}
}

int capf_msg_read(struct view frame, struct capf_msg *m, struct err *e)
{
	struct capf_msg got = {0};
	struct rd r, body;
	uint32_t seen = 0;
	size_t len;
	uint8_t protocol;

	int code = capf_frame_len(frame, &len, e);
	if (code)
		return code;
	if (len != frame.len)
		return err_rule(e, "body-length", 6, "the header announces %zu octets, the message has %zu", len, frame.len);
	rd_init(&r, frame.p, frame.len);
	if (!rd_u8(&r, &protocol) || !rd_u8(&r, &got.command) || !rd_u32(&r, &got.session) ||
	    !rd_prefixed16(&r, &body) || !rd_done(&r))
		return err_rule(e, "body-length", 6, "the message is cut short");
	while (body.left) {
		long at = (long)rd_offset(&body);
		struct view v;
		uint8_t tag;
		if (!rd_u8(&body, &tag) || !rd_view16(&body, &v))
			return err_rule(e, "element-past-body", at, "an element runs past the end of the message");
		if (tag < 32) {
			if (seen & 1u << tag)
				return err_rule(e, "duplicate-element", at, "element %u stands twice", tag);
			seen |= 1u << tag;
		}
		const char *rule = take_element(tag, v, &got);
		if (rule)
			return err_rule(e, rule, at, "element %u of %zu octets is not what it should be", tag, v.len);
	}
	*m = got;
	return 0;
}

static void put_u8(struct wr *w, uint8_t tag, uint8_t v)
{
	wr_u8(w, tag);
	wr_u16(w, 1);
	wr_u8(w, v);
}

static void put_view(struct wr *w, uint8_t tag, struct view v)
{
	wr_u8(w, tag);
	wr_open16(w);
	wr_view(w, v);
	wr_close(w);
}

static void put_text(struct wr *w, uint8_t tag, struct view v)
{
	wr_u8(w, tag);
	wr_open16(w);
	wr_view(w, v);
	wr_u8(w, 0);
	wr_close(w);
}

static void put_certificate(struct wr *w, const struct capf_msg *m)
{
	wr_u8(w, TAG_CERTIFICATE);
	wr_open16(w);
	wr_u8(w, 1);
	wr_open16(w);
	wr_u8(w, 0);
	wr_u8(w, m->certificate_type ? m->certificate_type : CAPF_CERT_LSC);
	wr_view(w, m->certificate);
	wr_close(w);
	wr_close(w);
}

/* The order of 7.8: KEY_SIZE before KEY_TYPE before CURVE, the certificate and its proof before VERSION. */
static void put_elements(struct wr *w, const struct capf_msg *m)
{
	if (m->has_reason)
		put_u8(w, TAG_REASON, m->reason);
	if (m->reason_info.p)
		put_text(w, TAG_REASON_INFO, m->reason_info);
	if (m->has_cert_type)
		put_u8(w, TAG_CERTIFICATE_TYPE, m->cert_type);
	if (m->certificate.p)
		put_certificate(w, m);
	if (m->signed_data.p)
		put_view(w, TAG_SIGNED_DATA, m->signed_data);
	if (m->has_version)
		put_u8(w, TAG_VERSION, m->version);
	if (m->has_auth_type)
		put_u8(w, TAG_AUTH_TYPE, m->auth_type);
	if (m->public_key.p)
		put_view(w, TAG_PUBLIC_KEY, m->public_key);
	if (m->has_key_size) {
		wr_u8(w, TAG_KEY_SIZE);
		wr_u16(w, 2);
		wr_u16(w, m->key_bits);
	}
	if (m->has_password)
		put_text(w, TAG_PASSWORD, m->password);
	if (m->has_retry_delay) {
		wr_u8(w, TAG_RETRY_DELAY);
		wr_u16(w, 2);
		wr_u16(w, m->retry_delay_s > UINT16_MAX ? UINT16_MAX : (uint16_t)m->retry_delay_s);
	}
	if (m->device.p)
		put_text(w, TAG_DEVICE_NAME, m->device);
	if (m->sudi_data.p)
		put_view(w, TAG_SUDI_DATA, m->sudi_data);
	if (m->has_key_type)
		put_u8(w, TAG_KEY_TYPE, m->key_type);
	if (m->has_curve)
		put_u8(w, TAG_CURVE, m->curve);
	if (m->sha2_signed_data.p)
		put_view(w, TAG_SHA2_SIGNED_DATA, m->sha2_signed_data);
}

int capf_msg_write(const struct capf_msg *m, struct wr *w, struct err *e)
{
	wr_u8(w, CAPF_PROTOCOL);
	wr_u8(w, m->command);
	wr_u32(w, m->session);
	wr_open16(w);
	put_elements(w, m);
	wr_close(w);
	if (w->failed)
		return err_set(e, w->failed, "the CAPF message does not fit");
	return 0;
}
