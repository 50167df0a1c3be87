#include "proto/ctl_provider_server.h"

void ctlp_conn_init(struct ctlp_conn *c, uint64_t now_ms)
{
	*c = (struct ctlp_conn){.state = CTLP_STATE_LOGIN, .deadline_ms = now_ms + CTLP_IDLE_MS};
}

uint64_t ctlp_conn_deadline(const struct ctlp_conn *c)
{
	return c->deadline_ms;
}

static enum ctlp_want end(struct ctlp_conn *c)
{
	c->state = CTLP_STATE_OVER;
	return CTLP_WANT_CLOSE;
}

static int belongs(const struct ctlp_conn *c, const struct ctlp_msg *m, struct err *e)
{
	bool login = m->type == CTLP_LOGIN;

	if (!ctlp_answers(CTLP_REFUSED, m->type))
		return err_rule(e, "unexpected-message", 2, "a client sent %s", ctlp_type_name(m->type));
	if (login != (c->state == CTLP_STATE_LOGIN))
		return err_rule(e, "unexpected-message", 2, login ? "a second LOGIN" : "%s before LOGIN", ctlp_type_name(m->type));
	return 0;
}

enum ctlp_want ctlp_conn_step(struct ctlp_conn *c, struct view in, uint64_t now_ms, size_t *used, struct err *e)
{
	struct ctlp_msg m;
	size_t len;

	*used = 0;
	if (c->state == CTLP_STATE_OVER)
		return CTLP_WANT_CLOSE;
	if (c->state == CTLP_STATE_DECIDING)
		return CTLP_WANT_READ; /* what arrives meanwhile waits its turn */
	int rc = ctlp_frame_len(in, &len, e);
	if (!rc && c->state == CTLP_STATE_LOGIN && len > CTLP_LOGIN_FRAME_MAX)
		rc = err_rule(e, "body-length", 4, "a message of %zu octets before LOGIN", len);
	if (rc == ERR_AGAIN || (!rc && in.len < len)) {
		err_clear(e);
		if (now_ms < c->deadline_ms)
			return CTLP_WANT_READ;
		err_set(e, ERR_AGAIN, "no complete message within %d s", CTLP_IDLE_MS / 1000);
		return end(c);
	}
	if (!rc)
		rc = ctlp_msg_read((struct view){in.p, len}, &m, e);
	if (!rc)
		rc = belongs(c, &m, e);
	if (rc)
		return end(c);
	c->asked = m.type;
	c->state = CTLP_STATE_DECIDING;
	*used = len;
	return CTLP_WANT_DECISION;
}

enum ctlp_want ctlp_conn_decide(struct ctlp_conn *c, struct view reply, uint64_t now_ms, unsigned *delay_ms, struct err *e)
{
	struct ctlp_msg m;

	*delay_ms = 0;
	if (c->state != CTLP_STATE_DECIDING || ctlp_msg_read(reply, &m, e) || !ctlp_answers(m.type, c->asked)) {
		err_set(e, ERR_BUG, "that is no answer to what was asked");
		return end(c);
	}
	if (c->asked == CTLP_LOGIN && m.type == CTLP_REFUSED) {
		*delay_ms = CTLP_WRONG_MS;
		return end(c);
	}
	c->state = CTLP_STATE_OPEN;
	c->deadline_ms = now_ms + CTLP_IDLE_MS;
	return CTLP_WANT_READ;
}
