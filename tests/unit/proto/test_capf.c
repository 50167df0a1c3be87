#include "testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "proto/capf.h"

#define SESSION 0x00010203

static uint8_t *golden(const char *name, size_t *len)
{
	struct err e = ERR_INIT;
	char path[512];
	uint8_t *data;

	snprintf(path, sizeof(path), "%s/capf/%s", getenv("GOLDEN"), name);
	assert_ok(file_read(AT_FDCWD, path, CAPF_FRAME_MAX, &data, len, &e), &e);
	return data;
}

/* Messages whose element order is ours: read and written again they are the same octets. */
static const char *const canonical[] = {
	"auth-request-v3.bin", "auth-request-cucm.bin", "auth-response-certificate.bin", "auth-response-nopassword.bin",
	"auth-response-password.bin", "delete-certificate-request.bin", "delete-certificate-response.bin",
	"end-session-invalid.bin", "end-session-no-action.bin", "end-session-ok.bin", "end-session-unknown-device.bin",
	"fetch-certificate-request.bin", "fetch-certificate-response.bin", "fetch-certificate-response-none.bin",
	"key-generate-request-rsa2048.bin", "key-generate-request-rsa2048-v2.bin", "key-generate-request-p384.bin",
	"key-generate-response.bin", "request-in-progress.bin", "store-certificate-request.bin",
	"store-certificate-response.bin",
};

static void vectors_come_back_as_they_were(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
		struct err e = ERR_INIT;
		struct capf_msg m;
		struct wr w;
		size_t len;
		uint8_t *data = golden(canonical[i], &len);
		assert_ok(capf_msg_read((struct view){data, len}, &m, &e), &e);
		assert_int_equal(m.session, SESSION);
		wr_init(&w, CAPF_FRAME_MAX);
		assert_ok(capf_msg_write(&m, &w, &e), &e);
		if (w.len != len || memcmp(w.p, data, len) != 0)
			fail_msg("%s: written again it differs", canonical[i]);
		wr_clear(&w);
		free(data);
	}
}

static void understands_version_2(void **state)
{
	struct err e = ERR_INIT;
	struct capf_msg m;
	size_t len;
	uint8_t *data = golden("auth-response-jabber-v2.bin", &len);

	(void)state;
	assert_ok(capf_msg_read((struct view){data, len}, &m, &e), &e);
	assert_int_equal(m.version, 2);
	assert_false(m.has_password);
	assert_true(view_eq(m.device, view_str("CSF123")));
	assert_int_equal(m.reason, CAPF_REASON_SUCCESS);
	free(data);
}

static void unwraps_a_certificate(void **state)
{
	struct err e = ERR_INIT;
	struct capf_msg m;
	size_t len;
	uint8_t *data = golden("store-certificate-request.bin", &len);

	(void)state;
	assert_ok(capf_msg_read((struct view){data, len}, &m, &e), &e);
	assert_int_equal(m.certificate_type, CAPF_CERT_LSC);
	assert_int_equal(m.cert_type, CAPF_CERT_LSC);
	assert_int_equal(m.certificate.p[0], 0x30);
	free(data);
}

static void every_cut_is_refused(void **state)
{
	size_t len;
	uint8_t *data = golden("auth-response-certificate.bin", &len);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		struct err e = ERR_INIT;
		struct capf_msg m;
		uint8_t *cut = malloc(n ? n : 1); /* exact size, so that ASan sees a read past it */
		memcpy(cut, data, n);
		assert_err(capf_msg_read((struct view){cut, n}, &m, &e), n < CAPF_HEADER_LEN ? ERR_AGAIN : ERR_PROTO);
		free(cut);
	}
	free(data);
}

static void refuse(const char *rule, const void *frame, size_t len)
{
	struct err e = ERR_INIT;
	struct capf_msg m;

	assert_err(capf_msg_read((struct view){frame, len}, &m, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
}
#define REFUSE(rule, octets) refuse(rule, octets, sizeof(octets) - 1)

static void names_the_broken_rule(void **state)
{
	(void)state;
	REFUSE("protocol", "\x57\x01\0\0\0\1\0\0");
	REFUSE("command", "\x55\x63\0\0\0\1\0\0");
	REFUSE("body-length", "\x55\x11\0\0\0\1\0\0\0");
	REFUSE("element-past-body", "\x55\x0a\0\0\0\1\0\4\1\0\2\1");
	REFUSE("element-size", "\x55\x0a\0\0\0\1\0\5\1\0\2\1\1");
	REFUSE("duplicate-element", "\x55\x0a\0\0\0\1\0\x8\1\0\1\1\1\0\1\1");
	REFUSE("device-name", "\x55\x02\0\0\0\1\0\7\x0d\0\4" "S\0P\0");
	REFUSE("device-name", "\x55\x02\0\0\0\1\0\4\x0d\0\1\0");
	REFUSE("text-element", "\x55\x02\0\0\0\1\0\6\x0b\0\3" "1\0" "2");
	REFUSE("certificate-wrapping", "\x55\x09\0\0\0\1\0\6\4\0\3\1\0\2");
}

static void unknown_elements_are_skipped(void **state)
{
	static const char frame[] = "\x55\x0a\0\0\0\1\0\x9\x63\0\2xx\1\0\1\1";
	struct err e = ERR_INIT;
	struct capf_msg m;

	(void)state;
	assert_ok(capf_msg_read((struct view){(const uint8_t *)frame, sizeof(frame) - 1}, &m, &e), &e);
	assert_int_equal(m.reason, CAPF_REASON_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_come_back_as_they_were),
		cmocka_unit_test(understands_version_2),
		cmocka_unit_test(unwraps_a_certificate),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(names_the_broken_rule),
		cmocka_unit_test(unknown_elements_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
