#include "../golden.h"

#include <string.h>

#include "base/cleanup.h"
#include "format/confxml.h"

#define HASH "6187e67cc9624a4ef0306449313f7de4" /* MD5 of certs/device2048.der: formats-and-protocols.md 5.4 */

static void the_hash_of_a_certificate(void **state)
{
	struct view der = golden("certs/device2048.der");
	char hash[CONFXML_CERT_HASH_SIZE];
	struct cert *c = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_ok(cert_from_der(der, &c, &e), &e);
	assert_ok(confxml_cert_hash(c, hash, &e), &e);
	assert_string_equal(hash, HASH);
	cert_unref(c);
	golden_free(der);
}

static void assert_stub(const char *xml, const char *hash, const char *want)
{
	AUTO(auto_free) uint8_t *out = NULL;
	struct err e = ERR_INIT;
	size_t len;

	assert_ok(confxml_stub(view_str(xml), hash, &out, &len, &e), &e);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(out, want, len);
}

static void stub_of_the_vector(void **state)
{
	struct view full = golden("enc/plain.cnf.xml"), want = golden("enc/stub.cnf.xml");

	(void)state;
	assert_stub((const char *)full.p, HASH, (const char *)want.p);
	golden_free(full);
	golden_free(want);
}

#define STUB_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n  <fullConfig>false</fullConfig>\n"

static void stub_forms(void **state)
{
	(void)state;
	/* What the phone needs before it can decrypt, in its order; attributes of <device> and everything else are gone. */
	assert_stub("<device xsi:type=\"axl:XIPPhone\" ctiid=\"1\"><sshPassword>secret</sshPassword>"
		    "<capfList><capf><phonePort>3804</phonePort><processNodeName>a&amp;b</processNodeName></capf></capfList>"
		    "<devicePool><capfList>inner</capfList></devicePool><ipAddressMode>0</ipAddressMode></device>",
		    HASH,
		    STUB_HEAD "  <capfList>\n    <capf>\n      <phonePort>3804</phonePort>\n      "
			      "<processNodeName>a&amp;b</processNodeName>\n    </capf>\n  </capfList>\n  "
			      "<ipAddressMode>0</ipAddressMode>\n  <certHash>" HASH "</certHash>\n  "
			      "<encrConfig>true</encrConfig>\n</device>\n");
	/* Nobody knows a certificate of the phone. */
	assert_stub("<device>\n\t<encrConfig>true</encrConfig>\n\t<capfAuthMode>2</capfAuthMode>\n</device>", NULL,
		    STUB_HEAD "  <capfAuthMode>2</capfAuthMode>\n</device>\n");
	assert_stub("<?xml version='1.0' encoding='ISO-8859-1'?><device><loadInformation>\xe4</loadInformation></device>", NULL,
		    STUB_HEAD "  <loadInformation>\xc3\xa4</loadInformation>\n</device>\n");
}

/* --- elements put into a file --- */

static struct confxml_trust all_of_it(void)
{
	static const struct confxml_url urls[] = {{"secureDirectoryURL", "https://a/?b=1&c"}};

	return (struct confxml_trust){
		.tvs = {{"192.0.2.10", 2445}, {"cucm-sub", 2446}},
		.n_tvs = 2,
		.capf = {{"192.0.2.10", 3804}},
		.n_capf = 1,
		.capf_auth_mode = 2,
		.security_mode = 3,
		.transport = 3,
		.encrypted = 1,
		.cert_hash = HASH,
		.urls = urls,
		.n_urls = 1,
	};
}

static void assert_trust(const char *xml, const struct confxml_trust *t, const char *want)
{
	AUTO(auto_free) uint8_t *out = NULL, *again = NULL;
	struct err e = ERR_INIT;
	size_t len, again_len;

	assert_ok(confxml_trust(view_str(xml), t, &out, &len, &e), &e);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(out, want, len);
	assert_ok(confxml_trust((struct view){out, len}, t, &again, &again_len, &e), &e);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, out, len);
}

#define TVS                                                                                                             \
	"<TVS>\n    <members>\n      <member priority=\"0\">\n        <port>2445</port>\n        "                      \
	"<address>192.0.2.10</address>\n      </member>\n      <member priority=\"1\">\n        <port>2446</port>\n"    \
	"        <address>cucm-sub</address>\n      </member>\n    </members>\n  </TVS>"
#define CAPF                                                                                                            \
	"<capfList>\n    <capf>\n      <phonePort>3804</phonePort>\n      "                                            \
	"<processNodeName>192.0.2.10</processNodeName>\n    </capf>\n  </capfList>"

static void all_is_added(void **state)
{
	struct confxml_trust t = all_of_it();
	static const char elements[] =
		"\n  <deviceSecurityMode>3</deviceSecurityMode>\n  <transportLayerProtocol>3</transportLayerProtocol>\n  " TVS
		"\n  <capfAuthMode>2</capfAuthMode>\n  " CAPF "\n  <certHash>" HASH "</certHash>\n  <encrConfig>true</encrConfig>"
		"\n  <secureDirectoryURL>https://a/?b=1&amp;c</secureDirectoryURL>";
	char want[4096];

	(void)state;
	snprintf(want, sizeof(want), "<device>%s\n</device>", elements);
	assert_trust("<device/>", &t, want);
	assert_trust("<device></device>", &t, want);
	snprintf(want, sizeof(want), "<device a='/>' >%s\n</device>\n<!-- end -->\n", elements);
	assert_trust("<device a='/>' />\n<!-- end -->\n", &t, want);
	snprintf(want, sizeof(want), "<device>\n  <a/>%s <!-- c --> \n</device>", elements);
	assert_trust("<device>\n  <a/> <!-- c --> \n</device>", &t, want);
}

static void what_is_there_is_replaced_in_place(void **state)
{
	struct confxml_trust t = all_of_it();

	(void)state;
	t.n_urls = t.n_tvs = 0;
	t.transport = CONFXML_KEEP;
	assert_trust("<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\r\n<!-- mine -->\r\n<device  ctiid = '1'>\r\n"
		     "\t<certHash/> <!-- <certHash> -->\r\n"
		     "\t<encrConfig a='>'>false</encrConfig>\r\n"
		     "\t<capfList><capfList><certHash>inner</certHash></capfList></capfList>\r\n"
		     "\t<![CDATA[<certHash>]]><x>&amp;&#228;\xc3\xa4</x>\r\n"
		     "\t<certHash>again</certHash>\r\n"
		     "\t<deviceSecurityMode>1</deviceSecurityMode><capfAuthMode/>\r\n"
		     "</device>\r\n",
		     &t,
		     "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\r\n<!-- mine -->\r\n<device  ctiid = '1'>\r\n"
		     "\t<certHash>" HASH "</certHash> <!-- <certHash> -->\r\n"
		     "\t<encrConfig>true</encrConfig>\r\n"
		     "\t<capfList>\r\n\t\t<capf>\r\n\t\t\t<phonePort>3804</phonePort>\r\n\t\t\t<processNodeName>192.0.2.10"
		     "</processNodeName>\r\n\t\t</capf>\r\n\t</capfList>\r\n"
		     "\t<![CDATA[<certHash>]]><x>&amp;&#228;\xc3\xa4</x>\r\n"
		     "\t<deviceSecurityMode>3</deviceSecurityMode><capfAuthMode>2</capfAuthMode>\r\n"
		     "</device>\r\n");
}

static void only_what_is_missing(void **state)
{
	struct confxml_trust t = confxml_trust_keep;

	(void)state;
	t.only_missing = true;
	t.capf_auth_mode = 3;
	t.cert_hash = "";
	assert_trust("<device><capfAuthMode>1</capfAuthMode><capfAuthMode>2</capfAuthMode></device>", &t,
		     "<device><capfAuthMode>1</capfAuthMode><capfAuthMode>2</capfAuthMode><certHash></certHash></device>");
	assert_trust("<device><certHash/><capfAuthMode>1</capfAuthMode>\n</device>", &t,
		     "<device><certHash/><capfAuthMode>1</capfAuthMode>\n</device>");
}

static void nothing_wanted_changes_nothing(void **state)
{
	struct view full = golden("enc/plain.cnf.xml");

	(void)state;
	assert_trust((const char *)full.p, &confxml_trust_keep, (const char *)full.p);
	assert_trust("\xef\xbb\xbf<device/>", &confxml_trust_keep, "\xef\xbb\xbf<device/>");
	golden_free(full);
}

static void servers_that_no_file_can_name(void **state)
{
	struct confxml_trust t = confxml_trust_keep;
	AUTO(auto_free) uint8_t *out = NULL;
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	t.n_tvs = 1;
	t.tvs[0] = (struct confxml_server){"a b", 1};
	assert_err(confxml_trust(view_str("<device/>"), &t, &out, &len, &e), ERR_USAGE);
	t.n_tvs = CONFXML_SERVERS_MAX + 1;
	e = ERR_INIT;
	assert_err(confxml_trust(view_str("<device/>"), &t, &out, &len, &e), ERR_LIMIT);
}

/* --- files of strangers --- */

static void assert_refused(struct view xml, const char *rule)
{
	struct confxml_trust t = all_of_it();
	AUTO(auto_free) uint8_t *out = NULL;
	struct err e = ERR_INIT;
	size_t len;

	assert_err(confxml_check(xml, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	e = ERR_INIT;
	assert_err(confxml_stub(xml, HASH, &out, &len, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	e = ERR_INIT;
	assert_err(confxml_trust(xml, &t, &out, &len, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
	assert_null(out);
}

static void hostile_files(void **state)
{
	static const struct {
		const char *xml, *rule;
	} cases[] = {
		{"", "config-xml"},
		{"no xml", "config-xml"},
		{"<device>", "config-xml"},
		{"<device><a></device>", "config-xml"},
		{"<device/><device/>", "config-xml"},
		{"<device>&nothing;</device>", "config-xml"},
		{"<device a='<'/>", "config-xml"},
		{"<?xml version='1.0' encoding='UTF-8'?><device>\xe4</device>", "config-xml"},
		{"<Default/>", "config-root"},
		{"<x:device xmlns:x='u'/>", "config-root"},
		{"<!DOCTYPE device SYSTEM 'http://127.0.0.1:1/x.dtd'><device/>", "config-doctype"},
		{"<!DOCTYPE device [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><device>&x;</device>", "config-doctype"},
		{"<!DOCTYPE device [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><device/>", "config-doctype"},
		{"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c "
		 "'&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]><device a='&d;'>&d;</device>",
		 "config-doctype"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(view_str(cases[i].xml), cases[i].rule);
}

static void deep_and_large_files(void **state)
{
	static char xml[CONFXML_MAX + 2];
	struct err e = ERR_INIT;
	size_t n;

	(void)state;
	for (unsigned depth = CONFXML_DEPTH; depth < 50000; depth *= 11) {
		n = (size_t)snprintf(xml, sizeof(xml), "<device>");
		for (unsigned i = 1; i < depth; i++)
			n += (size_t)snprintf(xml + n, sizeof(xml) - n, "<a>");
		for (unsigned i = 1; i < depth; i++)
			n += (size_t)snprintf(xml + n, sizeof(xml) - n, "</a>");
		n += (size_t)snprintf(xml + n, sizeof(xml) - n, "</device>");
		e = ERR_INIT;
		if (depth == CONFXML_DEPTH)
			assert_ok(confxml_check((struct view){(uint8_t *)xml, n}, &e), &e);
		else
			assert_err(confxml_check((struct view){(uint8_t *)xml, n}, &e), ERR_PROTO);
	}
	e = ERR_INIT;
	assert_err(confxml_check((struct view){(uint8_t *)xml, CONFXML_MAX + 1}, &e), ERR_LIMIT);
}

static void other_encodings_are_not_edited(void **state)
{
	static const char utf16[] = "\xff\xfe<\0d\0e\0v\0i\0c\0e\0/\0>\0";
	AUTO(auto_free) uint8_t *out = NULL;
	struct confxml_trust t = all_of_it();
	struct view xml = {(const uint8_t *)utf16, sizeof(utf16) - 1};
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	assert_ok(confxml_check(xml, &e), &e);
	assert_err(confxml_trust(xml, &t, &out, &len, &e), ERR_PROTO);
	assert_string_equal(e.rule, "config-encoding");
	e = ERR_INIT;
	assert_ok(confxml_trust(view_str("<?xml version='1.0' encoding='Windows-1252'?><device><a>\x80</a></device>"), &t, &out,
				&len, &e),
		  &e);
	assert_non_null(memmem(out, len, "<a>\x80</a>", 8));
}

/* Cut anywhere it is malformed, never half a file. */
static void cut_files(void **state)
{
	struct view full = golden("enc/plain.cnf.xml");
	size_t end = full.len;
	struct err e = ERR_INIT;

	(void)state;
	while (end && full.p[end - 1] != '>')
		end--;
	for (size_t n = 0; n < end; n++) {
		e = ERR_INIT;
		assert_err(confxml_check((struct view){full.p, n}, &e), ERR_PROTO);
		assert_string_equal(e.rule, "config-xml");
	}
	golden_free(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_of_a_certificate),
		cmocka_unit_test(stub_of_the_vector),
		cmocka_unit_test(stub_forms),
		cmocka_unit_test(all_is_added),
		cmocka_unit_test(what_is_there_is_replaced_in_place),
		cmocka_unit_test(only_what_is_missing),
		cmocka_unit_test(nothing_wanted_changes_nothing),
		cmocka_unit_test(servers_that_no_file_can_name),
		cmocka_unit_test(hostile_files),
		cmocka_unit_test(deep_and_large_files),
		cmocka_unit_test(other_encodings_are_not_edited),
		cmocka_unit_test(cut_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
