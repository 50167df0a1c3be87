#pragma once

#include "cluster/monitor.h"
#include "server/ipc.h"

/*
 * Cisco Certificate Expiry Monitor in the director: when the certificate monitor looks, where its alarms go (syslog), and
 * what became of its e-mails, which the mailer sends. Nothing here waits.
 */
struct monitor;

#define MONITOR_SERVICE_NAME "Cisco Certificate Expiry Monitor"
#define MONITOR_PASSWORD_FILE "smtp.password" /* in the data folder, 0600: its first line */

struct monitor_site {
	struct event_base *base;
	struct cluster *cluster;
	struct store *store;
	const char *node;
	int data_dir;
	int mailer;              /* the channel to the mailer; owned by the monitor from then on */
};

int monitor_new(const struct monitor_site *site, struct monitor **m, struct err *e) MUST_CHECK;
void monitor_free(struct monitor *m); /* accepts NULL */

/* monitor_service: the administrator started or restarted it. */
int monitor_service(struct monitor *m, struct err *e) MUST_CHECK;

/* monitor_refresh: a command may have changed a parameter: when one did, look soon. */
void monitor_refresh(struct monitor *m);

/* monitor_test: an e-mail now. Out: *to, a heap text: whom it is on its way to.
 * Errors: ERR_USAGE a parameter is missing, the service is stopped; ERR_AGAIN one is under way. */
int monitor_test(struct monitor *m, char **to, struct err *e) MUST_CHECK;
