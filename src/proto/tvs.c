#include "proto/tvs.h"

#include <string.h>

#include "base/text.h"

#define DISCRIMINATOR 0x57
#define VERSION 1
#define DEVICE_PREFIX 0x01 /* before every device name seen; probably its type (6.3) */

enum tag {
	TAG_DEVICE = 1, TAG_CERTIFICATE = 2, TAG_SUBJECT = 3, TAG_ISSUER = 4, TAG_SERIAL = 5,
	TAG_STATUS = 7, TAG_ROLES = 8, TAG_TTL = 9,
};

const char *tvs_type_name(unsigned type)
{
	static const char *const names[] = {
		[TVS_VERIFY_REQUEST] = "TVS_MSG_CERT_VERIFICATION_REQ",
		[TVS_VERIFY_RESPONSE] = "TVS_MSG_CERT_VERIFICATION_RES",
		[TVS_QUERY_REQUEST] = "TVS_MSG_QUERY_CERT_REQ",
		[TVS_QUERY_RESPONSE] = "TVS_MSG_QUERY_CERT_RES",
	};

	return type < sizeof names / sizeof *names ? names[type] : NULL;
}

int tvs_frame_len(struct view v, size_t *len, struct err *e)
{
	struct rd r;
	uint8_t octet;
	uint16_t body;

	rd_init(&r, v.p, v.len);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "no octet has arrived yet");
	if (octet != DISCRIMINATOR)
		return err_rule(e, "discriminator", 0, "the first octet is %02x, a TVS message begins with %02x", octet,
				DISCRIMINATOR);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "one octet of ten has arrived");
	if (octet != VERSION)
		return err_rule(e, "version", 1, "protocol version %u is unknown, only 1 exists", octet);
	if (!rd_u8(&r, &octet))
		return err_set(e, ERR_AGAIN, "two octets of ten have arrived");
	if (!tvs_type_name(octet))
		return err_rule(e, "message-type", 2, "message type %u is unknown", octet);
	if (!rd_skip(&r, 5) || !rd_u16(&r, &body))
		return err_set(e, ERR_AGAIN, "the header has not arrived whole");
	*len = TVS_HEADER_LEN + (size_t)body;
	return 0;
}

/* Where a known element's value goes, and whether it was there before. */
static struct view *slot(struct tvs_msg *m, struct view *other, uint8_t tag)
{
	switch (tag) {
	case TAG_DEVICE:
		return &m->device;
	case TAG_CERTIFICATE:
		return &m->certificate;
	case TAG_SUBJECT:
		return &m->subject;
	case TAG_ISSUER:
		return &m->issuer;
	case TAG_SERIAL:
		return &m->serial;
	case TAG_STATUS:
		return &other[0];
	case TAG_ROLES:
		return &other[1];
	case TAG_TTL:
		return &other[2];
	default:
		return NULL;
	}
}

/* Printable text of 1 to 128 octets, with or without the 01 in front. Only a log ever shows it. */
static int device_name(struct view *v, struct err *e)
{
	struct view text = *v;
	size_t backslashes = 0;

	if (text.len && text.p[0] == DEVICE_PREFIX) {
		text.p++;
		text.len--;
	}
	for (size_t i = 0; i < text.len; i++)
		backslashes += text.p[i] == '\\';
	if (text.len < 1 || text.len > TVS_DEVICE_MAX || text_escape(NULL, 0, text) != text.len + backslashes)
		return err_rule(e, "device-name", -1, "the device name is not 1 to %d printable characters", TVS_DEVICE_MAX);
	*v = text;
	return 0;
}

static int numbers(struct tvs_msg *m, const struct view other[3], struct err *e)
{
	struct rd r;

	if (other[0].p) {
		rd_init(&r, other[0].p, other[0].len);
		m->has_status = rd_u8(&r, &m->status) && rd_done(&r);
		if (!m->has_status)
			return err_rule(e, "element-size", -1, "STATUS has %zu octets, not one", other[0].len);
	}
	for (size_t i = 0; i < other[1].len; i++)
		if (other[1].p[i] < 32)
			m->roles |= TVS_ROLE(other[1].p[i]);
	if (other[2].p) {
		rd_init(&r, other[2].p, other[2].len);
		m->has_ttl = rd_u32(&r, &m->ttl_s) && rd_done(&r);
		if (!m->has_ttl)
			return err_rule(e, "element-size", -1, "TTL has %zu octets, not four", other[2].len);
	}
	return 0;
}

static bool is_name(struct view v)
{
	return v.len > 1 && v.p[v.len - 1] == 0 && memchr(v.p, '=', v.len);
}

/*
 * The element numbers of issuer and serial are inferred, not seen (6.3). When one of them is missing, the elements that
 * are not surely something else tell by their place: the first name behind the subject is the issuer, the next the serial.
 */
static void identity_by_position(struct rd body, struct tvs_msg *m)
{
	bool behind_subject = m->subject.p == NULL;
	struct tvs_msg sure = {0};
	struct view other[3], v, issuer = {0};
	uint8_t tag;

	while (rd_u8(&body, &tag) && rd_view16(&body, &v)) {
		if (tag == TAG_SUBJECT)
			behind_subject = true;
		else if (!behind_subject || (slot(&sure, other, tag) && tag != TAG_ISSUER && tag != TAG_SERIAL))
			continue;
		else if (!issuer.p && is_name(v))
			issuer = v;
		else if (issuer.p) {
			m->issuer = issuer;
			m->serial = v;
			return;
		}
	}
}

static int complete(const struct tvs_msg *m, struct err *e)
{
	switch (m->type) {
	case TVS_VERIFY_REQUEST:
		if (!m->certificate.len)
			return err_rule(e, "missing-certificate", -1, "a verification request without a certificate");
		return 0;
	case TVS_QUERY_REQUEST:
		if (!m->issuer.len || !m->serial.len)
			return err_rule(e, "missing-identity", -1, "a query without issuer and serial number");
		return 0;
	default:
		if (!m->has_status)
			return err_rule(e, "missing-status", -1, "an answer without a status");
		return 0;
	}
}

int tvs_msg_read(struct view frame, struct tvs_msg *m, struct err *e)
{
	struct tvs_msg out = {0};
	struct view other[3] = {0};
	struct rd r, body, scan;
	size_t len;
	uint8_t tag;
	int rc;

	rc = tvs_frame_len(frame, &len, e);
	if (rc == ERR_AGAIN || (!rc && len != frame.len)) {
		err_clear(e);
		return err_rule(e, "body-length", 8, "the message has %zu octets and says otherwise", frame.len);
	}
	if (rc)
		return rc;
	rd_init(&r, frame.p, frame.len);
	if (!rd_skip(&r, 2) || !rd_u8(&r, &out.type) || !rd_u8(&r, &out.reserved) || !rd_u32(&r, &out.session) ||
	    !rd_prefixed16(&r, &body))
		return err_set(e, ERR_BUG, "header of a measured frame");
	scan = body;
	while (!rd_done(&scan)) {
		long offset = (long)rd_offset(&scan);
		struct view v, *to;

		if (!rd_u8(&scan, &tag) || !rd_view16(&scan, &v))
			return err_rule(e, "element-past-body", offset, "an element runs past the end of the message");
		to = slot(&out, other, tag);
		if (!to)
			continue;
		if (to->p)
			return err_rule(e, "duplicate-element", offset, "element %u occurs twice", tag);
		*to = v;
	}
	if (out.device.p && (rc = device_name(&out.device, e)))
		return rc;
	if ((rc = numbers(&out, other, e)))
		return rc;
	if (out.type == TVS_QUERY_REQUEST && (!out.issuer.p || !out.serial.p))
		identity_by_position(body, &out);
	if ((rc = complete(&out, e)))
		return rc;
	*m = out;
	return 0;
}

static void element(struct wr *w, uint8_t tag, struct view v)
{
	if (!v.p)
		return;
	wr_u8(w, tag);
	wr_open16(w);
	wr_view(w, v);
	wr_close(w);
}

static void device(struct wr *w, struct view v)
{
	if (!v.p)
		return;
	wr_u8(w, TAG_DEVICE);
	wr_open16(w);
	wr_u8(w, DEVICE_PREFIX);
	wr_view(w, v);
	wr_close(w);
}

static void roles(struct wr *w, uint32_t set)
{
	if (!set)
		return;
	wr_u8(w, TAG_ROLES);
	wr_open16(w);
	for (uint8_t i = 0; i < 32; i++)
		if (set & TVS_ROLE(i))
			wr_u8(w, i);
	wr_close(w);
}

static void answer(struct wr *w, const struct tvs_msg *m)
{
	element(w, TAG_STATUS, (struct view){&m->status, 1});
	if (m->status != TVS_STATUS_OK)
		return; /* a no carries nothing else (6.4) */
	element(w, TAG_CERTIFICATE, m->certificate);
	roles(w, m->roles);
	if (m->has_ttl) {
		wr_u8(w, TAG_TTL);
		wr_u16(w, 4);
		wr_u32(w, m->ttl_s);
	}
}

int tvs_msg_write(const struct tvs_msg *m, struct wr *w, struct err *e)
{
	struct err why = ERR_INIT;

	if (!tvs_type_name(m->type))
		return err_set(e, ERR_USAGE, "message type %u does not exist", m->type);
	if (complete(m, &why))
		return err_set(e, ERR_USAGE, "%s", why.text);
	wr_u8(w, DISCRIMINATOR);
	wr_u8(w, VERSION);
	wr_u8(w, m->type);
	wr_u8(w, 0);
	wr_u32(w, m->session);
	wr_open16(w);
	if (m->type == TVS_VERIFY_REQUEST || m->type == TVS_QUERY_REQUEST) {
		device(w, m->device);
		element(w, TAG_CERTIFICATE, m->certificate);
		element(w, TAG_SUBJECT, m->subject);
		element(w, TAG_ISSUER, m->issuer);
		element(w, TAG_SERIAL, m->serial);
	} else {
		answer(w, m);
	}
	wr_close(w);
	if (w->failed)
		return err_set(e, w->failed, "a TVS message does not fit");
	return 0;
}
