#include "net/udp_set.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define READY_MAX 64

struct member {
	struct member *next;
	void *owner;
	int fd;
};

struct udp_set {
	struct udp_set_handler h;
	const struct clock *clock;
	int epoll;                /* all sockets; readable when one of them is */
	int timer;
	struct event *on_arrival;
	struct event *on_tick;
	bool looking;             /* at intervals */
	unsigned counted;         /* packets of this window */
	uint64_t window_ms;       /* its begin */
	struct member *members;
	struct udp_set_stats stats;
};

/* Periodic from now on, or off. */
static void set_timer(struct udp_set *s, long tick_us)
{
	const struct timespec t = {.tv_nsec = tick_us * 1000};
	const struct itimerspec spec = {.it_interval = t, .it_value = t};

	timerfd_settime(s->timer, 0, &spec, NULL);
}

static void look_at_intervals(struct udp_set *s, unsigned clients)
{
	long tick_us = (long)clients * UDP_SET_PER_CLIENT_US;

	if (!s->looking)
		event_del(s->on_arrival);
	s->looking = true;
	set_timer(s, tick_us < UDP_SET_TICK_MAX_US ? tick_us : UDP_SET_TICK_MAX_US);
}

static void listen_again(struct udp_set *s)
{
	s->looking = false;
	set_timer(s, 0);
	event_add(s->on_arrival, NULL);
}

static void count(struct udp_set *s, unsigned packets)
{
	uint64_t now_ms = clock_mono_ms(s->clock);
	uint64_t took_ms = now_ms - s->window_ms;

	s->counted += packets;
	s->stats.packets += packets;
	if (took_ms < UDP_SET_WINDOW_MS)
		return;
	unsigned clients = s->h.clients(s->h.ctx);
	unsigned enough = s->looking ? UDP_SET_LEAVE : UDP_SET_ENTER;
	if (clients >= UDP_SET_CLIENTS && s->counted >= enough * took_ms)
		look_at_intervals(s, clients);
	else if (s->looking)
		listen_again(s);
	s->counted = 0;
	s->window_ms = now_ms;
}

static void take(struct udp_set *s)
{
	struct epoll_event ready[READY_MAX];
	int n = epoll_wait(s->epoll, ready, READY_MAX, 0);
	unsigned packets = 0;

	for (int i = 0; i < n; i++) {
		struct member *m = ready[i].data.ptr;

		packets += s->h.ready(s->h.ctx, m->owner, m->fd);
	}
	count(s, packets);
}

static void arrival(evutil_socket_t fd, short what, void *ctx)
{
	struct udp_set *s = ctx;

	(void)fd;
	(void)what;
	s->stats.wakes++;
	take(s);
}

static void tick(evutil_socket_t fd, short what, void *ctx)
{
	struct udp_set *s = ctx;

	uint64_t expired;

	(void)what;
	/* The kernel winds a periodic timer up again when it is read. Turned off meanwhile: there is nothing to read. */
	if (read(fd, &expired, sizeof(expired)) != sizeof(expired) || !s->looking)
		return;
	s->stats.ticks++;
	take(s);
}

int udp_set_new(struct event_base *base, const struct clock *clock, const struct udp_set_handler *h, struct udp_set **s,
		struct err *e)
{
	struct udp_set *got = calloc(1, sizeof(*got));

	if (!got)
		return err_set(e, ERR_NOMEM, "UDP: out of memory");
	got->h = *h;
	got->clock = clock;
	got->epoll = epoll_create1(EPOLL_CLOEXEC);
	got->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (got->epoll < 0 || got->timer < 0) {
		int code = err_sys(e, ERR_IO, "UDP");

		udp_set_free(got);
		return code;
	}
	got->on_arrival = event_new(base, got->epoll, EV_READ | EV_PERSIST, arrival, got);
	got->on_tick = event_new(base, got->timer, EV_READ | EV_PERSIST, tick, got);
	if (!got->on_arrival || !got->on_tick || event_add(got->on_arrival, NULL) < 0 ||
	    event_add(got->on_tick, NULL) < 0) {
		udp_set_free(got);
		return err_set(e, ERR_NOMEM, "UDP: out of memory");
	}
	*s = got;
	return 0;
}

void udp_set_free(struct udp_set *s)
{
	struct member *m;

	if (!s)
		return;
	if (s->on_arrival)
		event_free(s->on_arrival);
	if (s->on_tick)
		event_free(s->on_tick);
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->timer >= 0)
		close(s->timer);
	while ((m = s->members)) {
		s->members = m->next;
		free(m);
	}
	free(s);
}

int udp_set_add(struct udp_set *s, int fd, void *owner, struct err *e)
{
	struct member *m = calloc(1, sizeof(*m));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = m};

	if (!m)
		return err_set(e, ERR_NOMEM, "UDP: out of memory");
	*m = (struct member){.next = s->members, .owner = owner, .fd = fd};
	s->members = m;
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(e, ERR_IO, "UDP socket");
	return 0;
}

void udp_set_remove(struct udp_set *s, int fd)
{
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL); /* fails only when it is not in the set */
}

const struct udp_set_stats *udp_set_stats(const struct udp_set *s)
{
	return &s->stats;
}
