#pragma once

#include "store/store.h"

/*
 * What the certificate monitor of a node has done: tables certificatemonitor and certificatenotice. Times are Unix
 * seconds, 0 never.
 */
#define STORE_MAIL_ERROR_SIZE 400

struct store_monitor {
	int64_t last_run, next_run;
	int64_t mail_tried, mail_sent;  /* the last time it was tried, and the last time it was taken by the server */
	int64_t mail_retry;             /* what could not be sent is not tried again before this time */
	unsigned mail_failures;         /* since the last that was sent */
	char mail_error[STORE_MAIL_ERROR_SIZE]; /* why the last one failed; "" it did not */
};

/* store_monitor_get: all zeros when it has never run. Errors: ERR_USAGE unknown node. */
int store_monitor_get(struct store *s, const char *node, struct store_monitor *m, struct err *e) MUST_CHECK;
int store_monitor_set(struct store *s, const char *node, const struct store_monitor *m, struct err *e) MUST_CHECK;

/* When people were last told of one certificate, by which way. */
struct store_notice {
	int64_t alarmed, mailed;
};

/* store_notice_get: zeros when there is none. In: name "tomcat/tomcat.der", of a certificate with this SHA-256. */
int store_notice_get(struct store *s, const char *node, const char *name, const char *sha256, struct store_notice *n,
		     struct err *e) MUST_CHECK;
int store_notice_set(struct store *s, const char *node, const char *name, const char *sha256,
		     const struct store_notice *n, struct err *e) MUST_CHECK;

/* store_notice_forget: those of which nobody was told since `before`: the certificates have gone. */
int store_notice_forget(struct store *s, const char *node, int64_t before, struct err *e) MUST_CHECK;
