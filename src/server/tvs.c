#include "server/tvs.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sockaddr.h"

/* --- in the director --- */

#define LOOK_AGAIN_S 3600 /* at the latest, because somebody may have set the clock */

struct tvs_director {
	struct tvs_publisher *publisher;
	const struct clock *clock;
	struct event *again; /* when the next certificate ends */
	void (*changed)(void *ctx);
	void *ctx;
	struct tvs_report last;
};

static void wait_for_expiry(struct tvs_director *d)
{
	struct timeval after = {LOOK_AGAIN_S, 0};
	int64_t left = d->last.next_expiry + 1 - clock_wall_s(d->clock);

	if (!d->last.next_expiry)
		return;
	if (left < LOOK_AGAIN_S)
		after.tv_sec = left > 0 ? (time_t)left : 1;
	event_add(d->again, &after);
}

/* The words about the CTL are CUCM's (behaviour.md 4.3). */
static void tell_log(const struct tvs_report *r, const struct notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		log_warn("%s", notes->text[i]);
	if (r->ctl_changed) {
		log_info("CTLFile.tlv has been modified. Recaching CTL Certificate Cache");
		log_info("Refreshing the local CTL certificate cache");
	}
	if (r->changed)
		log_info("TVS answers from %zu certificates; %zu have expired and are left out", r->certificates, r->expired);
}

void tvs_director_refresh(struct tvs_director *d)
{
	struct notes notes = NOTES_INIT;
	struct err e = ERR_INIT;

	if (tvs_publish(d->publisher, &d->last, &notes, &e) < 0) {
		log_error("TVS goes on answering from what it had: %s", e.text);
	} else {
		tell_log(&d->last, &notes);
		wait_for_expiry(d);
		if (d->last.changed)
			d->changed(d->ctx);
	}
	notes_clear(&notes);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	tvs_director_refresh(ctx);
}

int tvs_director_new(struct event_base *base, struct cluster *c, const struct clock *clock, void (*changed)(void *ctx),
		     void *ctx, struct tvs_director **d, struct err *e)
{
	struct tvs_director *got = calloc(1, sizeof(*got));
	int rc;

	if (!got)
		return err_set(e, ERR_NOMEM, "no memory for the TVS index");
	got->clock = clock;
	got->changed = changed;
	got->ctx = ctx;
	got->again = evtimer_new(base, on_again, got);
	rc = got->again ? tvs_publisher_new(c, &got->publisher, e) : err_set(e, ERR_NOMEM, "no memory for a timer");
	if (rc < 0) {
		tvs_director_free(got);
		return rc;
	}
	*d = got;
	return 0;
}

void tvs_director_free(struct tvs_director *d)
{
	if (!d)
		return;
	if (d->again)
		event_free(d->again);
	tvs_publisher_free(d->publisher);
	free(d);
}

size_t tvs_director_certificates(const struct tvs_director *d)
{
	return d->last.certificates;
}

/* --- in a worker --- */

static int map_file(int fd, struct tvs_map *m, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, TVS_INDEX_FILE);
	if (st.st_size <= 0 || st.st_size > TVS_INDEX_MAX)
		return err_rule(e, "index-length", 0, TVS_INDEX_FILE " is empty or too large");
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, ERR_IO, "mapping " TVS_INDEX_FILE);
	*m = (struct tvs_map){.data = p, .len = (size_t)st.st_size, .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

/* What is mapped keeps its inode, so no other file can have that number meanwhile. */
static bool is_mapped(const struct tvs_map *m, int fd)
{
	struct stat st;

	return m->data && fstat(fd, &st) == 0 && st.st_dev == m->device && st.st_ino == m->inode;
}

/* The file is never written to, only replaced (file_replace), so that a mapping of it stays whole. */
int tvs_map_load(struct tvs_map *m, int published, struct err *e)
{
	struct tvs_map got = {0};
	int fd, rc = file_open_beneath(published, TVS_INDEX_FILE, &fd, e);

	if (rc < 0)
		return rc;
	if (is_mapped(m, fd)) {
		close(fd);
		return 0;
	}
	rc = map_file(fd, &got, e);
	close(fd);
	if (rc == 0)
		rc = tvs_index_open((struct view){got.data, got.len}, &got.ix, e);
	if (rc < 0) {
		tvs_map_clear(&got);
		return rc;
	}
	tvs_map_clear(m);
	*m = got;
	return 0;
}

void tvs_map_clear(struct tvs_map *m)
{
	if (m->data)
		munmap((void *)m->data, m->len);
	*m = (struct tvs_map){0};
}

void tvs_log(const char *listener, const struct sockaddr *peer, const struct tvs_event *ev, const char *why)
{
	char from[INET6_ADDRSTRLEN];

	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	sockaddr_text(peer, from);
	if (why)
		log_debug("%s: connection of %s ended: %s", listener, from, why);
	else
		log_debug("%s: %s from %s (%s): %s", listener, tvs_type_name(ev->type), ev->device[0] ? ev->device : "?", from,
			  ev->known ? "known" : "not known");
}
