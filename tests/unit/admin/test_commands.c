#include "admin/talk.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/capf.h"
#include "cluster/node_fixture.h"
#include "cluster/param.h"
#include "store/audit.h"
#include "store/service.h"

/* The commands over a real cluster in a folder of its own; only the processes around it are missing. */

static struct node node;
static struct talk *talk;
static struct err e;
static char applied[100]; /* the last service that was to change, and how */
static bool apply_fails;

static const char *service_absent(void *ctx, const char *service)
{
	(void)ctx;
	return strcmp(service, "Cisco CTL Provider") == 0 ? "this release does not have it" : NULL;
}

static int service_apply(void *ctx, const char *service, enum admin_service_action action, struct err *why)
{
	(void)ctx;
	if (apply_fails)
		return err_set(why, ERR_IO, "the worker does not answer");
	snprintf(applied, sizeof(applied), "%s %d", service, action);
	return 0;
}

static int mail_test(void *ctx, char **to, struct err *why)
{
	(void)ctx;
	(void)why;
	*to = strdup("a@example.com");
	return 0;
}

static size_t processes(void *ctx, struct admin_process *p, size_t max)
{
	(void)ctx;
	assert_true(max > 0);
	p[0] = (struct admin_process){"director", 4711, NODE_NOW - 3661, 2};
	return 1;
}

static size_t counters(void *ctx, struct admin_counter *c, size_t max)
{
	(void)ctx;
	assert_true(max > 0);
	c[0] = (struct admin_counter){"tftp transfers completed", 12};
	return 1;
}

static void provide(const char *name, const char *content)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/provisioning/%s", node.dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

static int open_node(const char *generation)
{
	const struct admin_peer peer = {.actor = "root (uid 0)", .allowed = true, .privilege = ADMIN_RESET};
	char path[200];

	setenv("TZ", "UTC", 1);
	err_clear(&e);
	applied[0] = '\0';
	apply_fails = false;
	node_init(&node, generation);
	talk = calloc(1, sizeof(*talk));
	snprintf(path, sizeof(path), "%s/provisioning/locale", node.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/provisioning", node.dir);
	talk->host = (struct admin_host){
		.store = node.store,
		.cluster = node.cluster,
		.clock = &node.clock,
		.data_dir = open(node.dir, O_DIRECTORY | O_CLOEXEC),
		.provisioning_dir = open(path, O_DIRECTORY | O_CLOEXEC),
		.started_s = NODE_NOW - 90061,
		.service_absent = service_absent,
		.service_apply = service_apply,
		.mail_test = mail_test,
		.processes = processes,
		.counters = counters,
	};
	assert_ok(capf_new(node.cluster, &talk->host.capf, &e), &e);
	talk->conn = admin_conn_new(&talk->host, admin_grammar, &peer);
	wr_init(&talk->out, 1 << 20);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return open_node(NULL);
}

static int setup_10_0(void **state)
{
	(void)state;
	return open_node("10.0");
}

static int teardown(void **state)
{
	(void)state;
	admin_conn_free(talk->conn);
	capf_free(talk->host.capf);
	wr_clear(&talk->out);
	close(talk->host.data_dir);
	close(talk->host.provisioning_dir);
	free(talk);
	node_remove(&node);
	return 0;
}

static void run(const char *line)
{
	talk_request(talk, line, 0);
}

/* The command must have done this: exit status, and text in its output or its error. */
static void expect(const char *line, int status, const char *text)
{
	run(line);
	if (talk->status != status || (!strstr(talk->text, text) && !strstr(talk->error, text)))
		fail_msg("%s: status %d\n%s%s(wanted %d, \"%s\")", line, talk->status, talk->text, talk->error, status, text);
}

static int audit_row(void *ctx, const struct store_audit *a)
{
	if (strcmp(a->outcome, "done") != 0)
		assert_null(a->after);
	snprintf(ctx, 600, "%s|%s|%s", a->who, a->object ? a->object : "", a->outcome);
	return 1;
}

static const char *last_audit(void)
{
	static char text[600];

	text[0] = '\0';
	assert_int_equal(store_audit_list(node.store, 0, 1, audit_row, text, &e), 1);
	return text;
}

static void test_lists(void **state)
{
	(void)state;
	expect("show itl", 0, "The ITL file was verified successfully.\n");
	run("show ctl");
	assert_string_equal(talk->text, "Length of CTL file: 0\n"
					"CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to "
					"generate the CTL file.\n"
					"Error parsing the CTL File.\n");
	assert_int_equal(talk->status, 1);
}

static void test_mixed_mode(void **state)
{
	(void)state;
	expect("utils ctl set-cluster mixed-mode", 1, "add --yes");
	assert_false(node_has(&node, "published/current/CTLFile.tlv"));
	assert_string_equal(last_audit(), "root (uid 0)||refused: there is no terminal to ask on, so the answer is no and "
					  "nothing was changed; add --yes to say yes");
	expect("utils ctl set-cluster mixed-mode --dry-run", 0, "Nothing was changed.");
	assert_false(node_has(&node, "published/current/CTLFile.tlv"));

	run("utils ctl set-cluster mixed-mode --yes");
	assert_non_null(strstr(talk->text, "This operation sets the cluster to Mixed mode. Do you want to continue? (y/n): y\n"
					   "\nMoving Cluster to Mixed Mode\nCluster set to Mixed Mode\n"
					   "You must reset all phones"));
	assert_int_equal(talk->status, 0);
	assert_non_null(strstr(last_audit(), "done"));
	expect("show ctl", 0, "The CTL file was verified successfully.\n");
	expect("run sql select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'", 0,
	       "paramname           paramvalue\n=================== ==========\nClusterSecurityMode 1\n");
	expect("utils ctl set-cluster mixed-mode --yes", 0, "already in mixed mode");

	run("utils ctl update ctlfile --yes");
	assert_non_null(strstr(talk->text, "This operation updates the CTLFile. Do you want to continue? (y/n): y\n"
					   "\nUpdating CTL file\nCTL file Updated\n"));
	run("utils ctl set-cluster non-secure-mode --yes");
	assert_non_null(strstr(talk->text, "This operation will set the cluster to non secure mode. Do you want to continue? "
					   "(y/n): y\n\nMoving Cluster to Non Secure Mode\nCluster set to Non Secure Mode\n"));
	expect("utils ctl update CTLFile --yes", 1, "mixed mode");
}

static void test_restart_text_of_10(void **state)
{
	(void)state;
	expect("utils ctl set-cluster mixed-mode --yes", 0,
	       "Cluster set to Mixed Mode\nPlease Restart the TFTP and Cisco CallManager services on all nodes in the cluster "
	       "that run these services\n");
}

static void test_delete_ctl(void **state)
{
	(void)state;
	expect("file delete tftp CTLFile.tlv --yes", 1, "files: found = 0, deleted = 0\n");
	run("utils ctl set-cluster mixed-mode --yes");
	expect("file delete activelog cm/tftpdata/CTLFile.tlv --yes", 1, "the cluster is in mixed mode");
	expect("file delete tftp CTLFile.tlv", 1, "Delete the File CTLFile.tlv?\nEnter \"y\" followed by return to continue: n\n");
	assert_true(node_has(&node, "published/current/CTLFile.tlv"));
	expect("file delete tftp CTLFile.tlv --dry-run", 0, "files: found = 1");
	assert_true(node_has(&node, "published/current/CTLFile.tlv"));
	expect("file delete tftp CTLFile.tlv noconfirm detail", 0, "deleted: CTLFile.tlv\nfiles: found = 1, deleted = 1\n");
	assert_false(node_has(&node, "published/current/CTLFile.tlv"));
	/* The mode is what it was: behaviour.md 1.6. */
	expect("run sql select paramvalue from processconfig where paramname='ClusterSecurityMode'", 0, "\n1");
	run("utils ctl set-cluster non-secure-mode --yes");
	expect("file delete activelog cm/tftpdata/CTLFile.tlv --yes", 0, "files: found = 1, deleted = 1\n");
	assert_false(node_has(&node, "published/current/CTLFile.tlv"));
}

static void test_delete_nothing_else(void **state)
{
	(void)state;
	provide("SEP001122334455.cnf.xml", "<device/>");
	expect("file delete tftp ITLFile.tlv --yes", 1, "kept by the node itself");
	expect("file delete tftp SEP001122334455.cnf.xml --yes", 1, "never writes in the provisioning folder");
	expect("file delete tftp * --yes", 1, "never writes");
	expect("file delete tftp ../store.sqlite3 --yes", 1, "leads out");
	expect("file delete tftp /etc/passwd --yes", 1, "begins with a slash");
	expect("file delete activelog cm/tftpdata/ITLFile.tlv --yes", 1, "kept by the node itself");
	assert_true(node_has(&node, "provisioning/SEP001122334455.cnf.xml"));
	assert_true(node_has(&node, "published/current/ITLFile.tlv"));
	assert_true(node_has(&node, "store.sqlite3"));
	assert_non_null(strstr(last_audit(), "refused: "));
}

static void test_list_files(void **state)
{
	char path[200];

	(void)state;
	provide("SEP001122334455.cnf.xml", "<device/>");
	provide("SEP001122334466.cnf.xml", "<device></device>");
	provide("locale/de.xml", "<locale/>");
	provide("ITLFile.tlv", "an old one of the operator's, which nobody is served");
	provide(".hidden", "x");
	snprintf(path, sizeof(path), "%s/provisioning/out", node.dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	run("file list tftp");
	assert_string_equal(talk->text, "<dir>   locale\n        ITLFile.tlv\n        SEP001122334455.cnf.xml\n"
					"        SEP001122334466.cnf.xml\ndir count = 1, file count = 3\n");
	run("file list tftp SEP* size");
	assert_string_equal(talk->text, "        SEP001122334466.cnf.xml\n        SEP001122334455.cnf.xml\n"
					"dir count = 0, file count = 2\n");
	run("file list tftp SEP* reverse size");
	assert_string_equal(talk->text, "        SEP001122334455.cnf.xml\n        SEP001122334466.cnf.xml\n"
					"dir count = 0, file count = 2\n");
	run("file list tftp locale");
	assert_string_equal(talk->text, "        locale/de.xml\ndir count = 0, file count = 1\n");
	run("file list tftp locale/d?.xml");
	assert_string_equal(talk->text, "        locale/de.xml\ndir count = 0, file count = 1\n");
	expect("file list tftp SEP001122334466.cnf.xml detail", 0, "17          SEP001122334466.cnf.xml\n");
	expect("file list tftp nothing", 1, "dir count = 0, file count = 0\n");
	run("file list activelog");
	assert_string_equal(talk->text, "<dir>   cm\ndir count = 1, file count = 0\n");
	run("file list activelog cm/tftpdata");
	assert_string_equal(talk->text, "        cm/tftpdata/ITLFile.tlv\ndir count = 0, file count = 1\n");
	expect("file list tftp SEP001122334466.cnf.xml --json", 0, "\"octets\": 17");
	expect("file list tftp */de.xml", 1, "a pattern can only stand in the last part");
	expect("file list tftp locale/../..", 1, "leads out");
}

static void test_view_files(void **state)
{
	(void)state;
	provide("SEP001122334455.cnf.xml", "<device>\r\n\t<name>\x1b[31mred</name>\n</device>");
	run("file view tftp SEP001122334455.cnf.xml");
	assert_string_equal(talk->text, "<device>\n\t<name>\\x1b[31mred</name>\n</device>\n");
	expect("file view tftp ITLFile.tlv", 1, "is no text");
	expect("file view activelog cm/tftpdata/ITLFile.tlv", 1, "is no text");
	expect("file view tftp nothing.xml", 1, "File not found: nothing.xml");
	expect("file view tftp locale", 1, "File not found: locale");
	expect("file view tftp ../ringfence.conf", 1, "leads out");
}

static void test_get_files(void **state)
{
	(void)state;
	provide("a.xml", "12345");
	provide("b.xml", "1234567");
	run("file get tftp *.xml");
	assert_int_equal(talk->status, 0);
	assert_string_equal(talk->files, "a.xml:5 b.xml:7 ");
	assert_string_equal(talk->text, "Please wait while the system is gathering files info ...done.\n"
					"Sub-directories were not traversed.\n"
					"Number of files affected: 2\n"
					"Total size in Bytes: 12\n"
					"Total size in Kbytes: 0.01171875\n");
	run("file get activelog cm/tftpdata/ITLFile.tlv");
	assert_non_null(strstr(talk->files, "ITLFile.tlv:"));
	expect("file get tftp ITLRecovery.p12", 1, "ringfence recovery export");
	expect("file get tftp ../keys/*", 1, "leads out");
}

static void test_services(void **state)
{
	(void)state;
	expect("utils service list", 0, "Requesting service status, please wait...\n");
	assert_non_null(strstr(talk->text, "Cisco Trust Verification Service[STARTED]\n"));
	assert_non_null(strstr(talk->text, "Cisco CTL Provider[STOPPED]  this release does not have it\n"));
	expect("utils service stop Cisco Trust Verification Service", 0,
	       "Service Manager is running\nCommanded Out of Service\nCisco Trust Verification Service[NOTRUNNING]\n");
	assert_string_equal(applied, "Cisco Trust Verification Service 1");
	assert_string_equal(last_audit(), "root (uid 0)|service Cisco Trust Verification Service on cucm-1051-a-pub|done");
	expect("utils service list", 0, "Cisco Trust Verification Service[STOPPED]  Commanded Out of Service\n");
	expect("utils service restart cisco trust v s", 0, "[NOTRUNNING]\nCisco Trust Verification Service[STARTING]\n"
							   "Cisco Trust Verification Service[STARTED]\n");
	expect("utils service list --json", 0, "\"state\": \"STARTED\"");
	expect("utils service deactivate Cisco Tftp", 0, "Cisco Tftp[NOTRUNNING]\nService Not Activated\n");
	expect("utils service start Cisco Tftp", 1, "utils service activate Cisco Tftp");
	expect("utils service list", 0, "Cisco Tftp[STOPPED]  Service Not Activated\n");
	expect("utils service activate Cisco Tftp --dry-run", 0, "is STOPPED: Service Not Activated and would be activated");
	expect("utils service list", 0, "Cisco Tftp[STOPPED]  Service Not Activated\n");
	expect("utils service activate Cisco Tftp", 0, "Cisco Tftp[STARTED]\n");
	expect("utils service activate Cisco CTL Provider", 1, "this release does not have it");
	expect("utils service activate Cisco Trust Verification Service", 1, "is a network service");
}

/* What the node could not do is not in the store either. */
static void test_service_that_fails(void **state)
{
	(void)state;
	apply_fails = true;
	expect("utils service stop Cisco Trust Verification Service", 1, "the worker does not answer");
	apply_fails = false;
	expect("utils service list", 0, "Cisco Trust Verification Service[STARTED]\n");
	assert_string_equal(last_audit(), "root (uid 0)|service Cisco Trust Verification Service on cucm-1051-a-pub|"
					  "failed: the worker does not answer");
}

static void test_certificates(void **state)
{
	(void)state;
	run("show cert list own");
	assert_int_equal(strncmp(talk->text, "tomcat/tomcat.pem: Self-signed certificate generated by system\n", 63), 0);
	assert_non_null(strstr(talk->text, "\nCallManager/CallManager.pem: Self-signed certificate generated by system\n"));
	expect("show cert list trust", 0, "CallManager-trust/");
	expect("show cert list own --json", 0, "\"unit\": \"tomcat\"");
	run("show cert own CallManager/CallManager.pem");
	assert_int_equal(talk->status, 0);
	assert_int_equal(strncmp(talk->text, "[\nVersion: V3\nSerial Number: ", 29), 0);
	for (size_t i = 0; i < 6; i++) {
		static const char *const lines[] = {"\nSignatureAlgorithm: SHA256withRSA (1.2.840.113549.1.1.11)\n",
						    "\nIssuer Name: ",
						    "\nValidity From: ",
						    "\n              To: ",
						    "\nKey: RSA (1.2.840.113549.1.1.1)\nKey value:\n3081",
						    "\nExtensions: "};
		if (!strstr(talk->text, lines[i]))
			fail_msg("%s\nhas no %s", talk->text, lines[i]);
	}
	assert_string_equal(talk->text + strlen(talk->text) - 2, "]\n");
	expect("show cert own CallManager-E", 0, "Key: EC (1.2.840.10045.2.1)\n");
	expect("show cert own tomcat --pem", 0, "-----BEGIN CERTIFICATE-----\n");
	expect("show cert own CAPF --json", 0, "\"subject\": \"CN=CAPF-");
	expect("show cert own nothing", 1, "nothing");
	expect("show cert trust nothing", 1, "nothing");
}

static void test_regenerate(void **state)
{
	(void)state;
	run("set cert regen TVS --yes");
	assert_non_null(strstr(talk->text, "Proceed with regeneration (yes|no)? y\n\n"
					   "Successfully Regenerated Certificate for TVS.\n"
					   "You must restart services related to TVS for the regenerated certificates to become "
					   "active.\n"));
	assert_int_equal(talk->status, 0);
	expect("set cert regen ITLRecovery", 1, "WARNING: If you are using a tokenless CTL");
	expect("set cert regen TVS --dry-run", 0, "Nothing was changed.");
	expect("set cert regen nothing", 1, "there is no UNIT \"nothing\"");
	expect("show itl", 0, "The ITL file was verified successfully.\n");
}

static void test_parameters(void **state)
{
	(void)state;
	expect("show parameter", 0, PARAM_GENERATION);
	expect("show parameter tftp file signature algorithm", 0, PARAM_DIGEST " = SHA-1\n");
	expect("set parameter TFTP File Signature Algorithm SHA-512 --yes", 0, PARAM_DIGEST " set to SHA-512\n");
	expect("show parameter TFTP File Signature Algorithm --json", 0, "\"value\": \"SHA-512\"");
	expect("set parameter TFTP File Signature Algorithm MD5 --yes", 1, "SHA-512");
	expect("set parameter ClusterSecurityMode 1 --yes", 1, "utils ctl");
	/* Abbreviated as any other word; a slip is answered with what is like it, a value with what is allowed. */
	expect("show param tftp fil sig alg", 0, PARAM_DIGEST " = SHA-512\n");
	expect("show param PublishedGenerationKept", 1, "did you mean \"PublishedGenerationsKept\"?");
	expect("show param TFTP File Sgnature Algorithm", 1, "did you mean \"" PARAM_DIGEST "\"?");
	expect("show param 'Auto Registraton'", 1, "did you mean \"" PARAM_AUTO_REGISTRATION "\"?");
	expect("set param PublishedGenerationsKept 1 --yes", 1, "a number from 2 to 10000");
	expect("show param PublishedGenerationsKept --json", 0, "\"minimum\": 2");
	expect("show param prep cl for roll to pre 8", 0, "after a restart of Cisco Trust Verification Service and Cisco Tftp; phones");
	expect("set parameter TVS Certificate Cache Timeout 3600 --dry-run", 0, "Nothing was changed.");
}

static void test_monitor(void **state)
{
	(void)state;
	expect("show cert monitor", 0, "Next run    not planned yet\n");
	expect("show cert monitor", 0, "tomcat/tomcat.der: ");
	expect("show cert monitor --json", 0, "\"state\": \"valid\"");
	expect("utils cert monitor test --dry-run", 1, "before the parameter 'SMTP Server' is set");
	expect("set param SMTP Server mail.example.com --yes", 0, "SMTP Server set to mail.example.com\n");
	expect("set param E-mail IDs a@example.com --yes", 0, "E-mail IDs set to a@example.com\n");
	expect("utils cert monitor test --dry-run", 0, "to a@example.com would be given to mail.example.com, port 25, security STARTTLS.");
	expect("utils cert monitor test", 0, "A test e-mail to a@example.com is on its way");
	expect("show audit 1", 0, "test e-mail to a@example.com");
	expect("set param Notification Frequency often --yes", 1, "it is 1 hours to 365 days");
}

static void test_sql(void **state)
{
	(void)state;
	expect("run sql select name from processnode where name like 'cucm%'", 0, "name\n===============\ncucm-1051-a-pub\n");
	expect("run sql select name from processnode where name like 'cucm%' --json", 0, "\"name\": \"cucm-1051-a-pub\"");
	expect("run sql update processconfig set paramvalue='1'", 1, "");
	assert_non_null(strstr(last_audit(), "refused: "));
	expect("run sql selekt", 1, "syntax");
	expect("run sql select 1; select 2", 1, "");
}

static void test_status(void **state)
{
	(void)state;
	run("show status");
	assert_int_equal(talk->status, 0);
	for (size_t i = 0; i < 8; i++) {
		static const char *const lines[] = {
			"Node             cucm-1051-a-pub\n",
			"Security mode    non-secure (ClusterSecurityMode 0)\n",
			"  CTLFile.tlv  none\n",
			"verified\n",
			"recovery export",
			"  director     pid 4711     up 01:01:01, restarted 2 times\n",
			"  tftp transfers completed                 12\n",
			"(1 day, 01:01:01)\n",
		};
		if (!strstr(talk->text, lines[i]))
			fail_msg("%s\nhas no %s", talk->text, lines[i]);
	}
	run("show status --json");
	json_t *j = json_loads(talk->text, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "node")), "cucm-1051-a-pub");
	assert_true(json_is_false(json_object_get(j, "mixed")));
	assert_true(json_is_null(json_object_get(j, "ctl")));
	assert_true(json_is_true(json_object_get(json_object_get(j, "itl"), "verified")));
	assert_true(json_is_false(json_object_get(json_object_get(j, "recovery"), "verified")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "counters"), "tftp transfers completed")), 12);
	json_decref(j);
	expect("show tech version", 0, RINGFENCE_VERSION "\n");
	expect("show tech version --json", 0, "\"store_schema\"");
}

static void test_audit(void **state)
{
	(void)state;
	run("utils service stop Cisco Trust Verification Service");
	run("file delete tftp ITLFile.tlv --yes");
	expect("show audit 1", 0, "    command  file delete tftp ITLFile.tlv --yes\n    outcome  refused: ");
	expect("show audit", 0,
	       "    command  utils service stop Cisco Trust Verification Service\n"
	       "    object   service Cisco Trust Verification Service on cucm-1051-a-pub\n"
	       "    before   STARTED\n"
	       "    after    STOPPED: Commanded Out of Service\n"
	       "    outcome  done\n");
	expect("show audit 1 --json", 0, "\"who\": \"root (uid 0)\"");
	expect("show audit many", 1, "no number");
}

/* Every command can be helped with, and leads somewhere. */
static void visit(void *ctx, const char *synopsis, const struct grammar_word *last)
{
	size_t *n = ctx;

	++*n;
	if (!last->help || strlen(last->help) < 8)
		fail_msg("%s has no help", synopsis);
	if (!last->command->local && !last->command->run)
		fail_msg("%s does nothing", synopsis);
	for (const struct grammar_option *o = last->command->options; o && o->name; o++)
		if (!o->help || !*o->help)
			fail_msg("%s %s has no help", synopsis, o->name);
	if (last->command->privilege > ADMIN_READ) {
		bool dry = false;
		for (const struct grammar_option *o = last->command->options; o && o->name; o++)
			dry |= strcmp(o->name, "--dry-run") == 0;
		if (!dry)
			fail_msg("%s changes something and has no --dry-run", synopsis);
	}
}

static void check_words(const struct grammar_word *w)
{
	for (; w && w->text; w++) {
		if (!w->help || strlen(w->help) < 8 || strchr(w->help, '\n'))
			fail_msg("%s has no help of one line", w->text);
		if (w->kind != GRAMMAR_WORD && w[1].text)
			fail_msg("%s: an argument is the last alternative", w->text);
		if (!w->next && !w->command)
			fail_msg("%s leads nowhere", w->text);
		check_words(w->next);
	}
}

static void test_table(void **state)
{
	size_t n = 0;

	(void)state;
	grammar_commands(admin_grammar, visit, &n);
	assert_true(n > 30);
	check_words(admin_grammar);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_capf(void **state)
{
	(void)state;
	expect("utils capf csr list", 0, "No key of a phone waits");
	expect("utils capf csr list --json", 0, "[]");
	expect("utils capf stale-lsc list", 0, "There are no stale LSCs.");
	expect("utils capf stale-lsc delete all", 0, "replaced: 0");
	expect("utils capf csr delete all --yes", 0, "Keys deleted: 0");
	expect("utils capf set keep_alive 30", 0, "keep_alive set to 30 minutes");
	expect("utils capf set keep_alive 61", 1, "from 5 to 60");
	/* a rehearsal answers as the command would */
	expect("utils capf set keep_alive 99 --dry-run", 1, "from 5 to 60");
	expect("utils capf set keep_alive 20 --dry-run", 0, "(in minutes) to 20; it is 30");
	expect("utils capf stale-lsc delete all --dry-run", 0, "With this command 0 keys");
	expect("utils capf expired-mic allow SEP001122334455", 1, "no such device");
	expect("utils capf expired-mic allow SEP001122334455 --dry-run", 1, "no such device");
	expect("utils capf csr delete SEP001122334455 --yes", 1, "there is no phone SEP001122334455");
	expect("utils capf csr delete SEP001122334455 --dry-run", 1, "there is no phone SEP001122334455");
	expect("phone add SEP001122334455", 0, "");
	expect("utils capf csr delete SEP001122334455 --yes", 1, "see 'utils capf csr list'");
	expect("utils capf csr delete SEP001122334455 --dry-run", 1, "see 'utils capf csr list'");
	expect("utils capf expired-mic allow SEP001122334455 --dry-run", 0,
	       "Nothing was changed. With this command: The expired MIC of SEP001122334455");
	expect("utils capf expired-mic list", 0, "No device's expired MIC authenticates it.");
	expect("utils capf expired-mic list --json", 0, "[]");
	expect("utils capf expired-mic allow SEP001122334455", 0, "once");
	assert_string_equal(last_audit(), "root (uid 0)|expired MIC of SEP001122334455|done");
	expect("utils capf expired-mic list", 0, "SEP001122334455");
	expect("utils capf expired-mic list --json", 0, "\"device\": \"SEP001122334455\"");
	expect("utils capf lockout list", 0, "No address is locked out.");
	expect("utils capf lockout list --json", 0, "[]");
	expect("utils capf lockout delete 10.1.1.7", 1, "see 'utils capf lockout list'");
	expect("utils capf lockout delete SEP001122334455 --dry-run", 1, "an IP address is expected");
	expect("utils capf lockout delete all", 0, "Lock-outs deleted: 0");
	assert_string_equal(last_audit(), "root (uid 0)|CAPF lock-out of all addresses|done");
	expect("utils capf expired-mic withdraw SEP001122334455", 0, "authenticates nothing");
	expect("utils capf expired-mic list", 0, "No device's expired MIC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lists),
		TEST(test_mixed_mode),
		cmocka_unit_test_setup_teardown(test_restart_text_of_10, setup_10_0, teardown),
		TEST(test_delete_ctl),
		TEST(test_delete_nothing_else),
		TEST(test_list_files),
		TEST(test_view_files),
		TEST(test_get_files),
		TEST(test_services),
		TEST(test_service_that_fails),
		TEST(test_certificates),
		TEST(test_regenerate),
		TEST(test_parameters),
		TEST(test_monitor),
		TEST(test_sql),
		TEST(test_status),
		TEST(test_audit),
		TEST(test_capf),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
