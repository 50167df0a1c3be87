#pragma once

#include "cluster/token_ctl_wire.h"
#include "cmd/cmd.h"

/*
 * The CTL Provider, as the CTL client speaks with it: each piece of work on a connection of its own, so that nothing waits
 * at the other end while a person looks for a token.
 */
struct ctl_server_options {
	const char *server;        /* --server HOST[:PORT] */
	const char *user;
	const char *password_file;
	const char *trust;         /* file with exactly the server's certificate */
	const char *fingerprint;   /* its SHA-256 in hex */
};

enum { SERVER_OPT_SERVER = CMD_LONG + 300, SERVER_OPT_USER, SERVER_OPT_PASSWORD, SERVER_OPT_TRUST, SERVER_OPT_FINGERPRINT };

#define SERVER_OPTS                                                                                                    \
	{ SERVER_OPT_SERVER, "server", "HOST[:PORT]", "the node whose CTL Provider is asked (port 2444)" },            \
	{ SERVER_OPT_USER, "user", "NAME", "an account there ('set account name' makes one)" },                        \
	{ SERVER_OPT_PASSWORD, "password-file", "FILE", "its first line is the password (RINGFENCE_PASSWORD, or the\nterminal)" }, \
	{ SERVER_OPT_TRUST, "trust", "FILE", "the certificate that the server must show: PEM or DER" },                \
	{ SERVER_OPT_FINGERPRINT, "fingerprint", "SHA256", "or that certificate's SHA-256; without either you are asked" }

bool ctl_server_option(struct ctl_server_options *o, int key, const char *value); /* false: another option */

#define CTL_SERVER_PORT 2444

struct ctl_server {
	char host[256];
	uint16_t port;
	char user[CTLP_USER_MAX + 1];
	char *password;            /* secret memory of PASSPHRASE_MAX octets */
	uint8_t sha256[32];        /* of the certificate that is trusted */
	bool trusted;
	bool in_doubt;             /* the last work ended without the server's word: it may be done or not */
};

/*
 * ctl_server_init: from the options; what they leave out is asked for: the host and the user with ask (NULL: neither is
 * left out), the password at the terminal. Errors: ERR_USAGE something is missing, or is not what it should be.
 */
typedef int ctl_server_ask(void *ctx, const char *prompt, char *out, size_t size, struct err *e);
int ctl_server_init(struct ctl_server *s, const struct ctl_server_options *o, ctl_server_ask *ask, void *ctx,
		    struct err *e) MUST_CHECK;
void ctl_server_clear(struct ctl_server *s);

/* What the server has told. */
struct ctl_server_view {
	struct token_ctl_state *state;
	struct trust_list *ctl;    /* NULL: there is none */
};
void ctl_server_view_clear(struct ctl_server_view *v);

/* ctl_server_look: log in, fetch state and CTL. Errors: ERR_AUTH not trusted, or refused; ERR_IO; ERR_CLOSED; ERR_PROTO. */
int ctl_server_look(struct ctl_server *s, struct ctl_server_view *v, struct err *e) MUST_CHECK;

struct ctl_server_store {
	enum ctlp_change change;
	uint64_t generation;
	struct view ctl, sha1_signature;
	bool accepted;
};

/* What came of it: texts are warnings when it is not stored, else what is left to do. */
struct ctl_server_stored {
	bool stored;
	struct notes texts;
	struct notes nodes;
};
void ctl_server_stored_clear(struct ctl_server_stored *r);

/*
 * ctl_server_store: Errors: also ERR_USAGE the server does not take it: its reason is the text. s->in_doubt is set when the
 * connection, or the server behind it, ended after the CTL was sent and before the answer came.
 */
int ctl_server_store(struct ctl_server *s, const struct ctl_server_store *what, struct ctl_server_stored *r,
		     struct err *e) MUST_CHECK;
