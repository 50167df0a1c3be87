#pragma once

#include "base/bytes.h"
#include "server/ipc.h"

struct sockaddr;

/*
 * What the connections of a listener ask the director through, in a worker: CAPF and the CTL Provider put their questions on
 * it. Lives as long as its service.
 */
struct asker {
	const char *listener;            /* its name, for logs */
	struct ipc_channel **director;   /* NULL behind it: there is none any more */
	unsigned *asking;                /* counts the questions that wait for their answer */
};

/* One question that waits for its answer: the first member of what the asking service keeps for it, from malloc. */
struct asking {
	struct asker *by;
	/* Called once, unless the question was taken back, and then it is freed. rc: 0, or ERR_* with its reason in e. */
	void (*answered)(struct asking *a, int rc, struct view reply, const struct err *e);
	struct ipc_call *call;
};

/*
 * asker_ask: put a question of this type to the director.
 * In:     a with answered set; it belongs to the asker from here on, also after an error. body: as its encoder left it,
 *         which may have failed; stays the caller's.
 * Out:    *wait for asker_cancel, until answered.
 * Errors: ERR_CLOSED this process is about to end; ERR_LIMIT the question is too long; those of ipc_channel_call.
 */
int asker_ask(struct asker *by, struct asking *a, uint16_t type, const struct wr *body, unsigned timeout_ms, void **wait,
	      struct err *e) MUST_CHECK;

/* asker_cancel: nobody waits for this answer any more; frees the question. */
void asker_cancel(void *by, void *wait);

/* asker_log_ended: a connection is over; for those who look for it. */
void asker_log_ended(void *by, const struct sockaddr *peer, const char *why);
