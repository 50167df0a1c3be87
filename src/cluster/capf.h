#pragma once

#include "cluster/cluster.h"
#include "proto/capf_server.h"

/*
 * The decisions behind CAPF: who a phone is, what is scheduled for it, the certificate that it gets. One object in the
 * director; it holds the running sessions and who guessed wrong, both bounded and in memory only. The worker that read a
 * phone's message is exposed, so the message comes along raw and is taken apart again here.
 * Source: formats-and-protocols.md 7.5 to 7.11; behaviour.md 5; pitfalls C-1 to C-18. What the answers give away to
 * strangers, and what is counted against whom: docs/capf.md.
 *
 *     worker                                   director
 *     accept: random session id, capf_conn_init
 *     CAPF_WANT_DECISION      ->               capf_decide      (one call, answered at once)
 *     capf_conn_decide        <-               answer.decision
 *     message refused there   ->               capf_refused
 *     connection over         ->               capf_gone        (also after END_SESSION; then it does nothing)
 *     worker died                              capf_gone_between; or the deadlines pass
 *     once a minute                            capf_step
 */
struct capf;

#define CAPF_SESSIONS_MAX 16384 /* running at once; one more is sent away with RETRY_LATER */

/* capf_new: c must outlive it. Errors: ERR_NOMEM. */
int capf_new(struct cluster *c, struct capf **a, struct err *e) MUST_CHECK;
void capf_free(struct capf *a); /* accepts NULL; running sessions are forgotten, their operations stay scheduled */

struct capf_ask {
	uint64_t conn;              /* the connection, never the same for two: worker, its incarnation, a counter */
	const char *peer;           /* numeric address of the phone, without port */
	uint32_t session;           /* of the connection; random (C-18) */
	enum capf_question question;
	struct view frame;          /* the phone's message as it came, one whole frame */
};

enum capf_verdict {
	CAPF_GOING_ON,              /* the session continues */
	CAPF_SUCCEEDED,             /* an operation is done */
	CAPF_NOTHING,               /* nothing was scheduled */
	CAPF_REFUSED,               /* the phone's fault, or a stranger's: log it at a limited rate */
	CAPF_FAILED,                /* ours: store, keeper, issuer; the operator has to do something */
};

struct capf_answer {
	struct capf_decision decision; /* for capf_conn_decide; its certificate views the one below */
	uint8_t *certificate;          /* DER, heap; NULL: none */
	size_t certificate_len;
	enum capf_verdict verdict;
	bool encrypted;                /* CAPF_SUCCEEDED: what the phone is served next depends on its certificate */
	char device[CAPF_DEVICE_MAX];  /* "" when the message named none, or none that could be one */
	char text[400];                /* one line for the log, escaped, without secrets */
};
void capf_answer_clear(struct capf_answer *answer);

/*
 * capf_decide: there is always an answer; the worst is END_SESSION 7 with the reason in text. Store, status texts and audit
 * are up to date when it returns.
 */
void capf_decide(struct capf *a, const struct capf_ask *ask, struct capf_answer *answer);

/*
 * capf_refused: the worker refused a message of that connection before anybody could be asked about it; why is what it says.
 * The connection's session ends. Out: answer says so for the log; there is nobody to send it to.
 */
void capf_refused(struct capf *a, uint64_t conn, const char *peer, const char *why, struct capf_answer *answer);

/* capf_gone: the connection is over. An operation that it had not finished stays scheduled, with a status that says why. */
enum capf_end { CAPF_END_CLOSED, CAPF_END_TIMEOUT };
void capf_gone(struct capf *a, uint64_t conn, enum capf_end how);
/* capf_gone_between: so are all connections from first to last: those of a worker that has died. */
void capf_gone_between(struct capf *a, uint64_t first, uint64_t last);

/*
 * capf_step: once a minute: operations whose time is up, sessions whose connection was lost with its worker, renewals.
 * Errors: ERR_STORE, ERR_NOMEM; the next step tries again.
 */
int capf_step(struct capf *a, struct err *e) MUST_CHECK;
size_t capf_sessions(const struct capf *a); /* running now */

/* An address that failed too often; of IPv6 its network. */
struct capf_lockout {
	char address[STORE_ADDRESS_SIZE + 4]; /* "10.1.1.7", "2001:db8::/64" */
	unsigned failures;
	int64_t until;
};
/* capf_lockouts: those of the moment, by the parameters as they are. A non-zero return of cb ends the list. */
int capf_lockouts(const struct capf *a, int (*cb)(void *ctx, const struct capf_lockout *l), void *ctx,
		  struct err *e) MUST_CHECK;
/*
 * capf_lockout_delete: of an address, or (NULL) all; audited as who's.
 * In:     rehearsal: say what would be, and change nothing. Out: *n how many.
 * Errors: ERR_USAGE it is no address, or not locked out.
 */
int capf_lockout_delete(struct capf *a, const char *who, const char *address, bool rehearsal, size_t *n,
			struct err *e) MUST_CHECK;
