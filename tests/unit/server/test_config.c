#include "../testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"

struct collected {
	char text[32][512];
	int line[32];
	size_t n;
};

static void collect(void *ctx, const char *file, int line, const char *text)
{
	struct collected *c = ctx;

	assert_string_equal(file, "f.conf");
	assert_true(c->n < 32);
	c->line[c->n] = line;
	snprintf(c->text[c->n++], sizeof(c->text[0]), "%s", text);
}

static int parse(const char *text, struct config *c, struct collected *got, struct err *e)
{
	struct config_report report = {collect, got};

	memset(got, 0, sizeof(*got));
	*e = ERR_INIT;
	return config_parse(view_str(text), "f.conf", &report, c, e);
}

/* The text has exactly one mistake, in this line, whose message contains the words. */
static void one_mistake(const char *text, int line, const char *words)
{
	struct collected got;
	struct config c;
	struct err e;

	assert_err(parse(text, &c, &got, &e), ERR_USAGE);
	if (got.n != 1 || got.line[0] != line || !strstr(got.text[0], words))
		fail_msg("%zu mistakes, first in line %d: %s", got.n, got.line[0], got.text[0]);
	char prefix[32];
	snprintf(prefix, sizeof(prefix), "f.conf:%d: ", line);
	assert_int_equal(strncmp(e.text, prefix, strlen(prefix)), 0);
}

static void test_defaults(void **state)
{
	struct collected got;
	struct config c;
	struct err e;
	char text[80];

	(void)state;
	assert_ok(parse("[node]\nname = a\n", &c, &got, &e), &e);
	assert_string_equal(c.node_name, "a");
	assert_string_equal(c.provisioning, "provisioning");
	assert_string_equal(c.store_url, "sqlite:store.sqlite3");
	assert_int_equal(c.listen[LISTEN_TFTP].n, 1);
	listen_addr_text(&c.listen[LISTEN_TFTP].addrs[0], text, sizeof(text));
	assert_string_equal(text, "*:69");
	listen_addr_text(&c.listen[LISTEN_WEB].addrs[0], text, sizeof(text));
	assert_string_equal(text, "*:8443");
	assert_int_equal(c.listen[LISTEN_LEGACY_TVS].n, 0);

	config_default(&c, true);
	listen_addr_text(&c.listen[LISTEN_TFTP].addrs[0], text, sizeof(text));
	assert_string_equal(text, "127.0.0.1:6969");
	listen_addr_text(&c.listen[LISTEN_HTTPS].addrs[0], text, sizeof(text));
	assert_string_equal(text, "127.0.0.1:6971");
}

static void test_values(void **state)
{
	struct collected got;
	struct config c;
	struct err e;
	char text[80];

	(void)state;
	assert_ok(parse("; comment\n# another\r\n\n  [node]  ; trailing\n\tname = cucm-1051-a-pub ; x\naddress=192.0.2.10\r\n"
			"[listen]\ntftp = 192.0.2.10:69, [2001:db8::1]:6969 ,[::]:7069\nhttp =\nhttps=*:443\n"
			"[paths]\nprovisioning = /srv/tftp boot;old\n[store]\nurl = postgresql://h/db",
			&c, &got, &e), &e);
	assert_string_equal(c.node_name, "cucm-1051-a-pub");
	assert_string_equal(c.node_address, "192.0.2.10");
	assert_string_equal(c.provisioning, "/srv/tftp boot;old");
	assert_string_equal(c.store_url, "postgresql://h/db");
	assert_int_equal(c.listen[LISTEN_TFTP].n, 3);
	static const char *const want[] = {"192.0.2.10:69", "[2001:db8::1]:6969", "[::]:7069"};
	for (size_t i = 0; i < 3; i++) {
		listen_addr_text(&c.listen[LISTEN_TFTP].addrs[i], text, sizeof(text));
		assert_string_equal(text, want[i]);
	}
	assert_true(c.listen[LISTEN_TFTP].addrs[2].any);
	assert_int_equal(c.listen[LISTEN_HTTP].n, 0);
	assert_int_equal(c.listen[LISTEN_HTTPS].addrs[0].port, 443);
}

static void test_callcontrol(void **state)
{
	struct collected got;
	struct config c;
	struct err e;

	(void)state;
	assert_ok(parse("[node]\nname=a\n[callcontrol]\nadapter = kamailio\nfolder = /etc/kamailio/ringfence\ngroup = kamailio\n"
			"reload = /usr/sbin/kamcmd tls.reload\nreset-phone = /bin/x \"a %d\" %a ; as asterisk -rx\n", &c, &got, &e), &e);
	assert_int_equal(c.callcontrol.adapter, CALLCONTROL_KAMAILIO);
	assert_string_equal(c.callcontrol.folder, "/etc/kamailio/ringfence");
	assert_string_equal(c.callcontrol.group, "kamailio");
	assert_string_equal(c.callcontrol.reload, "/usr/sbin/kamcmd tls.reload");
	assert_string_equal(c.callcontrol.reset, "/bin/x \"a %d\" %a");
	assert_ok(parse("[node]\nname=a\n", &c, &got, &e), &e);
	assert_int_equal(c.callcontrol.adapter, CALLCONTROL_NONE);
	one_mistake("[node]\nname=a\n[callcontrol]\nadapter = opensips\nfolder = /x\n", 4, "allowed are asterisk");
	one_mistake("[node]\nname=a\n[callcontrol]\nadapter = files\n", 4, "needs a folder");
	one_mistake("[node]\nname=a\n[callcontrol]\nadapter = files\nfolder = x\n", 5, "an absolute folder");
	one_mistake("[node]\nname=a\n[callcontrol]\nreload = /x\n", 4, "goes with an adapter");
	one_mistake("[node]\nname=a\n[callcontrol]\nreset-phone = asterisk -rx\n", 4, "absolute path");
	one_mistake("[node]\nname=a\n[callcontrol]\nreset-phone = /x \"a\n", 4, "has no end");
	one_mistake("[node]\nname=a\n[callcontrol]\ngroup = a b\n", 4, "name of a group");
}

#define ON_TOKEN "[node]\nname=a\n[keystore]\ntoken = pkcs11:token=x?module-path=/x\nunits = "
#define ADAPTER "\n[callcontrol]\nadapter = files\nfolder = /x\n"

/* An adapter cannot have a key that a token does not give out. */
static void test_adapter_and_token(void **state)
{
	struct collected got;
	struct config c;
	struct err e;

	(void)state;
	assert_ok(parse(ON_TOKEN "CAPF, CallManager" ADAPTER, &c, &got, &e), &e);
	assert_true(config_contradicts(&c));
	assert_ok(parse(ON_TOKEN "CAPF, CallManager-ECDSA" ADAPTER, &c, &got, &e), &e);
	assert_false(config_contradicts(&c));
	assert_ok(parse(ON_TOKEN "CallManager\n", &c, &got, &e), &e);
	assert_false(config_contradicts(&c));
	assert_ok(parse("[node]\nname=a" ADAPTER, &c, &got, &e), &e);
	assert_false(config_contradicts(&c));
}

static void test_mistakes(void **state)
{
	(void)state;
	one_mistake("", 0, "no name");
	one_mistake("[node]\nname=a\n[nod]\nx=1\n", 3, "[store], [keystore] and [callcontrol]");
	one_mistake("name=a\n[node]\nname=a\n", 1, "before the first section");
	one_mistake("[node]\nname=a\nnick=b\n", 3, "allowed are name, address");
	one_mistake("[node]\nname=a\n[listen]\nftp=*:21\n", 4, "tftp, http, https, tvs, capf");
	one_mistake("[node]\nname=a\nname=b\n", 3, "first in line 2");
	one_mistake("[node]\nname=-a\n", 2, "not beginning with");
	one_mistake("[node]\nname=a b\n", 2, "not a node name");
	one_mistake("[node]\nname=a\naddress=192.0.2.1:69\n", 3, "without a port");
	one_mistake("[node\nname=a\n[node]\nname=b\n", 1, "[name]");
	one_mistake("[node]\nname=a\nwhatever\n", 3, "neither [section]");
	one_mistake("[node]\nname=a\n= b\n", 3, "neither [section]");
	one_mistake("[node]\nname=a\n[store]\nurl=mysql:x\n", 4, "sqlite:FILE");
	one_mistake("[node]\nname=a\n[keystore]\ntoken = http://x\n", 4, "PKCS#11 URI");
	one_mistake("[node]\nname=a\n[keystore]\ntoken = pkcs11:token=x\n", 4, "module-path");
	one_mistake("[node]\nname=a\n[keystore]\ntoken = pkcs11:token=x?module-path=/m&pin-value=1\n", 4, "pin-file");
	one_mistake("[node]\nname=a\n[keystore]\nunits = CAPF, Tomcat\n", 4, "\"Tomcat\" is no unit");
	one_mistake("[node]\nname=a\n[keystore]\nfolders = /a, b\n", 4, "\"b\" is not the absolute name");
	one_mistake("[node]\nname=a\n[keystore]\nsockets = all\n", 4, "none, local");
	one_mistake("[node]\nname=a\n[paths]\nprovisioning=\n", 4, "provisioning: give the folder");
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {
		"*", "69", "*:0", "*:65536", "*:69x", "*: 69", "192.0.2.256:69", "2001:db8::1", "2001:db8::1:69", "[::1]",
		"[::1:69", "host:69", "[]:69", ":69", "*:69,", ",*:69", "*:69,,*:70", "*:69 *:70", "*:69,*:69",
		"*:69,127.0.0.1:69", "0.0.0.0:69,192.0.2.1:69", "[::]:69,[::1]:69",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "[node]\nname=a\n[listen]\nhttps=%s\n", bad[i]);
		one_mistake(text, 4, "https: ");
	}
	struct collected got;
	struct config c;
	struct err e;
	assert_ok(parse("[node]\nname=a\n[listen]\nhttps=0.0.0.0:69,[::]:69\n", &c, &got, &e), &e);
}

static void test_conflicts(void **state)
{
	struct collected got;
	struct config c;
	struct err e;

	(void)state;
	one_mistake("[node]\nname=a\n[listen]\nhttp=*:80\nhttps=127.0.0.1:80\n", 5, "http has already (line 4)");
	one_mistake("[node]\nname=a\n[listen]\nhttp=*:6971\n", 4, "https has when it is not mentioned");
	/* UDP and TCP do not meet; nor do two addresses. */
	assert_ok(parse("[node]\nname=a\n[listen]\ntftp=*:6970\n", &c, &got, &e), &e);
	assert_ok(parse("[node]\nname=a\n[listen]\nhttp=192.0.2.1:80\nhttps=192.0.2.2:80\n", &c, &got, &e), &e);
	assert_ok(parse("[node]\nname=a\n[listen]\nhttp=*:6971\nhttps=\n", &c, &got, &e), &e);
}

static void test_all_mistakes_are_told(void **state)
{
	struct collected got;
	struct config c;
	struct err e;

	(void)state;
	assert_err(parse("oops\n[node]\nname=a\nname=b\n[what]\nx=y\n[listen]\ntftp=*:99999\nhttp=nowhere\nnope=*:1\n", &c,
			 &got, &e), ERR_USAGE);
	static const int lines[] = {1, 4, 5, 8, 9, 10};
	assert_int_equal(got.n, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(got.line[i], lines[i]);
	assert_non_null(strstr(e.text, "f.conf:1: \"oops\""));
	/* Without a report the first one is told all the same. */
	e = ERR_INIT;
	assert_err(config_parse(view_str("[node]\nname=a\nb"), "g", NULL, &c, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "g:3: "));
}

static void test_hostile_text(void **state)
{
	static const char nul[] = "[node]\nname=a\0b\n";
	char *longline = malloc(100000);
	struct collected got;
	struct config_report report = {collect, &got};
	struct config c;
	struct err e = ERR_INIT;

	(void)state;
	memset(&got, 0, sizeof(got));
	assert_err(config_parse((struct view){(const uint8_t *)nul, sizeof(nul) - 1}, "f.conf", &report, &c, &e), ERR_USAGE);
	assert_int_equal(got.line[0], 2);
	assert_non_null(strstr(got.text[0], "NUL"));

	assert_non_null(longline);
	memset(longline, 'x', 99999);
	longline[99999] = '\0';
	memcpy(longline, "[node]\nname=", 12);
	assert_err(parse(longline, &c, &got, &e), ERR_USAGE);
	assert_int_equal(got.line[0], 2);
	free(longline);

	/* Every beginning of a good file is either good or a told mistake. */
	static const char good[] = "[node]\nname = n\naddress = ::1\n[listen]\ntftp = [::]:69, 1.2.3.4:70\n[paths]\n"
				   "provisioning = p ; c\n[store]\nurl = sqlite:x\n";
	for (size_t n = 0; n < sizeof(good); n++) {
		char *part = strndup(good, n);
		int rc = parse(part, &c, &got, &e);
		free(part);
		assert_true((rc == 0) == (got.n == 0));
	}
}

static void test_set_listen(void **state)
{
	struct config c;
	struct err e = ERR_INIT;
	char text[80];

	(void)state;
	config_default(&c, false);
	assert_ok(config_set_listen(&c, "tftp=127.0.0.1:6969,[::1]:6969", &e), &e);
	assert_int_equal(c.listen[LISTEN_TFTP].n, 2);
	listen_addr_text(&c.listen[LISTEN_TFTP].addrs[1], text, sizeof(text));
	assert_string_equal(text, "[::1]:6969");
	assert_ok(config_set_listen(&c, "capf=", &e), &e);
	assert_int_equal(c.listen[LISTEN_CAPF].n, 0);
	assert_err(config_set_listen(&c, "tftp", &e), ERR_USAGE);
	e = ERR_INIT;
	assert_err(config_set_listen(&c, "gopher=*:70", &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "ctl-provider"));
	e = ERR_INIT;
	assert_err(config_set_listen(&c, "http=*:x", &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "--listen http"));
}

static void test_write_and_load(void **state)
{
	char dir[] = "/tmp/ringfence-config-XXXXXX";
	struct config c, back;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	int fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_err(config_load(fd, NULL, &back, &e), ERR_IO);
	assert_non_null(strstr(e.text, "ringfence init"));
	e = ERR_INIT;

	config_default(&c, true);
	snprintf(c.node_name, sizeof(c.node_name), "cucm-1051-a-pub");
	snprintf(c.node_address, sizeof(c.node_address), "192.0.2.10");
	assert_ok(config_set_listen(&c, "http=[::1]:80,192.0.2.10:80", &e), &e);
	assert_ok(config_set_listen(&c, "web=", &e), &e);
	assert_ok(config_write(fd, &c, &e), &e);
	assert_ok(config_load(fd, NULL, &back, &e), &e);
	assert_memory_equal(&back, &c, sizeof(c));

	unlinkat(fd, CONFIG_FILE, 0);
	close(fd);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_callcontrol),
		cmocka_unit_test(test_adapter_and_token),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_all_mistakes_are_told),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_set_listen),
		cmocka_unit_test(test_write_and_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
