#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/capf_wire.h"
#include "server/contacts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the director reads of a worker that may have been taken over: the first octet says which message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char peer[STORE_ADDRESS_SIZE], why[CAPF_WIRE_WHY_MAX];
	struct capf_ask ask = {0};
	struct capf_decision d = {0};
	struct contacts *k;
	struct err e = ERR_INIT;
	unsigned keep_alive_s;
	uint64_t conn;
	bool flag;

	if (!size)
		return 0;
	struct view body = {data + 1, size - 1};
	switch (data[0] % 5) {
	case 0:
		if (capf_wire_get_ask(body, &ask, peer, &flag))
			assert(ask.conn <= CAPF_CONN_MAX && ask.question <= CAPF_ASK_DELETED && ask.frame.len <= body.len);
		break;
	case 1:
		if (capf_wire_get_decision(body, &d, &keep_alive_s))
			assert(d.action <= CAPF_DO_RETRY);
		break;
	case 2:
		if (capf_wire_get_gone(body, &conn, &flag))
			assert(conn <= CAPF_CONN_MAX);
		break;
	case 4:
		if (capf_wire_get_refused(body, &conn, peer, why))
			assert(conn <= CAPF_CONN_MAX && strlen(peer) + strlen(why) <= body.len);
		break;
	default:
		if (contacts_new(&k, &e))
			abort();
		if (contacts_receive(k, body, &e))
			assert(e.code == ERR_PROTO);
		contacts_free(k);
		break;
	}
	return 0;
}
