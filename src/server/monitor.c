#include "server/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "cluster/param.h"
#include "net/smtp.h"
#include "server/mail_job.h"
#include "store/service.h"

#define LOOK_S 60          /* between two looks whether a run, a retry or an e-mail is due */
#define FIRST_LOOK_S 1     /* after the start, and after a change of parameters */
#define MAIL_LOOK_S 3600   /* between two looks for certificates of which an e-mail is due */
#define ANSWER_MS (SMTP_TIMEOUT_MS + 15000)

struct monitor {
	struct monitor_site site;
	struct ipc_channel *mailer;
	struct event *look;
	int64_t mail_look;          /* when to look for e-mails again */
	char *seen;                 /* the parameters that decide about e-mails, as they were last */
	bool sending;
	struct monitor_mail mail;   /* the one that is under way */
};

/* --- alarms --- */

static void alarm_raise(void *ctx, int severity, const char *text)
{
	(void)ctx;
	syslog(LOG_DAEMON | severity, "%s", text);
	log_warn("%s", text);
}

/* --- when to look --- */

static void look_again(struct monitor *m, time_t seconds)
{
	struct timeval tv = {seconds, 0};

	if (event_add(m->look, &tv) < 0)
		log_error("certificate monitor: no memory for the loop");
}

static void look_soon(struct monitor *m)
{
	m->mail_look = 0;
	look_again(m, FIRST_LOOK_S);
}

/* The values of the parameters, one behind the other; NULL when they cannot be read. */
static char *parameters(struct monitor *m)
{
	static const char *const names[] = {PARAM_NOTICE_MAIL,	 PARAM_NOTICE_START, PARAM_NOTICE_FREQUENCY,
					    PARAM_NOTICE_TO,	 PARAM_SMTP_SERVER,  PARAM_SMTP_PORT,
					    PARAM_SMTP_SECURITY, PARAM_SMTP_SENDER,  PARAM_SMTP_USER};
	char *all = strdup("");

	for (size_t i = 0; all && i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO(auto_free) char *value = NULL;
		AUTO(auto_free) char *before = all;
		if (param_get(m->site.cluster, names[i], &value, NULL) < 0 || asprintf(&all, "%s%s\n", before, value) < 0)
			all = NULL;
	}
	return all;
}

void monitor_refresh(struct monitor *m)
{
	struct err e = ERR_INIT;
	char *now = parameters(m);

	if (!now || (m->seen && strcmp(m->seen, now) == 0)) {
		free(now);
		return;
	}
	bool first = !m->seen;
	free(m->seen);
	m->seen = now;
	if (first)
		return;
	if (monitor_mail_again(m->site.cluster, &e) < 0)
		log_error("certificate monitor: %s", e.text);
	look_soon(m);
}

/* --- e-mails --- */

/* failed NULL: it was sent, though not to those in refused. */
static void mail_end(struct monitor *m, const char *failed, const char *refused)
{
	struct err e = ERR_INIT;

	if (monitor_mail_done(m->site.cluster, &m->mail, failed, refused, &e) < 0)
		log_error("certificate monitor: %s", e.text);
	if (failed)
		log_warn("certificate monitor: an e-mail could not be sent: %s", failed);
	else if (refused[0])
		log_warn("certificate monitor: an e-mail was sent, but not to %s", refused);
	else
		log_info("certificate monitor: an e-mail was sent");
	monitor_mail_clear(&m->mail);
	m->sending = false;
}

static void on_mailed(void *ctx, int rc, struct view reply, const struct err *e)
{
	struct monitor *m = ctx;
	bool test = m->mail.kind == MONITOR_MAIL_TEST;
	char refused[SMTP_REFUSED_MAX] = "";
	struct rd r;

	rd_init(&r, reply.p, reply.len);
	if (!rc && (!ipc_get_str(&r, refused, sizeof(refused)) || !rd_done(&r)))
		log_error("certificate monitor: the mailer's answer is malformed");
	mail_end(m, rc ? e->text : NULL, refused);
	if (!rc && test) /* what could not be sent before can be now */
		look_soon(m);
}

/* The first line of the file, which must not be open to others. */
static int read_password(struct monitor *m, char out[MAIL_PASSWORD_MAX], struct err *e)
{
	AUTO(auto_close) int fd = openat(m->site.data_dir, MONITOR_PASSWORD_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, "the password of the SMTP server, " MONITOR_PASSWORD_FILE " in the data folder");
	if (!S_ISREG(st.st_mode) || st.st_mode & 077)
		return err_set(e, ERR_USAGE, MONITOR_PASSWORD_FILE " is open to others: chmod 600 it");
	ssize_t n = read(fd, out, MAIL_PASSWORD_MAX);
	if (n < 0)
		return err_sys(e, ERR_IO, "reading " MONITOR_PASSWORD_FILE);
	for (ssize_t i = 0; i < n; i++)
		if (out[i] == '\n' || out[i] == '\r' || out[i] == '\0')
			n = i;
	if (n == 0 || n == MAIL_PASSWORD_MAX)
		return err_set(e, ERR_USAGE, "the first line of " MONITOR_PASSWORD_FILE " is empty or too long");
	out[n] = '\0';
	return 0;
}

static int make_job(struct monitor *m, struct mail_job *job, struct err *e)
{
	const struct monitor_mail *mail = &m->mail;

	snprintf(job->server, sizeof(job->server), "%s", mail->server);
	snprintf(job->helo, sizeof(job->helo), "%s", m->site.node);
	snprintf(job->user, sizeof(job->user), "%s", mail->user);
	snprintf(job->sender, sizeof(job->sender), "%s", mail->sender);
	snprintf(job->recipients, sizeof(job->recipients), "%s", mail->recipients);
	job->port = (uint16_t)mail->port;
	job->security = strcmp(mail->security, "TLS") == 0 ? SMTP_TLS :
			strcmp(mail->security, "STARTTLS") == 0 ? SMTP_STARTTLS : SMTP_CLEAR;
	job->authorities = view_str(mail->authorities);
	job->message = view_str(mail->text);
	return job->user[0] ? read_password(m, job->password, e) : 0;
}

/* m->mail, to the mailer; what comes of it comes later. */
static int mail_send(struct monitor *m, struct err *e)
{
	struct mail_job job = {0};
	struct wr w;
	int rc = make_job(m, &job, e);

	wr_init(&w, IPC_LONG_MAX);
	if (!rc && !mail_job_put(&w, &job))
		rc = err_set(e, ERR_LIMIT, "the e-mail and the certificates of tomcat-trust are too large together");
	secret_wipe(job.password, sizeof(job.password));
	if (!rc)
		rc = ipc_channel_call(m->mailer, IPC_MAIL, wr_view_all(&w), ANSWER_MS, on_mailed, m, NULL, e);
	if (w.len)
		secret_wipe((void *)wr_view_all(&w).p, w.len);
	wr_clear(&w);
	m->sending = !rc;
	return rc;
}

static void send_notice(struct monitor *m)
{
	struct err e = ERR_INIT;
	bool due;
	int rc = monitor_mail_next(m->site.cluster, &m->mail, &due, &e);

	if (!rc && !due)
		return;
	if (!rc)
		rc = mail_send(m, &e);
	if (rc)
		mail_end(m, e.text, "");
}

/* --- when --- */

static int is_started(struct monitor *m, bool *started, struct err *e)
{
	struct store_service svc;
	int rc = store_service_get(m->site.store, m->site.node, MONITOR_SERVICE_NAME, &svc, e);

	if (!rc)
		*started = svc.activated && svc.started;
	return rc;
}

static bool retry_is_due(struct monitor *m, int64_t now)
{
	struct store_monitor state;

	if (store_monitor_get(m->site.store, m->site.node, &state, NULL) < 0)
		return false;
	return state.mail_retry && state.mail_retry <= now;
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct monitor *m = ctx;
	struct err e = ERR_INIT;
	int64_t now = clock_wall_s(&clock_system);
	bool started = false;
	int rc = is_started(m, &started, &e);

	(void)fd;
	(void)what;
	look_again(m, LOOK_S);
	if (!rc && started)
		rc = monitor_run(m->site.cluster, alarm_raise, m, &e);
	if (rc < 0)
		log_error("certificate monitor: %s", e.text);
	if (!started || m->sending || (now < m->mail_look && !retry_is_due(m, now)))
		return;
	m->mail_look = now + MAIL_LOOK_S;
	send_notice(m);
}

int monitor_service(struct monitor *m, struct err *e)
{
	look_soon(m);
	return monitor_restarted(m->site.cluster, e);
}

int monitor_test(struct monitor *m, char **to, struct err *e)
{
	bool started;
	int rc = is_started(m, &started, e);

	if (!rc && !started)
		rc = err_set(e, ERR_USAGE, MONITOR_SERVICE_NAME " is stopped: 'utils service start " MONITOR_SERVICE_NAME "'");
	if (!rc && m->sending)
		rc = err_set(e, ERR_AGAIN, "an e-mail is under way: try again when 'show cert monitor' says how it went");
	if (!rc)
		rc = monitor_mail_test(m->site.cluster, &m->mail, e);
	if (rc)
		return rc;
	char *recipients = strdup(m->mail.recipients);
	rc = recipients ? mail_send(m, e) : err_set(e, ERR_NOMEM, "out of memory");
	if (rc) {
		free(recipients);
		monitor_mail_clear(&m->mail);
		return rc;
	}
	*to = recipients;
	return 0;
}

/* --- beginning and end --- */

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *m)
{
	(void)ctx;
	(void)ch;
	(void)m;
}

int monitor_new(const struct monitor_site *site, struct monitor **out, struct err *e)
{
	struct monitor *m = calloc(1, sizeof(*m));
	struct ipc_handlers h = {.message = on_message, .ctx = m};

	if (!m)
		return err_set(e, ERR_NOMEM, "out of memory");
	m->site = *site;
	int rc = ipc_channel_new(site->base, site->mailer, &h, &m->mailer, e);
	if (!rc) {
		m->look = evtimer_new(site->base, on_look, m);
		rc = m->look ? 0 : err_set(e, ERR_NOMEM, "no memory for the loop");
	}
	if (rc) {
		monitor_free(m);
		return rc;
	}
	openlog("ringfence", LOG_PID, LOG_DAEMON);
	monitor_refresh(m);
	look_again(m, FIRST_LOOK_S);
	*out = m;
	return 0;
}

void monitor_free(struct monitor *m)
{
	if (!m)
		return;
	ipc_channel_free(m->mailer);
	monitor_mail_clear(&m->mail);
	free(m->seen);
	if (m->look)
		event_free(m->look);
	free(m);
}
