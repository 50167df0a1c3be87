#pragma once

#include "cluster/phones.h"
#include "proto/sip.h"
#include "store/phone_reset.h"

/*
 * Resetting phones: which, and what became of each. Who tells them is the node's: server/resets.h.
 * Source: behaviour.md 2.7, 8.7.
 */
enum phone_reset_state {
	PHONE_RESET_WAITING,
	PHONE_RESET_ASKED,   /* told; the answer is awaited */
	PHONE_RESET_DONE,    /* it answered 2xx, or the command ended well */
	PHONE_RESET_REFUSED, /* it answered something else, or the command failed */
	PHONE_RESET_SILENT,  /* no answer, or nobody there */
	PHONE_RESET_UNKNOWN, /* nobody knows its address */
	PHONE_RESET_STOPPED, /* not told: the reset was stopped before */
	PHONE_RESET_N_STATES,
};
const char *phone_reset_state_name(enum phone_reset_state s); /* "200 OK", "no answer" ... */

struct phone_reset_target {
	char name[64];
	char address[64];    /* "" unknown */
	bool tcp;
	enum phone_reset_state state;
	char text[72];       /* what the phone or the command said, behind the state; "" nothing more */
};

/* One reset of many phones. What reads it may; phone_reset_* change it. */
struct phone_reset_job {
	uint64_t number;
	enum sip_action action;
	bool by_command;     /* the call control's command tells the phones; otherwise SIP NOTIFY */
	char who[96];
	int64_t started, ended; /* Unix seconds; ended 0: it goes on */
	struct phone_reset_target *targets;
	size_t n, next;      /* next: the first that was not told yet */
	size_t count[PHONE_RESET_N_STATES];
};

/*
 * phone_reset_job_new: for the phones of the filter (a name without * and ? must exist). Changes nothing.
 * Errors: ERR_USAGE there is no such phone.
 */
int phone_reset_job_new(struct cluster *c, const char *who, enum sip_action action, const struct phones_filter *f,
			bool by_command, struct phone_reset_job **job, struct err *e) MUST_CHECK;
void phone_reset_job_free(struct phone_reset_job *job);

/* phone_reset_job_skip: of a job that was begun before: without this phone and those before it. */
void phone_reset_job_skip(struct phone_reset_job *job, const char *told);

void phone_reset_set(struct phone_reset_job *job, size_t i, enum phone_reset_state s, const char *text);
void phone_reset_stop(struct phone_reset_job *job);          /* those that were not told are not */
bool phone_reset_over(const struct phone_reset_job *job);    /* nobody waits, and no answer is awaited */
void phone_reset_summary(const struct phone_reset_job *job, char *out, size_t size); /* "12 200 OK, 1 no answer" */

/* phone_reset_audit: the record of a job that began or ended. */
int phone_reset_audit(struct cluster *c, const struct phone_reset_job *job, const char *outcome, struct err *e) MUST_CHECK;

/* --- with a change of what phones see: certificates of units (own and of trust stores), the blank ITL --- */

bool phones_look_at(const char *unit); /* in a list, or from a server */

/* Before: whether all phones are then reset by themselves, by "Phone Interaction on Certificate Update", or by hand. */
int phones_before_reset(struct cluster *c, struct notes *notes, struct err *e) MUST_CHECK;
int phones_before_certificate_change(struct cluster *c, const char *unit, struct notes *notes, struct err *e) MUST_CHECK;

/* phones_reset_owe: within the change, by that parameter: the node that runs pays the debt (server/resets.h). */
int phones_reset_owe(struct cluster *c, const char *who, struct err *e) MUST_CHECK;

/* After: the same again. waits: for the call control, which is to have its new certificate before. */
int phones_after_reset(struct cluster *c, bool waits, struct notes *notes, struct err *e) MUST_CHECK;
int phones_after_certificate_change(struct cluster *c, const char *unit, struct notes *notes, struct err *e) MUST_CHECK;

/* The debt of this node (store/phone_reset.h). */
int phones_reset_owed(struct cluster *c, struct store_phone_reset *r, struct err *e) MUST_CHECK;
int phones_reset_told(struct cluster *c, int64_t number, const char *told, struct err *e) MUST_CHECK;
int phones_reset_paid(struct cluster *c, int64_t number, struct err *e) MUST_CHECK;
