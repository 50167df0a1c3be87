#include "proto/tvs_server.h"

#include <string.h>

#include "base/text.h"
#include "pki/cert.h"

void tvs_conn_init(struct tvs_conn *c, const struct tvs_lookup *lookup, struct tvs_counters *counters, uint64_t now_ms)
{
	*c = (struct tvs_conn){lookup, counters, now_ms + TVS_IDLE_MS};
	counters->connections++;
}

uint64_t tvs_conn_deadline(const struct tvs_conn *c)
{
	return c->deadline_ms;
}

/* A certificate that the store does not have may be none at all; then the request is malformed (6.6). */
static int is_certificate(struct view der, struct err *e)
{
	struct cert *c;
	int rc = cert_from_der(der, &c, e);

	if (!rc)
		cert_unref(c);
	return rc;
}

static int respond(struct tvs_conn *c, const struct tvs_msg *req, struct wr *out, struct tvs_event *ev, struct err *e)
{
	const struct tvs_lookup *l = c->lookup;
	bool verify = req->type == TVS_VERIFY_REQUEST;
	struct tvs_msg res = {.session = req->session, .has_status = true, .status = TVS_STATUS_NO};
	struct tvs_answer a = {0};
	int rc;

	if (!verify && req->type != TVS_QUERY_REQUEST)
		return err_rule(e, "message-type", 2, "a client sent an answer (type %u)", req->type);
	if (verify)
		ev->known = l->verify(l->ctx, req->certificate, &a);
	else
		ev->known = l->query(l->ctx, req->subject, req->issuer, req->serial, &a);
	if (verify && !ev->known && (rc = is_certificate(req->certificate, e)))
		return rc;
	res.type = verify ? TVS_VERIFY_RESPONSE : TVS_QUERY_RESPONSE;
	if (ev->known) {
		res.status = TVS_STATUS_OK;
		res.roles = a.roles;
		res.has_ttl = true;
		res.ttl_s = a.ttl_s;
		res.certificate = verify ? (struct view){0} : a.der;
	}
	if ((rc = tvs_msg_write(&res, out, e)))
		return rc;
	ev->type = req->type;
	text_escape(ev->device, sizeof ev->device, req->device);
	return 0;
}

static void count(struct tvs_counters *n, const struct tvs_event *ev)
{
	if (ev->type == TVS_VERIFY_REQUEST)
		*(ev->known ? &n->verify_valid : &n->verify_invalid) += 1;
	else
		*(ev->known ? &n->query_found : &n->query_not_found) += 1;
}

enum tvs_want tvs_conn_step(struct tvs_conn *c, struct view in, uint64_t now_ms, size_t *used, struct wr *out,
			    struct tvs_event *ev, struct err *e)
{
	struct tvs_msg req;
	size_t len;
	int rc;

	*used = 0;
	*ev = (struct tvs_event){0};
	rc = tvs_frame_len(in, &len, e);
	if (rc == ERR_AGAIN || (!rc && in.len < len)) {
		err_clear(e);
		if (now_ms < c->deadline_ms)
			return TVS_WANT_READ;
		c->counters->timed_out++;
		err_set(e, ERR_AGAIN, "no complete request within %d s", TVS_IDLE_MS / 1000);
		return TVS_WANT_CLOSE;
	}
	if (!rc)
		rc = tvs_msg_read((struct view){in.p, len}, &req, e);
	if (!rc)
		rc = respond(c, &req, out, ev, e);
	if (rc) {
		c->counters->malformed += rc == ERR_PROTO || rc == ERR_LIMIT;
		return TVS_WANT_CLOSE;
	}
	count(c->counters, ev);
	*used = len;
	c->deadline_ms = now_ms + TVS_IDLE_MS;
	return TVS_WANT_WRITE;
}
