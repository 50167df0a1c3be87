#pragma once

#include "cmd/cmd.h"
#include "pki/pkcs11.h"

/* The token that a command works with, as its options name it. */
struct token_options {
	const char *module;   /* --module; NULL: the URI's module-path, else p11-kit's configured modules */
	const char *uri;      /* --token; NULL: the only token that is there */
	const char *pin_file; /* --pin-file; NULL: the URI's pin-source, RINGFENCE_PIN, the terminal */
};

enum { TOKEN_OPT_MODULE = CMD_LONG + 200, TOKEN_OPT_TOKEN, TOKEN_OPT_PIN_FILE };

#define TOKEN_OPT_MODULE_LINE                                                                                          \
	{ TOKEN_OPT_MODULE, "module", "FILE", "the PKCS#11 module of the token (all that p11-kit has configured)" }
#define TOKEN_OPTS                                                                                                     \
	TOKEN_OPT_MODULE_LINE,                                                                                         \
	{ TOKEN_OPT_TOKEN, "token", "URI", "which token, and which key on it: pkcs11:... (RFC 7512); not needed for the only one" }, \
	{ TOKEN_OPT_PIN_FILE, "pin-file", "FILE", "its first line is the PIN (RINGFENCE_PIN, or the terminal)" }

/* token_option: takes the value of one of these; false: it is another option. */
bool token_option(struct token_options *o, int key, const char *value);

struct token_place {
	struct pkcs11_uri *uri; /* NULL without --token */
	struct pkcs11 *p11;
	struct pkcs11_session *s;
};

/*
 * token_place_open: module and session, as the options say.
 * In:     login: with the PIN. Out: *t, cleared with token_place_clear, also after a failure.
 */
int token_place_open(const struct token_options *o, bool write, bool login, struct token_place *t,
		     struct err *e) MUST_CHECK;
int token_place_module(const struct token_options *o, struct token_place *t, struct err *e) MUST_CHECK; /* no session */
int token_place_login(const struct token_options *o, struct token_place *t, struct err *e) MUST_CHECK;
void token_place_clear(struct token_place *t);
