#pragma once

#include "base/clock.h"
#include "cluster/tvs.h"
#include "net/tvs_service.h"

/*
 * TVS between the processes of a node: the director publishes the index (cluster/tvs.h), workers map it read-only and
 * answer from it (net/tvs_service.h).
 */

/* --- in the director --- */

struct tvs_director;

/*
 * tvs_director_new: changed is called when workers are to map the index again: from tvs_director_refresh, and when a
 * certificate has come to its end.
 */
int tvs_director_new(struct event_base *base, struct cluster *c, const struct clock *clock, void (*changed)(void *ctx),
		     void *ctx, struct tvs_director **d, struct err *e) MUST_CHECK;
void tvs_director_free(struct tvs_director *d); /* accepts NULL */

/* tvs_director_refresh: a command may have changed something. What cannot be done is logged; workers keep what they have. */
void tvs_director_refresh(struct tvs_director *d);
size_t tvs_director_certificates(const struct tvs_director *d); /* in the index */

/* --- in a worker --- */

struct tvs_map {
	const uint8_t *data;  /* NULL: nothing is mapped */
	size_t len;
	uint64_t device, inode;
	struct tvs_index ix;
};

/*
 * tvs_map_load: map the published index, unless it is the one that is mapped already. It is checked before it takes the
 * place of the old one, which goes.
 * Errors: ERR_IO (sys_errno ENOENT: none is published yet); ERR_PROTO it is damaged; the old one then stays.
 */
int tvs_map_load(struct tvs_map *m, int published, struct err *e) MUST_CHECK;
void tvs_map_clear(struct tvs_map *m);

/* tvs_log: what a tvs_service tells. What strangers ask is debug. */
void tvs_log(const char *listener, const struct sockaddr *peer, const struct tvs_event *ev, const char *why);
