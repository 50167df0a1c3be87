#pragma once

#include "cluster/compose.h"
#include "cluster/mode.h"

/*
 * A CTL that a hardware token has signed elsewhere (`ringfence ctl-client`): taken only when it is, octet for octet, what
 * this cluster's records make with those tokens, when phones would take it, and when its signer may sign it. Then it is
 * published with the mode, as every other change: whole or not at all.
 * Source: behaviour.md 8.8, 9 scenarios 3 to 5, 19 to 24.
 */
#define TOKEN_CTL_MIN 2 /* tokens in a CTL, so that one may be lost (behaviour.md 8.8) */

/* The words of the CTL client. */
#define TOKEN_CTL_NOT_IN_CTL                                                                                           \
	"The Security Token you have inserted does not exist in the CTL File\n"                                        \
	"Please remove any Security Tokens already inserted and insert another\n"                                      \
	"Security Token. Click Ok when done."
#define TOKEN_CTL_NO_FILE                                                                                              \
	"No CTL File exists on the server but the Call Manager Cluster Security Mode is in Secure Mode.\n"             \
	"For the system to function, you must create the CTL File and set Call Manager Cluster the Secure Mode."

/* cluster_ctl_has_tokens: has the CTL in force a record of a token? */
int cluster_ctl_has_tokens(struct cluster *c, bool *tokens, struct err *e) MUST_CHECK;

/*
 * cluster_ctl_command: what makes the CTL in force anew, for hints: `utils ctl update CTLFile`, or `ringfence ctl-client
 * update CTLFile` when tokens are in it or the generation has no other; `set-cluster non-secure-mode` outside mixed mode,
 * where nothing is to be updated. Out: *command static.
 */
int cluster_ctl_command(struct cluster *c, const char **command, struct err *e) MUST_CHECK;

/* cluster_ctl_tokens: as token_ctl_tokens, of the CTL in force; none when there is none. */
int cluster_ctl_tokens(struct cluster *c, struct compose_tokens *t, struct err *e) MUST_CHECK;

/*
 * token_ctl_tokens: the tokens of a CTL, and where they stand: what compose() takes to make it again.
 * Out:    t, its certificates are the caller's to give back with token_ctl_tokens_clear; signer is set to the first.
 * Errors: ERR_LIMIT more than LIST_MAX_SAST_CTL; ERR_PROTO a certificate that is none.
 */
int token_ctl_tokens(const struct trust_list *ctl, struct compose_tokens *t, struct err *e) MUST_CHECK;
void token_ctl_tokens_clear(struct compose_tokens *t);

/*
 * token_ctl_check_signer: may this certificate sign the next CTL?
 * In:     ctl in force, NULL: none; t, the tokens of the next one.
 * Errors: ERR_AUTH with TOKEN_CTL_NOT_IN_CTL; ERR_USAGE fewer tokens than TOKEN_CTL_MIN.
 */
int token_ctl_check_signer(const struct trust_list *ctl, const struct compose_tokens *t, struct err *e) MUST_CHECK;

/*
 * A CTL is made once: its TIMESTAMP is later than those of all CTLs that were ever in force here, so that no earlier one can
 * be stored again, with tokens that were taken out of it since. It lies in the future by no more than a clock that was set
 * back a little explains.
 */
#define TOKEN_CTL_FUTURE_S 300

/* token_ctl_time: the TIMESTAMP that the next CTL is to have: now, or a second after the last CTL when that is later. */
int token_ctl_time(struct cluster *c, uint32_t *timestamp, struct err *e) MUST_CHECK;

struct token_ctl {
	enum mode_change change;       /* MODE_MIXED, MODE_NON_SECURE or MODE_UPDATE */
	uint64_t generation;           /* that was in force when the client looked */
	struct view ctl;               /* the file */
	struct view sha1_signature;    /* of its twin with SHA-1, when lists are signed with SHA-512 */
	bool accepted;                 /* the warnings were shown */
};

/*
 * cluster_token_ctl: check and publish.
 * Out:    *stored; false: nothing was changed, because notes hold warnings and t->accepted is not set.
 * Errors: ERR_PROTO malformed; ERR_CRYPTO it does not verify; ERR_AUTH, ERR_USAGE as token_ctl_check_signer, or the signer
 *         is no token, phones would refuse it, it is no later one than the last, or it does not hold what the cluster's
 *         records say; ERR_AGAIN other lists were published meanwhile.
 */
int cluster_token_ctl(struct cluster *c, const char *who, const struct token_ctl *t, struct notes *notes, bool *stored,
		      struct err *e) MUST_CHECK;
