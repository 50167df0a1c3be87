#include "../testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_head.h"

static unsigned parse(const char *text, struct http_head *h)
{
	unsigned status;
	size_t end = http_head_end(view_str(text), &status);

	if (!end)
		return status ? status : 1; /* 1: more is needed */
	assert_int_equal(end, strlen(text));
	return http_head_parse(view_str(text), h);
}

static void test_good(void **state)
{
	struct http_head h;

	(void)state;
	assert_int_equal(parse("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", &h), 0);
	assert_int_equal(h.method, HTTP_GET);
	assert_true(view_eq(h.target, view_str("/a")));
	assert_true(h.keep_alive);
	assert_int_equal(parse("HEAD /a HTTP/1.0\r\n\r\n", &h), 0);
	assert_int_equal(h.method, HTTP_HEAD);
	assert_false(h.keep_alive);
	assert_int_equal(parse("GET /a HTTP/1.0\r\nconnection:\tfoo , KEEP-alive\r\n\r\n", &h), 0);
	assert_true(h.keep_alive);
	assert_int_equal(parse("GET /a HTTP/1.1\r\nHOST:\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", &h), 0);
	assert_false(h.keep_alive);
	/* RFC 9112 2.2: an empty line before the request line */
	assert_int_equal(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", &h), 0);
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nX: \x80\xff\r\n\r\n", &h), 0);
}

static void test_refused(void **state)
{
	static const struct {
		unsigned status;
		const char *text;
	} rows[] = {
		{405, "POST / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{405, "PUT / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{405, "get / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{405, "GETX / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
		{505, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
		{400, "GET / http/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
		{400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET /\r\n\r\n"},
		{400, "GET\r\n\r\n"},
		{400, " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "G(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nnofield\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{400, "GET / HTTP/1.1\nHost: x\n\n"},
		{400, "\nGET / HTTP/1.1\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"},
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned got = parse(rows[i].text, &h);
		if (got != rows[i].status)
			fail_msg("row %zu: %u instead of %u", i, got, rows[i].status);
	}
}

static void test_every_length(void **state)
{
	static const char text[] = "\r\nGET /name HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	unsigned status;

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		assert_int_equal(http_head_end((struct view){(const uint8_t *)text, n}, &status), 0);
		assert_int_equal(status, 0);
	}
	/* What follows belongs to the next request. */
	char two[256];
	snprintf(two, sizeof(two), "%s%s", text, text);
	assert_int_equal(http_head_end(view_str(two), &status), sizeof(text) - 1);
	/* Any octet changed: an answer, never a crash. */
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		for (int bit = 0; bit < 8; bit++) {
			char changed[sizeof(text)];
			struct http_head h;
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)(changed[i] ^ 1 << bit);
			struct view v = {(const uint8_t *)changed, sizeof(text) - 1};
			size_t end = http_head_end(v, &status);
			if (end && http_head_parse((struct view){v.p, end}, &h) == 0)
				assert_in_range(h.target.len, 1, 5);
		}
}

static void test_limits(void **state)
{
	char *text = malloc(HTTP_HEAD_MAX + 100);
	unsigned status;
	struct http_head h;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', HTTP_HEAD_MAX + 100);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_LINE_MAX}, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_LINE_MAX + 1}, &status), 0);
	assert_int_equal(status, 414);
	memcpy(text + HTTP_LINE_MAX + 1, "\r\n\r\n", 4);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_LINE_MAX + 5}, &status), 0);
	assert_int_equal(status, 414);
	memset(text, 'a', HTTP_HEAD_MAX);
	memcpy(text, "GET / HTTP/1.1\r\n", 16);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_HEAD_MAX - 1}, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_HEAD_MAX}, &status), 0);
	assert_int_equal(status, 431);
	/* Empty lines without end are no head either. */
	for (size_t i = 0; i < HTTP_HEAD_MAX; i += 2)
		memcpy(text + i, "\r\n", 2);
	assert_int_equal(http_head_end((struct view){(uint8_t *)text, HTTP_HEAD_MAX}, &status), 0);
	assert_int_equal(status, 431);

	size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < HTTP_MAX_FIELDS; i++)
		n += (size_t)sprintf(text + n, "A: b\r\n");
	sprintf(text + n, "\r\n");
	assert_int_equal(parse(text, &h), 431);
	free(text);
}

static void test_paths(void **state)
{
	static const struct {
		const char *target, *path; /* NULL: refused */
	} rows[] = {
		{"/SEP001122334455.cnf.xml", "/SEP001122334455.cnf.xml"},
		{"/New_Zealand/g3-tones.xml?x=y", "/New_Zealand/g3-tones.xml"},
		{"/a%20b%2Fc", "/a b/c"},
		{"/%41", "/A"},
		{"/", "/"},
		{"//mk-sip.jar", "//mk-sip.jar"},
		{"/../x", "/../x"},
		{"http://192.0.2.1:6970/CTLFile.tlv", "/CTLFile.tlv"},
		{"HTTPS://h/ITLFile.tlv", "/ITLFile.tlv"},
		{"/%c3%a9", "/\xc3\xa9"},
		{"http://h", NULL},
		{"*", NULL},
		{"h:443", NULL},
		{"name", NULL},
		{"/%", NULL},
		{"/%4", NULL},
		{"/%zz", NULL},
		{"/%00", NULL},
		{"/%0a", NULL},
		{"/%7f", NULL},
		{"/a%0d%0aX", NULL},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = http_target_path(view_str(rows[i].target), out, sizeof(out));
		assert_int_equal(ok, rows[i].path != NULL);
		if (ok)
			assert_string_equal(out, rows[i].path);
	}
	assert_true(http_target_path(view_str("/ab"), out, 4));
	assert_false(http_target_path(view_str("/abc"), out, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_refused), cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_limits),	     cmocka_unit_test(test_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
