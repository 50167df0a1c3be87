#include "proto/capf_server.h"

#include <assert.h>

/* What a phone may send in which state, and what is asked then. Everything else is refused. Source: 7.8. */
static const struct {
	enum capf_state state;
	enum capf_command command;
	enum capf_question question;
} answers[] = {
	{CAPF_STATE_AUTH, CAPF_AUTH_RESPONSE, CAPF_ASK_AUTH},
	{CAPF_STATE_KEY, CAPF_KEY_GENERATE_RESPONSE, CAPF_ASK_KEY},
	{CAPF_STATE_STORE, CAPF_STORE_CERTIFICATE_RESPONSE, CAPF_ASK_STORED},
	{CAPF_STATE_FETCH, CAPF_FETCH_CERTIFICATE_RESPONSE, CAPF_ASK_FETCHED},
	{CAPF_STATE_DELETE, CAPF_DELETE_CERTIFICATE_RESPONSE, CAPF_ASK_DELETED},
};

/* Which decision may answer which question; ending and putting off always may. */
static const struct {
	enum capf_question question;
	enum capf_action action;
	enum capf_state next;
} continuations[] = {
	{CAPF_ASK_AUTH, CAPF_DO_GENERATE, CAPF_STATE_KEY},
	{CAPF_ASK_AUTH, CAPF_DO_FETCH, CAPF_STATE_FETCH},
	{CAPF_ASK_AUTH, CAPF_DO_DELETE, CAPF_STATE_DELETE},
	{CAPF_ASK_AUTH, CAPF_DO_STORE, CAPF_STATE_STORE},   /* issued elsewhere, for a key of an earlier session */
	{CAPF_ASK_KEY, CAPF_DO_STORE, CAPF_STATE_STORE},
	{CAPF_ASK_KEY, CAPF_DO_GENERATE, CAPF_STATE_KEY},   /* no EC key, but RSA will do */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void capf_conn_init(struct capf_conn *c, uint32_t session, uint64_t now_ms)
{
	*c = (struct capf_conn){.session = session, .version = CAPF_VERSION, .deadline_ms = now_ms + CAPF_IDLE_MS};
}

uint64_t capf_conn_deadline(const struct capf_conn *c)
{
	return c->deadline_ms;
}

static enum capf_want end(struct capf_conn *c, uint8_t reason, struct wr *out, struct err *e)
{
	const struct capf_msg m = {.command = CAPF_END_SESSION, .session = c->session, .has_reason = true, .reason = reason};

	c->state = CAPF_STATE_OVER;
	int ignored = capf_msg_write(&m, out, e); /* the connection closes either way, and e says why */
	(void)ignored;
	return CAPF_WANT_CLOSE;
}

static enum capf_want hello(struct capf_conn *c, struct wr *out, struct err *e)
{
	const struct capf_msg m = {.command = CAPF_AUTH_REQUEST, .session = c->session, .has_version = true,
				   .version = CAPF_VERSION, .has_auth_type = true};

	if (capf_msg_write(&m, out, e)) {
		c->state = CAPF_STATE_OVER;
		return CAPF_WANT_CLOSE;
	}
	c->state = CAPF_STATE_AUTH;
	return CAPF_WANT_WRITE;
}

/* 1 to 3 are spoken as they are, above 3 as 3 (7.10). */
static int take_version(struct capf_conn *c, const struct capf_msg *m, struct err *e)
{
	if (!m->has_version || m->version == 0)
		return err_rule(e, "version", -1, "the phone names no version of CAPF that exists");
	c->version = m->version < CAPF_VERSION ? m->version : CAPF_VERSION;
	return 0;
}

/* The phone is at work on its key and says so, as often as it likes; the key must come all the same. */
static bool is_progress(const struct capf_conn *c, const struct capf_msg *m)
{
	return c->state == CAPF_STATE_KEY && m->command == CAPF_REQUEST_IN_PROGRESS;
}

static enum capf_want take(struct capf_conn *c, const struct capf_msg *m, enum capf_question *question, struct wr *out,
			   struct err *e)
{
	if (m->session != c->session) {
		err_rule(e, "session", 2, "the message belongs to session %08x, this is %08x", m->session, c->session);
		return end(c, CAPF_REASON_INVALID, out, e);
	}
	for (size_t i = 0; i < COUNT(answers); i++) {
		if (answers[i].state != c->state || (uint8_t)answers[i].command != m->command)
			continue;
		if (c->state == CAPF_STATE_AUTH && take_version(c, m, e))
			return end(c, CAPF_REASON_INVALID, out, e);
		c->state = CAPF_STATE_DECIDING;
		c->question = *question = answers[i].question;
		return CAPF_WANT_DECISION;
	}
	err_rule(e, "unexpected-message", 1, "%s does not belong here", capf_command_name(m->command));
	return end(c, CAPF_REASON_INVALID, out, e);
}

/* Not a message of a phone, or one that no phone sends (D-8). Who does not speak CAPF would not understand an answer. */
static enum capf_want refuse(struct capf_conn *c, struct view in, struct wr *out, struct err *e)
{
	c->state = CAPF_STATE_OVER;
	return in.p[0] == CAPF_PROTOCOL ? end(c, CAPF_REASON_INVALID, out, e) : CAPF_WANT_CLOSE;
}

enum capf_want capf_conn_step(struct capf_conn *c, struct view in, uint64_t now_ms, size_t *used,
			      enum capf_question *question, struct wr *out, struct err *e)
{
	struct capf_msg m;
	size_t len;

	*used = 0;
	if (c->state == CAPF_STATE_OVER)
		return CAPF_WANT_CLOSE;
	if (c->state == CAPF_STATE_DECIDING)
		return CAPF_WANT_READ; /* what arrives meanwhile waits its turn */
	if (c->state == CAPF_STATE_START)
		return hello(c, out, e);
	int code = capf_frame_len(in, &len, e);
	if (!code && len > CAPF_PHONE_FRAME_MAX) /* is not waited for */
		code = err_rule(e, "body-length", 6, "a message of more than %d octets", CAPF_PHONE_FRAME_MAX);
	if (code == ERR_AGAIN || (!code && in.len < len)) {
		err_clear(e);
		if (now_ms < c->deadline_ms)
			return CAPF_WANT_READ;
		c->state = CAPF_STATE_OVER;
		err_set(e, ERR_AGAIN, "the phone did not answer in time");
		return CAPF_WANT_CLOSE;
	}
	if (code || capf_msg_read((struct view){in.p, len}, &m, e))
		return refuse(c, in, out, e);
	*used = len;
	if (is_progress(c, &m))
		return CAPF_WANT_READ;
	return take(c, &m, question, out, e);
}

/* The message that carries out a decision. Below version 3 there is neither KEY_TYPE nor EC (7.10). */
static int message_of(const struct capf_conn *c, const struct capf_decision *d, struct capf_msg *m, struct err *e)
{
	*m = (struct capf_msg){.session = c->session};
	switch (d->action) {
	case CAPF_DO_GENERATE:
		m->command = CAPF_KEY_GENERATE_REQUEST;
		m->has_key_type = c->version >= 3;
		m->key_type = d->key_type;
		if (d->key_type == CAPF_KEY_EC && c->version < 3)
			return err_set(e, ERR_USAGE, "the phone speaks CAPF version %u, which has no EC keys", c->version);
		m->has_key_size = d->key_type == CAPF_KEY_RSA;
		m->key_bits = d->key_bits;
		m->has_curve = d->key_type == CAPF_KEY_EC;
		m->curve = d->curve;
		return 0;
	case CAPF_DO_STORE:
		m->command = CAPF_STORE_CERTIFICATE_REQUEST;
		m->has_cert_type = true;
		m->cert_type = m->certificate_type = CAPF_CERT_LSC;
		m->certificate = d->certificate;
		return 0;
	case CAPF_DO_FETCH: m->command = CAPF_FETCH_CERTIFICATE_REQUEST; return 0;
	case CAPF_DO_DELETE: m->command = CAPF_DELETE_CERTIFICATE_REQUEST; return 0;
	case CAPF_DO_RETRY:
		m->command = CAPF_RETRY_LATER;
		m->has_retry_delay = true;
		m->retry_delay_s = d->retry_s;
		return 0;
	case CAPF_DO_END: break;
	}
	m->command = CAPF_END_SESSION;
	m->has_reason = true;
	m->reason = d->reason;
	return 0;
}

enum capf_want capf_conn_decide(struct capf_conn *c, const struct capf_decision *d, uint64_t now_ms, struct wr *out,
				struct err *e)
{
	enum capf_state next = CAPF_STATE_OVER;
	struct capf_msg m;

	assert(c->state == CAPF_STATE_DECIDING);
	if (d->action != CAPF_DO_END && d->action != CAPF_DO_RETRY) {
		for (size_t i = 0; i < COUNT(continuations); i++) {
			if (continuations[i].question == c->question && continuations[i].action == d->action)
				next = continuations[i].next;
		}
		if (next == CAPF_STATE_OVER) {
			err_set(e, ERR_BUG, "decision %d does not answer question %d", d->action, c->question);
			return end(c, CAPF_REASON_INVALID, out, e);
		}
	}
	if (message_of(c, d, &m, e))
		return end(c, CAPF_REASON_INVALID, out, e);
	c->state = next;
	if (capf_msg_write(&m, out, e))
		c->state = CAPF_STATE_OVER;
	c->deadline_ms = now_ms + (next == CAPF_STATE_KEY ? CAPF_KEY_MS : CAPF_IDLE_MS);
	return c->state == CAPF_STATE_OVER ? CAPF_WANT_CLOSE : CAPF_WANT_WRITE;
}
