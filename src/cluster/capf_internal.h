#pragma once

#include "cluster/capf.h"
#include "cluster/cluster_internal.h"
#include "cluster/phone_capf.h"

/* For the files of CAPF in this library and their tests. */

/* --- who guessed wrong: capf_address.c --- */

#define CAPF_ADDRESSES_MAX 4096

/* Addresses that failed lately; an IPv6 address counts as its /64, of which every host has as many as it likes. */
struct capf_addresses {
	struct capf_address {
		uint8_t key[8];
		bool v6;
		unsigned failures;
		uint64_t since_ms; /* of the first failure, or when they became a lock */
		bool locked;       /* when the last one was counted; whether it holds, the limit of the moment says */
	} *list;
	size_t n;
};

struct capf_limit {
	unsigned failures; /* 0: nobody is ever locked out */
	uint64_t ms;
};

/* All of these go by the limit as it is now, also for locks that began under another one. */
bool capf_address_locked(const struct capf_addresses *a, const char *peer, struct capf_limit limit, uint64_t now_ms);
bool capf_address_is_locked(const struct capf_address *x, struct capf_limit limit, uint64_t now_ms);
void capf_address_text(const struct capf_address *x, char *out, size_t size); /* "10.1.1.7", "2001:db8::/64" */
/* capf_address_find: by an address, or as capf_address_text has it. *valid: it is an address. NULL: nothing is known. */
struct capf_address *capf_address_find(const struct capf_addresses *a, const char *text, bool *valid);
/* capf_address_forget: x is another one afterwards, or behind the last. */
void capf_address_forget(struct capf_addresses *a, struct capf_address *x);
/* capf_address_failed: count one. True when that locks the address. Out of memory: it is not counted. */
bool capf_address_failed(struct capf_addresses *a, const char *peer, struct capf_limit limit, uint64_t now_ms);
void capf_addresses_clear(struct capf_addresses *a);

/* --- the same, for sessions and administrators: capf_lockout.c --- */

struct capf_turn;
bool capf_locked_out(struct capf_turn *t);   /* nobody at this address gets anything now */
void capf_count_failure(struct capf_turn *t); /* one more of it; says so in the turn's text when that locks it */

/* --- the running sessions: capf.c --- */

struct capf_session {
	uint64_t conn;
	uint32_t id;
	char device[CAPF_DEVICE_MAX];
	char peer[STORE_ADDRESS_SIZE];
	uint8_t version;
	enum device_operation operation;
	char operation_id[STORE_PKID_SIZE]; /* which scheduling of it */
	enum capf_question next;  /* what the phone's next message answers */
	struct key_spec asked;    /* CAPF_ASK_KEY */
	bool rsa_backup;          /* EC was asked for, RSA will do */
	struct cert *lsc;         /* CAPF_ASK_STORED */
	bool expired_mic;         /* authenticated by permission, which ends with the operation */
	uint64_t until_ms;        /* the connection must have said something by then */
};

#define CAPF_SUDI_REMEMBERED 1024

struct capf {
	struct cluster *c;
	struct capf_session *sessions;
	size_t n, room;
	struct capf_addresses addresses;
	uint32_t sudi_sessions[CAPF_SUDI_REMEMBERED]; /* that a SUDI proof was taken for, the oldest overwritten */
	size_t n_sudi;
	unsigned audit_left;      /* audit rows that strangers may cause before more time has passed */
	uint64_t audit_ms;        /* when audit_left was brought up to date */
	unsigned audit_dropped;
	bool renewals_stopped, renewals_wait; /* the audit says so */
};

/* One question on its way to its answer. */
struct capf_turn {
	struct capf *a;
	const struct capf_ask *ask;
	struct capf_answer *out;
	struct capf_msg m;
	char device[CAPF_DEVICE_MAX]; /* of m, NUL-terminated; "" when it cannot be a device's name */
	struct phone_task task;       /* of CAPF_ASK_AUTH and CAPF_ASK_KEY */
	bool expired_mic;
	int64_t now;
	uint64_t now_ms;
};

/* Ends of a turn; the text is said after "<device> at <peer>: ". */
void capf_end(struct capf_turn *t, enum capf_verdict verdict, enum capf_reason reason, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void capf_go_on(struct capf_turn *t, enum capf_action action, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* capf_fail: the pending operation failed and stays pending; ends the turn with reason 7. */
void capf_fail(struct capf_turn *t, enum device_failure why, enum capf_verdict verdict, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* capf_ask_key: what s->asked says. capf_give: the LSC (taken) that is the phone's when it says that it stored it. */
void capf_ask_key(struct capf_turn *t, struct capf_session *s);
void capf_give(struct capf_turn *t, struct capf_session *s, struct cert *lsc);

/* --- who it is: capf_auth.c --- */

/* capf_authenticate: true when the device has shown who it is as its authentication mode wants it; otherwise the turn has
 * ended. */
bool capf_authenticate(struct capf_turn *t);

/* What a certificate that a phone sends turned out to be. */
enum capf_cert_is { CAPF_IS_LSC, CAPF_IS_MIC };

/*
 * capf_cert_check (capf_chain.c): is it the device's, issued by a CAPF or a manufacturer in CAPF-trust, and not superseded?
 * Out: *is, also when the answer is no and it could be told; *expired: its time is over, which the caller judges.
 * Errors: ERR_AUTH with why not; ERR_STORE.
 */
int capf_cert_check(struct cluster *c, const struct store_device *d, const struct cert *cert, int64_t now,
		    enum capf_cert_is *is, bool *expired, struct err *e) MUST_CHECK;

/* capf_cert_is_cut: does it end when its issuer does, rather than when its own time is over? */
int capf_cert_is_cut(struct cluster *c, const struct cert *cert, bool *cut, struct err *e) MUST_CHECK;

/* --- what it gets: capf_issue.c --- */

/* capf_key_arrived: the answer to a KEY_GENERATE_RESPONSE; the turn has ended. s is its session. */
void capf_key_arrived(struct capf_turn *t, struct capf_session *s);

/* --- an authority elsewhere: capf_offline.c --- */

/* capf_offline_give: true when the turn has ended, because a certificate was waiting for the device and was given. */
bool capf_offline_give(struct capf_turn *t, struct capf_session *s);
/* capf_offline_collect: keep the key until somebody signs it; the turn has ended with RETRY_LATER. */
void capf_offline_collect(struct capf_turn *t);
int capf_is_offline(struct cluster *c, bool *offline, struct err *e) MUST_CHECK;

/* --- what it had: capf_trace.c --- */

/* capf_trace: one PEM file for each device and kind ("LSC", "MIC" or CAPF_TRACE_FOREIGN), the last one seen:
 * <data>/trace/capf/<device>-LSC.pem. */
#define CAPF_TRACE_FOLDER "trace/capf"
#define CAPF_TRACE_FOREIGN "foreign" /* what is not provably the device's own */
int capf_trace(struct cluster *c, const char *device, const char *kind, const struct cert *cert, struct err *e) MUST_CHECK;

/* --- what becomes due: capf_renew.c --- */
int capf_renewals_step(struct capf *a, int64_t now, struct err *e) MUST_CHECK;
