#include "server/content_id.h"

#include <stdint.h>
#include <time.h>

#define TICK_MS 100          /* longer than the tick of any kernel */
#define COARSE_TICK_MS 2000  /* of file systems that count in seconds, or two */

struct content_id content_id_of(const struct stat *st)
{
	return (struct content_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool content_id_same(const struct content_id *a, const struct content_id *b)
{
	return a->ino == b->ino && a->size == b->size && same_time(&a->ctime, &b->ctime) &&
	       same_time(&a->mtime, &b->mtime) && a->dev == b->dev;
}

static int64_t in_ms(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

bool content_id_settled(const struct content_id *id)
{
	struct timespec now;

	/* Not a clock that is handed in: the stamp is the kernel's, and so must be what it is compared with. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return in_ms(&now) - in_ms(&id->ctime) > (id->ctime.tv_nsec ? TICK_MS : COARSE_TICK_MS);
}
