#pragma once

#include "admin/command.h"
#include "admin/control.h"
#include "base/bytes.h"

/*
 * The node's side of one control connection, without descriptors: the director feeds it what the socket brought and
 * sends what it writes.
 */
struct admin_conn;

enum admin_conn_want {
	ADMIN_CONN_READ, /* send what is in out; call again when octets arrive */
	ADMIN_CONN_LATER, /* send what is in out; call again when octets arrive, or after ADMIN_CONN_LATER_MS */
	ADMIN_CONN_BUSY, /* as ADMIN_CONN_MORE, and a command is in the middle of what it does: see command->follow */
	ADMIN_CONN_MORE, /* send what is in out, then call again, with or without new octets: there is more to send */
};

#define ADMIN_CONN_LATER_MS 200
#define ADMIN_CONN_OUT_MAX (4 * CONTROL_CHUNK) /* octets one step writes, about; out needs a cap of 1 MiB or more */
#define ADMIN_OUTPUT_MAX (16 * 1024 * 1024)    /* octets that one command writes in one go, files not counted */

/*
 * admin_peer_get: who is connected to fd, and what may they do?
 * In:     fd a connected UNIX socket; owner and group as in struct admin_host.
 * Out:    *peer; a stranger is no error: allowed is then false, and the connection will say so to the client.
 * Errors: ERR_IO.
 */
int admin_peer_get(int fd, uid_t owner, gid_t group, struct admin_peer *peer, struct err *e) MUST_CHECK;

/* admin_conn_new: host outlives the connection; peer is copied. NULL: out of memory. */
struct admin_conn *admin_conn_new(const struct admin_host *host, const struct grammar_word *grammar,
				  const struct admin_peer *peer);
void admin_conn_free(struct admin_conn *c); /* at any time: a command that waits for an answer is then cancelled */

/*
 * admin_conn_step: take in all of `in` (which may be empty) and go on. Runs handlers to their end.
 * Out:    messages appended to out.
 * Errors: ERR_PROTO what the peer sent is no conversation of control.h, ERR_NOMEM: close it.
 */
int admin_conn_step(struct admin_conn *c, struct view in, struct wr *out, enum admin_conn_want *want,
		    struct err *e) MUST_CHECK;
