#include "net/tftp_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "net/tftp_table.h"
#include "net/udp.h"
#include "net/udp_set.h"
#include "proto/tftp.h"

#define ROUNDS 4        /* batches taken from one socket before others have their turn */
#define REMEMBERED 4096 /* clients of a listening socket whose last port of ours is known */

/* A port of ours that transfers are answered from. */
struct tftp_tid {
	struct listener *listener;
	int fd;
};

/* Which port a client was answered from last; another client of the same slot overwrites it. */
struct memory {
	uint32_t client; /* hash, 0: none */
	uint32_t tid;
};

struct listener {
	SLIST_ENTRY(listener) link;
	struct tftp_server *srv;
	int fd;
	bool wildcard;
	unsigned n_tids;
	unsigned active;  /* the port that new transfers get */
	unsigned tenure;  /* transfers until the next one is active */
	struct memory remembered[REMEMBERED];
	struct tftp_tid tids[];
};

struct tftp_server {
	const struct clock *clock;
	struct tftp_content content;
	struct tftp_server_options options;
	struct tftp_server_stats stats;
	struct tftp_table *table;
	struct udp_set *sockets;
	struct wheel wheel;
	struct event *tick;
	bool ticking;
	bool serving;
	bool in_batch;        /* packets are gathered; whoever set it flushes */
	uint64_t now_ms;      /* of this batch */
	SLIST_HEAD(, listener) listeners;
	struct udp_in in;
	struct udp_out out;
};

/*
 * Sending
 */

static void send_error(struct tftp_server *srv, int fd, const union udp_addr *to, const struct udp_local *local,
		       enum tftp_error code, const char *text)
{
	uint8_t *p = udp_out_begin(&srv->out, fd, TFTP_REPLY_MAX);

	udp_out_end(&srv->out, to, local, tftp_error_encode(p, code, text));
}

static void end_transfer(struct tftp_server *srv, struct tftp_entry *t)
{
	if (t->timed)
		wheel_remove(&t->timer);
	if (t->source)
		t->source->release(t->source);
	t->timed = false;
	t->source = NULL;
	tftp_table_remove(srv->table, t);
}

static void fail_transfer(struct tftp_server *srv, struct tftp_entry *t, const char *text)
{
	srv->stats.failed++;
	send_error(srv, t->tid->fd, &t->peer, &t->local, TFTP_ERROR_UNDEFINED, text);
	end_transfer(srv, t);
}

static bool read_block(struct tftp_source *s, uint64_t offset, uint8_t *out, size_t len)
{
	if (s->bytes && len)
		memcpy(out, s->bytes + offset, len);
	return s->bytes || !len || s->read(s, offset, out, len, NULL) == 0;
}

static bool send_block(struct tftp_server *srv, struct tftp_entry *t, uint64_t block)
{
	size_t len = tftp_block_len(&t->transfer, block);
	uint8_t *p = udp_out_begin(&srv->out, t->tid->fd, TFTP_HEADER + len);

	if (block == tftp_block_count(&t->transfer) && t->source->changed && t->source->changed(t->source)) {
		fail_transfer(srv, t, "the file changed while it was sent");
		return false;
	}
	if (!read_block(t->source, tftp_block_offset(&t->transfer, block), p + TFTP_HEADER, len)) {
		fail_transfer(srv, t, "the file could not be read");
		return false;
	}
	tftp_data_header(p, block);
	udp_out_end(&srv->out, &t->peer, &t->local, TFTP_HEADER + len);
	srv->stats.octets += len;
	return true;
}

static void send_what(struct tftp_server *srv, struct tftp_entry *t, const struct tftp_send *what)
{
	if (what->oack) {
		uint8_t *p = udp_out_begin(&srv->out, t->tid->fd, TFTP_REPLY_MAX);

		udp_out_end(&srv->out, &t->peer, &t->local, tftp_oack_encode(p, &t->transfer));
	}
	for (unsigned i = 0; i < what->n_blocks; i++)
		if (!send_block(srv, t, what->first_block + i))
			return;
}

/* Whoever hears from outside (a packet, the clock, an opened file) works between these two. */
static bool begin_batch(struct tftp_server *srv)
{
	if (srv->in_batch)
		return false;
	srv->in_batch = true;
	srv->now_ms = clock_mono_ms(srv->clock);
	return true;
}

static void end_batch(struct tftp_server *srv)
{
	udp_out_flush(&srv->out);
	srv->in_batch = false;
}

/*
 * Transfers
 */

static void start_ticking(struct tftp_server *srv)
{
	static const struct timeval period = {.tv_usec = WHEEL_TICK_MS * 1000};

	if (srv->ticking)
		return;
	wheel_init(&srv->wheel, srv->now_ms); /* it is empty */
	srv->ticking = event_add(srv->tick, &period) == 0;
}

static void after_step(struct tftp_server *srv, struct tftp_entry *t)
{
	if (!t->live)
		return; /* the file failed */
	if (t->transfer.state == TFTP_STATE_DONE)
		srv->stats.completed++;
	else if (t->transfer.state == TFTP_STATE_FAILED)
		srv->stats.abandoned++;
	else
		return;
	end_transfer(srv, t);
}

static void set_timer(struct tftp_server *srv, struct tftp_entry *t)
{
	wheel_add(&srv->wheel, &t->timer, t->transfer.due_ms);
	t->timed = true;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct tftp_server *srv = ctx;
	struct wheel_item *i;

	(void)fd;
	(void)what;
	begin_batch(srv);
	wheel_advance(&srv->wheel, srv->now_ms);
	while ((i = wheel_next(&srv->wheel))) {
		struct tftp_entry *t = (struct tftp_entry *)((char *)i - offsetof(struct tftp_entry, timer));
		struct tftp_send send;

		t->timed = false;
		tftp_transfer_time(&t->transfer, srv->now_ms, &send);
		srv->stats.retransmitted += send.n_blocks + send.oack;
		send_what(srv, t, &send);
		after_step(srv, t);
		if (t->live)
			set_timer(srv, t);
	}
	end_batch(srv);
	if (!tftp_table_count(srv->table)) {
		event_del(srv->tick);
		srv->ticking = false;
	}
}

static void start_transfer(struct tftp_server *srv, struct tftp_entry *t)
{
	uint16_t fits = t->peer.sa.sa_family == AF_INET ? TFTP_BLKSIZE_IPV4 : TFTP_BLKSIZE_IPV6;
	struct tftp_limits limits = {
		.blksize = srv->options.blksize ? srv->options.blksize : fits,
		.windowsize = srv->options.windowsize,
	};
	struct tftp_send send;

	tftp_table_open(srv->table, t);
	tftp_transfer_init(&t->transfer, &t->request, t->source->size, &limits, srv->now_ms, &send);
	start_ticking(srv);
	set_timer(srv, t);
	send_what(srv, t, &send);
}

/* The content has decided. */
static void on_opened(void *ctx, enum tftp_found found, struct tftp_source *source, const char *text)
{
	struct tftp_entry *t = ctx;
	struct tftp_server *srv = t->tid->listener->srv;
	bool mine = begin_batch(srv);

	t->wait = NULL;
	t->source = source;
	switch (found) {
	case TFTP_FOUND:
		start_transfer(srv, t);
		break;
	case TFTP_ABSENT:
		srv->stats.absent++;
		send_error(srv, t->tid->fd, &t->peer, &t->local, TFTP_ERROR_NOT_FOUND, "file not found");
		end_transfer(srv, t);
		break;
	case TFTP_REFUSED:
		srv->stats.refused++;
		send_error(srv, t->tid->fd, &t->peer, &t->local, TFTP_ERROR_ACCESS, text ? text : "not served");
		end_transfer(srv, t);
		break;
	case TFTP_FAILED:
		fail_transfer(srv, t, text ? text : "not available now");
		break;
	}
	if (mine)
		end_batch(srv);
}

/*
 * The port to answer a client from: the active one, unless the client had its last transfer there or has one now.
 * NULL: it has one at every port.
 */
static struct tftp_tid *choose_tid(struct listener *l, const union udp_addr *peer)
{
	uint64_t hash = udp_addr_hash(peer, tftp_table_seed(l->srv->table));
	uint32_t client = (uint32_t)(hash >> 32) | 1;
	struct memory *m = &l->remembered[(hash >> 16) % REMEMBERED];
	unsigned first = l->active;

	if (m->client == client)
		first = (m->tid + 1) % l->n_tids;
	for (unsigned i = 0; i < l->n_tids; i++) {
		unsigned at = (first + i) % l->n_tids;

		if (tftp_table_find(l->srv->table, &l->tids[at], peer))
			continue;
		*m = (struct memory){client, at};
		if (--l->tenure == 0) {
			l->tenure = TFTP_TID_TENURE;
			l->active = (l->active + 1) % l->n_tids;
		}
		return &l->tids[at];
	}
	return NULL;
}

/* Whether there is room for one more transfer, if need be in the place of one that nobody answered. */
static bool make_room(struct tftp_server *srv, const union udp_addr *peer)
{
	struct tftp_entry *oldest;

	switch (tftp_table_room(srv->table, peer)) {
	case TFTP_ROOM:
		return true;
	case TFTP_ROOM_ADDRESS:
		srv->stats.dropped_address++;
		return false;
	case TFTP_ROOM_FULL:
		break;
	}
	oldest = tftp_table_oldest(srv->table);
	if (!oldest) {
		srv->stats.dropped_full++;
		return false;
	}
	srv->stats.abandoned++;
	srv->stats.evicted++;
	end_transfer(srv, oldest);
	return true;
}

static uint32_t hash_name(struct view name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return h;
}

static void read_request(struct listener *l, const struct tftp_request *req, const union udp_addr *peer,
			 const struct udp_local *local)
{
	struct tftp_server *srv = l->srv;
	uint32_t name_hash = hash_name(req->name);
	struct tftp_entry *t;
	struct tftp_tid *tid;

	if (tftp_table_repeated(srv->table, peer, name_hash)) {
		srv->stats.repeated++;
		return;
	}
	if (!make_room(srv, peer))
		return;
	tid = choose_tid(l, peer);
	if (!tid || tftp_table_add(srv->table, tid, peer, &t, NULL) < 0) {
		srv->stats.dropped_address++;
		return;
	}
	t->local = *local;
	t->name_hash = name_hash;
	t->request = *req;
	t->request.name = (struct view){0};
	void *wait = srv->content.open(srv->content.ctx, req->name, &peer->sa, on_opened, t);
	if (wait)
		t->wait = wait;
}

/*
 * Packets
 */

static void take_request(struct listener *l, unsigned i)
{
	struct tftp_server *srv = l->srv;
	const union udp_addr *peer = udp_in_from(&srv->in, i);
	struct err e = ERR_INIT;
	struct tftp_request req;
	struct udp_local local = {.family = AF_UNSPEC};
	int answer;

	srv->stats.requests++;
	if (!peer)
		return;
	if (l->wildcard)
		udp_in_local(&srv->in, i, &local);
	if (tftp_request_decode(udp_in_packet(&srv->in, i), &req, &answer, &e) == 0) {
		read_request(l, &req, peer, &local);
		return;
	}
	srv->stats.refused++;
	srv->stats.malformed++;
	if (answer >= 0)
		send_error(srv, l->fd, peer, &local, (enum tftp_error)answer, e.text);
}

/* A packet of somebody whom this port does not serve. Only what could belong to a transfer is answered. */
static void stranger(struct tftp_tid *tid, struct view packet, const union udp_addr *peer)
{
	static const struct udp_local any = {.family = AF_UNSPEC};
	struct rd r;
	uint16_t opcode;

	tid->listener->srv->stats.strangers++;
	rd_init(&r, packet.p, packet.len);
	if (rd_u16(&r, &opcode) && (opcode == TFTP_ACK || opcode == TFTP_DATA))
		send_error(tid->listener->srv, tid->fd, peer, &any, TFTP_ERROR_TID, "unknown transfer");
}

static void take_packet(struct tftp_tid *tid, unsigned i)
{
	struct tftp_server *srv = tid->listener->srv;
	const union udp_addr *peer = udp_in_from(&srv->in, i);
	struct view packet = udp_in_packet(&srv->in, i);
	struct tftp_entry *t;
	struct tftp_send send;

	if (!peer)
		return;
	t = tftp_table_find(srv->table, tid, peer);
	if (!t) {
		stranger(tid, packet, peer);
		return;
	}
	if (!t->opened)
		return;
	tftp_transfer_packet(&t->transfer, packet, srv->now_ms, &send);
	if (!t->confirmed && send.n_blocks)
		tftp_table_confirm(srv->table, t);
	send_what(srv, t, &send);
	after_step(srv, t);
}

/* Packets have come to fd: a transfers' port, or a listening socket, which the first of its ports stands for. */
static unsigned on_ready(void *ctx, void *owner, int fd)
{
	struct tftp_server *srv = ctx;
	struct tftp_tid *tid = owner;
	unsigned total = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = udp_in_recv(&srv->in, fd);

		begin_batch(srv);
		for (unsigned i = 0; i < n; i++) {
			if (fd != tid->listener->fd)
				take_packet(tid, i);
			else if (srv->serving)
				take_request(tid->listener, i);
		}
		end_batch(srv);
		total += n;
		if (n < UDP_BATCH)
			break;
	}
	return total;
}

static unsigned count_clients(void *ctx)
{
	const struct tftp_server *srv = ctx;

	return tftp_table_count(srv->table);
}

/*
 * The server
 */

int tftp_server_new(struct event_base *base, const struct clock *clock, const struct tftp_content *content,
		    const struct tftp_server_options *options, struct tftp_server **srv, struct err *e)
{
	struct tftp_server *got = calloc(1, sizeof(*got));
	uint64_t seed;
	int code;

	if (!got)
		return err_set(e, ERR_NOMEM, "TFTP: out of memory");
	if (options)
		got->options = *options;
	if (!got->options.max_transfers)
		got->options.max_transfers = TFTP_MAX_TRANSFERS;
	if (!got->options.max_per_address)
		got->options.max_per_address = TFTP_MAX_PER_ADDRESS;
	if (!got->options.tid_sockets)
		got->options.tid_sockets = TFTP_TID_SOCKETS;
	if (!got->options.windowsize)
		got->options.windowsize = TFTP_WINDOW_LIMIT;
	got->clock = clock;
	got->content = *content;
	got->serving = true;
	SLIST_INIT(&got->listeners);
	udp_in_init(&got->in);
	udp_out_init(&got->out);
	wheel_init(&got->wheel, 0);
	struct tftp_table_limits limits = {got->options.max_transfers, got->options.max_per_address};
	const struct udp_set_handler handler = {on_ready, count_clients, got};
	seed = got->options.seed;
	code = seed ? 0 : random_fill(&random_system, &seed, sizeof(seed), e);
	if (!code)
		code = tftp_table_new(&limits, seed, &got->table, e);
	if (!code)
		code = udp_set_new(base, clock, &handler, &got->sockets, e);
	if (!code && !(got->tick = event_new(base, -1, EV_PERSIST, on_tick, got)))
		code = err_set(e, ERR_NOMEM, "TFTP: out of memory");
	if (code) {
		tftp_server_free(got);
		return code;
	}
	*srv = got;
	return 0;
}

static void listener_free(struct listener *l)
{
	close(l->fd);
	for (unsigned i = 0; i < l->n_tids; i++)
		close(l->tids[i].fd);
	free(l);
}

void tftp_server_free(struct tftp_server *srv)
{
	struct tftp_entry *t;
	struct listener *l;

	if (!srv)
		return;
	while (srv->table && (t = tftp_table_any(srv->table))) {
		if (t->wait)
			srv->content.cancel(srv->content.ctx, t->wait);
		end_transfer(srv, t);
	}
	udp_set_free(srv->sockets); /* before its sockets, which others may hold, too */
	while ((l = SLIST_FIRST(&srv->listeners))) {
		SLIST_REMOVE_HEAD(&srv->listeners, link);
		listener_free(l);
	}
	if (srv->tick)
		event_free(srv->tick);
	tftp_table_free(srv->table);
	free(srv);
}

static int open_tid(struct listener *l, struct err *e)
{
	struct tftp_tid *tid = &l->tids[l->n_tids];
	int code;

	*tid = (struct tftp_tid){.listener = l, .fd = -1};
	code = udp_sibling(l->fd, &tid->fd, e);
	if (code)
		return code;
	l->n_tids++;
	code = udp_prepare(tid->fd, TFTP_SOCKET_BUFFER, e);
	if (!code)
		code = udp_set_add(l->srv->sockets, tid->fd, tid, e);
	return code;
}

int tftp_server_listen(struct tftp_server *srv, int fd, struct err *e)
{
	unsigned n = srv->options.tid_sockets;
	struct listener *l = calloc(1, sizeof(*l) + n * sizeof(l->tids[0]));
	int code;

	if (!l) {
		close(fd);
		return err_set(e, ERR_NOMEM, "TFTP: out of memory");
	}
	l->srv = srv;
	l->fd = fd;
	l->tenure = TFTP_TID_TENURE;
	code = udp_prepare(fd, TFTP_SOCKET_BUFFER, e);
	if (!code)
		code = udp_on_wildcard(fd, &l->wildcard, e);
	while (!code && l->n_tids < n)
		code = open_tid(l, e);
	if (!code)
		code = udp_set_add(srv->sockets, fd, &l->tids[0], e);
	if (code) {
		listener_free(l);
		return code;
	}
	SLIST_INSERT_HEAD(&srv->listeners, l, link);
	return 0;
}

void tftp_server_set_serving(struct tftp_server *srv, bool serving)
{
	srv->serving = serving;
}

bool tftp_server_drain(struct tftp_server *srv)
{
	struct listener *l;

	SLIST_FOREACH(l, &srv->listeners, link)
		udp_set_remove(srv->sockets, l->fd);
	return tftp_table_count(srv->table) == 0;
}

const struct tftp_server_stats *tftp_server_stats(struct tftp_server *srv)
{
	srv->stats.current = tftp_table_count(srv->table);
	srv->stats.unsent = srv->out.failed;
	return &srv->stats;
}
