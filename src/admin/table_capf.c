#include "admin/handlers.h"
#include "admin/table.h"

/* The words behind "utils capf". */

static const struct grammar_option opts_json[] = {OPT_JSON, {0}};
static const struct grammar_option opts_dry[] = {OPT_DRY, {0}};
static const struct grammar_option opts_change[] = {OPT_YES, OPT_DRY, {0}};

READ(csr_list, opts_json, cmd_capf_csr_list);
READ(csr_dump, NULL, cmd_capf_csr_dump);
CHANGE(csr_delete, opts_change, cmd_capf_csr_delete_ask, cmd_capf_csr_delete);
READ(stale_list, opts_json, cmd_capf_stale_list);
CHANGE(stale_delete, opts_dry, NULL, cmd_capf_stale_delete);
CHANGE(keep_alive, opts_dry, NULL, cmd_capf_keep_alive);
READ(mic_list, opts_json, cmd_capf_mic_list);
CHANGE(mic_allow, opts_dry, NULL, cmd_capf_mic_allow);
CHANGE(mic_withdraw, opts_dry, NULL, cmd_capf_mic_withdraw);
READ(lockout_list, opts_json, cmd_capf_lockout_list);
CHANGE(lockout_delete, opts_dry, NULL, cmd_capf_lockout_delete);
static const struct command cert_import = {.options = opts_dry, .privilege = ADMIN_CHANGE, .upload = 1,
					   .run = cmd_capf_cert_import};

#define DEVICE_HELP "its name: SEP and its MAC address, SEP001122334455"

static const struct grammar_word csr_whose[] = {HINT("DEVICE", "a device, or all", NULL, &csr_delete), END};
static const struct grammar_word csr[] = {
	WORD("list", "keys of phones that wait for a certificate", NULL, &csr_list),
	WORD("dump", "those keys in PEM, each with its device", NULL, &csr_dump),
	WORD("delete", "forget keys that wait", csr_whose, NULL), END};
static const struct grammar_word import_file[] = {
	HINT("FILE", "certificates in PEM, a file of yours; - is standard input", NULL, &cert_import), END};
static const struct grammar_word cert[] = {
	WORD("import", "certificates that an offline CA has made for phones", import_file, NULL), END};
static const struct grammar_word stale_all[] = {WORD("all", "all of them", NULL, &stale_delete), END};
static const struct grammar_word stale[] = {
	WORD("list", "LSCs for keys that phones have replaced since", NULL, &stale_list),
	WORD("delete", "forget those keys and LSCs", stale_all, NULL), END};
static const struct grammar_word minutes[] = {HINT("MINUTES", "how many, 5 to 60", NULL, &keep_alive), END};
static const struct grammar_word set[] = {
	WORD("keep_alive", "minutes after which a silent connection of a phone is probed", minutes, NULL), END};
static const struct grammar_word locked_whose[] = {HINT("ADDRESS", "an address, or all", NULL, &lockout_delete), END};
static const struct grammar_word lockout[] = {
	WORD("list", "addresses that failed too often to authenticate", NULL, &lockout_list),
	WORD("delete", "let an address try again", locked_whose, NULL), END};
static const struct grammar_word allow_device[] = {HINT("DEVICE", DEVICE_HELP, NULL, &mic_allow), END};
static const struct grammar_word withdraw_device[] = {HINT("DEVICE", DEVICE_HELP, NULL, &mic_withdraw), END};
static const struct grammar_word mic[] = {
	WORD("list", "devices whose expired MIC may authenticate them", NULL, &mic_list),
	WORD("allow", "let a device's expired MIC authenticate one installation", allow_device, NULL),
	WORD("withdraw", "not any longer", withdraw_device, NULL), END};

const struct grammar_word capf_grammar[] = {
	WORD("csr", "keys of phones for an offline CA", csr, NULL),
	WORD("cert", "certificates of an offline CA", cert, NULL),
	WORD("stale-lsc", "LSCs that came too late", stale, NULL),
	WORD("set", "settings of CAPF", set, NULL),
	WORD("lockout", "addresses that are locked out", lockout, NULL),
	WORD("expired-mic", "devices whose MIC has expired", mic, NULL), END};
