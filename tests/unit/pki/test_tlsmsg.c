#include "testing.h"

#include <string.h>

#include "pki/tlsmsg.h"

struct message {
	uint8_t octets[512];
	size_t len;
};

static struct view view_of(const struct message *m)
{
	return (struct view){m->octets, m->len};
}

static struct message certificate_verify(const char *context, size_t hash_len)
{
	struct message m = {0};

	memset(m.octets, ' ', 64);
	memcpy(m.octets + 64, context, strlen(context) + 1);
	m.len = 64 + strlen(context) + 1 + hash_len;
	return m;
}

static struct message key_exchange(uint16_t curve, uint8_t point_len, uint8_t first)
{
	struct message m = {0};

	memset(m.octets, 0xa5, 64);
	m.octets[64] = 3;
	m.octets[65] = (uint8_t)(curve >> 8);
	m.octets[66] = (uint8_t)curve;
	m.octets[67] = point_len;
	memset(m.octets + 68, 0x11, point_len);
	m.octets[68] = first;
	m.len = 68u + point_len;
	return m;
}

static void certificate_verify_of_a_server(void **state)
{
	static const size_t lens[] = {32, 48, 64};
	struct message m;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		m = certificate_verify("TLS 1.3, server CertificateVerify", lens[i]);
		assert_true(tls_handshake_message(view_of(&m)));
		m.octets[10] = '!';
		assert_false(tls_handshake_message(view_of(&m)));
	}
	m = certificate_verify("TLS 1.3, server CertificateVerify", 20);
	assert_false(tls_handshake_message(view_of(&m)));
	m = certificate_verify("TLS 1.3, client CertificateVerify", 32);
	assert_false(tls_handshake_message(view_of(&m)));
}

static void server_key_exchange(void **state)
{
	static const struct { uint16_t curve; uint8_t len, first; bool ok; } cases[] = {
		{23, 65, 4, true}, {24, 97, 4, true}, {25, 133, 4, true}, {29, 32, 9, true}, {30, 56, 9, true},
		{23, 64, 4, false}, {23, 65, 2, false}, {23, 33, 2, false}, {99, 65, 4, false}, {29, 33, 9, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message m = key_exchange(cases[i].curve, cases[i].len, cases[i].first);
		assert_int_equal(tls_handshake_message(view_of(&m)), cases[i].ok);
	}
	struct message m = key_exchange(23, 65, 4);
	m.octets[64] = 1; /* explicit_prime */
	assert_false(tls_handshake_message(view_of(&m)));
}

static void nothing_before_behind_or_missing(void **state)
{
	struct message skx = key_exchange(24, 97, 4);
	struct message cv = certificate_verify("TLS 1.3, server CertificateVerify", 32);

	(void)state;
	for (size_t len = 0; len < skx.len; len++)
		assert_false(tls_handshake_message((struct view){skx.octets, len}));
	for (size_t len = 0; len < cv.len; len++)
		assert_false(tls_handshake_message((struct view){cv.octets, len}));
	assert_false(tls_handshake_message((struct view){skx.octets, skx.len + 1}));
	assert_false(tls_handshake_message((struct view){cv.octets, cv.len + 1}));
	assert_false(tls_handshake_message((struct view){0}));
}

/* A worker chooses the randoms: they could be the beginning of something that phones believe. */
static void what_could_be_a_file_or_a_certificate_is_refused(void **state)
{
	static const uint8_t file[] = {0x01, 0x00, 0x02, 0x01, 0x02, 0x02, 0x00, 0x02};
	struct message m = key_exchange(25, 133, 4);

	(void)state;
	memcpy(m.octets, file, sizeof(file));
	assert_false(tls_handshake_message(view_of(&m)));
	m = key_exchange(25, 133, 4); /* 201 octets in all */
	m.octets[0] = 0x30;
	m.octets[1] = 0x81;
	m.octets[2] = 198;
	assert_false(tls_handshake_message(view_of(&m)));
	m.octets[2] = 197; /* a SEQUENCE that ends before the message does is no certificate */
	assert_true(tls_handshake_message(view_of(&m)));
}

static void bare_digests_and_texts(void **state)
{
	uint8_t zeros[64] = {0};

	(void)state;
	assert_false(tls_handshake_message((struct view){zeros, 20}));
	assert_false(tls_handshake_message((struct view){zeros, 32}));
	assert_false(tls_handshake_message((struct view){zeros, 64}));
	assert_false(tls_handshake_message(view_str("<device/>")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_verify_of_a_server),
		cmocka_unit_test(server_key_exchange),
		cmocka_unit_test(nothing_before_behind_or_missing),
		cmocka_unit_test(what_could_be_a_file_or_a_certificate_is_refused),
		cmocka_unit_test(bare_digests_and_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
