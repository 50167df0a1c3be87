#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "net/udp.h"
#include "net/wheel.h"
#include "proto/tftp.h"

/*
 * The transfers of a TFTP server: found by client and port of ours, counted by the client's host, in memory that grows
 * in slabs and is used again. An entry that was removed can be looked at (live is false) until the next add.
 */
struct tftp_tid;     /* a port of ours: only its address counts here */
struct tftp_source;

struct tftp_entry {
	struct tftp_transfer transfer;       /* once opened */
	struct wheel_item timer;
	struct tftp_entry *chain;            /* others of the same hash */
	TAILQ_ENTRY(tftp_entry) link;        /* in the list of the table that says what it is */
	struct tftp_tid *tid;
	struct tftp_source *source;          /* NULL until opened */
	void *wait;                          /* while it is being opened, unless that was done at once */
	struct udp_local local;
	union udp_addr peer;
	uint32_t name_hash;
	struct tftp_request request;         /* without the name */
	bool timed;                          /* timer is in the wheel */
	bool opened;                         /* something was sent to the client */
	bool confirmed;                      /* the client answered: its address is no invention */
	bool live;                           /* not removed */
};

TAILQ_HEAD(tftp_entry_list, tftp_entry);

struct tftp_table_limits {
	unsigned max;
	unsigned max_per_address;
};

struct tftp_table;

/* seed: random, so that nobody outside can choose hashes. */
int tftp_table_new(const struct tftp_table_limits *limits, uint64_t seed, struct tftp_table **t, struct err *e) MUST_CHECK;
void tftp_table_free(struct tftp_table *t); /* the entries' sources and waits are the caller's; accepts NULL */

/* tftp_table_find: the live transfer of peer at tid, or NULL. */
struct tftp_entry *tftp_table_find(const struct tftp_table *t, const struct tftp_tid *tid, const union udp_addr *peer);

/* tftp_table_repeated: peer asked for this already and has not answered since. */
bool tftp_table_repeated(const struct tftp_table *t, const union udp_addr *peer, uint32_t name_hash);

/* Whether there may be one more. */
enum tftp_room { TFTP_ROOM, TFTP_ROOM_FULL, TFTP_ROOM_ADDRESS };
enum tftp_room tftp_table_room(const struct tftp_table *t, const union udp_addr *peer);

/* tftp_table_oldest: the opened transfer whose client is silent longest since then, or NULL. */
struct tftp_entry *tftp_table_oldest(const struct tftp_table *t);

/* tftp_table_add: Out: an entry, zero but for tid and peer. Errors: ERR_NOMEM. */
int tftp_table_add(struct tftp_table *t, struct tftp_tid *tid, const union udp_addr *peer, struct tftp_entry **entry,
		   struct err *e) MUST_CHECK;
void tftp_table_open(struct tftp_table *t, struct tftp_entry *entry);    /* sets opened */
void tftp_table_confirm(struct tftp_table *t, struct tftp_entry *entry); /* sets confirmed */
void tftp_table_remove(struct tftp_table *t, struct tftp_entry *entry);

/* tftp_table_any: some live entry, or NULL. */
struct tftp_entry *tftp_table_any(const struct tftp_table *t);
unsigned tftp_table_count(const struct tftp_table *t);
uint64_t tftp_table_seed(const struct tftp_table *t);
