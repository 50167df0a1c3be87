#pragma once

#include "admin/command.h"

/* How the tables of commands are written: table.c, table_capf.c, table_node.c, table_phone.c. */
#define OPT_JSON {"--json", NULL, "print JSON"}
#define OPT_YES {"--yes", NULL, "answer the question with yes"}
#define OPT_DRY {"--dry-run", NULL, "say what would be changed, and change nothing"}
#define OPT_DETAIL {"detail", NULL, "date, time and size too"}

#define READ(name, opts, fn) static const struct command name = {.options = (opts), .privilege = ADMIN_READ, .run = (fn)}
#define CHANGE(name, opts, asks, fn)                                                                                   \
	static const struct command name = {.options = (opts), .privilege = ADMIN_CHANGE, .ask = (asks), .run = (fn)}

#define WORD(text, help, next, command) {GRAMMAR_WORD, text, help, NULL, next, command}
#define VALUE(text, help, values, next, command) {GRAMMAR_VALUE, text, help, values, next, command}
#define HINT(text, help, values, command) {GRAMMAR_HINT, text, help, values, NULL, command}
#define REST(text, help, command) {GRAMMAR_REST, text, help, NULL, NULL, command}
#define END {0}

extern const struct grammar_word phone_grammar[];                /* what follows "phone" */
extern const struct grammar_word group_grammar[];                /* what follows "group" */
extern const struct grammar_word capf_grammar[];                 /* what follows "utils capf" */
extern const struct grammar_word show_network[], set_network[]; /* what follows "show network", "set network" */
extern const struct grammar_word set_account[], set_password_words[]; /* what follows "set account", "set password" */
extern const struct grammar_word delete_grammar[];               /* what follows "delete" */
extern const struct command command_show_account;
extern const struct grammar_word unset_grammar[];                /* what follows "unset" */
