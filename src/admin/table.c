#include "admin/handlers.h"
#include "admin/table.h"
#include "cluster/cert_bulk.h"
#include "cluster/param.h"
#include "cluster/trust.h"
#include "pki/template.h"
#include "store/service.h"
#include "store/unit.h"

/*
 * Every command: the words that lead to it, what it may be given, what it needs. CUCM's words and order of words
 * (behaviour.md 1; design.md 7); what CUCM does not have begins with "--" or is marked below.
 */

/* Values of arguments. */

static const char *service_name(size_t i)
{
	return store_services[i].name;
}

static const char *parameter_name(size_t i)
{
	return param_table[i].name;
}

/* Those that this program makes certificates for. */
static const char *own_unit(size_t i)
{
	return template_units[i];
}

static const char *trust_store_name(size_t i)
{
	for (const struct store_unit_row *u = store_units; u->name; u++)
		if (store_unit_is_trust(u->unit) && i-- == 0)
			return u->name;
	return NULL;
}

/* "tomcat-trust", and "tomcat" for short; older guides call CallManager's "cucm" (behaviour.md 1.5). */
static const char *trust_unit(size_t i)
{
	size_t n = 0;

	while (trust_short_name(n))
		n++;
	return i < n ? trust_short_name(i) : i == n ? "cucm" : trust_store_name(i - n - 1);
}

static const char *list_name(size_t i)
{
	static const char *const names[] = {"CTLFile.tlv", "ITLFile.tlv"};

	return i < 2 ? names[i] : NULL;
}

static const char *log_name(size_t i)
{
	static const char *const names[] = {"cm/tftpdata/CTLFile.tlv", "cm/tftpdata/ITLFile.tlv"};

	return i < 2 ? names[i] : NULL;
}

/* Options. */

static const struct grammar_option opts_json[] = {OPT_JSON, {0}};
static const struct grammar_option opts_change[] = {OPT_YES, OPT_DRY, {0}};
static const struct grammar_option opts_dry[] = {OPT_DRY, {0}};
static const struct grammar_option opts_cert[] = {OPT_JSON, {"--pem", NULL, "print the certificate as PEM"}, {0}};
static const struct grammar_option opts_csr[] = {
	OPT_JSON, {"--detail", NULL, "print what it asks for, not its PEM form"}, {0}};
static const struct grammar_option opts_csr_gen[] = {
	{"--bits", "N", "size of the key: 1024, 2048, 3072, 4096; EC 256, 384"},
	{"--hash", "NAME", "SHA256, SHA384 or SHA512"},
	{"--names", "NAME,NAME...", "further host names (subjectAltName)"},
	{"--multi-server", NULL, "one certificate for all nodes"}, OPT_YES, OPT_DRY, {0}};
#define OPT_FILE {"--file", "FILE", "a file of yours, PEM, DER or PKCS#7, instead of what is pasted; - is standard input"}
static const struct grammar_option opts_import_own[] = {OPT_FILE, OPT_YES, OPT_DRY, {0}};
static const struct grammar_option opts_import_trust[] = {OPT_FILE, OPT_DRY, {0}};
static const struct grammar_option opts_list[] = {
	OPT_DETAIL, {"reverse", NULL, "in reverse order"}, {"date", NULL, "newest first"}, {"size", NULL, "largest first"},
	OPT_JSON, {0}};
static const struct grammar_option opts_get[] = {{"--to", "DIR", "folder to copy to, instead of the current one"}, {0}};
static const struct grammar_option opts_delete[] = {
	{"detail", NULL, "name what was deleted"}, {"noconfirm", NULL, "do not ask"}, OPT_YES, OPT_DRY, {0}};

/* Commands: with READ nothing changes; CHANGE asks first where there is an ask function. */

READ(show_ctl, NULL, cmd_show_ctl);
READ(show_itl, NULL, cmd_show_itl);
READ(show_status, opts_json, cmd_show_status);
READ(show_audit, opts_json, cmd_show_audit);
READ(show_parameter, opts_json, cmd_show_parameter);
READ(show_tech_version, opts_json, cmd_show_tech_version);
READ(show_cert_list_own, opts_json, cmd_cert_list_own);
READ(show_cert_list_trust, opts_json, cmd_cert_list_trust);
READ(show_cert_monitor, opts_json, cmd_cert_monitor);
CHANGE(monitor_test, opts_dry, NULL, cmd_cert_monitor_test);
READ(show_cert_own, opts_cert, cmd_cert_own);
READ(show_cert_trust, opts_cert, cmd_cert_trust);
CHANGE(set_cert_regen, opts_change, cmd_cert_regen_ask, cmd_cert_regen);
CHANGE(bulk_export, opts_dry, NULL, cmd_cert_bulk_export);
CHANGE(bulk_consolidate, opts_dry, NULL, cmd_cert_bulk_consolidate);
CHANGE(bulk_import, opts_dry, NULL, cmd_cert_bulk_import);
CHANGE(set_web_security, opts_change, cmd_web_security_ask, cmd_web_security);
READ(show_csr_list, opts_json, cmd_csr_list);
READ(show_csr_own, opts_csr, cmd_csr_own);
CHANGE(set_csr_gen, opts_csr_gen, cmd_csr_gen_ask, cmd_csr_gen);
CHANGE(set_cert_delete, opts_change, cmd_cert_delete_ask, cmd_cert_delete);
static const struct command set_cert_import_own = {.options = opts_import_own, .privilege = ADMIN_CHANGE, .paste = "--file",
						   .ask = cmd_cert_import_own_ask, .run = cmd_cert_import_own};
static const struct command set_cert_import_trust = {.options = opts_import_trust, .privilege = ADMIN_CHANGE,
						     .paste = "--file", .run = cmd_cert_import_trust};
CHANGE(set_parameter, opts_change, cmd_set_parameter_ask, cmd_set_parameter);
CHANGE(ctl_mixed, opts_change, cmd_ctl_mixed_ask, cmd_ctl_mixed);
CHANGE(ctl_non_secure, opts_change, cmd_ctl_non_secure_ask, cmd_ctl_non_secure);
CHANGE(ctl_update, opts_change, cmd_ctl_update_ask, cmd_ctl_update);
static const struct command ctl_reset = {.options = opts_change, .privilege = ADMIN_RESET, .ask = cmd_ctl_reset_ask,
					 .run = cmd_ctl_reset};
static const struct command itl_local = {.options = opts_change, .privilege = ADMIN_RESET, .ask = cmd_itl_local_ask,
					 .run = cmd_itl_local};
static const struct command itl_remote = {.options = opts_change, .privilege = ADMIN_RESET, .ask = cmd_itl_remote_ask,
					  .run = cmd_itl_remote, .upload = 1};
READ(services, opts_json, cmd_service_list);
CHANGE(service_start, opts_change, cmd_service_ask, cmd_service_start);
CHANGE(service_stop, opts_dry, NULL, cmd_service_stop);
CHANGE(service_restart, opts_change, cmd_service_ask, cmd_service_restart);
CHANGE(service_activate, opts_change, cmd_service_ask, cmd_service_activate);
CHANGE(service_deactivate, opts_dry, NULL, cmd_service_deactivate);
CHANGE(ipsec_restart, opts_dry, NULL, cmd_ipsec_restart);
READ(list_tftp, opts_list, cmd_file_list_tftp);
READ(list_log, opts_list, cmd_file_list_activelog);
READ(view_tftp, NULL, cmd_file_view_tftp);
READ(view_log, NULL, cmd_file_view_activelog);
READ(get_tftp, opts_get, cmd_file_get_tftp);
READ(get_log, opts_get, cmd_file_get_activelog);
CHANGE(delete_tftp, opts_delete, cmd_file_delete_tftp_ask, cmd_file_delete_tftp);
CHANGE(delete_log, opts_delete, cmd_file_delete_activelog_ask, cmd_file_delete_activelog);
READ(run_sql, opts_json, cmd_run_sql);

const struct command command_help = {.local = true};
const struct command command_exit = {.local = true};

/* Words, from the end of the lines to their beginning. */

#define CERT_LIST \
	WORD("own", "this node's own certificates", NULL, &show_cert_list_own), \
	WORD("trust", "the certificates in the trust stores", NULL, &show_cert_list_trust)
static const struct grammar_word cert_list_type[] = {CERT_LIST, END};
static const struct grammar_word cert_list[] = {
	CERT_LIST, WORD("type", "the same, as older guides have it", cert_list_type, NULL), END};
static const struct grammar_word own_name[] = {
	HINT("UNIT", "a unit, or UNIT/FILE.pem as `show cert list own` has it", own_unit, &show_cert_own), END};
static const struct grammar_word trust_name[] = {
	HINT("STORE/FILE.pem", "as `show cert list trust` has it", trust_store_name, &show_cert_trust), END};
static const struct grammar_word show_cert[] = {
	WORD("list", "the certificates, a line each", cert_list, NULL),
	WORD("monitor", "which certificates end when, and who was told", NULL, &show_cert_monitor),
	WORD("own", "one of this node's own certificates", own_name, NULL),
	WORD("trust", "one certificate of a trust store", trust_name, NULL), END};
static const struct grammar_word csr_own_name[] = {
	HINT("UNIT", "a unit, or UNIT/UNIT.csr as `show csr list own` has it", own_unit, &show_csr_own), END};
static const struct grammar_word csr_list_own[] = {WORD("own", "this node's", NULL, &show_csr_list), END};
static const struct grammar_word show_csr[] = {
	{GRAMMAR_WORD, "list", "the requests that wait, a line each", NULL, csr_list_own, &show_csr_list},
	WORD("own", "one request, in PEM form", csr_own_name, NULL), END};
static const struct grammar_word audit_count[] = {
	HINT("COUNT", "how many records, the newest first", NULL, &show_audit), END};
static const struct grammar_word show_parameter_name[] = {
	VALUE("PARAMETER", "everything about one parameter", parameter_name, NULL, &show_parameter), END};
static const struct grammar_word show_tech[] = {
	WORD("version", "versions of the program and what it stands on", NULL, &show_tech_version), END};
static const struct grammar_word show[] = {
	WORD("ctl", "the CTL that phones are given", NULL, &show_ctl),
	WORD("itl", "the ITL that phones are given", NULL, &show_itl),
	WORD("cert", "certificates", show_cert, NULL),
	WORD("csr", "requests for certificates", show_csr, NULL),
	WORD("status", "the node on one page", NULL, &show_status),
	WORD("audit", "who changed what", audit_count, &show_audit),
	WORD("parameter", "parameters and their values", show_parameter_name, &show_parameter),
	WORD("network", "the nodes of the cluster", show_network, NULL),
	WORD("tech", "technical data", show_tech, NULL),
	WORD("account", "accounts of the CTL client", NULL, &command_show_account), END};

static const struct grammar_word csr_gen_unit[] = {
	VALUE("UNIT", "the unit that gets a new key and a request for it", own_unit, NULL, &set_csr_gen), END};
static const struct grammar_word import_own_ca[] = {
	HINT("CA", "file name in the unit's trust store of the authority that must have signed it", NULL, &set_cert_import_own), END};
static const struct grammar_word import_own_unit[] = {
	VALUE("UNIT", "the unit whose request it was made of", own_unit, import_own_ca, &set_cert_import_own), END};
static const struct grammar_word import_trust_ca[] = {
	HINT("CA", "file name in the trust store of the authority that must have signed it", NULL, &set_cert_import_trust), END};
static const struct grammar_word import_trust_unit[] = {
	VALUE("UNIT", "the trust store, with or without -trust", trust_unit, import_trust_ca, &set_cert_import_trust), END};
static const struct grammar_word import_what[] = {
	WORD("own", "the certificate that an authority made of a request", import_own_unit, NULL),
	WORD("trust", "certificates into a trust store", import_trust_unit, NULL), END};
static const struct grammar_word delete_name[] = {
	HINT("NAME", "its file name, as `show cert list trust` has it", NULL, &set_cert_delete), END};
static const struct grammar_word delete_unit[] = {
	VALUE("UNIT", "the trust store, with or without -trust", trust_unit, delete_name, NULL), END};

static const struct grammar_word regen_unit[] = {
	VALUE("UNIT", "the unit that gets a new key and certificate", own_unit, NULL, &set_cert_regen), END};
#define BULK_HELP "which certificates: tftp are those of CallManager and ITLRecovery"

static const struct grammar_word bulk_export_type[] = {
	VALUE("TYPE", BULK_HELP, cert_bulk_type, NULL, &bulk_export), END};
static const struct grammar_word bulk_consolidate_type[] = {
	VALUE("TYPE", BULK_HELP, cert_bulk_type, NULL, &bulk_consolidate), END};
static const struct grammar_word bulk_import_type[] = {
	VALUE("TYPE", BULK_HELP, cert_bulk_type, NULL, &bulk_import), END};
static const struct grammar_word bulk[] = {
	WORD("export", "this cluster's to the folder", bulk_export_type, NULL),
	WORD("consolidate", "those of all clusters in the folder to one file", bulk_consolidate_type, NULL),
	WORD("import", "that file into trust stores", bulk_import_type, NULL), END};
static const struct grammar_word set_cert[] = {
	WORD("regen", "make a new key and a new self-signed certificate", regen_unit, NULL),
	WORD("import", "take in certificates that are pasted or in a file", import_what, NULL),
	WORD("delete", "take a certificate out of a trust store", delete_unit, NULL),
	WORD("bulk", "exchange certificates with other clusters, by the folder bulk", bulk, NULL), END};
static const struct grammar_word set_csr[] = {
	WORD("gen", "make a new key and a request for a certificate", csr_gen_unit, NULL), END};
static const struct grammar_word parameter_value[] = {
	HINT("VALUE", "its new value; in quotes when it has blanks", NULL, &set_parameter), END};
static const struct grammar_word parameter[] = {
	VALUE("PARAMETER", "the parameter to set", parameter_name, parameter_value, NULL), END};
static const struct grammar_word web_alternate[] = {
	HINT("HOST", "a host name more for the web server", NULL, &set_web_security), END};
static const struct grammar_word web_country[] = {
	{GRAMMAR_HINT, "C", "the country, which must be what it is", NULL, web_alternate, &set_web_security}, END};
static const struct grammar_word web_state[] = {
	{GRAMMAR_HINT, "ST", "the state", NULL, web_country, NULL}, END};
static const struct grammar_word web_locality[] = {
	{GRAMMAR_HINT, "L", "the locality", NULL, web_state, NULL}, END};
static const struct grammar_word web_organization[] = {
	{GRAMMAR_HINT, "O", "the organisation", NULL, web_locality, NULL}, END};
static const struct grammar_word web_unit[] = {
	{GRAMMAR_HINT, "OU", "the organisational unit; in quotes when it has blanks", NULL, web_organization, NULL}, END};
static const struct grammar_word set[] = {
	WORD("cert", "certificates", set_cert, NULL),
	WORD("csr", "requests for certificates", set_csr, NULL),
	WORD("network", "the nodes of the cluster", set_network, NULL),
	WORD("parameter", "a parameter of the cluster", parameter, NULL),
	WORD("web-security", "subject of new certificates, and a new tomcat certificate", web_unit, NULL),
	WORD("account", "accounts of the CTL client", set_account, NULL),
	WORD("password", "passwords", set_password_words, NULL), END};

static const struct grammar_word mode[] = {
	WORD("mixed-mode", "make, sign and publish a CTL: phones can be secure", NULL, &ctl_mixed),
	WORD("non-secure-mode", "a CTL without server certificates: phones are not secure", NULL, &ctl_non_secure), END};
static const struct grammar_word ctl_file[] = {
	WORD("CTLFile", "the CTL, from the current certificates", NULL, &ctl_update), END};
static const struct grammar_word ctl_reset_key[] = {
	WORD("localkey", "signed with the other key that is in the CTL", NULL, &ctl_reset), END};
static const struct grammar_word ctl[] = {
	WORD("set-cluster", "the cluster's security mode", mode, NULL),
	WORD("update", "make the CTL anew", ctl_file, NULL),
	WORD("reset", "a CTL that phones take which do not know its usual signer", ctl_reset_key, NULL), END};
static const struct grammar_word itl_remote_file[] = {
	HINT("FILE", "a file of yours, PKCS#12, such as a recovery export; - is standard input", NULL, &itl_remote), END};
static const struct grammar_word itl_reset_key[] = {
	WORD("localkey", "signed with the other key that is in the ITL", NULL, &itl_local),
	WORD("remotekey", "signed with the ITLRecovery key of a file", itl_remote_file, NULL), END};
static const struct grammar_word itl[] = {
	WORD("reset", "an ITL that phones take which do not know its usual signer", itl_reset_key, NULL), END};
static const struct grammar_word start_name[] = {
	VALUE("SERVICE", "the service to start", service_name, NULL, &service_start), END};
static const struct grammar_word stop_name[] = {
	VALUE("SERVICE", "the service to stop", service_name, NULL, &service_stop), END};
static const struct grammar_word restart_name[] = {
	VALUE("SERVICE", "the service to restart", service_name, NULL, &service_restart), END};
static const struct grammar_word activate_name[] = {
	VALUE("SERVICE", "the feature service to activate", service_name, NULL, &service_activate), END};
static const struct grammar_word deactivate_name[] = {
	VALUE("SERVICE", "the feature service to deactivate", service_name, NULL, &service_deactivate), END};
static const struct grammar_word service[] = {
	WORD("list", "all services and their state", NULL, &services),
	WORD("start", "start an activated service", start_name, NULL),
	WORD("stop", "stop a service until it is started again", stop_name, NULL),
	WORD("restart", "stop and start a service", restart_name, NULL),
	WORD("activate", "let a feature service run on this node", activate_name, NULL),
	WORD("deactivate", "take a feature service from this node", deactivate_name, NULL), END};
static const struct grammar_word utils_monitor[] = {
	WORD("test", "send an e-mail now", NULL, &monitor_test), END};
static const struct grammar_word utils_cert[] = {
	WORD("monitor", "the certificate monitor", utils_monitor, NULL), END};
static const struct grammar_word ipsec[] = {
	WORD("restart", "nothing: this node runs no IPsec", NULL, &ipsec_restart), END};
static const struct grammar_word utils[] = {
	WORD("cert", "certificates", utils_cert, NULL),
	WORD("ctl", "security mode and CTL", ctl, NULL),
	WORD("itl", "the ITL when phones do not take it", itl, NULL),
	WORD("capf", "certificates of phones", capf_grammar, NULL),
	WORD("ipsec", "IPsec, which is the system's", ipsec, NULL),
	WORD("service", "services of this node", service, NULL), END};

#define SPEC_HELP "a file, a folder, or a pattern such as SEP*.xml"

static const struct grammar_word list_tftp_spec[] = {HINT("SPEC", SPEC_HELP, list_name, &list_tftp), END};
static const struct grammar_word list_log_spec[] = {HINT("SPEC", SPEC_HELP, log_name, &list_log), END};
static const struct grammar_word view_tftp_spec[] = {HINT("FILE", "a text file", NULL, &view_tftp), END};
static const struct grammar_word view_log_spec[] = {HINT("FILE", "a text file", log_name, &view_log), END};
static const struct grammar_word get_tftp_spec[] = {HINT("SPEC", SPEC_HELP, list_name, &get_tftp), END};
static const struct grammar_word get_log_spec[] = {HINT("SPEC", SPEC_HELP, log_name, &get_log), END};
static const struct grammar_word delete_tftp_spec[] = {HINT("FILE", "CTLFile.tlv", list_name, &delete_tftp), END};
static const struct grammar_word delete_log_spec[] = {
	HINT("FILE", "cm/tftpdata/CTLFile.tlv, when the cluster is not in mixed mode", log_name, &delete_log), END};

#define TFTP_HELP "what phones are served"
#define LOG_HELP "the published trust lists, in cm/tftpdata"

static const struct grammar_word file_list[] = {
	WORD("tftp", TFTP_HELP, list_tftp_spec, &list_tftp), WORD("activelog", LOG_HELP, list_log_spec, &list_log), END};
static const struct grammar_word file_view[] = {
	WORD("tftp", TFTP_HELP, view_tftp_spec, NULL), WORD("activelog", LOG_HELP, view_log_spec, NULL), END};
static const struct grammar_word file_get[] = {
	WORD("tftp", TFTP_HELP, get_tftp_spec, NULL), WORD("activelog", LOG_HELP, get_log_spec, NULL), END};
static const struct grammar_word file_delete[] = {
	WORD("tftp", TFTP_HELP, delete_tftp_spec, NULL), WORD("activelog", LOG_HELP, delete_log_spec, NULL), END};
static const struct grammar_word file[] = {
	WORD("list", "list files", file_list, NULL),
	WORD("view", "show a text file", file_view, NULL),
	WORD("get", "copy files to a folder of yours", file_get, NULL),
	WORD("delete", "delete the published CTL", file_delete, NULL), END};

static const struct grammar_word sql[] = {REST("STATEMENT", "one SQL statement that reads", &run_sql), END};
static const struct grammar_word run[] = {WORD("sql", "ask the store", sql, NULL), END};
static const struct grammar_word help_about[] = {
	REST("WORDS", "the beginning of a command", &command_help), END};

const struct grammar_word admin_grammar[] = {
	WORD("show", "look at something", show, NULL),
	WORD("set", "change certificates, nodes, parameters or accounts", set, NULL),
	WORD("unset", "take nodes away", unset_grammar, NULL),
	WORD("delete", "delete accounts", delete_grammar, NULL),
	WORD("utils", "trust lists and services", utils, NULL),
	WORD("file", "files that phones are served", file, NULL),
	WORD("phone", "phones and their certificates", phone_grammar, NULL),
	WORD("group", "CallManager groups of phones", group_grammar, NULL),
	WORD("run", "run a query", run, NULL),
	WORD("help", "what a command does, and how it goes on", help_about, &command_help),
	WORD("exit", "leave the shell", NULL, &command_exit),
	WORD("quit", "leave the shell", NULL, &command_exit), END};
