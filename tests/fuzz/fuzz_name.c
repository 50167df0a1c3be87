/* Two name strings, divided by a newline: comparison is an equivalence and agrees with the keys. */
#include <stdlib.h>
#include <string.h>

#include "pki/name.h"
#include "pki/tlsmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	struct view a = {data, newline ? (size_t)(newline - data) : size};
	struct view b = {data + a.len, size - a.len};
	char ka[NAME_KEY_MAX];
	char kb[NAME_KEY_MAX];
	char cn[64];

	if (newline)
		b = (struct view){b.p + 1, b.len - 1};
	must(name_same(a, a) && name_same(b, b));
	must(name_same(a, b) == name_same(b, a));
	size_t na = name_key(a, false, ka, sizeof(ka));
	size_t nb = name_key(b, false, kb, sizeof(kb));
	must(na <= sizeof(ka) && (!na || ka[na - 1] == '\0'));
	if (na && na == nb && memcmp(ka, kb, na) == 0)
		must(name_same(a, b));
	must(name_key(a, true, kb, sizeof(kb)) <= na || !na);
	if (name_get(a, "CN", cn, sizeof(cn)))
		must(strlen(cn) < sizeof(cn));
	must(!tls_handshake_message(a) || (a.len >= 100 && memcmp(a.p, "\x01\x00\x02", 3) != 0));
	must(serial_same(a, b) == serial_same(b, a));
	if (serial_same(a, b))
		must(serial_matches_cert(a, b));
	return 0;
}
