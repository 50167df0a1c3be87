/* Signed files: kind, header, what is signed, verification under some key. */
#include <stdlib.h>

#include "format/sgn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* RSAPublicKey with a modulus of 512 bits (made for this file) and exponent 3: cheap, and the sizes rarely agree. */
static const uint8_t key[] = {
	0x30, 0x46, 0x02, 0x41, 0x00, 0xc3, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
	0xdd, 0xee, 0xff, 0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89, 0x9a, 0xab, 0xbc, 0xcd, 0xde, 0xef,
	0xf0, 0x02, 0x13, 0x24, 0x35, 0x46, 0x57, 0x68, 0x79, 0x8a, 0x9b, 0xac, 0xbd, 0xce, 0xdf, 0xe1, 0xf2, 0x03,
	0x14, 0x25, 0x36, 0x47, 0x58, 0x69, 0x7a, 0x8b, 0x9c, 0xad, 0xbe, 0xcf, 0xd1, 0xe3, 0xf5, 0x02, 0x01, 0x03,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view file = {data, size};
	struct tlv_header h;
	struct tlv_element el;
	struct view parts[2];
	struct err e = ERR_INIT;
	size_t payload = 0;
	struct rd r;

	must(file_kind_name(file_kind(file))[0]);
	int strip = tlv_header_strip(file, &payload, NULL);
	must(strip || payload <= size);
	int err = tlv_header_read(file, &h, &e);
	must(err == 0 || (err == ERR_PROTO && e.rule));
	if (err)
		return 0;
	must(!strip && payload == h.header_len && sgn_payload(file, &h).len == size - payload);
	tlv_signed_views(file, &h, parts);
	must(parts[0].len + parts[1].len + 3 + h.signature.len == size);
	rd_init(&r, data, h.header_len);
	while (tlv_header_element(&r, &el))
		must(el.value.len <= h.header_len);
	must(r.left == 0);
	must(tlv_verify_key(file, &h, (struct view){key, sizeof(key)}, NULL, NULL) != 0);
	return 0;
}
