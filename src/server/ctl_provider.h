#pragma once

#include "cluster/cluster.h"
#include "net/ctl_provider_service.h"
#include "server/asker.h"

/*
 * The CTL Provider between the processes of a node: workers speak with clients (net/ctl_provider_service.h), the director
 * knows the accounts and the cluster. Messages come along raw; what a connection may do hangs on a session that the
 * director has given it, not on what a worker says.
 */
#define CTLP_SESSIONS 16          /* at once; the oldest makes room */
#define CTLP_SESSION_MS 120000    /* after its last message */
#define CTLP_LOGIN_BURST 10       /* wrong logins that are looked at at once, and then one a second: scrypt takes its time */

/* --- in the director --- */

struct ctl_provider_director;

struct ctl_provider_stats {
	uint64_t logins, refused, stored;
};

/* ctl_provider_director_new: c outlives it. published is called when a CTL was stored, before the client is told so. */
int ctl_provider_director_new(struct cluster *c, const struct clock *clock, void (*published)(void *ctx), void *ctx,
			      struct ctl_provider_director **d, struct err *e) MUST_CHECK;
void ctl_provider_director_free(struct ctl_provider_director *d); /* accepts NULL */

/* ctl_provider_director_ask: IPC_CTL_PROVIDER of a worker, answered on ch. */
void ctl_provider_director_ask(struct ctl_provider_director *d, struct ipc_channel *ch, const struct ipc_msg *m);

const struct ctl_provider_stats *ctl_provider_director_stats(const struct ctl_provider_director *d);

/* --- in a worker --- */

/* For the connections of a listener; a lives as long as its service. */
struct ctl_provider_decider ctl_provider_decider_by_director(struct asker *a);
