#include "admin/handlers.h"
#include "admin/table.h"
#include "cluster/phones.h"

/* The words behind "phone". What can be set has the names of CUCM's pages, a word of the line for each of theirs. */

static const char *value_at(enum phone_field f, size_t i)
{
	const char *const *values = phone_field_values(f);

	for (size_t k = 0; k < i; k++)
		if (!values[k])
			return NULL;
	return values[i];
}

#define VALUES_OF(name, field)                                                                                         \
	static const char *name(size_t i)                                                                              \
	{                                                                                                              \
		return value_at(field, i);                                                                             \
	}

VALUES_OF(security_value, PHONE_SECURITY)
VALUES_OF(transport_value, PHONE_TRANSPORT)
VALUES_OF(encrypt_value, PHONE_ENCRYPT_CONFIG)
VALUES_OF(operation_value, PHONE_OPERATION)
VALUES_OF(auth_value, PHONE_AUTH)
VALUES_OF(order_value, PHONE_KEY_ORDER)
VALUES_OF(rsa_value, PHONE_RSA_BITS)
VALUES_OF(ec_value, PHONE_EC_BITS)

#define OPT_FILTERS                                                                                                    \
	{"--model", "PATTERN", "only of this model; * and ? stand for any characters"},                                \
	{"--pool", "PATTERN", "only of this device pool"},                                                             \
	{"--group", "PATTERN", "only of this CallManager group"},                                                      \
	{"--security", "MODE", "only with this Device Security Mode"},                                                 \
	{"--operation", "OPERATION", "only with this Certificate Operation"},                                          \
	{"--status", "PATTERN", "only with this Certificate Operation Status"},                                        \
	{"--issuer", "PATTERN", "only with an LSC of this issuer"},                                                    \
	{"--lsc-expires-before", "YYYY:MM:DD", "only with an LSC that expires before this day"},                       \
	{"--no-lsc", NULL, "only without an LSC"},                                                                     \
	{"--old-tls", NULL, "only those that were seen with TLS below 1.2"}

static const struct grammar_option opts_phone_list[] = {OPT_FILTERS, OPT_JSON, {0}};
static const struct grammar_option opts_phone_export[] = {
	OPT_FILTERS, {"--to", "DIR", "write phones.csv in this folder, instead of showing it"}, {0}};
static const struct grammar_option opts_phone_show[] = {OPT_JSON, {0}};
static const struct grammar_option opts_phone_add[] = {
	{"--description", "TEXT", "what it is called by people"},
	{"--model", "MODEL", "as 8861"},
	{"--pool", "POOL", "its device pool"},
	{"--group", "GROUP", "its CallManager group"},
	{"--security", "MODE", "Device Security Mode: \"Non Secure\", Authenticated, Encrypted"},
	{"--transport", "TYPE", "Transport Type: TCP+UDP, TCP, UDP; TLS follows from a secure mode"},
	{"--encrypted-config", "BOOL", "TFTP Encrypted Config: True, False"},
	OPT_DRY, {0}};
static const struct grammar_option opts_phone_set[] = {OPT_DRY, {0}};
static const struct grammar_option opts_phone_string[] = {
	{"--digits", "N", "make one of this many digits, 4 to 10, instead of 6"},
	{"--enter", NULL, "ask for it, instead of making one"},
	OPT_DRY, {0}};
static const struct grammar_option opts_phone_delete[] = {OPT_YES, OPT_DRY, {0}};
static const struct grammar_option opts_phone_import[] = {OPT_DRY, {0}};

static const struct grammar_option opts_reset[] = {
	{"--model", "PATTERN", "only of this model; * and ? stand for any characters"},
	{"--pool", "PATTERN", "only of this device pool"},
	{"--group", "PATTERN", "only of this CallManager group"},
	{"--security", "MODE", "only with this Device Security Mode"},
	{"--background", NULL, "do not wait for the end; `phone job show` tells how far it is"},
	OPT_YES, OPT_DRY, {0}};
static const struct grammar_option opts_job_show[] = {OPT_JSON, {0}};
static const struct grammar_option opts_job_stop[] = {OPT_DRY, {0}};

static const struct command phone_reset = {.options = opts_reset, .privilege = ADMIN_CHANGE, .ask = cmd_reset_ask,
					   .run = cmd_reset, .follow = cmd_reset_follow};
READ(job_show, opts_job_show, cmd_job_show);
CHANGE(job_stop, opts_job_stop, NULL, cmd_job_stop);
static const struct command phone_list = {.options = opts_phone_list, .run = cmd_phones_list,
					  .follow = cmd_phones_list_follow};
READ(phone_show, opts_phone_show, cmd_phones_show);
static const struct command phone_export = {.options = opts_phone_export, .run = cmd_phones_export,
					    .follow = cmd_phones_list_follow};
CHANGE(phone_add, opts_phone_add, NULL, cmd_phones_add);
CHANGE(phone_set, opts_phone_set, NULL, cmd_phones_set);
CHANGE(phone_string, opts_phone_string, cmd_phones_string_ask, cmd_phones_string);
CHANGE(phone_delete, opts_phone_delete, cmd_phones_delete_ask, cmd_phones_delete);
static const struct command phone_import = {.options = opts_phone_import, .privilege = ADMIN_CHANGE, .upload = 1,
					    .run = cmd_phones_import, .follow = cmd_phones_import_follow};

/* The fields: "device security mode" and so on. */
static const struct grammar_word text_value[] = {
	HINT("TEXT", "in quotes when it has blanks; \"\" empties it", NULL, &phone_set), END};
static const struct grammar_word time_value[] = {
	HINT("TIME", "as 2026:10:25:17:30, local time; \"\" for the default", NULL, &phone_set), END};

#define FIELD_VALUES(name, values, help)                                                                               \
	static const struct grammar_word name[] = {VALUE("VALUE", help, values, NULL, &phone_set), END}

FIELD_VALUES(set_security, security_value, "TLS goes with the secure modes");
FIELD_VALUES(set_transport, transport_value, "how it signals");
FIELD_VALUES(set_encrypt, encrypt_value, "whether its configuration is encrypted");
FIELD_VALUES(set_operation, operation_value, "what CAPF is to do when the phone comes next");
FIELD_VALUES(set_auth, auth_value, "how the phone shows who it is");
FIELD_VALUES(set_order, order_value, "which keys it makes");
FIELD_VALUES(set_rsa, rsa_value, "bits of an RSA key");
FIELD_VALUES(set_ec, ec_value, "bits of an EC key");

static const struct grammar_word security_mode[] = {WORD("mode", "Device Security Mode", set_security, NULL), END};
static const struct grammar_word device[] = {
	WORD("pool", "Device Pool", text_value, NULL), WORD("security", "Device Security Mode", security_mode, NULL), END};
static const struct grammar_word callmanager[] = {WORD("group", "CallManager Group", text_value, NULL), END};
static const struct grammar_word transport[] = {WORD("type", "Transport Type", set_transport, NULL), END};
static const struct grammar_word encrypted[] = {WORD("config", "TFTP Encrypted Config", set_encrypt, NULL), END};
static const struct grammar_word tftp[] = {WORD("encrypted", "TFTP Encrypted Config", encrypted, NULL), END};
static const struct grammar_word certificate[] = {WORD("operation", "Certificate Operation", set_operation, NULL), END};
static const struct grammar_word authentication[] = {WORD("mode", "Authentication Mode", set_auth, NULL), END};
static const struct grammar_word key[] = {WORD("order", "Key Order", set_order, NULL), END};
static const struct grammar_word rsa_size[] = {WORD("size", "RSA Key Size", set_rsa, NULL), END};
static const struct grammar_word rsa[] = {WORD("key", "RSA Key Size", rsa_size, NULL), END};
static const struct grammar_word ec_size[] = {WORD("size", "EC Key Size", set_ec, NULL), END};
static const struct grammar_word ec[] = {WORD("key", "EC Key Size", ec_size, NULL), END};
static const struct grammar_word by[] = {WORD("by", "Operation Completes By", time_value, NULL), END};
static const struct grammar_word completes[] = {WORD("completes", "Operation Completes By", by, NULL), END};

static const struct grammar_word set_field[] = {
	WORD("description", "what it is called by people", text_value, NULL),
	WORD("model", "its model, as 8861", text_value, NULL),
	WORD("device", "Device Pool, Device Security Mode", device, NULL),
	WORD("callmanager", "CallManager Group", callmanager, NULL),
	WORD("transport", "Transport Type", transport, NULL),
	WORD("tftp", "TFTP Encrypted Config", tftp, NULL),
	WORD("certificate", "Certificate Operation", certificate, NULL),
	WORD("authentication", "Authentication Mode", authentication, NULL),
	WORD("key", "Key Order", key, NULL),
	WORD("rsa", "RSA Key Size", rsa, NULL),
	WORD("ec", "EC Key Size", ec, NULL),
	WORD("operation", "Operation Completes By", completes, NULL), END};

#define NAME_HELP "its name: SEP and its MAC address, SEP001122334455"

static const struct grammar_word list_name[] = {
	HINT("PATTERN", "only names like this; * and ? stand for any characters", NULL, &phone_list), END};
static const struct grammar_word export_name[] = {
	HINT("PATTERN", "only names like this; * and ? stand for any characters", NULL, &phone_export), END};
static const struct grammar_word show_name[] = {HINT("NAME", NAME_HELP, NULL, &phone_show), END};
static const struct grammar_word add_name[] = {HINT("NAME", NAME_HELP, NULL, &phone_add), END};
static const struct grammar_word set_name[] = {{GRAMMAR_HINT, "NAME", NAME_HELP, NULL, set_field, NULL}, END};
static const struct grammar_word string_name[] = {HINT("NAME", NAME_HELP, NULL, &phone_string), END};
static const struct grammar_word delete_name[] = {HINT("NAME", NAME_HELP, NULL, &phone_delete), END};
static const struct grammar_word import_name[] = {
	HINT("FILE", "a CSV file of yours, with the columns that `phone export` writes; - is standard input", NULL,
	     &phone_import), END};

static const struct grammar_word reset_name[] = {
	HINT("NAME", "its name, a pattern with * and ?, or all", NULL, &phone_reset), END};
static const struct grammar_word job[] = {
	WORD("show", "how far the last reset is, and what each phone said", NULL, &job_show),
	WORD("stop", "tell no further phone", NULL, &job_stop), END};

const struct grammar_word phone_grammar[] = {
	WORD("list", "phones, a line each", list_name, &phone_list),
	WORD("show", "everything about one phone", show_name, NULL),
	WORD("add", "add a phone", add_name, NULL),
	WORD("set", "change something of a phone", set_name, NULL),
	WORD("string", "give a phone an authentication string for one CAPF operation", string_name, NULL),
	WORD("reset", "let phones start anew and register again", reset_name, NULL),
	WORD("restart", "let phones fetch their files again, without more ado than that needs", reset_name, NULL),
	WORD("apply-config", "let phones take over what has changed in their configuration", reset_name, NULL),
	WORD("job", "the last reset of phones", job, NULL),
	WORD("delete", "delete a phone and its certificates", delete_name, NULL),
	WORD("import", "add and change phones from a CSV file, all or none", import_name, NULL),
	WORD("export", "phones as CSV", export_name, &phone_export), END};

/* "group" */

static const struct grammar_option opts_group_list[] = {OPT_JSON, {0}};
static const struct grammar_option opts_group_set[] = {OPT_DRY, {0}};
static const struct grammar_option opts_group_delete[] = {OPT_YES, OPT_DRY, {0}};

READ(group_list, opts_group_list, cmd_group_list);
CHANGE(group_set, opts_group_set, NULL, cmd_group_set);
CHANGE(group_delete, opts_group_delete, cmd_group_delete_ask, cmd_group_delete);

static const struct grammar_word group_third[] = {
	HINT("NODE", "the node that phones try last", NULL, &group_set), END};
static const struct grammar_word group_second[] = {
	{GRAMMAR_HINT, "NODE", "the node that they try then", NULL, group_third, &group_set}, END};
static const struct grammar_word group_first[] = {
	{GRAMMAR_HINT, "NODE", "the node whose TVS phones try first", NULL, group_second, &group_set}, END};
static const struct grammar_word group_set_name[] = {
	{GRAMMAR_HINT, "NAME", "what it is called; Default is that of phones without one", NULL, group_first, NULL}, END};
static const struct grammar_word group_delete_name[] = {
	HINT("NAME", "a group that no phone has", NULL, &group_delete), END};

const struct grammar_word group_grammar[] = {
	WORD("list", "the groups, their nodes and how many phones have them", NULL, &group_list),
	WORD("set", "make a group, or give it other nodes: one to three, in order", group_set_name, NULL),
	WORD("delete", "delete a group that no phone has", group_delete_name, NULL), END};
