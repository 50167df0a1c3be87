#include "testing.h"

#include <string.h>

#include "proto/provision.h"

struct expect {
	const char *asked;
	enum provision_kind kind;
	const char *name, *base, *device;
};

static void assert_provision(const struct expect *x, enum provision_transport transport)
{
	struct provision p;

	provision_parse(view_str(x->asked), transport, &p);
	if (p.kind != x->kind)
		fail_msg("%s: got %s, wanted %s", x->asked, provision_kind_name(p.kind), provision_kind_name(x->kind));
	assert_string_equal(p.name, x->name);
	assert_string_equal(p.base, x->base);
	assert_string_equal(p.device, x->device);
	assert_null(p.reason);
}

static void what_phones_ask_for(void **state)
{
	static const struct expect table[] = {
		{"CTLFile.tlv", PROVISION_CTL, "CTLFile.tlv", "", ""},
		{"ITLFile.tlv", PROVISION_ITL, "ITLFile.tlv", "", ""},
		{"/ITLFile.tlv", PROVISION_ITL, "ITLFile.tlv", "", ""},
		{"CTLSEP001122334455.tlv", PROVISION_CTL, "CTLSEP001122334455.tlv", "", "SEP001122334455"},
		{"ITLSEP001122334455.tlv", PROVISION_ITL, "ITLSEP001122334455.tlv", "", "SEP001122334455"},
		{"itlsep00112233aabb.TLV", PROVISION_ITL, "itlsep00112233aabb.TLV", "", "sep00112233aabb"},
		{"CTLCSFalice.tlv", PROVISION_CTL, "CTLCSFalice.tlv", "", "CSFalice"},
		{"ext_ITLSEP001122334455.tlv", PROVISION_EXT_ITL, "ext_ITLSEP001122334455.tlv", "", "SEP001122334455"},
		{"SEP001122334455.cnf.xml", PROVISION_PLAIN, "SEP001122334455.cnf.xml", "", ""},
		{"SEP001122334455.cnf.xml.sgn", PROVISION_SIGNED, "SEP001122334455.cnf.xml.sgn", "SEP001122334455.cnf.xml", ""},
		{"SEP001122334455.cnf.xml.SGN", PROVISION_SIGNED, "SEP001122334455.cnf.xml.SGN", "SEP001122334455.cnf.xml", ""},
		{"SEP001122334455.cnf.xml.enc.sgn", PROVISION_ENC_SIGNED, "SEP001122334455.cnf.xml.enc.sgn",
		 "SEP001122334455.cnf.xml", ""},
		{"New_Zealand/g3-tones.xml.sgn", PROVISION_SIGNED, "New_Zealand/g3-tones.xml.sgn", "New_Zealand/g3-tones.xml", ""},
		{"//mk-sip.jar.sgn", PROVISION_SIGNED, "mk-sip.jar.sgn", "mk-sip.jar", ""},
		{"Desktops/320x212x12/List.xml", PROVISION_PLAIN, "Desktops/320x212x12/List.xml", "", ""},
		{"New_Zealand/CTLFile.tlv", PROVISION_PLAIN, "New_Zealand/CTLFile.tlv", "", ""},
		{"CTL.tlv", PROVISION_PLAIN, "CTL.tlv", "", ""},
		{"CTL12345.tlv", PROVISION_PLAIN, "CTL12345.tlv", "", ""},
		{"CTLSEP00112233 4455.tlv", PROVISION_PLAIN, "CTLSEP00112233 4455.tlv", "", ""},
		{"CTLSEP001122334455.tlvx", PROVISION_PLAIN, "CTLSEP001122334455.tlvx", "", ""},
		{"sip78xx.14-3-1-0201-246.loads", PROVISION_PLAIN, "sip78xx.14-3-1-0201-246.loads", "", ""},
		{"x.loads.sgn", PROVISION_PLAIN, "x.loads.sgn", "", ""},
		{"x.sbn.sgn", PROVISION_PLAIN, "x.sbn.sgn", "", ""},
		{"x.SB2.sgn", PROVISION_PLAIN, "x.SB2.sgn", "", ""},
		{"x.bin.sgn", PROVISION_PLAIN, "x.bin.sgn", "", ""},
		{"x.zz.sgn", PROVISION_PLAIN, "x.zz.sgn", "", ""},
		{"x.cop.sgn", PROVISION_PLAIN, "x.cop.sgn", "", ""},
		{"x.cop.sha512", PROVISION_PLAIN, "x.cop.sha512", "", ""},
		{"x.xml.sgn.sgn", PROVISION_PLAIN, "x.xml.sgn.sgn", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_provision(&table[i], PROVISION_TFTP);
		assert_provision(&table[i], PROVISION_HTTP);
	}
}

static void https_means_the_plain_configuration(void **state)
{
	static const struct expect table[] = {
		{"/SEP001122334455.cnf.xml.sgn", PROVISION_PLAIN, "SEP001122334455.cnf.xml", "", ""},
		{"/SEP001122334455.cnf.xml", PROVISION_PLAIN, "SEP001122334455.cnf.xml", "", ""},
		{"/SEP001122334455.cnf.xml.enc.sgn", PROVISION_ENC_SIGNED, "SEP001122334455.cnf.xml.enc.sgn",
		 "SEP001122334455.cnf.xml", ""},
		{"/SK0f.xml.sgn", PROVISION_SIGNED, "SK0f.xml.sgn", "SK0f.xml", ""},
		{"/a/SEP001122334455.cnf.xml.sgn", PROVISION_SIGNED, "a/SEP001122334455.cnf.xml.sgn",
		 "a/SEP001122334455.cnf.xml", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_provision(&table[i], PROVISION_HTTPS);
}

static void assert_refused(struct view name, const char *reason)
{
	struct provision p;

	provision_parse(name, PROVISION_TFTP, &p);
	if (p.kind != PROVISION_REFUSED)
		fail_msg("%.*s: %s", (int)name.len, (const char *)name.p, provision_kind_name(p.kind));
	assert_string_equal(p.reason, reason);
	assert_string_equal(p.name, "");
}

static void refuses_what_is_no_name(void **state)
{
	const char *dot = "parts of a name that begin with a dot are not served";
	const char *control = "the name has a control character";
	const char *empty_part = "the name has an empty part";

	(void)state;
	assert_refused(view_str(""), "the name is empty");
	assert_refused(view_str("///"), "the name is empty");
	assert_refused((struct view){NULL, 0}, "the name is empty");
	assert_refused(view_str("../etc/passwd"), dot);
	assert_refused(view_str("/../etc/passwd"), dot);
	assert_refused(view_str("a/../../etc/passwd"), dot);
	assert_refused(view_str("a/.."), dot);
	assert_refused(view_str("./a"), dot);
	assert_refused(view_str(".git/config"), dot);
	assert_refused(view_str(".sgn"), dot);
	assert_refused(view_str("a/.sgn"), dot);
	assert_refused(view_str("a\\b"), "the name has a backslash");
	assert_refused(view_str("..\\..\\windows"), dot);
	assert_refused(view_str("C:/boot.ini"), "drive names are not served");
	assert_refused(view_str("c:boot"), "drive names are not served");
	assert_refused(view_str("a\nb"), control);
	assert_refused(view_str("a\x7f"), control);
	assert_refused((struct view){(const uint8_t *)"a\0.xml", 6}, control);
	assert_refused(view_str("a//b"), empty_part);
	assert_refused(view_str("a/"), empty_part);
}

static void length_is_bounded(void **state)
{
	char name[PROVISION_NAME_MAX + 3];
	struct provision p;

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_refused((struct view){(const uint8_t *)name, PROVISION_NAME_MAX + 1}, "the name is too long");
	provision_parse((struct view){(const uint8_t *)name, PROVISION_NAME_MAX}, PROVISION_TFTP, &p);
	assert_int_equal(p.kind, PROVISION_PLAIN);
	assert_int_equal(strlen(p.name), PROVISION_NAME_MAX);
	name[0] = '/'; /* does not count */
	provision_parse((struct view){(const uint8_t *)name, PROVISION_NAME_MAX + 1}, PROVISION_TFTP, &p);
	assert_int_equal(p.kind, PROVISION_PLAIN);

	/* A device name of more than 63 octets is no device name. */
	memset(name, 'A', sizeof(name));
	memcpy(name, "CTLSEP", 6);
	memcpy(name + 3 + PROVISION_DEVICE_MAX, ".tlv", 4);
	provision_parse((struct view){(const uint8_t *)name, 3 + PROVISION_DEVICE_MAX + 4}, PROVISION_TFTP, &p);
	assert_int_equal(p.kind, PROVISION_CTL);
	assert_int_equal(strlen(p.device), PROVISION_DEVICE_MAX);
	name[3 + PROVISION_DEVICE_MAX] = 'A';
	memcpy(name + 4 + PROVISION_DEVICE_MAX, ".tlv", 4);
	provision_parse((struct view){(const uint8_t *)name, 4 + PROVISION_DEVICE_MAX + 4}, PROVISION_TFTP, &p);
	assert_int_equal(p.kind, PROVISION_PLAIN);
}

static void urls(void **state)
{
	static const struct {
		const char *target, *path;
	} good[] = {
		{"/", "/"},
		{"/SEP001122334455.cnf.xml", "/SEP001122334455.cnf.xml"},
		{"/New%20Zealand/a+b.xml?x=%zz", "/New Zealand/a+b.xml"},
		{"/%2e%2E/etc%2fpasswd", "/../etc/passwd"},
		{"/%25%41", "/%A"},
	};
	char out[64];
	size_t len;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_ok(provision_decode_url(view_str(good[i].target), out, sizeof(out), &len, &e), &e);
		assert_string_equal(out, good[i].path);
		assert_int_equal(len, strlen(out));
	}
}

static void refuses_urls(void **state)
{
	static const struct {
		const char *target, *rule;
		long offset;
	} bad[] = {
		{"", "url-form", 0},      {"a", "url-form", 0},      {"http://h/a", "url-form", 0}, {"?x", "url-form", 0},
		{"/%", "url-escape", 1},  {"/a%4", "url-escape", 2}, {"/%g0", "url-escape", 1},     {"/%0g", "url-escape", 1},
		{"/%?0", "url-escape", 1}, {"/%00", "url-octet", 1},  {"/a%0a", "url-octet", 2},     {"/a\tb", "url-octet", 2},
		{"/%7f", "url-octet", 1},
	};
	char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		assert_err(provision_decode_url(view_str(bad[i].target), out, sizeof(out), &len, &e), ERR_PROTO);
		assert_string_equal(e.rule, bad[i].rule);
		assert_int_equal(e.offset, bad[i].offset);
	}
	assert_err(provision_decode_url(view_str("/abc"), out, 4, &len, NULL), ERR_LIMIT);
	assert_int_equal(provision_decode_url(view_str("/abc"), out, 5, &len, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_phones_ask_for),
		cmocka_unit_test(https_means_the_plain_configuration),
		cmocka_unit_test(refuses_what_is_no_name),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(urls),
		cmocka_unit_test(refuses_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
