#include "pki/tlsmsg.h"

#include "pki/der.h"

#define RANDOM_LEN 32
#define CURVE_TYPE_NAMED 3     /* RFC 8422 5.4 */
#define POINT_UNCOMPRESSED 4   /* RFC 8422 5.4.1 */

/* RFC 8422 5.1.1, RFC 7748: the groups that a server of ours offers. */
static const struct group {
	uint16_t id;
	uint8_t point_len;
	bool has_form; /* the point begins with the octet that says uncompressed */
} groups[] = {
	{23, 65, true},   /* secp256r1 */
	{24, 97, true},   /* secp384r1 */
	{25, 133, true},  /* secp521r1 */
	{29, 32, false},  /* x25519 */
	{30, 56, false},  /* x448 */
};

/* RFC 8446 4.4.3 */
static bool is_certificate_verify(struct view m)
{
	static const char context[] = "TLS 1.3, server CertificateVerify"; /* its NUL is the separator */
	struct view v;
	struct rd r;
	uint8_t c;

	rd_init(&r, m.p, m.len);
	for (int i = 0; i < 64; i++) {
		if (!rd_u8(&r, &c) || c != 0x20)
			return false;
	}
	return rd_view(&r, sizeof(context), &v) &&
	       view_eq(v, (struct view){(const uint8_t *)context, sizeof(context)}) &&
	       (r.left == 32 || r.left == 48 || r.left == 64);
}

static bool point_fits(uint16_t id, const struct rd *point)
{
	uint8_t form;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (groups[i].id == id)
			return point->left == groups[i].point_len &&
			       (!groups[i].has_form || (rd_peek_u8(point, &form) && form == POINT_UNCOMPRESSED));
	}
	return false;
}

/* RFC 8422 5.4: ServerECDHParams behind the two randoms. */
static bool is_server_key_exchange(struct view m)
{
	struct rd r;
	struct rd point;
	uint8_t curve_type;
	uint16_t curve;

	rd_init(&r, m.p, m.len);
	return rd_skip(&r, 2 * RANDOM_LEN) && rd_u8(&r, &curve_type) && curve_type == CURVE_TYPE_NAMED &&
	       rd_u16(&r, &curve) && rd_prefixed8(&r, &point) && point_fits(curve, &point) && rd_done(&r);
}

/* formats-and-protocols.md 1.2: every signed file begins so. */
static bool begins_like_a_file(struct view m)
{
	struct rd r;
	uint32_t head;

	rd_init(&r, m.p, m.len);
	return rd_u24(&r, &head) && head == 0x010002;
}

static bool is_der_sequence(struct view m)
{
	struct rd r;

	rd_init(&r, m.p, m.len);
	return der_skip(&r, DER_SEQUENCE) && rd_done(&r);
}

bool tls_handshake_message(struct view m)
{
	return is_certificate_verify(m) || (is_server_key_exchange(m) && !begins_like_a_file(m) && !is_der_sequence(m));
}
