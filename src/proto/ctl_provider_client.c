#include "proto/ctl_provider_client.h"

int ctlp_client_ask(struct ctlp_client *c, const struct ctlp_msg *m, struct wr *out, struct err *e)
{
	if (c->asked || !ctlp_answers(CTLP_REFUSED, m->type))
		return err_set(e, ERR_BUG, "a question at a time");
	int rc = ctlp_msg_write(m, out, e);
	if (!rc)
		c->asked = m->type;
	return rc;
}

int ctlp_client_take(struct ctlp_client *c, struct view in, size_t *used, struct ctlp_msg *m, struct err *e)
{
	size_t len;
	int rc = ctlp_frame_len(in, &len, e);

	if (!rc && in.len < len)
		return err_set(e, ERR_AGAIN, "a part of the answer has arrived");
	if (!rc)
		rc = ctlp_msg_read((struct view){in.p, len}, m, e);
	if (rc)
		return rc;
	if (!ctlp_answers(m->type, c->asked))
		return err_rule(e, "unexpected-message", 2, "the server answers with %s", ctlp_type_name(m->type));
	c->asked = 0;
	*used = len;
	return 0;
}
