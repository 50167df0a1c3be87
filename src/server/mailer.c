/*
 * The process that talks to the SMTP server: what a stranger's server answers is parsed here, away from the store and from
 * every key but the password that the server asks for.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "base/secret.h"
#include "net/smtp.h"
#include "server/child.h"
#include "server/mail_job.h"
#include "server/sandbox.h"

struct mailer {
	struct node *node;
	struct event_base *base;
	struct event *term;
	struct ipc_channel *director;
	struct smtp *smtp;
	uint32_t id;             /* of the request that is under way */
};

static void answer(struct mailer *m, uint32_t id, int rc, const char *refused, const struct err *why)
{
	struct ipc_msg reply = {.type = rc ? IPC_FAILED : IPC_REPLY, .id = id};
	struct err e = ERR_INIT;
	struct wr w;

	wr_init(&w, IPC_BODY_MAX);
	if (rc)
		ipc_failed_encode(&w, why);
	else
		ipc_put_str(&w, refused);
	reply.body = wr_view_all(&w);
	if (ipc_channel_send(m->director, &reply, &e) < 0)
		log_error("an answer to the director: %s", e.text);
	wr_clear(&w);
}

static void on_sent(void *ctx, int rc, const char *refused, const struct err *e)
{
	struct mailer *m = ctx;

	answer(m, m->id, rc, refused, e);
}

/* Recipients in place: the text is cut at its semicolons. */
static void recipients_of(struct mail_job *job, struct smtp_job *out)
{
	char *rest = NULL;

	for (char *r = strtok_r(job->recipients, "; ", &rest); r && out->n_recipients < SMTP_RECIPIENTS_MAX;
	     r = strtok_r(NULL, "; ", &rest))
		out->recipients[out->n_recipients++] = r;
}

static int send_job(struct mailer *m, struct view body, struct err *e)
{
	struct mail_job job;
	int rc = mail_job_get(body, &job, e);

	if (!rc) {
		struct smtp_job out = {.server = job.server, .port = job.port, .security = (enum smtp_security)job.security,
				       .helo = job.helo, .user = job.user, .password = job.password, .sender = job.sender,
				       .authorities = job.authorities, .message = job.message};
		recipients_of(&job, &out);
		rc = smtp_send(m->smtp, &out, on_sent, m, e);
	}
	secret_wipe(job.password, sizeof(job.password));
	return rc;
}

static void on_message(void *ctx, struct ipc_channel *ch, const struct ipc_msg *msg)
{
	struct mailer *m = ctx;
	struct err e = ERR_INIT;

	(void)ch;
	if (msg->type != IPC_MAIL)
		return;
	int rc = send_job(m, msg->body, &e);
	if (rc)
		answer(m, msg->id, rc, NULL, &e);
	else
		m->id = msg->id;
}

static void on_term(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(((struct mailer *)ctx)->base);
}

static void on_closed(void *ctx, struct ipc_channel *ch, const struct err *why)
{
	(void)ch;
	(void)why;
	event_base_loopbreak(((struct mailer *)ctx)->base);
}

static int begin(struct mailer *m, struct err *e)
{
	struct ipc_handlers h = {.message = on_message, .closed = on_closed, .ctx = m, .long_max = IPC_LONG_MAX};
	int rc;

	if ((rc = child_drop(m->node, CHILD_MAILER, e)) < 0)
		return rc;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, ERR_IO, "PR_SET_DUMPABLE");
	close(m->node->data_dir);
	if ((rc = smtp_global(e)) < 0)
		return rc;
	m->base = event_base_new();
	m->term = m->base ? evsignal_new(m->base, SIGTERM, on_term, m) : NULL;
	if (!m->term || event_add(m->term, NULL) < 0)
		return err_set(e, ERR_NOMEM, "no memory for the loop");
	if ((rc = smtp_new(m->base, &m->smtp, e)) < 0 || (rc = sandbox_mailer(e)) < 0 ||
	    (rc = ipc_channel_new(m->base, m->node->director_mailer[1], &h, &m->director, e)) < 0)
		return rc;
	return child_ready(m->node, e);
}

int mailer_main(struct node *node, unsigned index)
{
	struct mailer m = {.node = node};
	struct err e = ERR_INIT;
	int rc = begin(&m, &e);

	(void)index;
	if (rc == 0)
		event_base_dispatch(m.base);
	else
		log_error("%s", e.text);
	smtp_free(m.smtp);
	ipc_channel_free(m.director);
	if (m.term)
		event_free(m.term);
	if (m.base)
		event_base_free(m.base);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
