#include "server/capf_wire.h"

#include <stdio.h>

#include "server/ipc.h"

void capf_wire_put_ask(struct wr *w, const struct capf_service_ask *ask, const char *peer)
{
	wr_u64(w, ask->conn);
	wr_u32(w, ask->session);
	wr_u8(w, (uint8_t)ask->question);
	ipc_put_str(w, peer);
	wr_u8(w, ask->old_tls);
	wr_open16(w);
	wr_view(w, ask->frame);
	wr_close(w);
}

bool capf_wire_get_ask(struct view body, struct capf_ask *ask, char peer[STORE_ADDRESS_SIZE], bool *old_tls)
{
	uint8_t question, old;
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!rd_u64(&r, &ask->conn) || !rd_u32(&r, &ask->session) || !rd_u8(&r, &question) ||
	    !ipc_get_str(&r, peer, STORE_ADDRESS_SIZE) || !rd_u8(&r, &old) || old > 1 || !rd_view16(&r, &ask->frame) ||
	    !rd_done(&r))
		return false;
	*old_tls = old;
	ask->question = question;
	ask->peer = peer;
	return ask->conn <= CAPF_CONN_MAX && question <= CAPF_ASK_DELETED;
}

bool capf_wire_put_decision(struct wr *w, const struct capf_decision *d, unsigned keep_alive_s)
{
	wr_u8(w, (uint8_t)d->action);
	wr_u8(w, d->reason);
	wr_u8(w, d->key_type);
	wr_u16(w, d->key_bits);
	wr_u8(w, d->curve);
	wr_u16(w, d->retry_s);
	wr_u16(w, (uint16_t)keep_alive_s);
	wr_open16(w);
	wr_view(w, d->certificate);
	wr_close(w);
	return !w->failed;
}

bool capf_wire_get_decision(struct view body, struct capf_decision *d, unsigned *keep_alive_s)
{
	uint16_t seconds;
	uint8_t action;
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!rd_u8(&r, &action) || !rd_u8(&r, &d->reason) || !rd_u8(&r, &d->key_type) || !rd_u16(&r, &d->key_bits) ||
	    !rd_u8(&r, &d->curve) || !rd_u16(&r, &d->retry_s) || !rd_u16(&r, &seconds) || !rd_view16(&r, &d->certificate) ||
	    !rd_done(&r) || action > CAPF_DO_RETRY)
		return false;
	d->action = action;
	*keep_alive_s = seconds;
	return true;
}

bool capf_wire_put_gone(struct wr *w, uint64_t conn, bool timed_out)
{
	wr_u64(w, conn);
	wr_u8(w, timed_out);
	return !w->failed;
}

bool capf_wire_get_gone(struct view body, uint64_t *conn, bool *timed_out)
{
	uint8_t how;
	struct rd r;

	rd_init(&r, body.p, body.len);
	if (!rd_u64(&r, conn) || !rd_u8(&r, &how) || !rd_done(&r) || *conn > CAPF_CONN_MAX || how > 1)
		return false;
	*timed_out = how;
	return true;
}

bool capf_wire_put_refused(struct wr *w, uint64_t conn, const char *peer, const char *why)
{
	char cut[CAPF_WIRE_WHY_MAX];

	snprintf(cut, sizeof(cut), "%s", why);
	wr_u64(w, conn);
	ipc_put_str(w, peer);
	ipc_put_str(w, cut);
	return !w->failed;
}

bool capf_wire_get_refused(struct view body, uint64_t *conn, char peer[STORE_ADDRESS_SIZE], char why[CAPF_WIRE_WHY_MAX])
{
	struct rd r;

	rd_init(&r, body.p, body.len);
	return rd_u64(&r, conn) && ipc_get_str(&r, peer, STORE_ADDRESS_SIZE) && ipc_get_str(&r, why, CAPF_WIRE_WHY_MAX) &&
	       rd_done(&r) && *conn <= CAPF_CONN_MAX;
}
