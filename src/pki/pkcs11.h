#pragma once

#include "pki/cert.h"
#include "pki/keystore.h"

/*
 * Hardware tokens through PKCS#11 (Cryptoki 2.40): any module, by its path or as p11-kit is configured. Source: the
 * OASIS standard; RFC 7512 for URIs; behaviour.md 8.8 for what a CTL client does with a token.
 *
 * Errors of every call below, from what the token answered. The class drives policy; err.rule names the ones that a
 * program tells apart:
 *     ERR_IO    PKCS11_REMOVED       the token is not there (any more)
 *     ERR_IO    PKCS11_SESSION_LOST  the token or its connection was reset: open a new session
 *     ERR_AUTH  PKCS11_PIN_INCORRECT
 *     ERR_AUTH  PKCS11_PIN_LOCKED
 *     ERR_AUTH  PKCS11_NO_LOGIN      the operation needs a login before
 *     ERR_LIMIT PKCS11_FULL          no room on the token
 *     ERR_LIMIT PKCS11_SESSIONS      the token has no more sessions to give
 *     ERR_USAGE PKCS11_PROTECTED     write-protected
 *     ERR_USAGE PKCS11_CANNOT        the token does not offer this mechanism, key size or curve
 *     ERR_CRYPTO, ERR_NOMEM          whatever else it was, with its CKR_ name
 */
#define PKCS11_REMOVED "token-removed"
#define PKCS11_SESSION_LOST "token-session-lost"
#define PKCS11_PIN_INCORRECT "token-pin-incorrect"
#define PKCS11_PIN_LOCKED "token-pin-locked"
#define PKCS11_NO_LOGIN "token-no-login"
#define PKCS11_FULL "token-full"
#define PKCS11_SESSIONS "token-sessions"
#define PKCS11_PROTECTED "token-write-protected"
#define PKCS11_CANNOT "token-cannot"

/* pkcs11_is: is this the error with that rule? */
bool pkcs11_is(const struct err *e, const char *rule);

/* --- URIs, RFC 7512 --- */

struct pkcs11_uri;

/*
 * pkcs11_uri_parse: "pkcs11:token=...;object=...?module-path=...&pin-source=...".
 * Errors: ERR_USAGE not such a URI, or one with an attribute that nobody here understands (it would match too much).
 */
int pkcs11_uri_parse(const char *text, struct pkcs11_uri **u, struct err *e) MUST_CHECK;
void pkcs11_uri_free(struct pkcs11_uri *u);                  /* accepts NULL; wipes a pin-value */
const char *pkcs11_uri_module(const struct pkcs11_uri *u);   /* module-path, or NULL */
const char *pkcs11_uri_pin_file(const struct pkcs11_uri *u); /* pin-source as a path (without "file:"), or NULL */
const char *pkcs11_uri_pin(const struct pkcs11_uri *u);      /* pin-value, or NULL */
const char *pkcs11_uri_object(const struct pkcs11_uri *u);   /* the label of an object, or NULL; until the next call */

#define PKCS11_PIN_MAX 256 /* octets of a PIN with its NUL */

/*
 * pkcs11_pin_read: the first line of a file; dir_fd for a relative name.
 * Out:    *pin of PKCS11_PIN_MAX octets, released with secret_free.
 * Errors: ERR_IO; ERR_AUTH others may read the file; ERR_USAGE empty; ERR_LIMIT too long.
 */
int pkcs11_pin_read(int dir_fd, const char *file, char **pin, struct err *e) MUST_CHECK;

/* --- modules and tokens --- */

struct pkcs11;

/*
 * pkcs11_open: load and initialise a module; NULL: all that p11-kit has configured. The sessions of several threads may be
 * used at once, each by one thread at a time. Nothing of it survives fork().
 * Errors: ERR_IO it cannot be loaded, or none is configured; as above.
 */
int pkcs11_open(const char *module, struct pkcs11 **p, struct err *e) MUST_CHECK;
void pkcs11_free(struct pkcs11 *p); /* accepts NULL; its sessions are closed before */

/*
 * pkcs11_restart: shut the modules down and initialise them again: some look for tokens only then. No session is open.
 * Errors: as pkcs11_open; then another call may help.
 */
int pkcs11_restart(struct pkcs11 *p, struct err *e) MUST_CHECK;

struct pkcs11_token {
	char label[33], manufacturer[33], model[17], serial[17]; /* without the padding; UTF-8 as the token has it */
	bool initialized;
	bool login_required;
	bool pin_set;         /* false: nobody has given the user a PIN yet */
	bool pin_pad;         /* the PIN is typed on the reader, never here */
	bool pin_low;         /* a wrong PIN was given since the last right one */
	bool pin_final_try;   /* one more wrong PIN locks it */
	bool pin_locked;
	bool write_protected;
};

/* pkcs11_tokens: calls cb for each token that is present, until it returns non-zero, which is then returned. */
int pkcs11_tokens(struct pkcs11 *p, int (*cb)(void *ctx, const struct pkcs11_token *t), void *ctx,
		  struct err *e) MUST_CHECK;

/* pkcs11_token_uri: "pkcs11:model=...;manufacturer=...;serial=...;token=..." that matches this token and no other. */
int pkcs11_token_uri(const struct pkcs11_token *t, char *out, size_t size, struct err *e) MUST_CHECK;

/* pkcs11_uri_matches: does the URI name this token? */
bool pkcs11_uri_matches(const struct pkcs11_uri *u, const struct pkcs11_token *t);

/* --- sessions --- */

struct pkcs11_session;

/*
 * pkcs11_session_open: with the one token that the URI matches (NULL: every token that wants a login).
 * In:     write: objects are going to be made or removed. p outlives the session.
 * Errors: ERR_IO PKCS11_REMOVED no token matches; ERR_USAGE several do, or it is not initialised.
 */
int pkcs11_session_open(struct pkcs11 *p, const struct pkcs11_uri *u, bool write, struct pkcs11_session **s,
			struct err *e) MUST_CHECK;
void pkcs11_session_free(struct pkcs11_session *s); /* accepts NULL */

/* pkcs11_session_token: as it is now (the flags of the PIN change). Errors: PKCS11_REMOVED. */
int pkcs11_session_token(struct pkcs11_session *s, struct pkcs11_token *t, struct err *e) MUST_CHECK;

/* pkcs11_session_lost: did the last failure say that this session is of no use any more? */
bool pkcs11_session_lost(const struct pkcs11_session *s);

/*
 * pkcs11_login: as the user. It holds for every session of this process with the token; to be logged in already is
 * success. The PIN is neither kept nor logged.
 * In:     pin NULL: at the reader's pad. unattended: nobody is there who knows better: a token that says one more wrong
 *         PIN locks it is not tried.
 * Errors: PKCS11_PIN_INCORRECT (the text says when one try is left), PKCS11_PIN_LOCKED; ERR_USAGE no PIN and no pad.
 */
int pkcs11_login(struct pkcs11_session *s, const char *pin, bool unattended, struct err *e) MUST_CHECK;
int pkcs11_logout(struct pkcs11_session *s, struct err *e) MUST_CHECK; /* every session of this process */

/* --- objects --- */

struct pkcs11_object {
	unsigned long handle; /* valid in its session only */
};

#define PKCS11_ID_MAX 64
#define PKCS11_LABEL_MAX 128

/* What to look for; what is left out matches everything. */
struct pkcs11_want {
	const char *label;
	struct view id; /* CKA_ID, the same for the two halves of a key and its certificate */
};

/* What there is. */
struct pkcs11_found {
	struct pkcs11_object object;
	char label[PKCS11_LABEL_MAX]; /* cut where it is longer */
	uint8_t id[PKCS11_ID_MAX];
	size_t id_len;
};

/* pkcs11_want_of: the object and id of a URI, borrowed from it until the next call with it. */
struct pkcs11_want pkcs11_want_of(const struct pkcs11_uri *u);

/* pkcs11_key_find: the private key; needs a login. Errors: ERR_USAGE several match. */
int pkcs11_key_find(struct pkcs11_session *s, const struct pkcs11_want *w, bool *found, struct pkcs11_object *key,
		    struct err *e) MUST_CHECK;

/* pkcs11_keys: calls cb for each private key until it returns non-zero, which is then returned. cb may use s. */
int pkcs11_keys(struct pkcs11_session *s, const struct pkcs11_want *w,
		int (*cb)(void *ctx, const struct pkcs11_found *f), void *ctx, struct err *e) MUST_CHECK;

/* pkcs11_key_public: the public half of a private key. Errors: ERR_CRYPTO the token does not tell it. */
int pkcs11_key_public(struct pkcs11_session *s, struct pkcs11_object key, EVP_PKEY **pub, struct err *e) MUST_CHECK;

/*
 * pkcs11_key_generate: an RSA or EC key pair that stays on the token: sensitive, never extractable.
 * In:     decrypt: it may decrypt too (TLS RSA key exchange); otherwise it only signs. Needs a writing session.
 * Out:    *key, *pub; label and id as pkcs11_key_name leaves them, until then a random id.
 */
int pkcs11_key_generate(struct pkcs11_session *s, struct key_spec spec, bool decrypt, const char *label,
			struct pkcs11_object *key, EVP_PKEY **pub, struct err *e) MUST_CHECK;

/* pkcs11_key_name: give both halves a label and an id. */
int pkcs11_key_name(struct pkcs11_session *s, struct pkcs11_object key, const char *label, struct view id,
		    struct err *e) MUST_CHECK;

/* pkcs11_key_remove: both halves. */
int pkcs11_key_remove(struct pkcs11_session *s, struct pkcs11_object key, struct err *e) MUST_CHECK;

/*
 * pkcs11_sign: as keystore_ops.sign: PKCS#1 v1.5 (CKM_RSA_PKCS around a DigestInfo of ours, or around the bare octets),
 * PSS, ECDSA as DER, and the decryption of TLS key exchange.
 */
int pkcs11_sign(struct pkcs11_session *s, struct pkcs11_object key, const struct key_sign *req, uint8_t *sig, size_t *len,
		struct err *e) MUST_CHECK;

/*
 * pkcs11_certs: calls cb for each X.509 certificate until it returns non-zero, which is then returned; an object that is
 * no certificate inside is passed over. cb borrows cert and may use s.
 */
int pkcs11_certs(struct pkcs11_session *s, const struct pkcs11_want *w,
		 int (*cb)(void *ctx, const struct pkcs11_found *f, struct cert *cert), void *ctx,
		 struct err *e) MUST_CHECK;

/*
 * pkcs11_cert_key: is the key of this certificate there, public or private half, with the same id? Before a login most
 * tokens show public halves only, and some show nothing: PKCS11_KEY_HIDDEN.
 */
enum pkcs11_key_seen { PKCS11_KEY_THERE, PKCS11_KEY_MISSING, PKCS11_KEY_HIDDEN };
int pkcs11_cert_key(struct pkcs11_session *s, const struct pkcs11_found *f, const struct cert *cert,
		    enum pkcs11_key_seen *seen, struct err *e) MUST_CHECK;

/* pkcs11_cert_write: a certificate object that everybody may read. Needs a writing session, and a login. */
int pkcs11_cert_write(struct pkcs11_session *s, const char *label, struct view id, const struct cert *cert,
		      struct err *e) MUST_CHECK;

/* pkcs11_object_remove: one object, such as a certificate. */
int pkcs11_object_remove(struct pkcs11_session *s, struct pkcs11_object object, struct err *e) MUST_CHECK;
