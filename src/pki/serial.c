#include "pki/name.h"

struct view serial_strip(struct view serial)
{
	static const uint8_t zero;

	if (!serial.p)
		return serial;
	while (serial.len && serial.p[0] == 0) {
		serial.p++;
		serial.len--;
	}
	return serial.len ? serial : (struct view){&zero, 1};
}

bool serial_same(struct view a, struct view b)
{
	return a.p && b.p && view_eq(serial_strip(a), serial_strip(b));
}

static bool same_reversed(struct view tlv, struct view cert)
{
	cert = serial_strip(cert);
	while (tlv.len > 1 && tlv.p[tlv.len - 1] == 0)
		tlv.len--;
	if (tlv.len != cert.len)
		return false;
	for (size_t i = 0; i < tlv.len; i++) {
		if (tlv.p[i] != cert.p[cert.len - 1 - i])
			return false;
	}
	return true;
}

bool serial_matches_cert(struct view tlv, struct view cert)
{
	return serial_same(tlv, cert) || (tlv.p && cert.p && same_reversed(tlv, cert));
}
