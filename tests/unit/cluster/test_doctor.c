#include "cluster/doctor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <jansson.h>

#include "cluster/doctor_internal.h"
#include "cluster/node.h"
#include "cluster/node_fixture.h"
#include "cluster/recovery.h"
#include "store/service.h"

static struct node node;
static struct doctor_input in;
static struct doctor_report report;
static char provisioning[128];
static struct err e;

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	node_init(&node, NULL);
	snprintf(provisioning, sizeof(provisioning), "%s/provisioning", node.dir);
	in = (struct doctor_input){ .data_dir = node.dir, .node = "localhost", .address = "", .provisioning = provisioning,
				    .clock = &node.clock, .cluster = node.cluster };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	doctor_report_clear(&report);
	node_remove(&node);
	return 0;
}

static void run(void)
{
	doctor_report_clear(&report);
	assert_ok(doctor_run(&in, &report, &e), &e);
}

static const struct doctor_finding *find(const char *check, enum doctor_severity severity)
{
	for (size_t i = 0; i < report.n; i++)
		if (strcmp(report.findings[i].check, check) == 0 && report.findings[i].severity == severity)
			return &report.findings[i];
	return NULL;
}

/* There is such a finding, it says part, and what is not "ok" or "note" has a remedy. */
static void assert_found(const char *check, enum doctor_severity severity, const char *part)
{
	const struct doctor_finding *f = find(check, severity);

	if (!f)
		fail_msg("no %s about %s", doctor_severity_name(severity), check);
	if (!strstr(f->what, part))
		fail_msg("'%s' is not in: %s", part, f->what);
	if (severity >= DOCTOR_WARNING)
		assert_true(strlen(f->remedy) > 10);
}

static void put(const char *name, const char *text, mode_t mode)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", node.dir, name);
	assert_ok(file_replace(AT_FDCWD, path, view_str(text), mode, &e), &e);
}

static void test_healthy(void **state)
{
	struct view p12;
	uint8_t *p;

	(void)state;
	assert_ok(recovery_export(node.cluster, "test", "correct horse", &p, &p12.len, NULL, &e), &e);
	p12.p = p;
	assert_ok(recovery_verify(node.cluster, "test", p12, "correct horse", NULL, &e), &e);
	free(p);
	run();
	for (size_t i = 0; i < report.n; i++)
		if (report.findings[i].severity >= DOCTOR_WARNING && strcmp(report.findings[i].check, "tls") != 0 &&
		    strcmp(report.findings[i].check, "disk") != 0)
			fail_msg("%s: %s", report.findings[i].check, report.findings[i].what);
	assert_found("store", DOCTOR_OK, "opens");
	assert_found("key", DOCTOR_OK, "has its key");
	assert_found("list", DOCTOR_OK, "ITL verifies: 6 records");
	assert_found("recovery", DOCTOR_OK, "verified recovery export");
	assert_found("name", DOCTOR_OK, "localhost resolves");
	assert_found("provisioning", DOCTOR_OK, "readable");
}

static void test_node_does_not_open(void **state)
{
	(void)state;
	in.cluster = NULL;
	in.cluster_error = "store.sqlite3: damaged";
	run();
	assert_found("store", DOCTOR_PROBLEM, "store.sqlite3: damaged");
	assert_int_equal(doctor_worst(&report), DOCTOR_PROBLEM);
	in.data_dir = "/nonexistent";
	in.provisioning = NULL;
	in.node = NULL;
	run();
	assert_found("folder", DOCTOR_PROBLEM, "/nonexistent");
}

static int first_key(void *ctx, const char *name)
{
	snprintf(ctx, 100, "keys/%s.key", name);
	return 1;
}

static void test_open_keys(void **state)
{
	char name[100] = "", path[256];

	(void)state;
	assert_int_equal(node.keys->ops->list(node.keys, first_key, name, &e), 1);
	snprintf(path, sizeof(path), "%s/%s", node.dir, name);
	assert_int_equal(chmod(path, 0640), 0);
	run();
	assert_found("key-mode", DOCTOR_PROBLEM, "mode 640");
	assert_non_null(strstr(find("key-mode", DOCTOR_PROBLEM)->remedy, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/keys", node.dir);
	assert_int_equal(chmod(path, 0755), 0);
	run();
	assert_found("key-mode", DOCTOR_PROBLEM, "keys is open to others");
	assert_int_equal(chmod(path, 0700), 0);
}

static void test_lost_key(void **state)
{
	char key[KEY_NAME_MAX];
	struct cert *cm;

	(void)state;
	assert_ok(cluster_signer(node.cluster, &cm, key, &e), &e);
	assert_ok(node.keys->ops->remove(node.keys, key, &e), &e);
	cert_unref(cm);
	run();
	assert_found("key", DOCTOR_PROBLEM, "CallManager");
}

static void test_dates(void **state)
{
	(void)state;
	node.now += (5 * 365 - 30) * INT64_C(86400);
	run();
	assert_found("certificate", DOCTOR_WARNING, "days");
	node.now += INT64_C(40) * 86400;
	run();
	assert_found("certificate", DOCTOR_PROBLEM, "expired on");
	assert_found("certificate", DOCTOR_NOTE, "expired on"); /* in a trust store */
	assert_non_null(strstr(find("certificate", DOCTOR_NOTE)->remedy, "a copy of this node's own"));
	node.now = NODE_NOW - 86400;
	run();
	assert_found("certificate", DOCTOR_PROBLEM, "not valid yet");
	assert_found("clock", DOCTOR_OK, "2026");
	node.now = 1000;
	run();
	assert_found("clock", DOCTOR_PROBLEM, "1970-01-01");
	assert_non_null(strstr(find("clock", DOCTOR_PROBLEM)->remedy, "NTP"));
}

static void test_lists(void **state)
{
	(void)state;
	assert_ok(cluster_set_mixed(node.cluster, "test", NULL, &e), &e);
	run();
	assert_null(find("ctl", DOCTOR_WARNING));
	assert_ok(cluster_regen(node.cluster, "test", "CallManager", NULL, NULL, &e), &e);
	run();
	assert_found("ctl", DOCTOR_WARNING, "does not name the present CallManager certificate");
	assert_ok(cluster_ctl_delete(node.cluster, "test", NULL, &e), &e);
	run();
	assert_found("ctl", DOCTOR_PROBLEM, "there is no CTL");
	put("published/current/ITLFile.tlv", "damaged", 0644);
	run();
	assert_found("list", DOCTOR_PROBLEM, "The published ITL is damaged");
}

/* --- ports --- */

static void test_ports(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	struct doctor_port ports[] = {
		{ .service = "http", .address = "127.0.0.1" },
		{ .service = "tftp", .address = "*", .udp = true },
		{ .service = "tvs", .address = "203.0.113.7", .port = 2445 },
	};

	(void)state;
	AUTO(auto_close) int tcp = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(tcp, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(tcp, 1), 0);
	assert_int_equal(getsockname(tcp, (struct sockaddr *)&sa, &len), 0);
	ports[0].port = ntohs(sa.sin_port);
	AUTO(auto_close) int udp = socket(AF_INET, SOCK_DGRAM, 0);
	sa.sin_port = 0;
	assert_int_equal(bind(udp, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(udp, (struct sockaddr *)&sa, &len), 0);
	ports[1].port = ntohs(sa.sin_port);
	in.ports = ports;
	in.n_ports = 3;
	run();
	char holder[64];
	snprintf(holder, sizeof(holder), "(pid %d)", (int)getpid());
	assert_found("port", DOCTOR_PROBLEM, "is taken by ");
	assert_found("port", DOCTOR_PROBLEM, holder);
	size_t taken = 0, foreign = 0;
	for (size_t i = 0; i < report.n; i++) {
		taken += strstr(report.findings[i].what, holder) != NULL;
		foreign += strstr(report.findings[i].what, "does not have that address") != NULL;
	}
	assert_int_equal(taken, 2);
	assert_int_equal(foreign, 1);
	/* Free now. */
	auto_close(&tcp);
	tcp = -1;
	in.n_ports = 1;
	run();
	assert_found("port", DOCTOR_OK, "is free");
	in.running = true;
	run();
	assert_found("port", DOCTOR_WARNING, "nothing answers there");
	/* Nobody is to answer there. */
	ports[0].owner = "Cisco CTL Provider";
	run();
	assert_null(find("port", DOCTOR_WARNING));
	assert_found("port", DOCTOR_OK, "Cisco CTL Provider is not activated");
	assert_ok(store_service_activate(node.store, "cucm-1051-a-pub", ports[0].owner, true, &e), &e);
	run();
	assert_found("port", DOCTOR_WARNING, "nothing answers there");
	assert_ok(store_service_start(node.store, "cucm-1051-a-pub", ports[0].owner, false, &e), &e);
	run();
	assert_found("port", DOCTOR_OK, "was stopped");
	ports[0].owner = "Cisco Trust Verification Service";
	ports[0].legacy = true;
	run();
	assert_found("port", DOCTOR_OK, "may not speak TLS 1.0");
}

static void test_name(void **state)
{
	(void)state;
	in.node = "no-such-host.invalid";
	run();
	assert_found("name", DOCTOR_WARNING, "does not resolve");
	in.node = "localhost";
	in.address = "203.0.113.7";
	run();
	assert_found("name", DOCTOR_WARNING, "not to its address 203.0.113.7");
	in.address = "";
	run();
	assert_null(find("name", DOCTOR_WARNING));
	/* Names of further nodes are in the lists too. */
	assert_ok(cluster_node_add(node.cluster, "test", "no-such-node.invalid", NULL, NULL, &e), &e);
	run();
	assert_found("name", DOCTOR_WARNING, "no-such-node.invalid does not resolve");
}

/* --- provisioning --- */

static void test_provisioning(void **state)
{
	char path[300], target[300];

	(void)state;
	put("provisioning/SEP001122334455.cnf.xml", "<device/>", 0644);
	put("provisioning/secret.xml", "x", 0600);
	put("provisioning/CTLFile.tlv", "x", 0644);
	put("provisioning/ITLSEP001122334455.tlv", "x", 0644);
	snprintf(path, sizeof(path), "%s/locale", provisioning);
	assert_int_equal(mkdir(path, 0755), 0);
	put("provisioning/locale/hidden.xml", "x", 0600);
	snprintf(path, sizeof(path), "%s/out.xml", provisioning);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	run();
	assert_found("unreadable", DOCTOR_WARNING, "provisioning/locale/hidden.xml");
	assert_found("shadowed", DOCTOR_NOTE, "provisioning/CTLFile.tlv is never served");
	assert_found("override", DOCTOR_PROBLEM, "served to SEP001122334455");
	assert_found("link", DOCTOR_WARNING, "provisioning/out.xml");
	size_t unreadable = 0;
	for (size_t i = 0; i < report.n; i++)
		unreadable += strcmp(report.findings[i].check, "unreadable") == 0;
	assert_int_equal(unreadable, 2);
	/* The node's own list under that name is an override that leads back. */
	snprintf(path, sizeof(path), "%s/ITLSEP001122334455.tlv", provisioning);
	snprintf(target, sizeof(target), "%s/published/generation-000001/ITLFile.tlv", node.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(link(target, path), 0);
	run();
	assert_null(find("override", DOCTOR_PROBLEM));
	assert_found("override", DOCTOR_NOTE, "instead of the node's list");
}

static void test_override_of_another_cluster(void **state)
{
	struct node other;
	char path[300], target[300];

	(void)state;
	node_init(&other, NULL);
	snprintf(path, sizeof(path), "%s/ITLSEP001122334455.tlv", provisioning);
	snprintf(target, sizeof(target), "%s/published/generation-000001/ITLFile.tlv", other.dir);
	assert_int_equal(link(target, path), 0);
	run();
	assert_found("override", DOCTOR_WARNING, "does not know the node's signer");
	node_remove(&other);
}

static void test_provisioning_is_missing(void **state)
{
	(void)state;
	in.provisioning = "/nonexistent/tftpboot";
	run();
	assert_found("provisioning", DOCTOR_PROBLEM, "/nonexistent/tftpboot");
}

static void test_many_unreadable_files_are_one_mistake(void **state)
{
	char name[64];
	size_t unreadable = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "provisioning/SEP0011223344%02d.cnf.xml", i);
		put(name, "x", 0600);
	}
	run();
	for (size_t i = 0; i < report.n; i++)
		unreadable += strcmp(report.findings[i].check, "unreadable") == 0;
	assert_int_equal(unreadable, 21);
	assert_non_null(strstr(report.findings[report.n - 2].what, "50 files"));
}

/* --- output --- */

static void test_output(void **state)
{
	char *text = NULL;
	size_t len = 0;
	json_error_t why;

	(void)state;
	in.node = "no-such-host.invalid";
	run();
	FILE *f = open_memstream(&text, &len);
	doctor_print(f, &report, false);
	fclose(f);
	assert_non_null(strstr(text, "warning  The name of the node no-such-host.invalid does not resolve"));
	assert_non_null(strstr(text, "0 problems, "));
	assert_null(strchr(text, '\033'));
	free(text);
	f = open_memstream(&text, &len);
	assert_ok(doctor_print_json(f, &report, &e), &e);
	fclose(f);
	json_t *root = json_loads(text, 0, &why);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "worst")), "warning");
	assert_int_equal(json_array_size(json_object_get(root, "findings")), report.n);
	json_decref(root);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_healthy),
		TEST(test_node_does_not_open),
		TEST(test_open_keys),
		TEST(test_lost_key),
		TEST(test_dates),
		TEST(test_lists),
		TEST(test_ports),
		TEST(test_name),
		TEST(test_provisioning),
		TEST(test_override_of_another_cluster),
		TEST(test_provisioning_is_missing),
		TEST(test_many_unreadable_files_are_one_mistake),
		TEST(test_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
