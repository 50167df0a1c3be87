#include "admin/handlers.h"
#include "admin/table.h"

/* The words of accounts; they begin with "show", "set" and "delete", as CUCM's. */

static const struct grammar_option opts_json[] = {OPT_JSON, {0}};
static const struct grammar_option opts_dry[] = {OPT_DRY, {0}};

const struct command command_show_account = {.options = opts_json, .privilege = ADMIN_READ, .run = cmd_account_show};
static const struct command account_add = {.options = opts_dry, .privilege = ADMIN_CHANGE, .upload = 2,
					   .ask = cmd_account_password_ask, .run = cmd_account_add};
static const struct command account_password = {.options = opts_dry, .privilege = ADMIN_CHANGE, .upload = 2,
						.ask = cmd_account_password_ask, .run = cmd_account_password};
CHANGE(account_delete, opts_dry, NULL, cmd_account_delete);

#define FILE_HELP "a file of yours whose first line is the password, - is standard input; without it you are asked"

static const struct grammar_word add_file[] = {HINT("FILE", FILE_HELP, NULL, &account_add), END};
static const struct grammar_word add_name[] = {
	{GRAMMAR_HINT, "NAME", "its name: A-Z a-z 0-9 . _ @ -", NULL, add_file, &account_add}, END};
const struct grammar_word set_account[] = {
	WORD("name", "make an account for the CTL client", add_name, NULL), END};

static const struct grammar_word password_file[] = {HINT("FILE", FILE_HELP, NULL, &account_password), END};
static const struct grammar_word password_name[] = {
	{GRAMMAR_HINT, "NAME", "an account", NULL, password_file, &account_password}, END};
const struct grammar_word set_password_words[] = {
	WORD("user", "another password for an account, which is then unlocked", password_name, NULL), END};

static const struct grammar_word delete_name[] = {HINT("NAME", "an account", NULL, &account_delete), END};
const struct grammar_word delete_grammar[] = {
	WORD("account", "an account of the CTL client", delete_name, NULL), END};
