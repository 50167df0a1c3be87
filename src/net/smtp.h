#pragma once

#include <event2/event.h>

#include "base/bytes.h"
#include "base/err.h"

/*
 * E-mail to an SMTP server, with libcurl on a libevent loop. One at a time. RFC 5321; STARTTLS: RFC 3207; TLS from the first
 * octet: RFC 8314.
 */
struct smtp;

enum smtp_security { SMTP_CLEAR, SMTP_STARTTLS, SMTP_TLS };

#define SMTP_RECIPIENTS_MAX 20
#define SMTP_TIMEOUT_MS 60000      /* for all of it */
#define SMTP_CONNECT_TIMEOUT_MS 15000

struct smtp_job {
	const char *server;            /* a name or an address */
	uint16_t port;
	enum smtp_security security;
	const char *helo;              /* how we name ourselves */
	const char *user, *password;   /* user "": no login; never sent in clear */
	const char *sender;
	const char *recipients[SMTP_RECIPIENTS_MAX];
	size_t n_recipients;
	struct view authorities;       /* PEM, beside those of the system: for the server's certificate */
	struct view message;           /* headers and body, lines ended by CR LF */
};

/*
 * done: rc 0: the server took it, for all recipients but those in `refused`, with what it said of each: "a@b (550 No such
 * user), c@d (...)", "" none. Else e says what it answered, or that it did not, and names those that it refused.
 */
#define SMTP_REFUSED_MAX 320
typedef void smtp_done(void *ctx, int rc, const char *refused, const struct err *e);

/* smtp_global: once in a process, before the sandbox. */
int smtp_global(struct err *e) MUST_CHECK;
int smtp_new(struct event_base *base, struct smtp **s, struct err *e) MUST_CHECK;
void smtp_free(struct smtp *s); /* what is under way ends without its done; accepts NULL */

/* smtp_send: the job is copied.
 * Errors: ERR_AGAIN one is under way; ERR_USAGE a password without TLS, no recipient; ERR_NOMEM. */
int smtp_send(struct smtp *s, const struct smtp_job *job, smtp_done *done, void *ctx, struct err *e) MUST_CHECK;
