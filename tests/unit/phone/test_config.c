#include "phone/config.h"

#include <string.h>

#include "testing.h"

static struct phone_config parse(const char *xml)
{
	struct phone_config c;
	struct err e = ERR_INIT;

	assert_ok(phone_config_parse(view_str(xml), &c, &e), &e);
	return c;
}

static void refuses(const char *xml, const char *rule)
{
	struct phone_config c;
	struct err e = ERR_INIT;

	assert_err(phone_config_parse(view_str(xml), &c, &e), ERR_PROTO);
	assert_string_equal(e.rule, rule);
}

static void tvs_members_by_priority(void **state)
{
	struct phone_config c = parse(
		"<?xml version=\"1.0\"?><device><TVS><members>"
		"<member priority=\"2\"><port>2446</port><address>c</address></member>"
		"<member priority=\"0\"><address>  a </address></member>"
		"<member><address>last</address></member>"
		"<member priority=\"1\"><port>0</port><address>2001:db8::1</address></member>"
		"<member priority=\"1\"><port>2445</port></member>"
		"<member priority=\"0\"><address>two words</address></member>"
		"<other/></members></TVS></device>");

	(void)state;
	assert_int_equal(c.n_tvs, 4);
	assert_string_equal(c.tvs[0].host, "a");
	assert_int_equal(c.tvs[0].port, TVS_PORT);
	assert_string_equal(c.tvs[1].host, "2001:db8::1");
	assert_int_equal(c.tvs[1].port, TVS_PORT);
	assert_string_equal(c.tvs[2].host, "c");
	assert_int_equal(c.tvs[2].port, 2446);
	assert_string_equal(c.tvs[3].host, "last");
	assert_true(c.full);
	assert_false(c.encrypted);
}

static void no_more_servers_than_a_phone_has_room_for(void **state)
{
	char xml[1024] = "<device><TVS><members>";

	(void)state;
	for (int i = 0; i < 9; i++)
		strcat(xml, "<member><address>x</address></member>");
	strcat(xml, "</members></TVS></device>");
	assert_int_equal(parse(xml).n_tvs, PHONE_TVS_MAX);
}

static void other_elements(void **state)
{
	struct phone_config c = parse("<device><fullConfig>false</fullConfig><encrConfig>true</encrConfig>"
				      "<deviceSecurityMode>3</deviceSecurityMode><directoryURL>http://x/</directoryURL>"
				      "<secureDirectoryURL>https://y/</secureDirectoryURL></device>");

	(void)state;
	assert_false(c.full);
	assert_true(c.encrypted);
	assert_int_equal(c.security_mode, 3);
	assert_string_equal(c.directory_url, "https://y/");
	c = parse("<device><deviceSecurityMode>9</deviceSecurityMode><directoryURL>http://x/</directoryURL>"
		  "<secureDirectoryURL/></device>");
	assert_int_equal(c.security_mode, 0);
	assert_string_equal(c.directory_url, "http://x/");
	assert_true(parse("<Default/>").full);
}

static void what_is_no_configuration(void **state)
{
	(void)state;
	refuses("", "config-xml");
	refuses("<device>", "config-xml");
	refuses("text", "config-xml");
	refuses("<html/>", "config-root");
	refuses("<!DOCTYPE device [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><device>"
		"<directoryURL>&x;</directoryURL></device>", "config-doctype");
	refuses("<!DOCTYPE device [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><device>&b;</device>",
		"config-doctype");
}

static void urls(void **state)
{
	struct phone_url u;

	(void)state;
	assert_true(phone_url_read("https://14.48.44.80:8443/ccmcip/xmldirectory.jsp", &u));
	assert_string_equal(u.host, "14.48.44.80");
	assert_int_equal(u.port, 8443);
	assert_string_equal(u.path, "/ccmcip/xmldirectory.jsp");
	assert_true(phone_url_read("HTTPS://[2001:db8::1]", &u));
	assert_string_equal(u.host, "2001:db8::1");
	assert_int_equal(u.port, 443);
	assert_string_equal(u.path, "/");
	assert_true(phone_url_read("https://h?q=1#part", &u));
	assert_string_equal(u.path, "/?q=1");
	assert_true(u.tls);
	assert_true(phone_url_read("http://h/a%20b", &u));
	assert_false(u.tls);
	assert_int_equal(u.port, 80);
	assert_false(phone_url_read("ftp://h/", &u));
	assert_false(phone_url_read("http://h/a b", &u));
	assert_false(phone_url_read("http://h/a\r\nHost: x", &u));
	assert_false(phone_url_read("https://", &u));
	assert_false(phone_url_read("https://user@h/", &u));
	assert_false(phone_url_read("https://h:0/", &u));
	assert_false(phone_url_read("https://h:65536/", &u));
	assert_false(phone_url_read("https://h:8443x/", &u));
	assert_false(phone_url_read("https://[::1", &u));
	assert_false(phone_url_read("https://[::1]x", &u));
}

static void capf(void **state)
{
	static const char hash[] = "6187e67cc9624a4ef0306449313f7de4";
	char xml[2048] = "<device><capfList>";
	struct phone_config c = parse(
		"<device><capfAuthMode> 3 </capfAuthMode><capfList>"
		"<capf><phonePort>3805</phonePort><processNodeName>a</processNodeName></capf>"
		"<capf><processNodeName>2001:db8::1</processNodeName></capf>"
		"<capf><phonePort>70000</phonePort><processNodeName>c</processNodeName></capf>"
		"<capf><phonePort>1</phonePort></capf><capf><processNodeName>two words</processNodeName></capf>"
		"<other><processNodeName>d</processNodeName></other></capfList>"
		"<certHash>6187E67CC9624A4EF0306449313F7DE4</certHash></device>");

	(void)state;
	assert_int_equal(c.capf_mode, PHONE_CAPF_LSC);
	assert_int_equal(c.n_capf, 3);
	assert_string_equal(c.capf[0].host, "a");
	assert_int_equal(c.capf[0].port, 3805);
	assert_string_equal(c.capf[1].host, "2001:db8::1");
	assert_int_equal(c.capf[1].port, CAPF_PORT);
	assert_int_equal(c.capf[2].port, CAPF_PORT); /* out of range: as if it was not there */
	assert_string_equal(c.cert_hash, hash);
	c = parse("<device><capfAuthMode>5</capfAuthMode><certHash></certHash></device>");
	assert_int_equal(c.capf_mode, PHONE_CAPF_NONE);
	assert_int_equal(c.n_capf, 0);
	assert_string_equal(c.cert_hash, "");
	assert_string_equal(parse("<device><certHash>6187e67c</certHash></device>").cert_hash, "");
	assert_string_equal(parse("<device><certHash>6187e67cc9624a4ef0306449313f7deg</certHash></device>").cert_hash, "");
	assert_string_equal(parse("<device><certHash>61:87e67cc9624a4ef0306449313f7de</certHash></device>").cert_hash, "");
	for (int i = 0; i < 9; i++)
		strcat(xml, "<capf><processNodeName>x</processNodeName></capf>");
	strcat(xml, "</capfList></device>");
	assert_int_equal(parse(xml).n_capf, PHONE_CAPF_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tvs_members_by_priority),
		cmocka_unit_test(no_more_servers_than_a_phone_has_room_for),
		cmocka_unit_test(other_elements),
		cmocka_unit_test(what_is_no_configuration),
		cmocka_unit_test(urls),
		cmocka_unit_test(capf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
