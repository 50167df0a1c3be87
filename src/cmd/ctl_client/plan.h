#pragma once

#include "cmd/ctl_client/server.h"
#include "cmd/ctl_client/tokens.h"

#define PLAN_TOKENS_MAX LIST_MAX_SAST_CTL

/*
 * The CTL that is being made: what the server told, the tokens it is to have, which of them signs. The wizard and the
 * commands for scripts share it. Source: behaviour.md 8.8; seeds 000 and 004.
 */
struct plan {
	struct ctl_server_view view;
	enum ctlp_change change;
	struct compose_tokens tokens;      /* those of the CTL in force first; certificates are the plan's */
	char *place[PLAN_TOKENS_MAX];      /* URI of the token with the certificate of this number; NULL: not seen */
	const struct ctl_token *signer;    /* borrowed; NULL: not known yet */
	struct composition comp;           /* of plan_compose */
	uint8_t *ctl, *twin;
	size_t ctl_len, twin_len;
};

/* plan_check_change: can this cluster do that? Errors: ERR_USAGE an update without mixed mode. */
int plan_check_change(const struct ctl_server_view *view, enum ctlp_change change, struct err *e) MUST_CHECK;

/* plan_start_take: takes what the view holds. Errors: ERR_LIMIT, ERR_PROTO the CTL in force cannot be read. */
int plan_start_take(struct plan *p, struct ctl_server_view *view, enum ctlp_change change, struct err *e) MUST_CHECK;
void plan_clear(struct plan *p);

/* plan_knows: does the CTL in force name this token? */
bool plan_knows(const struct plan *p, const struct cert *token);
bool plan_has(const struct plan *p, const struct cert *token); /* the next one */

/*
 * plan_has_room: for one more token? From 11.5 the cluster's own certificates take two of the four places.
 * Errors: ERR_LIMIT no, with the remedy; as plan_compose.
 */
int plan_has_room(struct plan *p, struct err *e) MUST_CHECK;

/*
 * plan_add: one more token; of a cluster without a CTL the first one stands before the servers, the others behind them.
 * Of one that the CTL has already it is noted that it is there.
 * Errors: as plan_has_room.
 */
int plan_add(struct plan *p, const struct ctl_token *t, struct err *e) MUST_CHECK;

/*
 * plan_remove: a token that is lost goes, by its number in tokens; plan_find_token finds that by common name, of which
 * blanks at the end, as `show ctl` prints them, do not count.
 */
void plan_remove(struct plan *p, size_t at);
bool plan_find_token(const struct plan *p, const char *cn, size_t *at);
bool plan_same_cn(const char *a, const char *b);

/* plan_signer: t signs. Errors: as token_ctl_check_signer; ERR_USAGE also when the certificates are all on one token. */
int plan_signer(struct plan *p, const struct ctl_token *t, struct err *e) MUST_CHECK;

/*
 * plan_compose: its records, dated later than the CTL in force. Errors: ERR_USAGE. plan_print: a line each, as the CTL
 * client's page has them.
 */
int plan_compose(struct plan *p, struct err *e) MUST_CHECK;
void plan_print(const struct plan *p, FILE *out);

/*
 * plan_check: before anybody is asked for a PIN: can what was composed be signed, stored and loaded?
 * Errors: ERR_LIMIT; as list_check.
 */
int plan_check(struct plan *p, struct err *e) MUST_CHECK;

/* plan_sign: with the token of plan_signer; asks for its PIN. Errors: as ctl_signing_open; the text names the token. */
int plan_sign(struct plan *p, struct err *e) MUST_CHECK;

/* plan_store: give it to the server. Errors, out: as ctl_server_store. When the connection ends without an answer, the
 * server is asked what it has. */
int plan_store(struct plan *p, struct ctl_server *s, bool accepted, struct ctl_server_stored *r, struct err *e) MUST_CHECK;

/* plan_finished: what the administrator is told at the end. */
void plan_finished(const struct plan *p, const struct ctl_server_stored *r, FILE *out);
