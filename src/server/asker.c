#include "server/asker.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/sockaddr.h"

static void on_answer(void *ctx, int rc, struct view reply, const struct err *e)
{
	static struct log_limiter limiter = {.burst = 20};
	struct asking *a = ctx;

	--*a->by->asking;
	if (rc < 0)
		log_limited(&limiter, LOG_LEVEL_WARN, "%s: the director did not answer: %s", a->by->listener, e->text);
	a->answered(a, rc, reply, e);
	free(a);
}

int asker_ask(struct asker *by, struct asking *a, uint16_t type, const struct wr *body, unsigned timeout_ms, void **wait,
	      struct err *e)
{
	int rc;

	a->by = by;
	if (!*by->director)
		rc = err_set(e, ERR_CLOSED, "this process is about to end");
	else if (body->failed)
		rc = err_set(e, ERR_LIMIT, "a question to the director is too long");
	else
		rc = ipc_channel_call(*by->director, type, wr_view_all(body), timeout_ms, on_answer, a, &a->call, e);
	if (rc < 0) {
		free(a);
		return rc;
	}
	++*by->asking;
	*wait = a;
	return 0;
}

void asker_cancel(void *by, void *wait)
{
	struct asker *asker = by;
	struct asking *a = wait;

	--*asker->asking;
	ipc_call_cancel(a->call);
	free(a);
}

void asker_log_ended(void *by, const struct sockaddr *peer, const char *why)
{
	const struct asker *asker = by;
	char from[INET6_ADDRSTRLEN];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	sockaddr_text(peer, from);
	log_debug("%s: connection of %s ended: %s", asker->listener, from, why);
}
