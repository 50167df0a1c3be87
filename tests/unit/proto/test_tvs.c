#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "proto/tvs.h"
#include "testing.h"

static size_t load(const char *name, uint8_t **data)
{
	char path[512];
	struct err e = ERR_INIT;
	size_t len;

	snprintf(path, sizeof path, "%s/tvs/%s", getenv("GOLDEN"), name);
	assert_ok(file_read(AT_FDCWD, path, 65536, data, &len, &e), &e);
	return len;
}

static void reads_a_verification_request(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load("verify-request.bin", &data), frame;
	struct err e = ERR_INIT;
	struct tvs_msg m;

	(void)state;
	assert_int_equal(len, 830);
	assert_ok(tvs_frame_len((struct view){data, len}, &frame, &e), &e);
	assert_int_equal(frame, len);
	assert_ok(tvs_msg_read((struct view){data, len}, &m, &e), &e);
	assert_int_equal(m.type, TVS_VERIFY_REQUEST);
	assert_int_equal(m.session, 1);
	assert_true(view_eq(m.device, view_str("CP-7841-SEP001122334455")));
	assert_int_equal(m.certificate.len, 790);
	assert_false(m.has_status);
}

static void reads_the_query_of_a_real_phone(void **state)
{
	static const uint8_t serial[] = {0x24, 0x00, 0x00, 0x00, 0x17, 0x94, 0x79, 0xb8, 0xf1, 0x24,
					 0xac, 0x3f, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x17};
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load("query-request-tac-trace.bin", &data);
	struct err e = ERR_INIT;
	struct tvs_msg m;

	(void)state;
	assert_ok(tvs_msg_read((struct view){data, len}, &m, &e), &e);
	assert_int_equal(m.session, 1001);
	assert_true(view_eq(m.device, view_str("CP-8861-SEPB000B4BA0AEE")));
	assert_string_equal((const char *)m.subject.p, "CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU");
	assert_string_equal((const char *)m.issuer.p, "CN=stormin-WIN2012-CA");
	assert_true(view_eq(m.serial, (struct view){serial, sizeof serial}));
}

/* Writing what was read gives the same octets, but for the reserved one, which real servers fill. */
static void writes_what_it_reads(void **state)
{
	static const char *const names[] = {
		"verify-request.bin", "verify-response-valid.bin", "verify-response-invalid.bin", "query-request.bin",
		"query-request-tac-trace.bin", "query-response-found.bin", "query-response-notfound.bin",
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		AUTO(auto_free) uint8_t *data = NULL, *out = NULL;
		size_t len = load(names[i], &data), out_len;
		struct err e = ERR_INIT;
		struct tvs_msg m;
		struct wr w;

		assert_ok(tvs_msg_read((struct view){data, len}, &m, &e), &e);
		wr_init(&w, TVS_FRAME_MAX);
		assert_ok(tvs_msg_write(&m, &w, &e), &e);
		assert_ok(wr_finish(&w, &out, &out_len, &e), &e);
		data[3] = 0;
		assert_int_equal(out_len, len);
		assert_memory_equal(out, data, len);
	}
}

static void refuses(const char *name, const char *rule)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load(name, &data);
	struct err e = ERR_INIT;
	struct tvs_msg m;

	assert_err(tvs_msg_read((struct view){data, len}, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
}

static void refuses_the_bad_vectors(void **state)
{
	(void)state;
	refuses("bad-protocol-id.bin", "discriminator");
	refuses("bad-version-2.bin", "version");
	refuses("bad-element-overrun.bin", "element-past-body");
	refuses("bad-no-certificate.bin", "missing-certificate");
}

static void reads_without_a_device_name(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load("bad-no-device-name.bin", &data);
	struct err e = ERR_INIT;
	struct tvs_msg m;

	(void)state;
	assert_ok(tvs_msg_read((struct view){data, len}, &m, &e), &e);
	assert_null(m.device.p);
	assert_true(m.certificate.len > 0);
}

/* A frame from a body: type, then elements as they are given. */
static size_t frame(uint8_t *out, uint8_t type, const void *body, size_t n)
{
	const uint8_t head[] = {0x57, 1, type, 0, 0, 0, 0, 9, (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(out, head, sizeof head);
	memcpy(out + sizeof head, body, n);
	return sizeof head + n;
}

static int read_body(uint8_t type, const void *body, size_t n, struct tvs_msg *m, struct err *e)
{
	static uint8_t buffer[4096];

	*e = ERR_INIT;
	return tvs_msg_read((struct view){buffer, frame(buffer, type, body, n)}, m, e);
}

static void device_names(void **state)
{
	static const char with[] = "\x01\x00\x05\x01" "CP-X" "\x02\x00\x01" "c";
	static const char without[] = "\x01\x00\x09" "CP-8832NR" "\x02\x00\x01" "c";
	static const char newline[] = "\x01\x00\x05" "CP-X\n" "\x02\x00\x01" "c";
	static const char empty[] = "\x01\x00\x00" "\x02\x00\x01" "c";
	static const char only_type[] = "\x01\x00\x01\x01" "\x02\x00\x01" "c";
	uint8_t longest[3 + 1 + TVS_DEVICE_MAX + 1 + 4] = {1, 0, 1 + TVS_DEVICE_MAX, 1};
	struct tvs_msg m;
	struct err e;

	(void)state;
	assert_ok(read_body(1, with, sizeof with - 1, &m, &e), &e);
	assert_true(view_eq(m.device, view_str("CP-X")));
	assert_ok(read_body(1, without, sizeof without - 1, &m, &e), &e);
	assert_true(view_eq(m.device, view_str("CP-8832NR")));
	assert_err(read_body(1, newline, sizeof newline - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "device-name");
	assert_err(read_body(1, empty, sizeof empty - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "device-name");
	assert_err(read_body(1, only_type, sizeof only_type - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "device-name");
	memset(longest + 4, 'x', TVS_DEVICE_MAX);
	memcpy(longest + 4 + TVS_DEVICE_MAX, "\x02\x00\x01" "c", 4);
	assert_ok(read_body(1, longest, 4 + TVS_DEVICE_MAX + 4, &m, &e), &e);
	longest[2]++;
	memset(longest + 4, 'x', TVS_DEVICE_MAX + 1);
	memcpy(longest + 5 + TVS_DEVICE_MAX, "\x02\x00\x01" "c", 4);
	assert_err(read_body(1, longest, sizeof longest, &m, &e), ERR_PROTO);
}

static void skips_unknown_elements_and_refuses_duplicates(void **state)
{
	static const char unknown[] = "\xf0\x00\x03" "abc" "\x02\x00\x01" "c" "\x0d\x00\x00" "\xf0\x00\x00";
	static const char twice[] = "\x02\x00\x01" "c" "\x02\x00\x01" "d";
	struct tvs_msg m;
	struct err e;

	(void)state;
	assert_ok(read_body(1, unknown, sizeof unknown - 1, &m, &e), &e);
	assert_true(view_eq(m.certificate, view_str("c")));
	assert_err(read_body(1, twice, sizeof twice - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "duplicate-element");
	assert_int_equal(e.offset, 14);
}

/* Tags 4 and 5 are inferred: a phone that numbers them otherwise is understood too (6.3). */
static void takes_issuer_and_serial_by_position(void **state)
{
	static const char shifted[] = "\x03\x00\x05" "CN=s\0" "\x05\x00\x05" "CN=i\0" "\x06\x00\x02" "\x12\x34";
	static const char others[] = "\x03\x00\x05" "CN=s\0" "\x14\x00\x05" "CN=i\0" "\x15\x00\x02" "\x12\x34";
	static const char serial_only[] = "\x03\x00\x05" "CN=s\0" "\x05\x00\x02" "\x12\x34";
	const char *const bodies[] = {shifted, others};
	struct tvs_msg m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_ok(read_body(3, bodies[i], sizeof shifted - 1, &m, &e), &e);
		assert_string_equal((const char *)m.issuer.p, "CN=i");
		assert_true(view_eq(m.serial, view_str("\x12\x34")));
	}
	assert_err(read_body(3, serial_only, sizeof serial_only - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "missing-identity");
}

static void answers(void **state)
{
	static const char no_status[] = "\x08\x00\x01\x00";
	static const char long_status[] = "\x07\x00\x02\x00\x00";
	static const char short_ttl[] = "\x07\x00\x01\x00" "\x09\x00\x03\x01\x51\x80";
	static const char strange_role[] = "\x07\x00\x01\x00" "\x08\x00\x03\x00\x15\xc8";
	struct tvs_msg m;
	struct err e;

	(void)state;
	assert_err(read_body(2, no_status, sizeof no_status - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "missing-status");
	assert_err(read_body(2, long_status, sizeof long_status - 1, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, "element-size");
	assert_err(read_body(2, short_ttl, sizeof short_ttl - 1, &m, &e), ERR_PROTO);
	assert_ok(read_body(2, strange_role, sizeof strange_role - 1, &m, &e), &e);
	assert_int_equal(m.roles, TVS_ROLE(0) | TVS_ROLE(21));
}

static void measures_frames_as_they_arrive(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load("verify-response-valid.bin", &data), frame_len;
	struct err e = ERR_INIT;
	struct tvs_msg m;

	(void)state;
	for (size_t n = 0; n < TVS_HEADER_LEN; n++) {
		assert_err(tvs_frame_len((struct view){data, n}, &frame_len, &e), ERR_AGAIN);
		err_clear(&e);
	}
	for (size_t n = 0; n < len; n++) {
		assert_err(tvs_msg_read((struct view){data, n}, &m, &e), ERR_PROTO);
		assert_string_equal(e.rule, "body-length");
		err_clear(&e);
	}
	data[0] = 0x58; /* a wrong first octet needs no second one */
	assert_err(tvs_frame_len((struct view){data, 1}, &frame_len, &e), ERR_PROTO);
	data[0] = 0x57;
	data[2] = 9;
	err_clear(&e);
	assert_err(tvs_frame_len((struct view){data, 3}, &frame_len, &e), ERR_PROTO);
	assert_string_equal(e.rule, "message-type");
}

/* No flipped bit is read as something else without being noticed in the fields, and none reads outside the frame. */
static void survives_every_flip(void **state)
{
	AUTO(auto_free) uint8_t *data = NULL;
	size_t len = load("query-request.bin", &data);
	struct tvs_msg m, before;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(tvs_msg_read((struct view){data, len}, &before, &e), &e);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0xff;
		e = ERR_INIT;
		if (!tvs_msg_read((struct view){data, len}, &m, &e)) {
			assert_in_range((uintptr_t)m.issuer.p, (uintptr_t)data, (uintptr_t)data + len);
			assert_in_range((uintptr_t)(m.serial.p + m.serial.len), (uintptr_t)data, (uintptr_t)data + len);
		}
		data[i] ^= 0xff;
	}
}

static void refuses_to_write_half_a_message(void **state)
{
	struct tvs_msg m = {.type = TVS_VERIFY_REQUEST};
	struct err e = ERR_INIT;
	struct wr w;

	(void)state;
	wr_init(&w, 100);
	assert_err(tvs_msg_write(&m, &w, &e), ERR_USAGE);
	err_clear(&e);
	m.type = 7;
	assert_err(tvs_msg_write(&m, &w, &e), ERR_USAGE);
	err_clear(&e);
	m = (struct tvs_msg){.type = TVS_VERIFY_REQUEST, .certificate = {(const uint8_t *)"0123456789", 10}};
	wr_init(&w, 16);
	assert_err(tvs_msg_write(&m, &w, &e), ERR_LIMIT);
	wr_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_verification_request),
		cmocka_unit_test(reads_the_query_of_a_real_phone),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(refuses_the_bad_vectors),
		cmocka_unit_test(reads_without_a_device_name),
		cmocka_unit_test(device_names),
		cmocka_unit_test(skips_unknown_elements_and_refuses_duplicates),
		cmocka_unit_test(takes_issuer_and_serial_by_position),
		cmocka_unit_test(answers),
		cmocka_unit_test(measures_frames_as_they_arrive),
		cmocka_unit_test(survives_every_flip),
		cmocka_unit_test(refuses_to_write_half_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
