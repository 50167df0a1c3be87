#pragma once

#include "cluster/capf_renew.h"
#include "store/notice.h"

/*
 * The certificate monitor: which certificates end, whom that is told and how often. Own and trust certificates of this
 * node, the security tokens of the CTL, and the LSCs of phones. Alarms at every run: each 24 hours, and each hour for what
 * has ended or ends within a day. E-mails from Notification Start Time on, each Notification Frequency. What was told is in
 * the store, so a restart neither repeats nor forgets it. Source: behaviour.md 7; users.md P6, F1.
 */
#define MONITOR_RUN_S 86400
#define MONITOR_URGENT_S 3600  /* between alarms of what has ended or ends within a day */
#define MONITOR_WEEK_S (7 * 86400)
#define MONITOR_LSC_MAX 200    /* so many LSCs are named; the others are counted */

enum monitor_state { MONITOR_VALID, MONITOR_ENDING /* since Notification Start Time */, MONITOR_WEEK, MONITOR_EXPIRED };
const char *monitor_state_name(enum monitor_state s); /* "valid" ... */

struct monitor_entry {
	char name[STORE_NAME_SIZE];  /* "tomcat.der", as alarms have it */
	char unit[64];               /* "tomcat", "tomcat-trust", "CTLFile", "LSC" */
	const char *type;            /* "own-cert", of trust certificates too (behaviour.md 7); "token"; "LSC" */
	char sha256[65];
	int64_t not_after;
	enum monitor_state state;
	struct store_notice told;
	struct capf_waiting waiting; /* of the CAPF certificate: LSCs that wait for another; it is MONITOR_ENDING then */
};

struct monitor_list {
	struct monitor_entry *entries; /* the first to end first */
	size_t n;
	uint64_t n_lsc;                /* LSCs that end before the window does, also those beyond MONITOR_LSC_MAX */
};

/* monitor_look: Out: *l, released by monitor_list_clear. Of LSCs only those that end. */
int monitor_look(struct cluster *c, struct monitor_list *l, struct err *e) MUST_CHECK;
void monitor_list_clear(struct monitor_list *l);

/* monitor_alarm_text: "%UC_CERT-2-CertValidfor7days: ..."; *severity that of syslog, 2 or 0. Of an entry in state WEEK or
 * EXPIRED. */
#define MONITOR_ALARM_MAX 1024
void monitor_alarm_text(const struct monitor_entry *entry, const char *node, char out[MONITOR_ALARM_MAX], int *severity);

typedef void monitor_alarm_fn(void *ctx, int severity, const char *text);

/* monitor_run: when a run is due (or was never planned: then it is, in 24 hours), raise the alarms that are due. */
int monitor_run(struct cluster *c, monitor_alarm_fn *alarm, void *ctx, struct err *e) MUST_CHECK;

/* monitor_restarted: the service was started by hand: the next run is in 24 hours (behaviour.md 7). */
int monitor_restarted(struct cluster *c, struct err *e) MUST_CHECK;

/* --- e-mail: monitor_mail.c --- */

enum monitor_mail_kind { MONITOR_MAIL_NOTICE, MONITOR_MAIL_TEST };

/* An e-mail to be sent. Heap texts; no password: who sends it reads that. */
struct monitor_mail {
	enum monitor_mail_kind kind;
	char *server, *security, *user, *sender, *recipients;
	uint32_t port;
	char *authorities;             /* PEM: the certificates of tomcat-trust */
	char *text;                    /* headers and body, lines ended by CR LF */
	struct monitor_list list;      /* what it tells of */
};
void monitor_mail_clear(struct monitor_mail *m);

/*
 * monitor_mail_next: the notification that is due now. Out: *due false: none is, or e-mail is off, or the time to try
 * again has not come.
 * Errors: ERR_USAGE a parameter is missing, named; monitor_mail_done wants to know of it too.
 */
int monitor_mail_next(struct cluster *c, struct monitor_mail *m, bool *due, struct err *e) MUST_CHECK;

/* monitor_mail_test: one that tells of nothing, whether e-mail is on or not. Errors: as monitor_mail_next. */
int monitor_mail_test(struct cluster *c, struct monitor_mail *m, struct err *e) MUST_CHECK;

/* monitor_mail_again: what failed need not wait any longer: a parameter was changed. */
int monitor_mail_again(struct cluster *c, struct err *e) MUST_CHECK;

/*
 * monitor_mail_done: what became of it; failed NULL: the server took it, but for those in refused ("": for all). A notification that failed is tried again after
 * 5 minutes, then later and later, up to 4 hours.
 */
#define MONITOR_RETRY_S 300
#define MONITOR_RETRY_MAX_S 14400
int monitor_mail_done(struct cluster *c, const struct monitor_mail *m, const char *failed, const char *refused,
		      struct err *e) MUST_CHECK;
